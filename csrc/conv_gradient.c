/* conv_gradient.c: the gradients of a convolution, again without copies of the images. */
#include <math.h>
#include <string.h>

#include "conv.h"
#include "dispatch.h"
#include "epilogue.h"
#include "gemm.h"

enum {
  CHUNK_WORK = 20000, /* nanoseconds in a chunk */
  MAX_CHUNKS = 64,
  CHUNK_PIXELS = 96,            /* pixels in a chunk, or reading the kernel costs more than using it */
  BAND = 1 << 15,               /* elements of dx that meet all taps before the next */
  COLUMNS = FNN_PACKED_COLUMNS, /* columns of B that meet all rows of A before the next: they stay in cache */
  DEPTH = 512                   /* pixels of dy in one GEMM: a panel of them stays in the second-level cache */
};

/* ---- the gradient for the input ------------------------------------------------------------------------------- */

static ptrdiff_t kernel_elements(const fnn_conv *v) {
  return FNN_PRODUCT(v->rows.taps, v->columns.taps, v->c, v->f, v->groups);
}

/* Rows of dx, counted through the images, in one chunk. */
static ptrdiff_t input_gradient_share(const fnn_conv *v) {
  const double pixels = (double)v->n * (double)v->rows.in * (double)v->columns.in;
  const double chunks = fmin(fmin(fnn_conv_work(v) / CHUNK_WORK, pixels / CHUNK_PIXELS), MAX_CHUNKS);
  return fnn_max(1, fnn_ceil_div(v->n * v->rows.in, chunks < 1 ? 1 : (ptrdiff_t)chunks));
}

const char *fnn_conv2d_input_gradient_prepare(fnn_step *step) {
  const fnn_conv v = fnn_conv_of(step);
  const char *problem = fnn_conv_check(step, &v, 2, 1, 1, 0);
  if (problem) return problem;
  const ptrdiff_t count = FNN_PRODUCT(v.n, v.rows.in, v.columns.in, v.c, v.groups);
  if (!fnn_epilogue_fits(step, count)) return "conv2d_input_gradient: the epilogue does not run over the output";
  step->scratch_bytes = 0;
  step->chunks = count == 0 ? 0 : fnn_ceil_div(v.n * v.rows.in, input_gradient_share(&v));
  step->work = fnn_conv_work(&v);
  return NULL;
}

/* The taps r = first, first + step, .. (count of them) that read one input row, and the outputs that do: output, and
 * output_step further with each tap. */
typedef struct {
  ptrdiff_t first, step, count, output, output_step;
} readers;

static readers readers_of(const fnn_axis *a, ptrdiff_t input) {
  readers found = {0};
  for (ptrdiff_t tap = 0; tap < a->taps; tap++) {
    const ptrdiff_t place = input + a->pad - tap * a->dilation, output = place / a->stride;
    if (place < 0 || place % a->stride != 0 || output >= a->out) continue;
    if (found.count == 0) found.first = tap, found.output = output;
    if (found.count == 1) found.step = tap - found.first, found.output_step = output - found.output;
    found.count++;
  }
  return found;
}

/* Rows begin .. end-1 of dx of one image: for each column tap s a GEMM over the pixels that are read with it, whose
 * rows of C lie strides apart and whose batch is the row taps.  No zeros are multiplied, whatever the padding, strides
 * and dilation. */
static void input_gradient_rows(const fnn_conv *v, const float *turned, const float *dy, ptrdiff_t begin, ptrdiff_t end,
                                float *dx) {
  const fnn_axis *columns = &v->columns;
  const ptrdiff_t xc = v->c * v->groups, yc = v->f * v->groups, x_row = columns->in * xc, y_row = columns->out * yc;
  const ptrdiff_t w_row = columns->taps * v->c * yc;
  memset(dx + begin * x_row, 0, (size_t)((end - begin) * x_row) * sizeof *dx);
  for (ptrdiff_t i = 0; i < v->groups * fnn_ceil_div(v->c, COLUMNS); i++) {
    const ptrdiff_t group = i % v->groups, c = i / v->groups * COLUMNS;
    for (ptrdiff_t s = 0; s < columns->taps; s++) {
      const fnn_span qs = fnn_tap_outputs(columns, s);
      for (ptrdiff_t row = begin; qs.begin < qs.end && row < end; row++) {
        const readers r = readers_of(&v->rows, row);
        if (r.count == 0) continue;
        fnn_kernel->gemm(&(fnn_gemm){.m = qs.end - qs.begin,
                                     .n = fnn_min(COLUMNS, v->c - c),
                                     .k = v->f,
                                     .batch = r.count,
                                     .a = dy + r.output * y_row + qs.begin * yc + group * v->f,
                                     .a_row = yc,
                                     .a_col = 1,
                                     .a_batch = r.output_step * y_row,
                                     .b = turned + r.first * w_row + (s * yc + group * v->f) * v->c + c,
                                     .b_row = v->c,
                                     .b_batch = r.step * w_row,
                                     .c = dx + row * x_row + fnn_span_input(columns, &qs) * xc + group * v->c + c,
                                     .c_row = columns->stride * xc,
                                     .accumulate = 1});
      }
    }
  }
}

