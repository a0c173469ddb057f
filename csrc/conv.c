/* conv.c: convolution without a matrix of taps.  In NHWC the taps (s, c) of one kernel row are contiguous for each
 * output pixel, so that matrix is x itself, with rows that overlap: a GEMM over the pixels of an output row, whose
 * batch is the kernel rows.  Padding is a copy of the few rows in work, with zeros around them.  Only where the kernel
 * is too large to be read for every output row are the taps of many pixels gathered. */
#include "conv.h"

#include <string.h>

#include "cache.h"
#include "dispatch.h"
#include "epilogue.h"
#include "gemm.h"
#include "pool.h"

enum {
  COLUMNS = FNN_PACKED_COLUMNS, /* columns of B that meet all rows of A before the next: they stay in cache */
  LARGE_KERNEL = 1 << 18,       /* elements of a kernel that must not be read for every output row, */
  SHORT_ROW = 64,               /* when that has fewer pixels: */
  GATHERED = 1 << 17,           /* so many elements are gathered at a time, */
  GATHERED_MIN = 24,            /* but no fewer and */
  GATHERED_MAX = 128,           /* no more pixels */
  SHORT_SUM = 128,              /* taps of an output so few that a call for each row costs as much as they do: */
  TOGETHER = 1 << 13,           /* one for so many outputs, which stay in the first-level cache */
  PADDED = 1 << 15,             /* elements of padded input in work */
  CHUNK_WORK = 20000,           /* nanoseconds in a chunk */
  CHUNK_PIXELS = 96,            /* output pixels in a chunk, or reading a large kernel costs more than using it */
  MAX_CHUNKS = 64,
  STRIP = 1 << 15,        /* output elements written before the epilogue reads them again */
  POOLED_STRIP = 1 << 13, /* or the pooling, which makes few of them: they stay in the first-level cache */
  POOLED_KERNELS = 8      /* but many times the kernel, or its copy for each strip costs too much */
};

/* ---- output rows whose taps all lie inside -------------------------------------------------------------------- */

/* Whether the taps of one kernel row are contiguous in x. */
static int contiguous_taps(const fnn_conv *v) { return v->groups == 1 && v->columns.dilation == 1; }

/* Floats of the copy of a block of the kernel's columns. */
static ptrdiff_t packed_kernel(const fnn_conv *v) {
  return FNN_PRODUCT(contiguous_taps(v) ? v->rows.taps : 1, v->columns.taps, v->c, (ptrdiff_t)COLUMNS);
}

/* `rows` output rows; x is what the first tap of the first output reads, x_row the distance of input rows.
 * packed: room for packed_kernel. */
static void conv_inside(const fnn_conv *v, const float *x, ptrdiff_t x_row, ptrdiff_t rows, float *y, float *packed) {
  const ptrdiff_t xc = v->c * v->groups, yc = v->f * v->groups, s = v->columns.taps, w_row = s * v->c * yc;
  const int run = contiguous_taps(v), packs = run && fnn_gemm_packs(rows * v->columns.out, v->f, yc);
  const int short_sums = run && v->rows.taps * s * v->c <= SHORT_SUM;
  const ptrdiff_t y_row = v->columns.out * yc, together = short_sums ? fnn_max(1, TOGETHER / fnn_max(y_row, 1)) : 1;
  fnn_gemm g = {.m = v->columns.out,
                .k = run ? s * v->c : v->c,
                .batch = run ? v->rows.taps : s,
                .a_row = v->columns.stride * xc,
                .a_col = 1,
                .a_batch = run ? v->rows.dilation * x_row : v->columns.dilation * xc,
                .b_row = yc,
                .b_batch = run ? w_row : v->c * yc,
                .c_row = yc,
                .a_more = v->rows.stride * x_row,
                .c_more = y_row};
  for (ptrdiff_t i = 0; i < v->groups * fnn_ceil_div(v->f, COLUMNS); i++) {
    const ptrdiff_t group = i % v->groups, f = i / v->groups * COLUMNS;
    g.n = fnn_min(COLUMNS, v->f - f);
    if (packs) {
      g.b = v->w + f;
      fnn_kernel->pack_b(&g, packed);
      g.packed = packed;
    }
    for (ptrdiff_t p = 0; p < rows; p += together)
      for (ptrdiff_t r = 0; r < (run ? 1 : v->rows.taps); r++) {
        g.a = x + (p * v->rows.stride + r * v->rows.dilation) * x_row + group * v->c;
        g.b = v->w + r * w_row + group * v->f + f;
        g.c = y + p * y_row + group * v->f + f;
        g.accumulate = r > 0;
        g.more = fnn_min(together, rows - p) - 1;
        fnn_kernel->gemm(&g);
      }
  }
}

