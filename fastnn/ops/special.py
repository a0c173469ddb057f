"""Inverse trigonometric functions, which run in NumPy, and elementwise functions composed of others."""

import math

import numpy as np

from fastnn.graph.program import apply
from fastnn.ops.elementwise import (
    absolute,
    broadcast_shape,
    cast,
    ceil,
    equal,
    erf,
    exp,
    floor,
    log,
    maximum,
    minimum,
    not_equal,
    power,
    sign,
    sin,
    sqrt,
    unbroadcast,
    where,
)
from fastnn.ops.primitive import Primitive
from fastnn.ops.products import as_floats
from fastnn.ops.shape import tensor_like


class HostFunction(Primitive):
    """y[i] = f(x[i]), rare enough to have no kernel; `derivative` takes x and y."""

    def __init__(self, name, function, derivative):
        super().__init__(name)
        self.function, self.derivative = function, derivative

    def infer(self, x):
        return [(x.shape, x.dtype)]

    def reference(self, x):
        with np.errstate(all="ignore"):
            return np.asarray(self.function(x), np.asarray(x).dtype)

    def gradient(self, gradients, inputs, outputs):
        return (gradients[0] * self.derivative(inputs[0], outputs[0]),)


_arctan = HostFunction("arctan", np.arctan, lambda x, y: 1.0 / (x * x + 1.0))
_arcsin = HostFunction("arcsin", np.arcsin, lambda x, y: 1.0 / sqrt(1.0 - x * x))
_arcsinh = HostFunction("arcsinh", np.arcsinh, lambda x, y: 1.0 / sqrt(x * x + 1.0))
_arccosh = HostFunction("arccosh", np.arccosh, lambda x, y: 1.0 / sqrt(x * x - 1.0))


def _inverse_erf(x):
    """Halley's method, from an approximation of two digits (Winitzki 2008)."""
    x = np.asarray(x, np.float64)
    size = np.minimum(np.abs(x), 1.0)
    half, a = np.log1p(-size * size) / 2, 0.147
    c = 2 / (math.pi * a) + half
    y = np.sqrt(np.sqrt(c * c - 2 * half / a) - c)
    for _ in range(3):
        error = np.where(size < 0.5, _erf(y) - size, (1 - size) - _erfc(y))
        step = error * np.exp(y * y) * (math.sqrt(math.pi) / 2)
        y = y - step / (1 + y * step)
    y = np.where(size == 1, np.inf, y)
    return np.where(np.abs(x) <= 1, np.copysign(y, x), np.nan)


_erf, _erfc = (np.vectorize(f, otypes=[np.float64]) for f in (math.erf, math.erfc))
_erfinv = HostFunction("erfinv", _inverse_erf, lambda x, y: exp(y * y) * (math.sqrt(math.pi) / 2))


class Bessel(Primitive):
    """I[order](x), the modified Bessel function: the mean of exp(x cos t) cos(order t) over a circle.

    Sums over equally spaced t converge geometrically (Trefethen and Weideman, SIAM Review 56, 2014): 256 of them give
    all digits wherever the result is finite.
    """

    def infer(self, x, order):
        return [(x.shape, x.dtype)]

    def reference(self, x, order):
        x = np.asarray(x)
        wide, total = np.abs(x.astype(np.float64)), np.zeros(x.shape)
        wave = np.sinh if order % 2 else np.cosh  # t and pi - t together
        with np.errstate(over="ignore"):
            for t in (np.arange(64) + 0.5) * (math.pi / 128):
                total += wave(wide * math.cos(t)) * math.cos(order * t)
        return np.asarray(total / 64 * (np.sign(x) if order % 2 else 1), x.dtype)

    def gradient(self, gradients, inputs, outputs, order):
        (x,) = inputs
        below, above = (apply(_bessel, x, order=abs(n)) for n in (order - 1, order + 1))
        return (gradients[0] * (below + above) * 0.5,)


_bessel = Bessel("bessel")


class NextAfter(Primitive):
    """The number beside a towards b."""

    def infer(self, a, b):
        return [(broadcast_shape(self.name, a, b), a.dtype)]

    def reference(self, a, b):
        return np.nextafter(a, b)

    def gradient(self, gradients, inputs, outputs):
        return unbroadcast(gradients[0], inputs[0]), None


_nextafter = NextAfter("nextafter")


def _floats(x):
    return as_floats(tensor_like(x))


def arctan(x):
    """The angle whose tangent is x."""
    return apply(_arctan, _floats(x))


def arcsin(x):
    """The angle whose sine is x."""
    return apply(_arcsin, _floats(x))


def arccos(x):
    """The angle whose cosine is x."""
    return math.pi / 2 - arcsin(x)


def arcsinh(x):
    """The number whose hyperbolic sine is x."""
    return apply(_arcsinh, _floats(x))


def arccosh(x):
    """The number whose hyperbolic cosine is x."""
    return apply(_arccosh, _floats(x))


def arctanh(x):
    """The number whose hyperbolic tangent is x."""
    x = _floats(x)
    return (log(1.0 + x) - log(1.0 - x)) * 0.5


def arctan2(x1, x2):
    """The angle of the point (x2, x1), from -pi to pi."""
    x1, x2 = _floats(x1), _floats(x2)
    steep = absolute(x1) > absolute(x2)
    numerator, denominator = where(steep, x2, x1), where(steep, x1, x2)
    ratio = numerator / where(equal(denominator, 0.0), 1.0, denominator)
    angle = arctan(ratio)
    upright = where(x1 < 0, -math.pi / 2, math.pi / 2) - angle
    flat = angle + where(x2 < 0, where(x1 < 0, -math.pi, math.pi), 0.0)
    return where(steep, upright, flat)


