"""Rows of kernels on sizes that networks have: the benchmarks time them, the tests run them.

A row is a function of arrays written with `fastnn.ops`.  It is traced to a program whose inputs and results are
variables, so that the native engine runs it many times in one call and nothing but the kernels is timed.
"""

import contextlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastnn import ops, random
from fastnn.engine.executable import NativeExecutable
from fastnn.engine.reference import ReferenceProgram
from fastnn.graph.fuse import live_instructions
from fastnn.graph.gradients import gradients
from fastnn.graph.program import Program
from fastnn.ops import recurrent, winograd
from fastnn.variable import Variable


class Case(NamedTuple):
    """A kernel on arrays of some shapes; a shape with a number before it is one of integers below that number."""

    name: str
    function: Callable
    shapes: tuple
    tolerance: float = 1e-4  # of the largest result
    in_place: bool = False  # the results are the new values of the first arrays
    direct: bool = False  # convolutions keep to the direct kernels, where Winograd's algorithm would be chosen

    def arrays(self):
        rng = np.random.default_rng(0)
        for shape in self.shapes:
            if shape and isinstance(shape[0], tuple):
                (below,), shape = shape
                yield rng.integers(0, below, shape, dtype=np.int32)
            else:
                yield rng.standard_normal(shape, dtype=np.float32)


def gradient_of(function, *which):
    """The gradients of y = function(...) for some of the arguments; dy is the last argument."""

    def compute(*arguments):
        *inputs, dy = arguments
        found = gradients(function(*inputs), [inputs[i] for i in which], seed=dy)
        return found[0] if len(found) == 1 else tuple(found)

    return compute


def conv(padding="valid"):
    return lambda x, w: ops.conv(x, w, padding=padding)


def depthwise(x, w, strides=1):
    return ops.depthwise_conv(x, w, strides, padding="same")


def strided_depthwise(x, w):
    return depthwise(x, w, 2)


def max_pool(x):
    return ops.max_pool(x, 2)


def conv_pool(x, w, b):
    return ops.max_pool(ops.relu(ops.conv(x, w) + b), 2)


def average_pool(x):
    return ops.average_pool(x, 2)


def chain(a, b, c):
    """Ten operations, three arrays in, one out."""
    return ops.tanh(a * b + c) * ops.sigmoid(c - a) + ops.maximum(a, 0.0) * 0.5


def bias_relu(x, w, b):
    return ops.relu(x @ w + b)


def trained(w, x):
    """A product with a matrix that changes in the same program, and its gradient."""
    return w - ops.transpose(x) @ ops.relu(x @ w) * 0.001


def adam(w, m, v, g):
    """As the optimiser has it, but that v, a normal number here, is made positive first."""
    m = ops.interpolate(m, g, 0.1)
    v = ops.interpolate_square(ops.absolute(v), g, 0.001)
    return ops.multiply_add(ops.divide_by_root(m, v, 1e-7), -0.001, w), m, v


def normalize(x, gamma, beta, axes=(0, 1, 2)):
    """Batch normalization in training, and the rectifier behind it."""
    mean, variance = ops.moments(x, axes, keepdims=True)
    return ops.relu((x - mean) * (ops.rsqrt(variance + 1e-3) * gamma) + beta)


def normalize_rows(x, gamma, beta):
    return normalize(x, gamma, beta, -1)


def crossentropy(x, label):
    return ops.sparse_categorical_crossentropy(label, x, from_logits=True)


def take(table, index):
    return ops.take(table, index, axis=0)


def lstm(x, w, bias, u, h, c):
    return recurrent.lstm(x, w, bias, u, h, c)[1][0]


def gru(x, w, bias, u, h):
    return recurrent.gru(x, w, bias, u, h)[1][0]


def simple_rnn(x, w, bias, u, h):
    return recurrent.simple_rnn(x, w, bias, u, h)[1][0]


def images(n, size, c, f, window=3, padding="valid"):
    """Shapes of x, w and dy of a convolution."""
    out = size if padding == "same" else size - window + 1
    return (n, size, size, c), (window, window, c, f), (n, out, out, f)


def conv_cases(name, shapes, padding="valid", first=False, direct=False):
    """Forward, gradient for the kernel and, but in a first layer, for the input."""
    x, w, dy = shapes
    kind = "direct conv2d" if direct else "conv2d"
    yield Case(f"{kind} {name}", conv(padding), (x, w), direct=direct)
    yield Case(f"{kind} kernel gradient {name}", gradient_of(conv(padding), 1), (x, w, dy), direct=direct)
    if not first:
        yield Case(f"{kind} input gradient {name}", gradient_of(conv(padding), 0), (x, w, dy), direct=direct)


