# Making programs: every step is checked before it is kept. A part of native.pyx.

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
        check(
            code.view[instruction.dst].kind in (FNN_VIEW_CONTIGUOUS, FNN_VIEW_PIECE), "store to a view that has gaps"
        )
        check(a in written, f"store of register {a}, which holds nothing")
        return 0
    check(dst < FNN_REGISTERS, f"{name} to register {dst}")
    check(instruction.op == FNN_OP_load or max(a, b, c) < FNN_REGISTERS, f"{name} of registers {a}, {b}, {c}")
    for register in (a, b, c)[: OPCODE_ARITY[instruction.op]]:
        check(register in written, f"{name} of register {register}, which holds nothing")
    written.add(dst)
    if instruction.op == FNN_OP_load:
        check(a < code.n_views, f"load of view {a} of {code.n_views}")
        check(code.view[a].kind != FNN_VIEW_PIECE, f"load of view {a}, a piece that is reduced")
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
        check(0 <= n_bases <= FNN_MAX_BASES, f"the program needs {n_bases} blocks of memory, one for each "
              f"input and output among them: at most {FNN_MAX_BASES} are possible. Put inputs together (Concatenate), "
              "or outputs, or divide the model")
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
        check(0 <= self.scratch <= MOST // FNN_MAX_THREADS, "the scratch memory of a step is too large")

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
