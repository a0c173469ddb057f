/* team.h: a team of threads, and waiting.  team.c is the only file that knows OpenMP. */
#ifndef FNN_TEAM_H
#define FNN_TEAM_H

#include <stdatomic.h>

/* Does the part of one worker, 0 .. threads-1. */
typedef void fnn_team_work(void *context, int worker);

/* Runs `work` on up to `threads` threads (OpenMP may grant fewer), the caller being worker 0, and returns when all have
 * finished.  Without OpenMP, and in a forked child, where the parent's OpenMP pool does not exist, the caller is alone. */
void fnn_team_run(int threads, fnn_team_work *work, void *context);

/* Waits until the value is no longer `seen`, and returns it. */
unsigned fnn_wait_for_change(atomic_uint *value, unsigned seen);

#endif
