"""Running a traced program from a test: on either engine, every step shared by the threads however small it is."""

import numpy as np

from fastnn.engine import native, threads
from fastnn.engine.executable import NativeExecutable, Rows
from fastnn.engine.reference import ReferenceProgram
from fastnn.graph.memory import ARENA

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
    if not executable._idle:
        executable._idle.append(executable._workspace())
        spoil(executable)
    with threads.num_threads(n_threads):
        done = executable.run(rows, outputs, batch=1, count=count, seed=SEED, step=STEP)
    assert done == count
    return outputs


def arena_of(executable):
    """The memory of the idle workspace that results share, as float32."""
    _, bases = executable._idle[-1]
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
