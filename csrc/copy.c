/* copy.c: the steps that move 4-byte elements without computing: copy, fill, gather, scatter_add, one_hot. */
#include <string.h>

#include "dispatch.h"
#include "step.h"

enum {
  CHUNK_ELEMENTS = 16384, /* 64 KB: long enough for a thread, short enough for L1 and L2 together */
  SCATTER_CHUNKS = 8,     /* each reads all indices and adds to its own rows of the table */
  TILE = 16,              /* elements in a cache line: columns of a tile that is transposed at a time */
  STRIP = 64,             /* its rows: they lie side by side in x, some cache lines in one page */
  VECTOR = 4,             /* elements moved at a time */
  SHORT_ROW = 64          /* in rows of at most so many */
};

/* Costs in nanoseconds, measured roughly; only their size matters. */
static const double COPY_ELEMENT = 0.3, STRIDED_ELEMENT = 0.8, ROW = 5.0;

static fnn_worker *unlock(const fnn_worker *worker) { return (fnn_worker *)worker; }

static void refuse_index(const fnn_worker *worker, int64_t value) {
  unlock(worker)->status = FNN_EINDEX;
  unlock(worker)->error_value = value;
}

/* ---- copy ----------------------------------------------------------------------------------------------------- */

/* One axis of a copy: its size, and how far the next element is in x and in y. */
typedef struct {
  ptrdiff_t size, in, out;
} axis;

enum { RANK = 6 };

static void get_axes(const fnn_copy_dims *d, axis a[RANK]) {
  const axis all[RANK] = {{d->n0, d->i0, d->o0}, {d->n1, d->i1, d->o1}, {d->n2, d->i2, d->o2},
                          {d->n3, d->i3, d->o3}, {d->n4, d->i4, d->o4}, {d->n5, d->i5, d->o5}};
  memcpy(a, all, sizeof all);
}

static void set_axes(fnn_copy_dims *d, const axis a[RANK]) {
  ptrdiff_t *n[] = {&d->n0, &d->n1, &d->n2, &d->n3, &d->n4, &d->n5};
  ptrdiff_t *in[] = {&d->i0, &d->i1, &d->i2, &d->i3, &d->i4, &d->i5};
  ptrdiff_t *out[] = {&d->o0, &d->o1, &d->o2, &d->o3, &d->o4, &d->o5};
  for (int i = 0; i < RANK; i++) *n[i] = a[i].size, *in[i] = a[i].in, *out[i] = a[i].out;
}

/* Whether every offset + sum of i_a * stride_a lies in [0, elements). */
static int stays_inside(ptrdiff_t offset, const ptrdiff_t size[RANK], const ptrdiff_t stride[RANK],
                        ptrdiff_t elements) {
  ptrdiff_t lowest = offset, highest = offset;
  for (int i = 0; i < RANK; i++) {
    if (stride[i] == PTRDIFF_MIN) return 0;
    ptrdiff_t reach = fnn_multiply(size[i] - 1, stride[i] < 0 ? -stride[i] : stride[i]);
    if (reach < 0) return 0;
    if (stride[i] < 0) {
      lowest -= reach;
    } else {
      highest = fnn_add(highest, reach);
    }
    if (lowest < 0 || highest < 0) return 0;
  }
  return highest < elements;
}

static ptrdiff_t distance(ptrdiff_t stride) { return stride < 0 ? -stride : stride; }

static int merges(const axis *outer, const axis *inner) {
  return outer->in == inner->in * inner->size && outer->out == inner->out * inner->size;
}

static void swap(axis *a, axis *b) {
  axis saved = *a;
  *a = *b;
  *b = saved;
}

/* Fewest axes, the last one innermost in y; the first ones have size 1.  Where the last is strided in x and another is
 * not, that one becomes the last but one: the two are transposed tile by tile. */
