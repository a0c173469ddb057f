/* avx512.h: the vector vocabulary in AVX-512 (F, BW, DQ, VL), 16 floats.  Contract: scalar.h. */
#ifndef FNN_ISA_AVX512_H
#define FNN_ISA_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define FNN_LANES 16

typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm;

/* ---- floats --------------------------------------------------------------------------------------------------- */

FNN_INLINE vm vm_first(ptrdiff_t count) { return (vm)((1u << count) - 1u); }

FNN_INLINE vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
FNN_INLINE void vf_store(float *p, vf v) { _mm512_storeu_ps(p, v); }
FNN_INLINE vf vf_load_first(const float *p, ptrdiff_t count) { return _mm512_maskz_loadu_ps(vm_first(count), p); }
FNN_INLINE void vf_store_first(float *p, vf v, ptrdiff_t count) { _mm512_mask_storeu_ps(p, vm_first(count), v); }
FNN_INLINE vf vf_set1(float x) { return _mm512_set1_ps(x); }
FNN_INLINE vf vf_zero(void) { return _mm512_setzero_ps(); }

FNN_INLINE vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
FNN_INLINE vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
FNN_INLINE vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
FNN_INLINE vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
FNN_INLINE vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
FNN_INLINE vf vf_fnma(vf a, vf b, vf c) { return _mm512_fnmadd_ps(a, b, c); }
FNN_INLINE vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
FNN_INLINE vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
FNN_INLINE vf vf_sqrt(vf a) { return _mm512_sqrt_ps(a); }
FNN_INLINE vf vf_abs(vf a) { return _mm512_abs_ps(a); }
FNN_INLINE vf vf_neg(vf a) {
  return _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(a), _mm512_set1_epi32(INT32_MIN)));
}
FNN_INLINE vf vf_round(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
FNN_INLINE vf vf_floor(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }

FNN_INLINE vf vf_zip_low(vf a, vf b) {
  return _mm512_permutex2var_ps(a, _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23), b);
}
FNN_INLINE vf vf_zip_high(vf a, vf b) {
  return _mm512_permutex2var_ps(a, _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31), b);
}

FNN_INLINE vm vf_lt(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
FNN_INLINE vm vf_le(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
FNN_INLINE vm vf_gt(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
FNN_INLINE vm vf_ge(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
FNN_INLINE vm vf_eq(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
FNN_INLINE vm vf_ne(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_NEQ_UQ); }
FNN_INLINE vm vf_nle(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_NLE_UQ); }
FNN_INLINE vf vf_select(vm m, vf a, vf b) { return _mm512_mask_blend_ps(m, b, a); }
FNN_INLINE int vm_any(vm m) { return m != 0; }
FNN_INLINE vm vm_and(vm a, vm b) { return (vm)(a & b); }
FNN_INLINE vm vm_or(vm a, vm b) { return (vm)(a | b); }

/* ---- integers ------------------------------------------------------------------------------------------------- */

FNN_INLINE vi vf_to_vi(vf a) { return _mm512_cvtps_epi32(a); }
FNN_INLINE vi vf_trunc_to_vi(vf a) { return _mm512_cvttps_epi32(a); }
FNN_INLINE vf vi_to_vf(vi a) { return _mm512_cvtepi32_ps(a); }
FNN_INLINE vi vf_bits(vf a) { return _mm512_castps_si512(a); }
FNN_INLINE vf vf_from_bits(vi a) { return _mm512_castsi512_ps(a); }
FNN_INLINE vi vi_load(const int32_t *p) { return _mm512_loadu_si512(p); }
FNN_INLINE void vi_store(int32_t *p, vi v) { _mm512_storeu_si512(p, v); }
FNN_INLINE vi vi_load_first(const int32_t *p, ptrdiff_t count) { return _mm512_maskz_loadu_epi32(vm_first(count), p); }
FNN_INLINE void vi_store_first(int32_t *p, vi v, ptrdiff_t count) { _mm512_mask_storeu_epi32(p, vm_first(count), v); }
FNN_INLINE vi vi_load_bytes(const uint8_t *p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)); }
FNN_INLINE void vi_store_bytes(uint8_t *p, vi v) { _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(v)); }
FNN_INLINE vi vi_set1(int32_t x) { return _mm512_set1_epi32(x); }
FNN_INLINE vi vi_iota(void) { return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }
FNN_INLINE vi vi_add(vi a, vi b) { return _mm512_add_epi32(a, b); }
FNN_INLINE vi vi_sub(vi a, vi b) { return _mm512_sub_epi32(a, b); }
FNN_INLINE vi vi_mul(vi a, vi b) { return _mm512_mullo_epi32(a, b); }
FNN_INLINE vi vi_mulhi_u(vi a, vi b) {
  vi even = _mm512_srli_epi64(_mm512_mul_epu32(a, b), 32);
  vi odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), _mm512_srli_epi64(b, 32));
  return _mm512_mask_blend_epi32(0xAAAA, even, odd);
}
FNN_INLINE vi vi_and(vi a, vi b) { return _mm512_and_si512(a, b); }
FNN_INLINE vi vi_or(vi a, vi b) { return _mm512_or_si512(a, b); }
FNN_INLINE vi vi_xor(vi a, vi b) { return _mm512_xor_si512(a, b); }
#define vi_shl(v, count) _mm512_slli_epi32((v), (count))
#define vi_shr(v, count) _mm512_srli_epi32((v), (count))
FNN_INLINE vm vi_eq(vi a, vi b) { return _mm512_cmpeq_epi32_mask(a, b); }
FNN_INLINE vm vi_lt(vi a, vi b) { return _mm512_cmplt_epi32_mask(a, b); }
FNN_INLINE vi vi_select(vm m, vi a, vi b) { return _mm512_mask_blend_epi32(m, b, a); }

