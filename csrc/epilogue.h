/* epilogue.h: elementwise code over the finished part of a step's output, while it is still in cache. */
#ifndef FNN_EPILOGUE_H
#define FNN_EPILOGUE_H

#include "dispatch.h"
#include "step.h"

/* Runs step->code, if there is one, for the output elements begin .. end-1. */
static inline void fnn_epilogue(const fnn_step *step, const fnn_worker *worker, ptrdiff_t begin, ptrdiff_t end) {
  char *operand[FNN_MAX_OPERANDS];
  if (!step->code || begin >= end) return;
  for (int i = 0; i < step->n_operands; i++) operand[i] = fnn_pointer(step, worker, i);
  fnn_kernel->elementwise_run(step->code, operand, begin, end, worker);
}

/* Whether the code, if there is one, runs over exactly the `count` elements of the output. */
static inline int fnn_epilogue_fits(const fnn_step *step, ptrdiff_t count) {
  return !step->code || step->code->count == count;
}

#endif
