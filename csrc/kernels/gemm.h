/* gemm.h: the matrix-product micro-kernel, a batch-reduce GEMM (idea: Georganas et al., arXiv 1906.06440), and the walk
 * over the tiles of a panel.  Contract: fnn_gemm in kernel.h.
 *
 * A tile is ROWS x VECTORS accumulators that stay in registers over the whole of batch and k: with each l it loads
 * VECTORS of B, broadcasts ROWS elements of A, and does ROWS*VECTORS fused multiply-adds.  ROWS*VECTORS must cover
 * latency times throughput of the multiply-add (8 on current cores) and fit the register file with one row of B. */

/* The largest tiles: rows for each number of vectors, so that the accumulators, a row of B and a broadcast fit. */
#if FNN_LANES == 16 || FNN_LANES == 4 /* 32 vector registers */
#define GEMM_TILES(x) GEMM_TO_24(x, 1) GEMM_TO_12(x, 2) GEMM_TO_8(x, 3) GEMM_TO_6(x, 4) GEMM_ROW(x)
#define GEMM_MAX_ROWS {24, 12, 8, 6, 1, 1, 1, 1}
#define GEMM_MAX_VECTORS 4
#else /* 16 */
#define GEMM_TILES(x) GEMM_TO_12(x, 1) GEMM_TO_6(x, 2) GEMM_TO_2(x, 3) GEMM_TO_2(x, 4) GEMM_ROW(x)
#define GEMM_MAX_ROWS {12, 6, 2, 2, 1, 1, 1, 1}
#define GEMM_MAX_VECTORS 2
#endif
/* One or two rows: wider tiles, or there are too few sums to hide the latency of the multiply-add. */
#define GEMM_ROW(x) x(5, 1) x(6, 1) x(7, 1) x(8, 1)
#define GEMM_TO_2(x, v) x(v, 1) x(v, 2)
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

/* The compiler forgets what a pointer was made of.  Else it keeps one for each row of C, and for each vector that is asked
 * for, in registers that the loop over k needs. */
#if defined(__GNUC__)
#define GEMM_FORGET(pointer) __asm__("" : "+r"(pointer))
#else
#define GEMM_FORGET(pointer) (void)(pointer)
#endif

/* The cache foresees neither the rows of a panel of B nor those of a tile of C, unless nothing lies between them.  So the
 * first tile of a panel asks for the row of B that it will read B_AHEAD rows later, and every tile, before sums of C_DEPTH
 * or more products, for its lines of C.  Tiles of one or two rows, or one vector, read too fast for that to pay. */
enum { B_AHEAD = 32, C_DEPTH = 8 };

/* One tile; rows, vectors and tail are constants at every call.  tail: the last vector has `last` < FNN_LANES
 * elements, and nothing beyond them is touched.  ahead: elements to the row of B that is asked for, or 0. */
