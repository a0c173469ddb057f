"""Order: sorting, the largest elements, running sums, quantiles."""

import math

import numpy as np

from fastnn.graph.program import Arithmetic, apply
from fastnn.ops.elementwise import cast, floor
from fastnn.ops.elementwise import round as nearest
from fastnn.ops.primitive import Primitive
from fastnn.ops.products import as_floats
from fastnn.ops.rows import take
from fastnn.ops.shape import axes_last, broadcast_to, expand_dims, flip, moveaxis, normalize_axis, reshape, tensor_like


class ArgSort(Primitive):
    """The order of the elements along the last axis; equal ones keep theirs."""

    def infer(self, x):
        return [(x.shape, "int32")]

    def reference(self, x):
        return np.argsort(x, axis=-1, kind="stable").astype(np.int32)

    def gradient(self, gradients, inputs, outputs):
        return (None,)


class CumSum(Primitive):
    """y[i] = x[0] + ... + x[i] along the last axis."""

    def infer(self, x):
        return [(x.shape, x.dtype)]

    def reference(self, x):
        return np.cumsum(x, axis=-1, dtype=np.asarray(x).dtype)

    def gradient(self, gradients, inputs, outputs):
        return (flip(apply(_cumsum, flip(gradients[0], -1)), -1),)


_argsort = ArgSort("argsort")
_cumsum = CumSum("cumsum")


def _along_last(function, x, axis):
    x = tensor_like(x)
    if axis is None:
        return function(reshape(x, (-1,)))
    axis = normalize_axis(axis, x.ndim)
    return moveaxis(function(moveaxis(x, axis, -1)), -1, axis)


def argsort(x, axis=-1):
    """The indices that sort x along an axis (the flattened x if None), int32; equal elements keep their order."""
    return _along_last(lambda v: apply(_argsort, v), x, axis)


def sort(x, axis=-1):
    """x in ascending order along an axis (flattened if None)."""
    return _along_last(lambda v: take_along_axis(v, apply(_argsort, v), -1), x, axis)


def argpartition(x, kth, axis=-1):
    """Indices that put the kth smallest element in its place, smaller ones before it: a full sort does."""
    return argsort(x, axis)


def top_k(x, k, sorted=True):
    """(the k largest elements of the last axis, their indices), largest first."""
    x = tensor_like(x)
    order = apply(_argsort, -x)[..., :k]
    return take_along_axis(x, order, -1), order


def take_along_axis(x, indices, axis=None):
    """y[..., i, ...] = x[..., indices[..., i, ...], ...] along an axis (of the flattened x if None)."""
    x, indices = tensor_like(x), tensor_like(indices)
    if axis is None:
        x, indices, axis = reshape(x, (-1,)), reshape(indices, (-1,)), 0
    axis = normalize_axis(axis, x.ndim, "take_along_axis")
    last, picks = moveaxis(x, axis, -1), cast(moveaxis(indices, axis, -1), "int32")
    lead = np.broadcast_shapes(tuple(last.shape[:-1]), tuple(picks.shape[:-1]))
    length = last.shape[-1]
    last, picks = broadcast_to(last, (*lead, length)), broadcast_to(picks, (*lead, picks.shape[-1]))
    if not isinstance(picks, Arithmetic):
        wrong = (picks < -length) | (picks >= length)
        if wrong.any():
            raise IndexError(f"take_along_axis: index {picks[wrong][0]} is outside an axis of size {length}")
        picks = np.where(picks < 0, picks + length, picks)
    starts = (np.arange(math.prod(lead), dtype=np.int32) * length).reshape(*lead, 1)
    picked = take(reshape(last, (-1,)), cast(picks + starts, "int32"), 0)
    return moveaxis(picked, -1, axis)


def cumsum(x, axis=None, dtype=None):
    """Running sums along an axis (of the flattened x if None)."""
    return _along_last(lambda v: apply(_cumsum, v), _summand(x, dtype), axis)


def cumprod(x, axis=None, dtype=None):
    """Running products along an axis (of the flattened x if None)."""
    from fastnn import ops

    def products(v):
        total, parts = None, []
        for i in range(v.shape[-1]):
            total = v[..., i] if total is None else total * v[..., i]
            parts.append(total)
        return ops.stack(parts, -1)

    return _along_last(products, _summand(x, dtype), axis)


def _summand(x, dtype):
    """x in a dtype, by default its own; bools are counted."""
    x = tensor_like(x)
    dtype = "int32" if dtype is None and str(x.dtype) == "bool" else dtype
    return x if dtype is None else cast(x, dtype)


def quantile(x, q, axis=None, method="linear", keepdims=False):
    """The numbers below which a part q of the elements lies.

    Parameters
    ----------
    q : float or sequence of float in [0, 1]
    axis : int or tuple of int, optional
        All axes unless given.
    method : {"linear", "lower", "higher", "midpoint", "nearest"}
        Between two elements.

    Returns
    -------
    tensor with the axes of q first
    """
    return quantiles(as_floats(tensor_like(x)), q, axis, method, keepdims, skip_nan=False)


