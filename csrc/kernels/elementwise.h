/* elementwise.h: the interpreter of the elementwise bytecode.
 *
 * The flat range is walked in blocks of FNN_BLOCK elements, so that all registers stay in the first-level cache; in
 * each block every instruction runs one loop over vectors.  The values of a register are in its own buffer or, where
 * nothing needs to move, in an operand's memory:
 *   - a load of whole vectors of contiguous floats only says where they are;
 *   - arithmetic whose result the next instruction stores writes straight to the output.
 * A block leaves a list of its loops, and if the next one differs in its place alone, as most do, that list is run again
 * with the places moved on: instructions are looked at for the first blocks and the last of a range.
 * A block that ends inside a vector is loaded into the buffers, which have room for whole vectors; nothing is ever
 * read or written outside the range.
 *
 * An output may be the memory of an input (same index, same element).  Before a store, registers that still point to
 * that memory move to their buffers, unless the store's mask says that nothing reads them any more. */
#ifndef FNN_KERNELS_ELEMENTWISE_H
#define FNN_KERNELS_ELEMENTWISE_H

#include <string.h>

#include "../bytecode.h"

enum {
  /* Room for groups of random numbers and for vectors that run over the end.  21 cache lines do not divide a page, so
   * that registers do not compete for the same cache sets. */
  EW_ROOM = FNN_BLOCK + FNN_RANDOM_GROUP + 16,
  EW_PLACES = 32, /* in operands, and */
  EW_LOOPS = 64   /* loops of a block that can be run again */
};

/* A function for each opcode: out[i] = op(a[i], b[i], c[i]) for i < count, by whole vectors; if unary, of a alone. */
typedef void (*ew_function)(float *out, const float *a, const float *b, const float *c, ptrdiff_t count);

/* One loop over a block. */
typedef struct ew_loop {
  ew_function function;
  float *const *out, *const *a, *const *b, *const *c;
} ew_loop;

/* Where the block lies in a row: at its end it begins again.  In other operands there is no end. */
typedef struct ew_row_place {
  ptrdiff_t period;
  const float *end;
} ew_row_place;

typedef struct ew_state {
  const fnn_code *code;
  char *const *operand;
  const fnn_worker *worker;
  ptrdiff_t first;                             /* of the whole range */
  ptrdiff_t begin, count, padded;              /* the block, and count rounded up to whole vectors */
  unsigned borrowed;                           /* registers whose values are in an operand */
  float *const *value[FNN_REGISTERS];          /* where the values are: in own or place */
  float *own[FNN_REGISTERS];                   /* the buffers */
  float *place[EW_PLACES + 2 * FNN_REGISTERS]; /* in operands; behind EW_PLACES for a block that has too many */
  ew_row_place row[EW_PLACES];
  const fnn_instruction *again[EW_PLACES]; /* loads that fill a buffer anew for each block */
  ew_loop loop[EW_LOOPS];
  int places, fills, loops, alike; /* alike: the next block, if whole, needs these loops and nothing else */
  /* The instruction that filled a buffer, and for a row the place in it: what every block needs is filled only once. */
  const fnn_instruction *origin[FNN_REGISTERS];
  ptrdiff_t phase[FNN_REGISTERS];
  _Alignas(64) float buffer[FNN_REGISTERS][EW_ROOM];
} ew_state;

/* One vector and one jump at a time, these loops take twice as long from the first-level cache. */
#if defined(__clang__)
#define EW_UNROLL _Pragma("unroll(4)")
#elif defined(__GNUC__)
#define EW_UNROLL _Pragma("GCC unroll 4")
#else
#define EW_UNROLL
#endif

/* ---- a function for each opcode ------------------------------------------------------------------------------- */

#define EW_LOADS_1 vf a = vf_load(pa + i);
#define EW_LOADS_2 EW_LOADS_1 vf b = vf_load(pb + i);
#define EW_LOADS_3 EW_LOADS_2 vf c = vf_load(pc + i);
#define EW_DEFINE(name, loads, expression)                                                                \
  static void ew_##name(float *out, const float *pa, const float *pb, const float *pc, ptrdiff_t count) { \
    (void)pb, (void)pc;                                                                                   \
    EW_UNROLL for (ptrdiff_t i = 0; i < count; i += FNN_LANES) { loads vf_store(out + i, expression); }   \
  }
#define EW_DEFINE_0(name, expression)
#define EW_DEFINE_1(name, expression) EW_DEFINE(name, EW_LOADS_1, expression)
#define EW_DEFINE_2(name, expression) EW_DEFINE(name, EW_LOADS_2, expression)
#define EW_DEFINE_3(name, expression) EW_DEFINE(name, EW_LOADS_3, expression)
#define FNN_OP(name, arity, expression) EW_DEFINE_##arity(name, expression)
#include "../opcodes.def"
#undef FNN_OP

