/* conv.h: a convolution over output rows; the forward pass and, with the kernel flipped, the gradient for the input. */
#ifndef FNN_CONV_H
#define FNN_CONV_H

#include "window.h"

/* y[n,p,q,f] = sum x[n, .., .., c] w[r,s,c,f]; groups as in steps.def. Places outside x are skipped. */
typedef struct fnn_conv {
  fnn_axis rows, columns;
  ptrdiff_t n, c, f, groups;
  const float *x, *w;
  float *y;
} fnn_conv;

/* Output rows begin .. end-1, counted through all images. */
void fnn_conv_rows(const fnn_conv *conv, ptrdiff_t begin, ptrdiff_t end, float *scratch);

/* Bytes of scratch that fnn_conv_rows needs. */
ptrdiff_t fnn_conv_scratch(const fnn_conv *conv);

/* Nanoseconds for all of it. */
double fnn_conv_work(const fnn_conv *conv);

/* Output rows in one chunk, when no more than max_chunks are wanted. */
ptrdiff_t fnn_conv_chunk_rows(const fnn_conv *conv, ptrdiff_t max_chunks);

/* NULL, or what is wrong with the sizes (pointers are not looked at); x, w, y are the operands that hold them, w so many
 * kernels. */
const char *fnn_conv_check(const fnn_step *step, const fnn_conv *conv, int x, int w, ptrdiff_t kernels, int y);

#endif
