/* gemm.c: matrix product.  A is broadcast, so that its layout hardly matters.  B's rows are contiguous already, and
 * with wide panels nothing is packed (AVX-512 on Zen 4: 93 to 97 % of the peak of the multiply-add units from
 * 32x128x784 to 512x512x512; copying B first gives the same, and narrower or taller tiles of packed panels less).
 * Narrow panels touch a single cache line of each row of B, and those lie so far apart that they fall into few sets of
 * the cache: there B is copied into panels, a block of columns at a time (AVX2: 512x512x512 at 91 instead of 74
 * GFLOP/s, 128x784x512 at 90 instead of 75). */
#include "gemm.h"

#include <string.h>

#include "bytecode.h"
#include "dispatch.h"
#include "epilogue.h"
#include "step.h"

enum {
  WIDE_PANEL = 64,     /* panels so wide are read where they are: their rows fill four cache lines each */
  PACKED_ROWS = 24,    /* fewer rows are not worth a copy of B, */
  PACKED_WORTH = 8192, /* nor are few rows where those of B lie close together: rows times their distance; */
  PACKED_FEW = 3,      /* but as few as these are worth one */
  LARGE = 1 << 21,     /* of a B of so many elements, which comes from memory: a copy reads it from end to end */
  PACKED_A = 24,       /* rows of a transposed A that are copied at a time, whole tiles */
  COLUMNS = 128,       /* of a block of B that is packed before they meet all rows of A */
  DEPTH = 512,         /* k of one pass: a panel of B so long stays in the second-level cache */
  TILE_ROWS = 12,      /* chunks are whole tiles on most instruction sets, */
  COLUMN_UNIT = 32,    /* and whole vectors on all */
  CHUNK_ROWS = 96,     /* a chunk has at least so many rows, or a panel of B is loaded for too few sums, */
  CHUNK_COLUMNS = 64,  /* at least so many columns, for the same reason with A; twice both where A is copied too, */
  CHUNK_WORK = 15000,  /* takes at least so many nanoseconds, */
  CHUNK_LONG = 200000, /* unless it takes so many and there are */
  FEW_CHUNKS = 4,      /* fewer than these: rather copy A once more than keep a thread waiting; */
  CHUNK_ALONE = 40000, /* if it is the only one, rather load B twice than take so long: */
  MAX_CHUNKS = 32      /* and no more than so many are made of one matrix: 8 threads find enough */
};

int fnn_gemm_packs(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t b_row) {
  return fnn_kernel->panel < WIDE_PANEL && columns > fnn_kernel->panel && rows >= PACKED_ROWS &&
         rows * b_row >= PACKED_WORTH;
}

/* Whether a B that lies as it is to be read is packed all the same. */
static int packs_rows(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, ptrdiff_t b_row) {
  const int large = m >= PACKED_FEW && fnn_multiply(k, b_row) >= LARGE;
  return k > 1 && (fnn_gemm_packs(m, n, b_row) || (large && fnn_gemm_packs(PACKED_ROWS, n, b_row)));
}

ptrdiff_t fnn_gemm_scratch(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int b_transposed) {
  const ptrdiff_t width = COLUMNS + PACKED_A;
  if (m < PACKED_ROWS && !b_transposed && fnn_multiply(k, n) < LARGE) return 0;
  return fnn_multiply(fnn_min(k, DEPTH), width * (ptrdiff_t)sizeof(float));
}

/* Of a transposed A the elements that meet one row of B lie side by side, and the next far away: blocks of few rows are
 * copied for the same reason as B, so that they stay in the first-level cache. */
static void gemm_blocks_of_a(const fnn_gemm *g, float *packed) {
  fnn_gemm block = *g;
  block.a = packed;
  block.a_col = PACKED_A;
  for (ptrdiff_t i = 0; i < g->m; i += PACKED_A) {
    const float *a = g->a + i;
    block.m = fnn_min(PACKED_A, g->m - i);
    block.c = g->c + i * g->c_row;
    for (ptrdiff_t l = 0; l < g->k; l++, a += g->a_col) {
      float *to = packed + l * PACKED_A;
      if (block.m == PACKED_A)
        memcpy(to, a, PACKED_A * sizeof(float)); /* of a size that the compiler knows: no call */
      else
        memcpy(to, a, (size_t)block.m * sizeof(float));
    }
    fnn_kernel->gemm(&block);
  }
}

