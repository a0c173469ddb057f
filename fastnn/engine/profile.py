"""A program as a table: what each step computes, how long it takes, and how long the machine would need at least."""

import math

import numpy as np

from fastnn.engine import native, threads
from fastnn.graph.memory import bytes_of, flops_of


class ProgramTable:
    """The steps of an executable; print it.

    Attributes
    ----------
    rows : list of dict
        step, kernel, layer, shapes, flops, bytes, chunks, fused, and after `measure` microseconds and limit.
    """

    def __init__(self, program, kind):
        self.program, self.kind = program, kind
        self.rows = _native_rows(program) if program.engine == "native" else _reference_rows(program.program)
        self.measured = False

    def measure(self, rows, batch, steps):
        """Time every step over some iterations; the variables change as in training."""
        if self.program.engine != "native":
            raise ValueError('profile: per-step times need the native engine: compile(engine="native")')
        outputs = [
            np.empty(t.shape, np.int32 if t.dtype == "int32" else np.float32) for t in self.program.program.outputs
        ]
        seconds = np.zeros(max(len(self.rows), 1))
        self.program.run(rows, outputs, batch=batch)
        for _ in range(steps):
            self.program.run(rows, outputs, batch=batch, profile=seconds)
        peak = native.measure_peak() * threads.get_num_threads()
        bandwidth = native.measure_bandwidth()
        for row, total in zip(self.rows, seconds, strict=False):
            row["microseconds"] = total / steps * 1e6
            row["limit"] = max(row["flops"] / peak, row["bytes"] / bandwidth) * 1e6
        self.measured = True

    def __str__(self):
        columns = ["step", "kernel", "layer", "shapes", "flops", "bytes", "chunks"]
        columns += ["microseconds", "limit"] if self.measured else []
        columns += ["fused"]
        table = [[_text(row.get(c, "")) for c in columns] for row in self.rows]
        widths = [max(len(c), *(len(r[i]) for r in table)) if table else len(c) for i, c in enumerate(columns)]
        lines = ["  ".join(c.ljust(w) for c, w in zip(columns, widths, strict=True)).rstrip()]
        lines += ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in table]
        flops, moved = sum(r["flops"] for r in self.rows), sum(r["bytes"] for r in self.rows)
        total = f"{self.kind} program, {self.program.engine} engine: {len(self.rows)} steps"
        total += f", {flops:,} operations, {moved:,} bytes"
        if self.program.engine == "native":
            total += f", arena {self.program.layout.arena_bytes:,} bytes"
        if self.measured:
            took, least = (sum(r[k] for r in self.rows) for k in ("microseconds", "limit"))
            total += f", {took:,.1f} µs (limit {least:,.1f} µs)"
        return "\n".join([*lines, total])

    __repr__ = __str__


def _text(value):
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _native_rows(program):
    rows = []
    for i, placed in enumerate(program.layout.steps):
        instructions = placed.draft.instructions
        main = [x for x in instructions if placed.code is None or not _is_elementwise(x)]
        names = [x.primitive.name for x in instructions]
        rows.append(
            {
                "step": i,
                "kernel": placed.kernel,
                "layer": instructions[0].scope if instructions else "",
                "shapes": _shapes(placed.draft),
                "flops": flops_of(placed) if placed.kernel not in ("copy", "fill") else 0,
                "bytes": bytes_of(placed),
                "chunks": int(program.native.step_chunks[i]),
                "fused": " ".join(names[len(main) :] if main else names) if placed.code is not None else "",
            }
        )
    return rows


def _is_elementwise(instruction):
    from fastnn.graph.fuse import is_elementwise

    return is_elementwise(instruction)


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
            "flops": x.primitive.flops(x), "bytes": 4 * sum(math.prod(t.shape) for t in (*x.inputs, *x.outputs)),
            "chunks": 1, "fused": "",
        }
        for i, x in enumerate(program.instructions)
    ]  # fmt: skip
