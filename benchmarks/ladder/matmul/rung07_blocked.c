/* Blocks: a tile of c is finished before the next one begins, so that it stays in the nearest cache, and a number that
 * is loaded from a or b is used several times.  m and n are multiples of the tile. */
#include <stddef.h>

enum { ROWS = 4, COLUMNS = 32 };

void matmul(const float *restrict a, const float *restrict b, float *restrict c, ptrdiff_t m, ptrdiff_t n,
            ptrdiff_t k) {
  for (ptrdiff_t j = 0; j < n; j += COLUMNS)
    for (ptrdiff_t i = 0; i < m; i += ROWS) {
      float total[ROWS][COLUMNS] = {{0}};
      for (ptrdiff_t s = 0; s < k; s++)
        for (int r = 0; r < ROWS; r++)
          for (int v = 0; v < COLUMNS; v++) total[r][v] += a[(i + r) * k + s] * b[s * n + j + v];
      for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < COLUMNS; v++) c[(i + r) * n + j + v] = total[r][v];
    }
}