def both_conv_cases(name, shapes, padding="valid"):
    """By Winograd's algorithm, as the rule of `fastnn.ops.winograd` has it, and directly."""
    yield from conv_cases(name, shapes, padding)
    yield from conv_cases(name, shapes, padding, direct=True)


def recurrent_cases(function, gates, n, t, k, units, biases=1, states=1):
    """Forward, and all gradients with the forward pass that they need; the scale keeps the gates from their ends."""
    width = gates * units
    weights = [(k, width), (width,) if biases == 1 else (biases, width), (units, width)]
    shapes = [(n, t, k), *weights, *[(n, units)] * states]

    def scaled(x, w, bias, u, *states):
        return function(x, w * k**-0.5, bias, u * units**-0.5, *states)

    name = f"{function.__name__} {units} units, {t} elements of {k}, n{n}"
    yield Case(name, scaled, tuple(shapes))
    yield Case(f"{name}, and gradients", gradient_of(scaled, *range(len(shapes))), (*shapes, (n, units)))


MATMULS = (
    (512, 512, 512), (128, 784, 512), (32, 784, 128), (784, 32, 128), (32, 128, 10), (20, 6272, 512), (1, 784, 128),
    (2, 784, 512), (128, 2048, 1),
)  # fmt: skip
DENSE = ((128, 512), (512, 512), (128, 512))  # x, w, dy
DEPTHWISE = ((16, 32, 32, 64), (3, 3, 64, 1), (16, 32, 32, 64))  # x, w, dy
STRIDED_DEPTHWISE = (*DEPTHWISE[:2], (16, 16, 16, 64))
POOLED, POOLED_OUT = (64, 32, 32, 64), (64, 16, 16, 64)
NORMALIZED = ((16, 32, 32, 64), (64,), (64,), (16, 32, 32, 64))  # x, gamma, beta, dy
NORMALIZED_ROWS = ((4096, 512), (512,), (512,), (4096, 512))
CASES = [
    *(Case(f"matmul {m}x{k} {k}x{n}", ops.matmul, ((m, k), (k, n))) for m, k, n in MATMULS),
    Case("matmul weight gradient 6400x64x192", gradient_of(ops.matmul, 1), ((6400, 64), (64, 192), (6400, 192))),
    Case("matmul weight gradient 512x2048x1", gradient_of(ops.matmul, 1), ((512, 2048), (2048, 1), (512, 1))),
    Case(
        "matmul weight gradient, outer product 1x784x128", gradient_of(ops.matmul, 1), ((1, 784), (784, 128), (1, 128))
    ),
    Case("matmul gradient for x 1x512 512x2048", gradient_of(ops.matmul, 0), ((1, 512), (512, 2048), (1, 2048))),
    Case("matmul 128x512 512x512", ops.matmul, DENSE[:2]),
    Case("matmul gradient for x 128x512 512x512", gradient_of(ops.matmul, 0), DENSE),
    Case("matmul gradient for w 128x512 512x512", gradient_of(ops.matmul, 1), DENSE),
    *both_conv_cases("34x34x64->128 n4", images(4, 34, 64, 128)),
    *both_conv_cases("16x16x128->128 same n8", images(8, 16, 128, 128, padding="same"), "same"),
    *both_conv_cases("13x13x32->64 n16", images(16, 13, 32, 64)),
    *conv_cases("28x28x1->32 n128", images(128, 28, 1, 32), first=True),
    *conv_cases("150x150x3->32 n4", images(4, 150, 3, 32), first=True),
    Case("depthwise 32x32x64 n16", depthwise, DEPTHWISE[:2]),
    Case("depthwise kernel gradient", gradient_of(depthwise, 1), DEPTHWISE),
    Case("depthwise input gradient", gradient_of(depthwise, 0), DEPTHWISE),
    Case("depthwise, stride 2, 32x32x64 n16", strided_depthwise, STRIDED_DEPTHWISE[:2]),
    Case("depthwise, stride 2, kernel gradient", gradient_of(strided_depthwise, 1), STRIDED_DEPTHWISE),
    Case("depthwise, stride 2, input gradient", gradient_of(strided_depthwise, 0), STRIDED_DEPTHWISE),
    Case("max pool 2x2", max_pool, (POOLED,)),
    Case("max pool and gradient", gradient_of(max_pool, 0), (POOLED, POOLED_OUT)),
    Case("conv2d, bias, relu, max pool 28x28x1->32 n128", conv_pool, ((128, 28, 28, 1), (3, 3, 1, 32), (32,))),
    Case("conv2d, bias, relu, max pool 32x32x3->32 n64", conv_pool, ((64, 32, 32, 3), (3, 3, 3, 32), (32,))),
    Case("conv2d, bias, relu, max pool 13x13x32->64 n128", conv_pool, ((128, 13, 13, 32), (3, 3, 32, 64), (64,))),
    Case("average pool 2x2", average_pool, (POOLED,)),
    Case("average pool gradient", gradient_of(average_pool, 0), (POOLED, POOLED_OUT)),
    *recurrent_cases(lstm, 4, 64, 28, 28, 128, states=2),
    *recurrent_cases(lstm, 4, 1, 28, 28, 32, states=2),
    *recurrent_cases(gru, 3, 64, 100, 32, 64, biases=2),
    *recurrent_cases(simple_rnn, 1, 64, 100, 32, 64),
    Case("elementwise, ten operations 1e6", chain, ((1000, 1000),) * 3),
    Case("matmul, bias, relu 128x784 784x512", bias_relu, ((128, 784), (784, 512), (512,))),
    Case("matmul with a trained matrix 32x784 784x128", trained, ((784, 128), (32, 784)), in_place=True),
    Case("Adam update 1e5", adam, ((100_000,),) * 4, in_place=True),
    Case("Adam update 1e6", adam, ((1_000_000,),) * 4, in_place=True),
    Case("sum over all 1e6", ops.sum, ((1000, 1000),)),
    Case("sum over rows 1000x1000", lambda x: ops.sum(x, 0), ((1000, 1000),)),
    Case("sum over columns 1000x1000", lambda x: ops.sum(x, 1), ((1000, 1000),)),
    Case("mean over images 64x16x16x128", lambda x: ops.mean(x, (0, 1, 2)), ((64, 16, 16, 128),)),
    Case("batch normalization 16x32x32x64", normalize, ((16, 32, 32, 64), (64,), (64,))),
    Case("batch normalization gradients", gradient_of(normalize, 0, 1, 2), NORMALIZED),
    Case("layer normalization 4096x512", normalize_rows, ((4096, 512), (512,), (512,))),
    Case("layer normalization gradients", gradient_of(normalize_rows, 0, 1, 2), NORMALIZED_ROWS),
    Case("softmax 1024x1000", ops.softmax, ((1024, 1000),)),
    Case("softmax cross-entropy 128x10", crossentropy, ((128, 10), ((10,), (128,)))),
    Case("softmax cross-entropy 1024x1000", crossentropy, ((1024, 1000), ((1000,), (1024,)))),
    Case("gather 4096 rows of 10000x128", take, ((10_000, 128), ((10_000,), (4096,)))),
    Case("transpose 1000x1000", ops.transpose, ((1000, 1000),)),
    Case("transpose heads 32x64x4x16", lambda x: ops.transpose(x, (0, 2, 1, 3)), ((32, 64, 4, 16),)),
    Case("dropout 1e6", lambda x: random.dropout(x, 0.5), ((1000, 1000),)),
]


def trace(case):
    """The program of a case, from variables to variables."""
    inputs = [Variable(a, dtype=str(a.dtype)) for a in case.arrays()]
    with Program() as program:
        results = case.function(*(program.variable(v) for v in inputs))
        results = results if isinstance(results, tuple) else (results,)
        targets = inputs if case.in_place else [Variable(np.zeros(t.shape, np.float32)) for t in results]
        for variable, tensor in zip(targets, results, strict=False):
            variable.assign(tensor)
    program.instructions = live_instructions(program)  # a gradient does not always need the forward result
    return program


def executable(case, program):
    """The program of a case made ready for the native engine."""
    with winograd.direct_only() if case.direct else contextlib.nullcontext():
        return NativeExecutable(program)


def assert_agree(program, native, tolerance):
    """One run of the native engine gives what the reference gives."""
    _, expected = ReferenceProgram(program).run([], 0, 0, {})
    native.run([])
    for variable, array in expected.items():
        np.testing.assert_allclose(variable.value, array, rtol=0, atol=tolerance * max(np.abs(array).max(), 1e-3))
