/* math.h: elementary functions in the vector vocabulary.
 *
 * Errors are the largest seen over the whole float32 range against float64, in units in the last place (ULP);
 * tests/csrc/test_math.py holds them.  All are right at 0, infinities, NaN and the thresholds of overflow.  Results
 * below 2^-126 may come out as 0; so may, where denormals are flushed, what arguments below 2^-120 give.
 *
 *   exp 1.1  expm1 1.5  log 1.0  log1p 1.7  tanh 2.5  sigmoid 2.5  softplus 2.0  erf 1.3  sin, cos 1.6  pow 0.7
 *
 * Method: the classical reductions (Cody and Waite, Software Manual for the Elementary Functions, 1980; exp, log, sin
 * in the arrangement of Cephes), then polynomials of our own: minimax fits on the reduced interval, weighted for
 * relative error and rounded to float32 one coefficient at a time, the lowest first, the others refitted. */
#ifndef FNN_KERNELS_MATH_H
#define FNN_KERNELS_MATH_H

#include <float.h>
#include <math.h>

/* ---- small things --------------------------------------------------------------------------------------------- */

FNN_INLINE vf vm_bool(vm m) { return vf_select(m, vf_set1(1.0f), vf_zero()); }

FNN_INLINE vf vm_square(vf a) { return vf_mul(a, a); }

/* NaN if either is NaN, as NumPy: vf_max alone would lose a NaN in a. */
FNN_INLINE vf vm_maximum(vf a, vf b) { return vf_select(vf_ne(a, a), a, vf_max(a, b)); }
FNN_INLINE vf vm_minimum(vf a, vf b) { return vf_select(vf_ne(a, a), a, vf_min(a, b)); }

FNN_INLINE vf vm_sign(vf a) {
  vf negative = vf_select(vf_lt(a, vf_zero()), vf_set1(-1.0f), a);
  return vf_select(vf_gt(a, vf_zero()), vf_set1(1.0f), negative);
}

FNN_INLINE vf vm_trunc(vf a) { return vf_select(vf_lt(a, vf_zero()), vf_neg(vf_floor(vf_neg(a))), vf_floor(a)); }

/* |a| with the sign of b */
FNN_INLINE vf vm_copysign(vf a, vf b) {
  vi sign = vi_set1(INT32_MIN), rest = vi_set1(INT32_MAX);
  return vf_from_bits(vi_or(vi_and(vf_bits(a), rest), vi_and(vf_bits(b), sign)));
}

/* c[0] + c[1] x + ... by Horner's rule */
FNN_INLINE vf vm_polynomial(vf x, const float *c, int count) {
  vf sum = vf_set1(c[count - 1]);
  for (int i = count - 2; i >= 0; i--) sum = vf_fma(sum, x, vf_set1(c[i]));
  return sum;
}
#define VM_POLYNOMIAL(x, ...) \
  vm_polynomial((x), (const float[]){__VA_ARGS__}, (int)(sizeof((const float[]){__VA_ARGS__}) / sizeof(float)))

/* x * 2^n where the result is a normal number */
FNN_INLINE vf vm_scale(vf x, vi n) { return vf_from_bits(vi_add(vf_bits(x), vi_shl(n, 23))); }

/* The C library's function on each lane: for arguments too rare to deserve vector code. */
static vf vm_lanes(float (*function)(float, float), vf a, vf b) {
  float x[FNN_LANES], y[FNN_LANES];
  vf_store(x, a);
  vf_store(y, b);
  for (int i = 0; i < FNN_LANES; i++) x[i] = function(x[i], y[i]);
  return vf_load(x);
}

/* ln 2 in two parts; the product of the first with an exponent is exact even without fused multiply-add. */
#define VM_LN2_HIGH 0.693359375f
#define VM_LN2_LOW -2.12194440e-4f

/* ---- exponentials --------------------------------------------------------------------------------------------- */

/* x = n ln 2 + r, |r| <= ln 2 / 2 */
FNN_INLINE vf vm_reduce_exp(vf x, vf *r) {
  vf n = vf_round(vf_mul(x, vf_set1(1.44269504f)));
  *r = vf_fnma(n, vf_set1(VM_LN2_LOW), vf_fnma(n, vf_set1(VM_LN2_HIGH), x));
  return n;
}

/* exp where the result is a normal number */
FNN_INLINE vf vm_exp_normal(vf x) {
  vf r;
  vf n = vm_reduce_exp(x, &r);
  vf p = VM_POLYNOMIAL(r, 0.49999997f, 0.166665465f, 0.0416674353f, 0.00836626161f, 0.00138706574f);
  p = vf_add(vf_fma(vf_mul(r, r), p, r), vf_set1(1.0f));
  return vm_scale(p, vf_to_vi(n));
}

#define VM_EXP_LEAST -87.3365402f
#define VM_EXP_LARGEST 88.7228317f