/* One pass, a copy of B in panels before each block of columns. */
static void gemm_packed(const fnn_gemm *g, float *scratch) {
  fnn_gemm block = *g;
  block.packed = scratch;
  for (ptrdiff_t j = 0; j < g->n; j += COLUMNS) {
    block.n = fnn_min(COLUMNS, g->n - j);
    block.b = g->b + j * (g->b_transposed ? g->b_row : 1);
    block.c = g->c + j;
    fnn_kernel->pack_b(&block, scratch);
    if (g->a_row == 1 && g->a_col > PACKED_A)
      gemm_blocks_of_a(&block, scratch + g->k * COLUMNS);
    else
      fnn_kernel->gemm(&block);
  }
}

/* The same product with B as it lies, where that is possible: a transposed B of one column, or of one row without gaps,
 * is the same in memory, and one row of C is, the other way round, the column that the rows of B make with A. */
static fnn_gemm untransposed(const fnn_gemm *g) {
  fnn_gemm same = *g;
  if (!g->b_transposed) return same;
  if (g->m == 1 && g->a_col == 1) {
    same.m = g->n, same.n = 1;
    same.a = g->b, same.a_row = g->b_row;
    same.b = g->a, same.b_row = 1;
    same.c_row = 1;
    same.b_transposed = 0;
  } else if (g->n == 1 || (g->k == 1 && g->b_row == 1)) {
    same.b_row = g->n;
    same.b_transposed = 0;
  }
  return same;
}

void fnn_gemm_blocked(const fnn_gemm *product, float *scratch) {
  const fnn_gemm untransposed_product = untransposed(product), *g = &untransposed_product;
  fnn_gemm pass = *g;
  const ptrdiff_t passes = g->n == 1 ? 1 : fnn_max(1, fnn_ceil_div(g->k, DEPTH));
  const int packs = g->b_transposed || (scratch != NULL && packs_rows(g->m, g->n, g->k, g->b_row));
  for (ptrdiff_t l = 0, i = 0; i < passes; i++) {
    pass.k = g->k / passes + (i < g->k % passes);
    pass.a = g->a + l * g->a_col;
    pass.b = g->b + l * (g->b_transposed ? 1 : g->b_row);
    packs ? gemm_packed(&pass, scratch) : fnn_kernel->gemm(&pass);
    pass.accumulate = 1;
    l += pass.k;
  }
}

/* How one matrix is cut: chunks of rows x columns; small matrices share a chunk instead. */
typedef struct {
  ptrdiff_t rows, columns, row_blocks, column_blocks, matrices;
} matmul_cut;

/* Nanoseconds for one matrix: arithmetic, reading it all once, and the epilogue. */
static double matmul_work(const fnn_step *step) {
  const fnn_matmul_dims *d = (const fnn_matmul_dims *)step->dim;
  const double m = (double)d->m, n = (double)d->n, k = (double)d->k;
  const double epilogue = step->code != NULL ? fnn_code_work(step->code) : 0;
  return 2 * m * n * k / 100 + (m * k + k * n + m * n) * 4 / 40 + m * n * epilogue;
}

static matmul_cut cut_matmul(const fnn_step *step) {
  const fnn_matmul_dims *d = (const fnn_matmul_dims *)step->dim;
  const int transposed = d->a_row == 1 && d->a_col > PACKED_A;
  matmul_cut cut = {fnn_max(d->m, 1), fnn_max(d->n, 1), 1, 1, 1};
  double work = matmul_work(step);
  for (int chunks = 1; work >= 2 * CHUNK_WORK && chunks < MAX_CHUNKS; work /= 2, chunks *= 2) {
    const int copies = transposed && (work < CHUNK_LONG || chunks >= FEW_CHUNKS) ? 2 : 1;
    const int rows = cut.rows >= 2 * copies * CHUNK_ROWS, columns = cut.columns >= 2 * copies * CHUNK_COLUMNS;
    if (columns && (!rows || cut.rows < 4 * cut.columns))
      cut.columns = fnn_ceil_div(cut.columns, 2 * COLUMN_UNIT) * COLUMN_UNIT;
    else if (rows)
      cut.rows = fnn_ceil_div(cut.rows, 2 * TILE_ROWS) * TILE_ROWS;
    else if (chunks == 1 && d->batch == 1 && work >= CHUNK_ALONE && cut.rows >= 2 * PACKED_ROWS)
      cut.rows = fnn_ceil_div(cut.rows, 2);
    else
      break;
  }
  cut.row_blocks = fnn_ceil_div(d->m, cut.rows);
  cut.column_blocks = fnn_ceil_div(d->n, cut.columns);
  if (cut.row_blocks * cut.column_blocks == 1 && d->batch > 1)
    cut.matrices = work >= CHUNK_WORK ? 1 : fnn_min(d->batch, (ptrdiff_t)(CHUNK_WORK / (work + 1)) + 1);
  return cut;
}

