/* reduce.c: sums, extremes and products over the middle axis of (outer, length, inner). */
#include <math.h>

#include "dispatch.h"
#include "reduce.h"
#include "step.h"

enum {
  CHUNK = 8192,  /* elements read for one chunk, about */
  COLUMNS = 256, /* least share of the inner axis */
};

/* How the work is cut: `group` outer indices (several only where the inner axis stays whole) by `block` columns. */
typedef struct {
  ptrdiff_t segments, groups, group, blocks, block;
} split;

static split cut(ptrdiff_t outer, ptrdiff_t length, ptrdiff_t inner, ptrdiff_t segment) {
  split s;
  ptrdiff_t rows = fnn_max(1, fnn_min(segment, length));
  ptrdiff_t columns = fnn_max(1, CHUNK / rows);
  s.segments = fnn_max(1, fnn_ceil_div(length, segment));
  s.block = fnn_max(COLUMNS, columns / COLUMNS * COLUMNS);
  s.blocks = fnn_ceil_div(inner, s.block);
  s.group = s.blocks > 1 ? 1 : fnn_max(1, columns / fnn_max(1, inner));
  s.groups = fnn_ceil_div(outer, s.group);
  return s;
}

static float neutral(ptrdiff_t op) {
  switch (op) {
    case FNN_REDUCE_SUM: return 0.0f;
    case FNN_REDUCE_MAX: return -INFINITY;
    case FNN_REDUCE_MIN: return INFINITY;
    default: return 1.0f;
  }
}

const char *fnn_reduce_prepare(fnn_step *step) {
  const fnn_reduce_dims *d = (const fnn_reduce_dims *)step->dim;
  if (d->op < FNN_REDUCE_SUM || d->op > FNN_REDUCE_PRODUCT) return "reduce: unknown operation";
  if (d->length < 0 || d->outer < 0 || d->inner < 0) return "reduce: negative size";
  if (d->segment < 1) return "reduce: a segment has at least one row";
  ptrdiff_t count = FNN_PRODUCT(d->outer, d->length, d->inner);
  split s = cut(d->outer, d->length, d->inner, d->segment);
  if (!fnn_holds(step, 0, count)) return "reduce: sizes do not fit the input";
  if (!fnn_holds(step, 1, FNN_PRODUCT(s.segments, d->outer, d->inner))) return "reduce: sizes do not fit the output";
  step->chunks = FNN_PRODUCT(s.segments, s.groups, s.blocks);
  step->scratch_bytes = 0;
  step->work = 0.1 * (double)count + 10.0 * (double)s.segments * (double)d->outer;
  return NULL;
}

/* One column block of one outer index and segment. */
static void reduce_block(const fnn_reduce_dims *d, const float *x, ptrdiff_t rows, ptrdiff_t columns, float *out) {
  int op = (int)d->op;
  if (rows == 0) {
    for (ptrdiff_t j = 0; j < columns; j++) out[j] = neutral(op);
  } else if (d->inner <= FNN_REDUCE_NARROW) {
    fnn_kernel->reduce_narrow(op, x, rows, d->inner, out);
  } else {
    fnn_kernel->reduce_rows(op, x, rows, d->inner, columns, out);
  }
}

void fnn_reduce_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_reduce_dims *d = (const fnn_reduce_dims *)step->dim;
  split s = cut(d->outer, d->length, d->inner, d->segment);
  const float *x = fnn_pointer(step, worker, 0);
  float *partial = fnn_pointer(step, worker, 1);
  ptrdiff_t column = chunk % s.blocks * s.block;
  ptrdiff_t first = chunk / s.blocks % s.groups * s.group;
  ptrdiff_t segment = chunk / s.blocks / s.groups;
  ptrdiff_t row = segment * d->segment, rows = fnn_min(d->segment, d->length - row);
  ptrdiff_t columns = fnn_min(s.block, d->inner - column), end = fnn_min(first + s.group, d->outer);
  for (ptrdiff_t i = first; i < end; i++) {
    reduce_block(d, x + (i * d->length + row) * d->inner + column, rows, columns,
                 partial + (segment * d->outer + i) * d->inner + column);
  }
}

/* argmax is cut into groups of outer indices. */
static ptrdiff_t argmax_group(const fnn_argmax_dims *d) { return fnn_max(1, CHUNK / fnn_max(1, d->length * d->inner)); }

const char *fnn_argmax_prepare(fnn_step *step) {
  const fnn_argmax_dims *d = (const fnn_argmax_dims *)step->dim;
  ptrdiff_t count = FNN_PRODUCT(d->outer, d->length, d->inner), results = fnn_multiply(d->outer, d->inner);
  if (!fnn_holds(step, 0, count) || !fnn_holds(step, 1, results)) return "argmax: sizes do not fit the operands";
  if (d->length == 0 && results > 0) return "argmax: no largest element in an empty axis";
  if (d->length > INT32_MAX) return "argmax: the index does not fit 32 bits";
  step->chunks = results == 0 ? 0 : fnn_ceil_div(d->outer, argmax_group(d));
  step->scratch_bytes = 0;
  step->work = 0.2 * (double)count + 10.0 * (double)d->outer;
  return NULL;
}

void fnn_argmax_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_argmax_dims *d = (const fnn_argmax_dims *)step->dim;
  const float *x = fnn_pointer(step, worker, 0);
  int32_t *index = fnn_pointer(step, worker, 1);
  ptrdiff_t first = chunk * argmax_group(d), end = fnn_min(first + argmax_group(d), d->outer);
  for (ptrdiff_t i = first; i < end; i++) {
    fnn_kernel->argmax(x + i * d->length * d->inner, d->length, d->inner, index + i * d->inner);
  }
}
