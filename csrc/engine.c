/* engine.c: walks a program with a team of threads.
 *
 * The steps of a program fall into *phases*, runs of neighbours with a barrier between one phase and the next.  A
 * phase of small steps is run in order by worker 0.  In any other phase no step depends on another; its steps, cut
 * into *units* (a chunk of a shared step, or a small step as a whole), are shared by the team.  Every worker has its
 * own stretch of the units, the same in every iteration so that it finds its data in its own cache, and helps with the
 * others' when it is done.  Which worker runs a unit does not change what the unit computes. */
#include <stdatomic.h>
#include <string.h>

#include "feed.h"
#include "fnn.h"
#include "step.h"
#include "team.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>
#elif defined(_M_ARM64)
#include <intrin.h>
#endif

/* ---- steps ---------------------------------------------------------------------------------------------------- */

/* The interpreter runs host steps: programs are cut at them. */
const char *fnn_host_prepare(fnn_step *step) {
  step->chunks = 0;
  step->scratch_bytes = 0;
  step->work = 0.0;
  return NULL;
}

void fnn_host_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  (void)step, (void)worker, (void)chunk;
}

#define FNN_STEP(name, operands, ...) {operands, fnn_##name##_prepare, fnn_##name##_run},
static const struct {
  const char *operands;
  const char *(*prepare)(fnn_step *step);
  void (*run)(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk);
} kinds[] = {
#include "steps.def"
};
#undef FNN_STEP

const char *fnn_step_prepare(fnn_step *step) {
  if (step->kernel < 0 || step->kernel >= FNN_STEPS) return "unknown kernel";
  return kinds[step->kernel].prepare(step);
}

/* The first error of a step ends its iteration before any later step, so nothing may share a phase behind it. */
static int can_fail(const fnn_step *step) {
  return step->kernel == FNN_STEP_gather || step->kernel == FNN_STEP_scatter_add ||
         step->kernel == FNN_STEP_sparse_softmax_crossentropy ||
         step->kernel == FNN_STEP_sparse_softmax_crossentropy_gradient;
}

static int code_stores(const fnn_step *step, int32_t operand) {
  const fnn_code *code = step->code;
  for (int32_t i = 0; code != NULL && i < code->n_instructions; i++) {
    const fnn_instruction *instruction = &code->instruction[i];
    if (instruction->op == FNN_OP_store && code->view[instruction->dst].operand == operand) return 1;
  }
  return 0;
}

/* In "a b -> c ..." operand 2 is written, and those beyond it if the code stores to them; of "... -> ..." nothing but
 * the code tells. */
int fnn_step_writes(const fnn_step *step, int32_t operand) {
  const char *word = kinds[step->kernel].operands;
  int output = 0;
  if (step->kernel == FNN_STEP_host) return 1;
  for (int32_t i = 0; *word != '\0' && *word != '.';) {
    size_t length = strcspn(word, " ");
    if (*word == '-') {
      output = 1;
    } else if (i++ == operand) {
      return output || code_stores(step, operand);
    }
    word += length + (word[length] == ' ');
  }
  return code_stores(step, operand);
}

/* ---- phases --------------------------------------------------------------------------------------------------- */

