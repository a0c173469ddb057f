"""Parts of tensors: shifted, stacked, triangular, scattered."""

import builtins

import numpy as np

from fastnn import config
from fastnn.graph.program import Arithmetic
from fastnn.ops.elementwise import cast, where
from fastnn.ops.primitive import canonical_dtype
from fastnn.ops.segments import segment_sum
from fastnn.ops.shape import (
    broadcast_to,
    concatenate,
    expand_dims,
    flip,
    get_item,
    moveaxis,
    normalize_axis,
    pad,
    reshape,
    split,
    stack,
    swapaxes,
    tensor_like,
)
from fastnn.ops.shape import shape as shape_of


def roll(x, shift, axis=None):
    """Elements moved along an axis (of the flattened x if None), those that leave come in at the other end."""
    x = tensor_like(x)
    if axis is None:
        return reshape(roll(reshape(x, (-1,)), shift, 0), x.shape)
    if not isinstance(axis, int):
        shifts = (shift,) * len(axis) if isinstance(shift, int) else shift
        for s, a in zip(shifts, axis, strict=True):
            x = roll(x, s, a)
        return x
    axis = normalize_axis(axis, x.ndim, "roll")
    cut = -shift % builtins.max(x.shape[axis], 1)
    if cut == 0:
        return x
    whole = (slice(None),) * axis
    return concatenate([get_item(x, (*whole, slice(cut, None))), get_item(x, (*whole, slice(None, cut)))], axis)


def _triangle(x, keep):
    x = tensor_like(x)
    return where(keep, x, 0) if str(x.dtype) != "bool" else cast(where(keep, cast(x, "int32"), 0), "bool")


def tri(N, M=None, k=0, dtype=None):  # noqa: N803, Keras' names
    """Ones at and below the k-th diagonal."""
    return np.tri(N, M, k, dtype=canonical_dtype(dtype or config.floatx()))


def tril(x, k=0):
    """x with zeros above the k-th diagonal."""
    return _triangle(x, np.tri(*shape_of(x)[-2:], k, dtype=bool))


def triu(x, k=0):
    """x with zeros below the k-th diagonal."""
    return _triangle(x, ~np.tri(*shape_of(x)[-2:], k - 1, dtype=bool))


def diag(x, k=0):
    """A matrix with x on its k-th diagonal; of a matrix, that diagonal."""
    from fastnn.ops.shape import diagonal

    x = tensor_like(x)
    if x.ndim == 2:
        return diagonal(x, k)
    n = x.shape[0] + builtins.abs(k)
    column = pad(x, ((builtins.max(-k, 0), builtins.max(k, 0)),))
    return where(np.eye(n, k=k, dtype=bool), broadcast_to(expand_dims(column, 1), (n, n)), 0)


def diagflat(x, k=0):
    """A matrix with the flattened x on its k-th diagonal."""
    return diag(reshape(x, (-1,)), k)


def trace(x, offset=0, axis1=0, axis2=1):
    """The sum along a diagonal."""
    from fastnn import ops
    from fastnn.ops.shape import diagonal

    return ops.sum(diagonal(x, offset, axis1, axis2), -1)


def fliplr(x):
    """The order along axis 1 reversed."""
    return flip(x, 1)


def flipud(x):
    """The order along axis 0 reversed."""
    return flip(x, 0)


def rot90(array, k=1, axes=(0, 1)):
    """Turned k times by 90 degrees, from the first axis towards the second."""
    for _ in range(k % 4):
        array = swapaxes(flip(array, axes[1]), *axes)
    return array


def ravel(x):
    """All elements along one axis."""
    return reshape(x, (-1,))


def append(x1, x2, axis=None):
    """x2 after x1 along an axis (both flattened if None)."""
    return concatenate([ravel(x1), ravel(x2)], 0) if axis is None else concatenate([x1, x2], axis)


def _at_least(x, rank):
    x = tensor_like(x)
    if x.ndim == 0:
        x = reshape(x, (1,))
    if rank > 1 and x.ndim == 1:
        x = expand_dims(x, 0)
    return expand_dims(x, -1) if rank > 2 and x.ndim == 2 else x


