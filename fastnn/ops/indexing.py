"""Places of elements: those that are not zero, unique ones, indices of several axes."""

import numpy as np

from fastnn.graph.program import Arithmetic, apply
from fastnn.ops.elementwise import cast, floor, subtract
from fastnn.ops.elementwise import where as choose
from fastnn.ops.primitive import Primitive
from fastnn.ops.shape import tensor_like


class Unique(Primitive):
    """The different elements (or parts along an axis) in ascending order, cut or filled to `size`.

    Further outputs: where each occurs first, which of them each element of x is, and how often each occurs.
    """

    n_outputs = 4

    def infer(self, x, axis, size, fill_value):
        parts = (size,) if axis is None else (*x.shape[:axis], size, *x.shape[axis + 1 :])
        which = x.shape if axis is None else (x.shape[axis],)
        return [(parts, x.dtype), ((size,), "int32"), (which, "int32"), ((size,), "int32")]

    def reference(self, x, axis, size, fill_value):
        x = np.asarray(x)
        values, first, which, count = np.unique(x, True, True, True, axis, equal_nan=False)
        found = len(count)
        which = which.reshape(x.shape if axis is None else (x.shape[axis],)).astype(np.int32)
        if size is not None:
            places = np.minimum(np.arange(size), found - 1) if fill_value is None else np.arange(size)
            places = np.where(np.arange(size) < found, places, 0)
            values, first = np.take(values, places, axis or 0), first[places]
            count = np.where(np.arange(size) < found, count[places], 0)
            if fill_value is not None:
                np.moveaxis(values, axis or 0, 0)[found:] = fill_value
        return values, first.astype(np.int32), which, count.astype(np.int32)

    def gradient(self, gradients, inputs, outputs, axis, size, fill_value):
        if axis is not None or fill_value is not None:
            return super().gradient(gradients, inputs, outputs)
        from fastnn import ops

        (x,) = inputs
        return (ops.reshape(ops.segment_sum(gradients[0], outputs[1], x.size), x.shape),)


_unique = Unique("unique")


def unique(
    x, sorted=True, return_index=False, return_inverse=False, return_counts=False, axis=None, size=None,
    fill_value=None,
):  # fmt: skip
    """The different elements of x in ascending order.

    Parameters
    ----------
    x : tensor
    sorted : bool
        They are sorted in any case.
    return_index, return_inverse, return_counts : bool
        Also where each occurs first, which of them each element of x is, how often each occurs.
    axis : int, optional
        Compare the parts along this axis; else single elements.
    size : int, optional
        How many come out: further ones are cut off, missing ones filled. Within a program it must be given.
    fill_value : number, optional
        For missing ones; the smallest element unless given.
    """
    from fastnn.ops.shape import normalize_axis

    x = tensor_like(x)
    if size is None and isinstance(x, Arithmetic):
        raise ValueError("unique: within a program the number of different elements must be known: give size")
    axis = None if axis is None else normalize_axis(axis, x.ndim, "unique")
    results = apply(_unique, x, axis=axis, size=size, fill_value=fill_value)
    wanted = (True, return_index, return_inverse, return_counts)
    kept = tuple(r for r, w in zip(results, wanted, strict=True) if w)
    return kept if len(kept) > 1 else kept[0]


def nonzero(x):
    """For each axis the indices of the elements that are not zero; on arrays, as their number follows from them."""
    x = tensor_like(x)
    if isinstance(x, Arithmetic):
        raise TypeError("nonzero: within a program shapes must be known: use where(condition, a, b), or count_nonzero")
    return tuple(index.astype(np.int32) for index in np.nonzero(x))


def where(condition, x1=None, x2=None):
    """x1 where the condition holds, x2 elsewhere, all three broadcast; of a condition alone, `nonzero`."""
    if (x1 is None) != (x2 is None):
        raise ValueError("where: give both x1 and x2, or none")
    return nonzero(condition) if x1 is None else choose(condition, x1, x2)


def unravel_index(indices, shape):
    """The index along each axis of a shape, int32, for indices of the flattened tensor; negative ones from its end."""
    indices, parts, step = tensor_like(indices), [], int(np.prod(shape))
    if not isinstance(indices, Arithmetic):
        if np.any((indices < -step) | (indices >= step)):
            raise IndexError(f"unravel_index: an index is outside a tensor of shape {tuple(shape)}")
        parts = np.unravel_index(np.where(indices < 0, indices + step, indices), shape)
        return tuple(part.astype(np.int32) for part in parts)
    rest = choose(indices < 0, indices + step, indices)
    for n in shape:
        step //= max(n, 1)
        parts.append(cast(floor(rest / step), "int32"))
        rest = subtract(rest, parts[-1] * step)
    return tuple(parts)