/* Elements from the first of A to behind the last. */
static ptrdiff_t extent_a(const fnn_matmul_dims *d) {
  if (d->m == 0 || d->k == 0 || d->batch == 0) return 0;
  ptrdiff_t last = fnn_add(fnn_multiply(d->m - 1, d->a_row), fnn_multiply(d->k - 1, d->a_col));
  return fnn_add(fnn_add(last, fnn_multiply(d->batch - 1, d->a_batch)), 1);
}

static ptrdiff_t extent_b(const fnn_matmul_dims *d) {
  if (d->n == 0 || d->k == 0 || d->batch == 0) return 0;
  return fnn_add(fnn_multiply(d->batch - 1, d->b_batch), fnn_multiply(d->k, d->n));
}

const char *fnn_matmul_prepare(fnn_step *step) {
  const fnn_matmul_dims *d = (const fnn_matmul_dims *)step->dim;
  const ptrdiff_t count = FNN_PRODUCT(d->batch, d->m, d->n);
  if (d->batch < 0 || d->m < 0 || d->n < 0 || d->k < 0) return "matmul: a size is negative";
  if (d->a_row < 0 || d->a_col < 0 || d->a_batch < 0 || d->b_batch < 0) return "matmul: a stride is negative";
  if (!fnn_holds(step, 0, extent_a(d))) return "matmul: A is too small for its sizes and strides";
  if (!fnn_holds(step, 1, extent_b(d))) return "matmul: B is too small for its sizes";
  if (!fnn_holds(step, 2, count)) return "matmul: C is too small for its sizes";
  if (!fnn_epilogue_fits(step, count)) return "matmul: the epilogue does not run over C";
  const matmul_cut cut = cut_matmul(step);
  step->chunks = FNN_PRODUCT(fnn_ceil_div(d->batch, cut.matrices), cut.row_blocks, cut.column_blocks);
  step->scratch_bytes = fnn_gemm_scratch(cut.rows, d->n, d->k, d->b_transposed != 0);
  step->work = (double)d->batch * matmul_work(step);
  return step->chunks < 0 ? "matmul: sizes overflow" : NULL;
}

/* Rows i .. and columns j .. of matrix `batch`, and their epilogue. */
static void run_block(const fnn_step *step, const fnn_worker *worker, ptrdiff_t batch, ptrdiff_t i, ptrdiff_t j,
                      const matmul_cut *cut) {
  const fnn_matmul_dims *d = (const fnn_matmul_dims *)step->dim;
  const ptrdiff_t rows = fnn_min(cut->rows, d->m - i), columns = fnn_min(cut->columns, d->n - j);
  const ptrdiff_t first = (batch * d->m + i) * d->n + j; /* of C */
  fnn_gemm_blocked(&(fnn_gemm){.m = rows,
                               .n = columns,
                               .k = d->k,
                               .batch = 1,
                               .a = (const float *)fnn_pointer(step, worker, 0) + batch * d->a_batch + i * d->a_row,
                               .a_row = d->a_row,
                               .a_col = d->a_col,
                               .b = (const float *)fnn_pointer(step, worker, 1) + batch * d->b_batch +
                                    (d->b_transposed ? j * d->k : j),
                               .b_row = d->b_transposed ? d->k : d->n,
                               .b_transposed = d->b_transposed != 0,
                               .c = (float *)fnn_pointer(step, worker, 2) + first,
                               .c_row = d->n},
                   (float *)worker->scratch);
  if (!step->code) return;
  if (columns == d->n) {
    fnn_epilogue(step, worker, first, first + rows * columns);
    return;
  }
  for (ptrdiff_t row = 0; row < rows; row++) {
    const ptrdiff_t begin = first + row * d->n;
    fnn_epilogue(step, worker, begin, begin + columns);
  }
}

void fnn_matmul_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_matmul_dims *d = (const fnn_matmul_dims *)step->dim;
  const matmul_cut cut = cut_matmul(step);
  const ptrdiff_t row_block = chunk % cut.row_blocks;
  const ptrdiff_t column_block = chunk / cut.row_blocks % cut.column_blocks;
  const ptrdiff_t group = chunk / cut.row_blocks / cut.column_blocks;
  const ptrdiff_t end = fnn_min(d->batch, (group + 1) * cut.matrices);
  for (ptrdiff_t batch = group * cut.matrices; batch < end; batch++)
    run_block(step, worker, batch, row_block * cut.rows, column_block * cut.columns, &cut);
}
