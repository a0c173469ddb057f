/* neon.h: the vector vocabulary in 64-bit Arm's Advanced SIMD, 4 floats.  Contract: scalar.h. */
#ifndef FNN_ISA_NEON_H
#define FNN_ISA_NEON_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FNN_LANES 4

typedef float32x4_t vf;
typedef int32x4_t vi;
typedef uint32x4_t vm; /* all bits of a lane set or clear */

/* ---- floats --------------------------------------------------------------------------------------------------- */

FNN_INLINE vf vf_load(const float *p) { return vld1q_f32(p); }
FNN_INLINE void vf_store(float *p, vf v) { vst1q_f32(p, v); }
FNN_INLINE vf vf_load_first(const float *p, ptrdiff_t count) {
  vf v = vdupq_n_f32(0.0f);
  if (count >= FNN_LANES) return vld1q_f32(p);
  if (count > 0) v = vld1q_lane_f32(p, v, 0);
  if (count > 1) v = vld1q_lane_f32(p + 1, v, 1);
  if (count > 2) v = vld1q_lane_f32(p + 2, v, 2);
  return v;
}
FNN_INLINE void vf_store_first(float *p, vf v, ptrdiff_t count) {
  if (count >= FNN_LANES) {
    vst1q_f32(p, v);
    return;
  }
  if (count > 0) vst1q_lane_f32(p, v, 0);
  if (count > 1) vst1q_lane_f32(p + 1, v, 1);
  if (count > 2) vst1q_lane_f32(p + 2, v, 2);
}
FNN_INLINE vf vf_set1(float x) { return vdupq_n_f32(x); }
FNN_INLINE vf vf_zero(void) { return vdupq_n_f32(0.0f); }

