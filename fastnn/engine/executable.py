"""Executables: a traced program made ready to run, by the native engine or by the reference.

Both have the same `run`: iterations over rows of the caller's arrays, results into the caller's arrays.
"""

import numpy as np

from fastnn.engine import native, threads
from fastnn.engine.arena import Arena
from fastnn.engine.reference import ReferenceProgram
from fastnn.engine.steps import Step
from fastnn.graph.lower import Lowering
from fastnn.graph.memory import ARENA, CONSTANTS, COUNTER, Layout

OWN_ARENA = 2**18  # bytes: calls with single batches share a larger arena with all other runs

KERNELS = native.steps()


class Rows:
    """Where one input of a program takes its rows from.

    Parameters
    ----------
    array : C-contiguous array of shape (rows, ...)
    index : int64 array, optional
        The rows in the order they are used; in order of the array if None.
    """

    __slots__ = ("array", "index")

    def __init__(self, array, index=None):
        self.array, self.index = array, index

    def batch(self, t, size):
        """The rows of iteration t."""
        rows = slice(t * size, (t + 1) * size)
        return self.array[rows] if self.index is None else self.array[self.index[rows]]


class NativeExecutable:
    """A program lowered to C steps.

    Parameters
    ----------
    program : Program
        Its float tensors must be float32.
    """

    engine = "native"

    def __init__(self, program):
        self.program = program
        self.layout = Layout(Lowering(program))
        self.steps = [Step(s.kernel, s.operands, _in_order(s.kernel, s.sizes), s.code) for s in self.layout.steps]
        self.bases = list(self.layout.bases)
        if program.counter is not None and COUNTER not in self.bases:
            self.bases.append(COUNTER)
        self.native = native.NativeProgram(self.steps, len(self.bases))
        self.hosts = [i for i, s in enumerate(self.steps) if s.kernel == "host"]
        self.constants = native.aligned_empty(len(self.layout.constants))
        memoryview(self.constants)[:] = bytes(self.layout.constants)
        self.variables = program.stored()
        self.variables += [program.counter.data] if program.counter is not None else []
        self.changes, self.moved = native.changes(), False
        self.homes = [getattr(v, "storage", v) for v in self.variables]
        self.inputs = [(b, key[1]) for b, key in enumerate(self.bases) if key[0] == "input"]
        self.outputs = [(b, key[1]) for b, key in enumerate(self.bases) if key[0] == "output"]
        self.slot = (self.bases.index(COUNTER), 0) if program.counter is not None else None
        self._workspaces = []  # (arena, binding, bases): as many as threads have run at once
        self._idle = []  # workspaces of calls with single batches, see `_workspace_of_call`

    def stale(self):
        """True if a variable has moved to other memory since the program was lowered."""
        if self.changes != native.changes() and not self.moved:
            self.changes = native.changes()
            places = zip(self.variables, self.homes, strict=True)
            self.moved = any(getattr(v, "storage", v) is not home for v, home in places)
        return self.moved

    def _workspace(self):
        """Memory of one run, bound to the program: (arena, binding, bases); the arena is taken."""
        for workspace in self._workspaces:
            if workspace[0].take():
                return workspace
        arena = Arena.taken(self.layout.arena_bytes)
        blocks = {ARENA: arena.memory, CONSTANTS: self.constants, COUNTER: native.aligned_empty(64)}
        bases = [self.layout.storages[key[1]].flat if key[0] == "storage" else blocks.get(key) for key in self.bases]
        workspace = arena, self.native.bind(bases), bases
        self._workspaces.append(workspace)
        return workspace

    def _workspace_of_call(self):
        """Memory of a call with one batch: (binding, bases, taken arena).

        The arena is None where it is small: such a call is too short to ask for it each time, and so no other program
        uses it from now on.
        """
        workspace = arena, binding, bases = self._workspace()
        arena.prepare_for(self, self.layout.reserved)
        if self.layout.arena_bytes > OWN_ARENA:
            return binding, bases, arena
        self._workspaces.remove(workspace)
        return binding, bases, None

    def run(self, rows, outputs=(), batch=1, first=0, count=1, seed=0, step=0, deadline=0.0, profile=None):
        """Iterations first .. first+count-1 over batches of rows.

        Parameters
        ----------
        rows : list of Rows
            One for each input of the program.
        outputs : list of arrays
            Each receives the output of iteration t from its row t * (rows of the output) on.
        seed, step : int
            Key of the random numbers, and their counter for the first iteration.
        deadline : float
            No iteration is begun after this time on `native.clock()`; 0 for none.

        Returns
        -------
        int
            Iterations done.
        """
        if count > 1 and not self.program.counts_evenly:
            return _one_by_one(self.run, first, count, step, deadline, rows, outputs, batch, seed=seed, profile=profile)
        counter = self.program.counter
        self.program.set_leads()
        arguments = {
            "iteration_slot": self.slot, "iteration": int(counter.data.value) if counter is not None else 0,
            "seed": seed, "threads": threads.get_num_threads(), "profile": profile,
        }  # fmt: skip
        drains = [native.Drain(b, outputs[i], self.program.outputs[i].size * 4) for b, i in self.outputs]
        done = 0
        arena, binding, bases = self._workspace()
        try:
            arena.prepare_for(self, self.layout.reserved)
            if self.hosts:
                done = self._run_with_hosts(bases, rows, drains, batch, first, count, step, deadline, arguments)
            else:
                feeds = [self._feed(b, i, rows[i], batch) for b, i in self.inputs]
                done = binding.run(
                    feeds, drains, first=first, count=count, random_step=step, deadline=deadline, **arguments
                )
        except native.RowIndexError as error:
            done = error.done
            raise IndexError(self._wrong_row(error)) from None
        finally:
            arena.give_back()
            self.program.count_runs(done)
        return done

    def ready(self, arrays, limits=None, quotients=()):
        """A `native.BatchCall` for batches of the form of these arrays, one for each input; None if there can be none.

        Parameters
        ----------
        limits : (int, int), optional
            Where the integers of the last array must lie.
        quotients : list of (Variable, Variable)
        """
        inputs = {i: base for base, i in self.inputs}
        tensors = self.program.outputs
        if self.hosts or len(inputs) != len(arrays) or len(self.outputs) != len(tensors):
            return None
        counter = self.program.counter
        if self.program.leads or (counter is not None and self.program.counted != {counter.data: 1}):
            return None
        feeds = [self._feed(inputs[i], i, Rows(array), len(array)) for i, array in enumerate(arrays)]
        drains = {i: native.Drain(b, np.empty(tensors[i].shape, _dtype(tensors[i]))) for b, i in self.outputs}
        return native.BatchCall(
            self._idle, self._workspace_of_call, feeds, [drains[i] for i in range(len(drains))], limits,
            [(a.value, b.value) for a, b in quotients],
            counter.data.value if counter is not None else None, self.slot, self._wrong_row,
        )  # fmt: skip

    def _wrong_row(self, error):
        """The sentence for an index that points outside its table: where, what, and the repair."""
        if error.step < 0:
            return f"row {error.value} is not among the rows of the data"
        instruction = self.layout.steps[error.step].draft.instructions[0]
        index = next(t for t in instruction.inputs if t.dtype == "int32")
        classes = "softmax" in instruction.primitive.name
        rows = instruction.inputs[0].shape[-1] if classes else self._table_rows(instruction)
        what = "label" if classes else "row index"
        where = f"layer {instruction.scope!r}" if instruction.scope else index.name or "the program"
        return (
            f"{where}: {what} {error.value} is outside 0..{rows - 1}; the step that met it was not finished: mend the "
            "data, or make the table larger"
        )

    def _table_rows(self, instruction):
        """Rows of the table that a gather reads or a scatter adds to."""
        return instruction.attributes.get("rows") or instruction.inputs[0].shape[0]

    def _feed(self, base, i, rows, batch):
        tensor = self.program.inputs[i]
        per_iteration = batch if tensor.shape else 1
        return native.Feed(base, rows.array, tensor.dtype == "int32", rows.index, per_iteration)

    # --- programs that return to the interpreter ---------------------------------------------------
    def _run_with_hosts(self, bases, rows, drains, batch, first, count, step, deadline, arguments):
        """As `run`, with the native steps between two host steps as one call each."""
        for done, t in enumerate(range(first, first + count), 1):
            whole = list(bases)
            for base, i in self.inputs:
                whole[base] = np.ascontiguousarray(rows[i].batch(t, batch), _dtype(self.program.inputs[i]))
            for drain in drains:
                size = drain.stride_bytes
                whole[drain.base] = memoryview(drain.array).cast("B")[t * size : (t + 1) * size]
            binding, begin = self.native.bind(whole), 0
            for at in [*self.hosts, len(self.steps)]:
                if at > begin:
                    binding.run((), (), begin=begin, end=at, random_step=step + t - first, **arguments)
                if at < len(self.steps):
                    self._call_host(self.layout.steps[at], whole)
                begin = at + 1
            arguments["iteration"] += 1
            if deadline and native.clock() > deadline:
                return done
        return count

    def _call_host(self, placed, bases):
        instruction = self.layout.lowering.hosts[placed.sizes["index"]]
        places = list(zip((*instruction.inputs, *instruction.outputs), placed.operands, strict=True))
        arrays = [_view(tensor, operand, bases) for tensor, operand in places]
        n = len(instruction.inputs)
        given = [a.astype(bool) if t.dtype == "bool" else a for a, (t, _) in zip(arrays[:n], places[:n], strict=True)]
        results = instruction.primitive.reference(*given, **instruction.attributes)
        results = results if instruction.primitive.n_outputs > 1 else (results,)
        for target, result in zip(arrays[n:], results, strict=True):
            target[...] = result


