/* team.c: threads.  The only file that knows OpenMP. */
#define _POSIX_C_SOURCE 200809L /* nanosleep */

#include "team.h"

#include "fnn.h"

#ifdef _OPENMP
#include <omp.h>
#endif

#ifdef _WIN32
#include <windows.h>
#else
#include <time.h>
#endif

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

static atomic_int forked;
static atomic_int busy; /* workers of all teams at this moment: several Python threads may each run one */
static atomic_int processors;

int fnn_openmp(void) {
#ifdef _OPENMP
  return 1;
#else
  return 0;
#endif
}

int fnn_openmp_max_threads(void) {
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}

void fnn_forked(void) {
  atomic_store(&forked, 1);
  atomic_store(&busy, 0); /* the parent's other threads are not here */
}

#ifdef _OPENMP
static void run_team(int threads, fnn_team_work *work, void *context) {
  if (threads > FNN_MAX_THREADS) threads = FNN_MAX_THREADS;
  if (atomic_load(&processors) == 0) atomic_store(&processors, omp_get_num_procs());
  atomic_fetch_add(&busy, threads);
#pragma omp parallel num_threads(threads)
  work(context, omp_get_thread_num());
  atomic_fetch_sub(&busy, threads);
}
#endif

void fnn_team_run(int threads, fnn_team_work *work, void *context) {
#ifdef _OPENMP
  if (threads > 1 && !atomic_load(&forked)) {
    run_team(threads, work, context);
    return;
  }
#endif
  (void)threads;
  work(context, 0);
}

static void pause_briefly(void) {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__) && !defined(_MSC_VER)
  __asm__ volatile("yield");
#elif defined(_M_ARM64)
  __yield();
#endif
}

/* The shortest sleep there is, some 50 microseconds.  A thread that has slept is let in at once by a busy system, one
 * that has yielded waits until all the others have had their turn. */
static void rest(void) {
#ifdef _WIN32
  SwitchToThread(); /* no sleep is shorter than a millisecond here */
#else
  const struct timespec shortest = {0, 1};
  nanosleep(&shortest, NULL);
#endif
}

/* Spinning answers in nanoseconds but takes a processor from whoever we wait for when there are more workers than
 * processors; so then, and after some 100 microseconds in any case, we rest. */
unsigned fnn_wait_for_change(atomic_uint *value, unsigned seen) {
  int workers = atomic_load_explicit(&busy, memory_order_relaxed);
  int spins = workers > atomic_load_explicit(&processors, memory_order_relaxed) ? 50 : 3000;
  for (int i = 0;; i++) {
    unsigned now = atomic_load_explicit(value, memory_order_acquire);
    if (now != seen) return now;
    if (i < spins) {
      pause_briefly();
    } else {
      rest();
    }
  }
}
