# cython: language_level=3
"""``csrc/fnn.h`` as Cython sees it."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t


cdef extern from "fnn.h" nogil:
    enum:
        FNN_MAX_OPERANDS
        FNN_MAX_DIMS
        FNN_MAX_RANK
        FNN_MAX_BASES
        FNN_MAX_THREADS
        FNN_REGISTERS
        FNN_OK
        FNN_ENOMEM
        FNN_EINDEX
        FNN_VIEW_CONTIGUOUS
        FNN_VIEW_SCALAR
        FNN_VIEW_ROW
        FNN_VIEW_COLUMN
        FNN_VIEW_STRIDED
        FNN_VIEW_PIECE
        FNN_OP_load
        FNN_OP_store
        FNN_OP_constant
        FNN_OP_random_uniform
        FNN_STEP_elementwise
        FNN_STEP_host
        FNN_F32
        FNN_F64
        FNN_U8
        FNN_I8
        FNN_I16
        FNN_U16
        FNN_I32
        FNN_U32
        FNN_I64
        FNN_BOOL

    ctypedef struct fnn_operand:
        int32_t base
        ptrdiff_t offset
        ptrdiff_t bytes

    ctypedef struct fnn_view:
        int32_t operand
        int32_t kind
        int32_t integer
        int32_t rank
        ptrdiff_t period
        ptrdiff_t *shape
        ptrdiff_t *stride

    ctypedef struct fnn_instruction:
        uint8_t op
        uint8_t dst
        uint8_t a
        uint8_t b
        uint8_t c
        float immediate
        uint32_t stream

    ctypedef struct fnn_code:
        ptrdiff_t count
        int32_t n_views
        int32_t n_instructions
        fnn_view *view
        fnn_instruction *instruction

    ctypedef struct fnn_step:
        int32_t kernel
        int32_t n_operands
        fnn_operand *operand
        ptrdiff_t *dim
        fnn_code *code
        ptrdiff_t chunks
        ptrdiff_t scratch_bytes
        double work
        int32_t shared
        int32_t phase

    ctypedef struct fnn_program:
        ptrdiff_t n_steps
        fnn_step *step
        int32_t n_bases

    ctypedef struct fnn_feed:
        int32_t base
        int32_t dtype
        int32_t integer
        const char *data
        const int64_t *index
        ptrdiff_t rows
        ptrdiff_t batch
        ptrdiff_t row
        char *staging

    ctypedef struct fnn_drain:
        int32_t base
        char *data
        ptrdiff_t stride

    ctypedef struct fnn_run:
        char **base
        int32_t n_feeds
        int32_t n_drains
        fnn_feed *feed
        fnn_drain *drain
        ptrdiff_t first
        ptrdiff_t count
        ptrdiff_t step_begin
        ptrdiff_t step_end
        float *iteration_slot
        int64_t iteration
        uint64_t random_seed
        uint64_t random_step
        int32_t threads
        double deadline
        char *scratch
        ptrdiff_t done
        int32_t error_step
        int64_t error_value
        double *profile

    const char *fnn_step_prepare(fnn_step *step)
    void fnn_program_prepare(fnn_program *program, double share_above)
    int fnn_step_writes(const fnn_step *step, int32_t operand)
    ptrdiff_t fnn_program_scratch(const fnn_program *program)
    int fnn_program_run(const fnn_program *program, fnn_run *run)
    ptrdiff_t fnn_feed_staging(const fnn_feed *feed)

    double fnn_clock()
    void fnn_use_huge_pages(void *data, size_t bytes)
    int fnn_isa_count()
    const char *fnn_isa_name(int i)
    int fnn_isa_supported(int i)
    int fnn_isa_select(const char *name)
    const char *fnn_isa_selected()
    int fnn_isa_lanes()
    const char *fnn_compiler()
    int fnn_openmp()
    int fnn_openmp_max_threads()
    void fnn_forked()
    double fnn_measure_peak(double seconds)
    double fnn_measure_bandwidth(size_t bytes, double seconds)
