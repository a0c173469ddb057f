/* elementwise.c: steps that are elementwise code alone (an epilogue to nothing), and the checks for code anywhere. */
#include "bytecode.h"
#include "epilogue.h"

enum { CHUNK = 8192 }; /* elements: some microseconds of work, whole blocks */

#define FNN_OP(name, arity, expression) arity,
static const uint8_t arities[FNN_OPCODES] = {
#include "opcodes.def"
};
#undef FNN_OP

/* Elements of its operand that a view needs while the flat index runs over [0, count); -1 if it makes no sense. */
static ptrdiff_t view_extent(const fnn_view *v, ptrdiff_t count) {
  if (count == 0) return 0;
  switch (v->kind) {
    case FNN_VIEW_CONTIGUOUS: return count;
    case FNN_VIEW_SCALAR: return 1;
    case FNN_VIEW_ROW: return v->period < 1 ? -1 : fnn_min(v->period, count);
    case FNN_VIEW_COLUMN: return v->period < 1 ? -1 : fnn_ceil_div(count, v->period);
    case FNN_VIEW_STRIDED: break;
    case FNN_VIEW_PIECE: return 0; /* fnn_elementwise_reduce_prepare checks it */
    default: return -1;
  }
  if (v->rank < 1 || v->rank > FNN_MAX_RANK || fnn_product(v->shape, (size_t)v->rank) != count) return -1;
  ptrdiff_t extent = 1;
  for (int axis = 0; axis < v->rank; axis++) {
    extent = fnn_add(extent, fnn_multiply(v->shape[axis] - 1, v->stride[axis]));
  }
  return extent;
}

/* Backwards over the code: which registers are read later?  Leaves the masks in the stores. */
static void mark_dead(const fnn_code *code) {
  unsigned needed = 0;
  for (int32_t i = code->n_instructions - 1; i >= 0; i--) {
    fnn_instruction *in = &code->instruction[i];
    if (in->op == FNN_OP_store) {
      in->b = (uint8_t)~needed;
      in->c = (uint8_t)(~needed >> 8);
      needed |= 1u << in->a;
      continue;
    }
    needed &= ~(1u << in->dst);
    if (arities[in->op] > 0) needed |= 1u << in->a;
    if (arities[in->op] > 1) needed |= 1u << in->b;
    if (arities[in->op] > 2) needed |= 1u << in->c;
  }
}

const char *fnn_code_prepare(const fnn_step *step, ptrdiff_t count) {
  const fnn_code *code = step->code;
  if (code->count != count) return "the elementwise code runs over another number of elements than the step";
  for (int32_t i = 0; i < code->n_views; i++) {
    const fnn_view *v = &code->view[i];
    if (v->operand < 0 || !fnn_holds(step, v->operand, view_extent(v, count))) {
      return "a view reaches outside its operand";
    }
    if (v->kind == FNN_VIEW_PIECE && (step->kernel != FNN_STEP_elementwise_reduce || v->integer)) {
      return "only float values of a step that reduces them go to a piece";
    }
  }
  for (int32_t i = 0; i < code->n_instructions; i++) {
    if (code->instruction[i].op == FNN_OP_random_uniform && (uint64_t)count > (uint64_t)1 << 34) {
      return "a random stream has 2^34 elements";
    }
  }
  mark_dead(code);
  return NULL;
}

double fnn_code_work(const fnn_code *code) {
  double work = 0;
  for (int32_t i = 0; i < code->n_instructions; i++) {
    int op = code->instruction[i].op;
    if (op == FNN_OP_power) {
      work += 2.0;
    } else if (op == FNN_OP_random_uniform || (op >= FNN_OP_exp && op <= FNN_OP_cos)) {
      work += 0.4;
    } else {
      work += 0.05;
    }
  }
  return work;
}

const char *fnn_elementwise_prepare(fnn_step *step) {
  ptrdiff_t count = ((const fnn_elementwise_dims *)step->dim)->count;
  if (step->code == NULL) return "elementwise: no code";
  if (count < 0) return "elementwise: negative size";
  if (!fnn_epilogue_fits(step, count)) return "elementwise: the code does not run over the output";
  step->chunks = fnn_ceil_div(count, CHUNK);
  step->scratch_bytes = 0;
  step->work = (double)count * fnn_code_work(step->code);
  return NULL;
}

void fnn_elementwise_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  ptrdiff_t begin = chunk * CHUNK;
  fnn_epilogue(step, worker, begin, fnn_min(begin + CHUNK, step->code->count));
}
