/* pool.c: pooling and its gradients.  Windows are cut at the edges; nothing is padded. */
#include "pool.h"

#include <string.h>

#include "dispatch.h"
#include "epilogue.h"

enum {
  CHUNK_WORK = 20000, /* nanoseconds */
  MAX_CHUNKS = 64,
  BYTE_PLACES = 256, /* of a window, that a byte can number */
  EPILOGUE = 2048    /* elements of one call, about */
};

_Static_assert(offsetof(fnn_max_pool2d_dims, winners) == sizeof(fnn_max_pool2d_gradient_dims) &&
                   offsetof(fnn_max_pool2d_dims, winners) == sizeof(fnn_average_pool2d_dims) &&
                   offsetof(fnn_max_pool2d_dims, winners) == sizeof(fnn_average_pool2d_gradient_dims),
               "the pooling steps share their sizes");

/* The sizes that any of the four steps has. */
static fnn_pooling pooling_of(const fnn_step *step) {
  const fnn_max_pool2d_dims *d = (const fnn_max_pool2d_dims *)step->dim;
  return (fnn_pooling){.rows = {d->h, d->p, d->r, d->stride_h, 1, d->pad_top},
                       .columns = {d->w, d->q, d->s, d->stride_w, 1, d->pad_left},
                       .n = d->n,
                       .c = d->c};
}

static fnn_pooling max_pooling_of(const fnn_step *step) {
  fnn_pooling v = pooling_of(step);
  v.winners = ((const fnn_max_pool2d_dims *)step->dim)->winners != 0;
  return v;
}

fnn_pooling fnn_pooling_of(ptrdiff_t n, ptrdiff_t p, ptrdiff_t q, ptrdiff_t c, const ptrdiff_t *sizes) {
  return (fnn_pooling){.rows = {p, sizes[0], sizes[2], sizes[4], 1, sizes[6]},
                       .columns = {q, sizes[1], sizes[3], sizes[5], 1, sizes[7]},
                       .n = n,
                       .c = c,
                       .winners = sizes[8] != 0};
}

static ptrdiff_t large_size(const fnn_pooling *v) { return FNN_PRODUCT(v->n, v->rows.in, v->columns.in, v->c); }
static ptrdiff_t small_size(const fnn_pooling *v) { return FNN_PRODUCT(v->n, v->rows.out, v->columns.out, v->c); }

/* Bytes of one winner. */
static ptrdiff_t number_size(const fnn_pooling *v) { return v->rows.taps * v->columns.taps > BYTE_PLACES ? 4 : 1; }

/* Whether step operand i has room for the winners. */
static int holds_winners(const fnn_step *step, int i, const fnn_pooling *v) {
  return fnn_holds(step, i, fnn_ceil_div(fnn_multiply(small_size(v), number_size(v)), 4));
}

/* Whether no element of x lies in two windows, and those of a row leave no gap. */
static int windows_apart(const fnn_pooling *v) {
  return v->rows.stride >= v->rows.taps && v->columns.stride == v->columns.taps;
}

/* Whether every window holds an element of x. */
static int windows_inside(const fnn_axis *a) {
  return a->out == 0 || (a->pad >= 0 && a->pad < a->taps && (a->out - 1) * a->stride - a->pad < a->in);
}

static double pool_work(const fnn_pooling *v) {
  const double taps = (double)v->rows.taps * (double)v->columns.taps;
  return (double)large_size(v) * 4 / 20 + (double)small_size(v) * (8.0 / 20 + taps / 20);
}

/* `count` rows or images into chunks: how many in one. */
static ptrdiff_t share_of(const fnn_pooling *v, ptrdiff_t count) {
  const double chunks = pool_work(v) / CHUNK_WORK;
  return fnn_max(1, fnn_ceil_div(count, chunks < 1 ? 1 : chunks < MAX_CHUNKS ? (ptrdiff_t)chunks : MAX_CHUNKS));
}

/* Checks what all steps have in common; y is the operand of the small images. */
static const char *pool_check(const fnn_step *step, const fnn_pooling *v, int y) {
  if (v->n < 0 || v->c < 0) return "pooling: a size is negative";
  if (!fnn_axis_valid(&v->rows) || !fnn_axis_valid(&v->columns))
    return "pooling: window and stride must be at least 1 and fit the index range";
  if (fnn_multiply(v->rows.taps, v->columns.taps) < 0 || fnn_multiply(v->rows.taps, v->columns.taps) > INT32_MAX)
    return "pooling: the window has too many places to number";
  if (!windows_inside(&v->rows) || !windows_inside(&v->columns))
    return "pooling: a window lies wholly outside the input";
  if (!fnn_holds(step, y, small_size(v))) return "pooling: the small images do not fit their operand";
  return NULL;
}

/* And those of them that have the large images as operand x. */
static const char *pool_check_both(const fnn_step *step, const fnn_pooling *v, int x, int y) {
  if (!fnn_holds(step, x, large_size(v))) return "pooling: the large images do not fit their operand";
  return pool_check(step, v, y);
}