FNN_INLINE void vi_transpose(const int32_t *x, ptrdiff_t x_row, int32_t *y, ptrdiff_t y_row) {
  __m512 quad[16], pair[16]; /* quad[i + 4*q]: elements 4q .. 4q+3 of the rows i, i+4, i+8 and i+12 */
  for (int i = 0; i < 4; i++) {
    for (int q = 0; q < 4; q++) {
      const float *from = (const float *)(x + i * x_row + 4 * q);
      __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(from));
      v = _mm512_insertf32x4(v, _mm_loadu_ps(from + 4 * x_row), 1);
      v = _mm512_insertf32x4(v, _mm_loadu_ps(from + 8 * x_row), 2);
      quad[i + 4 * q] = _mm512_insertf32x4(v, _mm_loadu_ps(from + 12 * x_row), 3);
    }
  }
  for (int q = 0; q < 16; q += 4) {
    pair[q] = _mm512_unpacklo_ps(quad[q], quad[q + 1]), pair[q + 1] = _mm512_unpackhi_ps(quad[q], quad[q + 1]);
    pair[q + 2] = _mm512_unpacklo_ps(quad[q + 2], quad[q + 3]),
             pair[q + 3] = _mm512_unpackhi_ps(quad[q + 2], quad[q + 3]);
    for (int j = 0; j < 2; j++) {
      float *to = (float *)(y + (q + 2 * j) * y_row);
      _mm512_storeu_ps(to, _mm512_shuffle_ps(pair[q + j], pair[q + j + 2], _MM_SHUFFLE(1, 0, 1, 0)));
      _mm512_storeu_ps(to + y_row, _mm512_shuffle_ps(pair[q + j], pair[q + j + 2], _MM_SHUFFLE(3, 2, 3, 2)));
    }
  }
}

/* ---- across the lanes ----------------------------------------------------------------------------------------- */

#define FNN_FOLD(name, fold256, fold128, fold_lane)                                      \
  FNN_INLINE float name(vf v) {                                                          \
    __m256 low = _mm512_castps512_ps256(v);                                              \
    __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(v), 1));      \
    __m256 half = fold256(low, high);                                                    \
    __m128 four = fold128(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)); \
    __m128 two = fold128(four, _mm_movehl_ps(four, four));                               \
    return _mm_cvtss_f32(fold_lane(two, _mm_shuffle_ps(two, two, 1)));                   \
  }
FNN_FOLD(vf_sum, _mm256_add_ps, _mm_add_ps, _mm_add_ss)
FNN_FOLD(vf_hmax, _mm256_max_ps, _mm_max_ps, _mm_max_ss)
FNN_FOLD(vf_hmin, _mm256_min_ps, _mm_min_ps, _mm_min_ss)
#undef FNN_FOLD

#endif
