/* winograd.c: 3x3 convolutions with stride 1 and their gradients by Winograd's F(4x4, 3x3) (kernels/winograd.h): a
 * quarter of the multiplications, for transforms of the kernel, of each 6x6 tile of the input and of each 4x4 tile of
 * the output.  The products of the transformed values are 36 matrix products, one for each *point*, over the channels,
 * whose rows are tiles.
 *
 * A block of tiles goes through transform, products and transform back while it is in cache.  Blocks and chunks are cut
 * by the shape, and each element's sum is over the channels alone: the block that a tile is in does not change it. */
#include <string.h>

#include "cache.h"
#include "dispatch.h"
#include "epilogue.h"
#include "gemm.h"
#include "pool.h"
#include "reduce.h"

enum {
  TILE = 4,            /* rows and columns of outputs */
  INPUT = 6,           /* rows and columns of inputs that they read */
  TAPS = 3,            /* rows and columns of a kernel */
  POINTS = 36,         /* planes of transformed values; they are a cache line apart, or would fall into one set of it */
  BLOCK = 96,          /* tiles in a block: all of the transformed kernel is read for each; */
  CHUNKS = 8,          /* fewer, for so many chunks, */
  BLOCK_MIN = 16,      /* but no fewer than this */
  KERNEL_CHUNK = 1024, /* pairs of channels in a chunk of the kernel's transforms, */
  KERNEL_BLOCK = 128,  /* and so many transformed in the first-level cache before they go to planes far apart */
  GRADIENT_BLOCK = 48, /* tiles in a block of the gradient: all of the sums are added to for each */
  GRADIENT_CHANNELS = 64 /* channels of x in a chunk of the gradient: dy is transformed again for each */
};

/* A convolution of n images (h, w, c) to (p, q, f): outputs y, x read pad_top rows above. */
typedef struct {
  ptrdiff_t n, h, w, c, p, q, f, pad_top, pad_left;
} sizes;

_Static_assert(sizeof(fnn_winograd_conv2d_dims) == sizeof(fnn_winograd_input_gradient_dims) &&
                   sizeof(fnn_winograd_conv2d_dims) == offsetof(fnn_winograd_kernel_gradient_dims, parts),
               "the steps share their sizes");
_Static_assert(sizeof(fnn_winograd_conv2d_dims) == offsetof(fnn_winograd_conv2d_max_pool2d_dims, pool_p),
               "the steps share their sizes");

static sizes sizes_of(const fnn_step *step) {
  const fnn_winograd_conv2d_dims *d = (const fnn_winograd_conv2d_dims *)step->dim;
  return (sizes){d->n, d->h, d->w, d->c, d->p, d->q, d->f, d->pad_top, d->pad_left};
}

static ptrdiff_t tile_rows(const sizes *v) { return fnn_ceil_div(v->p, TILE); }
static ptrdiff_t tile_columns(const sizes *v) { return fnn_ceil_div(v->q, TILE); }

/* Elements of a plane of `rows` tiles or channels. */
static ptrdiff_t plane(ptrdiff_t rows, ptrdiff_t columns) {
  return fnn_add(fnn_multiply(rows, columns), FNN_LINE_FLOATS);
}

/* For a block of tiles: the planes of c and of f channels, and a pixel of each. */
static ptrdiff_t scratch_bytes(ptrdiff_t block, ptrdiff_t c, ptrdiff_t f) {
  const ptrdiff_t planes = fnn_multiply(POINTS, fnn_add(plane(block, c), plane(block, f)));
  return fnn_multiply(fnn_add(planes, fnn_add(c, f)), (ptrdiff_t)sizeof(float));
}

static const char *check(const sizes *v) {
  const fnn_axis rows = {v->h, v->p, TAPS, 1, 1, v->pad_top}, columns = {v->w, v->q, TAPS, 1, 1, v->pad_left};
  if (v->n < 0 || v->c < 0 || v->f < 0 || v->p < 1 || v->q < 1 || !fnn_axis_valid(&rows) || !fnn_axis_valid(&columns))
    return "winograd: a size is negative, or beyond the index range, or there is no output";
  return NULL;
}

/* ---- pixels of tiles ------------------------------------------------------------------------------------------ */

/* Where tile `tile`, counted through the images, begins: image, row and column of its first output. */
typedef struct {
  ptrdiff_t image, p, q;
} place;