static void normalise(axis a[RANK]) {
  axis kept[RANK];
  int n = 0;
  for (int i = 0; i < RANK; i++) {
    if (a[i].size == 1) continue;
    int place = n++;
    for (; place > 0 && distance(kept[place - 1].out) < distance(a[i].out); place--) kept[place] = kept[place - 1];
    kept[place] = a[i];
  }
  for (int i = n - 2; i >= 0; i--) {
    if (!merges(&kept[i], &kept[i + 1])) continue;
    kept[i] = (axis){kept[i].size * kept[i + 1].size, kept[i + 1].in, kept[i + 1].out};
    n--;
    for (int j = i + 1; j < n; j++) kept[j] = kept[j + 1];
  }
  for (int i = 0; i < n - 2 && kept[n - 1].in != 1; i++) {
    if (kept[i].in == 1) swap(&kept[i], &kept[i + 1]);
  }
  for (int i = 0; i < RANK; i++) a[i] = i < RANK - n ? (axis){1, 0, 0} : kept[i - (RANK - n)];
}

/* A *strip* is what the innermost loops do: one row, or STRIP rows that are transposed. */
static ptrdiff_t strip_rows(const axis a[RANK]) { return a[4].in == 1 && a[5].in != 1 ? STRIP : 1; }

static ptrdiff_t strip_count(const axis a[RANK]) {
  return a[0].size * a[1].size * a[2].size * a[3].size * fnn_ceil_div(a[4].size, strip_rows(a));
}

static ptrdiff_t chunk_strips(const axis a[RANK]) {
  return fnn_max(1, CHUNK_ELEMENTS / fnn_max(1, strip_rows(a) * fnn_min(a[5].size, CHUNK_ELEMENTS)));
}

const char *fnn_copy_prepare(fnn_step *step) {
  fnn_copy_dims *d = (fnn_copy_dims *)step->dim;
  axis a[RANK];
  ptrdiff_t size[RANK], in[RANK], out[RANK], elements;
  get_axes(d, a);
  for (int i = 0; i < RANK; i++) size[i] = a[i].size, in[i] = a[i].in, out[i] = a[i].out;
  elements = fnn_product(size, RANK);
  step->chunks = 0;
  step->scratch_bytes = 0;
  step->work = 0.0;
  if (elements < 0) return "a size is negative or too large";
  if (elements == 0) return NULL;
  if (!fnn_holds(step, 0, 1) || !stays_inside(d->in_offset, size, in, step->operand[0].bytes / 4)) {
    return "the copy reads outside its input";
  }
  if (!fnn_holds(step, 1, 1) || !stays_inside(d->out_offset, size, out, step->operand[1].bytes / 4)) {
    return "the copy writes outside its output";
  }
  normalise(a);
  set_axes(d, a);
  step->chunks = fnn_ceil_div(strip_count(a), chunk_strips(a));
  step->work =
      (double)elements * (a[5].in == 1 || a[5].in == 0 ? COPY_ELEMENT : STRIDED_ELEMENT) + (double)strip_count(a) * ROW;
  return NULL;
}

/* A row without gaps: a short one takes less than a call of memcpy, whose size the compiler does not know. */
static void copy_contiguous(const uint32_t *x, uint32_t *y, ptrdiff_t size) {
  if (size < VECTOR || size > SHORT_ROW) {
    memcpy(y, x, (size_t)size * sizeof *y);
    return;
  }
  for (ptrdiff_t i = 0; i < size - VECTOR; i += VECTOR) memcpy(y + i, x + i, VECTOR * sizeof *y);
  memcpy(y + size - VECTOR, x + size - VECTOR, VECTOR * sizeof *y);
}

static void copy_row(const uint32_t *x, uint32_t *y, const axis *a) {
  if (a->in == 1 && a->out == 1) {
    copy_contiguous(x, y, a->size);
  } else if (a->in == 0 && a->out == 1) {
    uint32_t value = *x;
    for (ptrdiff_t i = 0; i < a->size; i++) y[i] = value;
  } else {
    for (ptrdiff_t i = 0; i < a->size; i++) y[i * a->out] = x[i * a->in];
  }
}

/* `rows` rows, next to each other in x, of a->size elements; tile by tile so that whole cache lines are used. */
static void copy_transposed(const uint32_t *x, uint32_t *y, ptrdiff_t rows, ptrdiff_t row_out, const axis *a) {
  if (a->out == 1) {
    fnn_kernel->transpose((const int32_t *)x, a->in, rows, a->size, (int32_t *)y, row_out);
    return;
  }
  for (ptrdiff_t begin = 0; begin < a->size; begin += TILE) {
    ptrdiff_t end = fnn_min(begin + TILE, a->size);
    for (ptrdiff_t row = 0; row < rows; row++) {
      for (ptrdiff_t i = begin; i < end; i++) y[row * row_out + i * a->out] = x[row + i * a->in];
    }
  }
}

