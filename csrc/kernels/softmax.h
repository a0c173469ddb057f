/* softmax.h: rows of softmax and its cross-entropies.  Each row is read twice: for its largest element, then for the
 * exponentials, which the reciprocal of their sum then scales.  y may be x. */
#ifndef FNN_KERNELS_SOFTMAX_H
#define FNN_KERNELS_SOFTMAX_H

#include "../step.h"

/* The first count lanes of v, those of `other` in the rest. */
FNN_INLINE vf softmax_lanes(vf v, ptrdiff_t count, vf other) {
  return vf_select(vi_lt(vi_iota(), vi_set1((int32_t)count)), v, other);
}

/* Turns of the loops below take several vectors, whose sums (or largest elements) are added up in order. */
enum { SOFTMAX_UNROLL = 4 };

FNN_INLINE float softmax_largest(const float *x, ptrdiff_t cols) {
  vf largest[SOFTMAX_UNROLL];
  const ptrdiff_t rest = cols % FNN_LANES, turn = SOFTMAX_UNROLL * FNN_LANES;
  ptrdiff_t j = 0;
  for (int u = 0; u < SOFTMAX_UNROLL; u++) largest[u] = vf_set1(-INFINITY);
  for (; j + turn <= cols; j += turn) {
    for (int u = 0; u < SOFTMAX_UNROLL; u++) largest[u] = vf_max(largest[u], vf_load(x + j + u * FNN_LANES));
  }
  for (; j < cols - rest; j += FNN_LANES) largest[0] = vf_max(largest[0], vf_load(x + j));
  if (rest) largest[0] = vf_max(largest[0], softmax_lanes(vf_load_first(x + j, rest), rest, vf_set1(-INFINITY)));
  return vf_hmax(vf_max(vf_max(largest[0], largest[1]), vf_max(largest[2], largest[3])));
}

FNN_INLINE void softmax_scale(float *y, ptrdiff_t cols, float by) {
  vf factor = vf_set1(by);
  const ptrdiff_t rest = cols % FNN_LANES, turn = SOFTMAX_UNROLL * FNN_LANES;
  ptrdiff_t j = 0;
  for (; j + turn <= cols; j += turn) {
    for (int u = 0; u < SOFTMAX_UNROLL; u++) {
      float *at = y + j + u * FNN_LANES;
      vf_store(at, vf_mul(vf_load(at), factor));
    }
  }
  for (; j < cols - rest; j += FNN_LANES) vf_store(y + j, vf_mul(vf_load(y + j), factor));
  if (rest) vf_store_first(y + j, vf_mul(vf_load_first(y + j, rest), factor), rest);
}

/* y = exp(x - largest); returns the sum */
FNN_INLINE float softmax_exponentials(const float *x, float *y, ptrdiff_t cols, float largest) {
  vf top = vf_set1(largest), sum[SOFTMAX_UNROLL];
  const ptrdiff_t rest = cols % FNN_LANES, turn = SOFTMAX_UNROLL * FNN_LANES;
  ptrdiff_t j = 0;
  for (int u = 0; u < SOFTMAX_UNROLL; u++) sum[u] = vf_zero();
  for (; j + turn <= cols; j += turn) {
    for (int u = 0; u < SOFTMAX_UNROLL; u++) {
      vf e = vm_exp_bounded(vf_sub(vf_load(x + j + u * FNN_LANES), top));
      vf_store(y + j + u * FNN_LANES, e);
      sum[u] = vf_add(sum[u], e);
    }
  }
  for (; j < cols - rest; j += FNN_LANES) {
    vf e = vm_exp_bounded(vf_sub(vf_load(x + j), top));
    vf_store(y + j, e);
    sum[0] = vf_add(sum[0], e);
  }
  if (rest) {
    vf e = softmax_lanes(vm_exp_bounded(vf_sub(vf_load_first(x + j, rest), top)), rest, vf_zero());
    vf_store_first(y + j, e, rest);
    sum[0] = vf_add(sum[0], e);
  }
  return vf_sum(vf_add(vf_add(sum[0], sum[1]), vf_add(sum[2], sum[3])));
}

/* The same for a row of more than one vector and at most two, which overlap: nothing is stored by halves. */
FNN_INLINE float softmax_two(const float *x, float *y, ptrdiff_t cols, float *largest) {
  const ptrdiff_t second = cols - FNN_LANES;
  vf a = vf_load(x), b = vf_load(x + second);
  *largest = vf_hmax(vf_max(a, b));
  a = vm_exp_bounded(vf_sub(a, vf_set1(*largest)));
  b = vm_exp_bounded(vf_sub(b, vf_set1(*largest)));
  float sum = vf_sum(vf_add(a, softmax_lanes(vf_zero(), FNN_LANES - second, b)));
  vf factor = vf_set1(1.0f / sum);
  vf_store(y, vf_mul(a, factor));
  vf_store(y + second, vf_mul(b, factor));
  return sum;
}

