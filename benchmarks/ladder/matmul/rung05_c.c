/* The same loops in C. */
#include <stddef.h>

void matmul(const float *restrict a, const float *restrict b, float *restrict c, ptrdiff_t m, ptrdiff_t n,
            ptrdiff_t k) {
  for (ptrdiff_t i = 0; i < m; i++)
    for (ptrdiff_t j = 0; j < n; j++) {
      float total = 0;
      for (ptrdiff_t s = 0; s < k; s++) total += a[i * k + s] * b[s * n + j];
      c[i * n + j] = total;
    }
}
