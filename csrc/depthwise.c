/* depthwise.c: depthwise convolution and its gradients.  A multiplier above 1 is reduced to 1: the channels of x are
 * repeated in scratch memory, the gradient for them is summed there. */
#include <string.h>

#include "dispatch.h"
#include "epilogue.h"
#include "step.h"
#include "window.h"

enum {
  CHUNK_WORK = 20000, /* nanoseconds */
  MAX_CHUNKS = 64,
  FEW = 8,        /* columns, which are too few for a kernel */
  ROWS = 16,      /* that are in cache when their edges are done */
  LARGE = 1 << 20 /* elements that come from memory */
};

typedef struct {
  fnn_axis rows, columns;
  ptrdiff_t n, c, multiplier;
} depthwise_sizes;

/* The first sizes of the three steps are the same. */
_Static_assert(sizeof(fnn_depthwise_conv2d_dims) == sizeof(fnn_depthwise_conv2d_input_gradient_dims) &&
                   offsetof(fnn_depthwise_conv2d_kernel_gradient_dims, parts) == sizeof(fnn_depthwise_conv2d_dims),
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

/* ---- walks over an image --------------------------------------------------------------------------------------- */

/* The span of outputs that begins at `begin` and ends at `end` at the latest: with no taps at all, all of them. */
static fnn_span next_span(const fnn_axis *a, ptrdiff_t begin, ptrdiff_t end) {
  if (a->taps == 0) return (fnn_span){begin, end, 0, 0};
  return fnn_next_span(a, begin, end);
}

/* Whether a block of outputs that read alike is better walked down its columns: at the left and right edge. */
static int goes_down(const fnn_span *ps, const fnn_span *qs) {
  return qs->end - qs->begin < FEW && qs->end - qs->begin < ps->end - ps->begin;
}

/* Images with `channels`: y(p, q) at y + p*y_row + q*y_pixel is made of x under the window and w, whose tap (r, s) lies
 * at w + r*w_row + s*w_tap. */
typedef struct {
  fnn_axis rows, columns;
  ptrdiff_t channels;
  const float *x, *w;
  ptrdiff_t w_row, w_tap;
  float *y;
  ptrdiff_t y_row, y_pixel;
  int from_memory; /* whether rows of x are worth asking for ahead: it costs time where they are in a cache */
} window_sums;

/* A block of outputs that read alike. */
static void sum_block(const window_sums *v, const fnn_span *ps, const fnn_span *qs) {
  const ptrdiff_t x_row = v->columns.in * v->channels, height = ps->end - ps->begin, width = qs->end - qs->begin;
  const ptrdiff_t x_down = v->rows.stride * x_row, x_right = v->columns.stride * v->channels;
  const int down = goes_down(ps, qs);
  fnn_depthwise g = {.channels = v->channels,
                     .pixels = down ? height : width,
                     .r = ps->last - ps->first,
                     .s = qs->last - qs->first,
                     .x = v->x + fnn_span_input(&v->rows, ps) * x_row + fnn_span_input(&v->columns, qs) * v->channels,
                     .x_pixel = down ? x_down : x_right,
                     .x_row = v->rows.dilation * x_row,
                     .x_tap = v->columns.dilation * v->channels,
                     .w = v->w + ps->first * v->w_row + qs->first * v->w_tap,
                     .w_row = v->w_row,
                     .w_tap = v->w_tap,
                     .y = v->y + ps->begin * v->y_row + qs->begin * v->y_pixel,
                     .y_pixel = down ? v->y_row : v->y_pixel,
                     .ahead = v->from_memory && !down && v->rows.dilation == 1 ? v->rows.stride : 0};
  for (ptrdiff_t i = 0; i < (down ? width : height); i++) {
    fnn_kernel->depthwise(&g);
    g.x += down ? x_right : x_down;
    g.y += down ? v->y_pixel : v->y_row;
  }
}

/* Output rows begin .. end-1. */
static void sum_windows(const window_sums *v, ptrdiff_t begin, ptrdiff_t end) {
  for (ptrdiff_t p = begin; p < end;) {
    const fnn_span ps = next_span(&v->rows, p, fnn_min(end, p + ROWS));
    for (ptrdiff_t q = 0; q < v->columns.out;) {
      const fnn_span qs = next_span(&v->columns, q, v->columns.out);
      sum_block(v, &ps, &qs);
      q = qs.end;
    }
    p = ps.end;
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
    const window_sums sums = {.rows = v.rows,
                              .columns = v.columns,
                              .channels = channels,
                              .x = repeat_channels(&v, from, (float *)worker->scratch),
                              .w = w,
                              .w_row = v.columns.taps * channels,
                              .w_tap = channels,
                              .y = y + first * row,
                              .y_row = row,
                              .y_pixel = channels,
                              .from_memory = v.n * output_size(&v) >= LARGE};
    sum_windows(&sums, i - first, stop);
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

/* Places of an input that lie strides apart are read by the same taps, some taps apart: an axis of its own, from the
 * output to these places, with stride 1 and those taps backwards. */
typedef struct {
  fnn_axis axis;
  ptrdiff_t tap, tap_step; /* the first of them, and from one to the next */
} readers;

/* Of places first, first + stride, ..; first < stride and first < in. */
static readers readers_of(const fnn_axis *a, ptrdiff_t first) {
  ptrdiff_t tap = 0, period = 1;
  while (period < a->taps && period * a->dilation % a->stride != 0) period++;
  while (tap < period && (first + a->pad - tap * a->dilation) % a->stride != 0) tap++;
  const ptrdiff_t taps = tap < period ? (a->taps - 1 - tap) / period + 1 : 0;
  const ptrdiff_t apart = fnn_max(1, period * a->dilation / a->stride); /* only looked at if there are several */
  const ptrdiff_t output = (first + a->pad - tap * a->dilation) / a->stride;
  return (readers){.axis = {.in = a->out,
                            .out = (a->in - 1 - first) / a->stride + 1,
                            .taps = taps,
                            .stride = 1,
                            .dilation = apart,
                            .pad = (taps - 1) * apart - output},
                   .tap = tap + (taps - 1) * period,
                   .tap_step = -period};
}

/* dx of one image, with repeated channels: all places that are read by the same taps, then the next. */
static void input_gradient(const depthwise_sizes *v, const float *dy, const float *w, float *dx) {
  const ptrdiff_t channels = v->c * v->multiplier, x_row = v->columns.in * channels, w_row = v->columns.taps * channels;
  const ptrdiff_t down = fnn_min(v->rows.stride, v->rows.in), right = fnn_min(v->columns.stride, v->columns.in);
  for (ptrdiff_t i = 0; i < down * right; i++) {
    const ptrdiff_t top = i / right, left = i % right;
    const readers rows = readers_of(&v->rows, top), columns = readers_of(&v->columns, left);
    const window_sums sums = {.rows = rows.axis,
                              .columns = columns.axis,
                              .channels = channels,
                              .x = dy,
                              .w = w + rows.tap * w_row + columns.tap * channels,
                              .w_row = rows.tap_step * w_row,
                              .w_tap = columns.tap_step * channels,
                              .y = dx + top * x_row + left * channels,
                              .y_row = v->rows.stride * x_row,
                              .y_pixel = v->columns.stride * channels,
                              .from_memory = v->n * output_size(v) >= LARGE};
    sum_windows(&sums, 0, rows.axis.out);
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
  if (!fnn_parts_valid(v.n, d->parts))
    return "depthwise_conv2d_kernel_gradient: parts must be at least 1 and fit the index range";
  const char *problem = depthwise_check(step, &v, 0, 2, d->parts, 1);
  if (problem) return problem;
  step->chunks = kernel_size(&v) == 0 ? 0 : d->parts;
  return NULL;
}

/* Adds what a block of outputs that read alike says. */
static void gradient_block(const depthwise_sizes *v, const float *x, const float *dy, const fnn_span *ps,
                           const fnn_span *qs, float *dw) {
  const ptrdiff_t channels = v->c * v->multiplier, x_row = v->columns.in * channels, y_row = v->columns.out * channels;
  const ptrdiff_t height = ps->end - ps->begin, width = qs->end - qs->begin, w_row = v->columns.taps * channels;
  const ptrdiff_t x_down = v->rows.stride * x_row, x_right = v->columns.stride * channels;
  const int down = goes_down(ps, qs);
  fnn_depthwise_gradient g = {.channels = channels,
                              .pixels = down ? height : width,
                              .r = ps->last - ps->first,
                              .s = qs->last - qs->first,
                              .x =
                                  x + fnn_span_input(&v->rows, ps) * x_row + fnn_span_input(&v->columns, qs) * channels,
                              .x_pixel = down ? x_down : x_right,
                              .x_row = v->rows.dilation * x_row,
                              .x_tap = v->columns.dilation * channels,
                              .dy = dy + ps->begin * y_row + qs->begin * channels,
                              .dy_pixel = down ? y_row : channels,
                              .dw = dw + ps->first * w_row + qs->first * channels,
                              .w_row = w_row,
                              .w_tap = channels};
  for (ptrdiff_t i = 0; i < (down ? width : height); i++) {
    fnn_kernel->depthwise_gradient(&g);
    g.x += down ? x_right : x_down;
    g.dy += down ? channels : y_row;
  }
}

void fnn_depthwise_conv2d_kernel_gradient_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_depthwise_conv2d_kernel_gradient_dims *d = (const fnn_depthwise_conv2d_kernel_gradient_dims *)step->dim;
  const depthwise_sizes v = sizes_of(step);
  const float *x = fnn_pointer(step, worker, 0), *dy = fnn_pointer(step, worker, 1);
  float *dw = (float *)fnn_pointer(step, worker, 2) + chunk * kernel_size(&v);
  const ptrdiff_t end = fnn_part_begin(v.n, d->parts, chunk + 1);
  memset(dw, 0, (size_t)kernel_size(&v) * sizeof *dw);
  for (ptrdiff_t image = fnn_part_begin(v.n, d->parts, chunk); image < end; image++) {
    const float *from = repeat_channels(&v, x + image * v.rows.in * v.columns.in * v.c, (float *)worker->scratch);
    for (ptrdiff_t p = 0; p < v.rows.out;) {
      const fnn_span ps = fnn_next_span(&v.rows, p, fnn_min(v.rows.out, p + ROWS));
      for (ptrdiff_t q = 0; q < v.columns.out;) {
        const fnn_span qs = fnn_next_span(&v.columns, q, v.columns.out);
        gradient_block(&v, from, dy + image * output_size(&v), &ps, &qs, dw);
        q = qs.end;
      }
      p = ps.end;
    }
  }
}