/* One row of probabilities; returns the sum of the exponentials.  A row that fits two vectors stays there. */
FNN_INLINE float softmax_row(const float *x, float *y, ptrdiff_t cols, float *largest) {
  float sum;
  if (cols <= FNN_LANES) {
    vf v = softmax_lanes(vf_load_first(x, cols), cols, vf_set1(-INFINITY));
    *largest = vf_hmax(v);
    vf e = softmax_lanes(vm_exp_bounded(vf_sub(v, vf_set1(*largest))), cols, vf_zero());
    sum = vf_sum(e);
    vf_store_first(y, vf_mul(e, vf_set1(1.0f / sum)), cols);
  } else if (cols <= 2 * FNN_LANES) {
    sum = softmax_two(x, y, cols, largest);
  } else {
    *largest = softmax_largest(x, cols);
    sum = softmax_exponentials(x, y, cols, *largest);
    softmax_scale(y, cols, 1.0f / sum);
  }
  return sum;
}

static void softmax(const float *x, ptrdiff_t rows, ptrdiff_t cols, float *y) {
  float largest;
  for (ptrdiff_t i = 0; i < rows; i++) softmax_row(x + i * cols, y + i * cols, cols, &largest);
}

/* *total += t, *dot += t (x - top); a target of 0 counts for nothing even where x is -infinity */
FNN_INLINE void softmax_weigh(vf x, vf top, vf t, vf *total, vf *dot) {
  vf product = vf_mul(t, vf_sub(x, top));
  *dot = vf_add(*dot, vf_select(vf_ne(t, vf_zero()), product, vf_zero()));
  *total = vf_add(*total, t);
}

/* loss = sum t (log sum exp(x) - x) = log(sum exp(x - top)) sum t - sum t (x - top): for t >= 0 nothing cancels.
 * The logarithms of several rows are taken at once. */
static void softmax_crossentropy(const float *x, const float *target, ptrdiff_t rows, ptrdiff_t cols, float *loss,
                                 float *probability) {
  const ptrdiff_t rest = cols % FNN_LANES;
  float sum[FNN_LANES], weight[FNN_LANES], weighted[FNN_LANES];
  for (ptrdiff_t i = 0, group; i < rows; i += group) {
    group = fnn_min(FNN_LANES, rows - i);
    for (ptrdiff_t k = 0; k < group; k++, x += cols, target += cols, probability += cols) {
      float largest = softmax_largest(x, cols);
      vf top = vf_set1(largest), total = vf_zero(), dot = vf_zero();
      ptrdiff_t j = 0;
      for (; j < cols - rest; j += FNN_LANES) softmax_weigh(vf_load(x + j), top, vf_load(target + j), &total, &dot);
      if (rest) softmax_weigh(vf_load_first(x + j, rest), top, vf_load_first(target + j, rest), &total, &dot);
      weight[k] = vf_sum(total);
      weighted[k] = vf_sum(dot);
      sum[k] = softmax_row(x, probability, cols, &largest);
    }
    vf product = vf_mul(vm_log(vf_load_first(sum, group)), vf_load_first(weight, group));
    vf_store_first(loss + i, vf_sub(product, vf_load_first(weighted, group)), group);
  }
}

/* loss = log(sum exp(x - largest)) + largest - x[label]; a label outside [0, cols) gives 0: the caller reports it */
static void sparse_softmax_crossentropy(const float *x, const int32_t *label, ptrdiff_t rows, ptrdiff_t cols,
                                        float *loss, float *probability) {
  float sum[FNN_LANES], below[FNN_LANES];
  for (ptrdiff_t i = 0, group; i < rows; i += group) {
    group = fnn_min(FNN_LANES, rows - i);
    for (ptrdiff_t k = 0; k < group; k++, x += cols, probability += cols) {
      int inside = label[i + k] >= 0 && label[i + k] < cols;
      float largest, labelled = inside ? x[label[i + k]] : 0.0f;
      sum[k] = softmax_row(x, probability, cols, &largest);
      below[k] = largest - labelled;
      if (!inside) {
        sum[k] = 1.0f;
        below[k] = 0.0f;
      }
    }
    vf log_sum = vm_log(vf_load_first(sum, group));
    vf_store_first(loss + i, vf_add(log_sum, vf_load_first(below, group)), group);
  }
}

/* dx = (probability - one-hot label) dloss; a label outside [0, cols) counts as no label */
static void sparse_softmax_crossentropy_gradient(const float *probability, const int32_t *label, const float *dloss,
                                                 ptrdiff_t rows, ptrdiff_t cols, float *dx) {
  const ptrdiff_t rest = cols % FNN_LANES;
  for (ptrdiff_t i = 0; i < rows; i++, probability += cols, dx += cols) {
    int inside = label[i] >= 0 && label[i] < cols;
    float at_label = inside ? (probability[label[i]] - 1.0f) * dloss[i] : 0.0f;
    vf d = vf_set1(dloss[i]);
    ptrdiff_t j = 0;
    for (; j < cols - rest; j += FNN_LANES) vf_store(dx + j, vf_mul(vf_load(probability + j), d));
    if (rest) vf_store_first(dx + j, vf_mul(vf_load_first(probability + j, rest), d), rest);
    if (inside) dx[label[i]] = at_label;
  }
}

#endif
