"""One row for each use of a primitive: what to trace, on what numbers, and how exact the result must be.

Tests and benchmarks walk over `CASES`.  Kinds of input:

- ``real`` any number, ``positive``, ``unit`` (0.1 .. 0.9): float32; in integer data small whole numbers (1 .. 4 where
  they must be positive), so that every float32 sum of products is exact in any order;
- ``small``: as real, an eighth as large; ``above``: 1 .. 2;
- ``factor``: as real, at most 2 in integer data (for products of many);
- ``distinct``: no two numbers are equal (largest elements, windows); ``coarse``: many are;
- ``index:n``: int32 in 0 .. n-1;  ``bytes:n``: the same as bytes, four in an int32;
- ``integer``: int32 in -9 .. 9;  ``bool``.
"""

import functools
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastnn import ops
from fastnn.graph.gradients import gradients
from fastnn.graph.program import Program, apply, current_program
from fastnn.ops import recurrent  # noqa: F401, makes its primitives
from fastnn.ops.primitive import PRIMITIVES
from fastnn.ops.shape import leaf

UNIT_ROUNDOFF = 2.0**-24
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """A use of one primitive.

    Attributes
    ----------
    primitive : str
    function : callable
        Takes as many tensors (or arrays) as there are inputs; gives one, or a tuple.
    inputs : tuple of (shape, kind)
    label : str
        Tells rows of one primitive apart.
    exact : bool
        On integer data the native engine must agree with the reference to the last bit.
    length : int
        Longest sum behind one element of the result: the error may be gamma(length) times the result for the
        absolute values of the inputs.
    ulp : float
        For elementwise work, which sums nothing: the error in units in the last place of the result.
    magnitude : callable, optional
        In place of "the result for absolute values": arrays -> array.
    no_gradient : tuple of int
        Float inputs through which no gradient passes, although the result depends on them.
    """

    primitive: str
    function: Callable
    inputs: tuple[tuple[Shape, str], ...]
    label: str = ""
    exact: bool = True
    length: int = 0
    ulp: float = 0.5
    magnitude: Callable | None = None
    no_gradient: tuple[int, ...] = ()

    @property
    def name(self):
        return f"{self.primitive}-{self.label}" if self.label else self.primitive

    @property
    def float_inputs(self):
        return [i for i, (_, kind) in enumerate(self.inputs) if dtype_of(kind) == "float32"]


def dtype_of(kind):
    """The dtype of a kind of input."""
    if kind == "bool":
        return "bool"
    return "int32" if kind.startswith(("index:", "bytes:")) or kind == "integer" else "float32"


def gamma(k):
    """Largest relative error of a sum of k products (Higham, Accuracy and Stability, 3.1)."""
    return k * UNIT_ROUNDOFF / (1 - k * UNIT_ROUNDOFF)


def arrays(case, integers=False, seed=0):
    """Inputs for a case."""
    rng = np.random.default_rng([zlib.crc32(case.name.encode()), seed])
    return [np.asarray(_array(rng, shape, kind, integers)) for shape, kind in case.inputs]


def _array(rng, shape, kind, integers):
    if kind.startswith("index:"):
        return rng.integers(0, int(kind[6:]), shape).astype(np.int32)
    if kind.startswith("bytes:"):
        return rng.integers(0, int(kind[6:]), (*shape[:-1], 4 * shape[-1]), np.uint8).view(np.int32)
    if kind == "integer":
        return rng.integers(-9, 10, shape).astype(np.int32)
    if kind == "bool":
        return rng.random(shape) < 0.5
    if kind == "distinct":
        return (rng.permutation(int(np.prod(shape))).reshape(shape) - 3.0).astype(np.float32)
    if kind == "coarse" or integers:
        low, high = {"positive": (1, 5), "unit": (1, 5), "factor": (-2, 3)}.get(kind, (-8, 9))
        return rng.integers(low, high, shape).astype(np.float32)
    if kind == "positive":
        return (rng.random(shape) * 4 + 0.05).astype(np.float32)
    if kind == "unit":
        return (rng.random(shape) * 0.8 + 0.1).astype(np.float32)
    if kind == "above":
        return (rng.random(shape) + 1).astype(np.float32)
    if kind == "small":
        return (rng.standard_normal(shape) / 8).astype(np.float32)
    return rng.standard_normal(shape).astype(np.float32)