void fnn_conv2d_input_gradient_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_conv v = fnn_conv_of(step);
  const ptrdiff_t h = v.rows.in, row = v.columns.in * v.c * v.groups;
  const ptrdiff_t dy_image = v.rows.out * v.columns.out * v.f * v.groups;
  const ptrdiff_t share = input_gradient_share(&v), end = fnn_min(v.n * h, (chunk + 1) * share);
  const ptrdiff_t band = fnn_max(1, BAND / fnn_max(1, row));
  const float *dy = fnn_pointer(step, worker, 0), *turned = fnn_pointer(step, worker, 1);
  float *dx = fnn_pointer(step, worker, 2);
  for (ptrdiff_t i = chunk * share, stop; i < end; i = stop) {
    const ptrdiff_t image = i / h, first = image * h;
    stop = fnn_min(end, fnn_min(first + h, i + band));
    input_gradient_rows(&v, turned, dy + image * dy_image, i - first, stop - first, dx + first * row);
    fnn_epilogue(step, worker, i * row, stop * row);
  }
}

/* ---- the gradient for the kernel ------------------------------------------------------------------------------ */

/* Each part of the batch is cut into units, the blocks of dy's channels of each kernel row; a chunk is `share` of them. */
static ptrdiff_t kernel_gradient_units(const fnn_conv *v) { return v->rows.taps * fnn_ceil_div(v->f, COLUMNS); }

static ptrdiff_t kernel_gradient_share(const fnn_conv *v, ptrdiff_t parts) {
  const ptrdiff_t units = kernel_gradient_units(v), most = fnn_max(1, fnn_min(units, MAX_CHUNKS / parts));
  const double chunks = fnn_conv_work(v) / CHUNK_WORK / (double)parts; /* of each part */
  return fnn_ceil_div(units, chunks < 1 ? 1 : chunks < (double)most ? (ptrdiff_t)chunks : most);
}

const char *fnn_conv2d_kernel_gradient_prepare(fnn_step *step) {
  const fnn_conv2d_kernel_gradient_dims *d = (const fnn_conv2d_kernel_gradient_dims *)step->dim;
  const fnn_conv v = fnn_conv_of(step);
  if (!fnn_parts_valid(v.n, d->parts))
    return "conv2d_kernel_gradient: parts must be at least 1 and fit the index range";
  const char *problem = fnn_conv_check(step, &v, 0, 2, d->parts, 1);
  if (problem) return problem;
  step->chunks = 0;
  if (kernel_elements(&v) > 0)
    step->chunks = d->parts * fnn_ceil_div(kernel_gradient_units(&v), kernel_gradient_share(&v, d->parts));
  step->scratch_bytes =
      FNN_PRODUCT(fnn_max(DEPTH, v.columns.out), (ptrdiff_t)COLUMNS, (ptrdiff_t)sizeof(float)); /* dy, packed */
  step->work = fnn_conv_work(&v);
  return step->scratch_bytes < 0 ? "conv2d_kernel_gradient: sizes overflow" : NULL;
}

/* Adds what output rows p .. p+count-1 of one image say about kernel row r, channels f .. f+columns-1 of each group.
 * dw is that kernel row (s, c, f*groups). */