static int overlap(const fnn_operand *a, const fnn_operand *b) {
  return a->base == b->base && a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

static int depends(const fnn_step *later, const fnn_step *earlier) {
  for (int32_t i = 0; i < later->n_operands; i++) {
    for (int32_t j = 0; j < earlier->n_operands; j++) {
      if (overlap(&later->operand[i], &earlier->operand[j]) &&
          (fnn_step_writes(later, i) || fnn_step_writes(earlier, j))) {
        return 1;
      }
    }
  }
  return 0;
}

static int joins_phase(const fnn_step *step, const fnn_step *first, const fnn_step *end, int phase_shared) {
  if (end[-1].kernel == FNN_STEP_host || step->kernel == FNN_STEP_host) return 0;
  if (!phase_shared) return !step->shared;
  for (const fnn_step *earlier = first; earlier < end; earlier++) {
    if (can_fail(earlier) || depends(step, earlier)) return 0;
  }
  return 1;
}

void fnn_program_prepare(fnn_program *program, double share_above) {
  fnn_step *first = program->step;
  int phase_shared = 0;
  program->share_above = share_above;
  for (ptrdiff_t i = 0; i < program->n_steps; i++) {
    fnn_step *step = &program->step[i];
    step->shared = step->chunks > 1 && step->work >= share_above;
    if (i > 0 && joins_phase(step, first, step, phase_shared)) {
      step->phase = step[-1].phase;
    } else {
      step->phase = (int32_t)i;
      first = step;
      phase_shared = step->shared;
    }
  }
}

ptrdiff_t fnn_program_scratch(const fnn_program *program) {
  ptrdiff_t most = 0;
  for (ptrdiff_t i = 0; i < program->n_steps; i++) most = fnn_max(most, program->step[i].scratch_bytes);
  return fnn_multiply(fnn_add(most, 63) / 64, 64);
}

/* ---- denormals ------------------------------------------------------------------------------------------------ */

/* Arithmetic on denormal numbers takes a hundred times as long, so ours flushes them to zero; the caller's mode is
 * brought back before a run returns. */
#if defined(__x86_64__) || defined(_M_X64)
static uint64_t flush_denormals(void) {
  unsigned saved = _mm_getcsr();
  _mm_setcsr(saved | 0x8040u); /* FTZ, DAZ */
  return saved;
}
static void restore_denormals(uint64_t saved) { _mm_setcsr((unsigned)saved); }
#elif defined(__aarch64__) && !defined(_MSC_VER)
static uint64_t flush_denormals(void) {
  uint64_t saved;
  __asm__ volatile("mrs %0, fpcr" : "=r"(saved));
  __asm__ volatile("msr fpcr, %0" : : "r"(saved | (UINT64_C(1) << 24))); /* FZ */
  return saved;
}
static void restore_denormals(uint64_t saved) { __asm__ volatile("msr fpcr, %0" : : "r"(saved)); }
#elif defined(_M_ARM64)
static uint64_t flush_denormals(void) {
  uint64_t saved = (uint64_t)_ReadStatusReg(ARM64_FPCR);
  _WriteStatusReg(ARM64_FPCR, (int64_t)(saved | (UINT64_C(1) << 24)));
  return saved;
}
static void restore_denormals(uint64_t saved) { _WriteStatusReg(ARM64_FPCR, (int64_t)saved); }
#else
static uint64_t flush_denormals(void) { return 0; }
static void restore_denormals(uint64_t saved) { (void)saved; }
#endif

/* ---- one worker ----------------------------------------------------------------------------------------------- */

enum { FAILED = 1, LATE = 2 }; /* why the workers agree to stop */

/* What the members of a team see of one another; each has a cache line of its own. */
typedef struct {
  _Alignas(FNN_CACHE_LINE) atomic_ptrdiff_t taken[2]; /* units of its stretch: of this shared phase, of the next */
  ptrdiff_t error_unit;                               /* where in the phase its first error was met */
  int64_t error_value;
  int32_t error_step;
  int32_t status;
} member;

typedef struct {
  const fnn_program *program;
  fnn_run *run;
  ptrdiff_t scratch; /* bytes for each worker */
  int prologue;      /* whether something is to be copied before the first step of an iteration */
  int share_feeds;
  fnn_barrier barrier;
  member members[FNN_MAX_THREADS];
} walk;

typedef struct {
  fnn_worker kernel; /* what the kernels see */
  walk *walk;
  int index, workers;
  ptrdiff_t shares;      /* shared phases so far: the parity says which counters are in use */
  ptrdiff_t t;           /* the iteration */
  ptrdiff_t phase_begin; /* of the phase at hand */
} walker;

static int fail(walker *w, ptrdiff_t step, ptrdiff_t unit) {
  member *self = &w->walk->members[w->index];
  self->status = w->kernel.status;
  self->error_step = (int32_t)step;
  self->error_value = w->kernel.error_value;
  self->error_unit = unit;
  return FAILED;
}

static int run_chunk(walker *w, ptrdiff_t i, ptrdiff_t chunk) {
  const fnn_step *step = &w->walk->program->step[i];
  kinds[step->kernel].run(step, &w->kernel, chunk);
  return w->kernel.status;
}

/* Steps begin .. end-1, all of their chunks, in order. */
static int run_alone(walker *w, ptrdiff_t begin, ptrdiff_t end) {
  for (ptrdiff_t i = begin; i < end; i++) {
    ptrdiff_t chunks = w->walk->program->step[i].chunks;
    for (ptrdiff_t chunk = 0; chunk < chunks; chunk++) {
      if (run_chunk(w, i, chunk) != FNN_OK) return fail(w, i, chunk);
    }
  }
  return 0;
}

static int run_feed_chunk(walker *w, ptrdiff_t i, ptrdiff_t chunk) {
  w->kernel.status = fnn_feed_run(&w->walk->run->feed[i], w->t, chunk, &w->kernel.error_value);
  return w->kernel.status;
}

static int run_feeds_alone(walker *w) {
  const fnn_run *run = w->walk->run;
  for (int32_t i = 0; i < run->n_feeds; i++) {
    ptrdiff_t chunks = fnn_feed_chunks(&run->feed[i]);
    for (ptrdiff_t chunk = 0; chunk < chunks; chunk++) {
      if (run_feed_chunk(w, i, chunk) != FNN_OK) return fail(w, -1 - i, chunk);
    }
  }
  return 0;
}

/* ---- units ---------------------------------------------------------------------------------------------------- */

static ptrdiff_t step_units(const fnn_step *step) { return step->shared ? step->chunks : 1; }

static ptrdiff_t phase_end(const walk *k, ptrdiff_t begin) {
  const fnn_step *step = k->program->step;
  ptrdiff_t end = begin + 1;
  if (k->run->profile != NULL) return end;
  while (end < k->run->step_end && step[end].phase == step[begin].phase) end++;
  return end;
}

static ptrdiff_t phase_units(const fnn_step *step, ptrdiff_t begin, ptrdiff_t end) {
  ptrdiff_t units = 0;
  for (ptrdiff_t i = begin; i < end; i++) units += step_units(&step[i]);
  return units;
}

static int run_unit(walker *w, ptrdiff_t unit) {
  const fnn_step *step = w->walk->program->step;
  ptrdiff_t i = w->phase_begin, place = unit;
  while (place >= step_units(&step[i])) place -= step_units(&step[i++]);
  if (!step[i].shared) return run_alone(w, i, i + 1);
  return run_chunk(w, i, place) == FNN_OK ? 0 : fail(w, i, unit);
}

static ptrdiff_t feed_units(const fnn_run *run) {
  ptrdiff_t units = 0;
  for (int32_t i = 0; i < run->n_feeds; i++) units += fnn_feed_chunks(&run->feed[i]);
  return units;
}

static int run_feed_unit(walker *w, ptrdiff_t unit) {
  const fnn_feed *feed = w->walk->run->feed;
  ptrdiff_t i = 0, place = unit;
  while (place >= fnn_feed_chunks(&feed[i])) place -= fnn_feed_chunks(&feed[i++]);
  return run_feed_chunk(w, i, place) == FNN_OK ? 0 : fail(w, -1 - i, unit);
}

/* Takes units, first of the worker's own stretch, then of its neighbours', until none is left or one fails.  Units of a
 * stretch are taken in order and its owner stays until the end, so the first unit that can fail is always run: the
 * same error is reported whatever the number of threads. */
static int share(walker *w, ptrdiff_t units, int (*run)(walker *, ptrdiff_t)) {
  member *members = w->walk->members;
  int parity = (int)(w->shares++ & 1);
  atomic_store_explicit(&members[w->index].taken[!parity], 0, memory_order_relaxed);
  for (int i = 0; i < w->workers; i++) {
    ptrdiff_t owner = (w->index + i) % w->workers, share = units / w->workers, rest = units % w->workers;
    ptrdiff_t begin = owner * share + fnn_min(owner, rest), end = begin + share + (owner < rest);
    atomic_ptrdiff_t *taken = &members[owner].taken[parity];
    ptrdiff_t unit;
    while ((unit = begin + atomic_fetch_add_explicit(taken, 1, memory_order_relaxed)) < end) {
      if (run(w, unit)) return FAILED;
    }
  }
  return 0;
}

/* ---- iterations ----------------------------------------------------------------------------------------------- */

static void begin_iteration(walker *w, ptrdiff_t t) {
  const fnn_run *run = w->walk->run;
  w->t = t;
  w->kernel.random_step = run->random_step + (uint64_t)(t - run->first);
  for (int32_t i = 0; i < run->n_feeds; i++) w->kernel.base[run->feed[i].base] = fnn_feed_base(&run->feed[i], t);
  for (int32_t i = 0; i < run->n_drains; i++) {
    w->kernel.base[run->drain[i].base] = run->drain[i].data + t * run->drain[i].stride;
  }
  if (w->index == 0 && run->iteration_slot != NULL) {
    *run->iteration_slot = (float)(run->iteration + (t - run->first));
  }
}

static int past_deadline(const fnn_run *run) {
  return run->deadline > 0.0 && fnn_clock() > run->deadline ? LATE : 0;
}

static int run_profiled(walker *w, ptrdiff_t begin, ptrdiff_t end) {
  int stop = 0;
  for (ptrdiff_t i = begin; i < end && !stop; i++) {
    double start = fnn_clock();
    stop = run_alone(w, i, i + 1);
    w->walk->run->profile[i] += fnn_clock() - start;
  }
  return stop;
}

static int iterate_alone(walker *w, ptrdiff_t t) {
  const fnn_run *run = w->walk->run;
  begin_iteration(w, t);
  if (run->n_feeds > 0 && run_feeds_alone(w)) return FAILED;
  if ((run->profile != NULL ? run_profiled : run_alone)(w, run->step_begin, run->step_end)) return FAILED;
  return past_deadline(run);
}

static int run_phase(walker *w, ptrdiff_t begin, ptrdiff_t end) {
  const fnn_step *step = w->walk->program->step;
  if (!step[begin].shared) return w->index == 0 ? run_alone(w, begin, end) : 0;
  w->phase_begin = begin;
  return share(w, phase_units(step, begin, end), run_unit);
}

static int iterate_together(walker *w, ptrdiff_t t) {
  walk *k = w->walk;
  fnn_run *run = k->run;
  int stop = 0;
  begin_iteration(w, t);
  if (k->prologue) {
    if (k->share_feeds) {
      stop = share(w, feed_units(run), run_feed_unit);
    } else if (w->index == 0) {
      stop = run_feeds_alone(w);
    }
    stop = fnn_barrier_wait(&k->barrier, w->workers, stop);
  }
  for (ptrdiff_t begin = run->step_begin, end; begin < run->step_end && !stop; begin = end) {
    double start = run->profile != NULL ? fnn_clock() : 0.0;
    end = phase_end(k, begin);
    stop = run_phase(w, begin, end);
    if (end == run->step_end && w->index == 0) stop |= past_deadline(run);
    stop = fnn_barrier_wait(&k->barrier, w->workers, stop);
    if (run->profile != NULL && w->index == 0) run->profile[begin] += fnn_clock() - start;
  }
  return stop;
}

static void work(void *context, int index, int workers) {
  walk *k = context;
  fnn_run *run = k->run;
  walker w = {.walk = k, .index = index, .workers = workers};
  int (*iterate)(walker *, ptrdiff_t) = workers == 1 ? iterate_alone : iterate_together;
  uint64_t saved = flush_denormals();
  memcpy(w.kernel.base, run->base, (size_t)k->program->n_bases * sizeof run->base[0]);
  w.kernel.scratch = run->scratch + index * k->scratch;
  w.kernel.random_seed = run->random_seed;
  for (ptrdiff_t t = run->first; t < run->first + run->count; t++) {
    int stop = iterate(&w, t);
    if (index == 0 && !(stop & FAILED)) run->done = t - run->first + 1;
    if (stop) break;
  }
  restore_denormals(saved);
}

/* ---- runs ----------------------------------------------------------------------------------------------------- */

/* As many threads as have something to do in the widest phase. */
static int useful_threads(const walk *k) {
  const fnn_run *run = k->run;
  ptrdiff_t widest = 1;
  for (ptrdiff_t begin = run->step_begin, end; run->threads > 1 && begin < run->step_end; begin = end) {
    end = phase_end(k, begin);
    if (k->program->step[begin].shared) widest = fnn_max(widest, phase_units(k->program->step, begin, end));
  }
  return (int)fnn_min(fnn_min(widest, run->threads), FNN_MAX_THREADS);
}

static int report(walk *k, int threads) {
  const member *first = NULL;
  for (int i = 0; i < threads; i++) {
    const member *m = &k->members[i];
    if (m->status != FNN_OK && (first == NULL || m->error_unit < first->error_unit)) first = m;
  }
  if (first == NULL) return FNN_OK;
  k->run->error_step = first->error_step;
  k->run->error_value = first->error_value;
  return first->status;
}

int fnn_program_run(const fnn_program *program, fnn_run *run) {
  walk k;
  k.program = program;
  k.run = run;
  k.scratch = fnn_program_scratch(program);
  k.prologue = run->iteration_slot != NULL;
  k.share_feeds = 0;
  for (int32_t i = 0; i < run->n_feeds; i++) {
    double cost = fnn_feed_work(&run->feed[i]);
    k.prologue |= cost > 0.0;
    k.share_feeds |= cost >= program->share_above;
  }
  run->done = 0;
  int threads = useful_threads(&k);
  memset(&k.barrier, 0, sizeof k.barrier);
  memset(k.members, 0, (size_t)threads * sizeof k.members[0]);
  fnn_team_run(threads, work, &k);
  return report(&k, threads);
}