def trace(case):
    """The program of a case."""
    with Program() as program:
        tensors = [program.input(shape, dtype_of(kind)) for shape, kind in case.inputs]
        results = case.function(*tensors)
        program.outputs = list(results) if isinstance(results, tuple) else [results]
    return program


def trace_gradients(case, cotangents):
    """A program that gives sum(outputs * cotangents), then its gradient for every float input (None: not there).

    Parameters
    ----------
    cotangents : list of arrays, or None for an output that is no float
    """
    program = trace(case)
    with program:
        weighted = [ops.sum(y * c) for y, c in zip(program.outputs, cotangents, strict=True) if c is not None]
        total = functools.reduce(ops.add, weighted)
        found = gradients(total, [program.inputs[i] for i in case.float_inputs])
        program.outputs = [total, *(g for g in found if g is not None)]
    return program, [g is not None for g in found]


def use(name, **attributes):
    """A function that applies a primitive directly."""
    return lambda *tensors: apply(PRIMITIVES[name], *tensors, **attributes)


# ------------------------------------------------------------------------------------------------ elementwise

SHAPES = {"": (3, 37), "one": (1,), "scalar": (), "long": (5, 8191)}


def _unary(name, kind="real", ulp=0.5, exact=True):
    function = getattr(ops, name, None) or use(name)
    for label, shape in SHAPES.items():
        yield Case(name, function, ((shape, kind),), label, exact, ulp=ulp)


def _binary(name, kinds=("real", "real"), ulp=0.5, exact=True):
    function = getattr(ops, name, None) or use(name)
    pairs = {
        "": ((3, 37), (3, 37)), "row": ((6, 33), (33,)), "column": ((6, 33), (6, 1)), "number": ((), (5, 9)),
        "outer": ((7, 1), (1, 70)), "middle": ((3, 1, 5), (2, 1, 4, 1)), "long": ((40000,), (40000,)),
    }  # fmt: skip
    for label, shapes in pairs.items():
        yield Case(name, function, tuple(zip(shapes, kinds, strict=True)), label, exact, ulp=ulp)


def _elementwise():
    for name in ("add", "subtract", "multiply", "divide"):
        yield from _binary(name, ("real", "positive" if name == "divide" else "real"))
    for name in ("maximum", "minimum"):
        yield from _binary(name)
    yield from _binary("power", ("positive", "real"), ulp=1.0, exact=False)
    for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
        yield from _binary(name, ("coarse", "coarse"))
    for name in ("negative", "absolute", "square", "sign", "floor", "ceil", "trunc", "relu", "isfinite", "isnan"):
        yield from _unary(name)
    deviation = (((3, 37), "real"), ((37,), "real"))
    yield Case("squared_deviation", use("squared_deviation"), deviation, ulp=3.0, no_gradient=(1,))
    yield from _unary("round")
    yield from _unary("sqrt", "positive")
    yield from _unary("rsqrt", "positive", ulp=1.5, exact=False)
    yield from _unary("reciprocal", "positive")
    errors = {  # stated in csrc/kernels/math.h
        "exp": 1.1, "expm1": 1.5, "log": 1.0, "log1p": 1.7, "tanh": 2.5, "sigmoid": 2.5, "softplus": 2.0, "erf": 1.3,
        "sin": 1.6, "cos": 1.6,
    }  # fmt: skip
    for name, ulp in errors.items():
        yield from _unary(name, "positive" if name.startswith("log") else "real", ulp, exact=False)
    yield Case("relu_gradient", use("relu_gradient"), (((3, 37), "real"), ((3, 37), "real")))
    yield Case("where", ops.where, (((3, 37), "bool"), ((3, 37), "real"), ((3, 37), "real")))
    yield Case("where", ops.where, (((3, 1), "bool"), ((37,), "real"), ((), "real")), "broadcast")
    yield Case("where", ops.where, (((37,), "bool"), ((3, 37), "bool"), ((3, 1), "bool")), "bool")
    for name, magnitude in (
        ("multiply_add", None),
        ("interpolate", lambda a, b, c: [abs(a) + (abs(a) + abs(b)) * abs(c)]),
        ("interpolate_square", lambda a, b, c: [abs(a) + (abs(a) + b * b) * abs(c)]),
    ):
        for label, second, third in (("", (3, 37), (3, 37)), ("broadcast", (37,), (3, 1))):
            inputs = (((3, 37), "real"), (second, "real"), (third, "real"))
            yield Case(name, use(name), inputs, label, length=3, magnitude=magnitude)
    inputs = (((3, 37), "real"), ((37,), "positive"), ((3, 1), "positive"))
    yield Case("divide_by_root", use("divide_by_root"), inputs, exact=False, length=4)
    for kind, dtype in (("real", "int32"), ("integer", "float32"), ("real", "bool"), ("bool", "int32")):
        yield Case("cast", lambda x, dtype=dtype: ops.cast(x, dtype), (((3, 37), kind),), f"{kind}_{dtype}")
    for label, small, large in (("row", (5,), (4, 5)), ("column", (4, 1), (4, 5)), ("both", (3, 1, 5), (2, 3, 4, 5))):
        yield Case("broadcast_to", lambda x, to=large: ops.broadcast_to(x, to), ((small, "real"),), label)
    yield Case("random_uniform", lambda: ops.random_uniform(current_program(), (7, 300)), ())