static void gradient_rows(const fnn_conv *v, const float *x, const float *dy, ptrdiff_t r, ptrdiff_t p, ptrdiff_t count,
                          ptrdiff_t f, ptrdiff_t columns_of_f, float *dw, float *packed) {
  const fnn_axis *rows = &v->rows, *columns = &v->columns;
  const ptrdiff_t xc = v->c * v->groups, yc = v->f * v->groups;
  const int merged = v->groups == 1 && columns->dilation == 1; /* the taps of a row are contiguous */
  x += (p * rows->stride + r * rows->dilation - rows->pad) * columns->in * xc;
  dy += p * columns->out * yc;
  for (ptrdiff_t j = 0; j < columns->out;) {
    const fnn_span qs = fnn_next_span(columns, j, columns->out);
    const ptrdiff_t taps = qs.last - qs.first;
    fnn_gemm g = {.m = merged ? taps * v->c : v->c,
                  .n = columns_of_f,
                  .k = qs.end - qs.begin,
                  .batch = count,
                  .a_row = 1,
                  .a_col = columns->stride * xc,
                  .a_batch = rows->stride * columns->in * xc,
                  .b_row = yc,
                  .b_batch = columns->out * yc,
                  .c_row = yc,
                  .accumulate = 1};
    if (g.k == 1) { /* one pixel in each row: the rows are the depth */
      g.k = count, g.batch = 1;
      g.a_col = g.a_batch, g.b_row = g.b_batch;
    }
    for (ptrdiff_t s = 0; s < (merged ? taps > 0 : taps); s++)
      for (ptrdiff_t group = 0; group < v->groups; group++) {
        g.a = x + (fnn_span_input(columns, &qs) + s * columns->dilation) * xc + group * v->c;
        g.b = dy + qs.begin * yc + group * v->f + f;
        g.c = dw + (qs.first + s) * v->c * yc + group * v->f + f;
        g.packed = NULL;
        if (fnn_gemm_packs(g.m, g.n, g.b_row)) {
          fnn_kernel->pack_b(&g, packed);
          g.packed = packed;
        }
        fnn_kernel->gemm(&g);
      }
    j = qs.end;
  }
}

/* One unit: a kernel row and a block of channels, over the images of a part. */
static void gradient_unit(const fnn_conv *v, ptrdiff_t unit, ptrdiff_t images, float *dw, float *packed) {
  const ptrdiff_t blocks = fnn_ceil_div(v->f, COLUMNS), r = unit / blocks, f = unit % blocks * COLUMNS;
  const ptrdiff_t columns_of_f = fnn_min(COLUMNS, v->f - f), yc = v->f * v->groups, taps = v->columns.taps * v->c;
  const ptrdiff_t step = fnn_max(1, DEPTH / fnn_max(v->columns.out, 1));
  const fnn_span ps = fnn_tap_outputs(&v->rows, r);
  dw += r * taps * yc;
  for (ptrdiff_t i = 0; i < taps * v->groups; i++)
    memset(dw + (i / v->groups) * yc + i % v->groups * v->f + f, 0, (size_t)columns_of_f * sizeof *dw);
  for (ptrdiff_t image = 0; image < images; image++) {
    const float *x = v->x + image * v->rows.in * v->columns.in * v->c * v->groups;
    const float *dy = v->y + image * v->rows.out * v->columns.out * yc;
    for (ptrdiff_t p = ps.begin; p < ps.end; p += step)
      gradient_rows(v, x, dy, r, p, fnn_min(step, ps.end - p), f, columns_of_f, dw, packed);
  }
}

void fnn_conv2d_kernel_gradient_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_conv2d_kernel_gradient_dims *d = (const fnn_conv2d_kernel_gradient_dims *)step->dim;
  fnn_conv v = fnn_conv_of(step);
  const ptrdiff_t units = kernel_gradient_units(&v), share = kernel_gradient_share(&v, d->parts);
  const ptrdiff_t chunks = fnn_ceil_div(units, share), part = chunk / chunks;
  const ptrdiff_t first = fnn_part_begin(v.n, d->parts, part), images = fnn_part_begin(v.n, d->parts, part + 1) - first;
  const ptrdiff_t begin = chunk % chunks * share, end = fnn_min(units, begin + share);
  v.x = (const float *)fnn_pointer(step, worker, 0) + first * v.rows.in * v.columns.in * v.c * v.groups;
  v.y = (float *)fnn_pointer(step, worker, 1) + first * v.rows.out * v.columns.out * v.f * v.groups;
  float *dw = (float *)fnn_pointer(step, worker, 2) + part * kernel_elements(&v);
  float *packed = (float *)worker->scratch;
  for (ptrdiff_t unit = begin; unit < end; unit++) gradient_unit(&v, unit, images, dw, packed);
}
