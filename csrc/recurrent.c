/* recurrent.c: recurrent layers, a whole sequence in one step; formulas in steps.def.
 *
 * The inputs' share in the gates is one matrix product before; here the states go along the sequences: for each element
 * h.u, the same u every time, and the cell's functions (kernels/recurrent.h).  A chunk takes some sequences from the
 * first element to the last: u is packed once for all of them, and no thread waits for another.  The way back is the
 * same with the turned u; the gradients for the weights are sums over all elements, matrix products again. */
#include <string.h>

#include "dispatch.h"
#include "gemm.h"
#include "step.h"

enum {
  CHUNK_ROWS = 16, /* a chunk has at least so many sequences, or u is read for too few sums, */
  SPLIT_ROWS = 8,  /* but so few are shared by two threads already, */
  MAX_CHUNKS = 8,  /* and many sequences make no more chunks than this */
  PACKED_ROWS = 3, /* fewer rows are multiplied from u as it is */
  LINE = 16        /* floats in a cache line */
};

/* What all steps of this file have in common. */
typedef struct {
  ptrdiff_t n, t, units, reverse, masked, sequences;
  ptrdiff_t gates; /* blocks of units in x */
} sizes;

#define SIZES(d, blocks) ((sizes){(d)->n, (d)->t, (d)->units, (d)->reverse, (d)->masked, (d)->sequences, (blocks)})

static ptrdiff_t chunks(const sizes *v) {
  if (v->n < SPLIT_ROWS) return v->n > 0;
  return fnn_max(2, fnn_min(MAX_CHUNKS, v->n / CHUNK_ROWS));
}

static ptrdiff_t chunk_rows(const sizes *v) { return fnn_ceil_div(v->n, fnn_max(1, chunks(v))); }

/* `floats`, and as many more as make whole pieces of `to`; -1 stays. */
static ptrdiff_t rounded(ptrdiff_t floats, ptrdiff_t to) { return fnn_add(floats, (to - floats % to) % to); }

/* Floats that a packed matrix takes. */
static ptrdiff_t packed_floats(ptrdiff_t k, ptrdiff_t n) { return fnn_multiply(k, rounded(n, FNN_PACKED_COLUMNS)); }

/* Floats of one element in x. */
static ptrdiff_t width(const sizes *v) { return fnn_multiply(v->gates, v->units); }

/* Checks what all steps share and fills in how they run; `packed`: floats of the packed matrix. */
static const char *prepare(fnn_step *step, const sizes *v, ptrdiff_t packed, int operands_hold, const char *error) {
  if (v->n < 0 || v->t < 1 || v->units < 1 || !operands_hold) return error;
  const double products = 2.0 * (double)v->gates * (double)v->units / 100, cells = 4.0 * (double)v->gates;
  step->chunks = v->n == 0 ? 0 : fnn_ceil_div(v->n, chunk_rows(v));
  const ptrdiff_t floats = fnn_add(rounded(packed, LINE), fnn_multiply(chunk_rows(v), width(v)));
  step->scratch_bytes = fnn_multiply(floats, sizeof(float));
  step->work = (double)v->n * (double)v->t * (double)v->units * (products + cells);
  return step->scratch_bytes < 0 ? error : NULL;
}

/* `blocks` of units for every element of every sequence; of the states, for every sequence. */
static ptrdiff_t elements(const sizes *v, ptrdiff_t blocks) { return FNN_PRODUCT(v->n, v->t, v->units, blocks); }
static ptrdiff_t states(const sizes *v) { return fnn_multiply(v->n, v->units); }
static ptrdiff_t matrix(const sizes *v) { return fnn_multiply(v->units, width(v)); }

static int mask_holds(const fnn_step *step, const sizes *v, int operand) {
  return !v->masked || fnn_holds(step, operand, fnn_multiply(v->n, v->t));
}

/* ---- forward -------------------------------------------------------------------------------------------------- */

typedef void cell_function(const fnn_cell *s);

static float *advance(const float *p, ptrdiff_t by) { return p == NULL ? NULL : (float *)p + by; }

/* The sequences from `first` on through all of their elements.  `s` has the arrays' beginnings, `kept` the blocks in
 * what is kept of one element. */