def _one_by_one(run, first, count, step, deadline, *args, **kwargs):
    """`count` iterations in as many runs, between which the counters are looked at."""
    for done in range(count):
        run(*args, first=first + done, count=1, step=step + done, **kwargs)
        if deadline and native.clock() > deadline:
            return done + 1
    return count


def _in_order(kernel, sizes):
    """The sizes of a step as csrc/steps.def lists them."""
    _, names = KERNELS[kernel]
    if len(sizes) != len(names):
        raise RuntimeError(
            f"{kernel}: fastnn.engine.native was built from other sources than this folder's: its sizes are {names}, "
            f"not {tuple(sizes)}. Build it again: pip install ."
        )
    return tuple(sizes[name] for name in names)


def _view(tensor, operand, bases):
    """The memory of an operand as an array."""
    block = memoryview(bases[operand.base]).cast("B")[operand.offset : operand.offset + operand.bytes]
    return np.frombuffer(block, _dtype(tensor)).reshape(tensor.shape)


def _dtype(tensor):
    return "int32" if tensor.dtype == "int32" else "float32"


class ReferenceExecutable:
    """The same program run by NumPy, primitive by primitive."""

    engine = "reference"

    def __init__(self, program):
        self.program = program
        self.reference = ReferenceProgram(program)

    def stale(self):
        """Never: variables are read afresh."""
        return False

    def ready(self, arrays, limits=None, quotients=()):
        """None: NumPy's own cost per call is larger than that of preparations."""

    def run(self, rows, outputs=(), batch=1, first=0, count=1, seed=0, step=0, deadline=0.0, profile=None):
        """As `NativeExecutable.run`."""
        for done, t in enumerate(range(first, first + count), 1):
            inputs = [
                r.batch(t, batch) if p.shape else r.array[t] for r, p in zip(rows, self.program.inputs, strict=True)
            ]
            results, _ = self.reference.run(inputs, seed, step + t - first)
            for target, result in zip(outputs, results, strict=True):
                flat = target.reshape(-1)
                flat[t * result.size : (t + 1) * result.size] = result.ravel()
            if deadline and native.clock() > deadline:
                return done
        return count


def executable(program, engine):
    """The program made ready for an engine.

    Parameters
    ----------
    engine : {"native", "reference"}
        float64 programs always run on the reference.
    """
    tensors = [*program.inputs, *(t for i in program.instructions for t in (*i.inputs, *i.outputs))]
    if engine == "reference" or any(t.dtype == "float64" for t in tensors):
        return ReferenceExecutable(program)
    return NativeExecutable(program)
