/* recurrent.h: the cells of recurrent layers behind their matrix product.  Contracts: fnn_cell and fnn_cell_gradient in
 * kernel.h, formulas in steps.def.
 *
 * A row is passed several times, each time with a short body: the elementary functions are long chains of instructions,
 * and only of short bodies does a core work on enough at once to hide that.  The row stays in the first-level cache.
 * Where the mask is 0 everything is computed all the same, and the states are kept; on the way back nothing passes. */
#ifndef FNN_KERNELS_RECURRENT_H
#define FNN_KERNELS_RECURRENT_H

#include "../step.h"

/* piece(arguments..., j, count) for all vectors of n elements: whole ones, then the rest. */
#define CELL_EACH(n, piece, ...)                                                                 \
  do {                                                                                           \
    ptrdiff_t j_ = 0;                                                                            \
    for (; j_ + FNN_LANES <= (n); j_ += FNN_LANES) piece(__VA_ARGS__, j_, (ptrdiff_t)FNN_LANES); \
    if (j_ < (n)) piece(__VA_ARGS__, j_, (n) - j_);                                              \
  } while (0)

/* Row i of an array over sequences, with elements of `width`, or NULL. */
#define CELL_ROW(p, i, width) ((p) != NULL ? (p) + (i) * s->t * (width) : NULL)

FNN_INLINE int cell_present(const float *mask, ptrdiff_t at) { return mask == NULL || mask[at] != 0.0f; }

/* a (1 - a), the derivative of the sigmoid; 1 - a^2, that of tanh */
FNN_INLINE vf cell_slope_sigmoid(vf a) { return vf_fnma(a, a, a); }
FNN_INLINE vf cell_slope_tanh(vf a) { return vf_fnma(a, a, vf_set1(1.0f)); }

FNN_INLINE vf cell_sum(const float *x, const float *y, ptrdiff_t j, ptrdiff_t count) {
  return vf_add(vf_load_part(x + j, count), vf_load_part(y + j, count));
}

FNN_INLINE void cell_sigmoid(const float *x, const float *bias, float *out, ptrdiff_t j, ptrdiff_t count) {
  vf_store_part(out + j, vm_sigmoid(cell_sum(x, bias, j, count)), count);
}

FNN_INLINE void cell_tanh(const float *x, const float *bias, float *out, ptrdiff_t j, ptrdiff_t count) {
  vf_store_part(out + j, vm_tanh(cell_sum(x, bias, j, count)), count);
}

/* What all cells do with a new h of row i. */
FNN_INLINE void cell_finish(const fnn_cell *s, ptrdiff_t i, int present, vf y, ptrdiff_t j, ptrdiff_t count) {
  float *h = s->h + i * s->units + j;
  const vf old = vf_load_part(h, count), next = present ? y : old;
  if (s->h_before != NULL) vf_store_part(s->h_before + i * s->t * s->units + j, old, count);
  if (s->sequence != NULL) vf_store_part(s->sequence + i * s->t * s->units + j, next, count);
  vf_store_part(h, next, count);
}

/* The gradient of h behind the element: what came back from later ones, and from its place in the sequence. */
FNN_INLINE vf cell_gradient(const float *dh, const float *more, ptrdiff_t j, ptrdiff_t count) {
  const vf d = vf_load_part(dh + j, count);
  return more != NULL ? vf_add(d, vf_load_part(more + j, count)) : d;
}

/* ---- simple_rnn ----------------------------------------------------------------------------------------------- */

FNN_INLINE void simple_rnn_state(const fnn_cell *s, ptrdiff_t i, int present, const float *y, ptrdiff_t j,
                                 ptrdiff_t count) {
  cell_finish(s, i, present, vf_load_part(y + j, count), j, count);
}

static void simple_rnn(const fnn_cell *s) {
  const ptrdiff_t u = s->units;
  for (ptrdiff_t i = 0; i < s->rows; i++) {
    float *product = s->product + i * s->product_row, *y = s->kept != NULL ? CELL_ROW(s->kept, i, u) : product;
    CELL_EACH(u, cell_tanh, product, s->bias, y);
    CELL_EACH(u, simple_rnn_state, s, i, cell_present(s->mask, i * s->t), y);
  }
}

FNN_INLINE void simple_rnn_back(const float *y, const float *more, int present, float *dh, float *dx, float *product,
                                ptrdiff_t j, ptrdiff_t count) {
  const vf d = cell_gradient(dh, more, j, count);
  const vf inner = present ? vf_mul(d, cell_slope_tanh(vf_load_part(y + j, count))) : vf_zero();
  vf_store_part(dx + j, inner, count);
  vf_store_part(product + j, inner, count);
  vf_store_part(dh + j, present ? vf_zero() : d, count);
}

