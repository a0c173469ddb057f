"""Complex numbers: NumPy's on arrays.  Tensors of programs are real: functions on pairs (real, imaginary) take them."""

import math

import numpy as np

from fastnn.graph.program import Arithmetic
from fastnn.ops.elementwise import not_equal, where
from fastnn.ops.products import as_floats
from fastnn.ops.shape import copy, stack, tensor_like


def _is_complex(x):
    return not isinstance(x, Arithmetic) and x.dtype.kind == "c"


def _refuse(name, repair):
    raise TypeError(f"{name}: complex numbers cannot enter a program: {repair}")


def real(x):
    """The real part of x."""
    x = tensor_like(x)
    return x.real.copy() if _is_complex(x) else copy(x)


def imag(x):
    """The imaginary part of x, zeros for real numbers."""
    x = tensor_like(x)
    return x.imag.copy() if _is_complex(x) else x * 0


def conjugate(x):
    """x with the sign of its imaginary part changed."""
    x = tensor_like(x)
    return np.conj(x) if _is_complex(x) else copy(x)


conj = conjugate


def angle(x):
    """The angle of x in the complex plane, from -pi to pi: of real numbers 0, and pi where they are negative."""
    x = tensor_like(x)
    if _is_complex(x):
        return np.angle(x)
    x = as_floats(x)
    return where(not_equal(x, x), x, where(x < 0, math.pi, 0.0))


def isreal(x):
    """True where the imaginary part of x is zero."""
    from fastnn import ops

    x = tensor_like(x)
    return np.isreal(x) if _is_complex(x) else ops.ones_like(x, "bool")


def polar(abs_, angle):
    """The complex number of an absolute value and an angle; on arrays."""
    abs_, angle = tensor_like(abs_), tensor_like(angle)
    if isinstance(abs_, Arithmetic) or isinstance(angle, Arithmetic):
        _refuse("polar", "compute the pair (abs_ * cos(angle), abs_ * sin(angle))")
    abs_, angle = as_floats(abs_), as_floats(angle)
    return view_as_complex(np.stack(np.broadcast_arrays(abs_ * np.cos(angle), abs_ * np.sin(angle)), -1))


def view_as_complex(x):
    """Complex numbers from pairs along the last axis; on arrays."""
    x = tensor_like(x)
    if x.ndim == 0 or x.shape[-1] != 2:
        raise ValueError(f"view_as_complex: the last axis must have size 2, received shape {tuple(x.shape)}")
    if isinstance(x, Arithmetic):
        _refuse("view_as_complex", "keep the pair (x[..., 0], x[..., 1])")
    x = np.ascontiguousarray(as_floats(x))
    return x.view(np.complex128 if x.dtype == np.float64 else np.complex64)[..., 0]


def view_as_real(x):
    """Pairs (real, imaginary) along a new last axis."""
    x = tensor_like(x)
    return stack([real(x), imag(x)], -1)
