/* gemm.h: the blocked matrix product, for gemm.c and for the convolutions that end in one. */
#ifndef FNN_GEMM_H
#define FNN_GEMM_H

#include "kernel.h"

/* Does g, with batch = 1, in passes over k that suit the caches. */
void fnn_gemm_blocked(const fnn_gemm *g);

#endif
