/* recurrent.h: the cells of recurrent layers behind their matrix product.  Contracts: fnn_cell and fnn_cell_gradient in
 * kernel.h, formulas in steps.def.
 *
 * Where the mask is 0 everything is computed all the same, and the states are kept; on the way back nothing passes. */
#ifndef FNN_KERNELS_RECURRENT_H
#define FNN_KERNELS_RECURRENT_H

#include <string.h>

#include "../step.h"

FNN_INLINE vf cell_load(const float *p, ptrdiff_t count) {
  return count == FNN_LANES ? vf_load(p) : vf_load_first(p, count);
}

FNN_INLINE void cell_store(float *p, vf v, ptrdiff_t count) {
  count == FNN_LANES ? vf_store(p, v) : vf_store_first(p, v, count);
}

/* Row i of an array over sequences, with elements of `width`, or NULL. */
#define CELL_ROW(p, i, width) ((p) != NULL ? (p) + (i) * s->t * (width) : NULL)

FNN_INLINE int cell_present(const float *mask, ptrdiff_t at) { return mask == NULL || mask[at] != 0.0f; }

/* a (1 - a), the derivative of the sigmoid; 1 - a^2, that of tanh */
FNN_INLINE vf cell_slope_sigmoid(vf a) { return vf_fnma(a, a, a); }
FNN_INLINE vf cell_slope_tanh(vf a) { return vf_fnma(a, a, vf_set1(1.0f)); }

/* What all cells do with a new h: `count` units from j on. */
FNN_INLINE void cell_finish(const fnn_cell *s, ptrdiff_t i, ptrdiff_t j, ptrdiff_t count, int present, vf y) {
  float *h = s->h + i * s->units + j;
  const vf old = cell_load(h, count), next = present ? y : old;
  if (s->h_before != NULL) cell_store(s->h_before + i * s->t * s->units + j, old, count);
  if (s->sequence != NULL) cell_store(s->sequence + i * s->t * s->units + j, next, count);
  cell_store(h, next, count);
}

static void simple_rnn(const fnn_cell *s) {
  const ptrdiff_t u = s->units;
  for (ptrdiff_t i = 0; i < s->rows; i++) {
    const float *x = CELL_ROW(s->x, i, u), *product = s->product + i * u;
    float *kept = CELL_ROW(s->kept, i, u);
    const int present = cell_present(s->mask, i * s->t);
    for (ptrdiff_t j = 0; j < u; j += FNN_LANES) {
      const ptrdiff_t count = fnn_min(FNN_LANES, u - j);
      vf y = vm_tanh(vf_add(cell_load(x + j, count), cell_load(product + j, count)));
      if (kept != NULL) cell_store(kept + j, y, count);
      cell_finish(s, i, j, count, present, y);
    }
  }
}

static void simple_rnn_gradient(const fnn_cell_gradient *s) {
  const ptrdiff_t u = s->units;
  for (ptrdiff_t i = 0; i < s->rows; i++) {
    const float *kept = CELL_ROW(s->kept, i, u), *more = CELL_ROW(s->dsequence, i, u);
    float *dh = s->dh + i * u, *dx = CELL_ROW(s->dx, i, u), *product = s->dproduct + i * u;
    const int present = cell_present(s->mask, i * s->t);
    for (ptrdiff_t j = 0; j < u; j += FNN_LANES) {
      const ptrdiff_t count = fnn_min(FNN_LANES, u - j);
      vf d = cell_load(dh + j, count);
      if (more != NULL) d = vf_add(d, cell_load(more + j, count));
      vf inner = present ? vf_mul(d, cell_slope_tanh(cell_load(kept + j, count))) : vf_zero();
      cell_store(dx + j, inner, count);
      cell_store(product + j, inner, count);
      cell_store(dh + j, present ? vf_zero() : d, count);
    }
  }
}

static void lstm(const fnn_cell *s) {
  const ptrdiff_t u = s->units;
  for (ptrdiff_t row = 0; row < s->rows; row++) {
    const float *x = CELL_ROW(s->x, row, 4 * u), *product = s->product + row * 4 * u;
    float *kept = CELL_ROW(s->kept, row, 5 * u), *before = CELL_ROW(s->c_before, row, u), *state = s->c + row * u;
    const int present = cell_present(s->mask, row * s->t);
    for (ptrdiff_t j = 0; j < u; j += FNN_LANES) {
      const ptrdiff_t count = fnn_min(FNN_LANES, u - j);
      vf gate[4];
      for (int k = 0; k < 4; k++) {
        vf sum = vf_add(cell_load(x + k * u + j, count), cell_load(product + k * u + j, count));
        gate[k] = k == 2 ? vm_tanh(sum) : vm_sigmoid(sum);
      }
      vf old = cell_load(state + j, count), c = vf_fma(gate[1], old, vf_mul(gate[0], gate[2])), y = vm_tanh(c);
      if (kept != NULL) {
        for (int k = 0; k < 4; k++) cell_store(kept + k * u + j, gate[k], count);
        cell_store(kept + 4 * u + j, y, count);
        cell_store(before + j, old, count);
      }
      if (present) cell_store(state + j, c, count);
      cell_finish(s, row, j, count, present, vf_mul(gate[3], y));
    }
  }
}

