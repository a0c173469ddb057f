/* bytecode.h: what the steps that carry elementwise code (elementwise, and matrix products and convolutions with an
 * epilogue) ask of elementwise.c.  The interpreter itself is the micro-kernel elementwise_run. */
#ifndef FNN_BYTECODE_H
#define FNN_BYTECODE_H

#include "step.h"

/* Checks step->code: it runs over `count` elements, every element that a view can reach lies inside its operand, and no
 * register is read before it is written.  Registers, views and opcodes themselves are in range already (the binding
 * sees to it).  Also marks, in bytes b and c of each store, the registers that nothing reads afterwards: the interpreter
 * then need not save them when the store overwrites the memory they point to.
 * Returns NULL, or a static sentence. */
const char *fnn_code_prepare(const fnn_step *step, ptrdiff_t count);

/* Rough cost of one element in nanoseconds. */
double fnn_code_work(const fnn_code *code);

/* The memory of each operand, as elementwise_run wants it. */
static inline void fnn_code_operands(const fnn_step *step, const fnn_worker *worker, char *operand[FNN_MAX_OPERANDS]) {
  for (int i = 0; i < step->n_operands; i++) operand[i] = fnn_pointer(step, worker, i);
}

/* The mask that a store carries. */
static inline unsigned fnn_code_dead(const fnn_instruction *store) {
  return (unsigned)store->b | (unsigned)store->c << 8;
}

#endif
