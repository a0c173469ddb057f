/* recurrent.c: recurrent layers, a whole sequence in one step; formulas in steps.def.
 *
 * A chunk takes some sequences from the first element to the last, so that no thread waits for another: for each element
 * x.w and h.u, the same w and u every time and packed once for all of them, and the cell's functions
 * (kernels/recurrent.h) while the sums are in the first-level cache.  The way back is the same with the turned u; the
 * gradients for the weights are sums over all elements, matrix products again. */
#include <string.h>

#include "cache.h"
#include "dispatch.h"
#include "gemm.h"
#include "step.h"

enum {
  CHUNK_ROWS = 16, /* a chunk has at least so many sequences, or u is read for too few sums, */
  SPLIT_ROWS = 8,  /* but so few are shared by two threads already, */
  MAX_CHUNKS = 8,  /* and many sequences make no more chunks than this */
  PACKED_ROWS = 3  /* fewer rows are multiplied from u as it is */
};

/* What tells one cell from another: blocks of units in its products, and what its steps have for operands. */
typedef struct {
  ptrdiff_t gates; /* in x.w and in h.u */
  ptrdiff_t joint; /* the first so many are wanted as the sum of both; of the others h.u stands behind the rest */
  ptrdiff_t kept, biases, states;
  ptrdiff_t reads; /* states before an element that the gradient reads */
} form;

static const form simple_rnn = {1, 1, 1, 1, 1, 0}, lstm = {4, 4, 5, 1, 2, 1}, gru = {3, 2, 4, 2, 1, 1};

/* The sizes of all steps of this file begin as these do; those of the gradients end with `sequences`. */
typedef fnn_lstm_dims sizes;
static const sizes *sizes_of(const fnn_step *step) { return (const sizes *)step->dim; }

static ptrdiff_t chunks(const sizes *v) {
  if (v->n < SPLIT_ROWS) return v->n > 0;
  return fnn_max(2, fnn_min(MAX_CHUNKS, v->n / CHUNK_ROWS));
}

static ptrdiff_t chunk_rows(const sizes *v) { return fnn_ceil_div(v->n, fnn_max(1, chunks(v))); }

static ptrdiff_t rows_of(const sizes *v, ptrdiff_t chunk, ptrdiff_t *first) {
  *first = chunk * chunk_rows(v);
  return fnn_min(chunk_rows(v), v->n - *first);
}

/* `floats`, and as many more as make whole pieces of `to`; -1 stays. */
static ptrdiff_t rounded(ptrdiff_t floats, ptrdiff_t to) { return fnn_add(floats, (to - floats % to) % to); }

/* Floats that a packed matrix takes, which are whole cache lines. */
static ptrdiff_t packed_floats(ptrdiff_t k, ptrdiff_t n) { return fnn_multiply(k, rounded(n, FNN_PACKED_COLUMNS)); }

/* From one sequence's sums of an element to the next one's: x.w, and h.u where it is no part of that.  Rows a power of
 * two apart would fall into few sets of the cache. */
static ptrdiff_t product_row(const sizes *v, const form *f) {
  return fnn_add(fnn_multiply(2 * f->gates - f->joint, v->units), FNN_LINE_FLOATS);
}

/* Checks what all steps share and fills in how they run; `packed`: floats of packed matrices, `depth`: of the products. */
static const char *prepare(fnn_step *step, const form *f, ptrdiff_t packed, ptrdiff_t depth, int operands_hold,
                           const char *error) {
  const sizes *v = sizes_of(step);
  if (v->n < 0 || v->t < 1 || v->units < 1 || !operands_hold) return error;
  const double products = 2.0 * (double)f->gates * (double)depth / 100, cells = 4.0 * (double)f->gates;
  const ptrdiff_t floats = fnn_add(packed, fnn_multiply(chunk_rows(v), product_row(v, f)));
  step->chunks = v->n == 0 ? 0 : fnn_ceil_div(v->n, chunk_rows(v));
  step->scratch_bytes = fnn_multiply(floats, sizeof(float));
  step->work = (double)v->n * (double)v->t * (double)v->units * (products + cells);
  return step->scratch_bytes < 0 ? error : NULL;
}

