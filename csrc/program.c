/* program.c: what is decided when a program is made: whether its steps are right, and which of them fall into one phase. */
#include "program.h"

#include <string.h>

#include "bytecode.h"
#include "step.h"

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
  const char *complaint = NULL;
  if (step->kernel < 0 || step->kernel >= FNN_STEPS) return "unknown kernel";
  if (step->code != NULL) complaint = fnn_code_prepare(step, step->code->count);
  return complaint != NULL ? complaint : kinds[step->kernel].prepare(step);
}

void fnn_step_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  kinds[step->kernel].run(step, worker, chunk);
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

enum { MAX_UNITS = 1 << 30 }; /* of one phase: their number must fit in 32 bits */

static int joins_phase(const fnn_step *step, const fnn_step *first, const fnn_step *end, int phase_shared) {
  ptrdiff_t units = fnn_step_units(step);
  if (end[-1].kernel == FNN_STEP_host || step->kernel == FNN_STEP_host) return 0;
  if (!phase_shared) return !step->shared;
  for (const fnn_step *earlier = first; earlier < end; earlier++) {
    units += fnn_step_units(earlier);
    if (can_fail(earlier) || depends(step, earlier)) return 0;
  }
  return units < MAX_UNITS;
}

void fnn_program_prepare(fnn_program *program, double share_above) {
  fnn_step *first = program->step;
  int phase_shared = 0;
  program->share_above = share_above;
  for (ptrdiff_t i = 0; i < program->n_steps; i++) {
    fnn_step *step = &program->step[i];
    step->shared = step->chunks > 1 && step->chunks < MAX_UNITS && step->work >= share_above;
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
