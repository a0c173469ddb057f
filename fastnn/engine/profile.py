"""A program as a table: what each step computes, how long it takes, and how long the machine would need at least."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from fastnn.engine import native, threads
from fastnn.engine.executable import Rows
from fastnn.graph.bytecode import JOINED
from fastnn.graph.memory import ITEM

ROUNDS = 10  # of a measurement: their median is not moved by what else the machine does
NO_ARITHMETIC = ("load", "store", "constant")  # opcodes that only move numbers
PREPARATIONS = (  # kernels that are no arithmetic of the primitive they serve: it is counted once, in its main step
    "elementwise", "copy", "fill", "winograd_kernel", "winograd_kernel_gradient_sum",
)  # fmt: skip


class Machine:
    """What this machine can do at best with some threads, measured when it is first asked for.

    Parameters
    ----------
    n_threads : int
    seconds : float
        How long one measurement takes.
    """

    def __init__(self, n_threads, seconds=0.1):
        self.n_threads, self.seconds = n_threads, seconds
        self._peak, self._bandwidth = None, {}

    def peak(self):
        """Floating-point operations a second: fused multiply-adds on registers."""
        if self._peak is None:
            self._peak = self._together(native.measure_peak, self.seconds)
        return self._peak

    def bandwidth(self, n_bytes):
        """Bytes a second, read and written, of copies within n_bytes: small ones stay in a cache."""
        share = max(n_bytes / self.n_threads / 2, 1)  # a copy of so many bytes touches twice as many
        size = min(max(2 ** math.ceil(math.log2(share)), 2**12), 2**25)
        if size not in self._bandwidth:
            self._bandwidth[size] = self._together(native.measure_bandwidth, size, self.seconds)
        return self._bandwidth[size]

    def least_seconds(self, flops, n_bytes):
        """The time for all arithmetic at the peak, or for moving all bytes once.

        The arithmetic is that of the mathematical sentence.  A convolution by Winograd's algorithm (steps
        ``winograd_...``) does with up to 4 times fewer multiplications, and may take less than this.
        """
        return max(flops / self.peak(), n_bytes / self.bandwidth(n_bytes))

    def _together(self, measure, *arguments):
        """The sum over all threads measuring at once: they share power and memory."""
        with ThreadPoolExecutor(self.n_threads) as pool:
            return sum(pool.map(lambda _: measure(*arguments), range(self.n_threads)))


class ProgramTable:
    """The steps of an executable; print it.

    Attributes
    ----------
    rows : list of dict
        step, kernel, layer, shapes, flops, bytes, chunks, fused, and after `measure` microseconds and limit.
        Host steps have no microseconds: the interpreter runs them.
    """

    def __init__(self, program, kind):
        self.program, self.kind = program, kind
        self.rows = _native_rows(program) if program.engine == "native" else _reference_rows(program.program)
        self.measured = False

    def measure(self, rows, batch, steps):
        """Time every step on one batch, the median of a few rounds; the variables change as in training."""
        if self.program.engine != "native":
            raise ValueError('profile: per-step times need the native engine: compile(engine="native")')
        count = max(steps // ROUNDS, 1)
        again = [Rows(r.array, np.tile(np.arange(batch), count)) for r in rows]
        results = self.program.program.outputs
        outputs = [np.empty(t.size * count, np.int32 if t.dtype == "int32" else np.float32) for t in results]
        self.program.run(again, outputs, batch=batch, count=count)
        rounds = np.zeros((-(-steps // count), max(len(self.rows), 1)))
        for seconds in rounds:
            self.program.run(again, outputs, batch=batch, count=count, profile=seconds)
        machine = Machine(threads.get_num_threads())
        for row, total in zip(self.rows, np.median(rounds, axis=0), strict=False):
            if row["kernel"] != "host":
                row["microseconds"] = float(total) / count * 1e6
                row["limit"] = machine.least_seconds(row["flops"], row["bytes"]) * 1e6
        self.measured = True

    def __str__(self):
        columns = ["step", "kernel", "layer", "shapes", "flops", "bytes", "chunks"]
        columns += ["microseconds", "limit"] if self.measured else []
        columns += ["fused"]
        table = [[_text(row.get(c, "")) for c in columns] for row in self.rows]
        widths = [max(len(c), *(len(r[i]) for r in table)) if table else len(c) for i, c in enumerate(columns)]
        lines = ["  ".join(c.ljust(w) for c, w in zip(columns, widths, strict=True)).rstrip()]
        lines += ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in table]
        return "\n".join([*lines, self._total()])

    __repr__ = __str__

    def _total(self):
        flops, moved = sum(r["flops"] for r in self.rows), sum(r["bytes"] for r in self.rows)
        total = f"{self.kind} program, {self.program.engine} engine: {len(self.rows)} steps"
        total += f", {flops:,} operations, {moved:,} bytes"
        if self.program.engine == "native":
            total += f", arena {self.program.layout.arena_bytes:,} bytes"
        if self.measured:
            took, least = (sum(r.get(k, 0.0) for r in self.rows) for k in ("microseconds", "limit"))
            total += f", {took:,.1f} µs (limit {least:,.1f} µs)"
        return total


def _text(value):
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _native_rows(program):
    rows = []
    for i, placed in enumerate(program.layout.steps):
        instructions = placed.draft.instructions
        rows.append(
            {
                "step": i,
                "kernel": placed.kernel,
                "layer": instructions[0].scope if instructions else "",
                "shapes": _shapes(placed.draft),
                "flops": _flops(placed),
                "bytes": _bytes(placed),
                "chunks": int(program.native.step_chunks[i]),
                "fused": " ".join(_arithmetic(placed.code)),
            }
        )
    return rows


def _arithmetic(code):
    """The opcodes of a step's own elementwise work."""
    names = [i.op for i in code.instructions if i.op not in NO_ARITHMETIC] if code is not None else []
    return [part for name in names for part in JOINED.get(name, (name,))]