def hstack(xs):
    """Tensors side by side: along axis 1, or 0 for vectors."""
    xs = [_at_least(x, 1) for x in xs]
    return concatenate(xs, 0 if xs[0].ndim == 1 else 1)


def vstack(xs):
    """Tensors one below the other: along axis 0, vectors as rows."""
    return concatenate([_at_least(x, 2) for x in xs], 0)


def dstack(xs):
    """Tensors behind each other, along axis 2."""
    return concatenate([_at_least(x, 3) for x in xs], 2)


def hsplit(x, indices_or_sections):
    """A list of pieces along axis 1, or 0 of a vector."""
    return split(x, indices_or_sections, 0 if len(shape_of(x)) == 1 else 1)


def vsplit(x, indices_or_sections):
    """A list of pieces along axis 0."""
    return split(x, indices_or_sections, 0)


def dsplit(x, indices_or_sections):
    """A list of pieces along axis 2."""
    return split(x, indices_or_sections, 2)


def array_split(x, indices_or_sections, axis=0):
    """A list of pieces along an axis, the first ones longer by one where the size is no multiple."""
    if not isinstance(indices_or_sections, int):
        return split(x, indices_or_sections, axis)
    least, longer = divmod(shape_of(x)[axis], indices_or_sections)
    sizes = [least + (i < longer) for i in range(indices_or_sections)]
    return split(x, [int(n) for n in np.cumsum(sizes)[:-1]], axis)


def unstack(x, num=None, axis=0):
    """The parts along an axis, as a list of tensors without it."""
    axis = normalize_axis(axis, len(shape_of(x)), "unstack")
    count = shape_of(x)[axis]
    if num not in (None, count):
        raise ValueError(f"unstack: axis {axis} has {count} parts, num is {num}")
    return [get_item(x, (*(slice(None),) * axis, i)) for i in range(count)]


def meshgrid(*x, indexing="xy"):
    """Coordinates of a grid: each vector spread over the axes of the others."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f'meshgrid: indexing must be "xy" or "ij", received {indexing!r}')
    vectors = [ravel(v) for v in x]
    sizes = [v.shape[0] for v in vectors]
    grids = []
    for i, v in enumerate(vectors):
        thin = reshape(v, [n if i == j else 1 for j, n in enumerate(sizes)])
        grid = broadcast_to(thin, sizes)
        grids.append(swapaxes(grid, 0, 1) if indexing == "xy" and len(sizes) > 1 else grid)
    return grids


def diff(a, n=1, axis=-1):
    """Differences of neighbours along an axis, n times."""
    axis = normalize_axis(axis, len(shape_of(a)), "diff")
    whole = (slice(None),) * axis
    a = tensor_like(a)
    for _ in range(n):
        a = get_item(a, (*whole, slice(1, None))) - get_item(a, (*whole, slice(None, -1)))
    return a


def scatter(indices, values, shape):
    """Zeros of a shape with values added at indices (..., axes); equal indices add up."""
    indices, values = tensor_like(indices), tensor_like(values)
    depth = indices.shape[-1]
    rows, rest = tuple(shape[:depth]), tuple(shape[depth:])
    places = _flat_places(indices, rows)
    flat = reshape(values, (places.shape[0], *rest))
    return reshape(segment_sum(flat, places, int(np.prod(rows))), shape)


def _flat_places(indices, sizes):
    """Indices of several axes as one, flattened."""
    from fastnn import ops

    factors = np.asarray([int(np.prod(sizes[i + 1 :])) for i in range(len(sizes))], np.int32)
    flat = reshape(indices, (-1, len(sizes)))
    if not isinstance(flat, Arithmetic) and flat.size and np.any((flat < 0) | (flat >= np.asarray(sizes))):
        raise IndexError(f"scatter: an index is outside the shape {tuple(sizes)}")
    return cast(ops.sum(cast(flat, "int32") * factors, -1), "int32")


def scatter_update(inputs, indices, updates, reduction=None):
    """inputs with updates at indices (..., axes).

    Parameters
    ----------
    reduction : {None, "add"}
        Replace what stands there, or add to it. Replacing asks for indices that differ.
    """
    from fastnn import ops

    inputs = tensor_like(inputs)
    added = scatter(indices, updates, inputs.shape)
    if reduction == "add":
        return inputs + cast(added, str(inputs.dtype))
    if reduction is not None:
        raise ValueError(f'scatter_update: reduction must be None or "add", received {reduction!r}')
    hit = scatter(indices, ops.ones_like(tensor_like(updates), "float32"), inputs.shape)
    return cast(where(ops.not_equal(hit, 0), added, inputs), str(inputs.dtype))


def slice_update(inputs, start_indices, updates):
    """inputs with updates in the place that begins at start_indices."""
    inputs, updates = tensor_like(inputs), tensor_like(updates)
    around = [(int(a), n - int(a) - m) for a, n, m in zip(start_indices, inputs.shape, updates.shape, strict=True)]
    inside = np.pad(np.ones(updates.shape, bool), around)
    return where(inside, pad(updates, around), inputs)


def multi_hot(inputs, num_classes=None, axis=-1, dtype=None, sparse=False, num_tokens=None):
    """Ones at the classes that occur along the last axis, zeros elsewhere; num_tokens is Keras' older name."""
    from fastnn import ops

    num_classes = num_tokens if num_classes is None else num_classes
    if num_classes is None:
        raise ValueError("multi_hot: give num_classes")
    if sparse:
        raise ValueError("multi_hot: sparse results are not offered")
    hot = ops.max(ops.one_hot(inputs, num_classes), -2)
    hot = moveaxis(hot, -1, axis) if axis != -1 else hot
    return hot if dtype is None else cast(hot, dtype)


