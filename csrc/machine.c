/* machine.c: the clock, and what the machine can do at best, to set measured times against. */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */

#include <stdlib.h>
#include <string.h>

#include "dispatch.h"
#include "fnn.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <time.h>
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

/* The best of the rounds that fit in `seconds`: other programs only ever slow one down. */
double fnn_measure_bandwidth(size_t bytes, double seconds) {
  char *from = calloc(bytes, 1), *to = calloc(bytes, 1);
  double end = fnn_clock() + seconds, best = 0.0;
  if (from == NULL || to == NULL) seconds = 0.0;
  while (seconds > 0.0 && fnn_clock() < end) {
    double start = fnn_clock();
    memcpy(to, from, bytes);
    from[0] = to[bytes - 1]; /* so that no round can be left out */
    double rate = 2.0 * (double)bytes / (fnn_clock() - start);
    if (rate > best) best = rate;
  }
  free(from);
  free(to);
  return best;
}
