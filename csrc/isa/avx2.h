/* avx2.h: the vector vocabulary in AVX2 with FMA, 8 floats.  Contract: scalar.h. */
#ifndef FNN_ISA_AVX2_H
#define FNN_ISA_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define FNN_LANES 8

typedef __m256 vf;
typedef __m256i vi;
typedef __m256 vm; /* all bits of a lane set or clear */

/* ---- floats --------------------------------------------------------------------------------------------------- */

FNN_INLINE vi vi_iota(void) { return _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7); }
FNN_INLINE vi vi_first(ptrdiff_t count) { return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), vi_iota()); }

FNN_INLINE vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
FNN_INLINE void vf_store(float *p, vf v) { _mm256_storeu_ps(p, v); }
/* A mask is slow on some CPUs, a masked store ten times as slow: where the count is known, a whole vector has none. */
FNN_INLINE vf vf_load_first(const float *p, ptrdiff_t count) {
  return count == FNN_LANES ? vf_load(p) : _mm256_maskload_ps(p, vi_first(count));
}
FNN_INLINE void vf_store_first(float *p, vf v, ptrdiff_t count) {
  if (count == FNN_LANES)
    vf_store(p, v);
  else
    _mm256_maskstore_ps(p, vi_first(count), v);
}
FNN_INLINE vf vf_set1(float x) { return _mm256_set1_ps(x); }
FNN_INLINE vf vf_zero(void) { return _mm256_setzero_ps(); }

FNN_INLINE vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
FNN_INLINE vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
FNN_INLINE vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
FNN_INLINE vf vf_div(vf a, vf b) { return _mm256_div_ps(a, b); }
FNN_INLINE vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
FNN_INLINE vf vf_fnma(vf a, vf b, vf c) { return _mm256_fnmadd_ps(a, b, c); }
FNN_INLINE vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
FNN_INLINE vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
FNN_INLINE vf vf_sqrt(vf a) { return _mm256_sqrt_ps(a); }
FNN_INLINE vf vf_abs(vf a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
FNN_INLINE vf vf_neg(vf a) { return _mm256_xor_ps(_mm256_set1_ps(-0.0f), a); }
FNN_INLINE vf vf_round(vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
FNN_INLINE vf vf_floor(vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }

FNN_INLINE vf vf_zip_low(vf a, vf b) {
  return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x20);
}
FNN_INLINE vf vf_zip_high(vf a, vf b) {
  return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x31);
}

FNN_INLINE vm vf_lt(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
FNN_INLINE vm vf_le(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_LE_OQ); }
FNN_INLINE vm vf_gt(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_GT_OQ); }
FNN_INLINE vm vf_ge(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_GE_OQ); }
FNN_INLINE vm vf_eq(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
FNN_INLINE vm vf_ne(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_NEQ_UQ); }
FNN_INLINE vm vf_nle(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_NLE_UQ); }
FNN_INLINE vf vf_select(vm m, vf a, vf b) { return _mm256_blendv_ps(b, a, m); }
FNN_INLINE int vm_any(vm m) { return _mm256_movemask_ps(m) != 0; }
FNN_INLINE vm vm_and(vm a, vm b) { return _mm256_and_ps(a, b); }
FNN_INLINE vm vm_or(vm a, vm b) { return _mm256_or_ps(a, b); }

/* ---- integers ------------------------------------------------------------------------------------------------- */

