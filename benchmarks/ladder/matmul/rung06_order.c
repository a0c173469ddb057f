/* Another order: the inner loop walks along a row of b and of c, side by side in memory. */
#include <stddef.h>

void matmul(const float *restrict a, const float *restrict b, float *restrict c, ptrdiff_t m, ptrdiff_t n,
            ptrdiff_t k) {
  for (ptrdiff_t i = 0; i < m; i++) {
    for (ptrdiff_t j = 0; j < n; j++) c[i * n + j] = 0;
    for (ptrdiff_t s = 0; s < k; s++)
      for (ptrdiff_t j = 0; j < n; j++) c[i * n + j] += a[i * k + s] * b[s * n + j];
  }
}