static place place_of(const sizes *v, ptrdiff_t tile) {
  const ptrdiff_t columns = tile_columns(v), row = tile / columns;
  return (place){row / tile_rows(v), row % tile_rows(v) * TILE, tile % columns * TILE};
}

/* Addresses of side x side pixels of an image (height, width, channels) from (row, column) on; `outside` for those
 * that it does not have. */
static void find_pixels(const float *image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t channels, ptrdiff_t row,
                        ptrdiff_t column, ptrdiff_t side, const float *outside, const float **pixel) {
  for (ptrdiff_t i = row; i < row + side; i++)
    for (ptrdiff_t j = column; j < column + side; j++)
      *pixel++ = i >= 0 && i < height && j >= 0 && j < width ? image + (i * width + j) * channels : outside;
}

static void find_inputs(const sizes *v, const float *x, place at, const float *zeros, const float **pixel) {
  find_pixels(x + at.image * v->h * v->w * v->c, v->h, v->w, v->c, at.p - v->pad_top, at.q - v->pad_left, INPUT, zeros,
              pixel);
}

static void find_outputs(const sizes *v, const float *y, place at, const float *outside, const float **pixel) {
  find_pixels(y + at.image * v->p * v->q * v->f, v->p, v->q, v->f, at.p, at.q, TILE, outside, pixel);
}

/* ---- the transform of the kernel ------------------------------------------------------------------------------ */

const char *fnn_winograd_kernel_prepare(fnn_step *step) {
  const fnn_winograd_kernel_dims *d = (const fnn_winograd_kernel_dims *)step->dim;
  const ptrdiff_t count = fnn_multiply(d->c, d->f);
  if (!fnn_holds(step, 0, FNN_PRODUCT(TAPS, TAPS, count))) return "winograd_kernel: w is too small for its sizes";
  if (!fnn_holds(step, 1, FNN_PRODUCT(POINTS, count))) return "winograd_kernel: u is too small for its sizes";
  step->chunks = fnn_ceil_div(count, KERNEL_CHUNK);
  step->scratch_bytes = POINTS * (KERNEL_BLOCK + FNN_LINE_FLOATS) * (ptrdiff_t)sizeof(float);
  step->work = 9 * (double)count; /* much of it for the planes, which are far apart */
  return NULL;
}

void fnn_winograd_kernel_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_winograd_kernel_dims *d = (const fnn_winograd_kernel_dims *)step->dim;
  const ptrdiff_t count = d->c * d->f, end = fnn_min(count, (chunk + 1) * KERNEL_CHUNK);
  const float *w = fnn_pointer(step, worker, 0), *tap[TAPS * TAPS];
  float *u = fnn_pointer(step, worker, 1), *planes = (float *)worker->scratch;
  for (ptrdiff_t i = chunk * KERNEL_CHUNK; i < end; i += KERNEL_BLOCK) {
    const ptrdiff_t some = fnn_min(KERNEL_BLOCK, end - i);
    for (int t = 0; t < TAPS * TAPS; t++) tap[t] = w + t * count + i;
    fnn_kernel->winograd_kernel(tap, some, planes, KERNEL_BLOCK + FNN_LINE_FLOATS);
    for (ptrdiff_t point = 0; point < POINTS; point++)
      memcpy(u + point * count + i, planes + point * (KERNEL_BLOCK + FNN_LINE_FLOATS), (size_t)some * sizeof *u);
  }
}

/* ---- the convolution ------------------------------------------------------------------------------------------ */

/* Nanoseconds: products and transforms. */
static double work(const sizes *v) {
  const double tiles = (double)v->n * (double)tile_rows(v) * (double)tile_columns(v), c = (double)v->c;
  return tiles * POINTS * (2 * c * (double)v->f / 100 + 0.1 * (c + (double)v->f));
}

/* Tiles that go through all transforms together. */
static ptrdiff_t block_tiles(const sizes *v) {
  const ptrdiff_t tiles = FNN_PRODUCT(v->n, tile_rows(v), tile_columns(v));
  return fnn_max(BLOCK_MIN, fnn_min(BLOCK, fnn_ceil_div(tiles, CHUNKS)));
}

/* Rows of tiles, counted through the images, in one chunk. */
static ptrdiff_t chunk_tile_rows(const sizes *v) { return fnn_max(1, block_tiles(v) / fnn_max(1, tile_columns(v))); }

