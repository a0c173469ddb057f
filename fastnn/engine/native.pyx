# cython: language_level=3
"""The binding of ``csrc/fnn.h``: programs of native steps, and what the machine offers.

Nothing that a caller passes reaches C unchecked. A program's steps are checked when it is made: indices here,
sizes by their prepare functions in C. The memory that the program may touch is then known for each base, and
a run compares it with the buffers it is given. While C runs, the GIL is released; each run has a workspace of
its own, so several Python threads may run one program.
"""

import os
import sys
from collections import namedtuple
from operator import index

from cpython.buffer cimport (
    PyBUF_FORMAT,
    PyBUF_ND,
    PyBUF_SIMPLE,
    PyBUF_WRITABLE,
    PyBuffer_FillInfo,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from cpython.memoryview cimport PyMemoryView_GET_BUFFER
from cython cimport final
from libc.math cimport INFINITY
from libc.stdint cimport PTRDIFF_MAX, UINT32_MAX, int32_t, int64_t, uint8_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from numpy import empty

from fastnn.engine.steps import Operand, Step


cdef extern from *:
    """
    #define FNN_STEP(name, operands, ...) {#name, operands, #__VA_ARGS__},
    static const struct { const char *name, *operands, *dims; } step_rows[] = {
    #include "steps.def"
    };
    #undef FNN_STEP
    #define FNN_OP(name, arity, expression) {#name, arity},
    static const struct { const char *name; int arity; } opcode_rows[] = {
    #include "opcodes.def"
    };
    #undef FNN_OP
    """
    struct step_row "":
        const char *name
        const char *operands
        const char *dims
    struct opcode_row "":
        const char *name
        int arity
    const step_row *step_rows
    const opcode_row *opcode_rows
    enum:
        FNN_STEPS
        FNN_OPCODES


class RowIndexError(IndexError):
    """A label or row index lies outside its table.

    ``step`` is the step that met it, or ``-1 - i`` for the index of feed i; ``value`` is the index; ``done`` iterations
    were complete before.
    """

    def __init__(self, step: int, value: int, done: int = 0):
        super().__init__(step, value)
        self.step = step
        self.value = value
        self.done = done


Feed = namedtuple("Feed", "base array integer index batch", defaults=(False, None, 1))
Feed.__doc__ = """Rows of an array that enter a program.

At iteration t these are the rows t*batch .. t*batch + batch - 1 of ``array`` or, with an ``index`` (int64),
the rows ``index[t*batch ..]``. They are converted to float32, or to int32 when ``integer``.
"""

Drain = namedtuple("Drain", "base array stride_bytes", defaults=(0,))
Drain.__doc__ = """An array that a program writes to: at iteration t, the base is at byte t*stride_bytes."""


# ---- the vocabulary of steps.def and opcodes.def -----------------------------------------------------------


def steps():
    """Return, for each kernel, its operands as steps.def writes them and the names of its sizes."""
    table = {}
    for i in range(FNN_STEPS):
        dims = tuple(step_rows[i].dims.decode().replace(" ", "").split(","))
        table[step_rows[i].name.decode()] = (step_rows[i].operands.decode(), dims)
    return table


def opcodes():
    """Return name and arity of each instruction of the elementwise bytecode."""
    return [(opcode_rows[i].name.decode(), opcode_rows[i].arity) for i in range(FNN_OPCODES)]


cdef dict STEP_TABLE = steps()
cdef dict STEP_NUMBER = {name: i for i, name in enumerate(STEP_TABLE)}
cdef dict OPCODE_NUMBER = {name: i for i, (name, _) in enumerate(opcodes())}
cdef list OPCODE_ARITY = [arity for _, arity in opcodes()]
cdef dict VIEW_KIND = {
    "contiguous": FNN_VIEW_CONTIGUOUS,
    "scalar": FNN_VIEW_SCALAR,
    "row": FNN_VIEW_ROW,
    "column": FNN_VIEW_COLUMN,
    "strided": FNN_VIEW_STRIDED,
}


# ---- memory ------------------------------------------------------------------------------------------------

cdef ptrdiff_t HUGE_PAGE = 1 << 21
cdef ptrdiff_t MOST = sys.maxsize // 4  # bytes of anything: two of them can be added


cdef class AlignedBuffer:
    """Writable memory, aligned to 64 bytes (much of it: to huge pages) and zeroed, with the buffer protocol."""

    cdef void *block
    cdef char *data
    cdef readonly Py_ssize_t nbytes

    def __cinit__(self, Py_ssize_t nbytes):
        cdef ptrdiff_t room, alignment
        if nbytes < 0:
            raise ValueError(f"a buffer of {nbytes} bytes cannot be made")
        if nbytes > PTRDIFF_MAX - 2 * HUGE_PAGE:
            raise MemoryError(f"no memory for {nbytes} bytes")
        room, alignment = nbytes, 64
        if nbytes >= 4 * HUGE_PAGE:  # whole huge pages: first touched in one go each, at most a quarter more memory
            room, alignment = (nbytes + HUGE_PAGE - 1) // HUGE_PAGE * HUGE_PAGE, HUGE_PAGE
        self.block = calloc(<size_t>(room + alignment), 1)
        if self.block == NULL:
            raise MemoryError(f"no memory for {nbytes} bytes")
        self.data = <char *>((<uintptr_t>self.block + alignment - 1) & ~<uintptr_t>(alignment - 1))
        self.nbytes = nbytes
        fnn_use_huge_pages(self.data, room)

    def __dealloc__(self):
        free(self.block)

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.data, self.nbytes, 0, flags)

    def __len__(self):
        return self.nbytes