FNN_INLINE void gemm_tile(const fnn_gemm *g, const float *a, const float *b, float *c, ptrdiff_t last, ptrdiff_t ahead,
                          int rows, int vectors, int tail) {
  vf sum[24][8];
  const ptrdiff_t a_row = g->a_row, a_col = g->a_col, b_row = g->b_row, c_row = g->c_row, k = g->k;
  const int asks = rows > 2 && vectors > 1;
  if (asks && k >= C_DEPTH && c_row > vectors * FNN_LANES) {
    GEMM_UNROLL
    for (int i = 0; i < rows; i++) GEMM_UNROLL
    for (int v = 0; v < vectors * FNN_LANES; v += FNN_LINE_FLOATS) FNN_PREFETCH(c + i * c_row + v);
  }
  if (g->accumulate) {
    const float *from = c;
    GEMM_FORGET(from);
    GEMM_UNROLL
    for (int i = 0; i < rows; i++, from += c_row) GEMM_UNROLL
    for (int v = 0; v < vectors; v++)
      sum[i][v] = tail && v == vectors - 1 ? vf_load_first(from + v * FNN_LANES, last) : vf_load(from + v * FNN_LANES);
  } else {
    GEMM_UNROLL
    for (int i = 0; i < rows; i++) GEMM_UNROLL
    for (int v = 0; v < vectors; v++) sum[i][v] = vf_zero();
  }
  for (ptrdiff_t batch = g->batch; batch > 0; batch--, a += g->a_batch, b += g->b_batch) {
    /* three pointers, eight rows from each: so many strides fit the integer registers */
    const float *al[3] = {a, rows > 8 ? a + 8 * a_row : a, rows > 16 ? a + 16 * a_row : a}, *bl = b;
    for (ptrdiff_t l = 0; l < k; l++, al[0] += a_col, al[1] += a_col, al[2] += a_col, bl += b_row) {
      vf row[8];
      if (asks) {
        const float *next = bl + ahead;
        GEMM_FORGET(next);
        GEMM_UNROLL
        for (int v = 0; v < vectors * FNN_LANES; v += FNN_LINE_FLOATS) FNN_PREFETCH_FAR(next + v);
      }
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
  GEMM_FORGET(c);
  GEMM_UNROLL
  for (int i = 0; i < rows; i++, c += c_row) GEMM_UNROLL
  for (int v = 0; v < vectors; v++) {
    if (tail && v == vectors - 1)
      vf_store_first(c + v * FNN_LANES, sum[i][v], last);
    else
      vf_store(c + v * FNN_LANES, sum[i][v]);
  }
}

/* A function for each size of tile, which does `tiles` of them one below the other, and the table of these functions. */
typedef void gemm_tile_function(const fnn_gemm *g, const float *a, const float *b, float *c, ptrdiff_t last,
                                ptrdiff_t ahead, ptrdiff_t tiles);

#define GEMM_FUNCTION(vectors, rows)                                                                               \
  static void gemm_##rows##x##vectors(const fnn_gemm *g, const float *a, const float *b, float *c, ptrdiff_t last, \
                                      ptrdiff_t ahead, ptrdiff_t tiles) {                                          \
    const ptrdiff_t a_step = rows * g->a_row, c_step = rows * g->c_row;                                            \
    if (last == FNN_LANES)                                                                                         \
      for (; tiles > 0; tiles--, a += a_step, c += c_step, ahead = 0)                                              \
        gemm_tile(g, a, b, c, last, ahead, rows, vectors, 0);                                                      \
    else                                                                                                           \
      for (; tiles > 0; tiles--, a += a_step, c += c_step, ahead = 0)                                              \
        gemm_tile(g, a, b, c, last, ahead, rows, vectors, 1);                                                      \
  }
GEMM_TILES(GEMM_FUNCTION)

static const int gemm_max_rows[] = GEMM_MAX_ROWS;

#define GEMM_ENTRY(vectors, rows) [vectors - 1][rows - 1] = gemm_##rows##x##vectors,
static gemm_tile_function *const gemm_tiles[][24] = {GEMM_TILES(GEMM_ENTRY)};

/* ---- panels --------------------------------------------------------------------------------------------------- */

/* Columns j .. of one panel: `vectors` of them, the last with `last` columns.  n is cut evenly: a panel of one vector
 * after wide ones would wait for its own sums. */
typedef struct {
  ptrdiff_t j, vectors, last;
} gemm_panel;

FNN_INLINE ptrdiff_t gemm_panels(ptrdiff_t n, ptrdiff_t widest) {
  const ptrdiff_t vectors = (n + FNN_LANES - 1) / FNN_LANES;
  return (vectors + widest - 1) / widest;
}

FNN_INLINE gemm_panel gemm_panel_of(ptrdiff_t n, ptrdiff_t panels, ptrdiff_t i) {
  const ptrdiff_t vectors = (n + FNN_LANES - 1) / FNN_LANES, even = vectors / panels, longer = vectors % panels;
  const ptrdiff_t before = i * even + (i < longer ? i : longer), width = even + (i < longer);
  const ptrdiff_t end = (before + width) * FNN_LANES;
  return (gemm_panel){before * FNN_LANES, width, end <= n ? FNN_LANES : n - (end - FNN_LANES)};
}

/* FNN_LANES vectors as the rows of a matrix become its columns: of rows i and i + half, the elements alternate. */
FNN_INLINE void transpose_vectors(vf row[FNN_LANES]) {
  for (int done = 1; done < FNN_LANES; done *= 2) {
    vf next[FNN_LANES];
    GEMM_UNROLL
    for (int i = 0; i < FNN_LANES / 2; i++) {
      next[2 * i] = vf_zip_low(row[i], row[i + FNN_LANES / 2]);
      next[2 * i + 1] = vf_zip_high(row[i], row[i + FNN_LANES / 2]);
    }
    GEMM_UNROLL
    for (int i = 0; i < FNN_LANES; i++) row[i] = next[i];
  }
}

/* Where the rows of panel p of B_batch are packed: one panel after the other, each with its rows (of all of the batch)
 * side by side and filled up to whole vectors. */
FNN_INLINE float *packed_panel(const fnn_gemm *g, float *packed, ptrdiff_t batch, const gemm_panel *p) {
  return packed + g->k * (g->batch * p->j + batch * p->vectors * FNN_LANES);
}

/* k rows of `count` columns of B that lie as rows, b_row apart, each made a whole vector, `width` apart. */
static void pack_transposed(const float *b, ptrdiff_t b_row, ptrdiff_t count, ptrdiff_t k, float *to, ptrdiff_t width) {
  for (ptrdiff_t l = 0; l < k; l += FNN_LANES) {
    const ptrdiff_t depth = k - l < FNN_LANES ? k - l : FNN_LANES;
    vf row[FNN_LANES];
    for (ptrdiff_t j = 0; j < FNN_LANES; j++) row[j] = j < count ? vf_load_first(b + j * b_row + l, depth) : vf_zero();
    transpose_vectors(row);
    for (ptrdiff_t i = 0; i < depth; i++) vf_store(to + (l + i) * width, row[i]);
  }
}

static void pack_columns(const fnn_gemm *g, ptrdiff_t batch, float *packed) {
  const ptrdiff_t panels = gemm_panels(g->n, GEMM_MAX_VECTORS);
  for (ptrdiff_t i = 0; i < panels; i++) {
    const gemm_panel p = gemm_panel_of(g->n, panels, i);
    const float *b = g->b + batch * g->b_batch + p.j * g->b_row;
    float *to = packed_panel(g, packed, batch, &p);
    for (ptrdiff_t v = 0; v < p.vectors; v++, b += FNN_LANES * g->b_row, to += FNN_LANES)
      pack_transposed(b, g->b_row, v < p.vectors - 1 ? FNN_LANES : p.last, g->k, to, p.vectors * FNN_LANES);
  }
}

FNN_INLINE void pack_vectors(const float *b, ptrdiff_t b_row, ptrdiff_t vectors, ptrdiff_t last, ptrdiff_t rows,
                             float *to) {
  for (ptrdiff_t l = 0; l < rows; l++, b += b_row, to += FNN_LANES) {
    for (ptrdiff_t v = 0; v < vectors - 1; v++, to += FNN_LANES) vf_store(to, vf_load(b + v * FNN_LANES));
    const float *end = b + (vectors - 1) * FNN_LANES;
    vf_store(to, vf_load_part(end, last));
  }
}

/* `rows` rows of one panel, which is nearly always whole: then the sizes are constants. */
static void pack_panel(const float *b, ptrdiff_t b_row, const gemm_panel *p, ptrdiff_t rows, float *to) {
  if (p->vectors == GEMM_MAX_VECTORS && p->last == FNN_LANES)
    pack_vectors(b, b_row, GEMM_MAX_VECTORS, FNN_LANES, rows, to);
  else
    pack_vectors(b, b_row, p->vectors, p->last, rows, to);
}

enum { PACK_ROWS = 8 }; /* rows of B that are packed at a time */

/* Asks for PACK_ROWS rows from row l on, as many as there are. */
FNN_INLINE void pack_prefetch(const fnn_gemm *g, const float *b, ptrdiff_t l) {
  const ptrdiff_t end = l + PACK_ROWS < g->k ? l + PACK_ROWS : g->k;
  for (; l < end; l++)
    for (ptrdiff_t j = 0; j < g->n; j += FNN_LINE_FLOATS) FNN_PREFETCH(b + l * g->b_row + j);
}

/* A few rows at a time, while the next are asked for: memory gives rows from end to end much faster than the lines of
 * one panel after the other, and caches lose lines that lie a power of two apart. */
static void pack_rows(const fnn_gemm *g, ptrdiff_t batch, float *packed) {
  const ptrdiff_t panels = gemm_panels(g->n, GEMM_MAX_VECTORS), n = g->n;
  const float *b = g->b + batch * g->b_batch;
  pack_prefetch(g, b, 0);
  for (ptrdiff_t l = 0; l < g->k; l += PACK_ROWS) {
    const ptrdiff_t rows = g->k - l < PACK_ROWS ? g->k - l : PACK_ROWS;
    pack_prefetch(g, b, l + PACK_ROWS);
    for (ptrdiff_t i = 0; i < panels; i++) {
      const gemm_panel p = gemm_panel_of(n, panels, i);
      float *to = packed_panel(g, packed, batch, &p) + l * p.vectors * FNN_LANES;
      pack_panel(b + l * g->b_row + p.j, g->b_row, &p, rows, to);
    }
  }
}

static void pack_b(const fnn_gemm *g, float *packed) {
  for (ptrdiff_t batch = 0; batch < g->batch; batch++)
    g->b_transposed ? pack_columns(g, batch, packed) : pack_rows(g, batch, packed);
}

/* Tiles of rows inside of one panel, cut evenly as well. */
static void gemm_tiles_of(const fnn_gemm *g, const gemm_panel *p) {
  const ptrdiff_t tiles = (g->m + gemm_max_rows[p->vectors - 1] - 1) / gemm_max_rows[p->vectors - 1];
  const ptrdiff_t rows = g->m / tiles, longer = g->m % tiles;
  const ptrdiff_t upper = longer * (rows + 1);
  ptrdiff_t ahead = g->b_row > p->vectors * FNN_LANES ? B_AHEAD * g->b_row : 0;
  gemm_tile_function *const *tile = gemm_tiles[p->vectors - 1];
  const float *a = g->a;
  float *c = g->c + p->j;
  for (ptrdiff_t i = 0; i <= g->more; i++, a += g->a_more, c += g->c_more, ahead = 0) {
    if (longer > 0) tile[rows](g, a, g->b, c, p->last, ahead, longer);
    tile[rows - 1](g, a + upper * g->a_row, g->b, c + upper * g->c_row, p->last, longer > 0 ? 0 : ahead,
                   tiles - longer);
  }
}

/* C' = B'.A', the same products and sums, for an A and a B whose columns and rows are contiguous.  C is left to the
 * caller. */
static fnn_gemm gemm_transposed(const fnn_gemm *g) {
  fnn_gemm t = *g;
  t.m = g->n;
  t.n = g->m;
  t.a = g->b;
  t.a_row = 1;
  t.a_col = g->b_row;
  t.a_batch = g->b_batch;
  t.b = g->a;
  t.b_row = g->a_col;
  t.b_batch = g->a_batch;
  return t;
}

/* All panels; pack_b knows only the usual width. */
static void gemm_in_panels(const fnn_gemm *g) {
  const ptrdiff_t widest = g->packed != NULL || g->m > 2 ? GEMM_MAX_VECTORS : g->m == 1 ? 8 : 4;
  const ptrdiff_t panels = gemm_panels(g->n, widest);
  fnn_gemm panel = *g;
  for (ptrdiff_t i = 0; i < panels; i++) {
    const gemm_panel p = gemm_panel_of(g->n, panels, i);
    panel.b = g->b + p.j;
    if (g->packed != NULL) {
      panel.b = g->packed + g->batch * g->k * p.j;
      panel.b_row = p.vectors * FNN_LANES;
      panel.b_batch = g->k * panel.b_row;
    }
    gemm_tiles_of(&panel, &p);
  }
}

/* ---- few columns ------------------------------------------------------------------------------------------------ */

enum { TURNED_COLUMNS = 16, TURNED_DEPTH = 32, TURNED_WIDTH = GEMM_MAX_VECTORS * FNN_LANES };

/* Whether more than a quarter of the vectors of C would be empty, but not those of its transpose, and sums are long
 * enough to be worth turning it. */
static int gemm_turns(const fnn_gemm *g) {
  const ptrdiff_t whole = (g->n + FNN_LANES - 1) / FNN_LANES * FNN_LANES;
  return g->a_row == 1 && g->packed == NULL && g->more == 0 && g->n > 1 && g->n <= TURNED_COLUMNS &&
         4 * g->n < 3 * whole && g->m >= TURNED_WIDTH && g->k >= TURNED_DEPTH;
}

/* The transpose in blocks of columns, which are then turned. */
static void gemm_turned(const fnn_gemm *g) {
  float turned[TURNED_COLUMNS * TURNED_WIDTH];
  fnn_gemm block = gemm_transposed(g);
  block.c = turned;
  block.c_row = TURNED_WIDTH;
  float *c = g->c;
  for (ptrdiff_t i = 0; i < g->m; i += TURNED_WIDTH, c += TURNED_WIDTH * g->c_row) {
    block.n = g->m - i < TURNED_WIDTH ? g->m - i : TURNED_WIDTH;
    block.b = g->a + i;
    for (ptrdiff_t row = 0; g->accumulate && row < block.n; row++)
      for (ptrdiff_t j = 0; j < g->n; j++) turned[j * TURNED_WIDTH + row] = c[row * g->c_row + j];
    gemm_in_panels(&block);
    for (ptrdiff_t row = 0; row < block.n; row++)
      for (ptrdiff_t j = 0; j < g->n; j++) c[row * g->c_row + j] = turned[j * TURNED_WIDTH + row];
  }
}

/* ---- a single column, a single product -------------------------------------------------------------------------- */

/* `rows` rows of the only column of C, where rows of A and the column of B are contiguous.  Each element is a dot product
 * in two vectors of partial sums, the even and the odd vectors of each batch, whose lanes are added at the end. */
FNN_INLINE void gemm_dot_products(const fnn_gemm *g, const float *a, float *c, int rows) {
  vf even[4], odd[4];
  const float *b = g->b;
  for (int i = 0; i < rows; i++) even[i] = odd[i] = vf_zero();
  for (ptrdiff_t batch = g->batch; batch > 0; batch--, a += g->a_batch, b += g->b_batch) {
    ptrdiff_t l = 0;
    for (; g->k - l >= 2 * FNN_LANES; l += 2 * FNN_LANES) {
      const vf b_even = vf_load(b + l), b_odd = vf_load(b + l + FNN_LANES);
      GEMM_UNROLL
      for (int i = 0; i < rows; i++) {
        even[i] = vf_fma(vf_load(a + i * g->a_row + l), b_even, even[i]);
        odd[i] = vf_fma(vf_load(a + i * g->a_row + l + FNN_LANES), b_odd, odd[i]);
      }
    }
    if (g->k - l >= FNN_LANES) {
      const vf b_even = vf_load(b + l);
      GEMM_UNROLL
      for (int i = 0; i < rows; i++) even[i] = vf_fma(vf_load(a + i * g->a_row + l), b_even, even[i]);
      l += FNN_LANES;
    }
    if (g->k > l) {
      const vf b_odd = vf_load_first(b + l, g->k - l);
      GEMM_UNROLL
      for (int i = 0; i < rows; i++) odd[i] = vf_fma(vf_load_first(a + i * g->a_row + l, g->k - l), b_odd, odd[i]);
    }
  }
  for (int i = 0; i < rows; i++)
    c[i * g->c_row] = (g->accumulate ? c[i * g->c_row] : 0.0f) + vf_sum(vf_add(even[i], odd[i]));
}

static void gemm_column(const fnn_gemm *g) {
  const float *a = g->a;
  float *c = g->c;
  ptrdiff_t i = 0;
  for (; g->m - i >= 4; i += 4, a += 4 * g->a_row, c += 4 * g->c_row) gemm_dot_products(g, a, c, 4);
  for (; i < g->m; i++, a += g->a_row, c += g->c_row) gemm_dot_products(g, a, c, 1);
}

/* c[0 .. n-1] = [c +] a*b[0 .. n-1] */
FNN_INLINE void gemm_scaled_row(vf a, const float *b, float *c, ptrdiff_t n, int accumulate) {
  ptrdiff_t j = 0;
  for (; n - j >= FNN_LANES; j += FNN_LANES)
    vf_store(c + j, vf_fma(a, vf_load(b + j), accumulate ? vf_load(c + j) : vf_zero()));
  if (j < n) {
    const vf sum = accumulate ? vf_load_first(c + j, n - j) : vf_zero();
    vf_store_first(c + j, vf_fma(a, vf_load_first(b + j, n - j), sum), n - j);
  }
}

/* One product for each element of C: rows are written from end to end, as tiles touch too many of them at once. */
static void gemm_outer_product(const fnn_gemm *g) {
  for (ptrdiff_t i = 0; i < g->m; i++) {
    const vf a = vf_set1(g->a[i * g->a_row]);
    float *c = g->c + i * g->c_row;
    if (g->accumulate)
      gemm_scaled_row(a, g->b, c, g->n, 1);
    else
      gemm_scaled_row(a, g->b, c, g->n, 0);
  }
}

/* One block of a single column, or of depth one. */
static void gemm_block(const fnn_gemm *g) {
  if (g->n == 1 && g->a_col == 1 && g->b_row == 1) {
    gemm_column(g);
  } else if (g->n == 1 && g->m > 1 && g->a_row == 1 && g->c_row == 1) {
    const fnn_gemm row = gemm_transposed(g);
    gemm_in_panels(&row);
  } else if (g->k == 1 && g->batch == 1) {
    gemm_outer_product(g);
  } else {
    gemm_in_panels(g);
  }
}

static void gemm(const fnn_gemm *g) {
  if (g->m <= 0 || g->n <= 0) return;
  if (g->packed != NULL || (g->n > 1 && (g->k > 1 || g->batch > 1))) {
    gemm_turns(g) ? gemm_turned(g) : gemm_in_panels(g);
    return;
  }
  fnn_gemm block = *g;
  block.more = 0;
  for (ptrdiff_t i = 0; i <= g->more; i++, block.a += g->a_more, block.c += g->c_more) gemm_block(&block);
}