def cbrt(x):
    """The real cube root of x."""
    x = _floats(x)
    return sign(x) * power(absolute(x), 1 / 3)


def deg2rad(x):
    """Degrees as radians."""
    return _floats(x) * (math.pi / 180)


def rad2deg(x):
    """Radians as degrees."""
    return _floats(x) * (180 / math.pi)


def erfc(x):
    """1 - erf(x)."""
    return 1.0 - erf(_floats(x))


def erfinv(x):
    """The number whose error function is x."""
    return apply(_erfinv, _floats(x))


def i0(x):
    """The modified Bessel function of the first kind, of order 0."""
    return apply(_bessel, _floats(x), order=0)


def nextafter(x1, x2):
    """The floating-point number beside x1 in the direction of x2."""
    x1 = _floats(x1)
    return apply(_nextafter, x1, cast(x2, str(x1.dtype)))


def exp2(x):
    """2 to the power x."""
    return exp(_floats(x) * math.log(2))


def ldexp(x1, x2):
    """x1 * 2**x2."""
    return _floats(x1) * exp2(cast(x2, "float32"))


def logaddexp2(x1, x2):
    """log2(2**x1 + 2**x2) without overflow."""
    from fastnn import ops

    scale = math.log(2)
    return ops.logaddexp(_floats(x1) * scale, _floats(x2) * scale) / scale


def fabs(x):
    """|x| as a float."""
    return absolute(_floats(x))


def fmax(x1, x2):
    """The larger of x1 and x2; a NaN gives way to a number."""
    x1, x2 = tensor_like(x1), tensor_like(x2)
    return maximum(where(not_equal(x1, x1), x2, x1), where(not_equal(x2, x2), x1, x2))


def fmin(x1, x2):
    """The smaller of x1 and x2; a NaN gives way to a number."""
    x1, x2 = tensor_like(x1), tensor_like(x2)
    return minimum(where(not_equal(x1, x1), x2, x1), where(not_equal(x2, x2), x1, x2))


def fmod(x1, x2):
    """The remainder of x1 / x2 with the sign of x1."""
    x1, x2 = tensor_like(x1), tensor_like(x2)
    ratio = x1 / x2
    return x1 - where(ratio < 0, ceil(ratio), floor(ratio)) * x2


def heaviside(x1, x2):
    """0 where x1 is negative, 1 where it is positive, x2 where it is 0."""
    x1 = tensor_like(x1)
    return where(equal(x1, 0), x2, where(x1 < 0, 0.0, 1.0))


def hypot(x1, x2):
    """sqrt(x1**2 + x2**2) without overflow."""
    a, b = absolute(_floats(x1)), absolute(_floats(x2))
    large, small = maximum(a, b), minimum(a, b)
    ratio = small / where(equal(large, 0.0), 1.0, large)
    return large * sqrt(ratio * ratio + 1.0)


def sinc(x):
    """sin(pi x) / (pi x), 1 at 0."""
    x = _floats(x) * math.pi
    zero = equal(x, 0.0)
    return where(zero, 1.0, sin(x) / where(zero, 1.0, x))


def isposinf(x):
    """True where x is positive infinity."""
    return equal(tensor_like(x), math.inf)


def isneginf(x):
    """True where x is negative infinity."""
    return equal(tensor_like(x), -math.inf)


def signbit(x):
    """True where x is negative (-0.0 counts as 0)."""
    return tensor_like(x) < 0


def nan_to_num(x, nan=0.0, posinf=None, neginf=None):
    """x with numbers in place of NaN and the infinities (by default the largest finite ones)."""
    x = _floats(x)
    largest = float(np.finfo(np.dtype(str(x.dtype))).max)
    x = where(not_equal(x, x), nan, x)
    x = where(equal(x, math.inf), largest if posinf is None else posinf, x)
    return where(equal(x, -math.inf), -largest if neginf is None else neginf, x)


def saturate_cast(x, dtype):
    """x in another dtype, limited to its range."""
    if np.dtype(dtype).kind in "iu":
        limits = np.iinfo(np.int32)
        x = minimum(maximum(tensor_like(x), float(limits.min)), float(limits.max - 127))
    return cast(x, dtype)


def allclose(x1, x2, rtol=1e-5, atol=1e-8, equal_nan=False):
    """Whether |x1 - x2| <= atol + rtol * |x2| everywhere."""
    from fastnn import ops

    return ops.all(ops.isclose(tensor_like(x1), tensor_like(x2), rtol, atol, equal_nan))


def isin(x1, x2, assume_unique=False, invert=False):
    """Whether each element of x1 is among those of x2."""
    from fastnn import ops

    found = ops.any(equal(ops.expand_dims(tensor_like(x1), -1), ops.reshape(x2, (-1,))), -1)
    return ops.logical_not(found) if invert else found


def select(condlist, choicelist, default=0):
    """The choice of the first condition that holds, else the default."""
    result = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = where(condition, choice, result)
    return result


def ptp(x, axis=None, keepdims=False):
    """The largest element less the smallest."""
    from fastnn import ops

    return ops.max(x, axis, keepdims) - ops.min(x, axis, keepdims)