def aligned_empty(n_bytes):
    """Return n_bytes of writable memory with the buffer protocol, aligned to 64 bytes and zeroed."""
    return AlignedBuffer(n_bytes)


# ---- making programs ---------------------------------------------------------------------------------------


cdef int check(bint right, str sentence) except -1:
    if not right:
        raise ValueError(sentence)
    return 0


cdef int fill_view(fnn_view *view, fnn_step *step, object given) except -1:
    operand, kind, integer, period, shape, stride = given
    check(0 <= operand < step.n_operands, f"a view reads operand {operand} of {step.n_operands}")
    check(kind in VIEW_KIND, f"unknown kind of view {kind!r}")
    check(len(shape) == len(stride) <= FNN_MAX_RANK, f"a view has shape {shape}, strides {stride}")
    view.operand = index(operand)
    view.kind = VIEW_KIND[kind]
    view.integer = bool(integer)
    view.period = index(period)
    view.rank = len(shape)
    for axis in range(view.rank):
        view.shape[axis] = index(shape[axis])
        view.stride[axis] = index(stride[axis])
    return 0


cdef int fill_instruction(fnn_instruction *instruction, fnn_code *code, set written, object given) except -1:
    """written: the registers that hold a value; the instruction's is added."""
    name, dst, a, b, c, value = given
    check(name in OPCODE_NUMBER, f"unknown instruction {name!r}")
    instruction.op = OPCODE_NUMBER[name]
    instruction.dst, instruction.a, instruction.b, instruction.c = index(dst), index(a), index(b), index(c)
    if instruction.op == FNN_OP_store:
        check(dst < code.n_views, f"store to view {dst} of {code.n_views}")
        check(code.view[instruction.dst].kind == FNN_VIEW_CONTIGUOUS, "store to a view that has gaps")
        check(a in written, f"store of register {a}, which holds nothing")
        return 0
    check(dst < FNN_REGISTERS, f"{name} to register {dst}")
    for register in (a, b, c)[: OPCODE_ARITY[instruction.op]]:
        check(register in written, f"{name} of register {register}, which holds nothing")
    written.add(dst)
    if instruction.op == FNN_OP_load:
        check(a < code.n_views, f"load of view {a} of {code.n_views}")
    if instruction.op == FNN_OP_constant:
        instruction.immediate = value
    elif instruction.op == FNN_OP_random_uniform:
        check(0 <= value <= UINT32_MAX and value == int(value), f"random_uniform has stream {value}")
        instruction.stream = int(value)
    return 0


cdef int fill_code(fnn_step *step, list memory, object given) except -1:
    """Put the code of a step into a block of its own, which is added to memory."""
    cdef fnn_code *code
    cdef AlignedBuffer block
    cdef Py_ssize_t n_views, n_instructions
    count, views, instructions = given
    n_views, n_instructions = len(views), len(instructions)
    block = AlignedBuffer(
        sizeof(fnn_code) + n_views * sizeof(fnn_view) + n_instructions * sizeof(fnn_instruction)
    )
    memory.append(block)
    code = <fnn_code *>block.data
    code.view = <fnn_view *>(block.data + sizeof(fnn_code))
    code.instruction = <fnn_instruction *>(block.data + sizeof(fnn_code) + n_views * sizeof(fnn_view))
    code.count = index(count)
    check(code.count >= 0, f"code over {count} elements")
    code.n_views = n_views
    code.n_instructions = n_instructions
    for i in range(n_views):
        fill_view(&code.view[i], step, views[i])
    written = set()
    for i in range(n_instructions):
        fill_instruction(&code.instruction[i], code, written, instructions[i])
    step.code = code
    return 0