/* ---- padding -------------------------------------------------------------------------------------------------- */

/* Inputs from the first to the last that `outputs` neighbours read. */
static ptrdiff_t reach(const fnn_axis *a, ptrdiff_t outputs) {
  return fnn_add(fnn_add(fnn_multiply(outputs - 1, a->stride), fnn_multiply(a->taps - 1, a->dilation)), 1);
}

/* Whether some output reads outside the input. */
static int padded(const fnn_axis *a) { return a->out > 0 && (a->pad > 0 || reach(a, a->out) - a->pad > a->in); }

/* Output rows whose padded input is held at a time. */
static ptrdiff_t padded_rows(const fnn_conv *v) {
  const ptrdiff_t row = FNN_PRODUCT(reach(&v->columns, v->columns.out), v->c, v->groups, v->rows.stride);
  return row <= 0 ? 1 : fnn_max(1, fnn_min(v->rows.out, PADDED / row));
}

/* What output rows p .. p+rows-1 of one image read, with zeros around the image. */
static void pad_rows(const fnn_conv *v, const float *image, ptrdiff_t p, ptrdiff_t rows, float *to) {
  const ptrdiff_t xc = v->c * v->groups, width = reach(&v->columns, v->columns.out);
  const ptrdiff_t top = p * v->rows.stride - v->rows.pad, height = reach(&v->rows, rows);
  const ptrdiff_t begin = fnn_max(0, fnn_min(width, v->columns.pad));                   /* columns of `to` that */
  const ptrdiff_t end = fnn_max(begin, fnn_min(width, v->columns.in + v->columns.pad)); /* lie inside the image */
  for (ptrdiff_t i = top; i < top + height; i++, to += width * xc) {
    if (i < 0 || i >= v->rows.in) {
      memset(to, 0, (size_t)(width * xc) * sizeof *to);
      continue;
    }
    memset(to, 0, (size_t)(begin * xc) * sizeof *to);
    if (end > begin)
      memcpy(to + begin * xc, image + (i * v->columns.in + begin - v->columns.pad) * xc,
             (size_t)((end - begin) * xc) * sizeof *to);
    memset(to + end * xc, 0, (size_t)((width - end) * xc) * sizeof *to);
  }
}

/* Output rows p .. end-1 of one image; the first goes to y. */
static void conv_image(const fnn_conv *v, const float *image, ptrdiff_t p, ptrdiff_t end, float *y, float *scratch) {
  const ptrdiff_t xc = v->c * v->groups, y_row = v->columns.out * v->f * v->groups, x_row = v->columns.in * xc;
  if (!padded(&v->rows) && !padded(&v->columns)) {
    const ptrdiff_t origin = (p * v->rows.stride - v->rows.pad) * x_row - v->columns.pad * xc;
    conv_inside(v, image + origin, x_row, end - p, y, scratch);
    return;
  }
  float *inside = scratch + packed_kernel(v);
  for (ptrdiff_t rows; p < end; p += rows, y += rows * y_row) {
    rows = fnn_min(padded_rows(v), end - p);
    pad_rows(v, image, p, rows, inside);
    conv_inside(v, inside, reach(&v->columns, v->columns.out) * xc, rows, y, scratch);
  }
}

/* ---- gathered pixels ------------------------------------------------------------------------------------------ */