const char *fnn_winograd_conv2d_prepare(fnn_step *step) {
  const sizes v = sizes_of(step);
  const char *problem = check(&v);
  if (problem) return problem;
  const ptrdiff_t count = FNN_PRODUCT(v.n, v.p, v.q, v.f);
  if (!fnn_holds(step, 0, FNN_PRODUCT(v.n, v.h, v.w, v.c))) return "winograd_conv2d: x is too small for its sizes";
  if (!fnn_holds(step, 1, FNN_PRODUCT(POINTS, v.c, v.f))) return "winograd_conv2d: u is too small for its sizes";
  if (!fnn_holds(step, 2, count)) return "winograd_conv2d: y is too small for its sizes";
  if (!fnn_epilogue_fits(step, count)) return "winograd_conv2d: the epilogue does not run over the output";
  step->chunks = count == 0 ? 0 : fnn_ceil_div(fnn_multiply(v.n, tile_rows(&v)), chunk_tile_rows(&v));
  step->scratch_bytes = scratch_bytes(block_tiles(&v), v.c, v.f);
  step->work = work(&v);
  return step->scratch_bytes < 0 ? "winograd_conv2d: sizes overflow" : NULL;
}

/* products (rows x n) = planes (rows x k) . u (k x n), for all points.  (Measured with AVX2: from a u that its own
 * transform keeps in panels, or from panels copied for each block, the whole is not faster.) */
static void multiply(const float *planes, ptrdiff_t plane_size, ptrdiff_t rows, ptrdiff_t k, const float *u,
                     ptrdiff_t n, float *products, ptrdiff_t product_size) {
  for (ptrdiff_t point = 0; point < POINTS; point++)
    fnn_gemm_blocked(&(fnn_gemm){.m = rows,
                                 .n = n,
                                 .k = k,
                                 .batch = 1,
                                 .a = planes + point * plane_size,
                                 .a_row = k,
                                 .a_col = 1,
                                 .b = u + point * k * n,
                                 .b_row = n,
                                 .c = products + point * product_size,
                                 .c_row = n},
                     NULL);
}

/* The outputs of a block of tiles before their transform back. */
typedef struct {
  const float *products; /* of the first tile, in planes, */
  ptrdiff_t plane;       /* so many elements apart */
  float *free;           /* what is left of scratch */
} tile_products;

/* Of tiles first .. first+count-1, at most a block. */
static tile_products products_of(const sizes *v, const float *x, const float *u, ptrdiff_t first, ptrdiff_t count,
                                 float *scratch) {
  const ptrdiff_t c = v->c, f = v->f, input = plane(count, c), output = plane(count, f);
  float *planes = scratch, *products = planes + POINTS * input, *zeros = products + POINTS * output;
  memset(zeros, 0, (size_t)c * sizeof *zeros);
  for (ptrdiff_t i = 0; i < count; i++) {
    const float *pixel[INPUT * INPUT];
    find_inputs(v, x, place_of(v, first + i), zeros, pixel);
    fnn_kernel->winograd_input(pixel, c, planes + i * c, input);
  }
  multiply(planes, input, count, c, u, f, products, output);
  return (tile_products){products, output, zeros + c};
}

/* Tiles first .. first+count-1, at most a block, to y. */
static void conv_tiles(const sizes *v, const float *x, const float *u, float *y, ptrdiff_t first, ptrdiff_t count,
                       float *scratch) {
  const tile_products made = products_of(v, x, u, first, count, scratch);
  for (ptrdiff_t i = 0; i < count; i++) {
    const float *pixel[TILE * TILE];
    find_outputs(v, y, place_of(v, first + i), made.free, pixel);
    fnn_kernel->winograd_output(made.products + i * v->f, made.plane, v->f, (float *const *)pixel);
  }
}

/* The epilogue of one row of tiles. */
static void finish_row(const fnn_step *step, const fnn_worker *worker, const sizes *v, ptrdiff_t row) {
  const ptrdiff_t image = row / tile_rows(v), p = row % tile_rows(v) * TILE, length = v->q * v->f;
  fnn_epilogue(step, worker, (image * v->p + p) * length, (image * v->p + fnn_min(p + TILE, v->p)) * length);
}

