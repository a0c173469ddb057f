/* fnn.h: the public C contract of fastnn.  The only header the Cython binding includes.
 *
 * A *program* is a flat list of *steps*.  A step is one kernel with its operands (places in memory), its sizes, and,
 * where elementwise work follows or is the work, a small bytecode.  engine.c walks a program with a team of threads.
 *
 * Dimension letters, everywhere in csrc/, ops/ and the binding:
 *   n batch   h w c input height, width, channels   p q f output height, width, channels   r s window height, width
 *   m n k     matrix product: (m x k) times (k x n)
 *   n t       recurrent layers: sequences, elements of each
 * Images are NHWC, convolution kernels (r, s, c, f), all arrays C-contiguous.  Sizes are ptrdiff_t, in elements.
 *
 * Elements are 4 bytes: float32, int32, and bool held as the float32 values 0 and 1.  Where bytes do (the winners of a
 * max-pool), one int32 element holds four.
 *
 * Work is cut into *chunks* by the shape alone, never by the number of threads, and partial sums are added in index
 * order: any number of threads gives the same bits.
 */
#ifndef FNN_H
#define FNN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  FNN_MAX_OPERANDS = 24, /* inputs and outputs of one step */
  FNN_MAX_DIMS = 32,     /* sizes of one step */
  FNN_MAX_RANK = 6,      /* axes of a strided view, after neighbouring axes are merged */
  FNN_MAX_BASES = 256,   /* blocks of memory one program refers to */
  FNN_REGISTERS = 16,    /* virtual registers of the elementwise bytecode */
  FNN_BLOCK = 256,       /* elements in one virtual register */
  FNN_MAX_THREADS = 256  /* in one team */
};

/* What a run reports.  Everything but FNN_OK leaves the program usable. */
enum {
  FNN_OK = 0,
  FNN_ENOMEM = 1, /* a workspace could not be allocated */
  FNN_EINDEX = 2  /* a label or row index lies outside its table; run->error_step, run->error_value say which */
};

/* A place in memory: bases[base] + offset, `bytes` long.  Bases are bound for every run, so one program serves many
 * threads, each with its own arena. */
typedef struct fnn_operand {
  int32_t base;
  ptrdiff_t offset; /* bytes */
  ptrdiff_t bytes;
} fnn_operand;

/* ---- the elementwise bytecode --------------------------------------------------------------------------------- */

/* How an operand is read while the flat index i runs over the output elements. */
typedef enum {
  FNN_VIEW_CONTIGUOUS = 0, /* x[i] */
  FNN_VIEW_SCALAR = 1,     /* x[0] */
  FNN_VIEW_ROW = 2,        /* x[i % period]: a bias over channels */
  FNN_VIEW_COLUMN = 3,     /* x[i / period]: one value for each row */
  FNN_VIEW_STRIDED = 4,    /* general broadcasting: shape and strides below */
  FNN_VIEW_PIECE = 5       /* for stores of elementwise_reduce: what is reduced into the operand; its only view */
} fnn_view_kind;

typedef struct fnn_view {
  int32_t operand; /* index into step->operand */
  int32_t kind;    /* fnn_view_kind */
  int32_t integer; /* 1: the operand holds int32; converted to float32 on load, back (truncated) on store */
  int32_t rank;
  ptrdiff_t period;
  ptrdiff_t shape[FNN_MAX_RANK];  /* FNN_VIEW_STRIDED: shape of the output the flat index runs over */
  ptrdiff_t stride[FNN_MAX_RANK]; /* in elements; 0 repeats */
} fnn_view;

/* One instruction: registers dst <- op(a, b, c).  `load` reads view a; `store` writes register a to view dst (always
 * FNN_VIEW_CONTIGUOUS or FNN_VIEW_PIECE); `constant` fills dst with immediate; `random_uniform` fills dst with numbers
 * in [0, 1) from Philox(seed, step, stream, element index). */