#define EW_ENTRY_0(name) NULL
#define EW_ENTRY_1(name) ew_##name
#define EW_ENTRY_2(name) ew_##name
#define EW_ENTRY_3(name) ew_##name
#define FNN_OP(name, arity, expression) [FNN_OP_##name] = EW_ENTRY_##arity(name),
static const ew_function ew_functions[FNN_OPCODES] = {
#include "../opcodes.def"
};
#undef FNN_OP

/* ---- filling buffers: the last vector may run over the end of out, never of x ---------------------------------- */

static void ew_copy(float *out, const float *x, ptrdiff_t count) {
  ptrdiff_t i = 0;
  for (; i + FNN_LANES <= count; i += FNN_LANES) vf_store(out + i, vf_load(x + i));
  if (i < count) vf_store(out + i, vf_load_first(x + i, count - i));
}

static void ew_move(float *out, const float *x, const float *b, const float *c, ptrdiff_t count) {
  (void)b, (void)c;
  ew_copy(out, x, count);
}

static void ew_broadcast(float *out, float x, ptrdiff_t count) {
  vf v = vf_set1(x);
  for (ptrdiff_t i = 0; i < count; i += FNN_LANES) vf_store(out + i, v);
}

/* out[i] = x[(phase + i) % period]: one period, then by doubling */
static void ew_row(float *out, const float *x, ptrdiff_t period, ptrdiff_t phase, ptrdiff_t count) {
  ptrdiff_t filled = fnn_min(period - phase, count);
  ew_copy(out, x + phase, filled);
  if (filled == count) return;
  ptrdiff_t rest = fnn_min(phase, count - filled);
  ew_copy(out + filled, x, rest);
  filled += rest;
  for (ptrdiff_t n; filled < count; filled += n) {
    n = fnn_min(filled, count - filled);
    ew_copy(out + filled, out, n);
  }
}

/* out[i] = x[(phase + i) / period] */
static void ew_column(float *out, const float *x, ptrdiff_t period, ptrdiff_t phase, ptrdiff_t count) {
  ptrdiff_t run = fnn_min(period - phase, count);
  for (ptrdiff_t i = 0; i < count; i += run, run = fnn_min(period, count - i)) ew_broadcast(out + i, *x++, run);
}

/* An odometer: divisions for its first place only. */
static void ew_strided(float *out, const float *x, const fnn_view *v, ptrdiff_t begin, ptrdiff_t count) {
  ptrdiff_t index[FNN_MAX_RANK], at = 0;
  int inner = v->rank - 1;
  for (int axis = inner; axis >= 0; axis--) {
    index[axis] = begin % v->shape[axis];
    begin /= v->shape[axis];
    at += index[axis] * v->stride[axis];
  }
  const ptrdiff_t step = v->stride[inner];
  for (ptrdiff_t i = 0, run; i < count; i += run) {
    run = fnn_min(v->shape[inner] - index[inner], count - i);
    if (step == 1) {
      ew_copy(out + i, x + at, run);
    } else if (step == 0) {
      ew_broadcast(out + i, x[at], run);
    } else {
      for (ptrdiff_t j = 0; j < run; j++) out[i + j] = x[at + j * step];
    }
    index[inner] += run;
    at += run * step;
    for (int axis = inner; axis > 0 && index[axis] == v->shape[axis]; axis--) {
      index[axis] = 0;
      index[axis - 1]++;
      at += v->stride[axis - 1] - v->shape[axis] * v->stride[axis];
    }
  }
}

/* ---- plumbing ------------------------------------------------------------------------------------------------- */

/* The values of register r are in an operand's memory. */
FNN_INLINE float *const *ew_borrow(ew_state *s, int r, float *memory, ew_row_place row) {
  int k = EW_PLACES + 2 * r; /* or the one beside it, if the instruction reads what was in r */
  if (s->places < EW_PLACES) {
    k = s->places++;
    s->row[k] = row;
  } else {
    k += s->value[r] == &s->place[k];
    s->alike = 0;
  }
  s->place[k] = memory;
  s->value[r] = &s->place[k];
  s->borrowed |= 1u << r;
  return &s->place[k];
}

FNN_INLINE float *ew_own(ew_state *s, int r) {
  s->value[r] = &s->own[r];
  s->borrowed &= ~(1u << r);
  s->origin[r] = NULL;
  return s->buffer[r];
}

