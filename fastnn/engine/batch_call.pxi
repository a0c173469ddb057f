# Calls with single batches, all preparations done once. A part of native.pyx.

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


cdef bint fits(fnn_feed *feed, Py_buffer *view, const ptrdiff_t *extent) except -1:
    """Feed an array if it has the dtype of the feed and these axes."""
    feed.data = <const char *>view.buf
    return (
        view.ndim == extent[0]
        and memcmp(view.shape, extent + 1, extent[0] * sizeof(ptrdiff_t)) == 0
        and feed_dtype(view) == feed.dtype
        and <uintptr_t>view.buf % <uintptr_t>view.itemsize == 0
    )


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
        A batch of each input, without an index: every later batch must have its shape and dtype.
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
    cdef AlignedBuffer extents  # of each input the number of its axes, then their lengths: ptrdiff_t
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
        cdef ptrdiff_t *extent
        cdef int n_views = 0, i
        inputs = list(inputs)
        self.extents = AlignedBuffer(sum([1 + given.array.ndim for given in inputs]) * sizeof(ptrdiff_t))
        extent = <ptrdiff_t *>self.extents.data
        try:
            for given in inputs:
                check(given.index is None and given.batch == len(given.array), "a batch is a whole array")
                binding.set_feed(&self.form, views, &n_views, given)
                extent[0] = views[n_views - 1].ndim
                memcpy(extent + 1, views[n_views - 1].shape, extent[0] * sizeof(ptrdiff_t))
                extent += 1 + extent[0]
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
        """Run on one batch, as `results` does."""
        return self.results(arrays, seed, random_step, threads)

    cdef list results(self, tuple arrays, uint64_t seed, uint64_t random_step, int threads):
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
        cdef const ptrdiff_t *extent = <const ptrdiff_t *>self.extents.data
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
                    if not fits(&feed[n_views - 1], &views[n_views - 1], extent):
                        return None
                    extent += 1 + extent[0]
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


cdef list NO_CALLS = []


cdef class BatchCalls:
    """Calls made ready, each for arrays of one form and for as long as its condition holds.

    Parameters
    ----------
    threads : callable
        Says how many threads a call may use.
    """

    cdef dict kinds  # {kind: [(call, condition, program)]}, the lists replaced, not changed: others may walk them
    cdef object threads

    def __init__(self, threads):
        self.kinds, self.threads = {}, threads

    def clear(self):
        """Forget all calls."""
        self.kinds.clear()

    def add(self, kind, BatchCall call not None, condition, program):
        """Keep a call; `condition()` is whether it still does what calls of this kind are to do."""
        self.kinds[kind] = [*self.kinds.get(kind, ()), (call, condition, program)]

    def results(self, kind, tuple arrays, seed, uint64_t random_step):
        """Return (program, its results) for plain arrays of a form that is ready, or None: then nothing was done.

        A seed of None is that of a model that has never run: it has no calls.
        """
        cdef tuple entry
        cdef BatchCall call
        if seed is None:
            return None
        for array in arrays:
            if type(array) is not ndarray:
                return None
        for entry in <list>self.kinds.get(kind, NO_CALLS):
            call = <BatchCall>entry[0]
            if not entry[1]():
                self.kinds[kind] = [other for other in self.kinds[kind] if other is not entry]
                continue
            results = call.results(arrays, seed, random_step, self.threads() if call.shared else 1)
            if results is not None:
                return entry[2], results
        return None