/* exp for x up to its overflow, as a softmax needs it */
FNN_INLINE vf vm_exp_bounded(vf x) { return vf_select(vf_lt(x, vf_set1(VM_EXP_LEAST)), vf_zero(), vm_exp_normal(x)); }

FNN_INLINE vf vm_exp(vf x) {
  return vf_select(vf_gt(x, vf_set1(VM_EXP_LARGEST)), vf_set1(INFINITY), vm_exp_bounded(x));
}

/* (exp(x) - 1) / 2 for -25 <= x < 89 */
FNN_INLINE vf vm_half_expm1(vf x) {
  vf r;
  vf n = vm_reduce_exp(x, &r);
  vf p = VM_POLYNOMIAL(r, 0.5f, 0.166666657f, 0.0416664928f, 0.00833354518f, 0.00139323308f, 0.000197625719f);
  p = vf_fma(vf_mul(r, r), p, r);
  /* 2^n p + (2^n - 1), by halves: 2^128 is no float */
  vf half = vm_scale(vf_set1(0.5f), vf_to_vi(n));
  return vf_fma(half, p, vf_sub(half, vf_set1(0.5f)));
}

FNN_INLINE vf vm_expm1(vf x) {
  vf y = vm_half_expm1(vf_max(vf_set1(-25.0f), vf_min(vf_set1(89.0f), x))); /* NaN passes */
  return vf_select(vf_eq(x, vf_zero()), x, vf_add(y, y));
}

/* ---- logarithms ----------------------------------------------------------------------------------------------- */

/* x = 2^e m, 2/3 <= m < 4/3, for a positive normal x */
FNN_INLINE vi vm_split(vf x, vf *m) {
  const int32_t two_thirds = 0x3f2aaaab, bias = 128;
  vi bits = vf_bits(x);
  vi e = vi_sub(vi_shr(vi_add(bits, vi_set1((bias << 23) - two_thirds)), 23), vi_set1(bias));
  *m = vf_from_bits(vi_sub(bits, vi_shl(e, 23)));
  return e;
}

/* The same for any positive x, the exponent as a float. */
FNN_INLINE vf vm_exponent(vf x, vf *m) {
  vm denormal = vf_lt(x, vf_set1(FLT_MIN));
  vi e = vm_split(vf_select(denormal, vf_mul(x, vf_set1(0x1p23f)), x), m);
  return vf_sub(vi_to_vf(e), vf_select(denormal, vf_set1(23.0f), vf_zero()));
}

/* e ln 2 + log(1 + f), -1/3 <= f <= 1/3 */
FNN_INLINE vf vm_log_sum(vf e, vf f) {
  vf p = VM_POLYNOMIAL(f, 0.333332151f, -0.249998048f, 0.200104356f, -0.166802213f, 0.140055433f, -0.121874534f,
                       0.139855936f, -0.128792912f);
  p = vf_fma(p, f, vf_set1(-0.5f));
  vf low = vf_fma(vf_mul(f, f), p, vf_mul(e, vf_set1(VM_LN2_LOW)));
  return vf_fma(e, vf_set1(VM_LN2_HIGH), vf_add(f, low));
}

/* y where 0 < x < infinity; elsewhere what a logarithm of x is */
FNN_INLINE vf vm_log_domain(vf x, vf y) {
  y = vf_select(vf_lt(x, vf_set1(INFINITY)), y, x);
  vf outside = vf_select(vf_eq(x, vf_zero()), vf_set1(-INFINITY), vf_set1(NAN));
  return vf_select(vf_gt(x, vf_zero()), y, outside);
}

FNN_INLINE vf vm_log(vf x) {
  vf m, e = vm_exponent(x, &m);
  return vm_log_domain(x, vm_log_sum(e, vf_sub(m, vf_set1(1.0f))));
}

FNN_INLINE vf vm_log1p(vf x) {
  vf m;
  vf u = vf_add(x, vf_set1(1.0f));
  vf lost = vf_sub(x, vf_sub(u, vf_set1(1.0f))); /* 1 + x = u + lost, exactly */
  vi e = vm_split(u, &m);
  vi shift = vi_select(vi_lt(e, vi_set1(126)), e, vi_set1(126)); /* where e is larger nothing is lost */
  vf scale = vf_from_bits(vi_shl(vi_sub(vi_set1(127), shift), 23));
  vf f = vf_fma(lost, scale, vf_sub(m, vf_set1(1.0f)));
  vf y = vm_log_domain(u, vm_log_sum(vi_to_vf(e), f));
  return vf_select(vf_eq(x, vf_zero()), x, y);
}

/* ---- made of exponentials and logarithms ---------------------------------------------------------------------- */