typedef struct fnn_instruction {
  uint8_t op; /* enum fnn_opcode, from opcodes.def */
  uint8_t dst, a, b, c;
  union {
    float immediate;
    uint32_t stream;
  };
} fnn_instruction;

typedef struct fnn_code {
  ptrdiff_t count; /* elements of the output: the flat index runs over [0, count) */
  int32_t n_views, n_instructions;
  fnn_view *view;
  fnn_instruction *instruction;
} fnn_code;

#define FNN_OP(name, arity, expression) FNN_OP_##name,
typedef enum {
#include "opcodes.def"
  FNN_OPCODES
} fnn_opcode;
#undef FNN_OP

/* ---- steps ---------------------------------------------------------------------------------------------------- */

typedef struct fnn_step fnn_step;
typedef struct fnn_worker fnn_worker;

struct fnn_step {
  int32_t kernel; /* enum fnn_step_kind, from steps.def */
  int32_t n_operands;
  fnn_operand operand[FNN_MAX_OPERANDS]; /* inputs, then outputs, in the order of steps.def */
  ptrdiff_t dim[FNN_MAX_DIMS];           /* in the order of steps.def; read through the struct fnn_<kernel>_dims */
  fnn_code *code;                        /* the elementwise step's own code, or an epilogue over the output, or NULL */
  /* filled by fnn_step_prepare */
  ptrdiff_t chunks;        /* independent pieces of work, >= 0 */
  ptrdiff_t scratch_bytes; /* needed by each worker while it runs a chunk */
  double work;             /* rough cost in nanoseconds on one thread: below a threshold a step is not shared */
  /* filled by fnn_program_prepare */
  int32_t shared; /* 1: its chunks are shared by the team */
  int32_t phase;  /* neighbours of the same phase run without a barrier between them */
};

/* What a kernel sees of the run it is part of.  One for each thread of the team. */
struct fnn_worker {
  char *base[FNN_MAX_BASES];
  char *scratch;        /* 64-byte aligned, the largest scratch_bytes of the program */
  uint64_t random_seed; /* Philox key */
  uint64_t random_step; /* Philox counter, high part */
  int32_t status;       /* FNN_OK, or the first error this worker met */
  int32_t error_step;
  int64_t error_value;
};

/* X-macro over steps.def: one struct of sizes for each kernel, and one enum constant. */
#define FNN_STEP(name, operands, ...) \
  typedef struct {                    \
    ptrdiff_t __VA_ARGS__;            \
  } fnn_##name##_dims;
#include "steps.def"
#undef FNN_STEP

#define FNN_STEP(name, operands, ...) FNN_STEP_##name,
typedef enum {
#include "steps.def"
  FNN_STEPS
} fnn_step_kind;
#undef FNN_STEP

/* Checks sizes against operand bytes (with overflow checks), fills chunks, scratch_bytes, work.
 * Returns NULL, or a static sentence saying what is wrong. */
const char *fnn_step_prepare(fnn_step *step);

/* ---- programs ------------------------------------------------------------------------------------------------- */

typedef struct fnn_program {
  ptrdiff_t n_steps;
  fnn_step *step;
  int32_t n_bases;
  double share_above; /* filled by fnn_program_prepare */
} fnn_program;

/* Source types of a feed: what a user's array may hold. */
typedef enum { FNN_F32, FNN_F64, FNN_U8, FNN_I8, FNN_I16, FNN_U16, FNN_I32, FNN_U32, FNN_I64, FNN_BOOL } fnn_dtype;

/* Rows of a user's array that enter the program at every iteration t: rows t*batch .. t*batch+batch-1 of `data`, or,
 * with an index, rows index[t*batch .. ].  Converted to float32 (or int32 when `integer`) on the way. Without an index,
 * and where no conversion is needed, base[base] points into the user's array and nothing is copied. */
