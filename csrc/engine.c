/* engine.c: walks a program with a team of threads.
 *
 * The steps of a program fall into *phases*, runs of neighbours that begin when the phase before is finished.  A phase
 * of small steps is run in order by one worker.  In any other phase no step depends on another; its steps, cut into
 * *units* (a chunk of a shared step, or a small step as a whole), are shared by the team.  Every worker has its own
 * stretch of the units, the same in every iteration so that it finds its data in its own cache, and helps with the
 * others' when it is done.  Which worker runs a unit does not change what the unit computes.
 *
 * There is no barrier, where all would wait for a worker that the operating system has put aside.  A phase is finished
 * when its units are; whoever finishes the last one goes on alone up to the next shared phase and opens it for those
 * who wait, and who comes late joins the phase that is open then. */
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "cache.h"
#include "denormals.h"
#include "feed.h"
#include "fnn.h"
#include "program.h"
#include "step.h"
#include "team.h"

/* ---- the walk ------------------------------------------------------------------------------------------------- */

enum { FEEDS = -1 }; /* the place before the first step, where rows of users' arrays are copied */

/* What is known of one worker to the others; each has a cache line of its own. */
typedef struct {
  _Alignas(FNN_CACHE_LINE) atomic_uint_least64_t taken; /* phase number << 32 | units taken of its stretch */
  ptrdiff_t error_unit;                                 /* the first unit of a phase in which it met an error */
  int64_t error_value;
  int32_t error_step;
  int32_t status;
} member;

/* A shared phase.  A late worker may read it while a later one is written, and finds out when it takes a unit. */
typedef struct {
  atomic_ptrdiff_t begin, t, units;
} phase;

typedef struct {
  const fnn_program *program;
  fnn_run *run;
  ptrdiff_t scratch; /* bytes for each worker */
  int threads;
  int share_feeds, feeds_ahead;
  /* of the worker that goes on alone */
  ptrdiff_t t, place; /* the iteration, and the step, or FEEDS, that comes next */
  ptrdiff_t fed;      /* the iteration whose rows were copied during the one before, or -1 */
  double opened;      /* profile: when the last shared phase was */
  /* of all */
  phase phases[2];                             /* the open one, by the parity of its number, and the one before */
  _Alignas(FNN_CACHE_LINE) atomic_uint number; /* of the open phase */
  atomic_int closed;                           /* the run is over */
  _Alignas(FNN_CACHE_LINE) atomic_ptrdiff_t finished; /* units of the open phase */
  atomic_int failed, fed_wrong;
  member members[FNN_MAX_THREADS];
} walk;

typedef struct {
  fnn_worker kernel; /* what the kernels see */
  walk *walk;
  int index;
  ptrdiff_t t; /* the iteration that kernel.base belongs to */
} walker;

static void start_walker(walker *w, walk *k, int index) {
  w->walk = k;
  w->index = index;
  w->t = -1;
  memcpy(w->kernel.base, k->run->base, (size_t)k->program->n_bases * sizeof k->run->base[0]);
  w->kernel.scratch = k->run->scratch + index * k->scratch;
  w->kernel.random_seed = k->run->random_seed;
  w->kernel.status = FNN_OK;
}

static void enter_iteration(walker *w, ptrdiff_t t) {
  const fnn_run *run = w->walk->run;
  if (w->t == t) return;
  w->t = t;
  w->kernel.random_step = run->random_step + (uint64_t)(t - run->first);
  for (int32_t i = 0; i < run->n_feeds; i++) w->kernel.base[run->feed[i].base] = fnn_feed_base(&run->feed[i], t);
  for (int32_t i = 0; i < run->n_drains; i++) {
    w->kernel.base[run->drain[i].base] = run->drain[i].data + t * run->drain[i].stride;
  }
}

/* Notes what the kernel reported; of several errors in a phase the one of the first unit is kept. */
static int fail(walker *w, ptrdiff_t step, ptrdiff_t unit) {
  member *self = &w->walk->members[w->index];
  if (self->status == FNN_OK || unit < self->error_unit) {
    self->status = w->kernel.status;
    self->error_step = (int32_t)step;
    self->error_value = w->kernel.error_value;
    self->error_unit = unit;
  }
  w->kernel.status = FNN_OK;
  atomic_store_explicit(&w->walk->failed, 1, memory_order_relaxed);
  return 1;
}