/* with t = (exp(2|x|) - 1) / 2: t / (t + 1) */
FNN_INLINE vf vm_tanh(vf x) {
  vf bounded = vf_min(vf_set1(10.0f), vf_abs(x)); /* tanh(10) rounds to 1 */
  vf t = vm_half_expm1(vf_add(bounded, bounded));
  return vm_copysign(vf_div(t, vf_add(t, vf_set1(1.0f))), x);
}

/* Where exp(-x) is no normal number it adds nothing to 1, or 1 / it is none. */
FNN_INLINE vf vm_sigmoid(vf x) {
  vf one = vf_set1(1.0f), bounded = vf_min(vf_set1(VM_EXP_LARGEST), vf_neg(x));
  return vf_div(one, vf_add(one, vm_exp_normal(vf_max(vf_set1(VM_EXP_LEAST), bounded)))); /* NaN passes */
}

/* log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)) */
FNN_INLINE vf vm_softplus(vf x) { return vf_add(vf_max(vf_zero(), x), vm_log1p(vm_exp(vf_neg(vf_abs(x))))); }

/* Below 7/8 an odd polynomial; above, 1 - erfc(a) with a polynomial for -log erfc. */
FNN_INLINE vf vm_erf(vf x) {
  vf a = vf_min(vf_set1(4.0f), vf_abs(x)); /* erf(4) rounds to 1 */
  vf p = VM_POLYNOMIAL(vf_mul(a, a), 0.128379166f, -0.376126289f, 0.112836227f, -0.0268553589f, 0.0051908954f,
                       -0.000802536029f, 7.8602905e-05f);
  vf q = VM_POLYNOMIAL(a, -0.000159055111f, 1.1294384f, 0.633504272f, 0.108104087f, -0.0250038803f, 0.0041265646f,
                       -0.000425160018f, 2.02810279e-05f);
  vf large = vf_sub(vf_set1(1.0f), vm_exp(vf_neg(q)));
  return vm_copysign(vf_select(vf_lt(a, vf_set1(0.875f)), vf_fma(a, p, a), large), x);
}

/* ---- sine and cosine ------------------------------------------------------------------------------------------ */

static float vm_sin_lane(float x, float unused) {
  (void)unused;
  return sinf(x);
}

static float vm_cos_lane(float x, float unused) {
  (void)unused;
  return cosf(x);
}

/* sin(x + quarter pi/2).  Beyond 1e5 the three parts of pi/2 no longer suffice, and without fused multiply-add they
 * never do: there the C library is asked. */
FNN_INLINE vf vm_sine(vf x, int quarter, float (*lane)(float, float)) {
  if (FNN_LANES == 1 || vm_any(vf_gt(vf_abs(x), vf_set1(1e5f)))) return vm_lanes(lane, x, x);
  vf n = vf_round(vf_mul(x, vf_set1(0.636619772f)));
  vf r = vf_fnma(n, vf_set1(0x1.921fb6p+0f), x);
  r = vf_fnma(n, vf_set1(-0x1.777a5cp-25f), r);
  r = vf_fnma(n, vf_set1(-0x1.ee59dap-50f), r);
  vf z = vf_mul(r, r);
  vf s = VM_POLYNOMIAL(z, -0.166666552f, 0.00833218731f, -0.000195179062f);
  s = vf_fma(vf_mul(z, s), r, r);
  vf c = VM_POLYNOMIAL(z, 0.0416666456f, -0.00138873095f, 2.44323273e-05f);
  c = vf_fma(vf_mul(z, z), c, vf_fma(z, vf_set1(-0.5f), vf_set1(1.0f)));
  vi q = vi_add(vf_to_vi(n), vi_set1(quarter));
  vf y = vf_select(vi_eq(vi_and(q, vi_set1(1)), vi_set1(0)), s, c);
  return vf_from_bits(vi_xor(vf_bits(y), vi_shl(vi_and(q, vi_set1(2)), 30)));
}

FNN_INLINE vf vm_sin(vf x) { return vm_sine(x, 0, vm_sin_lane); }
FNN_INLINE vf vm_cos(vf x) { return vm_sine(x, 1, vm_cos_lane); }

/* ---- power ---------------------------------------------------------------------------------------------------- */

/* A number as the sum of two floats, high + low, |low| below half a unit in the last place of high. */
typedef struct {
  vf high, low;
} vf2;

/* a + b, |a| >= |b| or a = 0 (Dekker) */
FNN_INLINE vf2 vm_fast_sum(vf a, vf b) {
  vf high = vf_add(a, b);
  return (vf2){high, vf_sub(b, vf_sub(high, a))};
}

/* a * b; needs the fused multiply-add */
FNN_INLINE vf2 vm_two_product(vf a, vf b) {
  vf high = vf_mul(a, b);
  return (vf2){high, vf_fma(a, b, vf_neg(high))};
}