FNN_INLINE vi vf_to_vi(vf a) { return _mm256_cvtps_epi32(a); }
FNN_INLINE vi vf_trunc_to_vi(vf a) { return _mm256_cvttps_epi32(a); }
FNN_INLINE vf vi_to_vf(vi a) { return _mm256_cvtepi32_ps(a); }
FNN_INLINE vi vf_bits(vf a) { return _mm256_castps_si256(a); }
FNN_INLINE vf vf_from_bits(vi a) { return _mm256_castsi256_ps(a); }
FNN_INLINE vi vi_load(const int32_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
FNN_INLINE void vi_store(int32_t *p, vi v) { _mm256_storeu_si256((__m256i *)p, v); }
FNN_INLINE vi vi_load_first(const int32_t *p, ptrdiff_t count) { return _mm256_maskload_epi32(p, vi_first(count)); }
FNN_INLINE void vi_store_first(int32_t *p, vi v, ptrdiff_t count) { _mm256_maskstore_epi32(p, vi_first(count), v); }
FNN_INLINE vi vi_load_bytes(const uint8_t *p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)); }
FNN_INLINE void vi_store_bytes(uint8_t *p, vi v) {
  __m128i halves = _mm_packus_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  _mm_storel_epi64((__m128i *)p, _mm_packus_epi16(halves, halves));
}
FNN_INLINE vi vi_set1(int32_t x) { return _mm256_set1_epi32(x); }
FNN_INLINE vi vi_add(vi a, vi b) { return _mm256_add_epi32(a, b); }
FNN_INLINE vi vi_sub(vi a, vi b) { return _mm256_sub_epi32(a, b); }
FNN_INLINE vi vi_mul(vi a, vi b) { return _mm256_mullo_epi32(a, b); }
FNN_INLINE vi vi_mulhi_u(vi a, vi b) {
  vi even = _mm256_srli_epi64(_mm256_mul_epu32(a, b), 32);
  vi odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), _mm256_srli_epi64(b, 32));
  return _mm256_blend_epi32(even, odd, 0xAA);
}
FNN_INLINE vi vi_and(vi a, vi b) { return _mm256_and_si256(a, b); }
FNN_INLINE vi vi_or(vi a, vi b) { return _mm256_or_si256(a, b); }
FNN_INLINE vi vi_xor(vi a, vi b) { return _mm256_xor_si256(a, b); }
#define vi_shl(v, count) _mm256_slli_epi32((v), (count))
#define vi_shr(v, count) _mm256_srli_epi32((v), (count))
FNN_INLINE vm vi_eq(vi a, vi b) { return _mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b)); }
FNN_INLINE vm vi_lt(vi a, vi b) { return _mm256_castsi256_ps(_mm256_cmpgt_epi32(b, a)); }
FNN_INLINE vi vi_select(vm m, vi a, vi b) { return _mm256_blendv_epi8(b, a, _mm256_castps_si256(m)); }

FNN_INLINE void vi_transpose(const int32_t *x, ptrdiff_t x_row, int32_t *y, ptrdiff_t y_row) {
  __m256 half[8], pair[8]; /* half[i + 4*h]: elements 4h .. 4h+3 of the rows i and i+4 */
  for (int i = 0; i < 4; i++) {
    for (int h = 0; h < 2; h++) {
      __m128 low = _mm_loadu_ps((const float *)(x + i * x_row + 4 * h));
      __m128 high = _mm_loadu_ps((const float *)(x + (i + 4) * x_row + 4 * h));
      half[i + 4 * h] = _mm256_insertf128_ps(_mm256_castps128_ps256(low), high, 1);
    }
  }
  for (int h = 0; h < 8; h += 4) {
    pair[h] = _mm256_unpacklo_ps(half[h], half[h + 1]), pair[h + 1] = _mm256_unpackhi_ps(half[h], half[h + 1]);
    pair[h + 2] = _mm256_unpacklo_ps(half[h + 2], half[h + 3]),
             pair[h + 3] = _mm256_unpackhi_ps(half[h + 2], half[h + 3]);
    for (int j = 0; j < 2; j++) {
      float *to = (float *)(y + (h + 2 * j) * y_row);
      _mm256_storeu_ps(to, _mm256_shuffle_ps(pair[h + j], pair[h + j + 2], _MM_SHUFFLE(1, 0, 1, 0)));
      _mm256_storeu_ps(to + y_row, _mm256_shuffle_ps(pair[h + j], pair[h + j + 2], _MM_SHUFFLE(3, 2, 3, 2)));
    }
  }
}

/* ---- across the lanes ----------------------------------------------------------------------------------------- */

#define FNN_FOLD(name, fold128, fold_lane)                                         \
  FNN_INLINE float name(vf v) {                                                    \
    __m128 four = fold128(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1)); \
    __m128 two = fold128(four, _mm_movehl_ps(four, four));                         \
    return _mm_cvtss_f32(fold_lane(two, _mm_shuffle_ps(two, two, 1)));             \
  }
FNN_FOLD(vf_sum, _mm_add_ps, _mm_add_ss)
FNN_FOLD(vf_hmax, _mm_max_ps, _mm_max_ss)
FNN_FOLD(vf_hmin, _mm_min_ps, _mm_min_ss)
#undef FNN_FOLD

#endif
