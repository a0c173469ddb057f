/* scalar.h: the vector vocabulary in plain C, one float.  Here its contract stands, for every header of this folder.
 *
 * vf float vector, vi int32 vector, vm mask; FNN_LANES of each in a vector.  The includer defines FNN_INLINE.
 * - loads and stores need no alignment; *_first touch the first count (0..FNN_LANES) elements only, the other lanes
 *   of a load are 0;
 * - vf_fma is a*b + c and vf_fnma is c - a*b with one rounding (here with two, unless the machine has fmaf);
 * - vf_min, vf_max give the second operand if either is NaN or both are zero;
 * - comparisons are false for NaN, except vf_ne and vf_nle (not <=);
 * - vf_round is to the nearest, ties to even; vf_to_vi rounds so, vf_trunc_to_vi towards zero; what does not fit an
 *   int32 gives a number without meaning;
 * - vi_load_bytes, vi_store_bytes: a byte (0..255) in memory for each lane;
 * - vi_transpose: element j of row i of a square of FNN_LANES rows of x becomes element i of row j of y;
 * - vi_mul wraps; vi_mulhi_u is the high half of the unsigned product; vi_shl, vi_shr (logical) take a constant;
 * - vf_zip_low and vf_zip_high are the halves of a0 b0 a1 b1 ..;
 * - vf_sum adds in an order that is fixed for the ISA; vf_hmax, vf_hmin are without meaning if a lane is NaN. */
#ifndef FNN_ISA_SCALAR_H
#define FNN_ISA_SCALAR_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FNN_LANES 1

typedef float vf;
typedef int32_t vi;
typedef int vm;

/* ---- floats --------------------------------------------------------------------------------------------------- */

FNN_INLINE vf vf_load(const float *p) { return *p; }
FNN_INLINE void vf_store(float *p, vf v) { *p = v; }
FNN_INLINE vf vf_load_first(const float *p, ptrdiff_t count) { return count > 0 ? *p : 0.0f; }
FNN_INLINE void vf_store_first(float *p, vf v, ptrdiff_t count) {
  if (count > 0) *p = v;
}
FNN_INLINE vf vf_set1(float x) { return x; }
FNN_INLINE vf vf_zero(void) { return 0.0f; }

FNN_INLINE vf vf_add(vf a, vf b) { return a + b; }
FNN_INLINE vf vf_sub(vf a, vf b) { return a - b; }
FNN_INLINE vf vf_mul(vf a, vf b) { return a * b; }
FNN_INLINE vf vf_div(vf a, vf b) { return a / b; }
#ifdef FP_FAST_FMAF
FNN_INLINE vf vf_fma(vf a, vf b, vf c) { return fmaf(a, b, c); }
FNN_INLINE vf vf_fnma(vf a, vf b, vf c) { return fmaf(-a, b, c); }
#else
FNN_INLINE vf vf_fma(vf a, vf b, vf c) { return a * b + c; }
FNN_INLINE vf vf_fnma(vf a, vf b, vf c) { return c - a * b; }
#endif
FNN_INLINE vf vf_min(vf a, vf b) { return a < b ? a : b; }
FNN_INLINE vf vf_max(vf a, vf b) { return a > b ? a : b; }
FNN_INLINE vf vf_sqrt(vf a) { return sqrtf(a); }
FNN_INLINE vf vf_abs(vf a) { return fabsf(a); }
FNN_INLINE vf vf_neg(vf a) { return -a; }
FNN_INLINE vf vf_round(vf a) { return rintf(a); }
FNN_INLINE vf vf_floor(vf a) { return floorf(a); }
FNN_INLINE vf vf_zip_low(vf a, vf b) { return (void)b, a; }
FNN_INLINE vf vf_zip_high(vf a, vf b) { return (void)a, b; }

