/* depthwise.c: depthwise convolution and its gradients.  A multiplier above 1 is reduced to 1: the channels of x are
 * repeated in scratch memory, the gradient for them is summed there. */
#include <string.h>

#include "dispatch.h"
#include "epilogue.h"
#include "step.h"
#include "window.h"

enum { CHUNK_WORK = 20000 /* nanoseconds */, MAX_CHUNKS = 64 };

typedef struct {
  fnn_axis rows, columns;
  ptrdiff_t n, c, multiplier;
} depthwise_sizes;

/* The first sizes of the three steps are the same. */
_Static_assert(sizeof(fnn_depthwise_conv2d_dims) == sizeof(fnn_depthwise_conv2d_input_gradient_dims) &&
                   offsetof(fnn_depthwise_conv2d_kernel_gradient_dims, images) == sizeof(fnn_depthwise_conv2d_dims),
               "the depthwise steps share their sizes");

static depthwise_sizes sizes_of(const fnn_step *step) {
  const fnn_depthwise_conv2d_dims *d = (const fnn_depthwise_conv2d_dims *)step->dim;
  return (depthwise_sizes){.rows = {d->h, d->p, d->r, d->stride_h, d->dilation_h, d->pad_top},
                           .columns = {d->w, d->q, d->s, d->stride_w, d->dilation_w, d->pad_left},
                           .n = d->n,
                           .c = d->c,
                           .multiplier = d->multiplier};
}

static ptrdiff_t kernel_size(const depthwise_sizes *v) {
  return FNN_PRODUCT(v->rows.taps, v->columns.taps, v->c, v->multiplier);
}

/* Elements of one image of x with its channels repeated. */
static ptrdiff_t repeated_size(const depthwise_sizes *v) {
  return FNN_PRODUCT(v->rows.in, v->columns.in, v->c, v->multiplier);
}

static ptrdiff_t output_size(const depthwise_sizes *v) {
  return FNN_PRODUCT(v->rows.out, v->columns.out, v->c, v->multiplier);
}

static double depthwise_work(const depthwise_sizes *v) {
  const double outputs = (double)v->n * (double)output_size(v);
  return outputs * (double)(v->rows.taps * v->columns.taps) / 10 + (double)v->n * (double)repeated_size(v) * 4 / 20;
}

/* How many of `count` pieces of the work go into a chunk. */
static ptrdiff_t share_of(const depthwise_sizes *v, ptrdiff_t count) {
  const double chunks = depthwise_work(v) / CHUNK_WORK;
  return fnn_max(1, fnn_ceil_div(count, chunks < 1 ? 1 : chunks < MAX_CHUNKS ? (ptrdiff_t)chunks : MAX_CHUNKS));
}

static const char *depthwise_check(fnn_step *step, const depthwise_sizes *v, int x, int w, ptrdiff_t kernels, int y) {
  if (v->n < 0 || v->c < 0 || v->multiplier < 1) return "depthwise convolution: a size is negative";
  if (!fnn_axis_valid(&v->rows) || !fnn_axis_valid(&v->columns))
    return "depthwise convolution: window, stride and dilation must be at least 1 and fit the index range";
  if (!fnn_holds(step, x, FNN_PRODUCT(v->n, v->rows.in, v->columns.in, v->c)))
    return "depthwise convolution: the input is too small for its sizes";
  if (!fnn_holds(step, w, fnn_multiply(kernels, kernel_size(v))))
    return "depthwise convolution: the kernel is too small for its sizes";
  if (!fnn_holds(step, y, fnn_multiply(v->n, output_size(v))))
    return "depthwise convolution: the output is too small for its sizes";
  step->scratch_bytes = v->multiplier > 1 ? fnn_multiply(repeated_size(v), (ptrdiff_t)sizeof(float)) : 0;
  step->work = depthwise_work(v);
  return step->scratch_bytes < 0 ? "depthwise convolution: sizes overflow" : NULL;
}

/* Channels of an image of x, each multiplier times. */
static const float *repeat_channels(const depthwise_sizes *v, const float *x, float *scratch) {
  if (v->multiplier == 1) return x;
  const ptrdiff_t count = v->rows.in * v->columns.in * v->c;
  for (ptrdiff_t i = 0; i < count; i++)
    for (ptrdiff_t j = 0; j < v->multiplier; j++) scratch[i * v->multiplier + j] = x[i];
  return scratch;
}

