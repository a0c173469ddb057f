/* pool.h: pooling and its gradients, vectors over channels.  Contract: fnn_pool in kernel.h, rows of kernels.def.
 *
 * Bodies take the window r x s, how much of a vector there is and the like as arguments that are constants where it
 * matters: whole vectors of 2x2 windows, which most networks have. */

/* Calls body(g, r, s, at, x_at, count, ...) for every output and vector of channels, which begin at `at` in the
 * small images and at x_at in the large ones. */
#define POOL_EACH_OF(g, r, s, body, ...)                                                            \
  for (ptrdiff_t i = 0; i < (g)->pixels; i++) {                                                     \
    const ptrdiff_t y_ = i * (g)->channels, x_ = i * (g)->x_pixel;                                  \
    ptrdiff_t ch = 0;                                                                               \
    for (; ch + FNN_LANES <= (g)->channels; ch += FNN_LANES)                                        \
      body((g), (r), (s), y_ + ch, x_ + ch, FNN_LANES, __VA_ARGS__);                                \
    if (ch < (g)->channels) body((g), (r), (s), y_ + ch, x_ + ch, (g)->channels - ch, __VA_ARGS__); \
  }
#define POOL_EACH(g, body, ...)                        \
  if ((g)->r == 2 && (g)->s == 2) {                    \
    POOL_EACH_OF(g, 2, 2, body, __VA_ARGS__)           \
  } else {                                             \
    POOL_EACH_OF(g, (g)->r, (g)->s, body, __VA_ARGS__) \
  }

/* Places are numbered in bytes, or, in windows with too many places, in words. */
FNN_INLINE vi pool_load_numbers(const void *winner, ptrdiff_t at, ptrdiff_t count, int words) {
  const uint8_t *bytes = (const uint8_t *)winner + at;
  int32_t number[FNN_LANES] = {0};
  if (words) return vi_load_first((const int32_t *)winner + at, count);
  if (count == FNN_LANES) return vi_load_bytes(bytes);
  for (ptrdiff_t i = 0; i < count; i++) number[i] = bytes[i];
  return vi_load(number);
}

FNN_INLINE void pool_store_numbers(void *winner, ptrdiff_t at, vi v, ptrdiff_t count, int words) {
  uint8_t *bytes = (uint8_t *)winner + at;
  int32_t number[FNN_LANES];
  if (words) {
    vi_store_first((int32_t *)winner + at, v, count);
  } else if (count == FNN_LANES) {
    vi_store_bytes(bytes, v);
  } else {
    vi_store(number, v);
    for (ptrdiff_t i = 0; i < count; i++) bytes[i] = (uint8_t)number[i];
  }
}

FNN_INLINE void max_pool_vector(const fnn_pool *g, ptrdiff_t r, ptrdiff_t s, ptrdiff_t at, ptrdiff_t x_at,
                                ptrdiff_t count, const float *x, float *y, void *winner, int words) {
  /* winner is a constant, NULL, where numbers are not wanted */
  vf best = vf_load_part(x + x_at, count);
  vi number = vi_set1((int32_t)g->first);
  for (ptrdiff_t u = 0; u < r; u++)
    for (ptrdiff_t v = u == 0; v < s; v++) {
      const vf a = vf_load_part(x + x_at + u * g->x_row + v * g->channels, count);
      const vm wins = vm_and(vf_nle(a, best), vf_eq(best, best)); /* larger, or the first NaN */
      best = vf_select(wins, a, best);
      number = vi_select(wins, vi_set1((int32_t)(g->first + u * g->number_row + v)), number);
    }
  vf_store_part(y + at, best, count);
  if (winner != NULL) pool_store_numbers(winner, at, number, count, words);
}

static void max_pool(const fnn_pool *g, const float *x, float *y, void *winner) {
  if (winner == NULL) {
    POOL_EACH(g, max_pool_vector, x, y, NULL, 0)
  } else if (g->words) {
    POOL_EACH_OF(g, g->r, g->s, max_pool_vector, x, y, winner, 1)
  } else {
    POOL_EACH(g, max_pool_vector, x, y, winner, 0)
  }
}

/* Adds v to what the window's place holds, or, where windows have no place in common, writes it. */
FNN_INLINE void pool_give(const fnn_pool *g, float *to, vf v, ptrdiff_t count) {
  vf_store_part(to, g->apart ? v : vf_add(vf_load_part(to, count), v), count);
}

FNN_INLINE void max_pool_gradient_vector(const fnn_pool *g, ptrdiff_t r, ptrdiff_t s, ptrdiff_t at, ptrdiff_t x_at,
                                         ptrdiff_t count, const float *dy, const void *winner, float *dx, int words) {
  const vf d = vf_load_part(dy + at, count);
  const vi number = pool_load_numbers(winner, at, count, words);
  for (ptrdiff_t u = 0; u < r; u++)
    for (ptrdiff_t v = 0; v < s; v++) {
      const vm won = vi_eq(number, vi_set1((int32_t)(g->first + u * g->number_row + v)));
      pool_give(g, dx + x_at + u * g->x_row + v * g->channels, vf_select(won, d, vf_zero()), count);
    }
}

static void max_pool_gradient(const fnn_pool *g, const float *dy, const void *winner, float *dx) {
  if (g->words) {
    POOL_EACH_OF(g, g->r, g->s, max_pool_gradient_vector, dy, winner, dx, 1)
  } else {
    POOL_EACH(g, max_pool_gradient_vector, dy, winner, dx, 0)
  }
}

FNN_INLINE void average_pool_vector(const fnn_pool *g, ptrdiff_t r, ptrdiff_t s, ptrdiff_t at, ptrdiff_t x_at,
                                    ptrdiff_t count, const float *x, float *y) {
  vf sum = vf_zero();
  for (ptrdiff_t u = 0; u < r; u++)
    for (ptrdiff_t v = 0; v < s; v++) sum = vf_add(sum, vf_load_part(x + x_at + u * g->x_row + v * g->channels, count));
  vf_store_part(y + at, vf_div(sum, vf_set1((float)(r * s))), count);
}

static void average_pool(const fnn_pool *g, const float *x, float *y){POOL_EACH(g, average_pool_vector, x, y)}

FNN_INLINE void average_pool_gradient_vector(const fnn_pool *g, ptrdiff_t r, ptrdiff_t s, ptrdiff_t at, ptrdiff_t x_at,
                                             ptrdiff_t count, const float *dy, float *dx) {
  const vf d = vf_div(vf_load_part(dy + at, count), vf_set1((float)(r * s)));
  for (ptrdiff_t u = 0; u < r; u++)
    for (ptrdiff_t v = 0; v < s; v++) pool_give(g, dx + x_at + u * g->x_row + v * g->channels, d, count);
}

static void average_pool_gradient(const fnn_pool *g, const float *dy, float *dx) {
  POOL_EACH(g, average_pool_gradient_vector, dy, dx)
}
