/* depthwise.h: depthwise convolution and its kernel gradient, vectors over channels.  Contracts in kernel.h. */

enum {
  DEPTHWISE_PIXELS = 8, /* outputs at a time: each vector of w serves them all; */
  DEPTHWISE_FEW = 4,    /* so many where there are fewer */
  DEPTHWISE_LINE = 16   /* floats in a line of the cache */
};

FNN_INLINE vf depthwise_load(const float *p, ptrdiff_t count) {
  return count == FNN_LANES ? vf_load(p) : vf_load_first(p, count);
}

FNN_INLINE void depthwise_store(float *p, vf v, ptrdiff_t count) {
  if (count == FNN_LANES)
    vf_store(p, v);
  else
    vf_store_first(p, v, count);
}

/* One row of the window, of `taps` <= 3 taps, whose outputs lie `step` taps apart: each vector of x is loaded once and
 * meets all outputs that read it. */
FNN_INLINE void depthwise_slide(const float *x, ptrdiff_t distance, const float *w, ptrdiff_t w_tap, ptrdiff_t count,
                                int taps, int step, int pixels, vf sum[DEPTHWISE_PIXELS]) {
  vf weight[3];
  GEMM_UNROLL
  for (int v = 0; v < taps; v++) weight[v] = depthwise_load(w + v * w_tap, count);
  GEMM_UNROLL
  for (int j = 0; j < (pixels - 1) * step + taps; j++) {
    const vf a = depthwise_load(x + j * distance, count);
    GEMM_UNROLL
    for (int v = 0; v < taps; v++) {
      const int i = (j - v) / step;
      if (j >= v && (j - v) % step == 0 && i < pixels) sum[i] = vf_fma(a, weight[v], sum[i]);
    }
  }
}

/* One vector of channels (the first `count` of it) for `pixels` <= DEPTHWISE_PIXELS outputs; taps and step are those of
 * depthwise_slide, or step is 0. */
FNN_INLINE void depthwise_pixels(const fnn_depthwise *g, const float *x, const float *w, float *y, ptrdiff_t count,
                                 int taps, int step, int pixels) {
  vf sum[DEPTHWISE_PIXELS];
  for (int i = 0; i < pixels; i++) sum[i] = vf_zero();
  for (ptrdiff_t u = 0; u < g->r; u++, x += g->x_row, w += g->w_row) {
    if (step > 0) {
      depthwise_slide(x, taps == 1 ? g->x_pixel : g->x_tap, w, g->w_tap, count, taps, step, pixels, sum);
      continue;
    }
    for (ptrdiff_t v = 0; v < g->s; v++) {
      const vf weight = depthwise_load(w + v * g->w_tap, count);
      for (int i = 0; i < pixels; i++)
        sum[i] = vf_fma(depthwise_load(x + v * g->x_tap + i * g->x_pixel, count), weight, sum[i]);
    }
  }
  for (int i = 0; i < pixels; i++) depthwise_store(y + i * g->y_pixel, sum[i], count);
}

/* All channels of outputs i .. i+pixels-1. */
FNN_INLINE void depthwise_tile(const fnn_depthwise *g, ptrdiff_t i, int taps, int step, int pixels) {
  const float *x = g->x + i * g->x_pixel;
  float *y = g->y + i * g->y_pixel;
  ptrdiff_t ch = 0;
  for (ptrdiff_t u = 0; u < g->ahead; u++)
    for (ptrdiff_t l = 0; l < pixels * g->x_pixel; l += DEPTHWISE_LINE) GEMM_PREFETCH(x + (g->r + u) * g->x_row + l);
  for (; ch + FNN_LANES <= g->channels; ch += FNN_LANES)
    depthwise_pixels(g, x + ch, g->w + ch, y + ch, FNN_LANES, taps, step, pixels);
  if (ch < g->channels) depthwise_pixels(g, x + ch, g->w + ch, y + ch, g->channels - ch, taps, step, pixels);
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
    depthwise_taps(g, 0, 0);
}

/* One vector of channels of dw for all r x 3 taps, r <= 3: each vector of dy is loaded once. */
FNN_INLINE void depthwise_gradient_three(const fnn_depthwise_gradient *g, ptrdiff_t ch, ptrdiff_t count, int r) {
  vf sum[9];
  const float *x = g->x + ch, *dy = g->dy + ch;
  for (int t = 0; t < 3 * r; t++) sum[t] = vf_zero();
  for (ptrdiff_t i = 0; i < g->pixels; i++, x += g->x_pixel, dy += g->dy_pixel) {
    const vf d = depthwise_load(dy, count);
    GEMM_UNROLL
    for (int t = 0; t < 3 * r; t++)
      sum[t] = vf_fma(depthwise_load(x + t / 3 * g->x_row + t % 3 * g->x_tap, count), d, sum[t]);
  }
  for (int t = 0; t < 3 * r; t++) {
    float *dw = g->dw + t / 3 * g->w_row + t % 3 * g->w_tap + ch;
    depthwise_store(dw, vf_add(depthwise_load(dw, count), sum[t]), count);
  }
}

/* And for one tap: four chains of additions hide the latency of one. */
FNN_INLINE void depthwise_gradient_tap(const fnn_depthwise_gradient *g, const float *x, const float *dy, float *dw,
                                       ptrdiff_t count) {
  vf sum[4];
  for (int j = 0; j < 4; j++) sum[j] = vf_zero();
  ptrdiff_t i = 0;
  for (; i + 4 <= g->pixels; i += 4)
    for (int j = 0; j < 4; j++)
      sum[j] = vf_fma(depthwise_load(x + (i + j) * g->x_pixel, count),
                      depthwise_load(dy + (i + j) * g->dy_pixel, count), sum[j]);
  for (; i < g->pixels; i++)
    sum[0] = vf_fma(depthwise_load(x + i * g->x_pixel, count), depthwise_load(dy + i * g->dy_pixel, count), sum[0]);
  const vf total = vf_add(vf_add(sum[0], sum[1]), vf_add(sum[2], sum[3]));
  depthwise_store(dw, vf_add(depthwise_load(dw, count), total), count);
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
