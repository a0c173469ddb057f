"""Running a traced program from a test: on either engine, every step shared by threads however small it is."""

import numpy as np

from fastnn.engine import native, threads
from fastnn.engine.executable import NativeExecutable
from fastnn.engine.reference import ReferenceProgram

THREADS = (1, 2, 3)


def shared(program):
    """The native executable of a program, with even the smallest steps cut among the threads."""
    executable = NativeExecutable(program)
    executable.native = native.NativeProgram(executable.steps, len(executable.bases), 0.0)
    return executable


def run_native(executable, inputs, n_threads=1, count=1, seed=5, step=3):
    """The outputs of the last of `count` runs on the same inputs; the memory begins as garbage."""
    from fastnn.engine.executable import Rows

    outputs = [_garbage(t) for t in executable.program.outputs]
    rows = [Rows(np.ascontiguousarray(a)[None] if np.ndim(a) == 0 else np.ascontiguousarray(a)) for a in inputs]
    with threads.num_threads(n_threads):
        for i in range(count):
            for r, tensor in zip(rows, executable.program.inputs, strict=True):
                executable.run([_only(r, tensor) for r, tensor in zip(rows, executable.program.inputs, strict=True)],
                               outputs, batch=1, seed=seed, step=step + i)
                break
            else:
                executable.run([], outputs, seed=seed, step=step + i)
    return outputs