static void lstm_gradient(const fnn_cell_gradient *s) {
  const ptrdiff_t u = s->units;
  for (ptrdiff_t row = 0; row < s->rows; row++) {
    const float *kept = CELL_ROW(s->kept, row, 5 * u), *before = CELL_ROW(s->before, row, u);
    const float *more = CELL_ROW(s->dsequence, row, u);
    float *dh = s->dh + row * u, *dc = s->dc + row * u;
    float *dx = CELL_ROW(s->dx, row, 4 * u), *product = s->dproduct + row * 4 * u;
    const int present = cell_present(s->mask, row * s->t);
    for (ptrdiff_t j = 0; j < u; j += FNN_LANES) {
      const ptrdiff_t count = fnn_min(FNN_LANES, u - j);
      vf d = cell_load(dh + j, count), inner[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
      if (more != NULL) d = vf_add(d, cell_load(more + j, count));
      if (present) {
        vf i = cell_load(kept + j, count), f = cell_load(kept + u + j, count), g = cell_load(kept + 2 * u + j, count);
        vf o = cell_load(kept + 3 * u + j, count), y = cell_load(kept + 4 * u + j, count);
        vf through = vf_fma(vf_mul(d, o), cell_slope_tanh(y), cell_load(dc + j, count));
        inner[0] = vf_mul(vf_mul(through, g), cell_slope_sigmoid(i));
        inner[1] = vf_mul(vf_mul(through, cell_load(before + j, count)), cell_slope_sigmoid(f));
        inner[2] = vf_mul(vf_mul(through, i), cell_slope_tanh(g));
        inner[3] = vf_mul(vf_mul(d, y), cell_slope_sigmoid(o));
        cell_store(dc + j, vf_mul(through, f), count);
      }
      for (int k = 0; k < 4; k++) {
        cell_store(dx + k * u + j, inner[k], count);
        cell_store(product + k * u + j, inner[k], count);
      }
      cell_store(dh + j, present ? vf_zero() : d, count);
    }
  }
}

static void gru(const fnn_cell *s) {
  const ptrdiff_t u = s->units;
  for (ptrdiff_t i = 0; i < s->rows; i++) {
    const float *x = CELL_ROW(s->x, i, 3 * u), *product = s->product + i * 3 * u, *bias = s->bias;
    float *kept = CELL_ROW(s->kept, i, 4 * u);
    const int present = cell_present(s->mask, i * s->t);
    for (ptrdiff_t j = 0; j < u; j += FNN_LANES) {
      const ptrdiff_t count = fnn_min(FNN_LANES, u - j);
      vf inner[3];
      for (int k = 0; k < 3; k++)
        inner[k] = vf_add(cell_load(product + k * u + j, count), cell_load(bias + k * u + j, count));
      vf z = vm_sigmoid(vf_add(cell_load(x + j, count), inner[0]));
      vf r = vm_sigmoid(vf_add(cell_load(x + u + j, count), inner[1]));
      vf y = vm_tanh(vf_fma(r, inner[2], cell_load(x + 2 * u + j, count)));
      if (kept != NULL) {
        cell_store(kept + j, z, count);
        cell_store(kept + u + j, r, count);
        cell_store(kept + 2 * u + j, y, count);
        cell_store(kept + 3 * u + j, inner[2], count);
      }
      vf h = cell_load(s->h + i * u + j, count);
      cell_finish(s, i, j, count, present, vf_fma(z, h, vf_mul(vf_sub(vf_set1(1.0f), z), y)));
    }
  }
}

static void gru_gradient(const fnn_cell_gradient *s) {
  const ptrdiff_t u = s->units;
  for (ptrdiff_t i = 0; i < s->rows; i++) {
    const float *kept = CELL_ROW(s->kept, i, 4 * u), *before = CELL_ROW(s->before, i, u);
    const float *more = CELL_ROW(s->dsequence, i, u);
    float *dh = s->dh + i * u, *dx = CELL_ROW(s->dx, i, 3 * u), *products = CELL_ROW(s->dproducts, i, 3 * u);
    float *product = s->dproduct + i * 3 * u;
    const int present = cell_present(s->mask, i * s->t);
    for (ptrdiff_t j = 0; j < u; j += FNN_LANES) {
      const ptrdiff_t count = fnn_min(FNN_LANES, u - j);
      vf d = cell_load(dh + j, count), inner[3] = {vf_zero(), vf_zero(), vf_zero()}, dq = vf_zero();
      if (more != NULL) d = vf_add(d, cell_load(more + j, count));
      vf direct = d;
      if (present) {
        vf z = cell_load(kept + j, count), r = cell_load(kept + u + j, count), y = cell_load(kept + 2 * u + j, count);
        vf dy = vf_mul(vf_mul(d, vf_sub(vf_set1(1.0f), z)), cell_slope_tanh(y));
        inner[0] = vf_mul(vf_mul(d, vf_sub(cell_load(before + j, count), y)), cell_slope_sigmoid(z));
        inner[1] = vf_mul(vf_mul(dy, cell_load(kept + 3 * u + j, count)), cell_slope_sigmoid(r));
        inner[2] = dy;
        dq = vf_mul(dy, r);
        direct = vf_mul(d, z);
      }
      for (int k = 0; k < 3; k++) {
        vf by_product = k == 2 ? dq : inner[k];
        cell_store(dx + k * u + j, inner[k], count);
        cell_store(products + k * u + j, by_product, count);
        cell_store(product + k * u + j, by_product, count);
      }
      cell_store(dh + j, direct, count);
    }
  }
}

#undef CELL_ROW
#endif
