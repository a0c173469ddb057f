"""Running a traced program from a test: on either engine, every step shared by the threads however small it is."""

import numpy as np

from fastnn.engine import native, threads
from fastnn.engine.executable import NativeExecutable, Rows
from fastnn.engine.reference import ReferenceProgram
from fastnn.graph.memory import ARENA, PASSES

THREADS = (1, 2, 3)
SEED, STEP = 5, 2**33 + 3


def shared(program):
    """The native executable of a program, with even the smallest steps cut among the threads."""
    executable = NativeExecutable(program)
    executable.native = native.NativeProgram(executable.steps, len(executable.bases), share_above=1e-6)
    return executable


def run_native(executable, inputs, n_threads=1):
    """Run once for each entry of `inputs`, a list of lists of arrays; returns the outputs of all runs, stacked.

    Outputs, and the memory between the steps, begin as garbage: every step must write what others read.
    """
    count = len(inputs)
    outputs = [garbage((count, *t.shape), t.dtype) for t in executable.program.outputs]
    rows = [Rows(np.ascontiguousarray(np.stack(column))) for column in zip(*inputs, strict=True)]
    if not executable._workspaces:
        arena, *_ = executable._workspace()
        spoil(executable)
        arena.give_back()
    with threads.num_threads(n_threads):
        done = executable.run(rows, outputs, batch=1, count=count, seed=SEED, step=STEP)
    assert done == count
    return outputs


def arena_of(executable):
    """The memory that results share, as float32."""
    *_, bases = executable._workspaces[-1]
    if ARENA not in executable.bases:
        return np.zeros(0, np.float32)
    return np.frombuffer(bases[executable.bases.index(ARENA)], np.float32)


def spoil(executable):
    """Fill the shared memory with NaN, but for the blocks whose gaps must stay zero."""
    arena_of(executable)[executable.layout.reserved // 4 :] = np.nan


def garbage(shape, dtype):
    return np.full(shape, -777, np.int32) if dtype == "int32" else np.full(shape, np.nan, np.float32)


def run_reference(program, inputs, dtype=None):
    """As `run_native`, by NumPy; variables are changed."""
    runner = ReferenceProgram(program, dtype)
    runs = [runner.run(arrays, SEED, STEP + i)[0] for i, arrays in enumerate(inputs)]
    return [np.stack(column) for column in zip(*runs, strict=True)]


def same_bits(a, b):
    """Equal to the last bit (0 and -0 differ, NaN equals itself)."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


# ---- the plan of a program's memory ------------------------------------------------------------------------


def check_plan(layout):
    """Walk over the steps and note, for every four bytes, which tensor lies there: nobody may read another's.

    Says so by AssertionError.
    """
    owners = {}
    parts = {id(block): [layout.place(part) for part, _ in pieces] for block, pieces in layout.lowering.packs}
    for i, step in enumerate(layout.steps):
        operands = dict(zip(map(id, step.draft.operands), step.operands, strict=True))
        reads, writes = ([_range(layout, t) for t in tensors] for tensors in (step.draft.reads, step.draft.writes))
        for tensor, (base, a, b) in zip(step.draft.reads, reads, strict=True):
            assert operands[id(tensor)].offset == 4 * a
            _check_read(layout, owners, tensor, base, a, b, f"step {i}, {step.kernel}, reads {tensor}", parts)
        for tensor, (base, a, b) in zip(step.draft.writes, writes, strict=True):
            if base not in owners or len(owners[base]) < b:
                grown = np.zeros(b, np.int64)
                old = owners.get(base, grown[:0])
                grown[: len(old)] = old
                owners[base] = grown
            owners[base][a:b] = id(layout.root(tensor))
            for source, other in zip(step.draft.reads, reads, strict=True):
                if other[0] == base and other[1] < b and a < other[2]:
                    assert other == (base, a, b), f"step {i}, {step.kernel}: {tensor} half over {source}"
                    kinds = {v.kind for v in step.code.views if step.draft.operands[v.operand] is source}
                    assert step.kernel in PASSES, f"step {i}, {step.kernel}: {tensor} over {source}"
                    assert kinds <= {"contiguous"}, f"step {i}: {tensor} over {source}, which is read as {kinds}"


def _range(layout, tensor):
    place = layout.place(tensor)
    assert place.offset % 4 == 0
    return place.base, place.offset // 4, place.offset // 4 + tensor.size


def _check_read(layout, owners, tensor, base, a, b, what, parts):
    root = layout.root(tensor)
    found = owners.get(base, np.zeros(0, np.int64))[a:b]
    found = np.concatenate([found, np.zeros(b - a - len(found), np.int64)])
    if root.kind != "result":
        assert not found.any(), f"{what}, which is overwritten"
    elif id(root) in parts:
        for place in parts[id(root)]:
            assert found[place.offset // 4 - a :][:1].all(), f"{what}: a part is missing"
    else:
        assert (found == id(root)).all(), f"{what}, which is not there"