/* Whether the buffer of in->dst holds this already; if not it shall. */
FNN_INLINE int ew_kept(ew_state *s, const fnn_instruction *in, ptrdiff_t phase) {
  int r = in->dst, kept = s->origin[r] == in && s->phase[r] == phase;
  ew_own(s, r);
  s->alike &= kept;
  s->origin[r] = in;
  s->phase[r] = phase;
  return kept;
}

/* For rows: whether each block of whole vectors finds them alike, or lies between their ends. */
FNN_INLINE int ew_row_alike(ptrdiff_t period, ptrdiff_t phase) {
  return FNN_BLOCK % period == 0 || (period % FNN_BLOCK == 0 && phase % FNN_BLOCK == 0);
}

static void ew_load(ew_state *s, const fnn_instruction *in) {
  const fnn_view *v = &s->code->view[in->a];
  float *x = (float *)s->operand[v->operand]; /* integers are only moved as if they were floats */
  ptrdiff_t phase = 0, row = 0;
  if (v->kind == FNN_VIEW_CONTIGUOUS) {
    phase = s->begin;
  } else if (v->kind == FNN_VIEW_ROW || v->kind == FNN_VIEW_COLUMN) {
    row = s->begin / v->period;
    phase = s->begin - row * v->period;
  }
  if (v->kind == FNN_VIEW_ROW) s->alike &= ew_row_alike(v->period, phase);
  int adjacent = v->kind == FNN_VIEW_CONTIGUOUS || (v->kind == FNN_VIEW_ROW && s->count <= v->period - phase);
  if (adjacent && s->count == s->padded && !v->integer) {
    ew_row_place ends = {v->period, v->kind == FNN_VIEW_ROW ? x + v->period : NULL};
    ew_borrow(s, in->dst, x + phase, ends);
    return;
  }
  float *out = s->buffer[in->dst];
  if (v->kind == FNN_VIEW_SCALAR || v->kind == FNN_VIEW_ROW) {
    if (ew_kept(s, in, phase)) return;
  } else {
    ew_own(s, in->dst);
    if (s->loops == 0 && s->fills < EW_PLACES) {
      s->again[s->fills++] = in;
    } else {
      s->alike = 0; /* the buffer may be in use before */
    }
  }
  vf_store(out + s->padded - FNN_LANES, vf_zero());
  switch (v->kind) {
    case FNN_VIEW_CONTIGUOUS: ew_copy(out, x + phase, s->count); break;
    case FNN_VIEW_SCALAR: ew_broadcast(out, *x, s->count); break;
    case FNN_VIEW_ROW: ew_row(out, x, v->period, phase, s->count); break;
    case FNN_VIEW_COLUMN: ew_column(out, x + row, v->period, phase, s->count); break;
    default: ew_strided(out, x, v, s->begin, s->count);
  }
  if (!v->integer) return;
  for (ptrdiff_t i = 0; i < s->padded; i += FNN_LANES) vf_store(out + i, vi_to_vf(vf_bits(vf_load(out + i))));
}

/* Registers other than `except` that point to memory which is about to be overwritten, and are needed, move away. */
FNN_INLINE void ew_save(ew_state *s, const fnn_instruction *store, const float *memory, int except) {
  unsigned candidates = s->borrowed & ~fnn_code_dead(store) & ~(1u << except);
  for (int r = 0; candidates >> r; r++) {
    if ((candidates >> r & 1u) && *s->value[r] == memory) {
      ew_copy(ew_own(s, r), memory, s->padded);
      s->alike = 0;
    }
  }
}

FNN_INLINE float *ew_output(const ew_state *s, const fnn_instruction *store) {
  const fnn_view *v = &s->code->view[store->dst];
  return (float *)s->operand[v->operand] + (v->kind == FNN_VIEW_PIECE ? s->begin - s->first : s->begin);
}

/* One loop over the block, to be run again for the next. */
FNN_INLINE void ew_run(ew_state *s, ew_loop loop) {
  loop.function(*loop.out, *loop.a, *loop.b, *loop.c, s->padded);
  if (s->loops < EW_LOOPS) {
    s->loop[s->loops++] = loop;
  } else {
    s->alike = 0;
  }
}

/* Whether the block of a store is whole vectors of floats. */
FNN_INLINE int ew_plain(const ew_state *s, const fnn_instruction *store) {
  return s->count == s->padded && !s->code->view[store->dst].integer;
}

