/* gemm.h: the blocked matrix product, for gemm.c and for the convolutions that end in one. */
#ifndef FNN_GEMM_H
#define FNN_GEMM_H

#include "kernel.h"

/* Does g, with batch = 1, in passes over k that suit the caches.  scratch: fnn_gemm_scratch bytes, or NULL, if B is not
 * transposed: it is read where it is. */
void fnn_gemm_blocked(const fnn_gemm *g, float *scratch);

/* Bytes of scratch for a product of up to m rows with a B of n columns (or, transposed, rows) and depth k, on any
 * instruction set. */
ptrdiff_t fnn_gemm_scratch(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int b_transposed);

enum { FNN_PACKED_COLUMNS = 64 }; /* columns of B that are packed at a time: whole panels on any instruction set */

/* Whether `rows` rows of C are worth a copy of B in panels. */
int fnn_gemm_packs(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t b_row);

#endif
