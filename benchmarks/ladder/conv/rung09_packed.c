/* Packing: the filters that a tile reads are first copied together, so that they stay in the first-level cache:
 * strided, they would share few of its places. */
#include <stddef.h>

#define FNN_INLINE static inline
#include FNN_ISA_HEADER

enum { PIXELS = 4, VECTORS = 2, FILTERS = VECTORS * FNN_LANES };

void conv(const float *restrict x, const float *restrict kernel, float *restrict y, ptrdiff_t p, ptrdiff_t q,
          ptrdiff_t channels, ptrdiff_t filters) {
  const ptrdiff_t width = q + 2;
  for (ptrdiff_t f = 0; f < filters; f += FILTERS) {
    float panel[3 * 3 * channels][FILTERS];
    for (ptrdiff_t c = 0; c < 3 * 3 * channels; c++)
      for (int v = 0; v < FILTERS; v++) panel[c][v] = kernel[c * filters + f + v];
    for (ptrdiff_t i = 0; i < p; i++)
      for (ptrdiff_t j = 0; j < q; j += PIXELS) {
        vf total[PIXELS][VECTORS] = {{{0}}};
        for (int r = 0; r < 3; r++)
          for (int s = 0; s < 3; s++)
            for (ptrdiff_t c = 0; c < channels; c++)
              for (int t = 0; t < PIXELS; t++)
                for (int v = 0; v < VECTORS; v++)
                  total[t][v] = vf_fma(vf_set1(x[((i + r) * width + j + t + s) * channels + c]),
                                       vf_load(&panel[(r * 3 + s) * channels + c][v * FNN_LANES]), total[t][v]);
        for (int t = 0; t < PIXELS; t++)
          for (int v = 0; v < VECTORS; v++) vf_store(&y[(i * q + j + t) * filters + f + v * FNN_LANES], total[t][v]);
      }
  }
}