/* `blocks` of units for every element of every sequence; of the states, for every sequence. */
static ptrdiff_t elements(const sizes *v, ptrdiff_t blocks) { return FNN_PRODUCT(v->n, v->t, v->units, blocks); }
static ptrdiff_t states(const sizes *v) { return fnn_multiply(v->n, v->units); }
static ptrdiff_t matrix(const sizes *v, const form *f, ptrdiff_t rows) { return FNN_PRODUCT(rows, f->gates, v->units); }

/* Whether operands first .. first + count - 1 hold so many elements. */
static int hold(const fnn_step *step, ptrdiff_t first, ptrdiff_t count, ptrdiff_t floats) {
  for (ptrdiff_t i = first; i < first + count; i++)
    if (!fnn_holds(step, (int)i, floats)) return 0;
  return 1;
}

/* The pointer of an operand, or NULL if it is not wanted. */
static float *wanted(const fnn_step *step, const fnn_worker *worker, ptrdiff_t operand, ptrdiff_t want) {
  return want ? fnn_pointer(step, worker, (int)operand) : NULL;
}

/* Asks for one element of each of `rows` sequences, as the cache foresees no rows so far apart; nothing for NULL. */
static void ask(const sizes *v, const float *p, ptrdiff_t rows, ptrdiff_t width) {
  if (p == NULL) return;
  for (ptrdiff_t i = 0; i < rows; i++)
    for (ptrdiff_t j = 0; j < width; j += FNN_LINE_FLOATS) FNN_PREFETCH_FAR(p + i * v->t * width + j);
}

static float *advance(const float *p, ptrdiff_t by) { return p == NULL ? NULL : (float *)p + by; }

/* The state of a chunk's sequences at its place in the results, as it is before the first element. */
static float *first_state(const fnn_step *step, const fnn_worker *worker, ptrdiff_t from, ptrdiff_t to, ptrdiff_t begin,
                          ptrdiff_t count) {
  float *state = (float *)fnn_pointer(step, worker, (int)to) + begin;
  memcpy(state, (const float *)fnn_pointer(step, worker, (int)from) + begin, (size_t)count * sizeof(float));
  return state;
}

/* ---- forward: x w bias u states mask -> states sequence states_before kept -------------------------------------- */

static const char *forward_prepare(fnn_step *step, const form *f, const char *error) {
  const sizes *v = sizes_of(step);
  const ptrdiff_t mask = 4 + f->states, sequence = mask + 1 + f->states, before = sequence + 1, units = v->units;
  if (v->k < 0) return error;
  const int operands_hold =
      hold(step, 0, 1, v->k > 0 ? FNN_PRODUCT(v->n, v->t, v->k) : elements(v, f->gates)) &&
      hold(step, 1, 1, matrix(v, f, v->k)) && hold(step, 2, 1, matrix(v, f, f->biases)) &&
      hold(step, 3, 1, matrix(v, f, units)) && hold(step, 4, f->states, states(v)) &&
      (!v->masked || hold(step, mask, 1, fnn_multiply(v->n, v->t))) && hold(step, mask + 1, f->states, states(v)) &&
      (!v->sequences || hold(step, sequence, 1, elements(v, 1))) &&
      (!v->keep ||
       (hold(step, before, f->states, elements(v, 1)) && hold(step, before + f->states, 1, elements(v, f->kept))));
  const ptrdiff_t joint = fnn_multiply(f->joint, units), apart = fnn_multiply(f->gates - f->joint, units);
  const ptrdiff_t packed_u = fnn_add(packed_floats(units, joint), packed_floats(units, apart));
  const ptrdiff_t packed = fnn_add(packed_floats(v->k, fnn_multiply(f->gates, units)), packed_u);
  return prepare(step, f, packed, fnn_add(units, v->k), operands_hold, error);
}

/* Packs B of a product; gives the end of the copy. */
static float *pack(fnn_gemm *g, float *to) {
  fnn_kernel->pack_b(g, to);
  g->packed = to;
  return to + packed_floats(g->k, g->n);
}

