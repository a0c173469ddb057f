/* program.h: a program's steps, for engine.c. */
#ifndef FNN_PROGRAM_H
#define FNN_PROGRAM_H

#include "fnn.h"

/* One chunk of a step. */
void fnn_step_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk);

/* Units that a step has in its phase: its chunks, if it is shared, or itself as a whole. */
static inline ptrdiff_t fnn_step_units(const fnn_step *step) { return step->shared ? step->chunks : 1; }

#endif
