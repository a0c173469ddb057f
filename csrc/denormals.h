/* denormals.h: arithmetic on denormal numbers takes a hundred times as long, so ours flushes them to zero; the caller's
 * mode is brought back before a run returns. */
#ifndef FNN_DENORMALS_H
#define FNN_DENORMALS_H

#include <stdint.h>

#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>
static inline uint64_t flush_denormals(void) {
  unsigned saved = _mm_getcsr();
  _mm_setcsr(saved | 0x8040u); /* FTZ, DAZ */
  return saved;
}
static inline void restore_denormals(uint64_t saved) { _mm_setcsr((unsigned)saved); }
#elif defined(__aarch64__) && !defined(_MSC_VER)
static inline uint64_t flush_denormals(void) {
  uint64_t saved;
  __asm__ volatile("mrs %0, fpcr" : "=r"(saved));
  __asm__ volatile("msr fpcr, %0" : : "r"(saved | (UINT64_C(1) << 24))); /* FZ */
  return saved;
}
static inline void restore_denormals(uint64_t saved) { __asm__ volatile("msr fpcr, %0" : : "r"(saved)); }
#elif defined(_M_ARM64)
#include <intrin.h>
static inline uint64_t flush_denormals(void) {
  uint64_t saved = (uint64_t)_ReadStatusReg(ARM64_FPCR);
  _WriteStatusReg(ARM64_FPCR, (int64_t)(saved | (UINT64_C(1) << 24)));
  return saved;
}
static inline void restore_denormals(uint64_t saved) { _WriteStatusReg(ARM64_FPCR, (int64_t)saved); }
#else
static inline uint64_t flush_denormals(void) { return 0; }
static inline void restore_denormals(uint64_t saved) { (void)saved; }
#endif

#endif