FNN_INLINE vm vf_lt(vf a, vf b) { return a < b; }
FNN_INLINE vm vf_le(vf a, vf b) { return a <= b; }
FNN_INLINE vm vf_gt(vf a, vf b) { return a > b; }
FNN_INLINE vm vf_ge(vf a, vf b) { return a >= b; }
FNN_INLINE vm vf_eq(vf a, vf b) { return a == b; }
FNN_INLINE vm vf_ne(vf a, vf b) { return a != b; }
FNN_INLINE vm vf_nle(vf a, vf b) { return !(a <= b); }
FNN_INLINE vf vf_select(vm m, vf a, vf b) { return m ? a : b; }
FNN_INLINE int vm_any(vm m) { return m; }
FNN_INLINE vm vm_and(vm a, vm b) { return a & b; }
FNN_INLINE vm vm_or(vm a, vm b) { return a | b; }

/* ---- integers ------------------------------------------------------------------------------------------------- */

/* Wrapping arithmetic goes through uint32_t: signed overflow is undefined in C. */
FNN_INLINE vi vf_trunc_to_vi(vf a) { return a >= -0x1p31f && a < 0x1p31f ? (int32_t)a : INT32_MIN; }
FNN_INLINE vi vf_to_vi(vf a) { return vf_trunc_to_vi(rintf(a)); }
FNN_INLINE vf vi_to_vf(vi a) { return (float)a; }
FNN_INLINE vi vf_bits(vf a) {
  vi bits;
  memcpy(&bits, &a, sizeof bits);
  return bits;
}
FNN_INLINE vf vf_from_bits(vi a) {
  vf x;
  memcpy(&x, &a, sizeof x);
  return x;
}
FNN_INLINE vi vi_load(const int32_t *p) { return *p; }
FNN_INLINE void vi_store(int32_t *p, vi v) { *p = v; }
FNN_INLINE vi vi_load_first(const int32_t *p, ptrdiff_t count) { return count > 0 ? *p : 0; }
FNN_INLINE void vi_store_first(int32_t *p, vi v, ptrdiff_t count) {
  if (count > 0) *p = v;
}
FNN_INLINE vi vi_load_bytes(const uint8_t *p) { return *p; }
FNN_INLINE void vi_store_bytes(uint8_t *p, vi v) { *p = (uint8_t)v; }
FNN_INLINE vi vi_set1(int32_t x) { return x; }
FNN_INLINE vi vi_iota(void) { return 0; }
FNN_INLINE vi vi_add(vi a, vi b) { return (vi)((uint32_t)a + (uint32_t)b); }
FNN_INLINE vi vi_sub(vi a, vi b) { return (vi)((uint32_t)a - (uint32_t)b); }
FNN_INLINE vi vi_mul(vi a, vi b) { return (vi)((uint32_t)a * (uint32_t)b); }
FNN_INLINE vi vi_mulhi_u(vi a, vi b) { return (vi)(uint32_t)((uint64_t)(uint32_t)a * (uint32_t)b >> 32); }
FNN_INLINE vi vi_and(vi a, vi b) { return a & b; }
FNN_INLINE vi vi_or(vi a, vi b) { return a | b; }
FNN_INLINE vi vi_xor(vi a, vi b) { return a ^ b; }
#define vi_shl(v, count) ((vi)((uint32_t)(v) << (count)))
#define vi_shr(v, count) ((vi)((uint32_t)(v) >> (count)))
FNN_INLINE vm vi_eq(vi a, vi b) { return a == b; }
FNN_INLINE vm vi_lt(vi a, vi b) { return a < b; }
FNN_INLINE vi vi_select(vm m, vi a, vi b) { return m ? a : b; }

FNN_INLINE void vi_transpose(const int32_t *x, ptrdiff_t x_row, int32_t *y, ptrdiff_t y_row) {
  (void)x_row, (void)y_row;
  *y = *x;
}

/* ---- across the lanes ----------------------------------------------------------------------------------------- */

FNN_INLINE float vf_sum(vf v) { return v; }
FNN_INLINE float vf_hmax(vf v) { return v; }
FNN_INLINE float vf_hmin(vf v) { return v; }

#endif