/* Steps begin .. end-1, all of their chunks, in order. Returns 1 after an error. */
static int run_alone(walker *w, ptrdiff_t begin, ptrdiff_t end, ptrdiff_t unit) {
  for (ptrdiff_t i = begin; i < end; i++) {
    const fnn_step *step = &w->walk->program->step[i];
    for (ptrdiff_t chunk = 0; chunk < step->chunks; chunk++) {
      fnn_step_run(step, &w->kernel, chunk);
      if (w->kernel.status != FNN_OK) return fail(w, i, unit);
    }
  }
  return 0;
}

static int run_feed_chunk(walker *w, ptrdiff_t i, ptrdiff_t chunk, ptrdiff_t unit) {
  w->kernel.status = fnn_feed_run(&w->walk->run->feed[i], w->t, chunk, &w->kernel.error_value);
  return w->kernel.status == FNN_OK ? 0 : fail(w, -1 - i, unit);
}

static int run_feeds_alone(walker *w) {
  const fnn_run *run = w->walk->run;
  for (int32_t i = 0; i < run->n_feeds; i++) {
    ptrdiff_t chunks = fnn_feed_chunks(&run->feed[i]);
    for (ptrdiff_t chunk = 0; chunk < chunks; chunk++) {
      if (run_feed_chunk(w, i, chunk, 0)) return 1;
    }
  }
  return 0;
}

/* ---- units ---------------------------------------------------------------------------------------------------- */

static ptrdiff_t phase_end(const walk *k, ptrdiff_t begin) {
  const fnn_step *step = k->program->step;
  ptrdiff_t end = begin + 1;
  if (k->run->profile != NULL) return end;
  while (end < k->run->step_end && step[end].phase == step[begin].phase) end++;
  return end;
}

static ptrdiff_t phase_units(const walk *k, ptrdiff_t begin, ptrdiff_t end) {
  ptrdiff_t units = 0;
  for (ptrdiff_t i = begin; i < end; i++) units += fnn_step_units(&k->program->step[i]);
  return units;
}

static ptrdiff_t feed_units(const fnn_run *run) {
  ptrdiff_t units = 0;
  for (int32_t i = 0; i < run->n_feeds; i++) units += fnn_feed_chunks(&run->feed[i]);
  return units;
}

/* The feed that a unit belongs to, and in *chunk which of its chunks that is. */
static ptrdiff_t feed_of(const fnn_run *run, ptrdiff_t unit, ptrdiff_t *chunk) {
  ptrdiff_t i = 0;
  for (*chunk = unit; *chunk >= fnn_feed_chunks(&run->feed[i]); i++) *chunk -= fnn_feed_chunks(&run->feed[i]);
  return i;
}

static void run_feed_unit(walker *w, ptrdiff_t unit) {
  ptrdiff_t chunk, i = feed_of(w->walk->run, unit, &chunk);
  run_feed_chunk(w, i, chunk, unit);
}

/* Of the next iteration, which meets again what is wrong with a row. */
static void run_feed_unit_ahead(walker *w, ptrdiff_t unit, ptrdiff_t t) {
  int64_t wrong;
  ptrdiff_t chunk, i = feed_of(w->walk->run, unit, &chunk);
  if (fnn_feed_run(&w->walk->run->feed[i], t, chunk, &wrong) != FNN_OK) {
    atomic_store_explicit(&w->walk->fed_wrong, 1, memory_order_relaxed);
  }
}

static void run_step_unit(walker *w, ptrdiff_t begin, ptrdiff_t unit) {
  const fnn_step *step = &w->walk->program->step[begin];
  ptrdiff_t chunk = unit;
  while (chunk >= fnn_step_units(step)) chunk -= fnn_step_units(step++);
  if (!step->shared) {
    ptrdiff_t i = step - w->walk->program->step;
    run_alone(w, i, i + 1, unit);
    return;
  }
  fnn_step_run(step, &w->kernel, chunk);
  if (w->kernel.status != FNN_OK) fail(w, step - w->walk->program->step, unit);
}

/* ---- alone, from one shared phase to the next ----------------------------------------------------------------- */