static int gathers(const fnn_conv *v) {
  return v->groups == 1 && v->columns.dilation == 1 && v->f > 0 && v->columns.out < SHORT_ROW &&
         v->rows.taps * v->columns.taps * v->c > LARGE_KERNEL / v->f;
}

/* Whether y is x times a matrix, pixel by pixel. */
static int pointwise(const fnn_conv *v) {
  const fnn_axis *a[2] = {&v->rows, &v->columns};
  for (int i = 0; i < 2; i++)
    if (a[i]->taps != 1 || a[i]->stride != 1 || a[i]->pad != 0 || a[i]->in != a[i]->out) return 0;
  return v->groups == 1;
}

static ptrdiff_t gathered_pixels(const fnn_conv *v) {
  const ptrdiff_t pixels = GATHERED / (v->rows.taps * v->columns.taps * v->c);
  return fnn_max(GATHERED_MIN, fnn_min(GATHERED_MAX, pixels));
}

/* All taps of one output pixel, zeros outside. */
static void gather_pixel(const fnn_conv *v, ptrdiff_t image, ptrdiff_t p, ptrdiff_t q, float *taps) {
  const fnn_span ps = fnn_span_of(&v->rows, p), qs = fnn_span_of(&v->columns, q);
  const ptrdiff_t run = v->columns.taps * v->c, x_row = v->columns.in * v->c;
  const ptrdiff_t before = qs.first * v->c, inside = (qs.last - qs.first) * v->c;
  const float *x =
      v->x + (image * v->rows.in + fnn_span_input(&v->rows, &ps)) * x_row + fnn_span_input(&v->columns, &qs) * v->c;
  for (ptrdiff_t r = 0; r < v->rows.taps; r++, taps += run) {
    const int row_inside = r >= ps.first && r < ps.last;
    if (inside < run || !row_inside) memset(taps, 0, (size_t)run * sizeof *taps);
    if (!row_inside) continue;
    memcpy(taps + before, x, (size_t)inside * sizeof *taps);
    x += v->rows.dilation * x_row;
  }
}

static void conv_gathered(const fnn_conv *v, ptrdiff_t begin, ptrdiff_t end, float *y, float *scratch) {
  const ptrdiff_t k = v->rows.taps * v->columns.taps * v->c, q = v->columns.out, p = v->rows.out;
  const ptrdiff_t last = end * q, most = gathered_pixels(v);
  for (ptrdiff_t i = begin * q; i < last; i += most) {
    const ptrdiff_t m = fnn_min(most, last - i);
    for (ptrdiff_t j = 0; j < m; j++) gather_pixel(v, (i + j) / q / p, (i + j) / q % p, (i + j) % q, scratch + j * k);
    fnn_gemm_blocked(&(fnn_gemm){.m = m,
                                 .n = v->f,
                                 .k = k,
                                 .batch = 1,
                                 .a = scratch,
                                 .a_row = k,
                                 .a_col = 1,
                                 .b = v->w,
                                 .b_row = v->f,
                                 .c = y + (i - begin * q) * v->f,
                                 .c_row = v->f},
                     scratch + most * k);
  }
}

/* Output rows begin .. end-1, counted through all images, to y. */
static void conv_rows(const fnn_conv *v, ptrdiff_t begin, ptrdiff_t end, float *y, float *scratch) {
  const ptrdiff_t p = v->rows.out, q = v->columns.out;
  if (q == 0) return;
  if (gathers(v)) {
    conv_gathered(v, begin, end, y, scratch);
    return;
  }
  if (pointwise(v)) {
    fnn_gemm_blocked(&(fnn_gemm){.m = (end - begin) * q,
                                 .n = v->f,
                                 .k = v->c,
                                 .batch = 1,
                                 .a = v->x + begin * q * v->c,
                                 .a_row = v->c,
                                 .a_col = 1,
                                 .b = v->w,
                                 .b_row = v->f,
                                 .c = y,
                                 .c_row = v->f},
                     scratch);
    return;
  }
  const ptrdiff_t y_row = q * v->f * v->groups;
  for (ptrdiff_t row = begin; row < end;) {
    const ptrdiff_t image = row / p, first = image * p, stop = fnn_min(end - first, p);
    const float *x = v->x + image * v->rows.in * v->columns.in * v->c * v->groups;
    conv_image(v, x, row - first, stop, y + (row - begin) * y_row, scratch);
    row = first + stop;
  }
}

