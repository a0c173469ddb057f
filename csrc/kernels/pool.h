/* pool.h: pooling and its gradients, vectors over channels.  Contract: fnn_pool in kernel.h, rows of kernels.def. */

/* Calls body(g, i, ch, count, ...) for every output i and vector of channels; count is a constant but for the last. */
#define POOL_EACH(g, body, ...)                                                                        \
  for (ptrdiff_t i = 0; i < (g)->pixels; i++) {                                                        \
    ptrdiff_t ch = 0;                                                                                  \
    for (; ch + FNN_LANES <= (g)->channels; ch += FNN_LANES) body((g), i, ch, FNN_LANES, __VA_ARGS__); \
    if (ch < (g)->channels) body((g), i, ch, (g)->channels - ch, __VA_ARGS__);                         \
  }

FNN_INLINE void max_pool_vector(const fnn_pool *g, ptrdiff_t i, ptrdiff_t ch, ptrdiff_t count, const float *x, float *y,
                                int32_t *winner) {
  x += i * g->x_pixel + ch;
  vf best = vf_load_first(x, count);
  vi number = vi_set1((int32_t)g->first);
  for (ptrdiff_t u = 0; u < g->r; u++)
    for (ptrdiff_t v = u == 0; v < g->s; v++) {
      const vf a = vf_load_first(x + u * g->x_row + v * g->channels, count);
      /* larger, or the first NaN */
      const vm wins = vm_or(vf_gt(a, best), vm_and(vf_ne(a, a), vf_eq(best, best)));
      best = vf_select(wins, a, best);
      number = vi_select(wins, vi_set1((int32_t)(g->first + u * g->number_row + v)), number);
    }
  vf_store_first(y + i * g->channels + ch, best, count);
  vi_store_first(winner + i * g->channels + ch, number, count);
}

static void max_pool(const fnn_pool *g, const float *x, float *y,
                     int32_t *winner){POOL_EACH(g, max_pool_vector, x, y, winner)}

FNN_INLINE void max_pool_gradient_vector(const fnn_pool *g, ptrdiff_t i, ptrdiff_t ch, ptrdiff_t count, const float *dy,
                                         const int32_t *winner, float *dx) {
  const vf d = vf_load_first(dy + i * g->channels + ch, count);
  const vi number = vi_load_first(winner + i * g->channels + ch, count);
  dx += i * g->x_pixel + ch;
  for (ptrdiff_t u = 0; u < g->r; u++)
    for (ptrdiff_t v = 0; v < g->s; v++) {
      float *to = dx + u * g->x_row + v * g->channels;
      const vm won = vi_eq(number, vi_set1((int32_t)(g->first + u * g->number_row + v)));
      vf_store_first(to, vf_add(vf_load_first(to, count), vf_select(won, d, vf_zero())), count);
    }
}

static void max_pool_gradient(const fnn_pool *g, const float *dy, const int32_t *winner,
                              float *dx){POOL_EACH(g, max_pool_gradient_vector, dy, winner, dx)}

FNN_INLINE
    void average_pool_vector(const fnn_pool *g, ptrdiff_t i, ptrdiff_t ch, ptrdiff_t count, const float *x, float *y) {
  vf sum = vf_zero();
  x += i * g->x_pixel + ch;
  for (ptrdiff_t u = 0; u < g->r; u++)
    for (ptrdiff_t v = 0; v < g->s; v++) sum = vf_add(sum, vf_load_first(x + u * g->x_row + v * g->channels, count));
  vf_store_first(y + i * g->channels + ch, vf_div(sum, vf_set1((float)(g->r * g->s))), count);
}

static void average_pool(const fnn_pool *g, const float *x, float *y){POOL_EACH(g, average_pool_vector, x, y)}

FNN_INLINE void average_pool_gradient_vector(const fnn_pool *g, ptrdiff_t i, ptrdiff_t ch, ptrdiff_t count,
                                             const float *dy, float *dx) {
  const vf d = vf_div(vf_load_first(dy + i * g->channels + ch, count), vf_set1((float)(g->r * g->s)));
  dx += i * g->x_pixel + ch;
  for (ptrdiff_t u = 0; u < g->r; u++)
    for (ptrdiff_t v = 0; v < g->s; v++) {
      float *to = dx + u * g->x_row + v * g->channels;
      vf_store_first(to, vf_add(vf_load_first(to, count), d), count);
    }
}

static void average_pool_gradient(const fnn_pool *g, const float *dy, float *dx) {
  POOL_EACH(g, average_pool_gradient_vector, dy, dx)
}