void fnn_winograd_conv2d_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const sizes v = sizes_of(step);
  const float *x = fnn_pointer(step, worker, 0), *u = fnn_pointer(step, worker, 1);
  float *y = fnn_pointer(step, worker, 2);
  const ptrdiff_t rows = chunk_tile_rows(&v), columns = tile_columns(&v), block = block_tiles(&v);
  const ptrdiff_t end = fnn_min(v.n * tile_rows(&v), (chunk + 1) * rows) * columns;
  for (ptrdiff_t tile = chunk * rows * columns, stop; tile < end; tile = stop) {
    stop = fnn_min(tile + block, end);
    conv_tiles(&v, x, u, y, tile, stop - tile, (float *)worker->scratch);
    for (ptrdiff_t row = tile / columns; row < stop / columns; row++) finish_row(step, worker, &v, row);
  }
}

/* ---- the convolution that pools ------------------------------------------------------------------------------- */

static fnn_pooling pooling_behind(const sizes *v, const fnn_step *step) {
  const fnn_winograd_conv2d_max_pool2d_dims *d = (const fnn_winograd_conv2d_max_pool2d_dims *)step->dim;
  return fnn_pooling_of(v->n, v->p, v->q, v->f, &d->pool_p);
}

/* Whether each window lies in one tile. */
static int windows_in_tiles(const fnn_axis *a) { return a->pad == 0 && a->taps <= a->stride && TILE % a->stride == 0; }

const char *fnn_winograd_conv2d_max_pool2d_prepare(fnn_step *step) {
  const sizes v = sizes_of(step);
  const char *problem = check(&v);
  if (problem) return problem;
  const fnn_pooling pool = pooling_behind(&v, step);
  problem = fnn_max_pool_check(step, &pool, 2, 3);
  if (problem) return problem;
  if (!fnn_holds(step, 0, FNN_PRODUCT(v.n, v.h, v.w, v.c))) return "winograd_conv2d_max_pool2d: x is too small";
  if (!fnn_holds(step, 1, FNN_PRODUCT(POINTS, v.c, v.f))) return "winograd_conv2d_max_pool2d: u is too small";
  if (!windows_in_tiles(&pool.rows) || !windows_in_tiles(&pool.columns))
    return "winograd_conv2d_max_pool2d: a window lies in more than one tile";
  const ptrdiff_t count = FNN_PRODUCT(v.n, pool.rows.out, pool.columns.out, v.f);
  const ptrdiff_t tile = FNN_PRODUCT(TILE, TILE, v.f, (ptrdiff_t)sizeof(float));
  step->chunks = count == 0 ? 0 : fnn_ceil_div(v.n * tile_rows(&v), chunk_tile_rows(&v));
  step->scratch_bytes = fnn_add(scratch_bytes(block_tiles(&v), v.c, v.f), tile);
  step->work = work(&v);
  return step->scratch_bytes < 0 ? "winograd_conv2d_max_pool2d: sizes overflow" : NULL;
}

/* Pooled rows or columns before those of a tile that begins at output `place` of an image. */
static ptrdiff_t pooled_before(const fnn_axis *a, ptrdiff_t place) { return fnn_min(a->out, place / a->stride); }

/* Tiles first .. first+count-1, at most a block: each is pooled before the next is transformed back. */
static void pool_tiles(const sizes *v, const fnn_pooling *pool, const float *x, const float *u, ptrdiff_t first,
                       ptrdiff_t count, float *y, char *winner, float *scratch) {
  const tile_products made = products_of(v, x, u, first, count, scratch);
  float *pixel[TILE * TILE];
  for (ptrdiff_t i = 0; i < TILE * TILE; i++) pixel[i] = made.free + i * v->f;
  for (ptrdiff_t i = 0; i < count; i++) {
    const place at = place_of(v, first + i);
    const fnn_pool_input tile = {made.free, at.image * v->p + at.p, at.q, TILE};
    const ptrdiff_t above = at.image * pool->rows.out, end = above + pooled_before(&pool->rows, at.p + TILE);
    const ptrdiff_t left = pooled_before(&pool->columns, at.q), right = pooled_before(&pool->columns, at.q + TILE);
    fnn_kernel->winograd_output(made.products + i * v->f, made.plane, v->f, pixel);
    for (ptrdiff_t row = above + pooled_before(&pool->rows, at.p); row < end; row++)
      fnn_max_pool(pool, &tile, row, left, right, y, winner);
  }
}

