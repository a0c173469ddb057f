/* depthwise.h: depthwise convolution and its kernel gradient, vectors over channels.  Contracts in kernel.h. */

enum { DEPTHWISE_PIXELS = 8 }; /* outputs at a time: each vector of w serves them all */

/* One vector of channels (the first `count` of it) for `pixels` <= DEPTHWISE_PIXELS outputs; `taps` is g->s. */
FNN_INLINE void depthwise_pixels(const fnn_depthwise *g, const float *x, const float *w, float *y, ptrdiff_t count,
                                 ptrdiff_t taps, int pixels) {
  const ptrdiff_t x_pixel = g->x_pixel, y_pixel = g->y_pixel, x_tap = g->x_tap, w_tap = g->w_tap;
  vf sum[DEPTHWISE_PIXELS];
  for (int i = 0; i < pixels; i++) sum[i] = vf_zero();
  if (g->accumulate)
    for (int i = 0; i < pixels; i++) sum[i] = vf_load_first(y + i * y_pixel, count);
  for (ptrdiff_t u = 0; u < g->r; u++, x += g->x_row, w += g->w_row)
    for (ptrdiff_t v = 0; v < taps; v++) {
      const float *from = x + v * x_tap;
      const vf weight = vf_load_first(w + v * w_tap, count);
      for (int i = 0; i < pixels; i++) sum[i] = vf_fma(vf_load_first(from + i * x_pixel, count), weight, sum[i]);
    }
  for (int i = 0; i < pixels; i++) vf_store_first(y + i * y_pixel, sum[i], count);
}

/* All channels of outputs i .. i+pixels-1. */
FNN_INLINE void depthwise_tile(const fnn_depthwise *g, ptrdiff_t i, ptrdiff_t taps, int pixels) {
  const float *x = g->x + i * g->x_pixel;
  float *y = g->y + i * g->y_pixel;
  ptrdiff_t ch = 0;
  for (; ch + FNN_LANES <= g->channels; ch += FNN_LANES)
    depthwise_pixels(g, x + ch, g->w + ch, y + ch, FNN_LANES, taps, pixels);
  if (ch < g->channels) depthwise_pixels(g, x + ch, g->w + ch, y + ch, g->channels - ch, taps, pixels);
}

FNN_INLINE void depthwise_taps(const fnn_depthwise *g, ptrdiff_t taps) {
  ptrdiff_t i = 0;
  for (; i + DEPTHWISE_PIXELS <= g->pixels; i += DEPTHWISE_PIXELS) depthwise_tile(g, i, taps, DEPTHWISE_PIXELS);
  if (i < g->pixels && i > 0 && !g->accumulate) { /* a few of them once more, with the same result */
    depthwise_tile(g, g->pixels - DEPTHWISE_PIXELS, taps, DEPTHWISE_PIXELS);
    return;
  }
  for (; i < g->pixels; i++) depthwise_tile(g, i, taps, 1);
}

static void depthwise(const fnn_depthwise *g) {
  if (g->s == 3)
    depthwise_taps(g, 3); /* the usual window, unrolled */
  else
    depthwise_taps(g, g->s);
}

FNN_INLINE void depthwise_gradient_channels(const fnn_depthwise_gradient *g, ptrdiff_t ch, ptrdiff_t count) {
  vf sum[4]; /* four chains of additions hide the latency of one */
  for (int j = 0; j < 4; j++) sum[j] = vf_zero();
  const float *x = g->x + ch, *dy = g->dy + ch;
  ptrdiff_t i = 0;
  for (; i + 4 <= g->pixels; i += 4)
    for (int j = 0; j < 4; j++)
      sum[j] = vf_fma(vf_load_first(x + (i + j) * g->x_pixel, count), vf_load_first(dy + (i + j) * g->dy_pixel, count),
                      sum[j]);
  for (; i < g->pixels; i++)
    sum[0] = vf_fma(vf_load_first(x + i * g->x_pixel, count), vf_load_first(dy + i * g->dy_pixel, count), sum[0]);
  const vf total = vf_add(vf_add(sum[0], sum[1]), vf_add(sum[2], sum[3]));
  vf_store_first(g->dw + ch, vf_add(vf_load_first(g->dw + ch, count), total), count);
}

static void depthwise_gradient(const fnn_depthwise_gradient *g) {
  ptrdiff_t ch = 0;
  for (; ch + FNN_LANES <= g->channels; ch += FNN_LANES) depthwise_gradient_channels(g, ch, FNN_LANES);
  if (ch < g->channels) depthwise_gradient_channels(g, ch, g->channels - ch);
}