/* A place along the outer axes, and how far its first element is in x and in y. */
typedef struct {
  ptrdiff_t at[RANK - 2], in, out;
} place;

static place place_of(const axis a[RANK], ptrdiff_t number) {
  place p = {{0}, 0, 0};
  for (int i = RANK - 3; i >= 0; i--) {
    p.at[i] = number % a[i].size;
    number /= a[i].size;
    p.in += p.at[i] * a[i].in, p.out += p.at[i] * a[i].out;
  }
  return p;
}

static void next_place(const axis a[RANK], place *p) {
  for (int i = RANK - 3; i >= 0; i--) {
    p->in += a[i].in, p->out += a[i].out;
    if (++p->at[i] < a[i].size) return;
    p->at[i] = 0;
    p->in -= a[i].size * a[i].in, p->out -= a[i].size * a[i].out;
  }
}

/* `count` neighbours along the last but one axis. */
static void copy_rows(const uint32_t *x, uint32_t *y, ptrdiff_t count, const axis a[RANK]) {
  const ptrdiff_t rows = strip_rows(a), in = a[4].in, out = a[4].out;
  for (ptrdiff_t i = 0; i < count; i += rows) {
    if (rows == 1)
      copy_row(x + i * in, y + i * out, &a[5]);
    else
      copy_transposed(x + i * in, y + i * out, fnn_min(rows, count - i), out, &a[5]);
  }
}

void fnn_copy_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_copy_dims *d = (const fnn_copy_dims *)step->dim;
  const uint32_t *x = (const uint32_t *)fnn_pointer(step, worker, 0) + d->in_offset;
  uint32_t *y = (uint32_t *)fnn_pointer(step, worker, 1) + d->out_offset;
  axis a[RANK];
  get_axes(d, a);
  ptrdiff_t rows = strip_rows(a), strips = fnn_ceil_div(a[4].size, rows); /* of one place */
  ptrdiff_t strip = chunk * chunk_strips(a), end = fnn_min(strip + chunk_strips(a), strip_count(a)), some;
  place p = place_of(a, strip / strips);
  for (ptrdiff_t first = strip % strips; strip < end; strip += some, first = 0, next_place(a, &p)) {
    const ptrdiff_t row = first * rows;
    some = fnn_min(end - strip, strips - first);
    copy_rows(x + p.in + row * a[4].in, y + p.out + row * a[4].out, fnn_min(some * rows, a[4].size - row), a);
  }
}

/* ---- fill ----------------------------------------------------------------------------------------------------- */

const char *fnn_fill_prepare(fnn_step *step) {
  const fnn_fill_dims *d = (const fnn_fill_dims *)step->dim;
  if (!fnn_holds(step, 0, d->count)) return "the output is smaller than count";
  if (d->value_bits < 0 || d->value_bits > (ptrdiff_t)UINT32_MAX) return "value_bits is not an unsigned 32-bit number";
  step->chunks = fnn_ceil_div(d->count, CHUNK_ELEMENTS);
  step->scratch_bytes = 0;
  step->work = (double)d->count * COPY_ELEMENT;
  return NULL;
}

void fnn_fill_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_fill_dims *d = (const fnn_fill_dims *)step->dim;
  uint32_t *y = fnn_pointer(step, worker, 0), value = (uint32_t)d->value_bits;
  ptrdiff_t begin = chunk * CHUNK_ELEMENTS, end = fnn_min(begin + CHUNK_ELEMENTS, d->count);
  for (ptrdiff_t i = begin; i < end; i++) y[i] = value;
}

/* ---- rows of a table ------------------------------------------------------------------------------------------ */

static ptrdiff_t chunk_rows(ptrdiff_t width) { return fnn_max(1, CHUNK_ELEMENTS / fnn_max(1, width)); }

