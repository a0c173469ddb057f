/* team.h: a team of threads and its barrier.  team.c is the only file that knows OpenMP. */
#ifndef FNN_TEAM_H
#define FNN_TEAM_H

#include <stdatomic.h>

enum {
  FNN_CACHE_LINE = 64,
  FNN_MAX_THREADS = 256 /* in one team */
};

/* Does the part of worker 0 .. workers-1. */
typedef void fnn_team_work(void *context, int worker, int workers);

/* Runs `work` on at most `threads` threads, the caller being worker 0, and returns when all have finished.  In a forked
 * child, and without OpenMP, the caller is alone: the OpenMP pool of the parent does not exist there. */
void fnn_team_run(int threads, fnn_team_work *work, void *context);

/* Starts zeroed.  The three variables are written by different threads at different times: one cache line each. */
typedef struct fnn_barrier {
  _Alignas(FNN_CACHE_LINE) atomic_int arrived;
  _Alignas(FNN_CACHE_LINE) atomic_uint generation;
  _Alignas(FNN_CACHE_LINE) atomic_int flags;
  int agreed;
} fnn_barrier;

/* Waits for all workers; returns to every one of them the union of the flags they came with. */
int fnn_barrier_wait(fnn_barrier *barrier, int workers, int flags);

#endif