def quantiles(x, q, axis, method, keepdims, skip_nan):
    """See `quantile`; with skip_nan the number of elements is counted in each row."""
    from fastnn import ops

    if method not in _BETWEEN:
        raise ValueError(f"quantile: method must be one of {list(_BETWEEN)}, received {method!r}")
    axes = range(x.ndim) if axis is None else np.atleast_1d(axis)
    axes = [normalize_axis(a, x.ndim, "quantile") for a in axes]
    rest = [a for a in range(x.ndim) if a not in axes]
    flat = reshape(axes_last(x, axes), (*(x.shape[a] for a in rest), -1))
    q = np.asarray(q, np.float64)
    if skip_nan:
        missing = ops.isnan(flat)
        ordered = sort(ops.where(missing, math.inf, flat))
        present = ops.sum(cast(ops.logical_not(missing), str(x.dtype)), -1, True)
        parts = [_at_part(ordered, float(part), present, method) for part in q.ravel()]
    else:
        ordered, last = sort(flat), flat.shape[-1] - 1
        parts = [_at(ordered, float(part) * last, method) for part in q.ravel()]
    y = reshape(ops.stack(parts, 0), (*q.shape, *(x.shape[a] for a in rest)))
    if not keepdims:
        return y
    return reshape(y, (*q.shape, *(1 if a in axes else n for a, n in enumerate(x.shape))))


_BETWEEN = {  # the weight of the element above, for a place this far from the one below, the next `up` from it
    "linear": lambda part, up: part, "lower": lambda part, up: part * 0, "higher": lambda part, up: up,
    "midpoint": lambda part, up: up * 0.5, "nearest": None,
}  # fmt: skip


def _between(place, low, high, method, below, above):
    weight = nearest(place) - low if method == "nearest" else _BETWEEN[method](place - low, high - low)
    return below * (1.0 - weight) + above * weight


def _at(ordered, place, method):
    """The element at a place of the last axis, or between two."""
    low, high = math.floor(place), math.ceil(place)
    return _between(place, low, high, method, ordered[..., low], ordered[..., high])


def _at_part(ordered, part, count, method):
    """As `_at`, for a part of the first `count` elements of each row; NaN where there are none."""
    from fastnn import ops

    place = ops.maximum((count - 1.0) * part, 0.0)
    low, high = floor(place), ops.ceil(place)
    below, above = (take_along_axis(ordered, cast(i, "int32"), -1) for i in (low, high))
    return ops.where(count > 0, _between(place, low, high, method, below, above), math.nan)[..., 0]


def percentile(x, q, axis=None, method="linear", keepdims=False):
    """`quantile` with q in percent."""
    return quantile(x, np.asarray(q, np.float64) / 100, axis, method, keepdims)


def median(x, axis=None, keepdims=False):
    """The middle element (the mean of the two in the middle) over `axis` (all axes if None)."""
    return quantile(x, 0.5, axis, keepdims=keepdims)


def searchsorted(sorted_sequence, values, side="left"):
    """How many elements of an ascending sequence lie below each value (side="right": or are equal), int32."""
    from fastnn import ops

    values = expand_dims(tensor_like(values), -1)
    below = tensor_like(sorted_sequence) < values if side == "left" else tensor_like(sorted_sequence) <= values
    return ops.sum(cast(below, "int32"), -1)


def digitize(x, bins):
    """The bin of each element: how many edges are at or below it, int32."""
    return searchsorted(np.asarray(bins), x, "right")


def bincount(x, weights=None, minlength=0, sparse=False):
    """How often each integer 0, 1, ... occurs along the last axis, or the sum of its weights.

    Within a program minlength says how many integers are counted.
    """
    from fastnn import ops

    if sparse:
        raise ValueError("bincount: sparse results are not offered")
    x = tensor_like(x)
    classes = minlength if isinstance(x, Arithmetic) else max(minlength, int(np.max(x, initial=-1)) + 1)
    if classes == 0 and isinstance(x, Arithmetic):
        raise ValueError("bincount: within a program the number of integers must be known: give minlength")
    hits = ops.one_hot(x, classes)
    if weights is not None:
        return ops.sum(hits * expand_dims(tensor_like(weights), -1), -2)
    return cast(ops.sum(hits, -2), "int32")


def histogram(x, bins=10, range=None):
    """(how many elements lie in each of equal bins, the edges of the bins)."""
    from fastnn import ops

    x = as_floats(tensor_like(x))
    if range is None and isinstance(x, Arithmetic):
        raise ValueError("histogram: within a program the range must be known: give range=(low, high)")
    low, high = (float(np.min(x)), float(np.max(x))) if range is None else range
    if low == high:
        low, high = low - 0.5, high + 0.5
    flat = reshape(x, (-1,))
    place = cast(floor((flat - low) * (bins / (high - low))), "int32")
    place = ops.where(ops.equal(flat, high), bins - 1, place)
    return cast(ops.sum(ops.one_hot(place, bins), 0), "int32"), np.linspace(low, high, bins + 1).astype("float32")