/* The epilogue of the pooled rows of one row of tiles. */
static void finish_pooled(const fnn_step *step, const fnn_worker *worker, const sizes *v, const fnn_pooling *pool,
                          ptrdiff_t row) {
  const ptrdiff_t above = row / tile_rows(v) * pool->rows.out, p = row % tile_rows(v) * TILE;
  const ptrdiff_t length = pool->columns.out * v->f;
  fnn_epilogue(step, worker, (above + pooled_before(&pool->rows, p)) * length,
               (above + pooled_before(&pool->rows, p + TILE)) * length);
}

void fnn_winograd_conv2d_max_pool2d_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const sizes v = sizes_of(step);
  const fnn_pooling pool = pooling_behind(&v, step);
  const float *x = fnn_pointer(step, worker, 0), *u = fnn_pointer(step, worker, 1);
  float *y = fnn_pointer(step, worker, 2);
  char *winner = fnn_pointer(step, worker, 3);
  const ptrdiff_t rows = chunk_tile_rows(&v), columns = tile_columns(&v), block = block_tiles(&v);
  const ptrdiff_t end = fnn_min(v.n * tile_rows(&v), (chunk + 1) * rows) * columns;
  for (ptrdiff_t tile = chunk * rows * columns, stop; tile < end; tile = stop) {
    stop = fnn_min(tile + block, end);
    pool_tiles(&v, &pool, x, u, tile, stop - tile, y, winner, (float *)worker->scratch);
    for (ptrdiff_t row = tile / columns; row < stop / columns; row++) finish_pooled(step, worker, &v, &pool, row);
  }
}

/* ---- the gradient for the input ------------------------------------------------------------------------------- */

/* Images in one chunk: their tiles overlap in dx, and are added in order. */
static ptrdiff_t chunk_images(const sizes *v) {
  return fnn_max(1, block_tiles(v) / fnn_max(1, FNN_PRODUCT(tile_rows(v), tile_columns(v))));
}

const char *fnn_winograd_input_gradient_prepare(fnn_step *step) {
  const sizes v = sizes_of(step);
  const char *problem = check(&v);
  if (problem) return problem;
  const ptrdiff_t count = FNN_PRODUCT(v.n, v.h, v.w, v.c);
  if (!fnn_holds(step, 0, FNN_PRODUCT(v.n, v.p, v.q, v.f))) return "winograd_input_gradient: dy is too small";
  if (!fnn_holds(step, 1, FNN_PRODUCT(POINTS, v.f, v.c))) return "winograd_input_gradient: u is too small";
  if (!fnn_holds(step, 2, count)) return "winograd_input_gradient: dx is too small for its sizes";
  if (!fnn_epilogue_fits(step, count)) return "winograd_input_gradient: the epilogue does not run over dx";
  step->chunks = count == 0 ? 0 : fnn_ceil_div(v.n, chunk_images(&v));
  step->scratch_bytes = scratch_bytes(block_tiles(&v), v.c, v.f);
  step->work = work(&v);
  return step->scratch_bytes < 0 ? "winograd_input_gradient: sizes overflow" : NULL;
}

/* Rows of dx, counted through the images, before the one that is `beyond` the first row of inputs of a row of tiles;
 * for the first row of an image, the rows of the images before. */
static ptrdiff_t rows_before(const sizes *v, ptrdiff_t tile_row, ptrdiff_t beyond) {
  const ptrdiff_t image = tile_row / tile_rows(v), row = tile_row % tile_rows(v);
  if (row == 0) return image * v->h;
  return image * v->h + fnn_max(0, fnn_min(v->h, row * TILE - v->pad_top + beyond));
}