FNN_INLINE vf vf_add(vf a, vf b) { return vaddq_f32(a, b); }
FNN_INLINE vf vf_sub(vf a, vf b) { return vsubq_f32(a, b); }
FNN_INLINE vf vf_mul(vf a, vf b) { return vmulq_f32(a, b); }
FNN_INLINE vf vf_div(vf a, vf b) { return vdivq_f32(a, b); }
FNN_INLINE vf vf_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
FNN_INLINE vf vf_fnma(vf a, vf b, vf c) { return vfmsq_f32(c, a, b); }
FNN_INLINE vf vf_min(vf a, vf b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
FNN_INLINE vf vf_max(vf a, vf b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
FNN_INLINE vf vf_sqrt(vf a) { return vsqrtq_f32(a); }
FNN_INLINE vf vf_abs(vf a) { return vabsq_f32(a); }
FNN_INLINE vf vf_neg(vf a) { return vnegq_f32(a); }
FNN_INLINE vf vf_round(vf a) { return vrndnq_f32(a); }
FNN_INLINE vf vf_floor(vf a) { return vrndmq_f32(a); }

FNN_INLINE vf vf_zip_low(vf a, vf b) { return vzip1q_f32(a, b); }
FNN_INLINE vf vf_zip_high(vf a, vf b) { return vzip2q_f32(a, b); }

FNN_INLINE vm vf_lt(vf a, vf b) { return vcltq_f32(a, b); }
FNN_INLINE vm vf_le(vf a, vf b) { return vcleq_f32(a, b); }
FNN_INLINE vm vf_gt(vf a, vf b) { return vcgtq_f32(a, b); }
FNN_INLINE vm vf_ge(vf a, vf b) { return vcgeq_f32(a, b); }
FNN_INLINE vm vf_eq(vf a, vf b) { return vceqq_f32(a, b); }
FNN_INLINE vm vf_ne(vf a, vf b) { return vmvnq_u32(vceqq_f32(a, b)); }
FNN_INLINE vm vf_nle(vf a, vf b) { return vmvnq_u32(vcleq_f32(a, b)); }
FNN_INLINE vf vf_select(vm m, vf a, vf b) { return vbslq_f32(m, a, b); }
FNN_INLINE int vm_any(vm m) { return vmaxvq_u32(m) != 0; }
FNN_INLINE vm vm_and(vm a, vm b) { return vandq_u32(a, b); }
FNN_INLINE vm vm_or(vm a, vm b) { return vorrq_u32(a, b); }

/* ---- integers ------------------------------------------------------------------------------------------------- */

FNN_INLINE vi vf_to_vi(vf a) { return vcvtnq_s32_f32(a); }
FNN_INLINE vi vf_trunc_to_vi(vf a) { return vcvtq_s32_f32(a); }
FNN_INLINE vf vi_to_vf(vi a) { return vcvtq_f32_s32(a); }
FNN_INLINE vi vf_bits(vf a) { return vreinterpretq_s32_f32(a); }
FNN_INLINE vf vf_from_bits(vi a) { return vreinterpretq_f32_s32(a); }
FNN_INLINE vi vi_load(const int32_t *p) { return vld1q_s32(p); }
FNN_INLINE void vi_store(int32_t *p, vi v) { vst1q_s32(p, v); }
FNN_INLINE vi vi_load_first(const int32_t *p, ptrdiff_t count) {
  return vf_bits(vf_load_first((const float *)p, count));
}
FNN_INLINE void vi_store_first(int32_t *p, vi v, ptrdiff_t count) {
  vf_store_first((float *)p, vf_from_bits(v), count);
}
FNN_INLINE vi vi_load_bytes(const uint8_t *p) {
  uint32_t four;
  memcpy(&four, p, sizeof four);
  uint16x8_t halves = vmovl_u8(vcreate_u8(four));
  return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(halves)));
}
FNN_INLINE void vi_store_bytes(uint8_t *p, vi v) {
  uint16x4_t halves = vmovn_u32(vreinterpretq_u32_s32(v));
  uint32_t four = vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(halves, halves))), 0);
  memcpy(p, &four, sizeof four);
}
FNN_INLINE vi vi_set1(int32_t x) { return vdupq_n_s32(x); }
FNN_INLINE vi vi_iota(void) {
  static const int32_t iota[FNN_LANES] = {0, 1, 2, 3};
  return vld1q_s32(iota);
}
FNN_INLINE vi vi_add(vi a, vi b) { return vaddq_s32(a, b); }
FNN_INLINE vi vi_sub(vi a, vi b) { return vsubq_s32(a, b); }
FNN_INLINE vi vi_mul(vi a, vi b) { return vmulq_s32(a, b); }
FNN_INLINE vi vi_mulhi_u(vi a, vi b) {
  uint32x4_t ua = vreinterpretq_u32_s32(a), ub = vreinterpretq_u32_s32(b);
  uint64x2_t low = vmull_u32(vget_low_u32(ua), vget_low_u32(ub)), high = vmull_high_u32(ua, ub);
  return vreinterpretq_s32_u32(vuzp2q_u32(vreinterpretq_u32_u64(low), vreinterpretq_u32_u64(high)));
}
FNN_INLINE vi vi_and(vi a, vi b) { return vandq_s32(a, b); }
FNN_INLINE vi vi_or(vi a, vi b) { return vorrq_s32(a, b); }
FNN_INLINE vi vi_xor(vi a, vi b) { return veorq_s32(a, b); }
#define vi_shl(v, count) vshlq_n_s32((v), (count))
#define vi_shr(v, count) vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(v), (count)))
FNN_INLINE vm vi_eq(vi a, vi b) { return vceqq_s32(a, b); }
FNN_INLINE vm vi_lt(vi a, vi b) { return vcltq_s32(a, b); }
FNN_INLINE vi vi_select(vm m, vi a, vi b) { return vbslq_s32(m, a, b); }

FNN_INLINE void vi_transpose(const int32_t *x, ptrdiff_t x_row, int32_t *y, ptrdiff_t y_row) {
  int32x4x2_t a = vtrnq_s32(vld1q_s32(x), vld1q_s32(x + x_row));
  int32x4x2_t b = vtrnq_s32(vld1q_s32(x + 2 * x_row), vld1q_s32(x + 3 * x_row));
  for (int j = 0; j < 2; j++) {
    vst1q_s32(y + j * y_row, vcombine_s32(vget_low_s32(a.val[j]), vget_low_s32(b.val[j])));
    vst1q_s32(y + (j + 2) * y_row, vcombine_s32(vget_high_s32(a.val[j]), vget_high_s32(b.val[j])));
  }
}

/* ---- across the lanes ----------------------------------------------------------------------------------------- */

FNN_INLINE float vf_sum(vf v) { return vaddvq_f32(v); }
FNN_INLINE float vf_hmax(vf v) { return vmaxvq_f32(v); }
FNN_INLINE float vf_hmin(vf v) { return vminvq_f32(v); }

#endif
