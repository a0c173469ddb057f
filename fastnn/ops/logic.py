"""Logic on booleans, and elementwise functions composed of others."""

import math

from fastnn.ops.elementwise import (
    absolute,
    cast,
    cos,
    divide,
    exp,
    floor,
    log,
    multiply,
    not_equal,
    sin,
    subtract,
    where,
)
from fastnn.ops.elementwise import equal as _equal


def _number(x):
    return cast(not_equal(x, 0), "int32")


def logical_and(x1, x2):
    """True where both are non-zero."""
    return not_equal(_number(x1) * _number(x2), 0)


def logical_or(x1, x2):
    """True where one or both are non-zero."""
    return not_equal(_number(x1) + _number(x2), 0)


def logical_not(x):
    """True where x is zero."""
    return _equal(x, 0)


def logical_xor(x1, x2):
    """True where exactly one is non-zero."""
    return not_equal(_number(x1), _number(x2))


def isinf(x):
    """True where x is infinite."""
    return _equal(absolute(x), math.inf)


def isclose(x1, x2, rtol=1e-5, atol=1e-8, equal_nan=False):
    """|x1 - x2| <= atol + rtol * |x2|."""
    close = absolute(subtract(x1, x2)) <= atol + rtol * absolute(x2)
    if equal_nan:
        close = logical_or(close, logical_and(not_equal(x1, x1), not_equal(x2, x2)))
    return close


def log2(x):
    """The logarithm of x to base 2."""
    return log(x) * (1 / math.log(2))


def log10(x):
    """The logarithm of x to base 10."""
    return log(x) * (1 / math.log(10))


def tan(x):
    """The tangent of x."""
    return sin(x) / cos(x)


def sinh(x):
    """The hyperbolic sine of x."""
    return (exp(x) - exp(-x)) * 0.5


def cosh(x):
    """The hyperbolic cosine of x."""
    return (exp(x) + exp(-x)) * 0.5


def floor_divide(x1, x2):
    """The largest integer not above x1 / x2."""
    return floor(divide(x1, x2))


def mod(x1, x2):
    """x1 - floor(x1 / x2) * x2."""
    return subtract(x1, multiply(floor_divide(x1, x2), x2))


def squared_difference(x1, x2):
    """(x1 - x2) ** 2."""
    difference = subtract(x1, x2)
    return difference * difference


def divide_no_nan(x1, x2):
    """x1 / x2, and 0 where x2 is 0."""
    return divide(x1, where(_equal(x2, 0), math.inf, x2))