static void open_phase(walk *k, ptrdiff_t begin, ptrdiff_t units) {
  unsigned number = atomic_load_explicit(&k->number, memory_order_relaxed) + 1;
  phase *p = &k->phases[number & 1];
  if (k->run->profile != NULL) k->opened = fnn_clock();
  atomic_store_explicit(&p->begin, begin, memory_order_relaxed);
  atomic_store_explicit(&p->t, k->t, memory_order_relaxed);
  atomic_store_explicit(&p->units, units, memory_order_relaxed);
  atomic_store_explicit(&k->finished, 0, memory_order_relaxed);
  for (int i = 0; i < k->threads; i++) {
    atomic_store_explicit(&k->members[i].taken, (uint64_t)number << 32, memory_order_release);
  }
  atomic_store_explicit(&k->number, number, memory_order_release);
}

static void close_walk(walk *k) {
  atomic_store_explicit(&k->closed, 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&k->number, 1, memory_order_release);
}

/* The rows of iteration k->t. Returns 1 if the team is to copy them. */
static int run_feeds(walker *w) {
  walk *k = w->walk;
  const fnn_run *run = k->run;
  enter_iteration(w, k->t);
  if (run->iteration_slot != NULL) *run->iteration_slot = (float)(run->iteration + (k->t - run->first));
  k->place = run->step_begin;
  if (k->fed == k->t && !atomic_load_explicit(&k->fed_wrong, memory_order_relaxed)) return 0;
  if (k->share_feeds) {
    open_phase(k, FEEDS, feed_units(run));
    return 1;
  }
  run_feeds_alone(w);
  return 0;
}

/* The phase at k->place. Returns 1 if it is the team's. */
static int run_phase(walker *w) {
  walk *k = w->walk;
  const fnn_run *run = k->run;
  ptrdiff_t begin = k->place, end = phase_end(k, begin);
  k->place = end;
  if (k->threads > 1 && k->program->step[begin].shared) {
    open_phase(k, begin, phase_units(k, begin, end));
    return 1;
  }
  if (k->feeds_ahead && k->fed <= k->t && run->done + 1 < run->count) {
    k->fed = k->t + 1;
    open_phase(k, begin, 1 + feed_units(run));
    return 1;
  }
  double start = run->profile != NULL ? fnn_clock() : 0.0;
  run_alone(w, begin, end, 0);
  if (run->profile != NULL) run->profile[begin] += fnn_clock() - start;
  return 0;
}

/* Returns 1 if another iteration follows. */
static int end_iteration(walk *k) {
  fnn_run *run = k->run;
  k->t++;
  k->place = FEEDS;
  run->done++;
  return run->done < run->count && !(run->deadline > 0.0 && fnn_clock() > run->deadline);
}

/* While no unit is left and no other worker runs one: everything up to the next shared phase, or the end of the run. */
static void advance(walker *w) {
  walk *k = w->walk;
  enter_iteration(w, k->t);
  while (!atomic_load_explicit(&k->failed, memory_order_relaxed)) {
    if (k->place == FEEDS) {
      if (run_feeds(w)) return;
    } else if (k->place < k->run->step_end) {
      if (run_phase(w)) return;
    } else if (!end_iteration(k)) {
      break;
    }
  }
  close_walk(k);
}

/* ---- together ------------------------------------------------------------------------------------------------- */

/* Takes a unit of a worker's stretch of this phase: its place in the stretch, or -1 when the phase is over. */
static ptrdiff_t take(member *owner, unsigned number, ptrdiff_t length) {
  uint64_t taken = atomic_load_explicit(&owner->taken, memory_order_acquire);
  do {
    if (taken >> 32 != number || (ptrdiff_t)(taken & UINT32_MAX) >= length) return -1;
  } while (!atomic_compare_exchange_weak_explicit(&owner->taken, &taken, taken + 1, memory_order_acquire,
                                                  memory_order_acquire));
  return (ptrdiff_t)(taken & UINT32_MAX);
}

/* Runs a unit that was taken, and everything that is to be done alone if it was the last of its phase. */
static void run_unit(walker *w, const phase *p, ptrdiff_t unit) {
  walk *k = w->walk;
  ptrdiff_t begin = atomic_load_explicit(&p->begin, memory_order_relaxed);
  ptrdiff_t units = atomic_load_explicit(&p->units, memory_order_relaxed);
  enter_iteration(w, atomic_load_explicit(&p->t, memory_order_relaxed));
  if (begin == FEEDS) {
    run_feed_unit(w, unit);
  } else if (k->program->step[begin].shared) {
    run_step_unit(w, begin, unit);
  } else if (unit == 0) {
    run_alone(w, begin, phase_end(k, begin), 0);
  } else {
    run_feed_unit_ahead(w, unit - 1, w->t + 1);
  }
  if (atomic_fetch_add_explicit(&k->finished, 1, memory_order_acq_rel) + 1 < units) return;
  if (begin != FEEDS && k->run->profile != NULL) k->run->profile[begin] += fnn_clock() - k->opened;
  advance(w);
}

