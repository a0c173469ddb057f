# A program with its memory, and its runs. A part of native.pyx.

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
        cdef ptrdiff_t offset = run.threads * self.program.scratch, size = offset
        cdef int i
        for i in range(run.n_feeds):
            size += (fnn_feed_staging(&run.feed[i]) + 63) // 64 * 64
            if size > MOST:
                raise MemoryError(f"no memory for {size} bytes")
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