const char *fnn_gather_prepare(fnn_step *step) {
  const fnn_gather_dims *d = (const fnn_gather_dims *)step->dim;
  if (!fnn_holds(step, 0, fnn_multiply(d->rows, d->width))) return "the table is smaller than rows x width";
  if (!fnn_holds(step, 1, d->count)) return "index is smaller than count";
  if (!fnn_holds(step, 2, fnn_multiply(d->count, d->width))) return "the output is smaller than count x width";
  step->chunks = fnn_ceil_div(d->count, chunk_rows(d->width));
  step->scratch_bytes = 0;
  step->work = (double)d->count * (ROW + (double)d->width * COPY_ELEMENT);
  return NULL;
}

void fnn_gather_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_gather_dims *d = (const fnn_gather_dims *)step->dim;
  const uint32_t *table = fnn_pointer(step, worker, 0);
  const int32_t *index = fnn_pointer(step, worker, 1);
  uint32_t *y = fnn_pointer(step, worker, 2);
  ptrdiff_t begin = chunk * chunk_rows(d->width), end = fnn_min(begin + chunk_rows(d->width), d->count);
  for (ptrdiff_t i = begin; i < end; i++) {
    if (index[i] < 0 || index[i] >= d->rows) {
      refuse_index(worker, index[i]);
      return;
    }
    memcpy(y + i * d->width, table + index[i] * d->width, (size_t)d->width * 4);
  }
}

const char *fnn_scatter_add_prepare(fnn_step *step) {
  const fnn_scatter_add_dims *d = (const fnn_scatter_add_dims *)step->dim;
  if (!fnn_holds(step, 0, fnn_multiply(d->count, d->width))) return "x is smaller than count x width";
  if (!fnn_holds(step, 1, d->count)) return "index is smaller than count";
  if (!fnn_holds(step, 2, fnn_multiply(d->rows, d->width))) return "the output is smaller than rows x width";
  step->chunks = SCATTER_CHUNKS;
  step->scratch_bytes = 0;
  step->work =
      (double)d->rows * (double)d->width * COPY_ELEMENT + (double)d->count * (ROW + (double)d->width * COPY_ELEMENT);
  return NULL;
}

void fnn_scatter_add_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_scatter_add_dims *d = (const fnn_scatter_add_dims *)step->dim;
  const float *x = fnn_pointer(step, worker, 0);
  const int32_t *index = fnn_pointer(step, worker, 1);
  float *y = fnn_pointer(step, worker, 2);
  ptrdiff_t rows = fnn_ceil_div(d->rows, SCATTER_CHUNKS);
  ptrdiff_t begin = fnn_min(chunk * rows, d->rows), end = fnn_min(begin + rows, d->rows);
  memset(y + begin * d->width, 0, (size_t)((end - begin) * d->width) * 4);
  for (ptrdiff_t i = 0; i < d->count; i++) {
    if (index[i] < 0 || index[i] >= d->rows) {
      refuse_index(worker, index[i]);
      return;
    }
    if (index[i] < begin || index[i] >= end) continue;
    const float *from = x + i * d->width;
    float *to = y + index[i] * d->width;
    for (ptrdiff_t j = 0; j < d->width; j++) to[j] += from[j];
  }
}

const char *fnn_one_hot_prepare(fnn_step *step) {
  const fnn_one_hot_dims *d = (const fnn_one_hot_dims *)step->dim;
  if (!fnn_holds(step, 0, d->count)) return "index is smaller than count";
  if (d->cols < 0 || !fnn_holds(step, 1, fnn_multiply(d->count, d->cols)))
    return "the output is smaller than count x cols";
  step->chunks = fnn_ceil_div(d->count, chunk_rows(d->cols));
  step->scratch_bytes = 0;
  step->work = (double)d->count * (ROW + (double)d->cols * COPY_ELEMENT);
  return NULL;
}

void fnn_one_hot_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_one_hot_dims *d = (const fnn_one_hot_dims *)step->dim;
  const int32_t *index = fnn_pointer(step, worker, 0);
  float *y = fnn_pointer(step, worker, 1);
  ptrdiff_t begin = chunk * chunk_rows(d->cols), end = fnn_min(begin + chunk_rows(d->cols), d->count);
  memset(y + begin * d->cols, 0, (size_t)((end - begin) * d->cols) * 4);
  for (ptrdiff_t i = begin; i < end; i++) {
    if (index[i] >= 0 && index[i] < d->cols) y[i * d->cols + index[i]] = 1.0f;
  }
}
