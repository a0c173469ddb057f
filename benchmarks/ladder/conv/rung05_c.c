/* The same loops in C. */
#include <stddef.h>

void conv(const float *restrict x, const float *restrict kernel, float *restrict y, ptrdiff_t p, ptrdiff_t q,
          ptrdiff_t channels, ptrdiff_t filters) {
  const ptrdiff_t width = q + 2;
  for (ptrdiff_t i = 0; i < p; i++)
    for (ptrdiff_t j = 0; j < q; j++)
      for (ptrdiff_t f = 0; f < filters; f++) {
        float total = 0;
        for (int r = 0; r < 3; r++)
          for (int s = 0; s < 3; s++)
            for (ptrdiff_t c = 0; c < channels; c++)
              total += x[((i + r) * width + j + s) * channels + c] * kernel[((r * 3 + s) * channels + c) * filters + f];
        y[(i * q + j) * filters + f] = total;
      }
}