/* Adds what tiles first .. first+count-1, at most a block, say about dx. */
static void input_gradient_tiles(const sizes *v, const float *dy, const float *u, float *dx, ptrdiff_t first,
                                 ptrdiff_t count, float *scratch) {
  const ptrdiff_t c = v->c, f = v->f, input = plane(count, c), output = plane(count, f);
  float *planes = scratch, *products = planes + POINTS * output, *zeros = products + POINTS * input;
  float *unwanted = zeros + f;
  memset(zeros, 0, (size_t)(f + c) * sizeof *zeros);
  for (ptrdiff_t i = 0; i < count; i++) {
    const float *pixel[TILE * TILE];
    find_outputs(v, dy, place_of(v, first + i), zeros, pixel);
    fnn_kernel->winograd_output_gradient(pixel, f, planes + i * f, output);
  }
  multiply(planes, output, count, f, u, c, products, input);
  for (ptrdiff_t i = 0; i < count; i++) {
    const float *pixel[INPUT * INPUT];
    find_inputs(v, dx, place_of(v, first + i), unwanted, pixel);
    fnn_kernel->winograd_input_gradient(products + i * c, input, c, (float *const *)pixel);
  }
}

/* Rows of dx are cleared when a row of tiles first reaches them, and finished when the next will not. */
void fnn_winograd_input_gradient_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const sizes v = sizes_of(step);
  const float *dy = fnn_pointer(step, worker, 0), *u = fnn_pointer(step, worker, 1);
  float *dx = fnn_pointer(step, worker, 2);
  const ptrdiff_t columns = tile_columns(&v), each = tile_rows(&v) * columns, images = chunk_images(&v);
  const ptrdiff_t end = fnn_min(v.n, (chunk + 1) * images) * each, row = v.w * v.c;
  ptrdiff_t cleared = chunk * images * v.h, finished = cleared;
  for (ptrdiff_t tile = chunk * images * each, stop; tile < end; tile = stop) {
    stop = fnn_min(tile + block_tiles(&v), end);
    const ptrdiff_t reached = rows_before(&v, fnn_ceil_div(stop, columns), INPUT - TILE);
    memset(dx + cleared * row, 0, (size_t)((reached - cleared) * row) * sizeof *dx);
    input_gradient_tiles(&v, dy, u, dx, tile, stop - tile, (float *)worker->scratch);
    const ptrdiff_t done = rows_before(&v, stop / columns, 0);
    fnn_epilogue(step, worker, finished * row, done * row);
    cleared = reached, finished = done;
  }
}

/* ---- the gradient for the kernel ------------------------------------------------------------------------------ */

static ptrdiff_t channel_blocks(const sizes *v) { return fnn_ceil_div(v->c, GRADIENT_CHANNELS); }

const char *fnn_winograd_kernel_gradient_prepare(fnn_step *step) {
  const fnn_winograd_kernel_gradient_dims *d = (const fnn_winograd_kernel_gradient_dims *)step->dim;
  const sizes v = sizes_of(step);
  const char *problem = check(&v);
  if (problem) return problem;
  if (!fnn_parts_valid(v.n, d->parts) || d->parts > v.n)
    return "winograd_kernel_gradient: parts must be at least 1, at most n, and fit the index range";
  const ptrdiff_t partial = FNN_PRODUCT(d->parts, POINTS, v.c, v.f);
  if (!fnn_holds(step, 0, FNN_PRODUCT(v.n, v.h, v.w, v.c))) return "winograd_kernel_gradient: x is too small";
  if (!fnn_holds(step, 1, FNN_PRODUCT(v.n, v.p, v.q, v.f))) return "winograd_kernel_gradient: dy is too small";
  if (!fnn_holds(step, 2, partial)) return "winograd_kernel_gradient: partial is too small";
  step->chunks = partial == 0 ? 0 : d->parts * channel_blocks(&v);
  step->scratch_bytes = scratch_bytes(GRADIENT_BLOCK, fnn_min(v.c, GRADIENT_CHANNELS), v.f);
  step->work = work(&v);
  return step->scratch_bytes < 0 ? "winograd_kernel_gradient: sizes overflow" : NULL;
}

/* Adds the products of tiles first .. first+count-1 to `sums`, which have `channels` rows from those of the first
 * channel that x is given for. */