const char *fnn_max_pool_check(const fnn_step *step, const fnn_pooling *v, int y, int winner) {
  const char *problem = pool_check(step, v, y);
  if (problem) return problem;
  if (v->winners && !holds_winners(step, winner, v)) return "max-pooling: the winners do not fit their operand";
  if (!fnn_epilogue_fits(step, small_size(v))) return "max-pooling: the epilogue does not run over y";
  return NULL;
}

static void cut_rows(fnn_step *step, const fnn_pooling *v) {
  step->chunks = 0;
  if (small_size(v) > 0) step->chunks = fnn_ceil_div(v->n * v->rows.out, share_of(v, v->n * v->rows.out));
  step->scratch_bytes = 0;
  step->work = pool_work(v);
}

static void cut_images(fnn_step *step, const fnn_pooling *v) {
  step->chunks = large_size(v) == 0 ? 0 : fnn_ceil_div(v->n, share_of(v, v->n));
  step->scratch_bytes = 0;
  step->work = pool_work(v);
}

/* What a walk over windows hands to its kernel: a run of outputs that read the same places. */
typedef struct {
  fnn_pool g;
  ptrdiff_t row, column; /* of x, rows counted through the images, where the first window begins */
  ptrdiff_t y;           /* where the first output lies, in elements */
} pool_run;

/* The run of outputs that begins at column q of output row `row`, counted through the images, and ends at `end` at the
 * latest; returns its end.  Rows of the input are `width` pixels apart. */
static ptrdiff_t next_run(const fnn_pooling *v, ptrdiff_t row, ptrdiff_t q, ptrdiff_t end, ptrdiff_t width,
                          pool_run *run) {
  const ptrdiff_t image = row / v->rows.out, p = row % v->rows.out;
  const fnn_span ps = fnn_span_of(&v->rows, p), qs = fnn_next_span(&v->columns, q, end);
  run->g = (fnn_pool){.channels = v->c,
                      .pixels = qs.end - qs.begin,
                      .r = ps.last - ps.first,
                      .s = qs.last - qs.first,
                      .x_pixel = v->columns.stride * v->c,
                      .x_row = width * v->c,
                      .first = ps.first * v->columns.taps + qs.first,
                      .number_row = v->columns.taps,
                      .words = number_size(v) == 4,
                      .apart = windows_apart(v)};
  run->row = image * v->rows.in + fnn_span_input(&v->rows, &ps);
  run->column = fnn_span_input(&v->columns, &qs);
  run->y = (row * v->columns.out + q) * v->c;
  return qs.end;
}

/* Where the first window of a run lies in whole images, in elements. */
static ptrdiff_t run_place(const fnn_pooling *v, const pool_run *run) {
  return (run->row * v->columns.in + run->column) * v->c;
}

/* ---- forward -------------------------------------------------------------------------------------------------- */

void fnn_max_pool(const fnn_pooling *v, const fnn_pool_input *in, ptrdiff_t row, ptrdiff_t begin, ptrdiff_t end,
                  float *y, char *winner) {
  pool_run run;
  for (ptrdiff_t q = begin; q < end;) {
    q = next_run(v, row, q, end, in->width, &run);
    const float *x = in->x + ((run.row - in->row) * in->width + run.column - in->column) * v->c;
    fnn_kernel->max_pool(&run.g, x, y + run.y, v->winners ? winner + run.y * number_size(v) : NULL);
  }
  const ptrdiff_t bytes = small_size(v) * number_size(v), last = v->n * v->rows.out - 1;
  if (v->winners && row == last && end == v->columns.out && bytes % 4 > 0)
    memset(winner + bytes, 0, (size_t)(4 - bytes % 4)); /* the rest of an element */
}

const char *fnn_max_pool2d_prepare(fnn_step *step) {
  const fnn_pooling v = max_pooling_of(step);
  const char *problem = fnn_max_pool_check(step, &v, 1, 2);
  if (problem) return problem;
  if (!fnn_holds(step, 0, large_size(&v))) return "max_pool2d: the large images do not fit their operand";
  cut_rows(step, &v);
  return NULL;
}

void fnn_max_pool2d_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_pooling v = max_pooling_of(step);
  const fnn_pool_input in = {fnn_pointer(step, worker, 0), 0, 0, v.columns.in};
  float *y = fnn_pointer(step, worker, 1);
  char *winner = fnn_pointer(step, worker, 2);
  const ptrdiff_t rows = v.n * v.rows.out, share = share_of(&v, rows), end = fnn_min(rows, (chunk + 1) * share);
  const ptrdiff_t length = v.columns.out * v.c, some = fnn_max(1, EPILOGUE / fnn_max(length, 1));
  for (ptrdiff_t begin = chunk * share; begin < end; begin += some) {
    const ptrdiff_t stop = fnn_min(end, begin + some);
    for (ptrdiff_t row = begin; row < stop; row++) fnn_max_pool(&v, &in, row, 0, v.columns.out, y, winner);
    fnn_epilogue(step, worker, begin * length, stop * length);
  }
}

