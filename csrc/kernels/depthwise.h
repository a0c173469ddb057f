/* depthwise.h: depthwise convolution and its kernel gradient, vectors over channels.  Contracts in kernel.h. */

enum {
  DEPTHWISE_PIXELS = 8, /* outputs at a time: each vector of w serves them all; */
  DEPTHWISE_FEW = 4     /* so many where there are fewer */
};

/* One vector of channels, or the first `count` of it, for `pixels` <= DEPTHWISE_PIXELS outputs.  There are
 * `taps` <= 3 in a row of the window, and outputs lie `step` of them apart: each vector of x is loaded once and meets all
 * outputs that read it.  taps, step and pixels are constants at every call, and count where it is FNN_LANES. */
FNN_INLINE void depthwise_sliding(const fnn_depthwise *g, const float *x, const float *w, float *y, ptrdiff_t count,
                                  int taps, int step, int pixels) {
  const ptrdiff_t x_row = g->x_row, x_tap = taps == 1 ? g->x_pixel : g->x_tap, w_row = g->w_row, w_tap = g->w_tap;
  const ptrdiff_t y_pixel = g->y_pixel;
  vf sum[DEPTHWISE_PIXELS];
  GEMM_UNROLL
  for (int i = 0; i < pixels; i++) sum[i] = vf_zero();
  for (ptrdiff_t u = g->r; u > 0; u--, x += x_row, w += w_row) {
    vf weight[3];
    GEMM_UNROLL
    for (int v = 0; v < taps; v++) weight[v] = vf_load_part(w + v * w_tap, count);
    GEMM_UNROLL
    for (int j = 0; j < (pixels - 1) * step + taps; j++) {
      const vf a = vf_load_part(x + j * x_tap, count);
      GEMM_UNROLL
      for (int v = 0; v < taps; v++)
        if (j >= v && (j - v) % step == 0 && (j - v) / step < pixels)
          sum[(j - v) / step] = vf_fma(a, weight[v], sum[(j - v) / step]);
    }
  }
  GEMM_UNROLL
  for (int i = 0; i < pixels; i++) vf_store_part(y + i * y_pixel, sum[i], count);
}

/* And of any window. */
FNN_INLINE void depthwise_any(const fnn_depthwise *g, const float *x, const float *w, float *y, ptrdiff_t count,
                              int pixels) {
  const ptrdiff_t s = g->s, x_pixel = g->x_pixel, x_tap = g->x_tap, w_tap = g->w_tap, y_pixel = g->y_pixel;
  vf sum[DEPTHWISE_PIXELS];
  GEMM_UNROLL
  for (int i = 0; i < pixels; i++) sum[i] = vf_zero();
  for (ptrdiff_t u = 0; u < g->r; u++)
    for (ptrdiff_t v = 0; v < s; v++) {
      const float *from = x + u * g->x_row + v * x_tap;
      const vf weight = vf_load_part(w + u * g->w_row + v * w_tap, count);
      GEMM_UNROLL
      for (int i = 0; i < pixels; i++) sum[i] = vf_fma(vf_load_part(from + i * x_pixel, count), weight, sum[i]);
    }
  GEMM_UNROLL
  for (int i = 0; i < pixels; i++) vf_store_part(y + i * y_pixel, sum[i], count);
}

/* One vector of outputs i .. i+pixels-1; taps is 0 for any window. */
FNN_INLINE void depthwise_vector(const fnn_depthwise *g, ptrdiff_t i, ptrdiff_t ch, ptrdiff_t count, int taps, int step,
                                 int pixels) {
  const float *x = g->x + i * g->x_pixel + ch, *w = g->w + ch;
  float *y = g->y + i * g->y_pixel + ch;
  if (taps > 0)
    depthwise_sliding(g, x, w, y, count, taps, step, pixels);
  else
    depthwise_any(g, x, w, y, count, pixels);
}

/* All channels of outputs i .. i+pixels-1. */
FNN_INLINE void depthwise_tile(const fnn_depthwise *g, ptrdiff_t i, int taps, int step, int pixels) {
  const ptrdiff_t channels = g->channels;
  const float *below = g->x + i * g->x_pixel + g->r * g->x_row;
  for (ptrdiff_t u = 0; u < g->ahead; u++, below += g->x_row)
    for (ptrdiff_t l = 0; l < pixels * g->x_pixel; l += FNN_LINE_FLOATS) FNN_PREFETCH(below + l);
  ptrdiff_t ch = 0;
  for (; ch + FNN_LANES <= channels; ch += FNN_LANES) depthwise_vector(g, i, ch, FNN_LANES, taps, step, pixels);
  if (ch < channels) depthwise_vector(g, i, ch, channels - ch, taps, step, pixels);
}

