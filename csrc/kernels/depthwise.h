/* depthwise.h: depthwise convolution and its kernel gradient, vectors over channels.  Contracts in kernel.h. */

enum { DEPTHWISE_PIXELS = 8 }; /* outputs at a time: each vector of w serves them all */

/* One vector of channels (the first `count` of it) for `pixels` <= DEPTHWISE_PIXELS outputs. */
FNN_INLINE void depthwise_pixels(const fnn_depthwise *g, const float *x, const float *w, float *y, ptrdiff_t count,
                                 int pixels) {
  vf sum[DEPTHWISE_PIXELS];
  for (int i = 0; i < pixels; i++) sum[i] = g->accumulate ? vf_load_first(y + i * g->y_pixel, count) : vf_zero();
  for (ptrdiff_t u = 0; u < g->r; u++)
    for (ptrdiff_t v = 0; v < g->s; v++) {
      const float *from = x + u * g->x_row + v * g->x_tap;
      const vf weight = vf_load_first(w + u * g->w_row + v * g->w_tap, count);
      for (int i = 0; i < pixels; i++) sum[i] = vf_fma(vf_load_first(from + i * g->x_pixel, count), weight, sum[i]);
    }
  for (int i = 0; i < pixels; i++) vf_store_first(y + i * g->y_pixel, sum[i], count);
}

FNN_INLINE void depthwise_channels(const fnn_depthwise *g, ptrdiff_t ch, ptrdiff_t count) {
  ptrdiff_t i = 0;
  for (; i + DEPTHWISE_PIXELS <= g->pixels; i += DEPTHWISE_PIXELS)
    depthwise_pixels(g, g->x + i * g->x_pixel + ch, g->w + ch, g->y + i * g->y_pixel + ch, count, DEPTHWISE_PIXELS);
  for (; i < g->pixels; i++)
    depthwise_pixels(g, g->x + i * g->x_pixel + ch, g->w + ch, g->y + i * g->y_pixel + ch, count, 1);
}

static void depthwise(const fnn_depthwise *g) {
  ptrdiff_t ch = 0;
  for (; ch + FNN_LANES <= g->channels; ch += FNN_LANES) depthwise_channels(g, ch, FNN_LANES);
  if (ch < g->channels) depthwise_channels(g, ch, g->channels - ch);
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
