/* reduce.h: reductions over rows.  The order of the operations depends on the shape alone, not on the ISA.
 *
 * reduce_rows     out[j] = x[0, j] op x[1, j] op ..., j < width; rows are `row` elements apart
 * reduce_narrow   the same for rows of only `inner` elements, which lie side by side: rows * inner elements are read
 *                 as if R rows were one, R a power of two, so that vectors are full; the R parts are folded by halves
 * argmax          index[j] of the first largest x[i, j], NaN being largest
 *
 * op as in steps.def; NaN passes through max and min.  At least one row.  Sums are accurate to about
 * 64 + rows/64 roundings: rows are added in groups, then the groups. */
#ifndef FNN_KERNELS_REDUCE_H
#define FNN_KERNELS_REDUCE_H

#include "../reduce.h"
#include "../step.h"

enum { REDUCE_GROUP = 64, REDUCE_STRIP = 8 };

FNN_INLINE float reduce_larger(float a, float b) { return a != a || a > b ? a : b; }
FNN_INLINE float reduce_smaller(float a, float b) { return a != a || a < b ? a : b; }
FNN_INLINE float reduce_plus(float a, float b) { return a + b; }
FNN_INLINE float reduce_times(float a, float b) { return a * b; }

/* strip: `vectors` whole vectors of columns, or (vectors 1) the first `width` lanes of one */
#define REDUCE_DEFINE(name, vector, scalar)                                                                            \
  FNN_INLINE void name##_strip(const float *x, ptrdiff_t rows, ptrdiff_t row, ptrdiff_t width, int vectors, int merge, \
                               float *out) {                                                                           \
    vf part[REDUCE_STRIP];                                                                                             \
    int whole = width >= vectors * FNN_LANES;                                                                          \
    for (int v = 0; v < vectors; v++) part[v] = whole ? vf_load(x + v * FNN_LANES) : vf_load_first(x, width);          \
    for (ptrdiff_t i = 1; i < rows; i++) {                                                                             \
      const float *p = x + i * row;                                                                                    \
      for (int v = 0; v < vectors; v++) {                                                                              \
        part[v] = vector(part[v], whole ? vf_load(p + v * FNN_LANES) : vf_load_first(p, width));                       \
      }                                                                                                                \
    }                                                                                                                  \
    for (int v = 0; v < vectors; v++) {                                                                                \
      float *o = out + v * FNN_LANES;                                                                                  \
      if (merge) part[v] = vector(whole ? vf_load(o) : vf_load_first(o, width), part[v]);                              \
      if (whole) {                                                                                                     \
        vf_store(o, part[v]);                                                                                          \
      } else {                                                                                                         \
        vf_store_first(o, part[v], width);                                                                             \
      }                                                                                                                \
    }                                                                                                                  \
  }                                                                                                                    \
  static void name##_group(const float *x, ptrdiff_t rows, ptrdiff_t row, ptrdiff_t width, int merge, float *out) {    \
    const ptrdiff_t strip = REDUCE_STRIP * FNN_LANES;                                                                  \
    ptrdiff_t j = 0;                                                                                                   \
    for (; j + strip <= width; j += strip) name##_strip(x + j, rows, row, strip, REDUCE_STRIP, merge, out + j);        \
    for (; j + FNN_LANES <= width; j += FNN_LANES) name##_strip(x + j, rows, row, FNN_LANES, 1, merge, out + j);       \
    if (j < width) name##_strip(x + j, rows, row, width - j, 1, merge, out + j);                                       \
  }                                                                                                                    \
  static void name##_rows(const float *x, ptrdiff_t rows, ptrdiff_t row, ptrdiff_t width, float *out) {                \
    for (ptrdiff_t i = 0; i < rows; i += REDUCE_GROUP) {                                                               \
      name##_group(x + i * row, fnn_min(REDUCE_GROUP, rows - i), row, width, i > 0, out);                              \
    }                                                                                                                  \
  }                                                                                                                    \
  static void name##_narrow(const float *x, ptrdiff_t rows, ptrdiff_t inner, float *out) {                             \
    float sum[FNN_REDUCE_NARROW];                                                                                      \
    ptrdiff_t width = inner, count = rows * inner;                                                                     \
    while (width * 2 <= FNN_REDUCE_NARROW && width * 8 <= count) width *= 2;                                           \
    ptrdiff_t rest = count % width;                                                                                    \
    name##_rows(x, count / width, width, width, sum);                                                                  \
    if (rest > 0) name##_group(x + count - rest, 1, rest, rest, 1, sum);                                               \
    for (; width > inner; width /= 2) {                                                                                \
      ptrdiff_t half = width / 2;                                                                                      \
      if (half % FNN_LANES == 0) {                                                                                     \
        for (ptrdiff_t j = 0; j < half; j += FNN_LANES) {                                                              \
          vf_store(sum + j, vector(vf_load(sum + j), vf_load(sum + half + j)));                                        \
        }                                                                                                              \
      } else {                                                                                                         \
        for (ptrdiff_t j = 0; j < half; j++) sum[j] = scalar(sum[j], sum[half + j]);                                   \
      }                                                                                                                \
    }                                                                                                                  \
    for (ptrdiff_t j = 0; j < inner; j++) out[j] = sum[j];                                                             \
  }