static void simple_rnn_gradient(const fnn_cell_gradient *s) {
  const ptrdiff_t u = s->units;
  for (ptrdiff_t i = 0; i < s->rows; i++) {
    const float *y = CELL_ROW(s->kept, i, u), *more = CELL_ROW(s->dsequence, i, u);
    float *dx = CELL_ROW(s->dx, i, u);
    CELL_EACH(u, simple_rnn_back, y, more, cell_present(s->mask, i * s->t), s->dh + i * u, dx,
              s->dproduct + i * s->product_row);
  }
}

/* ---- lstm ----------------------------------------------------------------------------------------------------- */

/* c and h from the gates; y: tanh of the new c, if it is kept. */
FNN_INLINE void lstm_state(const fnn_cell *s, ptrdiff_t i, int present, const float *gates, float *before, float *y,
                           ptrdiff_t j, ptrdiff_t count) {
  const ptrdiff_t u = s->units;
  float *state = s->c + i * u + j;
  const float *gate = gates + j;
  const vf old = vf_load_part(state, count),
           added = vf_mul(vf_load_part(gate, count), vf_load_part(gate + 2 * u, count));
  const vf c = vf_fma(vf_load_part(gate + u, count), old, added), bounded = vm_tanh(c);
  if (y != NULL) {
    vf_store_part(y + j, bounded, count);
    vf_store_part(before + j, old, count);
  }
  if (present) vf_store_part(state, c, count);
  cell_finish(s, i, present, vf_mul(vf_load_part(gate + 3 * u, count), bounded), j, count);
}

static void lstm(const fnn_cell *s) {
  const ptrdiff_t u = s->units;
  for (ptrdiff_t i = 0; i < s->rows; i++) {
    const float *bias = s->bias;
    float *product = s->product + i * s->product_row;
    float *kept = CELL_ROW(s->kept, i, 5 * u), *gates = kept != NULL ? kept : product;
    CELL_EACH(2 * u, cell_sigmoid, product, bias, gates);
    CELL_EACH(u, cell_tanh, product + 2 * u, bias + 2 * u, gates + 2 * u);
    CELL_EACH(u, cell_sigmoid, product + 3 * u, bias + 3 * u, gates + 3 * u);
    float *y = kept != NULL ? kept + 4 * u : NULL;
    CELL_EACH(u, lstm_state, s, i, cell_present(s->mask, i * s->t), gates, CELL_ROW(s->c_before, i, u), y);
  }
}

