"""Elementwise primitives: one number out for each number in, with NumPy's broadcasting.

Each row states the C opcode by its name, the NumPy reference and the derivative.  A chain of them becomes one pass over
memory (`graph/fuse.py`), interpreted in blocks that stay in the first-level cache (`csrc/kernels/elementwise.h`).
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn import config
from fastnn.graph.program import Tensor, apply
from fastnn.ops.primitive import Primitive, canonical_dtype


class Elementwise(Primitive):
    """y[i] = f(a[i], b[i], ...).

    Parameters
    ----------
    name : str
        Also the opcode in ``csrc/opcodes.def``.
    function : callable
        The NumPy reference.
    derivative : callable, optional
        ``(dy, y, *inputs) -> tuple``: the gradient for each input before broadcasting is undone.
    result : {"same", "float", "bool"}
        dtype of the output: that of the inputs, int32 for bools (0 and 1); a float whatever they are; bool.
    """

    counts = True  # bools, see `result`

    def __init__(self, name, function, derivative=None, result="same"):
        super().__init__(name)
        self.function, self.derivative, self.result = function, derivative, result

    def infer(self, *inputs, **attributes):
        return [(broadcast_shape(self.name, *inputs), self.result_dtype(*inputs, **attributes))]

    def result_dtype(self, *inputs):
        if self.result == "bool":
            return "bool"
        dtypes = [t.dtype for t in inputs]
        for dtype in ("float64", "float32"):
            if dtype in dtypes:
                return dtype
        if self.result == "float":
            return config.floatx()
        return "int32"

    def reference(self, *arrays, **attributes):
        if self.counts and all(np.asarray(a).dtype == bool for a in arrays):
            arrays = [np.asarray(a, np.int32) for a in arrays]
        with np.errstate(all="ignore"):
            result = self.function(*arrays, **attributes)
        return _as_float(result, arrays) if self.result != "bool" else result

    def gradient(self, gradients, inputs, outputs, **attributes):
        (dy,) = gradients
        if self.derivative is None:
            return (None,) * len(inputs)
        partial = self.derivative(dy, outputs[0], *inputs, **attributes)
        return tuple(None if d is None else unbroadcast(d, x) for d, x in zip(partial, inputs, strict=True))

    def emit(self, code, registers, instruction):
        """Append the bytecode for one instruction; returns the register of the result."""
        return code.arithmetic(self.name, registers)

    def lower(self, lowering, instruction):
        lowering.elementwise([instruction])

    def flops(self, instruction):
        return math.prod(instruction.outputs[0].shape)


def _as_float(result, arrays):
    """NumPy turns int32 into float64 where a program has floatx."""
    doubled = getattr(result, "dtype", None) == np.float64
    given = [a.dtype for a in arrays if isinstance(a, (np.ndarray, np.generic))]
    if doubled and given and np.float64 not in given:
        return result.astype(config.floatx())
    return result


def broadcast_shape(name, *inputs):
    """The shape that NumPy's rules give."""
    if len(shapes := {t.shape for t in inputs}) == 1:
        return shapes.pop()
    try:
        return np.broadcast_shapes(*(t.shape for t in inputs))
    except ValueError:
        shapes = " and ".join(str(t.shape) for t in inputs)
        raise ValueError(
            f"{name}: shapes {shapes} cannot be broadcast together: from the last axis on, sizes must be equal or 1"
        ) from None


def unbroadcast(gradient, like):
    """Sum a gradient over the axes along which `like` was repeated."""
    from fastnn import ops

    if gradient.shape == like.shape:
        return gradient
    extra = len(gradient.shape) - len(like.shape)
    axes = tuple(range(extra)) + tuple(
        extra + i for i, n in enumerate(like.shape) if n == 1 and gradient.shape[extra + i] != 1
    )
    return ops.reshape(_sum_of_multiples(gradient, axes) if axes else gradient, like.shape)


def _sum_of_multiples(x, axes):
    """The sum over axes, which are kept; what all summands are multiplied with is multiplied with their sum.

    So a product that nothing else reads is not computed, and different multiples share one sum.
    """
    from fastnn import ops

    made = x.producer
    if made is not None and made.primitive is _negative:
        return -_sum_of_multiples(made.inputs[0], axes)
    if made is not None and made.primitive is _multiply:
        for a, b in (made.inputs, made.inputs[::-1]):
            sizes = (1,) * (len(x.shape) - len(b.shape)) + b.shape
            if a.shape == x.shape and all(sizes[i] == 1 for i in axes):
                return _sum_of_multiples(a, axes) * b
    return ops.sum(x, axis=axes, keepdims=True)


