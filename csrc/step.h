/* step.h: what every family of kernels (gemm.c, conv.c, ...) shares: the prepare/run pair of each step, the way from an
 * operand to memory, and the arithmetic on sizes that prepare functions must use. */
#ifndef FNN_STEP_H
#define FNN_STEP_H

#include <stddef.h>
#include <stdint.h>

#include "fnn.h"

/* fnn_<step>_prepare checks the sizes against the operands, fills chunks, scratch_bytes and work, and returns NULL or a
 * static sentence.  fnn_<step>_run does one chunk, 0 <= chunk < step->chunks; chunks run in any order and thread. */
#define FNN_STEP(name, operands, ...)               \
  const char *fnn_##name##_prepare(fnn_step *step); \
  void fnn_##name##_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk);
#include "steps.def"
#undef FNN_STEP

static inline void *fnn_pointer(const fnn_step *step, const fnn_worker *worker, int i) {
  return worker->base[step->operand[i].base] + step->operand[i].offset;
}

/* Sizes are negative only when wrong: a product or sum that is negative in part, or does not fit, is -1, and so is
 * everything computed from it. */
static inline ptrdiff_t fnn_multiply(ptrdiff_t a, ptrdiff_t b) {
  if (a < 0 || b < 0 || (b > 0 && a > PTRDIFF_MAX / b)) return -1;
  return a * b;
}

static inline ptrdiff_t fnn_add(ptrdiff_t a, ptrdiff_t b) {
  if (a < 0 || b < 0 || a > PTRDIFF_MAX - b) return -1;
  return a + b;
}

static inline ptrdiff_t fnn_product(const ptrdiff_t *size, size_t count) {
  ptrdiff_t product = 1;
  for (size_t i = 0; i < count; i++) product = fnn_multiply(product, size[i]);
  return product;
}
#define FNN_PRODUCT(...) \
  fnn_product((const ptrdiff_t[]){__VA_ARGS__}, sizeof((const ptrdiff_t[]){__VA_ARGS__}) / sizeof(ptrdiff_t))

/* Whether operand i exists and has room for `elements` elements of 4 bytes (false for -1). */
static inline int fnn_holds(const fnn_step *step, int i, ptrdiff_t elements) {
  return i < step->n_operands && elements >= 0 && elements <= step->operand[i].bytes / 4;
}

static inline ptrdiff_t fnn_min(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static inline ptrdiff_t fnn_max(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }
static inline ptrdiff_t fnn_ceil_div(ptrdiff_t a, ptrdiff_t b) { return a / b + (a % b != 0); }

/* Where part i begins if `count` things are cut into parts whose sizes differ by one at most, large and small ones mixed.
 * fnn_parts_valid tells whether they can be counted. */
static inline ptrdiff_t fnn_part_begin(ptrdiff_t count, ptrdiff_t parts, ptrdiff_t i) { return count * i / parts; }
static inline int fnn_parts_valid(ptrdiff_t count, ptrdiff_t parts) {
  return parts >= 1 && fnn_multiply(count, parts) >= 0;
}

#endif
