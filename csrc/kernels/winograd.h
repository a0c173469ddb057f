/* winograd.h: the transforms of Winograd's convolution, F(4x4, 3x3), on one tile, vectors over channels.
 *
 * A tile of 4x4 outputs Y of a 3x3 kernel W on the 6x6 inputs X is Y = A'[(G W G') * (B' X B)]A with * element by
 * element (Lavin and Gray, arXiv 1509.09308): 36 multiplications in place of 144.  A, B, G belong to polynomials that
 * are multiplied at the places 0, P, -P, Q, -Q and infinity.  P = 5/8, Q = 3/2 lose half as much to rounding as the usual 1 and
 * 2; B and A are exact in float32.  The gradients are the transposed maps,
 * G'[(A dY A') * (B' X B)]G for W and B[(G W G') * (A dY A')]B' for X, added up where tiles of X overlap.
 *
 * Each function gets the addresses of the pixels of its tile, so that places outside an image may lie anywhere, and
 * `point`, the elements between the 36 planes of transformed values. */
#define WINOGRAD_P 0.625f
#define WINOGRAD_Q 1.5f
#define WINOGRAD_P2 (WINOGRAD_P * WINOGRAD_P)
#define WINOGRAD_Q2 (WINOGRAD_Q * WINOGRAD_Q)

/* Calls body(channel, count, ...) for vectors of channels; count is a constant but for the last. */
#define WINOGRAD_EACH(channels, body, ...)                                                  \
  {                                                                                         \
    ptrdiff_t ch = 0;                                                                       \
    for (; ch + FNN_LANES <= (channels); ch += FNN_LANES) body(ch, FNN_LANES, __VA_ARGS__); \
    if (ch < (channels)) body(ch, (channels) - ch, __VA_ARGS__);                            \
  }

/* ---- along one axis: six, four or three values to six and back ------------------------------------------------ */

/* x <- B' x */
FNN_INLINE void winograd_b(vf x[6]) {
  const vf p = vf_set1(WINOGRAD_P), q = vf_set1(WINOGRAD_Q), p2 = vf_set1(WINOGRAD_P2), q2 = vf_set1(WINOGRAD_Q2);
  const vf sum = vf_set1(WINOGRAD_P2 + WINOGRAD_Q2), product = vf_set1(WINOGRAD_P2 * WINOGRAD_Q2);
  const vf first = vf_fma(product, x[0], vf_fnma(sum, x[2], x[4]));
  const vf last = vf_fma(product, x[1], vf_fnma(sum, x[3], x[5]));
  const vf even_p = vf_fnma(q2, x[2], x[4]), odd_p = vf_fnma(q2, x[1], x[3]);
  const vf even_q = vf_fnma(p2, x[2], x[4]), odd_q = vf_fnma(p2, x[1], x[3]);
  x[0] = first;
  x[1] = vf_fma(p, odd_p, even_p);
  x[2] = vf_fnma(p, odd_p, even_p);
  x[3] = vf_fma(q, odd_q, even_q);
  x[4] = vf_fnma(q, odd_q, even_q);
  x[5] = last;
}

/* x <- B x */
FNN_INLINE void winograd_b_transposed(vf x[6]) {
  const vf p2 = vf_set1(WINOGRAD_P2), q2 = vf_set1(WINOGRAD_Q2);
  const vf sum = vf_set1(WINOGRAD_P2 + WINOGRAD_Q2), product = vf_set1(WINOGRAD_P2 * WINOGRAD_Q2);
  const vf even_p = vf_add(x[1], x[2]), odd_p = vf_mul(vf_set1(WINOGRAD_P), vf_sub(x[1], x[2]));
  const vf even_q = vf_add(x[3], x[4]), odd_q = vf_mul(vf_set1(WINOGRAD_Q), vf_sub(x[3], x[4]));
  const vf first = x[0], last = x[5];
  x[0] = vf_mul(product, first);
  x[1] = vf_fnma(p2, odd_q, vf_fnma(q2, odd_p, vf_mul(product, last)));
  x[2] = vf_neg(vf_fma(p2, even_q, vf_fma(q2, even_p, vf_mul(sum, first))));
  x[3] = vf_fnma(sum, last, vf_add(odd_p, odd_q));
  x[4] = vf_add(first, vf_add(even_p, even_q));
}