FNN_INLINE void lstm_back(const fnn_cell_gradient *s, const float *kept, const float *before, const float *more,
                          int present, float *dh, float *dc, float *dx, float *product, ptrdiff_t j, ptrdiff_t count) {
  const ptrdiff_t u = s->units;
  const vf d = cell_gradient(dh, more, j, count);
  vf inner[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
  if (present) {
    const vf i = vf_load_part(kept + j, count), f = vf_load_part(kept + u + j, count);
    const vf g = vf_load_part(kept + 2 * u + j, count), o = vf_load_part(kept + 3 * u + j, count);
    const vf y = vf_load_part(kept + 4 * u + j, count);
    const vf through = vf_fma(vf_mul(d, o), cell_slope_tanh(y), vf_load_part(dc + j, count));
    inner[0] = vf_mul(vf_mul(through, g), cell_slope_sigmoid(i));
    inner[1] = vf_mul(vf_mul(through, vf_load_part(before + j, count)), cell_slope_sigmoid(f));
    inner[2] = vf_mul(vf_mul(through, i), cell_slope_tanh(g));
    inner[3] = vf_mul(vf_mul(d, y), cell_slope_sigmoid(o));
    vf_store_part(dc + j, vf_mul(through, f), count);
  }
  for (int k = 0; k < 4; k++) {
    vf_store_part(dx + k * u + j, inner[k], count);
    vf_store_part(product + k * u + j, inner[k], count);
  }
  vf_store_part(dh + j, present ? vf_zero() : d, count);
}

static void lstm_gradient(const fnn_cell_gradient *s) {
  const ptrdiff_t u = s->units;
  for (ptrdiff_t i = 0; i < s->rows; i++) {
    const float *kept = CELL_ROW(s->kept, i, 5 * u), *before = CELL_ROW(s->before, i, u);
    const float *more = CELL_ROW(s->dsequence, i, u);
    float *dh = s->dh + i * u, *dc = s->dc + i * u;
    float *dx = CELL_ROW(s->dx, i, 4 * u), *product = s->dproduct + i * s->product_row;
    CELL_EACH(u, lstm_back, s, kept, before, more, cell_present(s->mask, i * s->t), dh, dc, dx, product);
  }
}

/* ---- gru ------------------------------------------------------------------------------------------------------ */

FNN_INLINE void gru_gate(const float *sum, const float *bias, const float *inner_bias, float *out, ptrdiff_t j,
                         ptrdiff_t count) {
  vf_store_part(out + j, vm_sigmoid(vf_add(cell_sum(sum, bias, j, count), vf_load_part(inner_bias + j, count))), count);
}

/* y from r and q, which is kept with its bias where there is room for it. */
FNN_INLINE void gru_proposal(const float *x, const float *bias, const float *q, const float *inner_bias, const float *r,
                             float *y, float *kept_q, ptrdiff_t j, ptrdiff_t count) {
  const vf inner = cell_sum(q, inner_bias, j, count);
  if (kept_q != NULL) vf_store_part(kept_q + j, inner, count);
  vf_store_part(y + j, vm_tanh(vf_fma(vf_load_part(r + j, count), inner, cell_sum(x, bias, j, count))), count);
}

FNN_INLINE void gru_state(const fnn_cell *s, ptrdiff_t i, int present, const float *z, const float *y, ptrdiff_t j,
                          ptrdiff_t count) {
  const vf h = vf_load_part(s->h + i * s->units + j, count), gate = vf_load_part(z + j, count);
  const vf proposed = vf_mul(vf_sub(vf_set1(1.0f), gate), vf_load_part(y + j, count));
  cell_finish(s, i, present, vf_fma(gate, h, proposed), j, count);
}

static void gru(const fnn_cell *s) {
  const ptrdiff_t u = s->units;
  for (ptrdiff_t i = 0; i < s->rows; i++) {
    const float *bias = s->bias, *inner = bias + 3 * u;
    float *product = s->product + i * s->product_row, *q = product + 3 * u;
    float *kept = CELL_ROW(s->kept, i, 4 * u), *z = kept != NULL ? kept : product, *y = z + 2 * u;
    CELL_EACH(2 * u, gru_gate, product, bias, inner, z);
    CELL_EACH(u, gru_proposal, product + 2 * u, bias + 2 * u, q, inner + 2 * u, z + u, y,
              kept != NULL ? kept + 3 * u : NULL);
    CELL_EACH(u, gru_state, s, i, cell_present(s->mask, i * s->t), z, y);
  }
}

FNN_INLINE void gru_back(const fnn_cell_gradient *s, const float *kept, const float *before, const float *more,
                         int present, float *dh, float *dx, float *products, float *product, ptrdiff_t j,
                         ptrdiff_t count) {
  const ptrdiff_t u = s->units;
  const vf d = cell_gradient(dh, more, j, count);
  vf inner[3] = {vf_zero(), vf_zero(), vf_zero()}, dq = vf_zero(), direct = d;
  if (present) {
    const vf z = vf_load_part(kept + j, count), r = vf_load_part(kept + u + j, count);
    const vf y = vf_load_part(kept + 2 * u + j, count), q = vf_load_part(kept + 3 * u + j, count);
    const vf dy = vf_mul(vf_mul(d, vf_sub(vf_set1(1.0f), z)), cell_slope_tanh(y));
    inner[0] = vf_mul(vf_mul(d, vf_sub(vf_load_part(before + j, count), y)), cell_slope_sigmoid(z));
    inner[1] = vf_mul(vf_mul(dy, q), cell_slope_sigmoid(r));
    inner[2] = dy;
    dq = vf_mul(dy, r);
    direct = vf_mul(d, z);
  }
  for (int k = 0; k < 3; k++) {
    const vf by_product = k == 2 ? dq : inner[k];
    vf_store_part(dx + k * u + j, inner[k], count);
    vf_store_part(products + k * u + j, by_product, count);
    vf_store_part(product + k * u + j, by_product, count);
  }
  vf_store_part(dh + j, direct, count);
}

static void gru_gradient(const fnn_cell_gradient *s) {
  const ptrdiff_t u = s->units;
  for (ptrdiff_t i = 0; i < s->rows; i++) {
    const float *kept = CELL_ROW(s->kept, i, 4 * u), *before = CELL_ROW(s->before, i, u);
    const float *more = CELL_ROW(s->dsequence, i, u);
    float *dx = CELL_ROW(s->dx, i, 3 * u), *products = CELL_ROW(s->dproducts, i, 3 * u);
    float *dh = s->dh + i * u, *product = s->dproduct + i * s->product_row;
    CELL_EACH(u, gru_back, s, kept, before, more, cell_present(s->mask, i * s->t), dh, dx, products, product);
  }
}

#undef CELL_ROW
#undef CELL_EACH
#endif