const char *fnn_average_pool2d_prepare(fnn_step *step) {
  const fnn_pooling v = pooling_of(step);
  const char *problem = pool_check_both(step, &v, 0, 1);
  if (problem) return problem;
  cut_rows(step, &v);
  return NULL;
}

void fnn_average_pool2d_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_pooling v = pooling_of(step);
  const float *x = fnn_pointer(step, worker, 0);
  float *y = fnn_pointer(step, worker, 1);
  const ptrdiff_t rows = v.n * v.rows.out, share = share_of(&v, rows), end = fnn_min(rows, (chunk + 1) * share);
  pool_run run;
  for (ptrdiff_t row = chunk * share; row < end; row++)
    for (ptrdiff_t q = 0; q < v.columns.out;) {
      q = next_run(&v, row, q, v.columns.out, v.columns.in, &run);
      fnn_kernel->average_pool(&run.g, x + run_place(&v, &run), y + run.y);
    }
}

/* ---- gradients ------------------------------------------------------------------------------------------------ */

const char *fnn_max_pool2d_gradient_prepare(fnn_step *step) {
  const fnn_pooling v = pooling_of(step);
  const char *problem = pool_check_both(step, &v, 2, 0);
  if (problem) return problem;
  if (!holds_winners(step, 1, &v)) return "max_pool2d_gradient: the winners do not fit their operand";
  if (!fnn_epilogue_fits(step, large_size(&v))) return "max_pool2d_gradient: the epilogue does not run over dx";
  cut_images(step, &v);
  return NULL;
}

const char *fnn_average_pool2d_gradient_prepare(fnn_step *step) {
  const fnn_pooling v = pooling_of(step);
  const char *problem = pool_check_both(step, &v, 1, 0);
  if (problem) return problem;
  if (!fnn_epilogue_fits(step, large_size(&v))) return "average_pool2d_gradient: the epilogue does not run over dx";
  cut_images(step, &v);
  return NULL;
}

static void zero(float *to, ptrdiff_t count) {
  if (count > 0) memset(to, 0, (size_t)count * sizeof *to);
}

/* Fills the image dx; winner is NULL for the average.  Zeros go where no window writes or, if windows overlap,
 * wherever one is about to add, so that they are in cache.  The epilogue follows the last window of a row of dx. */
static void image_gradient(const fnn_step *step, const fnn_worker *worker, const fnn_pooling *v, ptrdiff_t image,
                           const float *dy, const char *winner, float *dx) {
  const fnn_axis *rows = &v->rows, *columns = &v->columns;
  const ptrdiff_t x_row = columns->in * v->c, origin = image * rows->in * x_row;
  const ptrdiff_t covered = fnn_min(columns->in, columns->out * columns->stride - columns->pad);
  const int apart = windows_apart(v);
  ptrdiff_t reached = 0, finished = 0; /* rows of dx */
  pool_run run;
  for (ptrdiff_t p = 0; p <= rows->out; p++) {
    const ptrdiff_t first = p < rows->out ? fnn_max(0, p * rows->stride - rows->pad) : rows->in;
    const ptrdiff_t end = p < rows->out ? fnn_min(rows->in, p * rows->stride - rows->pad + rows->taps) : rows->in;
    const ptrdiff_t zeroed = apart ? first : end;
    zero(dx + origin + reached * x_row, (zeroed - reached) * x_row);
    for (ptrdiff_t row = zeroed; row < end; row++)
      zero(dx + origin + row * x_row + covered * v->c, (columns->in - covered) * v->c);
    reached = fnn_max(reached, end);
    for (ptrdiff_t q = 0; p < rows->out && q < columns->out;) {
      q = next_run(v, image * rows->out + p, q, columns->out, columns->in, &run);
      float *to = dx + run_place(v, &run);
      if (winner)
        fnn_kernel->max_pool_gradient(&run.g, dy + run.y, winner + run.y * number_size(v), to);
      else
        fnn_kernel->average_pool_gradient(&run.g, dy + run.y, to);
    }
    const ptrdiff_t done = p < rows->out ? fnn_min(rows->in, (p + 1) * rows->stride - rows->pad) : rows->in;
    if ((done - finished) * x_row < EPILOGUE && p < rows->out) continue;
    fnn_epilogue(step, worker, origin + finished * x_row, origin + fnn_min(done, reached) * x_row);
    finished = fnn_max(finished, fnn_min(done, reached));
  }
}

static void pool_gradient(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk, const float *dy,
                          const char *winner, float *dx) {
  const fnn_pooling v = pooling_of(step);
  const ptrdiff_t share = share_of(&v, v.n), end = fnn_min(v.n, (chunk + 1) * share);
  for (ptrdiff_t image = chunk * share; image < end; image++) image_gradient(step, worker, &v, image, dy, winner, dx);
}

void fnn_max_pool2d_gradient_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  pool_gradient(step, worker, chunk, fnn_pointer(step, worker, 0), fnn_pointer(step, worker, 1),
                fnn_pointer(step, worker, 2));
}

void fnn_average_pool2d_gradient_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  pool_gradient(step, worker, chunk, fnn_pointer(step, worker, 0), NULL, fnn_pointer(step, worker, 1));
}
