/* gemm.h: the matrix-product micro-kernel, a batch-reduce GEMM (idea: Georganas et al., arXiv 1906.06440), and the walk
 * over the tiles of a panel.  Contract: fnn_gemm in kernel.h.
 *
 * A tile is ROWS x VECTORS accumulators that stay in registers over the whole of batch and k: with each l it loads
 * VECTORS of B, broadcasts ROWS elements of A, and does ROWS*VECTORS fused multiply-adds.  ROWS*VECTORS must cover
 * latency times throughput of the multiply-add (8 on current cores) and fit the register file with one row of B. */

/* The largest tiles: rows for each number of vectors, so that the accumulators, a row of B and a broadcast fit. */
#if FNN_LANES == 16 || FNN_LANES == 4 /* 32 vector registers */
#define GEMM_TILES(x) GEMM_TO_24(x, 1) GEMM_TO_12(x, 2) GEMM_TO_8(x, 3) GEMM_TO_6(x, 4)
#define GEMM_MAX_ROWS {24, 12, 8, 6}
#else /* 16 */
#define GEMM_TILES(x) GEMM_TO_12(x, 1) GEMM_TO_6(x, 2)
#define GEMM_MAX_ROWS {12, 6}
#endif
#define GEMM_TO_6(x, v) x(v, 1) x(v, 2) x(v, 3) x(v, 4) x(v, 5) x(v, 6)
#define GEMM_TO_8(x, v) GEMM_TO_6(x, v) x(v, 7) x(v, 8)
#define GEMM_TO_12(x, v) GEMM_TO_8(x, v) x(v, 9) x(v, 10) x(v, 11) x(v, 12)
#define GEMM_TO_24(x, v) \
  GEMM_TO_12(x, v)       \
  x(v, 13) x(v, 14) x(v, 15) x(v, 16) x(v, 17) x(v, 18) x(v, 19) x(v, 20) x(v, 21) x(v, 22) x(v, 23) x(v, 24)

/* Loops over a tile must vanish, or the accumulators live in memory. */
#if defined(__clang__)
#define GEMM_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define GEMM_UNROLL _Pragma("GCC unroll 24")
#else
#define GEMM_UNROLL
#endif

/* One tile; rows, vectors and tail are constants at every call.  tail: the last vector has `last` < FNN_LANES
 * elements, and nothing beyond them is touched. */
FNN_INLINE void gemm_tile(const fnn_gemm *g, const float *a, const float *b, float *c, ptrdiff_t last, int rows,
                          int vectors, int tail) {
  vf sum[24][4];
  const ptrdiff_t a_row = g->a_row, a_col = g->a_col, b_row = g->b_row, c_row = g->c_row, k = g->k;
  GEMM_UNROLL
  for (int i = 0; i < rows; i++) GEMM_UNROLL
  for (int v = 0; v < vectors; v++) {
    const float *from = c + i * c_row + v * FNN_LANES;
    sum[i][v] = !g->accumulate ? vf_zero() : tail && v == vectors - 1 ? vf_load_first(from, last) : vf_load(from);
  }
  for (ptrdiff_t batch = g->batch; batch > 0; batch--, a += g->a_batch, b += g->b_batch) {
    /* three pointers, eight rows from each: so many strides fit the integer registers */
    const float *al[3] = {a, rows > 8 ? a + 8 * a_row : a, rows > 16 ? a + 16 * a_row : a}, *bl = b;
    for (ptrdiff_t l = 0; l < k; l++, al[0] += a_col, al[1] += a_col, al[2] += a_col, bl += b_row) {
      vf row[4];
      GEMM_UNROLL
      for (int v = 0; v < vectors; v++)
        row[v] = tail && v == vectors - 1 ? vf_load_first(bl + v * FNN_LANES, last) : vf_load(bl + v * FNN_LANES);
      GEMM_UNROLL
      for (int i = 0; i < rows; i++) {
        vf broadcast = vf_set1(al[i / 8][i % 8 * a_row]);
        GEMM_UNROLL
        for (int v = 0; v < vectors; v++) sum[i][v] = vf_fma(broadcast, row[v], sum[i][v]);
      }
    }
  }
  GEMM_UNROLL
  for (int i = 0; i < rows; i++) GEMM_UNROLL
  for (int v = 0; v < vectors; v++) {
    float *to = c + i * c_row + v * FNN_LANES;
    if (tail && v == vectors - 1)
      vf_store_first(to, sum[i][v], last);
    else
      vf_store(to, sum[i][v]);
  }
}

/* A function for each size of tile, and the table of them. */
typedef void gemm_tile_function(const fnn_gemm *g, const float *a, const float *b, float *c, ptrdiff_t last);

#define GEMM_FUNCTION(vectors, rows)                                                                                 \
  static void gemm_##rows##x##vectors(const fnn_gemm *g, const float *a, const float *b, float *c, ptrdiff_t last) { \
    if (last == FNN_LANES)                                                                                           \
      gemm_tile(g, a, b, c, last, rows, vectors, 0);                                                                 \
    else                                                                                                             \
      gemm_tile(g, a, b, c, last, rows, vectors, 1);                                                                 \
  }
GEMM_TILES(GEMM_FUNCTION)

static const int gemm_max_rows[] = GEMM_MAX_ROWS;
#define GEMM_MAX_VECTORS ((ptrdiff_t)(sizeof gemm_max_rows / sizeof gemm_max_rows[0]))

#define GEMM_ENTRY(vectors, rows) [vectors - 1][rows - 1] = gemm_##rows##x##vectors,
static gemm_tile_function *const gemm_tiles[][24] = {GEMM_TILES(GEMM_ENTRY)};

/* Panels of columns, tiles of rows inside.  Both are cut evenly: a tile of two rows after tiles of six would wait for
 * its own sums. */
static void gemm(const fnn_gemm *g) {
  if (g->m <= 0 || g->n <= 0) return;
  const ptrdiff_t vectors = (g->n + FNN_LANES - 1) / FNN_LANES;
  const ptrdiff_t panels = (vectors + GEMM_MAX_VECTORS - 1) / GEMM_MAX_VECTORS;
  ptrdiff_t j = 0;
  for (ptrdiff_t panel = 0; panel < panels; panel++) {
    const ptrdiff_t width = vectors / panels + (panel < vectors % panels);
    const ptrdiff_t end = j + width * FNN_LANES, last = end <= g->n ? FNN_LANES : g->n - (end - FNN_LANES);
    const ptrdiff_t tiles = (g->m + gemm_max_rows[width - 1] - 1) / gemm_max_rows[width - 1];
    const ptrdiff_t rows = g->m / tiles, longer = g->m % tiles;
    const float *a = g->a;
    float *c = g->c + j;
    for (ptrdiff_t tile = 0; tile < tiles; tile++) {
      const ptrdiff_t height = rows + (tile < longer);
      gemm_tiles[width - 1][height - 1](g, a, g->b + j, c, last);
      a += height * g->a_row;
      c += height * g->c_row;
    }
    j = end;
  }
}