# ------------------------------------------------------------------------------------------ products and sums


def _linalg():
    plain = {"": (3, 5, 7), "one": (1, 1, 1), "row": (1, 64, 33), "tiles": (67, 129, 65), "empty_k": (3, 0, 4)}
    for label, (m, k, n) in plain.items():
        yield Case("matmul", ops.matmul, (((m, k), "real"), ((k, n), "real")), label, length=k)
    for a, b in ((True, False), (False, True), (True, True)):
        left, right = ((9, 13) if a else (13, 9)), ((17, 9) if b else (9, 17))
        function = use("matmul", transpose_a=a, transpose_b=b)
        yield Case("matmul", function, ((left, "real"), (right, "real")), f"transposed{a:d}{b:d}", length=9)
    yield Case("matmul", ops.matmul, (((4, 9, 13), "real"), ((4, 13, 6), "real")), "batch", length=13)
    for a, b in ((True, False), (False, True)):
        left, right = ((3, 9, 5) if a else (3, 5, 9)), ((3, 6, 9) if b else (3, 9, 6))
        function = use("matmul", transpose_a=a, transpose_b=b)
        yield Case("matmul", function, ((left, "real"), (right, "real")), f"batch_transposed{a:d}{b:d}", length=9)


def _reduce():
    shapes = {
        "": ((3, 37), None), "rows": ((6, 33), 1), "columns": ((33, 6), 0), "middle": ((4, 5, 6), 1),
        "outside": ((4, 5, 6), (0, 2)), "split": ((70000,), None), "many_columns": ((3, 40000), 0),
    }  # fmt: skip
    for label, (shape, axis) in shapes.items():
        axes = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
        length = int(np.prod([shape[a] for a in axes]))
        yield Case("sum", lambda x, a=axis: ops.sum(x, a), ((shape, "real"),), label, length=length)
        for name in ("max", "min"):
            function = getattr(ops, name)
            yield Case(name, lambda x, a=axis, f=function: f(x, a, True), ((shape, "distinct"),), label)
    yield Case("max", lambda x: ops.max(x, 1), (((6, 33), "coarse"),), "ties", no_gradient=(0,))
    yield Case("min", lambda x: ops.min(x, 1), (((6, 33), "coarse"),), "ties", no_gradient=(0,))
    yield Case("prod", lambda x: ops.prod(x, 1), (((5, 11), "factor"),), length=11)
    yield Case("prod", ops.prod, (((2, 3, 2), "positive"),), "all", length=12)
    for label, (shape, axis) in {"rows": ((6, 33), 1), "columns": ((33, 6), 0), "middle": ((4, 5, 6), 1)}.items():
        yield Case("argmax", lambda x, a=axis: ops.argmax(x, a), ((shape, "coarse"),), label)