/* Output rows begin .. end-1 of one image, from x with `channels` channels; w of tap (r, s) at r*w_row + s*w_tap. */
static void depthwise_rows(const fnn_axis *rows, const fnn_axis *columns, ptrdiff_t channels, const float *x,
                           const float *w, ptrdiff_t w_row, ptrdiff_t w_tap, ptrdiff_t begin, ptrdiff_t end, float *y) {
  const ptrdiff_t x_row = columns->in * channels;
  for (ptrdiff_t p = begin; p < end; p++) {
    const fnn_span ps = fnn_span_of(rows, p);
    for (ptrdiff_t q = 0; q < columns->out;) {
      const fnn_span qs = fnn_next_span(columns, q, columns->out);
      fnn_kernel->depthwise(
          &(fnn_depthwise){.channels = channels,
                           .pixels = qs.end - qs.begin,
                           .r = ps.last - ps.first,
                           .s = qs.last - qs.first,
                           .x = x + fnn_span_input(rows, &ps) * x_row + fnn_span_input(columns, &qs) * channels,
                           .x_pixel = columns->stride * channels,
                           .x_row = rows->dilation * x_row,
                           .x_tap = columns->dilation * channels,
                           .w = w + ps.first * w_row + qs.first * w_tap,
                           .w_row = w_row,
                           .w_tap = w_tap,
                           .y = y + (p * columns->out + q) * channels,
                           .y_pixel = channels});
      q = qs.end;
    }
  }
}

/* ---- forward -------------------------------------------------------------------------------------------------- */

/* Output rows in a chunk: whole images where x is repeated image by image. */
static ptrdiff_t forward_share(const depthwise_sizes *v) {
  return v->multiplier > 1 ? share_of(v, v->n) * v->rows.out : share_of(v, v->n * v->rows.out);
}

const char *fnn_depthwise_conv2d_prepare(fnn_step *step) {
  const depthwise_sizes v = sizes_of(step);
  const char *problem = depthwise_check(step, &v, 0, 1, 1, 2);
  if (problem) return problem;
  const ptrdiff_t count = fnn_multiply(v.n, output_size(&v));
  if (!fnn_epilogue_fits(step, count)) return "depthwise_conv2d: the epilogue does not run over the output";
  step->chunks = count == 0 ? 0 : fnn_ceil_div(v.n * v.rows.out, forward_share(&v));
  return NULL;
}

void fnn_depthwise_conv2d_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const depthwise_sizes v = sizes_of(step);
  const float *x = fnn_pointer(step, worker, 0), *w = fnn_pointer(step, worker, 1);
  float *y = fnn_pointer(step, worker, 2);
  const ptrdiff_t channels = v.c * v.multiplier, row = v.columns.out * channels, share = forward_share(&v);
  const ptrdiff_t begin = chunk * share, end = fnn_min(v.n * v.rows.out, begin + share);
  for (ptrdiff_t i = begin; i < end;) {
    const ptrdiff_t image = i / v.rows.out, first = image * v.rows.out, stop = fnn_min(end - first, v.rows.out);
    const float *from = x + image * v.rows.in * v.columns.in * v.c;
    depthwise_rows(&v.rows, &v.columns, channels, repeat_channels(&v, from, (float *)worker->scratch), w,
                   v.columns.taps * channels, channels, i - first, stop, y + first * row);
    fnn_epilogue(step, worker, i * row, (first + stop) * row);
    i = first + stop;
  }
}

/* ---- the gradient for the input ------------------------------------------------------------------------------- */

const char *fnn_depthwise_conv2d_input_gradient_prepare(fnn_step *step) {
  const depthwise_sizes v = sizes_of(step);
  const char *problem = depthwise_check(step, &v, 2, 1, 1, 0);
  if (problem) return problem;
  if (!fnn_epilogue_fits(step, FNN_PRODUCT(v.n, v.rows.in, v.columns.in, v.c)))
    return "depthwise_conv2d_input_gradient: the epilogue does not run over the output";
  step->chunks = fnn_multiply(v.n, repeated_size(&v)) <= 0 ? 0 : fnn_ceil_div(v.n, share_of(&v, v.n));
  return NULL;
}

/* dx of one image, with repeated channels.  Without strides it is a convolution of dy, the kernel read backwards; with
 * them, each tap is added where it was read. */
static void input_gradient(const depthwise_sizes *v, const float *dy, const float *w, float *dx) {
  const fnn_axis *rows = &v->rows, *columns = &v->columns;
  const ptrdiff_t channels = v->c * v->multiplier, x_row = columns->in * channels, w_row = columns->taps * channels;
  if (rows->stride == 1 && columns->stride == 1) {
    const fnn_axis back_rows = {rows->out, rows->in,       rows->taps,
                                1,         rows->dilation, rows->dilation * (rows->taps - 1) - rows->pad};
    const fnn_axis back_columns = {columns->out,      columns->in,
                                   columns->taps,     1,
                                   columns->dilation, columns->dilation * (columns->taps - 1) - columns->pad};
    depthwise_rows(&back_rows, &back_columns, channels, dy, w + kernel_size(v) - channels, -w_row, -channels, 0,
                   rows->in, dx);
    return;
  }
  memset(dx, 0, (size_t)(rows->in * x_row) * sizeof *dx);
  for (ptrdiff_t r = 0; r < rows->taps; r++)
    for (ptrdiff_t s = 0; s < columns->taps; s++) {
      const fnn_span ps = fnn_tap_outputs(rows, r), qs = fnn_tap_outputs(columns, s);
      if (qs.begin == qs.end) continue;
      for (ptrdiff_t p = ps.begin; p < ps.end; p++)
        fnn_kernel->depthwise(&(fnn_depthwise){.channels = channels,
                                               .pixels = qs.end - qs.begin,
                                               .r = 1,
                                               .s = 1,
                                               .x = dy + (p * columns->out + qs.begin) * channels,
                                               .x_pixel = channels,
                                               .w = w + r * w_row + s * channels,
                                               .y = dx + (p * rows->stride + r * rows->dilation - rows->pad) * x_row +
                                                    fnn_span_input(columns, &qs) * channels,
                                               .y_pixel = columns->stride * channels,
                                               .accumulate = 1});
    }
}