/* The first four of x <- A' x */
FNN_INLINE void winograd_a(vf x[6]) {
  const vf p = vf_set1(WINOGRAD_P), q = vf_set1(WINOGRAD_Q), p2 = vf_set1(WINOGRAD_P2), q2 = vf_set1(WINOGRAD_Q2);
  const vf p3 = vf_set1(WINOGRAD_P2 * WINOGRAD_P), q3 = vf_set1(WINOGRAD_Q2 * WINOGRAD_Q);
  const vf even_p = vf_add(x[1], x[2]), odd_p = vf_sub(x[1], x[2]);
  const vf even_q = vf_add(x[3], x[4]), odd_q = vf_sub(x[3], x[4]);
  x[0] = vf_add(x[0], vf_add(even_p, even_q));
  x[1] = vf_fma(q, odd_q, vf_mul(p, odd_p));
  x[2] = vf_fma(q2, even_q, vf_mul(p2, even_p));
  x[3] = vf_fma(q3, odd_q, vf_fma(p3, odd_p, x[5]));
}

/* x <- A x of the first four */
FNN_INLINE void winograd_a_transposed(vf x[6]) {
  const vf p = vf_set1(WINOGRAD_P), q = vf_set1(WINOGRAD_Q), p2 = vf_set1(WINOGRAD_P2), q2 = vf_set1(WINOGRAD_Q2);
  const vf even_p = vf_fma(p2, x[2], x[0]), odd_p = vf_fma(p2, x[3], x[1]);
  const vf even_q = vf_fma(q2, x[2], x[0]), odd_q = vf_fma(q2, x[3], x[1]);
  x[5] = x[3];
  x[1] = vf_fma(p, odd_p, even_p);
  x[2] = vf_fnma(p, odd_p, even_p);
  x[3] = vf_fma(q, odd_q, even_q);
  x[4] = vf_fnma(q, odd_q, even_q);
}

/* One over the product of a place's distances to the others: what G has in the rows of 0, of P and -P, of Q and -Q. */
#define WINOGRAD_AT_0 (1 / (WINOGRAD_P2 * WINOGRAD_Q2))
#define WINOGRAD_AT_P (1 / (2 * WINOGRAD_P2 * (WINOGRAD_P2 - WINOGRAD_Q2)))
#define WINOGRAD_AT_Q (1 / (2 * WINOGRAD_Q2 * (WINOGRAD_Q2 - WINOGRAD_P2)))

/* x <- G x of the first three */
FNN_INLINE void winograd_g(vf x[6]) {
  const vf at_p = vf_set1(WINOGRAD_AT_P), at_q = vf_set1(WINOGRAD_AT_Q);
  const vf even_p = vf_mul(at_p, vf_fma(vf_set1(WINOGRAD_P2), x[2], x[0]));
  const vf even_q = vf_mul(at_q, vf_fma(vf_set1(WINOGRAD_Q2), x[2], x[0]));
  const vf odd_p = vf_mul(vf_set1(WINOGRAD_AT_P * WINOGRAD_P), x[1]);
  const vf odd_q = vf_mul(vf_set1(WINOGRAD_AT_Q * WINOGRAD_Q), x[1]);
  x[5] = x[2];
  x[0] = vf_mul(vf_set1(WINOGRAD_AT_0), x[0]);
  x[1] = vf_add(even_p, odd_p);
  x[2] = vf_sub(even_p, odd_p);
  x[3] = vf_add(even_q, odd_q);
  x[4] = vf_sub(even_q, odd_q);
}

/* The first three of x <- G' x */
FNN_INLINE void winograd_g_transposed(vf x[6]) {
  const vf at_p = vf_set1(WINOGRAD_AT_P), at_q = vf_set1(WINOGRAD_AT_Q);
  const vf even_p = vf_mul(at_p, vf_add(x[1], x[2])), odd_p = vf_mul(at_p, vf_sub(x[1], x[2]));
  const vf even_q = vf_mul(at_q, vf_add(x[3], x[4])), odd_q = vf_mul(at_q, vf_sub(x[3], x[4]));
  x[0] = vf_fma(vf_set1(WINOGRAD_AT_0), x[0], vf_add(even_p, even_q));
  x[1] = vf_fma(vf_set1(WINOGRAD_Q), odd_q, vf_mul(vf_set1(WINOGRAD_P), odd_p));
  x[2] = vf_fma(vf_set1(WINOGRAD_Q2), even_q, vf_fma(vf_set1(WINOGRAD_P2), even_p, x[5]));
}