FNN_INLINE vf2 vm_product(vf2 a, vf2 b) {
  vf2 p = vm_two_product(a.high, b.high);
  return vm_fast_sum(p.high, vf_add(p.low, vf_fma(a.high, b.low, vf_mul(a.low, b.high))));
}

/* log2 of a positive x to about 2^-36: with s = (m-1)/(m+1) and z = s^2, log2 m = s (c0 + z (c1 + z P(z))) */
FNN_INLINE vf2 vm_log2(vf x) {
  vf m, e = vm_exponent(x, &m);
  vf f = vf_sub(m, vf_set1(1.0f));
  vf2 d = vm_fast_sum(vf_set1(2.0f), f);
  vf s = vf_div(f, d.high);
  vf rest = vf_fnma(s, d.low, vf_fnma(s, d.high, f));
  vf2 ratio = {s, vf_div(rest, d.high)};
  vf2 z = vm_product(ratio, ratio);
  vf p = VM_POLYNOMIAL(z.high, 0.577077925f, 0.412215024f, 0.31958735f, 0.28793487f);
  vf2 sum = vm_fast_sum(vf_set1(0x1.ec709ep-1f), vf_mul(z.high, p));
  sum.low = vf_add(sum.low, vf_set1(-0x1.e2fe02p-28f));
  vf2 tail = vm_product(z, sum);
  sum = vm_fast_sum(vf_set1(0x1.715476p+1f), tail.high);
  sum.low = vf_add(sum.low, vf_add(tail.low, vf_set1(0x1.4ae0cp-25f)));
  vf2 fraction = vm_product(ratio, sum);
  vf2 total = vm_fast_sum(e, fraction.high);
  return vm_fast_sum(total.high, vf_add(total.low, fraction.low));
}

/* 2^t for |t.high| <= 160; the last sum is of a number good to 2^-28, so powers that are floats come out exact */
FNN_INLINE vf vm_exp2(vf2 t) {
  vf n = vf_round(t.high);
  vf2 f = vm_fast_sum(vf_sub(t.high, n), t.low);
  vf p = VM_POLYNOMIAL(f.high, 0.240226477f, 0.0555035956f, 0.00961850584f, 0.00133910251f, 0.000153267814f);
  vf2 linear = vm_two_product(f.high, vf_set1(0x1.62e43p-1f));
  vf low = vf_fma(f.low, vf_set1(0.693147182f), vf_fma(f.high, vf_set1(-0x1.05c61p-29f), linear.low));
  low = vf_fma(vf_mul(f.high, f.high), p, low);
  vf2 sum = vm_fast_sum(vf_set1(1.0f), linear.high);
  vf y = vf_add(sum.high, vf_add(sum.low, low));
  /* in two steps: the result may lie outside the normal numbers */
  vf half = vf_floor(vf_mul(n, vf_set1(0.5f)));
  vf one = vf_set1(1.0f);
  return vf_mul(vf_mul(y, vm_scale(one, vf_to_vi(half))), vm_scale(one, vf_to_vi(vf_sub(n, half))));
}

/* C's pow: x < 0 needs a whole y; pow(x, 0) = pow(1, y) = 1 even for NaN. */
FNN_INLINE vf vm_pow(vf x, vf y) {
  if (FNN_LANES == 1) return vm_lanes(powf, x, y);
  vf a = vf_abs(x), zero = vf_zero(), one = vf_set1(1.0f), infinity = vf_set1(INFINITY);
  vf2 l = vm_log2(a);
  l.high = vf_select(vf_eq(a, zero), vf_set1(-INFINITY), vf_select(vf_lt(a, infinity), l.high, a));
  vf2 t = vm_two_product(y, l.high);
  t.low = vf_fma(y, l.low, t.low);
  vf bounded = vf_max(vf_set1(-160.0f), vf_min(vf_set1(160.0f), t.high)); /* NaN passes */
  t.low = vf_select(vf_eq(bounded, t.high), t.low, zero);
  t.high = bounded;
  vf power = vf_select(vf_eq(a, one), one, vm_exp2(t)); /* 1^infinity */

  /* whole numbers from 2^24 on are even */
  vf half = vf_mul(y, vf_set1(0.5f));
  vm whole = vf_eq(vf_floor(y), y), even = vf_eq(vf_floor(half), half);
  vf negative = vf_select(whole, vf_select(even, power, vf_neg(power)), vf_set1(NAN));
  /* -0 and -infinity take any y */
  negative = vf_select(vm_or(whole, vm_and(vf_gt(a, zero), vf_lt(a, infinity))), negative, power);
  vm below = vi_lt(vf_bits(x), vi_set1(0));
  power = vf_select(below, negative, power);
  power = vf_select(vf_ne(x, x), x, vf_select(vf_ne(y, y), y, power));
  return vf_select(vf_eq(y, zero), one, vf_select(vf_eq(x, one), one, power));
}

#endif