def outer(x1, x2):
    """The product of every element of x1 with every one of x2."""
    return expand_dims(ravel(x1), 1) * expand_dims(ravel(x2), 0)


def inner(x1, x2):
    """The sum over the last axes of both."""
    from fastnn import ops

    x1, x2 = tensor_like(x1), tensor_like(x2)
    if x1.ndim == 0 or x2.ndim == 0:
        return ops.multiply(x1, x2)
    return ops.tensordot(x1, x2, ([x1.ndim - 1], [x2.ndim - 1]))


def vdot(x1, x2):
    """The sum of the products of all elements."""
    from fastnn import ops

    return ops.sum(ravel(x1) * ravel(x2))


def kron(x1, x2):
    """Every element of x1 times the whole of x2, side by side."""
    x1, x2 = tensor_like(x1), tensor_like(x2)
    rank = builtins.max(x1.ndim, x2.ndim)
    a, b = ((1,) * (rank - x.ndim) + tuple(x.shape) for x in (x1, x2))
    left = reshape(x1, [n for size in a for n in (size, 1)])
    right = reshape(x2, [n for size in b for n in (1, size)])
    return reshape(left * right, [m * n for m, n in zip(a, b, strict=True)])


def cross(x1, x2, axisa=-1, axisb=-1, axisc=-1, axis=None):
    """The vector product of vectors with three components."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = unstack(x1, axis=axisa), unstack(x2, axis=axisb)
    if len(a) != 3 or len(b) != 3:
        raise ValueError(f"cross: vectors have three components, received {len(a)} and {len(b)}")
    parts = [a[(i + 1) % 3] * b[(i + 2) % 3] - a[(i + 2) % 3] * b[(i + 1) % 3] for i in range(3)]
    return stack(parts, axisc)


def vander(x, N=None, increasing=False):  # noqa: N803, Keras' names
    """Powers of a vector as columns, the highest first."""
    x = tensor_like(x)
    powers = range(x.shape[0] if N is None else N)
    columns, column = [], None
    for _ in powers:
        column = x * 0 + 1 if column is None else column * x
        columns.append(column)
    return stack(columns if increasing else columns[::-1], -1)


def trapezoid(y, x=None, dx=1.0, axis=-1):
    """The integral of y along an axis by the trapezoidal rule."""
    from fastnn import ops

    y = moveaxis(tensor_like(y), axis, -1)
    width = dx if x is None else diff(x)
    return ops.sum((y[..., 1:] + y[..., :-1]) * 0.5 * width, -1)
