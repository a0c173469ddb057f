"""Running one step from a test, and the two kinds of data."""

import numpy as np

from fastnn.engine import native
from fastnn.engine.steps import Code, Instruction, View

THREADS = (1, 2, 3)
UNIT_ROUNDOFF = 2.0**-24


def integers(rng, *shape):
    """Small integers: every sum of products is exact in float32, in any order."""
    return rng.integers(-4, 5, shape).astype(np.float32)


def normals(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def gamma(k):
    """Largest relative error of a sum of k products (Higham, Accuracy and Stability, 3.1)."""
    return k * UNIT_ROUNDOFF / (1 - k * UNIT_ROUNDOFF)


def outputs(*shape, dtype=np.float32):
    """Memory that holds garbage: a kernel must write every element."""
    return np.full(shape, -777 if dtype == np.int32 else np.nan, dtype)


def run(kernel, dims, inputs, shapes, dtypes=None, threads=1):
    """Run one step and return its outputs."""
    dtypes = dtypes or [np.float32] * len(shapes)
    results = [outputs(*shape, dtype=dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
    native.run_step(kernel, dims, [*inputs, *results], threads=threads)
    return results


def run_all_threads(kernel, dims, inputs, shapes, dtypes=None):
    """Run one step on 1, 2 and 3 threads: the bits must be the same."""
    first, *others = [run(kernel, dims, inputs, shapes, dtypes, threads) for threads in THREADS]
    for other in others:
        for a, b in zip(first, other, strict=True):
            assert a.tobytes() == b.tobytes()
    return first


def bias_relu(output, bias, place=3):
    """The epilogue relu(output + bias) of a step with operands (a, b, output, ..., bias), that one at a place."""
    views = (View(2, "contiguous"), View(place, "row", period=bias.size))
    instructions = (
        Instruction("load", 0, 0),
        Instruction("load", 1, 1),
        Instruction("add", 0, 0, 1),
        Instruction("relu", 0, 0),
        Instruction("store", 0, 0),
    )
    return Code(output.size, views, instructions)


def check_epilogue(kernel, dims, inputs, shape, rng):
    """A step with an epilogue is the step, then the epilogue."""
    (plain,) = run(kernel, dims, inputs, [shape])
    bias = integers(rng, shape[-1])
    for threads in THREADS:
        fused = outputs(*shape)
        native.run_step(kernel, dims, [*inputs, fused, bias], code=bias_relu(fused, bias), threads=threads)
        np.testing.assert_array_equal(fused, np.maximum(plain + bias, 0))