void fnn_depthwise_conv2d_input_gradient_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const depthwise_sizes v = sizes_of(step);
  const float *dy = fnn_pointer(step, worker, 0), *w = fnn_pointer(step, worker, 1);
  float *dx = fnn_pointer(step, worker, 2);
  const ptrdiff_t share = share_of(&v, v.n), end = fnn_min(v.n, (chunk + 1) * share);
  const ptrdiff_t size = v.rows.in * v.columns.in * v.c;
  for (ptrdiff_t image = chunk * share; image < end; image++) {
    float *to = dx + image * size, *repeated = v.multiplier > 1 ? (float *)worker->scratch : to;
    input_gradient(&v, dy + image * output_size(&v), w, repeated);
    for (ptrdiff_t i = 0; v.multiplier > 1 && i < size; i++) {
      to[i] = repeated[i * v.multiplier];
      for (ptrdiff_t j = 1; j < v.multiplier; j++) to[i] += repeated[i * v.multiplier + j];
    }
    fnn_epilogue(step, worker, image * size, (image + 1) * size);
  }
}

/* ---- the gradient for the kernel ------------------------------------------------------------------------------ */

const char *fnn_depthwise_conv2d_kernel_gradient_prepare(fnn_step *step) {
  const fnn_depthwise_conv2d_kernel_gradient_dims *d = (const fnn_depthwise_conv2d_kernel_gradient_dims *)step->dim;
  const depthwise_sizes v = sizes_of(step);
  if (d->images < 1) return "depthwise_conv2d_kernel_gradient: images must be at least 1";
  const ptrdiff_t groups = fnn_ceil_div(fnn_max(v.n, 0), d->images);
  const char *problem = depthwise_check(step, &v, 0, 2, groups, 1);
  if (problem) return problem;
  step->chunks = kernel_size(&v) == 0 ? 0 : groups;
  return NULL;
}

void fnn_depthwise_conv2d_kernel_gradient_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_depthwise_conv2d_kernel_gradient_dims *d = (const fnn_depthwise_conv2d_kernel_gradient_dims *)step->dim;
  const depthwise_sizes v = sizes_of(step);
  const fnn_axis *rows = &v.rows, *columns = &v.columns;
  const float *x = fnn_pointer(step, worker, 0), *dy = fnn_pointer(step, worker, 1);
  float *dw = (float *)fnn_pointer(step, worker, 2) + chunk * kernel_size(&v);
  const ptrdiff_t channels = v.c * v.multiplier, x_row = columns->in * channels;
  const ptrdiff_t end = fnn_min(v.n, (chunk + 1) * d->images);
  memset(dw, 0, (size_t)kernel_size(&v) * sizeof *dw);
  for (ptrdiff_t image = chunk * d->images; image < end; image++) {
    const float *from = repeat_channels(&v, x + image * rows->in * columns->in * v.c, (float *)worker->scratch);
    for (ptrdiff_t p = 0; p < rows->out; p++) { /* all taps of one output row, while it is in cache */
      const fnn_span ps = fnn_span_of(rows, p);
      for (ptrdiff_t tap = ps.first * columns->taps; tap < ps.last * columns->taps; tap++) {
        const fnn_span qs = fnn_tap_outputs(columns, tap % columns->taps);
        const ptrdiff_t row = p * rows->stride + tap / columns->taps * rows->dilation - rows->pad;
        if (qs.begin == qs.end) continue;
        fnn_kernel->depthwise_gradient(
            &(fnn_depthwise_gradient){.channels = channels,
                                      .pixels = qs.end - qs.begin,
                                      .x = from + row * x_row + fnn_span_input(columns, &qs) * channels,
                                      .x_pixel = columns->stride * channels,
                                      .dy = dy + image * output_size(&v) + (p * columns->out + qs.begin) * channels,
                                      .dy_pixel = channels,
                                      .dw = dw + tap * channels});
      }
    }
  }
}
