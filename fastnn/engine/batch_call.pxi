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


cdef object form_of(object array):
    """An array of the same shape and dtype that takes no memory."""
    return broadcast_to(empty((), array.dtype), array.shape)


cdef bint fits(fnn_feed *feed, numpy.ndarray array, numpy.ndarray form):
    """Feed an array that has the dtype and the shape of another, if it is contiguous, aligned, in native byte order."""
    feed.data = numpy.PyArray_BYTES(array)
    return (
        numpy.PyArray_TYPE(array) == numpy.PyArray_TYPE(form)
        and numpy.PyArray_SAMESHAPE(array, form)
        and numpy.PyArray_ISCARRAY_RO(array)
    )


@final
cdef class BatchCall:
    """A program made ready for single batches of one form: what :meth:`Binding.run` does, its preparations done once.

    Parameters
    ----------
    idle : list of (Binding, object, arena or None)
        Workspaces that no run uses; each call takes one and puts it back.
    make : callable
        Gives one more. If its last element is an arena, that has been taken and is given back after the call instead.
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

    cdef list idle, inputs, outputs, kept  # of inputs and outputs their forms: see `form_of`
    cdef object make, explain
    cdef fnn_run form
    cdef fnn_feed feed[FNN_MAX_BASES]
    cdef fnn_drain drain[FNN_MAX_BASES]
    cdef bint limited, release
    cdef int64_t low, high
    cdef AlignedBuffer places  # of the quotients: float *[n][2]
    cdef int n_quotients, slot_base
    cdef ptrdiff_t slot_offset
    cdef int32_t *counter
    cdef readonly bint shared
    cdef bint noted  # these two: see `BatchCalls`
    cdef uint64_t changes

    def __init__(self, list idle, make, inputs, drains, limits, quotients, counter, iteration_slot, explain):
        cdef fnn_program *program
        cdef tuple workspace = make()
        cdef Binding binding
        binding = workspace[0]
        program = &binding.program.program
        self.idle, self.make, self.explain, self.kept = idle, make, explain, []
        self.put_back(workspace)
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

    cdef int put_back(self, tuple workspace) except -1:
        if workspace[2] is None:
            self.idle.append(workspace)
        else:
            workspace[2].give_back()
        return 0

    cdef int set_form(self, Binding binding, object inputs, object drains) except -1:
        cdef Py_buffer views[2 * FNN_MAX_BASES]
        cdef int n_views = 0, i
        self.inputs, self.outputs = [], []
        try:
            for given in inputs:
                check(given.index is None and given.batch == len(given.array), "a batch is a whole array")
                binding.set_feed(&self.form, views, &n_views, given)
                self.inputs.append(form_of(given.array))
            for given in drains:
                binding.set_drain(&self.form, views, &n_views, given)
                self.outputs.append(form_of(given.array))
            binding.check_complete(&self.form)
        finally:
            for i in range(n_views):
                PyBuffer_Release(&views[i])
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
        cdef numpy.ndarray form
        cdef list results = []
        cdef int i
        if len(arrays) != run.n_feeds:
            raise ValueError(f"{len(arrays)} arrays for {run.n_feeds} inputs")
        if not 1 <= threads <= FNN_MAX_THREADS:
            raise ValueError(f"{threads} threads: from 1 to {FNN_MAX_THREADS} are possible")
        memcpy(feed, self.feed, run.n_feeds * sizeof(fnn_feed))
        memcpy(drain, self.drain, run.n_drains * sizeof(fnn_drain))
        run.feed, run.drain = feed, drain
        run.random_seed, run.random_step, run.threads = seed, random_step, threads
        for i, array in enumerate(arrays):
            if type(array) is not ndarray or not fits(&feed[i], <numpy.ndarray>array, <numpy.ndarray>self.inputs[i]):
                return None
        if self.limited and not within(&feed[run.n_feeds - 1], self.low, self.high):
            return None
        for i in range(run.n_drains):
            form = <numpy.ndarray>self.outputs[i]
            array = numpy.PyArray_SimpleNew(form.ndim, numpy.PyArray_DIMS(form), numpy.PyArray_TYPE(form))
            drain[i].data = numpy.PyArray_BYTES(<numpy.ndarray>array)
            results.append(array)
        self.run(&run)
        self.divide(results)
        return results

    cdef int run(self, fnn_run *run) except -1:
        cdef float **place = <float **>self.places.data
        cdef tuple workspace = self.idle.pop() if self.idle else self.make()
        cdef Binding binding = <Binding?>workspace[0]
        cdef int i
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
            self.put_back(workspace)
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
cdef uint64_t changed = 0
cdef int traces = 0


def note_change():
    """Note that variables moved to other memory or that the float type changed: whoever relies on them asks anew."""
    global changed
    changed += 1


def changes():
    """Return how many changes were noted."""
    return changed


def note_trace(int begun):
    """Note that programs began, or ended if negative, to be traced: meanwhile no call is ready, in any thread."""
    global traces
    traces += begun


cdef class BatchCalls:
    """Calls made ready, each for arrays of one form and for as long as its condition holds.

    Parameters
    ----------
    threads : callable
        Says how many threads a call may use.
    """

    cdef dict kinds  # {kind: [(call, condition, finish)]}, the lists replaced, not changed: others may walk them
    cdef object threads

    def __init__(self, threads):
        self.kinds, self.threads = {}, threads

    def clear(self):
        """Forget all calls."""
        self.kinds.clear()

    def add(self, kind, BatchCall call not None, condition, bint noted, finish):
        """Keep a call.

        Parameters
        ----------
        condition : callable
            Whether the call still does what calls of this kind are to do.
        noted : bool
            Whether it changes with :func:`note_change` alone, so that it need not be asked every time.
        finish : callable, optional
            Makes of the list of results what `results` returns; without, that is the first of them.
        """
        call.noted, call.changes = noted, changed
        self.kinds[kind] = [*self.kinds.get(kind, ()), (call, condition, finish)]

    def results(self, kind, tuple arrays, seed, uint64_t random_step):
        """Return the results for plain arrays of a form that is ready, or None: then nothing was done.

        A seed of None is that of a model that has never run: it has no calls.
        """
        cdef tuple entry
        cdef BatchCall call
        cdef list results
        if seed is None or traces:
            return None
        for entry in <list>self.kinds.get(kind, NO_CALLS):
            call = <BatchCall>entry[0]
            if not call.noted or call.changes != changed:
                call.changes = changed
                if not entry[1]():
                    self.kinds[kind] = [other for other in self.kinds[kind] if other is not entry]
                    continue
            results = call.results(arrays, seed, random_step, self.threads() if call.shared else 1)
            if results is not None:
                return results[0] if entry[2] is None else entry[2](results)
        return None
