"""Bits, common divisors and multiples of integers; they run in NumPy."""

import numpy as np

from fastnn.graph.program import apply
from fastnn.ops.elementwise import broadcast_shape
from fastnn.ops.primitive import Primitive


class IntegerFunction(Primitive):
    """y[i] = f(a[i], b[i]) of integers; what is offered for booleans gives booleans."""

    def __init__(self, name, function, booleans=False):
        super().__init__(name)
        self.function, self.booleans = function, booleans

    def infer(self, *inputs):
        dtypes = {t.dtype for t in inputs}
        if not dtypes <= {"int32", "bool"}:
            raise TypeError(f"{self.name}: expected integers, received {sorted(dtypes)}: use cast")
        booleans = dtypes == {"bool"} and self.booleans
        return [(broadcast_shape(self.name, *inputs), "bool" if booleans else "int32")]

    def reference(self, *arrays):
        known = [a for a in arrays if isinstance(a, (np.ndarray, np.generic))]
        if not all(np.asarray(a).dtype.kind in "iub" for a in arrays):
            raise TypeError(f"{self.name}: expected integers, received {[str(np.asarray(a).dtype) for a in arrays]}")
        booleans = all(np.asarray(a).dtype.kind == "b" for a in arrays)
        if booleans and not self.booleans:
            arrays, known = [np.asarray(a, np.int32) for a in arrays], []
        result = self.function(*arrays)
        return result if known or (booleans and self.booleans) else np.asarray(result, np.int32)

    def gradient(self, gradients, inputs, outputs):
        return (None,) * len(inputs)


_and = IntegerFunction("bitwise_and", np.bitwise_and, True)
_or = IntegerFunction("bitwise_or", np.bitwise_or, True)
_xor = IntegerFunction("bitwise_xor", np.bitwise_xor, True)
_not = IntegerFunction("bitwise_not", np.invert, True)
_left = IntegerFunction("left_shift", np.left_shift)
_right = IntegerFunction("right_shift", np.right_shift)
_gcd = IntegerFunction("gcd", np.gcd)
_lcm = IntegerFunction("lcm", np.lcm)


def bitwise_and(x, y):
    """The bits that are set in both."""
    return apply(_and, x, y)


def bitwise_or(x, y):
    """The bits that are set in one or both."""
    return apply(_or, x, y)


def bitwise_xor(x, y):
    """The bits that are set in exactly one."""
    return apply(_xor, x, y)


def bitwise_not(x):
    """Every bit changed; of booleans, the other one."""
    return apply(_not, x)


def left_shift(x, y):
    """The bits moved y places up: x * 2**y."""
    return apply(_left, x, y)


def right_shift(x, y):
    """The bits moved y places down: floor(x / 2**y)."""
    return apply(_right, x, y)


def gcd(x1, x2):
    """The greatest common divisor."""
    return apply(_gcd, x1, x2)


def lcm(x1, x2):
    """The least common multiple."""
    return apply(_lcm, x1, x2)


bitwise_invert, bitwise_left_shift, bitwise_right_shift = bitwise_not, left_shift, right_shift