def _flops(placed):
    """Arithmetic operations of one step; one primitive may have become several steps."""
    fused = len(_arithmetic(placed.code)) * placed.code.count if placed.code is not None else 0
    if placed.kernel in PREPARATIONS:
        return fused
    if placed.kernel == "reduce":
        return fused + placed.draft.reads[0].size
    if placed.kernel == "elementwise_reduce":
        return fused + sum(v.kind == "piece" for v in placed.code.views) * placed.code.count
    if placed.draft.flops is not None:
        return fused + placed.draft.flops
    main = placed.draft.instructions[0]
    return fused + main.primitive.flops(main)


def _bytes(placed):
    """Memory that one step has to read and write, each operand once."""
    sizes = placed.sizes
    if placed.kernel == "copy":
        return 2 * ITEM * math.prod(sizes[f"n{axis}"] for axis in range(6))
    if placed.kernel == "gather":
        return ITEM * (2 * sizes["count"] * sizes["width"] + sizes["count"])
    reads, writes = ({id(t): t.size for t in tensors} for tensors in (placed.draft.reads, placed.draft.writes))
    return ITEM * (sum(reads.values()) + sum(writes.values()))


def _shapes(draft):
    reads = " ".join(_shape(t) for t in draft.reads[:2])
    return f"{reads} -> {' '.join(_shape(t) for t in draft.writes[:2])}".strip()


def _shape(tensor):
    return "x".join(map(str, tensor.shape)) or "1"


def _reference_rows(program):
    return [
        {
            "step": i, "kernel": x.primitive.name, "layer": x.scope,
            "shapes": f"{' '.join(_shape(t) for t in x.inputs[:2])} -> {_shape(x.outputs[0])}",
            "flops": x.primitive.flops(x), "bytes": ITEM * sum(math.prod(t.shape) for t in (*x.inputs, *x.outputs)),
            "chunks": 1, "fused": "",
        }
        for i, x in enumerate(program.instructions)
    ]  # fmt: skip