# ---------------------------------------------------------------------------------------------- convolutions

# label: x (n, h, w, c), window (r, s), filters, strides, dilation, padding, groups
CONVOLUTIONS = {
    "": ((2, 7, 6, 3), (3, 3), 4, 1, 1, "valid", 1),
    "same": ((3, 6, 5, 8), (3, 3), 16, 1, 1, "same", 1),
    "one_channel": ((4, 9, 9, 1), (3, 3), 33, 1, 1, "valid", 1),
    "stride": ((2, 9, 8, 3), (3, 2), 5, 2, 1, "same", 1),
    "stride_over_window": ((2, 9, 8, 3), (1, 2), 5, 3, 1, "valid", 1),
    "dilation": ((2, 9, 9, 2), (3, 2), 3, 1, 2, "same", 1),
    "stride_2_1": ((2, 9, 8, 3), (3, 2), 5, (2, 1), 1, "same", 1),
    "dilation_1_2": ((2, 9, 8, 3), (2, 3), 4, 1, (1, 2), "valid", 1),
    "groups": ((2, 6, 5, 6), (3, 3), 9, 1, 1, "same", 3),
    "pointwise": ((2, 5, 5, 17), (1, 1), 20, 1, 1, "valid", 1),
    "whole_image": ((3, 4, 3, 5), (4, 3), 7, 1, 1, "valid", 1),
    "batch": ((19, 5, 5, 4), (3, 3), 8, 1, 1, "same", 1),
    "wide": ((1, 14, 14, 32), (3, 4), 64, 1, 1, "same", 1),
    "winograd": ((1, 14, 14, 32), (3, 3), 64, 1, 1, "same", 1),
    "one_row": ((1, 1, 11, 3), (1, 4), 6, 1, 1, "same", 1),
}
INEXACT = ("winograd",)  # its bound stands in tests/csrc/test_winograd.py; random numbers keep to that of plain sums


