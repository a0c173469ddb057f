/* bytecode.h: what the steps that carry elementwise code (elementwise, elementwise_reduce, and those with an epilogue)
 * ask of elementwise.c.  The interpreter itself is the micro-kernel elementwise_run. */
#ifndef FNN_BYTECODE_H
#define FNN_BYTECODE_H

#include "step.h"

/* Checks step->code: it runs over `count` elements, and every element that a view can reach lies inside its operand.
 * (That opcodes and registers are in range, and written before they are read, is the binding's to check.)  Also marks,
 * in bytes b and c of each store, the registers that nothing reads afterwards: the interpreter then need not save them
 * when the store overwrites the memory they point to; code without these marks is slower, not wrong.
 * Returns NULL, or a static sentence. */
const char *fnn_code_prepare(const fnn_step *step, ptrdiff_t count);

/* Rough cost of one element in nanoseconds. */
double fnn_code_work(const fnn_code *code);

/* The mask that a store carries. */
static inline unsigned fnn_code_dead(const fnn_instruction *store) {
  return (unsigned)store->b | (unsigned)store->c << 8;
}

#endif