/* ---- sizes ---------------------------------------------------------------------------------------------------- */

_Static_assert(sizeof(fnn_conv2d_dims) == sizeof(fnn_conv2d_input_gradient_dims) &&
                   sizeof(fnn_conv2d_dims) == offsetof(fnn_conv2d_kernel_gradient_dims, parts),
               "the convolution steps share their sizes");
_Static_assert(sizeof(fnn_conv2d_dims) == offsetof(fnn_conv2d_max_pool2d_dims, pool_p),
               "the convolution steps share their sizes");

fnn_conv fnn_conv_of(const fnn_step *step) {
  const fnn_conv2d_dims *d = (const fnn_conv2d_dims *)step->dim;
  return (fnn_conv){.rows = {d->h, d->p, d->r, d->stride_h, d->dilation_h, d->pad_top},
                    .columns = {d->w, d->q, d->s, d->stride_w, d->dilation_w, d->pad_left},
                    .n = d->n,
                    .c = d->c,
                    .f = d->f,
                    .groups = d->groups};
}

/* Bytes of scratch that conv_rows needs. */
static ptrdiff_t conv_scratch(const fnn_conv *v) {
  const ptrdiff_t taps = FNN_PRODUCT(v->rows.taps, v->columns.taps, v->c), size = sizeof(float);
  if (v->columns.out == 0) return 0;
  if (pointwise(v)) return fnn_gemm_scratch(FNN_PRODUCT(v->n, v->rows.out, v->columns.out), v->f, v->c, 0);
  if (gathers(v)) {
    const ptrdiff_t most = gathered_pixels(v);
    return fnn_add(FNN_PRODUCT(most, taps, size), fnn_gemm_scratch(most, v->f, taps, 0));
  }
  const ptrdiff_t packed = fnn_multiply(packed_kernel(v), size);
  if (!padded(&v->rows) && !padded(&v->columns)) return packed;
  return fnn_add(
      packed, FNN_PRODUCT(reach(&v->rows, padded_rows(v)), reach(&v->columns, v->columns.out), v->c, v->groups, size));
}

double fnn_conv_work(const fnn_conv *v) {
  const double outputs = (double)v->n * (double)v->rows.out * (double)v->columns.out * (double)v->f * (double)v->groups;
  const double inputs = (double)v->n * (double)v->rows.in * (double)v->columns.in * (double)v->c * (double)v->groups;
  const double taps = (double)v->rows.taps * (double)v->columns.taps * (double)v->c;
  return 2 * outputs * taps / 100 + (inputs + outputs) * 4 / 20;
}

/* How many chunks are wanted. */
static ptrdiff_t wanted_chunks(const fnn_conv *v) {
  const double chunks = fnn_conv_work(v) / CHUNK_WORK;
  return chunks < 1 ? 1 : chunks < MAX_CHUNKS ? (ptrdiff_t)chunks : MAX_CHUNKS;
}

/* Output rows in one chunk. */
static ptrdiff_t chunk_rows(const fnn_conv *v) {
  const int large = FNN_PRODUCT(v->rows.taps, v->columns.taps, v->c, v->f) > LARGE_KERNEL / 4;
  const ptrdiff_t least = large ? fnn_ceil_div(CHUNK_PIXELS, fnn_max(v->columns.out, 1)) : 1;
  return fnn_max(least, fnn_ceil_div(v->n * v->rows.out, wanted_chunks(v)));
}

