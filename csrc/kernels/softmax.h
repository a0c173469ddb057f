/* softmax.h: rows of softmax and its cross-entropies.  Each row is read twice: for its largest element, then for the
 * exponentials, whose sum divides them.  y may be x. */
#ifndef FNN_KERNELS_SOFTMAX_H
#define FNN_KERNELS_SOFTMAX_H

#include "../step.h"

/* The first count lanes of v, `other` in the rest. */
FNN_INLINE vf softmax_lanes(vf v, ptrdiff_t count, float other) {
  return vf_select(vi_lt(vi_iota(), vi_set1((int32_t)count)), v, vf_set1(other));
}

FNN_INLINE float softmax_largest(const float *x, ptrdiff_t cols) {
  vf largest = vf_set1(-INFINITY);
  ptrdiff_t j = 0, rest = cols % FNN_LANES;
  for (; j < cols - rest; j += FNN_LANES) largest = vf_max(largest, vf_load(x + j));
  if (rest) largest = vf_max(largest, softmax_lanes(vf_load_first(x + j, rest), rest, -INFINITY));
  return vf_hmax(largest);
}

FNN_INLINE void softmax_divide(float *y, ptrdiff_t cols, float by) {
  vf divisor = vf_set1(by);
  ptrdiff_t j = 0, rest = cols % FNN_LANES;
  for (; j < cols - rest; j += FNN_LANES) vf_store(y + j, vf_div(vf_load(y + j), divisor));
  if (rest) vf_store_first(y + j, vf_div(vf_load_first(y + j, rest), divisor), rest);
}

/* y = exp(x - largest); returns the sum */
FNN_INLINE float softmax_exponentials(const float *x, float *y, ptrdiff_t cols, float largest) {
  vf top = vf_set1(largest), sum = vf_zero();
  ptrdiff_t j = 0, rest = cols % FNN_LANES;
  for (; j < cols - rest; j += FNN_LANES) {
    vf e = vm_exp(vf_sub(vf_load(x + j), top));
    vf_store(y + j, e);
    sum = vf_add(sum, e);
  }
  if (rest) {
    vf e = softmax_lanes(vm_exp(vf_sub(vf_load_first(x + j, rest), top)), rest, 0.0f);
    vf_store_first(y + j, e, rest);
    sum = vf_add(sum, e);
  }
  return vf_sum(sum);
}

/* One row of probabilities; returns the sum that divided them.  A row that fits one vector stays there. */
FNN_INLINE float softmax_row(const float *x, float *y, ptrdiff_t cols, float *largest) {
  float sum;
  if (cols <= FNN_LANES) {
    vf v = softmax_lanes(vf_load_first(x, cols), cols, -INFINITY);
    *largest = vf_hmax(v);
    vf e = softmax_lanes(vm_exp(vf_sub(v, vf_set1(*largest))), cols, 0.0f);
    sum = vf_sum(e);
    vf_store_first(y, vf_div(e, vf_set1(sum)), cols);
  } else {
    *largest = softmax_largest(x, cols);
    sum = softmax_exponentials(x, y, cols, *largest);
    softmax_divide(y, cols, sum);
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
