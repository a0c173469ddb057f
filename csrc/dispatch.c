/* dispatch.c: finds the instruction sets that the CPU and the operating system offer and picks a kernel table. */
#include "dispatch.h"

#include <string.h>

#if defined(__x86_64__) || defined(_M_X64)
#define FNN_X86 1
#elif defined(__aarch64__) || defined(_M_ARM64)
#define FNN_ARM64 1
#endif

#ifdef FNN_X86
#ifdef _MSC_VER
#include <intrin.h>
#else
#include <cpuid.h>
#endif

typedef struct {
  unsigned eax, ebx, ecx, edx;
} cpuid_leaf;

static cpuid_leaf cpuid(unsigned leaf) {
  cpuid_leaf r = {0, 0, 0, 0};
#ifdef _MSC_VER
  int info[4];
  __cpuidex(info, 0, 0);
  if ((unsigned)info[0] < leaf) return r;
  __cpuidex(info, (int)leaf, 0);
  r = (cpuid_leaf){(unsigned)info[0], (unsigned)info[1], (unsigned)info[2], (unsigned)info[3]};
#else
  __get_cpuid_count(leaf, 0, &r.eax, &r.ebx, &r.ecx, &r.edx);
#endif
  return r;
}

static int has(unsigned word, int bit) { return (int)(word >> bit) & 1; }

/* Whether the operating system saves these register files (bits of XCR0) when it switches threads. */
static int system_saves(unsigned mask) {
  if (!has(cpuid(1).ecx, 27)) return 0; /* OSXSAVE: without it XGETBV does not exist */
#ifdef _MSC_VER
  unsigned low = (unsigned)_xgetbv(0);
#else
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
#endif
  return (low & mask) == mask;
}

static int fnn_cpu_avx2(void) { return system_saves(0x6) && has(cpuid(1).ecx, 12) /* FMA */ && has(cpuid(7).ebx, 5); }

static int fnn_cpu_avx512(void) {
  unsigned b = cpuid(7).ebx;
  return fnn_cpu_avx2() && system_saves(0xe6) && has(b, 16) /* F */ && has(b, 17) /* DQ */ && has(b, 30) /* BW */ &&
         has(b, 31) /* VL */;
}
#endif

/* The rows of isa.def that belong to this family. */
#define FNN_ROW_any(...) __VA_ARGS__
#ifdef FNN_X86
#define FNN_ROW_x86(...) __VA_ARGS__
#else
#define FNN_ROW_x86(...)
#endif
#ifdef FNN_ARM64
#define FNN_ROW_arm64(...) __VA_ARGS__
#else
#define FNN_ROW_arm64(...)
#endif

#define FNN_ISA(name, family, gnu, msvc, test) FNN_ROW_##family(extern const fnn_kernel_table fnn_kernels_##name;)
#include "isa.def"
#undef FNN_ISA

#define FNN_ISA(name, family, gnu, msvc, test) FNN_ROW_##family(static int supported_##name(void) { return test; })
#include "isa.def"
#undef FNN_ISA

#define FNN_ISA(name, family, gnu, msvc, test) FNN_ROW_##family({#name, &fnn_kernels_##name, supported_##name}, )
static const struct {
  const char *name;
  const fnn_kernel_table *table;
  int (*supported)(void);
} isas[] = {
#include "isa.def"
};
#undef FNN_ISA

enum { ISAS = sizeof isas / sizeof isas[0] };

const fnn_kernel_table *fnn_kernel = &fnn_kernels_scalar;
static int selected;

int fnn_isa_count(void) { return ISAS; }

const char *fnn_isa_name(int i) { return isas[i].name; }

int fnn_isa_supported(int i) { return isas[i].supported(); }

int fnn_isa_select(const char *name) {
  for (int i = ISAS - 1; i >= 0; i--) {
    if ((name == NULL || strcmp(name, isas[i].name) == 0) && isas[i].supported()) {
      selected = i;
      fnn_kernel = isas[i].table;
      return 0;
    }
  }
  return -1;
}

const char *fnn_isa_selected(void) { return isas[selected].name; }

int fnn_isa_lanes(void) { return fnn_kernel->lanes; }

const char *fnn_compiler(void) {
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#if defined(__clang__)
  return __VERSION__;
#elif defined(__GNUC__)
  return "GCC " __VERSION__;
#elif defined(_MSC_VER)
  return "MSVC " TEXT(_MSC_FULL_VER);
#else
  return "unknown";
#endif
}