typedef struct fnn_feed {
  int32_t base;    /* the program's base that receives the rows */
  int32_t dtype;   /* fnn_dtype of data */
  int32_t integer; /* 1: the program wants int32 */
  const char *data;
  const int64_t *index; /* NULL: rows in order */
  ptrdiff_t rows;       /* rows in data: each index is checked against it */
  ptrdiff_t batch;      /* rows for each iteration */
  ptrdiff_t row;        /* elements in one row */
  char *staging;        /* fnn_feed_staging bytes */
} fnn_feed;

ptrdiff_t fnn_feed_staging(const fnn_feed *feed); /* two batches when rows must be gathered or converted, else 0 */

/* A program output written straight into the user's array: base[base] = data + t*stride at iteration t. */
typedef struct fnn_drain {
  int32_t base;
  char *data;
  ptrdiff_t stride;
} fnn_drain;

typedef struct fnn_run {
  char *base[FNN_MAX_BASES]; /* arena, parameters, state, ...; feeds and drains overwrite theirs */
  int32_t n_feeds, n_drains;
  fnn_feed *feed;
  fnn_drain *drain;
  ptrdiff_t first, count;            /* iterations t = first .. first+count-1 */
  ptrdiff_t step_begin, step_end;    /* the part of the program to walk (0, n_steps, unless host steps cut it) */
  float *iteration_slot;             /* receives (float)(iteration + t - first) before each iteration, or NULL */
  int64_t iteration;                 /* the optimiser's count before the first iteration of this run */
  uint64_t random_seed, random_step; /* random_step + t - first is the Philox step of iteration t */
  int32_t threads;
  double deadline; /* seconds on fnn_clock(); after it no second or later iteration is begun.  0: none */
  char *scratch;   /* threads * fnn_program_scratch(program), 64-byte aligned */
  /* out */
  ptrdiff_t done;     /* iterations completed */
  int32_t error_step; /* or -1 - i for the index of feed i */
  int64_t error_value;
  double *profile; /* n_steps seconds added up by thread 0 with a barrier around each step, or NULL */
} fnn_run;

/* Decides, once its steps are prepared, which steps of the program are shared (those with several chunks and at least
 * share_above nanoseconds of work) and where the team has to wait. */
void fnn_program_prepare(fnn_program *program, double share_above);
int fnn_step_writes(const fnn_step *step, int32_t operand); /* whether the step may write this operand */
ptrdiff_t fnn_program_scratch(const fnn_program *program);  /* bytes for each worker, rounded up to 64 */
int fnn_program_run(const fnn_program *program, fnn_run *run);

/* ---- the machine ---------------------------------------------------------------------------------------------- */

double fnn_clock(void);                            /* seconds, monotonic */
void fnn_use_huge_pages(void *data, size_t bytes); /* asks for them, where the system can: faster to touch first */
int fnn_isa_count(void);                           /* rows of isa.def that were built */
const char *fnn_isa_name(int i);                   /* best last */
int fnn_isa_supported(int i);                      /* CPU and operating system */
int fnn_isa_select(const char *name);              /* NULL: the best; returns 0, or -1 if unknown or unsupported */
const char *fnn_isa_selected(void);
int fnn_isa_lanes(void);                 /* floats in a vector of the selected ISA */
const char *fnn_compiler(void);          /* name and version */
int fnn_openmp(void);                    /* 1 when built with OpenMP */
int fnn_openmp_max_threads(void);        /* what OMP_NUM_THREADS and threadpoolctl ask for; 1 without OpenMP */
void fnn_forked(void);                   /* called in a forked child: from now on no OpenMP construct is entered */
double fnn_measure_peak(double seconds); /* FLOP/s of one thread: fused multiply-adds on registers */
double fnn_measure_bandwidth(size_t bytes, double seconds); /* bytes/s of one thread copying (read + write) */

#ifdef __cplusplus
}
#endif
#endif
