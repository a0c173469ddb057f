/* pool.h: max-pooling of a part of some images that lies anywhere, for pool.c and for the convolutions that end in it. */
#ifndef FNN_POOL_H
#define FNN_POOL_H

#include "window.h"

/* Windows over images (n, rows.in, columns.in, c), none with dilation. */
typedef struct fnn_pooling {
  fnn_axis rows, columns;
  ptrdiff_t n, c;
  int winners; /* whether their numbers are written */
} fnn_pooling;

/* The pooling behind a convolution to images (n, p, q, c); `sizes` are pool_p .. winners of steps.def. */
fnn_pooling fnn_pooling_of(ptrdiff_t n, ptrdiff_t p, ptrdiff_t q, ptrdiff_t c, const ptrdiff_t *sizes);

/* NULL, or what is wrong with the sizes; y and winner are the operands of the step that hold these. */
const char *fnn_max_pool_check(const fnn_step *step, const fnn_pooling *v, int y, int winner);

/* A part of the images: pixel (row, column) is at x, rows counted through the images, and `width` pixels on the next row. */
typedef struct fnn_pool_input {
  const float *x;
  ptrdiff_t row, column, width;
} fnn_pool_input;

/* Outputs begin .. end-1 of output row `row`, counted through the images. */
void fnn_max_pool(const fnn_pooling *v, const fnn_pool_input *in, ptrdiff_t row, ptrdiff_t begin, ptrdiff_t end,
                  float *y, char *winner);

#endif
