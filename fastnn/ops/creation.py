"""New tensors, and the way between tensors and arrays."""

import numpy as np

from fastnn import config
from fastnn.graph.program import Arithmetic, Tensor, apply, current_program
from fastnn.ops.elementwise import cast
from fastnn.ops.primitive import Primitive, canonical_dtype
from fastnn.ops.shape import copy
from fastnn.ops.shape import shape as shape_of


def full(shape, fill_value, dtype=None):
    """A tensor filled with one value."""
    return np.full(shape, fill_value, canonical_dtype(dtype or config.floatx()))


def zeros(shape, dtype=None):
    """A tensor of zeros."""
    return full(shape, 0, dtype)


def ones(shape, dtype=None):
    """A tensor of ones."""
    return full(shape, 1, dtype)


def full_like(x, fill_value, dtype=None):
    """A tensor with the shape of x, filled with one value."""
    return full(shape_of(x), fill_value, dtype or str(x.dtype))


def zeros_like(x, dtype=None):
    """Zeros with the shape and dtype of x."""
    return full_like(x, 0, dtype)


def ones_like(x, dtype=None):
    """Ones with the shape and dtype of x."""
    return full_like(x, 1, dtype)


def eye(N, M=None, k=0, dtype=None):  # noqa: N803, Keras' names
    """Ones on a diagonal, zeros elsewhere."""
    return np.eye(N, M, k, dtype=canonical_dtype(dtype or config.floatx()))


def identity(n, dtype=None):
    """The square matrix with ones on its diagonal, zeros elsewhere."""
    return eye(n, dtype=dtype)


def arange(start, stop=None, step=None, dtype=None):
    """Evenly spaced numbers; integers unless an argument is a float."""
    step = 1 if step is None else step
    values = np.arange(start, stop, step) if stop is not None else np.arange(0, start, step)
    return values.astype(canonical_dtype(dtype or (config.floatx() if values.dtype.kind == "f" else "int32")))


def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0):
    """`num` evenly spaced numbers from start to stop along a new axis; with retstep also how far apart they are."""
    values, step = np.linspace(start, stop, num, endpoint, retstep=True, axis=axis)
    values = values.astype(canonical_dtype(dtype or config.floatx()))
    return (values, step) if retstep else values


def convert_to_tensor(x, dtype=None, sparse=None, ragged=None):
    """x as a tensor: symbolic tensors stay as they are, everything else becomes an array (floatx, int32 or bool)."""
    if sparse or ragged:
        raise ValueError("convert_to_tensor: sparse and ragged tensors are not offered: leave out sparse and ragged")
    if isinstance(x, Tensor):
        return cast(x, dtype) if dtype else x
    if isinstance(x, Arithmetic):
        program = current_program()
        x = program.variable(x) if program is not None else x.value.copy()
        return cast(x, dtype) if dtype else x
    array = np.asarray(x)
    if dtype is None and not hasattr(x, "__array__"):
        dtype = config.floatx() if array.dtype.kind == "f" else canonical_dtype(array.dtype)
    return array.astype(canonical_dtype(dtype)) if dtype else array


def convert_to_numpy(x):
    """x as a NumPy array."""
    return np.array(x.value if isinstance(x, Arithmetic) and not isinstance(x, Tensor) else x)


def dtype(x):
    """The name of the type of the numbers of x, such as "float32"."""
    return str(x.dtype) if hasattr(x, "dtype") else str(np.asarray(x).dtype)


class View(Primitive):
    """The same bits read as another type of as many bytes."""

    def infer(self, x, dtype):
        if {x.dtype, dtype} - {"float32", "int32"}:
            raise TypeError(f"view: programs can read float32 as int32 and back, not {x.dtype} as {dtype}")
        return [(x.shape, dtype)]

    def reference(self, x, dtype):
        return np.ascontiguousarray(x, "float32" if np.asarray(x).dtype.kind == "f" else "int32").view(dtype)

    def gradient(self, gradients, inputs, outputs, dtype):
        return (None,)


_view = View("view")


def view(x, dtype=None):
    """The bits of x read as another type: on arrays NumPy's `view`, in programs float32 as int32 and back."""
    if dtype is None or str(getattr(x, "dtype", "")) == str(dtype):
        return copy(x)
    if isinstance(x, Arithmetic):
        return apply(_view, x, dtype=str(dtype))
    return np.array(x).view(dtype)


def is_tensor(x):
    """True for symbolic tensors and arrays."""
    return isinstance(x, (Tensor, np.ndarray))
