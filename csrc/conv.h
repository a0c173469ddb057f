/* conv.h: what a convolution is, for conv.c and conv_gradient.c. */
#ifndef FNN_CONV_H
#define FNN_CONV_H

#include "window.h"

/* y[n,p,q,f] = sum x[n, .., .., c] w[r,s,c,f]; groups as in steps.def.  Places outside x are skipped. */
typedef struct fnn_conv {
  fnn_axis rows, columns;
  ptrdiff_t n, c, f, groups;
  const float *x, *w;
  float *y; /* of the kernel gradient: dy */
} fnn_conv;

/* The sizes that all convolution steps have, without pointers. */
fnn_conv fnn_conv_of(const fnn_step *step);

/* Nanoseconds for all of it; as many for each gradient. */
double fnn_conv_work(const fnn_conv *conv);

/* NULL, or what is wrong with the sizes (pointers are not looked at); x, w, y are the operands that hold them, w so
 * many kernels. */
const char *fnn_conv_check(const fnn_step *step, const fnn_conv *conv, int x, int w, ptrdiff_t kernels, int y);

#endif