/* fnn_conv_check but for the output. */
static const char *check_inputs(const fnn_step *step, const fnn_conv *v, int x, int w, ptrdiff_t kernels) {
  if (v->n < 0 || v->c < 0 || v->f < 0 || v->groups < 1) return "convolution: a size is negative";
  if (!fnn_axis_valid(&v->rows) || !fnn_axis_valid(&v->columns))
    return "convolution: window, stride and dilation must be at least 1 and fit the index range";
  const ptrdiff_t xc = fnn_multiply(v->c, v->groups), yc = fnn_multiply(v->f, v->groups);
  if (!fnn_holds(step, x, FNN_PRODUCT(v->n, v->rows.in, v->columns.in, xc)))
    return "convolution: the input is too small for its sizes";
  if (!fnn_holds(step, w, FNN_PRODUCT(kernels, v->rows.taps, v->columns.taps, v->c, yc)))
    return "convolution: the kernel is too small for its sizes";
  return NULL;
}

const char *fnn_conv_check(const fnn_step *step, const fnn_conv *v, int x, int w, ptrdiff_t kernels, int y) {
  const char *problem = check_inputs(step, v, x, w, kernels);
  if (problem) return problem;
  const ptrdiff_t yc = fnn_multiply(v->f, v->groups);
  if (!fnn_holds(step, y, FNN_PRODUCT(v->n, v->rows.out, v->columns.out, yc)))
    return "convolution: the output is too small for its sizes";
  return NULL;
}

/* ---- the step ------------------------------------------------------------------------------------------------- */

const char *fnn_conv2d_prepare(fnn_step *step) {
  const fnn_conv v = fnn_conv_of(step);
  const char *problem = fnn_conv_check(step, &v, 0, 1, 1, 2);
  if (problem) return problem;
  const ptrdiff_t count = FNN_PRODUCT(v.n, v.rows.out, v.columns.out, v.f, v.groups);
  if (!fnn_epilogue_fits(step, count)) return "conv2d: the epilogue does not run over the output";
  step->chunks = count == 0 ? 0 : fnn_ceil_div(v.n * v.rows.out, chunk_rows(&v));
  step->scratch_bytes = conv_scratch(&v);
  step->work = fnn_conv_work(&v);
  return step->scratch_bytes < 0 ? "conv2d: sizes overflow" : NULL;
}

void fnn_conv2d_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  fnn_conv v = fnn_conv_of(step);
  v.x = fnn_pointer(step, worker, 0);
  v.w = fnn_pointer(step, worker, 1);
  float *y = fnn_pointer(step, worker, 2);
  const ptrdiff_t rows = chunk_rows(&v), row = v.columns.out * v.f * v.groups;
  const ptrdiff_t end = fnn_min(v.n * v.rows.out, (chunk + 1) * rows);
  const ptrdiff_t strip = fnn_max(1, STRIP / fnn_max(row, 1));
  for (ptrdiff_t i = chunk * rows; i < end; i += strip) {
    const ptrdiff_t stop = fnn_min(i + strip, end);
    conv_rows(&v, i, stop, y + i * row, (float *)worker->scratch);
    fnn_epilogue(step, worker, i * row, stop * row);
  }
}

/* ---- the step that pools -------------------------------------------------------------------------------------- */

static fnn_pooling pooling_behind(const fnn_conv *v, const fnn_step *step) {
  const fnn_conv2d_max_pool2d_dims *d = (const fnn_conv2d_max_pool2d_dims *)step->dim;
  return fnn_pooling_of(v->n, v->rows.out, v->columns.out, fnn_multiply(v->f, v->groups), &d->pool_p);
}

/* Rows of the convolution that so many pooled rows read. */
static ptrdiff_t rows_below(const fnn_pooling *pool, ptrdiff_t pooled) {
  return fnn_min(reach(&pool->rows, pooled), pool->rows.in);
}

/* Pooled rows of one image that are made at a time. */
static ptrdiff_t pooled_strip(const fnn_conv *v, const fnn_pooling *pool) {
  const ptrdiff_t kernel = FNN_PRODUCT(v->rows.taps, v->columns.taps, v->c, v->f, v->groups);
  const ptrdiff_t strip = fnn_max(POOLED_STRIP, fnn_min(STRIP, POOLED_KERNELS * fnn_min(kernel, STRIP)));
  const ptrdiff_t row = FNN_PRODUCT(v->columns.out, v->f, v->groups, pool->rows.stride);
  return fnn_max(1, fnn_min(strip / fnn_max(row, 1), pool->rows.out));
}