/* The sequences from `first` on through all of their elements; `s` has the arrays' beginnings. */
static void run_forward(const sizes *v, const form *f, fnn_cell s, const float *const *operand, ptrdiff_t first,
                        float *scratch, void (*cell)(const fnn_cell *)) {
  const ptrdiff_t units = v->units, columns = f->gates * units, joint = f->joint * units;
  const ptrdiff_t x_row = v->k > 0 ? v->k : columns;
  const float *x = operand[0];
  fnn_gemm inputs = {.m = s.rows,
                     .n = columns,
                     .k = v->k,
                     .batch = 1,
                     .a_row = v->t * v->k,
                     .a_col = 1,
                     .b = operand[1],
                     .b_row = columns,
                     .c_row = s.product_row};
  fnn_gemm sums = {.m = s.rows,
                   .n = joint,
                   .k = units,
                   .batch = 1,
                   .a = s.h,
                   .a_row = units,
                   .a_col = 1,
                   .b = operand[3],
                   .b_row = columns,
                   .c_row = s.product_row,
                   .accumulate = 1};
  fnn_gemm others = sums;
  others.n = columns - joint;
  others.b += joint;
  others.accumulate = 0;
  if (s.rows >= PACKED_ROWS && v->t > 1) scratch = pack(&others, pack(&sums, pack(&inputs, scratch)));
  s.product = inputs.c = sums.c = scratch;
  others.c = scratch + columns;
  for (ptrdiff_t i = 0; i < v->t; i++) {
    const ptrdiff_t at = first * v->t + (v->reverse ? v->t - 1 - i : i);
    fnn_cell now = s;
    now.mask = advance(s.mask, at);
    now.sequence = advance(s.sequence, at * units);
    now.h_before = advance(s.h_before, at * units);
    now.c_before = advance(s.c_before, at * units);
    now.kept = advance(s.kept, at * f->kept * units);
    inputs.a = x + at * x_row;
    ask(v, now.sequence, s.rows, units);
    ask(v, now.h_before, s.rows, units);
    ask(v, now.c_before, s.rows, units);
    ask(v, now.kept, s.rows, f->kept * units);
    if (v->k > 0)
      fnn_kernel->gemm(&inputs);
    else
      for (ptrdiff_t r = 0; r < s.rows; r++)
        memcpy(s.product + r * s.product_row, inputs.a + r * v->t * columns, (size_t)columns * sizeof(float));
    fnn_kernel->gemm(&sums);
    fnn_kernel->gemm(&others);
    cell(&now);
  }
}

static void forward_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk, const form *f,
                        void (*cell)(const fnn_cell *)) {
  const sizes *v = sizes_of(step);
  const ptrdiff_t mask = 4 + f->states, last = mask + 1, sequence = last + f->states, before = sequence + 1;
  const float *operand[4];
  for (int i = 0; i < 4; i++) operand[i] = fnn_pointer(step, worker, i);
  ptrdiff_t first;
  const ptrdiff_t rows = rows_of(v, chunk, &first), begin = first * v->units, count = rows * v->units;
  const int memory = f->states > 1;
  const fnn_cell s = {.rows = rows,
                      .units = v->units,
                      .t = v->t,
                      .product_row = product_row(v, f),
                      .bias = operand[2],
                      .mask = wanted(step, worker, mask, v->masked),
                      .h = first_state(step, worker, 4, last, begin, count),
                      .c = memory ? first_state(step, worker, 5, last + 1, begin, count) : NULL,
                      .sequence = wanted(step, worker, sequence, v->sequences),
                      .h_before = wanted(step, worker, before, v->keep),
                      .c_before = wanted(step, worker, before + 1, v->keep && memory),
                      .kept = wanted(step, worker, before + f->states, v->keep)};
  run_forward(v, f, s, operand, first, (float *)worker->scratch, cell);
}

/* ---- the gradients: dstates dsequence u kept [before] mask -> dx [dproduct] dstates ------------------------------ */

static const char *gradient_prepare(fnn_step *step, const form *f, const char *error) {
  const sizes *v = sizes_of(step);
  const ptrdiff_t u = f->states + 1, mask = u + 2 + f->reads, products = f->gates > f->joint ? 2 : 1;
  const int operands_hold =
      hold(step, 0, f->states, states(v)) && (!v->sequences || hold(step, u - 1, 1, elements(v, 1))) &&
      hold(step, u, 1, matrix(v, f, v->units)) && hold(step, u + 1, 1, elements(v, f->kept)) &&
      hold(step, u + 2, f->reads, elements(v, 1)) && (!v->masked || hold(step, mask, 1, fnn_multiply(v->n, v->t))) &&
      hold(step, mask + 1, products, elements(v, f->gates)) && hold(step, mask + 1 + products, f->states, states(v));
  return prepare(step, f, packed_floats(fnn_multiply(f->gates, v->units), v->units), v->units, operands_hold, error);
}