REDUCE_DEFINE(reduce_sum, vf_add, reduce_plus)
REDUCE_DEFINE(reduce_max, vm_maximum, reduce_larger)
REDUCE_DEFINE(reduce_min, vm_minimum, reduce_smaller)
REDUCE_DEFINE(reduce_product, vf_mul, reduce_times)

static void reduce_rows(int op, const float *x, ptrdiff_t rows, ptrdiff_t row, ptrdiff_t width, float *out) {
  switch (op) {
    case FNN_REDUCE_SUM: reduce_sum_rows(x, rows, row, width, out); break;
    case FNN_REDUCE_MAX: reduce_max_rows(x, rows, row, width, out); break;
    case FNN_REDUCE_MIN: reduce_min_rows(x, rows, row, width, out); break;
    default: reduce_product_rows(x, rows, row, width, out);
  }
}

/* inner <= FNN_REDUCE_NARROW */
static void reduce_narrow(int op, const float *x, ptrdiff_t rows, ptrdiff_t inner, float *out) {
  switch (op) {
    case FNN_REDUCE_SUM: reduce_sum_narrow(x, rows, inner, out); break;
    case FNN_REDUCE_MAX: reduce_max_narrow(x, rows, inner, out); break;
    case FNN_REDUCE_MIN: reduce_min_narrow(x, rows, inner, out); break;
    default: reduce_product_narrow(x, rows, inner, out);
  }
}

/* One row of `length` numbers: find the largest, then where it first stands. */
static int32_t argmax_row(const float *x, ptrdiff_t length) {
  float largest;
  ptrdiff_t i = 0;
  reduce_max_narrow(x, length, 1, &largest);
  if (largest != largest) {
    while (x[i] == x[i]) i++;
    return (int32_t)i;
  }
  vf wanted = vf_set1(largest);
  while (i + FNN_LANES <= length && !vm_any(vf_eq(vf_load(x + i), wanted))) i += FNN_LANES;
  while (x[i] != largest) i++;
  return (int32_t)i;
}

/* Up to FNN_LANES columns side by side. */
static void argmax_columns(const float *x, ptrdiff_t rows, ptrdiff_t row, ptrdiff_t width, int32_t *index) {
  vf best = vf_load_first(x, width);
  vi at = vi_set1(0);
  for (ptrdiff_t i = 1; i < rows; i++) {
    vf v = vf_load_first(x + i * row, width);
    vm nan_first = vm_and(vf_ne(v, v), vf_eq(best, best));
    vm better = vm_or(vf_gt(v, best), nan_first);
    best = vf_select(better, v, best);
    at = vi_select(better, vi_set1((int32_t)i), at);
  }
  vi_store_first(index, at, width);
}

static void argmax(const float *x, ptrdiff_t rows, ptrdiff_t width, int32_t *index) {
  if (width == 1) {
    *index = argmax_row(x, rows);
    return;
  }
  for (ptrdiff_t j = 0; j < width; j += FNN_LANES) {
    argmax_columns(x + j, rows, width, fnn_min(FNN_LANES, width - j), index + j);
  }
}

#endif