cdef int fill_step(fnn_step *step, list memory, int n_bases, object given) except -1:
    cdef fnn_operand *place
    kernel, operands, dims, code = given
    check(kernel in STEP_TABLE, "unknown kernel")
    pattern, dim_names = STEP_TABLE[kernel]
    words = pattern.replace("->", "").split()
    named = [word for word in words if word != "..."]
    check(
        len(named) <= len(operands) <= (FNN_MAX_OPERANDS if "..." in words else len(named)),
        f"{len(operands)} operands for ({pattern})",
    )
    check(len(dims) == len(dim_names), f"{len(dims)} sizes for {dim_names}")
    step.kernel = STEP_NUMBER[kernel]
    step.n_operands = len(operands)
    for i in range(step.n_operands):
        base, offset, length = operands[i]
        check(0 <= base < n_bases, f"operand {i} has base {base} of {n_bases}")
        check(0 <= offset <= MOST and 0 <= length <= MOST, f"operand {i} has {length} bytes at {offset}")
        check(offset % 4 == 0, f"operand {i} lies at {offset}, which is no multiple of 4")
        place = &step.operand[i]
        place.base, place.offset, place.bytes = index(base), index(offset), index(length)
    for i in range(len(dims)):
        step.dim[i] = index(dims[i])
    if code is not None:
        check("..." in words, "this kernel takes no code")
        fill_code(step, memory, code)
    if step.kernel == FNN_STEP_elementwise:
        check(code is not None and code.count == dims[0], "code over count elements is needed")
    return 0


cdef class NativeProgram:
    """A program of native steps, ready to run.

    Parameters
    ----------
    steps : sequence of Step
    n_bases : int
        How many blocks of memory the operands of the steps refer to.
    share_above : float
        A step is shared by several threads if its estimated work is at least so many nanoseconds.

    Raises
    ------
    ValueError
        A step is wrong in itself; the message names its index and kernel.
    """

    cdef fnn_program program
    cdef list memory  # blocks that hold the steps and their code
    cdef list idle  # workspaces of runs that have ended
    cdef ptrdiff_t need[FNN_MAX_BASES]  # bytes that the steps may touch
    cdef bint written[FNN_MAX_BASES]
    cdef ptrdiff_t scratch
    cdef bint has_host_steps

    def __cinit__(self, steps, int n_bases, double share_above=20e3):
        cdef AlignedBuffer block
        check(0 <= n_bases <= FNN_MAX_BASES, f"{n_bases} bases: at most {FNN_MAX_BASES} are possible")
        steps = tuple(steps)
        block = AlignedBuffer(len(steps) * sizeof(fnn_step))
        self.memory = [block]
        self.idle = []
        self.program.n_steps = len(steps)
        self.program.step = <fnn_step *>block.data
        self.program.n_bases = n_bases
        for i, step in enumerate(steps):
            try:
                self.add(&self.program.step[<ptrdiff_t>i], step)
            except (ValueError, OverflowError, TypeError) as error:
                raise ValueError(f"step {i} ({step[0]}): {error}") from None
        fnn_program_prepare(&self.program, share_above)
        self.scratch = fnn_program_scratch(&self.program)
        check(0 <= self.scratch <= MOST, "the scratch memory of a step is too large")

    cdef int add(self, fnn_step *step, object given) except -1:
        cdef const char *complaint
        cdef fnn_operand *place
        fill_step(step, self.memory, self.program.n_bases, given)
        complaint = fnn_step_prepare(step)
        if complaint != NULL:
            raise ValueError(complaint.decode())
        self.has_host_steps |= step.kernel == FNN_STEP_host
        for i in range(step.n_operands):
            place = &step.operand[i]
            self.need[place.base] = max(self.need[place.base], place.offset + place.bytes)
            self.written[place.base] |= fnn_step_writes(step, i)
        return 0

    @property
    def n_steps(self):
        """Number of steps."""
        return self.program.n_steps

    @property
    def n_bases(self):
        """Number of bases."""
        return self.program.n_bases

    @property
    def scratch_bytes(self):
        """Bytes of scratch memory that each thread of a run uses."""
        return self.scratch

    @property
    def step_work(self):
        """Estimated cost of each step on one thread, in nanoseconds."""
        return [self.program.step[i].work for i in range(self.program.n_steps)]

    @property
    def step_chunks(self):
        """Number of independent pieces of work of each step."""
        return [self.program.step[i].chunks for i in range(self.program.n_steps)]

    @property
    def step_phases(self):
        """For each step the first step of its phase: no thread waits for another inside a phase."""
        return [self.program.step[i].phase for i in range(self.program.n_steps)]

    @property
    def base_bytes(self):
        """Bytes of each base that the steps may touch."""
        return [self.need[i] for i in range(self.program.n_bases)]

    def bind(self, bases):
        """Return a :class:`Binding` of this program to its blocks of memory."""
        return Binding(self, bases)

    def run(self, bases, *args, **kwargs):
        """Run once on these bases: ``bind(bases).run(...)``."""
        return Binding(self, bases).run(*args, **kwargs)


# ---- running programs --------------------------------------------------------------------------------------