static void run_forward(const sizes *v, fnn_cell s, const float *u, ptrdiff_t kept, cell_function *cell,
                        ptrdiff_t first, float *scratch) {
  const ptrdiff_t units = v->units, columns = width(v);
  float *product = scratch + rounded(packed_floats(units, columns), LINE);
  fnn_gemm gemm = {.m = s.rows,
                   .n = columns,
                   .k = units,
                   .batch = 1,
                   .a = s.h,
                   .a_row = units,
                   .a_col = 1,
                   .b = u,
                   .b_row = columns,
                   .c = product,
                   .c_row = columns};
  if (s.rows >= PACKED_ROWS && v->t > 1) {
    fnn_kernel->pack_b(&gemm, scratch);
    gemm.packed = scratch;
  }
  for (ptrdiff_t i = 0; i < v->t; i++) {
    const ptrdiff_t at = first * v->t + (v->reverse ? v->t - 1 - i : i);
    fnn_cell now = s;
    now.x = s.x + at * columns;
    now.mask = advance(s.mask, at);
    now.product = product;
    now.sequence = advance(s.sequence, at * units);
    now.h_before = advance(s.h_before, at * units);
    now.c_before = advance(s.c_before, at * units);
    now.kept = advance(s.kept, at * kept * units);
    fnn_kernel->gemm(&gemm);
    cell(&now);
  }
}

/* The pointer of an operand, or NULL if it is not wanted. */
static float *wanted(const fnn_step *step, const fnn_worker *worker, int operand, ptrdiff_t want) {
  return want ? fnn_pointer(step, worker, operand) : NULL;
}

/* The state of a chunk's sequences at its place in the results, as it is before the first element. */
static float *first_state(const fnn_step *step, const fnn_worker *worker, int from, int to, ptrdiff_t begin,
                          ptrdiff_t count) {
  float *state = (float *)fnn_pointer(step, worker, to) + begin;
  memcpy(state, (const float *)fnn_pointer(step, worker, from) + begin, (size_t)count * sizeof(float));
  return state;
}

static ptrdiff_t rows_of(const sizes *v, ptrdiff_t chunk, ptrdiff_t *first) {
  *first = chunk * chunk_rows(v);
  return fnn_min(chunk_rows(v), v->n - *first);
}

/* Operands from `at` on: last [c_last] sequence h_before [c_before] kept. */
static int results_hold(const fnn_step *step, const sizes *v, int at, int memories, ptrdiff_t keep, ptrdiff_t kept) {
  const int behind = at + memories;
  for (int i = at; i < behind; i++)
    if (!fnn_holds(step, i, states(v))) return 0;
  if (v->sequences && !fnn_holds(step, behind, elements(v, 1))) return 0;
  for (int i = behind + 1; keep && i <= behind + memories; i++)
    if (!fnn_holds(step, i, elements(v, 1))) return 0;
  return !keep || fnn_holds(step, behind + memories + 1, elements(v, kept));
}

const char *fnn_simple_rnn_prepare(fnn_step *step) {
  const fnn_simple_rnn_dims *d = (const fnn_simple_rnn_dims *)step->dim;
  const sizes v = SIZES(d, 1);
  const int hold = fnn_holds(step, 0, elements(&v, 1)) && fnn_holds(step, 1, matrix(&v)) &&
                   fnn_holds(step, 2, states(&v)) && mask_holds(step, &v, 3) &&
                   results_hold(step, &v, 4, 1, d->keep, 1);
  return prepare(step, &v, packed_floats(v.units, width(&v)), hold, "simple_rnn: sizes do not fit the operands");
}

void fnn_simple_rnn_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_simple_rnn_dims *d = (const fnn_simple_rnn_dims *)step->dim;
  const sizes v = SIZES(d, 1);
  ptrdiff_t first;
  const ptrdiff_t rows = rows_of(&v, chunk, &first);
  const fnn_cell cell = {.rows = rows,
                         .units = v.units,
                         .t = v.t,
                         .x = fnn_pointer(step, worker, 0),
                         .mask = wanted(step, worker, 3, v.masked),
                         .h = first_state(step, worker, 2, 4, first * v.units, rows * v.units),
                         .sequence = wanted(step, worker, 5, v.sequences),
                         .h_before = wanted(step, worker, 6, d->keep),
                         .kept = wanted(step, worker, 7, d->keep)};
  run_forward(&v, cell, fnn_pointer(step, worker, 1), 1, fnn_kernel->simple_rnn, first, (float *)worker->scratch);
}

const char *fnn_lstm_prepare(fnn_step *step) {
  const fnn_lstm_dims *d = (const fnn_lstm_dims *)step->dim;
  const sizes v = SIZES(d, 4);
  const int hold = fnn_holds(step, 0, elements(&v, 4)) && fnn_holds(step, 1, matrix(&v)) &&
                   fnn_holds(step, 2, states(&v)) && fnn_holds(step, 3, states(&v)) && mask_holds(step, &v, 4) &&
                   results_hold(step, &v, 5, 2, d->keep, 5);
  return prepare(step, &v, packed_floats(v.units, width(&v)), hold, "lstm: sizes do not fit the operands");
}

