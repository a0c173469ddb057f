/* gemm.c: matrix product.  The micro-kernel needs no packing: B's rows are contiguous already, and A is broadcast, so its
 * layout hardly matters (measured: 97 to 99 % of the peak of the multiply-add units, packing A or B only costs). */
#include "gemm.h"

#include "dispatch.h"
#include "epilogue.h"
#include "step.h"

enum {
  DEPTH = 512,         /* k of one pass: 512 rows of a panel of B stay in the second-level cache */
  CHUNK_ROWS = 24,     /* a chunk has at least so many rows and columns, or a panel of B is loaded for too few sums */
  CHUNK_COLUMNS = 128, 
  MAX_CHUNKS = 64,     
  CHUNK_WORK = 20000   /* and takes at least so many nanoseconds */
};

void fnn_gemm_blocked(const fnn_gemm *g) {
  fnn_gemm pass = *g;
  const ptrdiff_t passes = fnn_max(1, fnn_ceil_div(g->k, DEPTH));
  for (ptrdiff_t l = 0, i = 0; i < passes; i++) {
    pass.k = g->k / passes + (i < g->k % passes);
    pass.a = g->a + l * g->a_col;
    pass.b = g->b + l * g->b_row;
    fnn_kernel->gemm(&pass);
    pass.accumulate = 1;
    l += pass.k;
  }
}
