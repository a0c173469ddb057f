/* kernel.h: the argument structures of the micro-kernels of kernels.def, with their contracts. */
#ifndef FNN_KERNEL_H
#define FNN_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#include "fnn.h"

/* C (m x n) = [C +] sum over b < batch of A_b (m x k) . B_b (k x n), strides in elements.
 *   A_b(i, l) at a + b*a_batch + i*a_row + l*a_col   any strides, so rows may overlap (convolution) or be columns
 *   B_b(l, j) at b + b*b_batch + l*b_row + j
 *   C(i, j)   at c + i*c_row + j                     overwritten, or added to when accumulate is set
 * Each element of C is one chain of additions, over b and then l: its bits do not depend on m, n or the other rows. */
typedef struct fnn_gemm {
  ptrdiff_t m, n, k, batch;
  const float *a;
  ptrdiff_t a_row, a_col, a_batch;
  const float *b;
  ptrdiff_t b_row, b_batch;
  float *c;
  ptrdiff_t c_row;
  int accumulate;
} fnn_gemm;

#endif