static void share_phase(walker *w, unsigned number) {
  walk *k = w->walk;
  const phase *p = &k->phases[number & 1];
  ptrdiff_t units = atomic_load_explicit(&p->units, memory_order_relaxed);
  ptrdiff_t length = units / k->threads, rest = units % k->threads;
  for (int i = 0; i < k->threads; i++) {
    ptrdiff_t owner = (w->index + i) % k->threads, unit;
    ptrdiff_t begin = owner * length + fnn_min(owner, rest);
    while ((unit = take(&k->members[owner], number, length + (owner < rest))) >= 0) run_unit(w, p, begin + unit);
  }
}

static void work(void *context, int index) {
  walk *k = context;
  walker w;
  unsigned number = 0; /* of the last phase that this worker has seen */
  uint64_t saved = flush_denormals();
  start_walker(&w, k, index);
  for (;;) {
    number = fnn_wait_for_change(&k->number, number);
    if (atomic_load_explicit(&k->closed, memory_order_relaxed)) break;
    share_phase(&w, number);
  }
  restore_denormals(saved);
}

/* ---- runs ----------------------------------------------------------------------------------------------------- */

/* A team is worth calling together when it has this many times the work of the smallest step that is shared. */
enum { TEAM_WORTH = 3 };

/* Nanoseconds: rows that take so long are copied by others while one worker runs small steps of the iteration before. */
enum { AHEAD_ABOVE = 2000 };

/* As many threads as have something to do in the widest phase, or one. */
static int useful_threads(const walk *k) {
  const fnn_run *run = k->run;
  ptrdiff_t widest = 1;
  double work = 0.0;
  if (run->threads == 1) return 1;
  for (ptrdiff_t begin = run->step_begin, end; begin < run->step_end; begin = end) {
    end = phase_end(k, begin);
    if (!k->program->step[begin].shared) continue;
    widest = fnn_max(widest, phase_units(k, begin, end));
    work += k->program->step[begin].work;
  }
  if (work * (double)run->count < TEAM_WORTH * k->program->share_above) return 1;
  return (int)fnn_min(fnn_min(widest, run->threads), FNN_MAX_THREADS);
}

static int report(walk *k) {
  const member *first = NULL;
  for (int i = 0; i < k->threads; i++) {
    const member *m = &k->members[i];
    if (m->status != FNN_OK && (first == NULL || m->error_unit < first->error_unit)) first = m;
  }
  if (first == NULL) return FNN_OK;
  k->run->error_step = first->error_step;
  k->run->error_value = first->error_value;
  return first->status;
}

static void prepare_walk(walk *k, const fnn_program *program, fnn_run *run) {
  double work = 0.0;
  memset(k, 0, offsetof(walk, members));
  k->program = program;
  k->run = run;
  k->scratch = fnn_program_scratch(program);
  k->t = run->first;
  k->place = FEEDS;
  k->threads = useful_threads(k);
  memset(k->members, 0, (size_t)k->threads * sizeof k->members[0]);
  k->fed = -1;
  for (int32_t i = 0; i < run->n_feeds; i++) {
    const double each = fnn_feed_work(&run->feed[i]);
    work += each;
    k->share_feeds |= k->threads > 1 && each >= program->share_above;
  }
  k->share_feeds &= feed_units(run) > 0; /* a phase without units would never end */
  k->feeds_ahead = k->threads > 1 && run->profile == NULL && work >= AHEAD_ABOVE;
}

int fnn_program_run(const fnn_program *program, fnn_run *run) {
  walk k;
  walker w;
  uint64_t saved = flush_denormals();
  run->done = 0;
  if (run->count > 0) {
    prepare_walk(&k, program, run);
    start_walker(&w, &k, 0);
    advance(&w);
    if (!k.closed) fnn_team_run(k.threads, work, &k);
  }
  restore_denormals(saved);
  return run->count > 0 ? report(&k) : FNN_OK;
}
