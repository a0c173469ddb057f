/* reduce.c: sums, extremes and products over the middle axis of (outer, length, inner). */
#include <math.h>
#include <string.h>

#include "bytecode.h"
#include "dispatch.h"
#include "epilogue.h"
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

/* ---- reductions of elementwise code ---------------------------------------------------------------------------- */

enum {
  PIECE = 2048,  /* elements made and then reduced at a time: several pieces stay in the first-level cache */
  PIECE_ROWS = 8 /* but at least so many rows, as far as there are */
};

/* Segments and groups of outer indices are the chunks.  A piece is `rows` rows of one outer index or, where `rows` is
 * the whole length, `wide` outer indices.  In the scratch memory each value has `room` floats: the sum so far, which
 * ends at `start`, and behind it the piece. */
typedef struct {
  ptrdiff_t segments, groups, group, rows, wide, start, room;
} pieces;

static pieces cut_pieces(const fnn_elementwise_reduce_dims *d) {
  pieces p;
  ptrdiff_t inner = fnn_max(1, d->inner), segment = fnn_max(1, fnn_min(d->segment, d->length));
  p.rows = fnn_min(segment, fnn_max(PIECE_ROWS, PIECE / inner));
  p.wide = p.rows < d->length ? 1 : fnn_max(1, PIECE / (p.rows * inner));
  p.segments = fnn_max(1, fnn_ceil_div(d->length, d->segment));
  p.group = fnn_max(1, CHUNK / (segment * inner) / p.wide) * p.wide;
  p.groups = fnn_ceil_div(d->outer, p.group);
  p.start = fnn_ceil_div(inner, 16) * 16;
  p.room = p.start + fnn_ceil_div(p.wide * p.rows * inner, 16) * 16 + 5 * 16; /* not a power of two apart */
  return p;
}

/* Views of an operand. */
static int views_of(const fnn_code *code, int32_t operand) {
  int views = 0;
  for (int32_t i = 0; i < code->n_views; i++) views += code->view[i].operand == operand;
  return views;
}

const char *fnn_elementwise_reduce_prepare(fnn_step *step) {
  const fnn_elementwise_reduce_dims *d = (const fnn_elementwise_reduce_dims *)step->dim;
  if (d->op < FNN_REDUCE_SUM || d->op > FNN_REDUCE_PRODUCT) return "elementwise_reduce: unknown operation";
  if (d->length < 1 || d->outer < 1 || d->inner < 1) return "elementwise_reduce: sizes are at least 1";
  if (d->inner > FNN_REDUCE_OF_CODE) return "elementwise_reduce: the inner axis is too long";
  if (d->segment < 1) return "elementwise_reduce: a segment has at least one row";
  ptrdiff_t count = FNN_PRODUCT(d->outer, d->length, d->inner);
  if (step->code == NULL || !fnn_epilogue_fits(step, count)) return "elementwise_reduce: no code over the elements";
  pieces p = cut_pieces(d);
  ptrdiff_t reduced = 0;
  for (int32_t i = 0; i < step->code->n_views; i++) {
    const fnn_view *v = &step->code->view[i];
    if (v->kind != FNN_VIEW_PIECE) continue;
    /* another view would find the piece, which is much smaller, in its operand's place */
    if (views_of(step->code, v->operand) > 1) return "elementwise_reduce: the operand of a piece has another view";
    if (!fnn_holds(step, v->operand, FNN_PRODUCT(p.segments, d->outer, d->inner))) {
      return "elementwise_reduce: sizes do not fit the output";
    }
    reduced++;
  }
  step->chunks = FNN_PRODUCT(p.segments, p.groups);
  step->scratch_bytes = reduced * p.room * (ptrdiff_t)sizeof(float);
  step->work = (double)count * (fnn_code_work(step->code) + 0.1 * (double)reduced);
  return NULL;
}

/* The operands of one chunk, and for each value that is reduced its piece and where its result goes. */
typedef struct {
  char *operand[FNN_MAX_OPERANDS];
  float *piece[FNN_MAX_OPERANDS], *partial[FNN_MAX_OPERANDS];
  int reduced;
} code_places;

static void place_pieces(code_places *places, const fnn_step *step, const fnn_worker *worker, const pieces *p) {
  places->reduced = 0;
  for (int i = 0; i < step->n_operands; i++) places->operand[i] = fnn_pointer(step, worker, i);
  for (int32_t i = 0; i < step->code->n_views; i++) {
    const fnn_view *v = &step->code->view[i];
    if (v->kind != FNN_VIEW_PIECE) continue;
    int k = places->reduced++;
    places->partial[k] = fnn_pointer(step, worker, v->operand);
    places->piece[k] = (float *)worker->scratch + k * p->room + p->start;
    places->operand[v->operand] = (char *)places->piece[k];
  }
}

static void reduce_rows_of(const fnn_elementwise_reduce_dims *d, const float *x, ptrdiff_t rows, float *out) {
  if (d->inner <= FNN_REDUCE_NARROW) {
    fnn_kernel->reduce_narrow((int)d->op, x, rows, d->inner, out);
  } else {
    fnn_kernel->reduce_rows((int)d->op, x, rows, d->inner, d->inner, out);
  }
}

/* A piece of whole outer indices: each has its own result. */
static void reduce_whole(const fnn_elementwise_reduce_dims *d, const float *piece, ptrdiff_t wide, ptrdiff_t rows,
                         float *out) {
  for (ptrdiff_t i = 0; i < wide; i++) reduce_rows_of(d, piece + i * rows * d->inner, rows, out + i * d->inner);
}

/* A piece of one outer index, from `row` of the `length` rows of its segment on: the sum so far is one row more. */
static void reduce_part(const fnn_elementwise_reduce_dims *d, float *piece, ptrdiff_t row, ptrdiff_t rows,
                        ptrdiff_t length, float *out) {
  ptrdiff_t more = row > 0;
  float *sum = piece - d->inner;
  reduce_rows_of(d, piece - more * d->inner, rows + more, sum);
  if (row + rows == length) memcpy(out, sum, (size_t)d->inner * sizeof(float));
}

void fnn_elementwise_reduce_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_elementwise_reduce_dims *d = (const fnn_elementwise_reduce_dims *)step->dim;
  const pieces p = cut_pieces(d);
  const ptrdiff_t segment = chunk / p.groups, first = chunk % p.groups * p.group;
  const ptrdiff_t begin = segment * d->segment, length = fnn_min(d->segment, d->length - begin);
  const ptrdiff_t end = fnn_min(first + p.group, d->outer);
  code_places at;
  place_pieces(&at, step, worker, &p);
  for (ptrdiff_t outer = first, wide; outer < end; outer += wide) {
    wide = fnn_min(p.wide, end - outer);
    for (ptrdiff_t row = 0, rows; row < length; row += rows) {
      rows = fnn_min(p.rows, length - row);
      ptrdiff_t from = (outer * d->length + begin + row) * d->inner;
      fnn_kernel->elementwise_run(step->code, at.operand, from, from + wide * rows * d->inner, worker);
      for (int k = 0; k < at.reduced; k++) {
        float *out = at.partial[k] + (segment * d->outer + outer) * d->inner;
        if (rows == length) {
          reduce_whole(d, at.piece[k], wide, rows, out);
        } else {
          reduce_part(d, at.piece[k], row, rows, length, out);
        }
      }
    }
  }
}

/* ---- the place of the largest ---------------------------------------------------------------------------------- */

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
