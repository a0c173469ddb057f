/* machine.c: the clock, and what the machine can do at best, to set measured times against. */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#define _DEFAULT_SOURCE         /* madvise */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch.h"
#include "fnn.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <time.h>
#endif
#ifdef __linux__
#include <sys/mman.h>
#endif

double fnn_clock(void) {
#ifdef _WIN32
  LARGE_INTEGER now, frequency;
  QueryPerformanceFrequency(&frequency);
  QueryPerformanceCounter(&now);
  return (double)now.QuadPart / (double)frequency.QuadPart;
#else
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
#endif
}

/* Only whole huge pages inside the block are meant, so its neighbours are left alone. */
void fnn_use_huge_pages(void *data, size_t bytes) {
#ifdef MADV_HUGEPAGE
  const uintptr_t page = (uintptr_t)1 << 21;
  uintptr_t begin = ((uintptr_t)data + page - 1) / page * page, end = ((uintptr_t)data + bytes) / page * page;
  if (begin < end) madvise((void *)begin, end - begin, MADV_HUGEPAGE); /* a refusal costs speed only */
#else
  (void)data, (void)bytes;
#endif
}

/* Both give the best of the rounds that fit in `seconds`: other programs only ever slow one down. */
double fnn_measure_peak(double seconds) {
  double end = fnn_clock() + seconds, best = 0.0;
  do {
    float sum;
    double start = fnn_clock();
    double rate = fnn_kernel->multiply_adds(20000, &sum) / (fnn_clock() - start);
    if (rate > best) best = rate;
  } while (fnn_clock() < end);
  return best;
}

double fnn_measure_bandwidth(size_t bytes, double seconds) {
  /* One block: of two, the second lies 16 bytes behind the first modulo a page, where some memcpy are 15 times slower. */
  char *from = bytes < SIZE_MAX / 2 ? malloc(2 * bytes) : NULL;
  double best = 0.0;
  if (from != NULL) {
    char *to = from + bytes;
    memset(from, 1, 2 * bytes);         /* untouched memory would be one page of zeros, read from cache */
    double end = fnn_clock() + seconds; /* from now on: the first touch may take longer than that */
    do {
      double start = fnn_clock();
      memcpy(to, from, bytes);
      from[0] = to[bytes - 1]; /* so that no round can be left out */
      double rate = 2.0 * (double)bytes / (fnn_clock() - start);
      if (rate > best) best = rate;
    } while (fnn_clock() < end);
  }
  free(from);
  return best;
}