/* Tiles of `pixels` outputs; the last ones once more with some of those before them: with the same result. */
FNN_INLINE void depthwise_tiles(const fnn_depthwise *g, int taps, int step, int pixels) {
  ptrdiff_t i = 0;
  for (; i + pixels <= g->pixels; i += pixels) depthwise_tile(g, i, taps, step, pixels);
  if (i < g->pixels) depthwise_tile(g, g->pixels - pixels, taps, step, pixels);
}

FNN_INLINE void depthwise_taps(const fnn_depthwise *g, int taps, int step) {
  if (g->pixels >= DEPTHWISE_PIXELS)
    depthwise_tiles(g, taps, step, DEPTHWISE_PIXELS);
  else if (g->pixels >= DEPTHWISE_FEW)
    depthwise_tiles(g, taps, step, DEPTHWISE_FEW);
  else if (g->pixels > 0)
    depthwise_tiles(g, taps, step, 1);
}

/* The usual windows, with strides 1 and 2, and what their gradients read, are unrolled. */
static void depthwise(const fnn_depthwise *g) {
  if (g->s == 3 && g->x_pixel == g->x_tap)
    depthwise_taps(g, 3, 1);
  else if (g->s == 3 && g->x_pixel == 2 * g->x_tap)
    depthwise_taps(g, 3, 2);
  else if (g->s == 2 && g->x_pixel == g->x_tap)
    depthwise_taps(g, 2, 1);
  else if (g->s == 1)
    depthwise_taps(g, 1, 1);
  else
    depthwise_taps(g, 0, 1);
}

/* One vector of channels of dw for all r x 3 taps, r <= 3: each vector of dy is loaded once. */
FNN_INLINE void depthwise_gradient_three(const fnn_depthwise_gradient *g, ptrdiff_t ch, ptrdiff_t count, int r) {
  const ptrdiff_t x_pixel = g->x_pixel, x_row = g->x_row, x_tap = g->x_tap, dy_pixel = g->dy_pixel;
  const float *x = g->x + ch, *dy = g->dy + ch;
  vf sum[9];
  GEMM_UNROLL
  for (int t = 0; t < 3 * r; t++) sum[t] = vf_zero();
  for (ptrdiff_t i = g->pixels; i > 0; i--, x += x_pixel, dy += dy_pixel) {
    const vf d = vf_load_part(dy, count);
    GEMM_UNROLL
    for (int t = 0; t < 3 * r; t++) sum[t] = vf_fma(vf_load_part(x + t / 3 * x_row + t % 3 * x_tap, count), d, sum[t]);
  }
  GEMM_UNROLL
  for (int t = 0; t < 3 * r; t++) {
    float *dw = g->dw + t / 3 * g->w_row + t % 3 * g->w_tap + ch;
    vf_store_part(dw, vf_add(vf_load_part(dw, count), sum[t]), count);
  }
}

/* And for one tap: four chains of additions hide the latency of one. */
FNN_INLINE void depthwise_gradient_tap(const fnn_depthwise_gradient *g, const float *x, const float *dy, float *dw,
                                       ptrdiff_t count) {
  const ptrdiff_t pixels = g->pixels, x_pixel = g->x_pixel, dy_pixel = g->dy_pixel;
  vf sum[4];
  GEMM_UNROLL
  for (int j = 0; j < 4; j++) sum[j] = vf_zero();
  ptrdiff_t i = 0;
  for (; i + 4 <= pixels; i += 4) GEMM_UNROLL
  for (int j = 0; j < 4; j++)
    sum[j] = vf_fma(vf_load_part(x + (i + j) * x_pixel, count), vf_load_part(dy + (i + j) * dy_pixel, count), sum[j]);
  for (; i < pixels; i++)
    sum[0] = vf_fma(vf_load_part(x + i * x_pixel, count), vf_load_part(dy + i * dy_pixel, count), sum[0]);
  const vf total = vf_add(vf_add(sum[0], sum[1]), vf_add(sum[2], sum[3]));
  vf_store_part(dw, vf_add(vf_load_part(dw, count), total), count);
}

FNN_INLINE void depthwise_gradient_channels(const fnn_depthwise_gradient *g, ptrdiff_t ch, ptrdiff_t count) {
  if (g->s == 3 && g->r == 3) {
    depthwise_gradient_three(g, ch, count, 3);
  } else if (g->s == 3 && g->r == 2) {
    depthwise_gradient_three(g, ch, count, 2);
  } else {
    for (ptrdiff_t u = 0; u < g->r; u++)
      for (ptrdiff_t v = 0; v < g->s; v++)
        depthwise_gradient_tap(g, g->x + u * g->x_row + v * g->x_tap + ch, g->dy + ch,
                               g->dw + u * g->w_row + v * g->w_tap + ch, count);
  }
}

static void depthwise_gradient(const fnn_depthwise_gradient *g) {
  ptrdiff_t ch = 0;
  for (; ch + FNN_LANES <= g->channels; ch += FNN_LANES) depthwise_gradient_channels(g, ch, FNN_LANES);
  if (ch < g->channels) depthwise_gradient_channels(g, ch, g->channels - ch);
}