def _convolution():
    for label, (x, window, f, stride, dilation, padding, groups) in CONVOLUTIONS.items():
        w = (*window, x[3] // groups, f)
        taps = int(np.prod(w[:3]))
        options = {"strides": stride, "dilation_rate": dilation, "padding": padding}
        function = lambda a, b, o=options: ops.conv(a, b, **o)  # noqa: E731
        yield Case("conv2d", function, ((x, "real"), (w, "real")), label, label not in INEXACT, taps)
        yield from _convolution_gradients("conv2d", function, x, w, label, int(np.prod(window)) * f // groups)
        if groups == 1 and x[3] < 9:
            multiplier = 1 + f % 2
            w = (*window, x[3], multiplier)
            function = lambda a, b, o=options: ops.depthwise_conv(a, b, **o)  # noqa: E731
            inputs = ((x, "real"), (w, "real"))
            yield Case("depthwise_conv2d", function, inputs, label, length=int(np.prod(window)))
            yield from _convolution_gradients(
                "depthwise_conv2d", function, x, w, label, int(np.prod(window)) * multiplier
            )


def _instruction(function, *inputs):
    """The primitive that a function ends with, its attributes and shapes."""
    return trace(Case("", function, inputs)).instructions[-1]


def _convolution_gradients(name, function, x, w, label, taps):
    """The two gradients as rows of their own, with the attributes of the convolution."""
    instruction = _instruction(function, (x, "real"), (w, "real"))
    exact = label not in INEXACT
    y, attributes = instruction.outputs[0].shape, instruction.attributes
    for_input = use(f"{name}_input_gradient", shape=x, **attributes)
    yield Case(f"{name}_input_gradient", for_input, ((y, "real"), (w, "real")), label, exact, taps)
    for_kernel = use(f"{name}_kernel_gradient", shape=w, **attributes)
    yield Case(f"{name}_kernel_gradient", for_kernel, ((x, "real"), (y, "real")), label, exact, int(np.prod(y[:3])))


# -------------------------------------------------------------------------------------------------- pooling

# label: x, window, strides, padding; with 2x2 windows that do not reach outside, averages of integers are exact
POOLS = {
    "": ((2, 6, 4, 3), (2, 2), (2, 2), "valid"),
    "odd": ((2, 7, 5, 3), (2, 2), (2, 2), "valid"),
    "same": ((2, 7, 5, 17), (3, 2), (2, 1), "same"),
    "overlap": ((2, 7, 8, 2), (2, 2), (1, 1), "valid"),
    "gaps": ((2, 8, 8, 2), (2, 2), (3, 3), "valid"),
    "whole_image": ((3, 5, 4, 3), (5, 4), (5, 4), "valid"),
}


def _pooling():
    for label, (x, window, strides, padding) in POOLS.items():
        options = {"pool_size": window, "strides": strides, "padding": padding}
        for name, kind in (("max_pool", "distinct"), ("average_pool", "real")):
            instruction = _instruction(lambda a, n=name, o=options: getattr(ops, n)(a, **o), (x, kind))
            y, attributes = instruction.outputs[0].shape, instruction.attributes
            taps, exact = int(np.prod(window)), name == "max_pool" or (window == (2, 2) and padding == "valid")
            length = 0 if name == "max_pool" else taps + 2
            forward = use(f"{name}2d", **attributes)
            yield Case(f"{name}2d", forward, ((x, kind),), label, exact, length)
            backward = use(f"{name}2d_gradient", shape=x, **attributes)
            inputs = ((y, "real"), *([((-(-int(np.prod(y)) // 4),), f"bytes:{taps}")] if name == "max_pool" else []))
            if name == "max_pool" and padding == "same":
                continue  # random winners could lie outside the image
            yield Case(f"{name}2d_gradient", backward, inputs, label, exact, taps + 2)
    pad = ((0, 1), (0, 1))
    winners = use("max_pool2d", window=(2, 2), strides=(2, 2), pad=pad)
    yield Case("max_pool2d", winners, (((2, 5, 5, 9), "coarse"),), "ties", no_gradient=(0,))


# -------------------------------------------------------------------------------- rearrangement, rows of tables


def _shape():
    yield Case("reshape", lambda x: ops.reshape(x, (6, -1)), (((4, 3, 5), "real"),))
    yield Case("stop_gradient", ops.stop_gradient, (((3, 5), "real"),), no_gradient=(0,))
    yield Case("leaf", lambda x: apply(leaf, x, number=0), (((3, 5), "real"),))
    orders = {"": ((5, 7), (1, 0)), "back": ((3, 4, 5), (2, 0, 1)), "inside": ((2, 3, 4, 5), (0, 2, 1, 3))}
    for label, (shape, axes) in orders.items():
        yield Case("transpose", lambda x, a=axes: ops.transpose(x, a), ((shape, "real"),), label)
    yield Case("transpose", ops.transpose, (((40, 70), "integer"),), "integer")
    parts = {
        "": np.s_[1:3, ::2], "backwards": np.s_[::-1, 4:0:-2], "row": np.s_[2], "empty": np.s_[2:2],
        "new_axis": np.s_[:, None, 1:],
    }  # fmt: skip
    for label, key in parts.items():
        yield Case("strided_slice", lambda x, k=key: x[k], (((4, 7), "real"),), label)
    yield Case("strided_place", lambda x: ops.pad(x, ((1, 2), (0, 3))), (((3, 4), "real"),))
    placed = use("strided_place", shape=(9, 7), start=(8, 1), step=(-3, 2))
    yield Case("strided_place", placed, (((3, 3), "real"),), "steps")
    for axis in (0, 1, 2):
        shapes = [tuple(n + i * (a == axis) for a, n in enumerate((2, 3, 4))) for i in range(3)]
        inputs = tuple((s, "real") for s in shapes)
        yield Case("concatenate", lambda *xs, a=axis: ops.concatenate(xs, a), inputs, f"axis{axis}")
    packed = ((3, 5), "real"), ((4,), "real"), ((), "real")
    yield Case("pack", lambda *xs: ops.pack(xs, (0, 16, 32), 48), packed)
    tables = {"": (5, (7,), (4,)), "matrix": (6, (2, 3), (3, 4)), "none": (5, (7,), (0,))}
    for label, (rows, width, index) in tables.items():
        inputs = ((rows, *width), "real"), (index, f"index:{rows}")
        yield Case("gather", use("gather"), inputs, label)
        inputs = ((*index, *width), "real"), (index, f"index:{rows}")
        yield Case("scatter_add", use("scatter_add", rows=rows), inputs, label, length=int(np.prod(index)))
    yield Case("one_hot", lambda i: ops.one_hot(i, 5), (((3, 4), "index:7"),))


# ------------------------------------------------------------------------------------------------- softmax


def _cross_entropy_size(x, target):
    largest = x.max(-1, keepdims=True)
    total = np.log(np.exp(x - largest).sum(-1)) + largest[..., 0]
    probability = np.exp(x - total[..., None])
    return [(np.abs(target) * (np.abs(total)[..., None] + np.abs(x))).sum(-1) + 1, probability]


def _sparse_size(x, label):
    return _cross_entropy_size(x, np.eye(x.shape[-1])[label])


def _softmax():
    shapes = {"": (4, 10), "one": (3, 1), "wide": (5, 1000), "narrow": (700, 3), "three": (2, 3, 17)}
    for label, shape in shapes.items():
        rest, cols = shape[:-1], shape[-1]
        length = cols + 16  # the sum, and the errors of exp, log and the division
        yield Case("softmax", use("softmax"), ((shape, "real"),), label, False, length, magnitude=_softmax_size)
        yield Case(
            "softmax_crossentropy", use("softmax_crossentropy"), ((shape, "real"), (shape, "unit")), label, False,
            2 * length, magnitude=_cross_entropy_size,
        )  # fmt: skip
        yield Case(
            "sparse_softmax_crossentropy", use("sparse_softmax_crossentropy"),
            ((shape, "real"), (rest, f"index:{cols}")), label, False, 2 * length, magnitude=_sparse_size,
        )  # fmt: skip
        yield Case(
            "sparse_softmax_crossentropy_gradient", use("sparse_softmax_crossentropy_gradient"),
            ((shape, "unit"), (rest, f"index:{cols}"), (rest, "real")), label, True, 2,
            magnitude=lambda p, i, d: [(np.abs(p) + 1) * np.abs(d)[..., None]],
        )  # fmt: skip


def _softmax_size(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return [e / e.sum(-1, keepdims=True)]


# ----------------------------------------------------------------------------------------------- recurrent

# label: n, t, units, masked, reverse
SEQUENCES = {
    "": (3, 4, 5, False, False), "one": (1, 1, 1, False, False), "mask": (4, 5, 3, True, False),
    "reverse": (3, 4, 5, False, True), "both": (9, 3, 8, True, True), "wide": (17, 2, 33, True, False),
}  # fmt: skip


def _recurrent():
    for label, (n, t, units, masked, reverse) in SEQUENCES.items():
        for name in ("simple_rnn", "lstm", "gru"):
            primitive = PRIMITIVES[name]
            width, states, mask = primitive.gates * units, primitive.states, [((n, t), "bool")] * masked
            bias, k = (width,) if primitive.biases == 1 else (2, width), 4
            weights = [((k, width), "small"), (bias, "real"), ((units, width), "small")]
            inputs = (((n, t, k), "real"), *weights, *[((n, units), "unit")] * states, *mask)
            function = _shown(use(name, reverse=reverse), states + 1)
            length = t * (k + units + 32)  # roundings on the way: products and about 32 in a cell, for every element
            yield Case(name, function, inputs, label, False, length, magnitude=_recurrent_size)
            yield from _recurrent_gradients(name, n, t, units, masked, reverse, label)


def _shown(function, count):
    """Its first outputs: the others are for the gradient alone."""
    return lambda *tensors: function(*tensors)[:count]


def _recurrent_size(x, w, bias, u, *others):
    """The terms that are rounded in one element, times what later elements make of an error.

    An error e of h is one of at most |u| e in a gate, |u| the largest sum of a column; a gate is a factor of numbers up
    to t + 1 with a slope of at most 1/4, or a term of its own.
    """
    t, largest = x.shape[1], np.abs(u).sum(0).max()
    terms = (
        (np.abs(x) @ np.abs(w)).max() + 2 * np.abs(bias).max() + largest + t + 1 + max(np.abs(o).max() for o in others)
    )
    return [terms * (1 + (t / 4 + 2) * largest) ** t] * 3


def _recurrent_gradients(name, n, t, units, masked, reverse, label):
    primitive, kept = PRIMITIVES[f"{name}_gradient"], PRIMITIVES[name].kept
    for sequences in (False, True):
        states, wide = [((n, units), "real")] * primitive.states, ((n, t, units), "real")
        inputs = [*states, *[wide] * sequences, ((units, primitive.gates * units), "small")]
        inputs += [((n, t, kept * units), "unit"), *[((n, t, units), "above")] * primitive.reads_before]
        inputs += [((n, t), "bool")] * masked
        function = use(primitive.name, sequences=sequences, reverse=reverse)
        length = t * (
            primitive.gates * units + 16
        )  # as above; no factor or term but the given gradients and u is negative
        yield Case(primitive.name, function, tuple(inputs), f"{label}_{sequences:d}", False, length)


# ------------------------------------------------------------------------------------------ run by NumPy


def _host():
    for name, kind in (("arctan", "real"), ("arcsin", "unit"), ("arcsinh", "real"), ("arccosh", "positive")):
        shift = 1.5 if name == "arccosh" else 0.0
        scale = 0.2 if name == "arcsin" else 1.0  # integers from 1 to 4 stay in its domain
        function = lambda x, n=name, a=shift, b=scale: use(n)(x * b + a)  # noqa: E731
        yield Case(name, function, (((3, 7), kind),), exact=False, length=16, magnitude=lambda x: [np.abs(x) + 4])
    yield Case("argsort", use("argsort"), (((4, 9), "coarse"),))
    yield Case("cumsum", use("cumsum"), (((4, 9), "real"),), length=9)
    for name, kind in (("erfinv", "unit"), ("bessel", "real")):
        function = lambda x, n=name, o=({"order": 0} if name == "bessel" else {}): use(n, **o)(x * 0.2)  # noqa: E731
        yield Case(name, function, (((3, 7), kind),), exact=False, length=8, magnitude=lambda x: [np.abs(x) + 4])
    towards = use("nextafter")
    yield Case("nextafter", towards, (((3, 7), "real"),) * 2, exact=False, ulp=1.0, no_gradient=(1,))
    for name in ("bitwise_and", "bitwise_or", "bitwise_xor", "gcd", "lcm"):
        yield Case(name, use(name), (((3, 7), "integer"), ((7,), "integer")))
    yield Case("bitwise_and", use("bitwise_and"), (((3, 7), "bool"), ((3, 1), "bool")), "bool")
    yield Case("bitwise_not", use("bitwise_not"), (((3, 7), "integer"),))
    for name in ("left_shift", "right_shift"):
        yield Case(name, use(name), (((3, 7), "integer"), ((7,), "index:5")))
    yield Case("view", lambda x: ops.view(x, "int32"), (((3, 7), "real"),))
    yield Case("custom_gradient", ops.custom_gradient(_square_and_product), (((3, 7), "real"), ((3, 7), "real")))
    yield Case("unique", use("unique", axis=None, size=12, fill_value=None), (((3, 4), "distinct"),))
    part = use("unique", axis=1, size=3, fill_value=-1.0)
    yield Case("unique", lambda x: part(x)[1:], (((2, 9), "coarse"),), "axis")


def _square_and_product(x, y):
    return (x * x, x * y), lambda upstream: (2.0 * x * upstream[0] + y * upstream[1], x * upstream[1])


def _transforms():
    for n in (1, 6, 9):
        bound = lambda *x, n=n: [np.full(n, sum(np.abs(v).sum() for v in x))] * 2  # noqa: E731
        pair = ((2, n), "real"), ((2, n), "real")
        yield Case("fourier", use("fourier", sign=-1), pair, f"{n}", exact=False, length=4, magnitude=bound)
        yield Case("fourier", use("fourier", sign=1), pair, f"{n}_inverse", exact=False, length=4, magnitude=bound)
        bound = lambda x, k=n // 2 + 1: [np.full(k, np.abs(x).sum())] * 2  # noqa: E731
        yield Case("real_fourier", use("real_fourier"), (pair[0],), f"{n}", exact=False, length=4, magnitude=bound)
        half = (((2, n // 2 + 1), "real"),) * 2
        bound = lambda *x, n=n: [np.full(n, sum(np.abs(v).sum() for v in x))]  # noqa: E731
        yield Case("waves", use("waves", length=n), half, f"{n}", exact=False, length=4, magnitude=bound)


def _segments():
    ids = ((8,), "index:5")
    for name in ("segment_max", "segment_min"):
        every = np.int32([0, 2, 1, 0, 3, 2, 1, 3])  # without a row that stays infinite
        yield Case(name, lambda x, n=name, i=every: use(n, segments=4)(x, i), (((8, 3), "distinct"),))
    yield Case("segment_max", use("segment_max", segments=6), (((8, 3), "integer"), ids), "integer")
    yield Case("segment_prod", use("segment_prod", segments=6), (((8, 3), "factor"), ids), length=8)


def _decompositions():
    symmetric = lambda a: ops.matmul(a, ops.transpose(a, (0, 2, 1))) + 4.0 * np.eye(3, dtype=np.float32)  # noqa: E731
    apart = lambda a: a + np.diag(np.float32([1, 5, 9])) @ np.eye(3, a.shape[-1], dtype=np.float32)  # noqa: E731
    functions = {
        "inverse": lambda a: use("inverse")(symmetric(a)),
        "determinant": lambda a: use("determinant")(symmetric(a)),
        "log_determinant": lambda a: use("log_determinant")(apart(a)),
        "cholesky": lambda a: use("cholesky")(symmetric(a)),
        "eigh": lambda a: use("eigh")(symmetric(a)),
        "lu": lambda a: use("lu")(apart(a)),
        "qr": lambda a: use("qr", complete=False)(apart(a)),
        "svd": lambda a: use("svd", full=False)(apart(a)),
        "pseudo_inverse": lambda a: use("pseudo_inverse", rcond=None)(apart(a)),
    }
    bound = lambda a: [np.float64(400.0)] * 3  # noqa: E731
    for name, function in functions.items():
        yield Case(name, function, (((2, 3, 3), "unit"),), exact=False, length=64, magnitude=bound)
    for label, shape in (("tall", (2, 3, 2)), ("wide", (3, 4))):
        for name in ("svd", "pseudo_inverse", *(["qr"] if label == "tall" else [])):
            yield Case(name, functions[name], ((shape, "unit"),), label, exact=False, length=64, magnitude=bound)
    solve = lambda a, b: use("solution")(symmetric(a), b)  # noqa: E731
    inputs = ((2, 3, 3), "unit"), ((2, 3, 2), "real")
    yield Case("solution", solve, inputs, exact=False, length=64, magnitude=lambda a, b: [np.abs(b).max()])
    lengths = ((2,), "index:6")
    search = lambda x, n: use("beam_search", blank=0, width=4, top_paths=2)(ops.log_softmax(x), n)  # noqa: E731
    yield Case(
        "beam_search", search, (((2, 5, 4), "real"), lengths), exact=False, length=64, no_gradient=(0,),
        magnitude=lambda x, n: [np.float64(0), np.float64(20)],
    )  # fmt: skip


FAMILIES = (
    _host, _transforms, _segments, _decompositions, _elementwise, _linalg, _reduce, _convolution, _pooling, _shape,
    _softmax, _recurrent,
)  # fmt: skip
CASES = tuple(case for family in FAMILIES for case in family())