/* From the last element to the first; `s` has the arrays' beginnings, `s.dh` the gradient of the last states. */
static void run_back(const sizes *v, const form *f, fnn_cell_gradient s, const float *u, ptrdiff_t first,
                     float *scratch, void (*cell)(const fnn_cell_gradient *)) {
  const ptrdiff_t units = v->units, columns = f->gates * units;
  fnn_gemm gemm = {.m = s.rows,
                   .n = units,
                   .k = columns,
                   .batch = 1,
                   .a_row = s.product_row,
                   .a_col = 1,
                   .b = u,
                   .b_row = columns,
                   .b_transposed = 1,
                   .c = s.dh,
                   .c_row = units,
                   .accumulate = 1};
  gemm.a = s.dproduct = pack(&gemm, scratch);
  for (ptrdiff_t i = 0; i < v->t; i++) {
    const ptrdiff_t at = first * v->t + (v->reverse ? i : v->t - 1 - i);
    fnn_cell_gradient now = s;
    now.kept = s.kept + at * f->kept * units;
    now.before = advance(s.before, at * units);
    now.mask = advance(s.mask, at);
    now.dsequence = advance(s.dsequence, at * units);
    now.dx = s.dx + at * columns;
    now.dproducts = advance(s.dproducts, at * columns);
    cell(&now);
    if (i + 1 < v->t) {
      const ptrdiff_t next = v->reverse ? 1 : -1;
      ask(v, now.kept + next * f->kept * units, s.rows, f->kept * units);
      ask(v, advance(now.before, next * units), s.rows, units);
      ask(v, advance(now.dsequence, next * units), s.rows, units);
      ask(v, now.dx + next * columns, s.rows, columns);
      ask(v, advance(now.dproducts, next * columns), s.rows, columns);
    }
    fnn_kernel->gemm(&gemm);
  }
}

static void gradient_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk, const form *f,
                         void (*cell)(const fnn_cell_gradient *)) {
  const sizes *v = sizes_of(step);
  const ptrdiff_t u = f->states + 1, mask = u + 2 + f->reads, apart = f->gates > f->joint, dh = mask + 2 + apart;
  ptrdiff_t first;
  const ptrdiff_t rows = rows_of(v, chunk, &first), begin = first * v->units, count = rows * v->units;
  const fnn_cell_gradient s = {.rows = rows,
                               .units = v->units,
                               .t = v->t,
                               .product_row = product_row(v, f),
                               .kept = wanted(step, worker, u + 1, 1),
                               .before = wanted(step, worker, u + 2, f->reads),
                               .mask = wanted(step, worker, mask, v->masked),
                               .dsequence = wanted(step, worker, u - 1, v->sequences),
                               .dh = first_state(step, worker, 0, dh, begin, count),
                               .dc = f->states > 1 ? first_state(step, worker, 1, dh + 1, begin, count) : NULL,
                               .dx = wanted(step, worker, mask + 1, 1),
                               .dproducts = wanted(step, worker, mask + 2, apart)};
  run_back(v, f, s, wanted(step, worker, u, 1), first, (float *)worker->scratch, cell);
}

/* ---- the steps -------------------------------------------------------------------------------------------------- */

#define STEPS(cell)                                                                                 \
  const char *fnn_##cell##_prepare(fnn_step *step) {                                                \
    return forward_prepare(step, &cell, #cell ": sizes do not fit the operands");                   \
  }                                                                                                 \
  void fnn_##cell##_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {          \
    forward_run(step, worker, chunk, &cell, fnn_kernel->cell);                                      \
  }                                                                                                 \
  const char *fnn_##cell##_gradient_prepare(fnn_step *step) {                                       \
    return gradient_prepare(step, &cell, #cell "_gradient: sizes do not fit the operands");         \
  }                                                                                                 \
  void fnn_##cell##_gradient_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) { \
    gradient_run(step, worker, chunk, &cell, fnn_kernel->cell##_gradient);                          \
  }
STEPS(simple_rnn)
STEPS(lstm)
STEPS(gru)