def _logistic(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def _erf(x):
    return np.asarray(_erf_scalar(np.asarray(x, np.float64)), np.result_type(x, np.float32))


_erf_scalar = np.vectorize(math.erf, otypes=[np.float64])


def _round_half_even(x):
    return np.round(x)


# --- arithmetic ---------------------------------------------------------------------------------------------------
_add = Elementwise("add", np.add, lambda dy, y, a, b: (dy, dy))
_subtract = Elementwise("subtract", np.subtract, lambda dy, y, a, b: (dy, -dy))
_multiply = Elementwise("multiply", np.multiply, lambda dy, y, a, b: (dy * b, dy * a))
_divide = Elementwise("divide", np.divide, lambda dy, y, a, b: (dy / b, -dy * y / b), "float")
_maximum = Elementwise("maximum", np.maximum, lambda dy, y, a, b: (where(a >= b, dy, 0.0), where(a >= b, 0.0, dy)))
_minimum = Elementwise("minimum", np.minimum, lambda dy, y, a, b: (where(a <= b, dy, 0.0), where(a <= b, 0.0, dy)))
_power = Elementwise(
    "power",
    np.power,
    lambda dy, y, a, b: (dy * b * power(a, b - 1), where(a > 0, dy * y * log(maximum(a, 1e-37)), 0.0)),
)
_negative = Elementwise("negative", np.negative, lambda dy, y, a: (-dy,))
_absolute = Elementwise("absolute", np.absolute, lambda dy, y, a: (dy * sign(a),))
_square = Elementwise("square", np.square, lambda dy, y, a: (dy * a * 2.0,))
_squared_deviation = Elementwise(
    "squared_deviation", lambda a, mean: np.square(a - mean), lambda dy, y, a, mean: (dy * 2.0 * (a - mean), None)
)
_sqrt = Elementwise("sqrt", np.sqrt, lambda dy, y, a: (dy * 0.5 / y,), "float")
_rsqrt = Elementwise("rsqrt", lambda a: 1 / np.sqrt(a), lambda dy, y, a: (dy * -0.5 * y / a,), "float")
_reciprocal = Elementwise("reciprocal", lambda a: 1 / np.asarray(a), lambda dy, y, a: (-dy * y * y,), "float")
_sign = Elementwise("sign", np.sign)
_floor = Elementwise("floor", np.floor)
_ceil = Elementwise("ceil", np.ceil)
_round = Elementwise("round", _round_half_even)
_trunc = Elementwise("trunc", np.trunc)

# --- transcendental -----------------------------------------------------------------------------------------------
_exp = Elementwise("exp", np.exp, lambda dy, y, a: (dy * y,), "float")
_expm1 = Elementwise("expm1", np.expm1, lambda dy, y, a: (dy * (y + 1.0),), "float")
_log = Elementwise("log", np.log, lambda dy, y, a: (dy / a,), "float")
_log1p = Elementwise("log1p", np.log1p, lambda dy, y, a: (dy / (a + 1.0),), "float")
_tanh = Elementwise("tanh", np.tanh, lambda dy, y, a: (dy * (1.0 - y * y),), "float")
_sigmoid = Elementwise("sigmoid", _logistic, lambda dy, y, a: (dy * y * (1.0 - y),), "float")
_softplus = Elementwise("softplus", lambda a: np.logaddexp(a, 0), lambda dy, y, a: (dy * sigmoid(a),), "float")
_erf_op = Elementwise("erf", _erf, lambda dy, y, a: (dy * exp(-a * a) * (2 / math.sqrt(math.pi)),), "float")
_sin = Elementwise("sin", np.sin, lambda dy, y, a: (dy * cos(a),), "float")
_cos = Elementwise("cos", np.cos, lambda dy, y, a: (-dy * sin(a),), "float")

# --- rectifier ----------------------------------------------------------------------------------------------------
_relu = Elementwise("relu", lambda a: np.maximum(a, 0), lambda dy, y, a: (apply(_relu_gradient, y, dy),))
_relu_gradient: Elementwise = Elementwise(
    "relu_gradient", lambda y, dy: np.where(y > 0, dy, 0), lambda d, out, y, dy: (None, apply(_relu_gradient, y, d))
)

# --- comparisons --------------------------------------------------------------------------------------------------
_equal = Elementwise("equal", np.equal, result="bool")
_not_equal = Elementwise("not_equal", np.not_equal, result="bool")
_less = Elementwise("less", np.less, result="bool")
_less_equal = Elementwise("less_equal", np.less_equal, result="bool")
_greater = Elementwise("greater", np.greater, result="bool")
_greater_equal = Elementwise("greater_equal", np.greater_equal, result="bool")
_isfinite = Elementwise("isfinite", np.isfinite, result="bool")
_isnan = Elementwise("isnan", np.isnan, result="bool")


class Where(Elementwise):
    """where(c, a, b) = a where c, else b."""

    counts = False

    def result_dtype(self, condition, a, b):
        return super().result_dtype(a, b) if not a.dtype == b.dtype == "bool" else "bool"


def _where_gradient(dy, y, c, a, b):
    return None, where(c, dy, 0.0), where(c, 0.0, dy)


_where = Where("where", lambda c, a, b: np.where(np.asarray(c) != 0, a, b), _where_gradient)


# --- several operations in one pass over memory; in C, a product is added with a single rounding -------------------
_multiply_add = Elementwise(
    "multiply_add", lambda a, b, c: np.add(np.multiply(a, b), c), lambda dy, y, a, b, c: (dy * b, dy * a, dy)
)
_interpolate = Elementwise(
    "interpolate", lambda a, b, c: a + (b - a) * c, lambda dy, y, a, b, c: (dy - dy * c, dy * c, dy * (b - a))
)
_interpolate_square = Elementwise(
    "interpolate_square",
    lambda a, b, c: a + (b * b - a) * c,
    lambda dy, y, a, b, c: (dy - dy * c, dy * c * b * 2.0, dy * (b * b - a)),
)


def _divide_by_root_gradient(dy, y, a, b, c):
    root = sqrt(b)
    over_a = dy / (root + c)
    over_c = -over_a * y
    return over_a, over_c * 0.5 / root, over_c


_divide_by_root = Elementwise("divide_by_root", lambda a, b, c: a / (np.sqrt(b) + c), _divide_by_root_gradient, "float")


class Cast(Elementwise):
    """Change of dtype: towards int32 by truncation, towards bool by comparison with zero."""

    def infer(self, x, dtype):
        return [(x.shape, dtype)]

    def reference(self, x, dtype):
        if dtype == "int32" and np.asarray(x).dtype.kind == "f":
            with np.errstate(invalid="ignore"):
                return np.trunc(x).astype(np.int64).astype(np.int32)
        return np.asarray(x).astype(dtype)

    def gradient(self, gradients, inputs, outputs, dtype):
        (x,) = inputs
        return (cast(gradients[0], x.dtype),) if x.dtype.startswith("float") else (None,)

    def emit(self, code, registers, instruction):
        (x,) = registers
        source, target = instruction.inputs[0].dtype, instruction.attributes["dtype"]
        if target == "bool" and source != "bool":
            return code.arithmetic("not_equal", [x, code.constant(0.0)])
        if target == "int32" and source.startswith("float"):
            return code.arithmetic("trunc", [x])
        return x


_cast = Cast("cast", None)


class RandomUniform(Primitive):
    """Numbers in [0, 1) from Philox4x32-10: element i of (seed, step, stream); see `fastnn.ops.philox`.

    The seed and the step are the run's: a program gives other numbers at every training step.
    """

    def infer(self, *, shape, stream):
        return [(shape, config.floatx())]

    def reference(self, *, shape, stream, seed=0, step=0):
        from fastnn.ops import philox

        return philox.uniform(seed, step, stream, math.prod(shape)).reshape(shape).astype(config.floatx())

    def gradient(self, gradients, inputs, outputs, **attributes):
        return ()

    def emit(self, code, registers, instruction):
        return code.random_uniform(instruction.attributes["stream"])

    def lower(self, lowering, instruction):
        lowering.elementwise([instruction])


_random_uniform = RandomUniform("random_uniform")

# --- the functions of fastnn.ops ------------------------------------------------------------------------------------


def _unary(primitive, formula) -> Callable[[Any], Any]:
    def function(x):
        return apply(primitive, x)

    function.__name__ = function.__qualname__ = primitive.name
    function.__doc__ = f"{formula}, element by element."
    return function


def _binary(primitive, formula) -> Callable[[Any, Any], Any]:
    def function(x1, x2):
        return apply(primitive, x1, x2)

    function.__name__ = function.__qualname__ = primitive.name
    function.__doc__ = f"{formula}, element by element with broadcasting."
    return function


add = _binary(_add, "x1 + x2")
subtract = _binary(_subtract, "x1 - x2")
multiply = _binary(_multiply, "x1 * x2")
divide = _binary(_divide, "x1 / x2, a float")


def true_divide(x1, x2):
    """x1 / x2, a float: `divide`, which model files call TrueDivide where it was written ``/``."""
    return divide(x1, x2)


maximum = _binary(_maximum, "The larger of x1 and x2 (NaN if either is)")
minimum = _binary(_minimum, "The smaller of x1 and x2 (NaN if either is)")
power = _binary(_power, "x1 ** x2")
negative = _unary(_negative, "-x")
absolute = abs = _unary(_absolute, "|x|")
square = _unary(_square, "x * x")
sqrt = _unary(_sqrt, "The square root of x")
rsqrt = _unary(_rsqrt, "1 / sqrt(x)")
reciprocal = _unary(_reciprocal, "1 / x")
sign = _unary(_sign, "-1, 0 or 1")
floor = _unary(_floor, "The largest integer not above x")
ceil = _unary(_ceil, "The smallest integer not below x")
trunc = _unary(_trunc, "x without its fraction")
exp = _unary(_exp, "e to the power x")
expm1 = _unary(_expm1, "exp(x) - 1, accurate near 0")
log = _unary(_log, "The natural logarithm of x")
log1p = _unary(_log1p, "log(1 + x), accurate near 0")
tanh = _unary(_tanh, "The hyperbolic tangent of x")
sigmoid = _unary(_sigmoid, "1 / (1 + exp(-x))")
softplus = _unary(_softplus, "log(1 + exp(x))")
erf = _unary(_erf_op, "The error function of x")
sin = _unary(_sin, "The sine of x")
cos = _unary(_cos, "The cosine of x")
relu = _unary(_relu, "max(x, 0)")
equal = _binary(_equal, "x1 == x2")
not_equal = _binary(_not_equal, "x1 != x2")
less = _binary(_less, "x1 < x2")
less_equal = _binary(_less_equal, "x1 <= x2")
greater = _binary(_greater, "x1 > x2")
greater_equal = _binary(_greater_equal, "x1 >= x2")
isfinite = _unary(_isfinite, "True where x is neither infinite nor NaN")
isnan = _unary(_isnan, "True where x is NaN")


def where(condition, x1, x2):
    """x1 where the condition holds, x2 elsewhere; all three are broadcast."""
    return apply(_where, condition, x1, x2)


def multiply_add(x1, x2, x3):
    """x1 * x2 + x3, in C with a single rounding."""
    return apply(_multiply_add, x1, x2, x3)


def interpolate(x1, x2, rate):
    """x1 + (x2 - x1) * rate."""
    return apply(_interpolate, x1, x2, rate)


def interpolate_square(x1, x2, rate):
    """x1 + (x2**2 - x1) * rate."""
    return apply(_interpolate_square, x1, x2, rate)


def divide_by_root(x1, x2, epsilon):
    """x1 / (sqrt(x2) + epsilon)."""
    return apply(_divide_by_root, x1, x2, epsilon)


def cast(x, dtype):
    """x in another dtype; floats are truncated towards zero on the way to integers."""
    dtype = canonical_dtype(dtype)
    if isinstance(x, Tensor) and x.dtype == dtype:
        return x
    return apply(_cast, x, dtype=dtype)


def squared_deviation(x, mean):
    """(x - mean)**2, for sums over the numbers that `mean` is the mean of.

    No gradient passes through the mean: such a sum does not change with it, as its deviations add up to 0.
    """
    return apply(_squared_deviation, x, mean)


def random_uniform(program, shape):
    """Numbers in [0, 1), new ones at every step of the program."""
    outputs = program.append(_random_uniform, [], {"shape": tuple(shape), "stream": program.next_stream()})
    return outputs[0]


def round(x, decimals=0):
    """x rounded to the nearest multiple of 10**-decimals, halves to even."""
    if decimals:
        scale = 10.0**decimals
        return apply(_round, x * scale) / scale
    return apply(_round, x)


def clip(x, x_min, x_max):
    """x limited to [x_min, x_max]."""
    return minimum(maximum(x, x_min), x_max)