static void gradient_tiles(const sizes *v, const float *x, const float *dy, ptrdiff_t channels, ptrdiff_t first,
                           ptrdiff_t count, int accumulate, float *sums, float *scratch) {
  const ptrdiff_t f = v->f, input = plane(count, channels), output = plane(count, f);
  float *planes = scratch, *gradients = planes + POINTS * input, *zeros = gradients + POINTS * output;
  memset(zeros, 0, (size_t)(fnn_max(channels, f)) * sizeof *zeros);
  for (ptrdiff_t i = 0; i < count; i++) {
    const float *pixel[INPUT * INPUT];
    const place at = place_of(v, first + i);
    find_inputs(v, x, at, zeros, pixel);
    fnn_kernel->winograd_input(pixel, channels, planes + i * channels, input);
    find_outputs(v, dy, at, zeros, pixel);
    fnn_kernel->winograd_output_gradient(pixel, f, gradients + i * f, output);
  }
  for (ptrdiff_t point = 0; point < POINTS; point++)
    fnn_kernel->gemm(&(fnn_gemm){.m = channels,
                                 .n = f,
                                 .k = count,
                                 .batch = 1,
                                 .a = planes + point * input,
                                 .a_row = 1,
                                 .a_col = channels,
                                 .b = gradients + point * output,
                                 .b_row = f,
                                 .c = sums + point * v->c * f,
                                 .c_row = f,
                                 .accumulate = accumulate});
}

void fnn_winograd_kernel_gradient_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_winograd_kernel_gradient_dims *d = (const fnn_winograd_kernel_gradient_dims *)step->dim;
  const sizes v = sizes_of(step);
  const ptrdiff_t blocks = channel_blocks(&v), part = chunk / blocks, c = chunk % blocks * GRADIENT_CHANNELS;
  const ptrdiff_t channels = fnn_min(GRADIENT_CHANNELS, v.c - c), each = tile_rows(&v) * tile_columns(&v);
  const ptrdiff_t begin = fnn_part_begin(v.n, d->parts, part) * each;
  const ptrdiff_t end = fnn_part_begin(v.n, d->parts, part + 1) * each;
  const float *x = (const float *)fnn_pointer(step, worker, 0) + c, *dy = fnn_pointer(step, worker, 1);
  float *sums = (float *)fnn_pointer(step, worker, 2) + (part * POINTS * v.c + c) * v.f;
  for (ptrdiff_t tile = begin; tile < end; tile += GRADIENT_BLOCK)
    gradient_tiles(&v, x, dy, channels, tile, fnn_min(GRADIENT_BLOCK, end - tile), tile > begin, sums,
                   (float *)worker->scratch);
}

/* ---- the transform back of that gradient ---------------------------------------------------------------------- */

const char *fnn_winograd_kernel_gradient_sum_prepare(fnn_step *step) {
  const fnn_winograd_kernel_gradient_sum_dims *d = (const fnn_winograd_kernel_gradient_sum_dims *)step->dim;
  const ptrdiff_t count = fnn_multiply(d->c, d->f);
  if (!fnn_holds(step, 0, FNN_PRODUCT(d->parts, POINTS, count)))
    return "winograd_kernel_gradient_sum: partial is too small for its sizes";
  if (!fnn_holds(step, 1, FNN_PRODUCT(TAPS, TAPS, count)))
    return "winograd_kernel_gradient_sum: dw is too small for its sizes";
  if (d->parts < 1) return "winograd_kernel_gradient_sum: parts must be at least 1";
  step->chunks = fnn_ceil_div(count, KERNEL_CHUNK);
  step->scratch_bytes = (KERNEL_CHUNK + FNN_LINE_FLOATS) * POINTS * (ptrdiff_t)sizeof(float);
  step->work = 3 * (double)count * (double)(1 + d->parts);
  return NULL;
}

void fnn_winograd_kernel_gradient_sum_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_winograd_kernel_gradient_sum_dims *d = (const fnn_winograd_kernel_gradient_sum_dims *)step->dim;
  const ptrdiff_t count = d->c * d->f, begin = chunk * KERNEL_CHUNK, some = fnn_min(KERNEL_CHUNK, count - begin);
  const float *partial = (const float *)fnn_pointer(step, worker, 0) + begin;
  float *dw = (float *)fnn_pointer(step, worker, 1) + begin, *sums = (float *)worker->scratch, *tap[TAPS * TAPS];
  const ptrdiff_t length = KERNEL_CHUNK + FNN_LINE_FLOATS;
  for (ptrdiff_t point = 0; point < POINTS; point++)
    fnn_kernel->reduce_rows(FNN_REDUCE_SUM, partial + point * count, d->parts, POINTS * count, some,
                            sums + point * length);
  for (int i = 0; i < TAPS * TAPS; i++) tap[i] = dw + i * count;
  fnn_kernel->winograd_kernel_gradient(sums, length, some, tap);
}