/* Elements of the rows below a strip, whole cache lines. */
static ptrdiff_t strip_elements(const fnn_conv *v, const fnn_pooling *pool) {
  const ptrdiff_t rows = rows_below(pool, pooled_strip(v, pool));
  const ptrdiff_t elements = FNN_PRODUCT(rows, v->columns.out, v->f, v->groups);
  return elements < 0 ? -1 : fnn_multiply(fnn_ceil_div(elements, FNN_LINE_FLOATS), FNN_LINE_FLOATS);
}

static ptrdiff_t chunk_pooled_rows(const fnn_conv *v, const fnn_pooling *pool) {
  return fnn_max(1, fnn_ceil_div(v->n * pool->rows.out, wanted_chunks(v)));
}

const char *fnn_conv2d_max_pool2d_prepare(fnn_step *step) {
  const fnn_conv v = fnn_conv_of(step);
  const char *problem = check_inputs(step, &v, 0, 1, 1);
  if (problem) return problem;
  const fnn_pooling pool = pooling_behind(&v, step);
  problem = fnn_max_pool_check(step, &pool, 2, 3);
  if (problem) return problem;
  const ptrdiff_t count = FNN_PRODUCT(v.n, pool.rows.out, pool.columns.out, pool.c);
  step->chunks = count == 0 ? 0 : fnn_ceil_div(v.n * pool.rows.out, chunk_pooled_rows(&v, &pool));
  step->scratch_bytes = fnn_add(fnn_multiply(strip_elements(&v, &pool), (ptrdiff_t)sizeof(float)), conv_scratch(&v));
  step->work = fnn_conv_work(&v);
  return step->scratch_bytes < 0 ? "conv2d_max_pool2d: sizes overflow" : NULL;
}

/* Pooled rows begin .. end-1 of one image, counted through the images. */
static void conv_and_pool(const fnn_conv *v, const fnn_pooling *pool, ptrdiff_t begin, ptrdiff_t end, float *y,
                          char *winner, float *scratch) {
  const fnn_axis *rows = &pool->rows;
  const ptrdiff_t image = begin / rows->out, above = image * rows->in, p = begin % rows->out;
  const ptrdiff_t first = above + fnn_max(0, p * rows->stride - rows->pad);
  const ptrdiff_t last = above + fnn_min(rows->in, p * rows->stride - rows->pad + reach(rows, end - begin));
  const fnn_pool_input in = {scratch, first, 0, v->columns.out};
  conv_rows(v, first, last, scratch, scratch + strip_elements(v, pool));
  for (ptrdiff_t row = begin; row < end; row++) fnn_max_pool(pool, &in, row, 0, pool->columns.out, y, winner);
}

void fnn_conv2d_max_pool2d_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  fnn_conv v = fnn_conv_of(step);
  v.x = fnn_pointer(step, worker, 0);
  v.w = fnn_pointer(step, worker, 1);
  float *y = fnn_pointer(step, worker, 2);
  char *winner = fnn_pointer(step, worker, 3);
  const fnn_pooling pool = pooling_behind(&v, step);
  const ptrdiff_t rows = chunk_pooled_rows(&v, &pool), row = pool.columns.out * pool.c, p = pool.rows.out;
  const ptrdiff_t end = fnn_min(v.n * p, (chunk + 1) * rows), strip = pooled_strip(&v, &pool);
  for (ptrdiff_t i = chunk * rows, stop; i < end; i = stop) {
    stop = fnn_min(fnn_min(i + strip, end), (i / p + 1) * p);
    conv_and_pool(&v, &pool, i, stop, y, winner, (float *)worker->scratch);
    fnn_epilogue(step, worker, i * row, stop * row);
  }
}