cdef int feed_dtype(Py_buffer *view) except -1:
    """The fnn_dtype of a buffer's items in native byte order."""
    cdef const char *letter = view.format
    cdef char kind = 0
    if letter[0] in (b"@", b"="):  # "=" is what NumPy says of an array that is not aligned
        letter += 1
    if letter[0] != 0 and letter[1] == 0:
        kind = letter[0]
    if kind == b"f":
        return FNN_F32
    if kind == b"d":
        return FNN_F64
    if kind == b"?":
        return FNN_BOOL
    if kind == b"B":
        return FNN_U8
    if kind == b"b":
        return FNN_I8
    if kind == b"h":
        return FNN_I16
    if kind == b"H":
        return FNN_U16
    if kind in (b"i", b"l", b"q"):
        return FNN_I32 if view.itemsize == 4 else FNN_I64
    if kind in (b"I", b"L") and view.itemsize == 4:
        return FNN_U32
    raise ValueError(f"a feed cannot read items of format {view.format.decode()!r}")


cdef int check_aligned(Py_buffer *view, Py_ssize_t size, str what) except -1:
    if <uintptr_t>view.buf % <uintptr_t>size != 0:
        raise ValueError(f"{what} is not aligned to {size} bytes")
    return 0


cdef class Binding:
    """A program together with its blocks of memory, whose buffers it holds.

    Parameters
    ----------
    program : NativeProgram
    bases : sequence of objects with the buffer protocol, or None where a feed or drain gives the base
        C-contiguous, as long as the program's ``base_bytes``, writable if a step writes them. A base that is
        written may not overlap another.
    """

    cdef readonly NativeProgram program
    cdef Py_buffer view[FNN_MAX_BASES]
    cdef int n_views
    cdef Py_buffer *bound[FNN_MAX_BASES]  # the view of each base, or NULL

    def __cinit__(self, NativeProgram program not None, bases):
        cdef int i
        bases = tuple(bases)
        self.program = program
        check(
            len(bases) == program.program.n_bases,
            f"{len(bases)} bases for a program with {program.program.n_bases}",
        )
        for i in range(program.program.n_bases):
            if bases[i] is not None:
                self.hold(i, bases[i])
        self.check_overlap()

    def __dealloc__(self):
        for i in range(self.n_views):
            PyBuffer_Release(&self.view[i])

    cdef int hold(self, int i, object base) except -1:
        cdef Py_buffer *view = &self.view[self.n_views]
        PyObject_GetBuffer(base, view, PyBUF_WRITABLE if self.program.written[i] else PyBUF_SIMPLE)
        self.n_views += 1
        self.bound[i] = view
        if view.len < self.program.need[i]:
            raise ValueError(f"base {i} has {view.len} bytes, the program needs {self.program.need[i]}")
        check_aligned(view, 4, f"base {i}")
        return 0

    cdef int check_overlap(self) except -1:
        cdef char *a
        cdef char *b
        for i in range(self.program.program.n_bases):
            for j in range(i):
                if self.bound[i] == NULL or self.bound[j] == NULL:
                    continue
                if not (self.program.written[i] or self.program.written[j]):
                    continue
                a, b = <char *>self.bound[i].buf, <char *>self.bound[j].buf
                if a < b + self.bound[j].len and b < a + self.bound[i].len:
                    raise ValueError(f"bases {j} and {i} overlap")
        return 0

    cdef int set_feed(self, fnn_run *run, Py_buffer *views, int *n_views, object given) except -1:
        cdef fnn_feed *feed = &run.feed[run.n_feeds]
        cdef Py_buffer *view = &views[n_views[0]]
        cdef ptrdiff_t available
        cdef int axis
        feed_base, array, integer, order, batch = given
        self.claim(run, feed_base)
        feed.base = feed_base
        if self.program.written[feed.base]:
            raise ValueError(f"base {feed.base} is fed, but a step writes it")
        PyObject_GetBuffer(array, view, PyBUF_FORMAT | PyBUF_ND)
        n_views[0] += 1
        feed.dtype = feed_dtype(view)
        check_aligned(view, view.itemsize, f"the array fed to base {feed.base}")
        if view.ndim < 1:
            raise ValueError(f"the array fed to base {feed.base} has no rows")
        feed.integer = bool(integer)
        feed.data = <const char *>view.buf
        feed.rows = available = view.shape[0]
        feed.batch = batch
        feed.row = 1
        for axis in range(1, view.ndim):
            feed.row *= view.shape[axis]
        feed.index = NULL
        if order is not None:
            view = &views[n_views[0]]
            PyObject_GetBuffer(order, view, PyBUF_FORMAT | PyBUF_ND)
            n_views[0] += 1
            if view.ndim != 1 or feed_dtype(view) != FNN_I64:
                raise ValueError("the index of a feed has one axis of int64")
            check_aligned(view, 8, "the index of a feed")
            feed.index = <const int64_t *>view.buf
            available = view.shape[0]
        if feed.batch < 1 or feed.row > MOST // 4 // feed.batch:
            raise ValueError(f"a feed of {batch} rows of {feed.row} elements")
        if feed.batch * feed.row * 4 < self.program.need[feed.base]:
            raise ValueError(
                f"base {feed.base} is fed {feed.batch} rows of {feed.row} elements, "
                f"the program needs {self.program.need[feed.base]} bytes"
            )
        if run.first + run.count > available // feed.batch:
            raise ValueError(
                f"{available} rows are fed to base {feed.base}: "
                f"too few for {run.first + run.count} iterations of {batch}"
            )
        run.n_feeds += 1
        return 0

    cdef int set_drain(self, fnn_run *run, Py_buffer *views, int *n_views, object given) except -1:
        cdef fnn_drain *drain = &run.drain[run.n_drains]
        cdef Py_buffer *view = &views[n_views[0]]
        cdef ptrdiff_t room
        drain_base, array, stride = given
        self.claim(run, drain_base)
        drain.base = drain_base
        PyObject_GetBuffer(array, view, PyBUF_WRITABLE)
        n_views[0] += 1
        check_aligned(view, 4, f"the array drained from base {drain.base}")
        drain.data = <char *>view.buf
        drain.stride = stride
        room = view.len - self.program.need[drain.base]
        if drain.stride < 0 or drain.stride % 4 != 0:
            raise ValueError(f"a drain has stride {stride}")
        if room < 0 or (run.first + run.count > 1 and drain.stride > room // (run.first + run.count - 1)):
            raise ValueError(
                f"the array drained from base {drain.base} is too short for {run.count} iterations"
            )
        run.n_drains += 1
        return 0

    cdef int claim(self, fnn_run *run, object base) except -1:
        """Check that a base is there and given once only."""
        cdef int i
        if not 0 <= base < self.program.program.n_bases:
            raise ValueError(f"base {base} of {self.program.program.n_bases} is fed or drained")
        given = self.bound[<int>base] != NULL
        for i in range(run.n_feeds):
            given |= run.feed[i].base == base
        for i in range(run.n_drains):
            given |= run.drain[i].base == base
        if given:
            raise ValueError(f"base {base} is given twice")
        return 0

    cdef int check_complete(self, fnn_run *run) except -1:
        """Check that every base that the program touches is given."""
        cdef bint given
        cdef int i, j
        for i in range(self.program.program.n_bases):
            run.base[i] = <char *>self.bound[i].buf if self.bound[i] != NULL else NULL
            given = run.base[i] != NULL or self.program.need[i] == 0
            for j in range(run.n_feeds):
                given |= run.feed[j].base == i
            for j in range(run.n_drains):
                given |= run.drain[j].base == i
            if not given:
                raise ValueError(f"base {i} is missing")
        return 0

    cdef float *slot(self, object place) except? NULL:
        cdef Py_buffer *view = NULL
        base, offset = place
        if 0 <= base < self.program.program.n_bases:
            view = self.bound[<int>base]
        if view == NULL or view.readonly:
            raise ValueError(f"the iteration slot lies in base {base}, which is not given or not writable")
        if not 0 <= offset <= view.len - 4 or offset % 4 != 0:
            raise ValueError(f"the iteration slot lies at {offset} of {view.len} bytes")
        return <float *>(<char *>view.buf + <ptrdiff_t>offset)

    cdef AlignedBuffer workspace(self, fnn_run *run):
        """Give the run its scratch memory and the feeds their staging memory; return the block of both."""
        cdef AlignedBuffer block = None
        cdef object size = run.threads * <object>self.program.scratch
        cdef ptrdiff_t offset = run.threads * self.program.scratch
        cdef int i
        for i in range(run.n_feeds):
            size += (fnn_feed_staging(&run.feed[i]) + 63) // 64 * 64
        if self.program.idle:
            block = self.program.idle.pop()
        if block is None or block.nbytes < size:
            block = AlignedBuffer(size)
        run.scratch = block.data
        for i in range(run.n_feeds):
            run.feed[i].staging = block.data + offset
            offset += (fnn_feed_staging(&run.feed[i]) + 63) // 64 * 64
        return block

    def run(
        self,
        feeds=(),
        drains=(),
        ptrdiff_t first=0,
        ptrdiff_t count=1,
        iteration_slot=None,
        int64_t iteration=0,
        uint64_t seed=0,
        uint64_t random_step=0,
        int threads=1,
        double deadline=0.0,
        ptrdiff_t begin=0,
        ptrdiff_t end=-1,
        profile=None,
    ):
        """Run iterations t = first .. first+count-1 of steps begin .. end-1.

        Parameters
        ----------
        feeds, drains : sequences of Feed, Drain
            Where rows come from and results go to at each iteration.
        iteration_slot : (base, byte offset), optional
            Receives iteration + t - first as a float32 before each iteration.
        seed, random_step : int
            Key and, for the first iteration, counter of the random numbers.
        deadline : float
            Seconds on :func:`clock`; a second or later iteration is not begun after it. 0: none.
        end : int
            -1: all steps.
        profile : buffer of float64, one for each step, optional
            The seconds spent in each step are added to it.

        Returns
        -------
        int
            The number of iterations done: less than count if the deadline passed.

        Raises
        ------
        RowIndexError
            A label or row index lies outside its table. Steps after the one that met it were not run.
        """
        cdef fnn_run run
        cdef fnn_feed feed[FNN_MAX_BASES]
        cdef fnn_drain drain[FNN_MAX_BASES]
        cdef Py_buffer views[2 * FNN_MAX_BASES + 1]
        cdef int n_views = 0, i
        cdef fnn_program *program = &self.program.program
        memset(&run, 0, sizeof(run))
        if end == -1:
            end = program.n_steps
        if first < 0 or count < 0 or first > MOST or count > MOST:
            raise ValueError(f"{count} iterations from {first}")
        if not 0 <= begin <= end <= program.n_steps:
            raise ValueError(f"steps {begin} to {end} of {program.n_steps}")
        if not 1 <= threads <= FNN_MAX_THREADS:
            raise ValueError(f"{threads} threads: from 1 to {FNN_MAX_THREADS} are possible")
        if self.program.has_host_steps:
            self.check_native(begin, end)
        run.feed, run.drain = feed, drain
        run.first, run.count, run.step_begin, run.step_end = first, count, begin, end
        run.iteration, run.random_seed, run.random_step = iteration, seed, random_step
        run.threads, run.deadline = threads, deadline
        try:
            for given in feeds:
                self.set_feed(&run, views, &n_views, given)
            for given in drains:
                self.set_drain(&run, views, &n_views, given)
            self.check_complete(&run)
            if iteration_slot is not None:
                run.iteration_slot = self.slot(iteration_slot)
            if profile is not None:
                PyObject_GetBuffer(profile, &views[n_views], PyBUF_WRITABLE | PyBUF_FORMAT | PyBUF_ND)
                n_views += 1
                if feed_dtype(&views[n_views - 1]) != FNN_F64 or views[n_views - 1].len < program.n_steps * 8:
                    raise ValueError("profile has a float64 for each step")
                check_aligned(&views[n_views - 1], 8, "profile")
                run.profile = <double *>views[n_views - 1].buf
            self.execute(&run, True)
        finally:
            for i in range(n_views):
                PyBuffer_Release(&views[i])
        return run.done

    cdef int execute(self, fnn_run *run, bint release) except -1:
        """Run what is checked and complete; release: let other Python threads go on meanwhile."""
        cdef int status
        cdef AlignedBuffer block = self.workspace(run)
        if release:
            with nogil:
                status = fnn_program_run(&self.program.program, run)
        else:
            status = fnn_program_run(&self.program.program, run)
        self.program.idle.append(block)
        if status == FNN_EINDEX:
            raise RowIndexError(run.error_step, run.error_value, run.done)
        if status == FNN_ENOMEM:
            raise MemoryError("a step found no memory")
        return 0

    cdef int check_native(self, ptrdiff_t begin, ptrdiff_t end) except -1:
        cdef ptrdiff_t i
        for i in range(begin, end):
            if self.program.program.step[i].kernel == FNN_STEP_host:
                raise ValueError(f"step {i} is a host step: the interpreter runs it")
        return 0


cdef double GIL_WORTH = 20e3  # nanoseconds of work from which on other Python threads are let in


cdef bint within(const fnn_feed *feed, int64_t low, int64_t high) noexcept nogil:
    """Whether low <= i < high for all integers of a batch."""
    cdef ptrdiff_t count = feed.batch * feed.row, i
    cdef int64_t value
    for i in range(count):
        if feed.dtype == FNN_I64:
            value = (<const int64_t *>feed.data)[i]
        elif feed.dtype == FNN_I32:
            value = (<const int32_t *>feed.data)[i]
        else:
            value = (<const uint8_t *>feed.data)[i]
        if not low <= value < high:
            return False
    return True


@final
cdef class BatchCall:
    """A program made ready for single batches of one form: what :meth:`Binding.run` does, its preparations done once.

    Parameters
    ----------
    idle : list of (Binding, object)
        Workspaces that no run uses; each call takes one and puts it back.
    make : callable
        Makes one more.
    inputs : sequence of Feed
        A batch of each input, without an index: every later batch must have its rows, bytes and dtype.
    drains : sequence of Drain
        Arrays for the outputs: each call makes others like them.
    limits : (low, high), optional
        low <= i < high for all integers i of the last input.
    quotients : sequence of (float32 array, float32 array)
        Pairs of scalars, set to 0 before a run and divided by each other after it.
    counter : int32 array, optional
        A scalar to which each run adds one.
    iteration_slot : (base, byte offset), optional
        Receives the counter before the run.
    explain : callable
        Gives the message of the IndexError for a RowIndexError.

    Attributes
    ----------
    shared : bool
        Whether several threads would have work.
    """

    cdef list idle, outputs, kept
    cdef object make, explain
    cdef fnn_run form
    cdef fnn_feed feed[FNN_MAX_BASES]
    cdef fnn_drain drain[FNN_MAX_BASES]
    cdef ptrdiff_t lengths[FNN_MAX_BASES]  # bytes of each input
    cdef bint limited, release
    cdef int64_t low, high
    cdef AlignedBuffer places  # of the quotients: float *[n][2]
    cdef int n_quotients, slot_base
    cdef ptrdiff_t slot_offset
    cdef int32_t *counter
    cdef readonly bint shared

    def __init__(self, list idle, make, inputs, drains, limits, quotients, counter, iteration_slot, explain):
        cdef fnn_program *program
        cdef Binding binding
        workspace = make()
        binding = workspace[0]
        program = &binding.program.program
        self.idle, self.make, self.explain, self.kept = idle, make, explain, []
        self.form.feed, self.form.drain = self.feed, self.drain
        self.form.count, self.form.step_end = 1, program.n_steps
        self.set_form(binding, inputs, drains)
        self.limited = limits is not None
        if self.limited:
            self.low, self.high = limits
            check(self.feed[self.form.n_feeds - 1].dtype in (FNN_U8, FNN_I32, FNN_I64), "limits of no integers")
        self.slot_base = -1
        if iteration_slot is not None:
            binding.slot(iteration_slot)
            self.slot_base, self.slot_offset = iteration_slot
        if counter is not None:
            self.counter = <int32_t *>self.scalar(counter, "i")
        self.set_quotients(list(quotients))
        if binding.program.has_host_steps:
            binding.check_native(0, program.n_steps)
        self.shared = any([program.step[i].shared for i in range(program.n_steps)])
        self.release = sum([program.step[i].work for i in range(program.n_steps)]) >= GIL_WORTH
        idle.append(workspace)

    cdef int set_form(self, Binding binding, object inputs, object drains) except -1:
        cdef Py_buffer views[2 * FNN_MAX_BASES]
        cdef int n_views = 0, i
        try:
            for given in inputs:
                check(given.index is None and given.batch == len(given.array), "a batch is a whole array")
                binding.set_feed(&self.form, views, &n_views, given)
                self.lengths[self.form.n_feeds - 1] = views[n_views - 1].len
            for given in drains:
                binding.set_drain(&self.form, views, &n_views, given)
            binding.check_complete(&self.form)
        finally:
            for i in range(n_views):
                PyBuffer_Release(&views[i])
        self.outputs = [(drain.array.shape, drain.array.dtype) for drain in drains]
        return 0

    cdef int set_quotients(self, list quotients) except -1:
        cdef float **place
        cdef int i
        self.n_quotients = len(quotients)
        self.places = AlignedBuffer(2 * self.n_quotients * sizeof(float *))
        place = <float **>self.places.data
        for i in range(self.n_quotients):
            dividend, divisor = quotients[i]
            place[2 * i] = <float *>self.scalar(dividend, "f")
            place[2 * i + 1] = <float *>self.scalar(divisor, "f")
        return 0

    cdef void *scalar(self, object array, str letter) except NULL:
        """The place of a scalar; its array is kept."""
        view = memoryview(array)
        check(view.nbytes == 4 and view.format == letter and not view.readonly, "expected a scalar of 4 bytes")
        self.kept.append(view)
        return PyMemoryView_GET_BUFFER(view).buf

    def __call__(self, tuple arrays, uint64_t seed, uint64_t random_step, int threads=1):
        """Run on one batch.

        Returns
        -------
        list or None
            The outputs, then the quotients. None, and nothing was done, if an array is not of the form.

        Raises
        ------
        IndexError
            A row index lies outside its table.
        """
        cdef fnn_run run = self.form
        cdef fnn_feed feed[FNN_MAX_BASES]
        cdef fnn_drain drain[FNN_MAX_BASES]
        cdef Py_buffer views[2 * FNN_MAX_BASES]
        cdef int n_views = 0, i
        cdef list results = []
        if len(arrays) != run.n_feeds:
            raise ValueError(f"{len(arrays)} arrays for {run.n_feeds} inputs")
        if not 1 <= threads <= FNN_MAX_THREADS:
            raise ValueError(f"{threads} threads: from 1 to {FNN_MAX_THREADS} are possible")
        memcpy(feed, self.feed, run.n_feeds * sizeof(fnn_feed))
        memcpy(drain, self.drain, run.n_drains * sizeof(fnn_drain))
        run.feed, run.drain = feed, drain
        run.random_seed, run.random_step, run.threads = seed, random_step, threads
        try:
            for array in arrays:
                try:
                    PyObject_GetBuffer(array, &views[n_views], PyBUF_FORMAT | PyBUF_ND)
                    n_views += 1
                    if not self.fits(&feed[n_views - 1], &views[n_views - 1], n_views - 1):
                        return None
                except (BufferError, ValueError):  # not C-contiguous; of a type without buffers, or one of no feed
                    return None
            if self.limited and not within(&feed[run.n_feeds - 1], self.low, self.high):
                return None
            for shape, dtype in self.outputs:
                array = empty(shape, dtype)
                PyObject_GetBuffer(array, &views[n_views], PyBUF_WRITABLE)
                drain[n_views - run.n_feeds].data = <char *>views[n_views].buf
                n_views += 1
                results.append(array)
            self.run(&run)
        finally:
            for i in range(n_views):
                PyBuffer_Release(&views[i])
        self.divide(results)
        return results

    cdef bint fits(self, fnn_feed *feed, Py_buffer *view, int i) except -1:
        """Feed an array if it is of the form."""
        feed.data = <const char *>view.buf
        return (
            view.len == self.lengths[i]
            and view.ndim >= 1
            and view.shape[0] == feed.rows
            and feed_dtype(view) == feed.dtype
            and <uintptr_t>view.buf % <uintptr_t>view.itemsize == 0
        )

    cdef int run(self, fnn_run *run) except -1:
        cdef float **place = <float **>self.places.data
        cdef Binding binding
        cdef int i
        workspace = self.idle.pop() if self.idle else self.make()
        binding = <Binding?>workspace[0]
        try:
            binding.check_complete(run)
            if self.slot_base >= 0:
                run.iteration_slot = <float *>(<char *>binding.bound[self.slot_base].buf + self.slot_offset)
            if self.counter != NULL:
                run.iteration = self.counter[0]
            for i in range(2 * self.n_quotients):
                place[i][0] = 0.0
            binding.execute(run, self.release)
        except RowIndexError as error:
            raise IndexError(self.explain(error)) from None
        finally:
            if self.counter != NULL:
                self.counter[0] += <int32_t>run.done
            self.idle.append(workspace)
        return 0

    cdef int divide(self, list results) except -1:
        """Append the quotients, 0 where the divisor is."""
        cdef float **place = <float **>self.places.data
        cdef float divisor
        cdef int i
        for i in range(self.n_quotients):
            divisor = place[2 * i + 1][0]
            results.append(<double>(place[2 * i][0] / (divisor if divisor != 0.0 else <float>INFINITY)))
        return 0


def run_step(kernel, dims, arrays, code=None, threads=1):
    """Run one step: for tests and benchmarks.

    Parameters
    ----------
    kernel : str
    dims : dict
        The kernel's sizes by name.
    arrays : sequence of C-contiguous arrays
        Its operands, inputs and then outputs; items of 4 bytes.
    code : Code, optional
    threads : int
        However small the step is, its chunks are shared by so many threads.
    """
    check(kernel in STEP_TABLE, f"unknown kernel {kernel!r}")
    names = STEP_TABLE[kernel][1]
    check(set(dims) == set(names), f"{kernel} has the sizes {names}, received {tuple(dims)}")
    arrays = tuple(arrays)
    operands = tuple(Operand(i, 0, memoryview(array).nbytes) for i, array in enumerate(arrays))
    step = Step(kernel, operands, tuple(dims[name] for name in names), code)
    NativeProgram([step], len(arrays), 0.0).run(arrays, threads=threads)


# ---- the machine -------------------------------------------------------------------------------------------


def built_isas():
    """Return the instruction sets that this build has kernels for, the best last."""
    return [fnn_isa_name(i).decode() for i in range(fnn_isa_count())]


def isas():
    """Return those of :func:`built_isas` that this CPU and operating system offer."""
    return [fnn_isa_name(i).decode() for i in range(fnn_isa_count()) if fnn_isa_supported(i)]


def isa():
    """Return the instruction set in use."""
    return fnn_isa_selected().decode()


def lanes():
    """Return the floats in a vector of the instruction set in use."""
    return fnn_isa_lanes()


def select_isa(name=None):
    """Use the kernels of this instruction set or, without a name, the best; not while a program runs."""
    if name is None:
        name = isas()[-1]
    text = name.encode()
    if fnn_isa_select(text) != 0:
        reason = "this machine does not offer it" if name in built_isas() else "this build does not know it"
        raise ValueError(f"instruction set {name!r}: {reason}. Choose one of {', '.join(isas())}.")


def compiler():
    """Return the name and version of the compiler that built this module."""
    return fnn_compiler().decode()


def openmp():
    """Return whether this module was built with OpenMP."""
    return bool(fnn_openmp())


def max_openmp_threads():
    """Return how many threads OpenMP would use: what OMP_NUM_THREADS and threadpoolctl ask for."""
    return fnn_openmp_max_threads()


def clock():
    """Return the seconds on the clock of deadlines."""
    return fnn_clock()


def measure_peak(double seconds=0.2):
    """Return the floating-point operations a second of one thread (fused multiply-adds on registers)."""
    cdef double peak
    with nogil:
        peak = fnn_measure_peak(seconds)
    return peak


def measure_bandwidth(size_t n_bytes=1 << 26, double seconds=0.2):
    """Return the bytes a second, read and written, of one thread that copies n_bytes."""
    cdef double bandwidth
    with nogil:
        bandwidth = fnn_measure_bandwidth(n_bytes, seconds)
    return bandwidth


def _after_fork():
    fnn_forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
select_isa()