/* ---- along both ----------------------------------------------------------------------------------------------- */

typedef void winograd_axis(vf x[6]);

/* Columns, then rows: unrolled, these loops would hold more values than there are registers. */
#if defined(__clang__)
#define WINOGRAD_ROLLED _Pragma("clang loop unroll(disable)")
#elif defined(__GNUC__)
#define WINOGRAD_ROLLED _Pragma("GCC unroll 1")
#else
#define WINOGRAD_ROLLED
#endif

/* in x in pixels to the 36 planes. */
FNN_INLINE void winograd_spread(ptrdiff_t ch, ptrdiff_t count, winograd_axis *along, int in, const float *const *pixel,
                                float *to, ptrdiff_t point) {
  vf half[6][6];
  WINOGRAD_ROLLED
  for (int j = 0; j < in; j++) {
    vf x[6];
    for (int i = 0; i < in; i++) x[i] = vf_load_part(pixel[i * in + j] + ch, count);
    along(x);
    for (int i = 0; i < 6; i++) half[i][j] = x[i];
  }
  WINOGRAD_ROLLED
  for (int i = 0; i < 6; i++) {
    vf x[6];
    for (int j = 0; j < in; j++) x[j] = half[i][j];
    along(x);
    for (int j = 0; j < 6; j++) vf_store_part(to + (i * 6 + j) * point + ch, x[j], count);
  }
}

/* The 36 planes to, or with `add` onto, out x out pixels. */
FNN_INLINE void winograd_gather(ptrdiff_t ch, ptrdiff_t count, winograd_axis *along, int out, int add,
                                const float *from, ptrdiff_t point, float *const *pixel) {
  vf half[6][6];
  WINOGRAD_ROLLED
  for (int j = 0; j < 6; j++) {
    vf x[6];
    for (int i = 0; i < 6; i++) x[i] = vf_load_part(from + (i * 6 + j) * point + ch, count);
    along(x);
    for (int i = 0; i < out; i++) half[i][j] = x[i];
  }
  WINOGRAD_ROLLED
  for (int i = 0; i < out; i++) {
    vf x[6];
    for (int j = 0; j < 6; j++) x[j] = half[i][j];
    along(x);
    for (int j = 0; j < out; j++) {
      float *to = pixel[i * out + j] + ch;
      vf_store_part(to, add ? vf_add(vf_load_part(to, count), x[j]) : x[j], count);
    }
  }
}

static void winograd_input(const float *const *pixel, ptrdiff_t channels, float *v, ptrdiff_t point)
    WINOGRAD_EACH(channels, winograd_spread, winograd_b, 6, pixel, v, point)

        static void winograd_kernel(const float *const *tap, ptrdiff_t channels, float *u, ptrdiff_t point)
            WINOGRAD_EACH(channels, winograd_spread, winograd_g, 3, tap, u, point)

                static void winograd_output(const float *m, ptrdiff_t point, ptrdiff_t channels, float *const *pixel)
                    WINOGRAD_EACH(channels, winograd_gather, winograd_a, 4, 0, m, point, pixel)

                        static void winograd_input_gradient(const float *v, ptrdiff_t point, ptrdiff_t channels,
                                                            float *const *pixel)
                            WINOGRAD_EACH(channels, winograd_gather, winograd_b_transposed, 6, 1, v, point, pixel)

                                static void winograd_output_gradient(const float *const *pixel, ptrdiff_t channels,
                                                                     float *m, ptrdiff_t point)
                                    WINOGRAD_EACH(channels, winograd_spread, winograd_a_transposed, 4, pixel, m, point)

                                        static void winograd_kernel_gradient(const float *u, ptrdiff_t point,
                                                                             ptrdiff_t channels, float *const *tap)
                                            WINOGRAD_EACH(channels, winograd_gather, winograd_g_transposed, 3, 0, u,
                                                          point, tap)