static void ew_store(ew_state *s, const fnn_instruction *in) {
  float *const *value = s->value[in->a];
  const float *x = *value;
  float *out = ew_output(s, in);
  const int plain = ew_plain(s, in);
  ptrdiff_t i = 0, rest = s->count % FNN_LANES, whole = s->count - rest;
  ew_save(s, in, out, s->code->view[in->dst].integer ? FNN_REGISTERS : in->a);
  s->alike &= plain;
  if (plain) {
    ew_run(s, (ew_loop){ew_move, ew_borrow(s, in->a, out, (ew_row_place){0, NULL}), value, value, value});
  } else if (s->code->view[in->dst].integer) {
    int32_t *integers = (int32_t *)out;
    for (; i < whole; i += FNN_LANES) vi_store(integers + i, vf_trunc_to_vi(vf_load(x + i)));
    if (rest) vi_store_first(integers + i, vf_trunc_to_vi(vf_load(x + i)), rest);
  } else {
    for (; i < whole; i += FNN_LANES) vf_store(out + i, vf_load(x + i));
    vf_store_first(out + i, vf_load(x + i), rest);
  }
}

static void ew_random(ew_state *s, const fnn_instruction *in) {
  fnn_random random = random_of(s->worker, in->stream);
  float *out = ew_own(s, in->dst);
  ptrdiff_t skip = s->begin % FNN_RANDOM_GROUP;
  random_uniform(&random, s->begin - skip, skip + s->padded, out);
  ew_borrow(s, in->dst, out + skip, (ew_row_place){0, NULL}); /* its own buffer, but not from the start on */
  s->alike = 0;
}

/* Arithmetic; returns the last instruction done, which is the store that follows if the two became one. */
FNN_INLINE const fnn_instruction *ew_arithmetic(ew_state *s, const fnn_instruction *in, const fnn_instruction *last) {
  const fnn_instruction *next = in + 1;
  ew_loop loop = {ew_functions[in->op], &s->own[in->dst], s->value[in->a], s->value[in->b], s->value[in->c]};
  if (next < last && next->op == FNN_OP_store && next->a == in->dst && ew_plain(s, next)) {
    float *out = ew_output(s, next);
    ew_save(s, next, out, in->dst);
    loop.out = ew_borrow(s, in->dst, out, (ew_row_place){0, NULL});
    ew_run(s, loop);
    return next;
  }
  ew_own(s, in->dst);
  ew_run(s, loop);
  return in;
}

static void ew_block(ew_state *s) {
  const fnn_instruction *in = s->code->instruction, *last = in + s->code->n_instructions;
  s->places = s->fills = s->loops = 0;
  s->alike = s->count == FNN_BLOCK;
  for (; in < last; in++) {
    switch (in->op) {
      case FNN_OP_load: ew_load(s, in); break;
      case FNN_OP_store: ew_store(s, in); break;
      case FNN_OP_constant:
        if (!ew_kept(s, in, 0)) ew_broadcast(s->buffer[in->dst], in->immediate, s->padded);
        break;
      case FNN_OP_random_uniform: ew_random(s, in); break;
      default: in = ew_arithmetic(s, in, last);
    }
  }
}

/* The block behind one that it is alike to. */
static void ew_next_block(ew_state *s) {
  const int loops = s->loops, fills = s->fills;
  for (int k = 0; k < s->places; k++) {
    s->place[k] += FNN_BLOCK;
    if (s->place[k] == s->row[k].end) s->place[k] -= s->row[k].period;
  }
  s->loops = s->fills = 0; /* as loads find them */
  for (int k = 0; k < fills; k++) ew_load(s, s->again[k]);
  s->loops = loops;
  for (const ew_loop *loop = s->loop, *end = loop + loops; loop < end; loop++) {
    loop->function(*loop->out, *loop->a, *loop->b, *loop->c, FNN_BLOCK);
  }
}

/* code(i) for begin <= i < end; operand[j]: the memory of the step's operand j, or the room for the range's piece. */
static void elementwise_run(const fnn_code *code, char *const *operand, ptrdiff_t begin, ptrdiff_t end,
                            const fnn_worker *worker) {
  ew_state s;
  s.code = code;
  s.operand = operand;
  s.worker = worker;
  s.first = begin;
  s.borrowed = 0;
  s.alike = 0;
  for (int r = 0; r < FNN_REGISTERS; r++) {
    s.origin[r] = NULL;
    s.own[r] = s.buffer[r];
    s.value[r] = &s.own[r];
  }
  for (s.begin = begin; s.begin < end; s.begin += FNN_BLOCK) {
    if (s.alike && end - s.begin >= FNN_BLOCK) {
      ew_next_block(&s);
      continue;
    }
    s.count = fnn_min(FNN_BLOCK, end - s.begin);
    s.padded = (s.count + FNN_LANES - 1) / FNN_LANES * FNN_LANES;
    ew_block(&s);
  }
}

#endif
