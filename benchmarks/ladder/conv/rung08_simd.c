/* SIMD: v counts vectors of FNN_LANES numbers; one instruction multiplies and adds a whole one, and the tile fits the
 * registers.  The words are the library's, csrc/isa/; the compiler's command line has the best header for this machine. */
#include <stddef.h>

#define FNN_INLINE static inline
#include FNN_ISA_HEADER

enum { PIXELS = 4, VECTORS = 2, FILTERS = VECTORS * FNN_LANES };

void conv(const float *restrict x, const float *restrict kernel, float *restrict y, ptrdiff_t p, ptrdiff_t q,
          ptrdiff_t channels, ptrdiff_t filters) {
  const ptrdiff_t width = q + 2;
  for (ptrdiff_t f = 0; f < filters; f += FILTERS)
    for (ptrdiff_t i = 0; i < p; i++)
      for (ptrdiff_t j = 0; j < q; j += PIXELS) {
        vf total[PIXELS][VECTORS] = {{{0}}};
        for (int r = 0; r < 3; r++)
          for (int s = 0; s < 3; s++)
            for (ptrdiff_t c = 0; c < channels; c++)
              for (int t = 0; t < PIXELS; t++)
                for (int v = 0; v < VECTORS; v++)
                  total[t][v] =
                      vf_fma(vf_set1(x[((i + r) * width + j + t + s) * channels + c]),
                             vf_load(&kernel[((r * 3 + s) * channels + c) * filters + f + v * FNN_LANES]), total[t][v]);
        for (int t = 0; t < PIXELS; t++)
          for (int v = 0; v < VECTORS; v++) vf_store(&y[(i * q + j + t) * filters + f + v * FNN_LANES], total[t][v]);
      }
}
