/* Blocks: a tile of neighbouring pixels and filters is finished before the next one begins, so that it stays in the
 * nearest cache, and a number that is loaded is used several times.  q and filters are multiples of the tile. */
#include <stddef.h>

enum { PIXELS = 4, FILTERS = 32 };

void conv(const float *restrict x, const float *restrict kernel, float *restrict y, ptrdiff_t p, ptrdiff_t q,
          ptrdiff_t channels, ptrdiff_t filters) {
  const ptrdiff_t width = q + 2;
  for (ptrdiff_t f = 0; f < filters; f += FILTERS)
    for (ptrdiff_t i = 0; i < p; i++)
      for (ptrdiff_t j = 0; j < q; j += PIXELS) {
        float total[PIXELS][FILTERS] = {{0}};
        for (int r = 0; r < 3; r++)
          for (int s = 0; s < 3; s++)
            for (ptrdiff_t c = 0; c < channels; c++)
              for (int t = 0; t < PIXELS; t++)
                for (int v = 0; v < FILTERS; v++)
                  total[t][v] += x[((i + r) * width + j + t + s) * channels + c] *
                                 kernel[((r * 3 + s) * channels + c) * filters + f + v];
        for (int t = 0; t < PIXELS; t++)
          for (int v = 0; v < FILTERS; v++) y[(i * q + j + t) * filters + f + v] = total[t][v];
      }
}
