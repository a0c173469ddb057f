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
 * With `b_transposed`, B_b(l, j) is at b + b*b_batch + j*b_row + l, and only pack_b reads it.
 * With `packed` (what pack_b made of this B) the numbers of B are read there instead.
 * The same is done for `more` further blocks of m rows, each a_more elements of A and c_more of C on.
 * Each element of C is one chain of additions, over b and then l; a single column of C, where A's rows and B are
 * contiguous, has dot products with partial sums in the lanes instead.  So the bits of an element do not depend on the
 * other rows, nor on m or n as long as n is 1 or is not. */
typedef struct fnn_gemm {
  ptrdiff_t m, n, k, batch;
  const float *a;
  ptrdiff_t a_row, a_col, a_batch;
  const float *b;
  ptrdiff_t b_row, b_batch;
  int b_transposed;
  float *c;
  ptrdiff_t c_row;
  int accumulate;
  const float *packed; /* or NULL */
  ptrdiff_t more, a_more, c_more;
} fnn_gemm;

/* y(i, ch) = sum over u < r, v < s of x[i*x_pixel + u*x_row + v*x_tap + ch] * w[u*w_row + v*w_tap + ch]
 * for i < pixels, ch < channels; y(i, ch) at y + i*y_pixel + ch.  `ahead` rows of x under the window will be read next.
 * Each element of y is one chain of additions, over u and then v. */
typedef struct fnn_depthwise {
  ptrdiff_t channels, pixels, r, s;
  const float *x;
  ptrdiff_t x_pixel, x_row, x_tap;
  const float *w;
  ptrdiff_t w_row, w_tap;
  float *y;
  ptrdiff_t y_pixel, ahead;
} fnn_depthwise;

/* dw[u*w_row + v*w_tap + ch] += sum over i < pixels of x[i*x_pixel + u*x_row + v*x_tap + ch] * dy[i*dy_pixel + ch]
 * for u < r, v < s, ch < channels */
typedef struct fnn_depthwise_gradient {
  ptrdiff_t channels, pixels, r, s;
  const float *x;
  ptrdiff_t x_pixel, x_row, x_tap;
  const float *dy;
  ptrdiff_t dy_pixel;
  float *dw;
  ptrdiff_t w_row, w_tap;
} fnn_depthwise_gradient;

/* Windows of r x s places for i < pixels outputs: place (u, v) of output i at i*x_pixel + u*x_row + v*channels in the
 * input, outputs contiguous.  (u, v) has the number first + u*number_row + v, held in a byte, or with `words` in an
 * int32.  `apart`: no place lies in two windows, so gradients are written, not added. */
typedef struct fnn_pool {
  ptrdiff_t channels, pixels, r, s, x_pixel, x_row, first, number_row;
  int words, apart;
} fnn_pool;

/* The same element of `rows` sequences on its way through a recurrent cell, with the meaning of steps.def.  Arrays over
 * sequences point to this element of the first one, and `t` elements on to that of the next; rows of `product` are
 * product_row apart, those of `h` and `c` have nothing between them.  NULL: `mask` for no mask, the last four for what
 * is not wanted. */
typedef struct fnn_cell {
  ptrdiff_t rows, units, t, product_row;
  const float *bias, *mask;
  float *product; /* x.w + h.u, of a gru xz + z, xr + r, xy, q; the gates may be written over it */
  float *h, *c;   /* states: replaced by the new ones */
  float *sequence, *h_before, *c_before, *kept;
} fnn_cell;

/* And the way back.  dh, dc: in, the gradients of the states behind the element; out, of those before it, but for the
 * part of dh that comes by h.u: the product of dproduct, of rows product_row apart, with the turned u. */
typedef struct fnn_cell_gradient {
  ptrdiff_t rows, units, t, product_row;
  const float *kept, *before, *mask, *dsequence; /* before: c_before of an lstm, h_before of a gru */
  float *dh, *dc;
  float *dx, *dproduct;
  float *dproducts; /* of a gru: dproduct as an array over sequences */
} fnn_cell_gradient;

#endif