void fnn_lstm_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_lstm_dims *d = (const fnn_lstm_dims *)step->dim;
  const sizes v = SIZES(d, 4);
  ptrdiff_t first;
  const ptrdiff_t rows = rows_of(&v, chunk, &first);
  const fnn_cell cell = {.rows = rows,
                         .units = v.units,
                         .t = v.t,
                         .x = fnn_pointer(step, worker, 0),
                         .mask = wanted(step, worker, 4, v.masked),
                         .h = first_state(step, worker, 2, 5, first * v.units, rows * v.units),
                         .c = first_state(step, worker, 3, 6, first * v.units, rows * v.units),
                         .sequence = wanted(step, worker, 7, v.sequences),
                         .h_before = wanted(step, worker, 8, d->keep),
                         .c_before = wanted(step, worker, 9, d->keep),
                         .kept = wanted(step, worker, 10, d->keep)};
  run_forward(&v, cell, fnn_pointer(step, worker, 1), 5, fnn_kernel->lstm, first, (float *)worker->scratch);
}

const char *fnn_gru_prepare(fnn_step *step) {
  const fnn_gru_dims *d = (const fnn_gru_dims *)step->dim;
  const sizes v = SIZES(d, 3);
  const int hold = fnn_holds(step, 0, elements(&v, 3)) && fnn_holds(step, 1, matrix(&v)) &&
                   fnn_holds(step, 2, fnn_multiply(3, v.units)) && fnn_holds(step, 3, states(&v)) &&
                   mask_holds(step, &v, 4) && results_hold(step, &v, 5, 1, d->keep, 4);
  return prepare(step, &v, packed_floats(v.units, width(&v)), hold, "gru: sizes do not fit the operands");
}

void fnn_gru_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_gru_dims *d = (const fnn_gru_dims *)step->dim;
  const sizes v = SIZES(d, 3);
  ptrdiff_t first;
  const ptrdiff_t rows = rows_of(&v, chunk, &first);
  const fnn_cell cell = {.rows = rows,
                         .units = v.units,
                         .t = v.t,
                         .x = fnn_pointer(step, worker, 0),
                         .bias = fnn_pointer(step, worker, 2),
                         .mask = wanted(step, worker, 4, v.masked),
                         .h = first_state(step, worker, 3, 5, first * v.units, rows * v.units),
                         .sequence = wanted(step, worker, 6, v.sequences),
                         .h_before = wanted(step, worker, 7, d->keep),
                         .kept = wanted(step, worker, 8, d->keep)};
  run_forward(&v, cell, fnn_pointer(step, worker, 1), 4, fnn_kernel->gru, first, (float *)worker->scratch);
}

/* ---- the gradients -------------------------------------------------------------------------------------------- */

typedef void gradient_function(const fnn_cell_gradient *s);

/* From the last element to the first; `kept` as above, `s.dh` has the gradient of the last states. */
static void run_back(const sizes *v, fnn_cell_gradient s, const float *u, ptrdiff_t kept, gradient_function *cell,
                     ptrdiff_t first, float *scratch) {
  const ptrdiff_t units = v->units, columns = width(v);
  s.dproduct = scratch + rounded(packed_floats(columns, units), LINE);
  const fnn_gemm gemm = {.m = s.rows,
                         .n = units,
                         .k = columns,
                         .batch = 1,
                         .a = s.dproduct,
                         .a_row = columns,
                         .a_col = 1,
                         .b = u,
                         .b_row = columns,
                         .b_transposed = 1,
                         .c = s.dh,
                         .c_row = units,
                         .accumulate = 1,
                         .packed = scratch};
  fnn_kernel->pack_b(&gemm, scratch);
  for (ptrdiff_t i = 0; i < v->t; i++) {
    const ptrdiff_t at = first * v->t + (v->reverse ? i : v->t - 1 - i);
    fnn_cell_gradient now = s;
    now.kept = s.kept + at * kept * units;
    now.before = advance(s.before, at * units);
    now.mask = advance(s.mask, at);
    now.dsequence = advance(s.dsequence, at * units);
    now.dx = s.dx + at * columns;
    now.dproducts = advance(s.dproducts, at * columns);
    cell(&now);
    fnn_kernel->gemm(&gemm);
  }
}

const char *fnn_simple_rnn_gradient_prepare(fnn_step *step) {
  const fnn_simple_rnn_gradient_dims *d = (const fnn_simple_rnn_gradient_dims *)step->dim;
  const sizes v = SIZES(d, 1);
  const int hold = fnn_holds(step, 0, states(&v)) && (!v.sequences || fnn_holds(step, 1, elements(&v, 1))) &&
                   fnn_holds(step, 2, matrix(&v)) && fnn_holds(step, 3, elements(&v, 1)) && mask_holds(step, &v, 4) &&
                   fnn_holds(step, 5, elements(&v, 1)) && fnn_holds(step, 6, states(&v));
  return prepare(step, &v, packed_floats(width(&v), v.units), hold,
                 "simple_rnn_gradient: sizes do not fit the operands");
}

