/* OpenMP: the cores share the panels, each with a copy of its own. */
#include <stddef.h>

#define FNN_INLINE static inline
#include FNN_ISA_HEADER

enum { ROWS = 4, VECTORS = 2, COLUMNS = VECTORS * FNN_LANES };

void matmul(const float *restrict a, const float *restrict b, float *restrict c, ptrdiff_t m, ptrdiff_t n,
            ptrdiff_t k) {
#pragma omp parallel for
  for (ptrdiff_t j = 0; j < n; j += COLUMNS) {
    float panel[k][COLUMNS];
    for (ptrdiff_t s = 0; s < k; s++)
      for (int v = 0; v < COLUMNS; v++) panel[s][v] = b[s * n + j + v];
    for (ptrdiff_t i = 0; i < m; i += ROWS) {
      vf total[ROWS][VECTORS] = {{{0}}};
      for (ptrdiff_t s = 0; s < k; s++)
        for (int r = 0; r < ROWS; r++)
          for (int v = 0; v < VECTORS; v++)
            total[r][v] = vf_fma(vf_set1(a[(i + r) * k + s]), vf_load(&panel[s][v * FNN_LANES]), total[r][v]);
      for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < VECTORS; v++) vf_store(&c[(i + r) * n + j + v * FNN_LANES], total[r][v]);
    }
  }
}