void fnn_simple_rnn_gradient_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_simple_rnn_gradient_dims *d = (const fnn_simple_rnn_gradient_dims *)step->dim;
  const sizes v = SIZES(d, 1);
  ptrdiff_t first;
  const ptrdiff_t rows = rows_of(&v, chunk, &first);
  const fnn_cell_gradient cell = {.rows = rows,
                                  .units = v.units,
                                  .t = v.t,
                                  .kept = fnn_pointer(step, worker, 3),
                                  .mask = wanted(step, worker, 4, v.masked),
                                  .dsequence = wanted(step, worker, 1, v.sequences),
                                  .dh = first_state(step, worker, 0, 6, first * v.units, rows * v.units),
                                  .dx = fnn_pointer(step, worker, 5)};
  run_back(&v, cell, fnn_pointer(step, worker, 2), 1, fnn_kernel->simple_rnn_gradient, first, (float *)worker->scratch);
}

const char *fnn_lstm_gradient_prepare(fnn_step *step) {
  const fnn_lstm_gradient_dims *d = (const fnn_lstm_gradient_dims *)step->dim;
  const sizes v = SIZES(d, 4);
  const int hold = fnn_holds(step, 0, states(&v)) && fnn_holds(step, 1, states(&v)) &&
                   (!v.sequences || fnn_holds(step, 2, elements(&v, 1))) && fnn_holds(step, 3, matrix(&v)) &&
                   fnn_holds(step, 4, elements(&v, 5)) && fnn_holds(step, 5, elements(&v, 1)) &&
                   mask_holds(step, &v, 6) && fnn_holds(step, 7, elements(&v, 4)) && fnn_holds(step, 8, states(&v)) &&
                   fnn_holds(step, 9, states(&v));
  return prepare(step, &v, packed_floats(width(&v), v.units), hold, "lstm_gradient: sizes do not fit the operands");
}

void fnn_lstm_gradient_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_lstm_gradient_dims *d = (const fnn_lstm_gradient_dims *)step->dim;
  const sizes v = SIZES(d, 4);
  ptrdiff_t first;
  const ptrdiff_t rows = rows_of(&v, chunk, &first);
  const fnn_cell_gradient cell = {.rows = rows,
                                  .units = v.units,
                                  .t = v.t,
                                  .kept = fnn_pointer(step, worker, 4),
                                  .before = fnn_pointer(step, worker, 5),
                                  .mask = wanted(step, worker, 6, v.masked),
                                  .dsequence = wanted(step, worker, 2, v.sequences),
                                  .dh = first_state(step, worker, 0, 8, first * v.units, rows * v.units),
                                  .dc = first_state(step, worker, 1, 9, first * v.units, rows * v.units),
                                  .dx = fnn_pointer(step, worker, 7)};
  run_back(&v, cell, fnn_pointer(step, worker, 3), 5, fnn_kernel->lstm_gradient, first, (float *)worker->scratch);
}

const char *fnn_gru_gradient_prepare(fnn_step *step) {
  const fnn_gru_gradient_dims *d = (const fnn_gru_gradient_dims *)step->dim;
  const sizes v = SIZES(d, 3);
  const int hold = fnn_holds(step, 0, states(&v)) && (!v.sequences || fnn_holds(step, 1, elements(&v, 1))) &&
                   fnn_holds(step, 2, matrix(&v)) && fnn_holds(step, 3, elements(&v, 4)) &&
                   fnn_holds(step, 4, elements(&v, 1)) && mask_holds(step, &v, 5) &&
                   fnn_holds(step, 6, elements(&v, 3)) && fnn_holds(step, 7, elements(&v, 3)) &&
                   fnn_holds(step, 8, states(&v));
  return prepare(step, &v, packed_floats(width(&v), v.units), hold, "gru_gradient: sizes do not fit the operands");
}

void fnn_gru_gradient_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_gru_gradient_dims *d = (const fnn_gru_gradient_dims *)step->dim;
  const sizes v = SIZES(d, 3);
  ptrdiff_t first;
  const ptrdiff_t rows = rows_of(&v, chunk, &first);
  const fnn_cell_gradient cell = {.rows = rows,
                                  .units = v.units,
                                  .t = v.t,
                                  .kept = fnn_pointer(step, worker, 3),
                                  .before = fnn_pointer(step, worker, 4),
                                  .mask = wanted(step, worker, 5, v.masked),
                                  .dsequence = wanted(step, worker, 1, v.sequences),
                                  .dh = first_state(step, worker, 0, 8, first * v.units, rows * v.units),
                                  .dx = fnn_pointer(step, worker, 6),
                                  .dproducts = fnn_pointer(step, worker, 7)};
  run_back(&v, cell, fnn_pointer(step, worker, 2), 4, fnn_kernel->gru_gradient, first, (float *)worker->scratch);
}
