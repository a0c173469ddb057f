"""Rearrangement: reshape, transpose, slices, placing, joining."""

import builtins
import itertools
import math
import operator

import numpy as np

from fastnn import config
from fastnn.graph.program import Arithmetic, Tensor, apply
from fastnn.ops.elementwise import Elementwise
from fastnn.ops.primitive import Primitive


def normalize_axis(axis, rank, name="axis"):
    """The axis counted from the front."""
    axis = operator.index(axis)
    if not -rank <= axis < rank:
        raise ValueError(f"{name}: axis {axis} is outside a tensor with {rank} axes")
    return axis % rank


def tensor_like(x):
    """Tensors, variables and arrays as they are, everything else as an array."""
    return x if isinstance(x, (Arithmetic, np.ndarray)) else np.asarray(x)


class Reshape(Primitive):
    """The same numbers in the same order under another shape; costs nothing."""

    def infer(self, x, shape):
        return [(shape, x.dtype)]

    def reference(self, x, shape):
        return np.reshape(x, shape)

    def gradient(self, gradients, inputs, outputs, shape):
        return (reshape(gradients[0], inputs[0].shape),)

    def lower(self, lowering, instruction):
        lowering.alias(instruction.outputs[0], instruction.inputs[0])


_reshape = Reshape("reshape")


class StopGradient(Reshape):
    """The identity, through which no gradient passes."""

    def infer(self, x):
        return [(x.shape, x.dtype)]

    def reference(self, x):
        return np.asarray(x)

    def gradient(self, gradients, inputs, outputs):
        return (None,)


_stop_gradient = StopGradient("stop_gradient")


class Leaf(Reshape):
    """The identity: another name for x, by which a function is differentiated."""

    def infer(self, x, number):
        return [(x.shape, x.dtype)]

    def reference(self, x, number):
        return np.asarray(x)

    def gradient(self, gradients, inputs, outputs, number):
        return (gradients[0],)


leaf = Leaf("leaf")


class BroadcastTo(Elementwise):
    """x repeated along axes of size 1 and new leading axes; inside a chain of elementwise work it costs nothing."""

    def infer(self, x, shape):
        try:
            fits = np.broadcast_shapes(x.shape, shape) == tuple(shape)
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(f"broadcast_to: a tensor of shape {x.shape} cannot be repeated to shape {shape}")
        return [(shape, x.dtype)]

    def reference(self, x, shape):
        return np.broadcast_to(x, shape)

    def gradient(self, gradients, inputs, outputs, shape):
        from fastnn.ops.elementwise import unbroadcast

        return (unbroadcast(gradients[0], inputs[0]),)

    def emit(self, code, registers, instruction):
        return registers[0]


_broadcast_to = BroadcastTo("broadcast_to", None)


class Transpose(Primitive):
    """Axes in another order."""

    def infer(self, x, axes):
        return [(tuple(x.shape[a] for a in axes), x.dtype)]

    def reference(self, x, axes):
        return np.ascontiguousarray(np.transpose(x, axes))

    def gradient(self, gradients, inputs, outputs, axes):
        return (transpose(gradients[0], tuple(np.argsort(axes))),)

    def lower(self, lowering, instruction):
        (x,), (y,) = instruction.inputs, instruction.outputs
        strides = contiguous_strides(x.shape)
        in_strides = [strides[a] for a in instruction.attributes["axes"]]
        lowering.copy(x, y, y.shape, in_strides, contiguous_strides(y.shape))


_transpose = Transpose("transpose")


def contiguous_strides(shape):
    """Elements from one index to the next along each axis of a C-contiguous array."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return strides[::-1]


class StridedSlice(Primitive):
    """y[i] = x[start + i * step] along every axis; steps may be negative."""

    def infer(self, x, start, size, step):
        return [(size, x.dtype)]

    def reference(self, x, start, size, step):
        return np.ascontiguousarray(np.asarray(x)[_slices(start, size, step)])

    def gradient(self, gradients, inputs, outputs, start, size, step):
        return (apply(_strided_place, gradients[0], shape=inputs[0].shape, start=start, step=step),)

    def lower(self, lowering, instruction):
        (x,), (y,), a = instruction.inputs, instruction.outputs, instruction.attributes
        strides = contiguous_strides(x.shape)
        offset = builtins.sum(i * s for i, s in zip(a["start"], strides, strict=True))
        steps = [k * s for k, s in zip(a["step"], strides, strict=True)]
        lowering.copy(x, y, y.shape, steps, contiguous_strides(y.shape), in_offset=offset)


def _slices(start, size, step):
    """Python slices for the places start, start + step, ...: a stop below zero must become None."""
    result = []
    for i, n, k in zip(start, size, step, strict=True):
        stop = i + n * k
        result.append(slice(i, stop if stop >= 0 else None, k) if n else slice(0, 0))
    return tuple(result)


class StridedPlace(Primitive):
    """Zeros of a shape with x at start + i * step: padding, and the gradient of a slice."""

    def infer(self, x, shape, start, step):
        return [(shape, x.dtype)]

    def reference(self, x, shape, start, step):
        x = np.asarray(x)
        y = np.zeros(shape, x.dtype)
        y[_slices(start, x.shape, step)] = x
        return y

    def gradient(self, gradients, inputs, outputs, shape, start, step):
        return (apply(_strided_slice, gradients[0], start=start, size=inputs[0].shape, step=step),)

    def lower(self, lowering, instruction):
        (x,), (y,), a = instruction.inputs, instruction.outputs, instruction.attributes
        strides = contiguous_strides(y.shape)
        offset = builtins.sum(i * s for i, s in zip(a["start"], strides, strict=True))
        steps = [k * s for k, s in zip(a["step"], strides, strict=True)]
        lowering.fill(y, 0)
        lowering.copy(x, y, x.shape, contiguous_strides(x.shape), steps, out_offset=offset, updates=True)


_strided_slice = StridedSlice("strided_slice")
_strided_place = StridedPlace("strided_place")


class Concatenate(Primitive):
    """Tensors one after the other along an axis."""

    def infer(self, *tensors, axis):
        first = tensors[0].shape
        for t in tensors:
            if t.shape[:axis] + t.shape[axis + 1 :] != first[:axis] + first[axis + 1 :] or len(t.shape) != len(first):
                raise ValueError(f"concatenate: shapes {[t.shape for t in tensors]} differ in more than axis {axis}")
        length = builtins.sum(t.shape[axis] for t in tensors)
        return [((*first[:axis], length, *first[axis + 1 :]), tensors[0].dtype)]

    def reference(self, *arrays, axis):
        return np.concatenate(arrays, axis)

    def gradient(self, gradients, inputs, outputs, axis):
        (dy,), parts, at = gradients, [], 0
        for t in inputs:
            start = tuple(at if i == axis else 0 for i in range(len(t.shape)))
            parts.append(apply(_strided_slice, dy, start=start, size=t.shape, step=(1,) * len(t.shape)))
            at += t.shape[axis]
        return tuple(parts)

    def lower(self, lowering, instruction):
        (y,), axis, at = instruction.outputs, instruction.attributes["axis"], 0
        strides = contiguous_strides(y.shape)
        for i, x in enumerate(instruction.inputs):
            offset = at * strides[axis]
            lowering.copy(x, y, x.shape, contiguous_strides(x.shape), strides, out_offset=offset, updates=i > 0)
            at += x.shape[axis]


_concatenate = Concatenate("concatenate")


class Pack(Primitive):
    """Tensors side by side in one flat block at given offsets, the gaps zero.

    The gradients of a model's weights are laid out like the weights, so that the optimiser is one pass over both.  The
    memory pass lets the producers write straight into the block.
    """

    def infer(self, *tensors, offsets, size):
        return [((size,), tensors[0].dtype)]

    def reference(self, *arrays, offsets, size):
        y = np.zeros(size, arrays[0].dtype)
        for x, offset in zip(arrays, offsets, strict=True):
            y[offset : offset + x.size] = np.ravel(x)
        return y

    def gradient(self, gradients, inputs, outputs, offsets, size):
        (dy,) = gradients
        parts = []
        for x, offset in zip(inputs, offsets, strict=True):
            part = apply(_strided_slice, dy, start=(offset,), size=(math.prod(x.shape),), step=(1,))
            parts.append(reshape(part, x.shape))
        return tuple(parts)

    def lower(self, lowering, instruction):
        lowering.pack(instruction)


_pack = Pack("pack")


# --- the functions of fastnn.ops ------------------------------------------------------------------------------------


def shape(x):
    """The shape as a tuple."""
    return tuple(tensor_like(x).shape)


def ndim(x):
    """How many axes x has."""
    return len(shape(x))


def size(x):
    """How many elements x has."""
    return math.prod(shape(x))


def copy(x):
    """x itself: nothing changes a tensor; an array is copied."""
    x = tensor_like(x)
    return x if isinstance(x, Arithmetic) else x.copy()


def reshape(x, newshape):
    """The same numbers under another shape; one size may be -1."""
    x = tensor_like(x)
    newshape = (newshape,) if isinstance(newshape, (int, np.integer)) else tuple(int(n) for n in newshape)
    if -1 in newshape:
        known = -math.prod(newshape)
        if newshape.count(-1) > 1 or known == 0 or x.size % known:
            raise ValueError(f"reshape: a tensor of shape {tuple(x.shape)} cannot take the shape {newshape}")
        newshape = tuple(x.size // known if n == -1 else n for n in newshape)
    if math.prod(newshape) != x.size:
        raise ValueError(f"reshape: {x.size} elements of shape {tuple(x.shape)} cannot take the shape {newshape}")
    if isinstance(x, Tensor) and x.shape == newshape:
        return x
    return apply(_reshape, x, shape=newshape)


def stop_gradient(variable):
    """The same tensor, through which no gradient passes."""
    return apply(_stop_gradient, variable)


def broadcast_to(x, shape):
    """x repeated to a shape."""
    x = tensor_like(x)
    return x if tuple(x.shape) == tuple(shape) else apply(_broadcast_to, x, shape=tuple(shape))


def transpose(x, axes=None):
    """Axes in another order, reversed by default."""
    x = tensor_like(x)
    axes = tuple(range(x.ndim))[::-1] if axes is None else tuple(normalize_axis(a, x.ndim, "transpose") for a in axes)
    if sorted(axes) != list(range(x.ndim)):
        raise ValueError(f"transpose: axes {axes} are not an order of the {x.ndim} axes")
    return x if axes == tuple(range(x.ndim)) else apply(_transpose, x, axes=axes)


def swapaxes(x, axis1, axis2):
    """Two axes exchanged."""
    rank = len(shape(x))
    order = list(range(rank))
    a, b = normalize_axis(axis1, rank), normalize_axis(axis2, rank)
    order[a], order[b] = order[b], order[a]
    return transpose(x, order)


def axes_last(x, axes):
    """Some axes moved behind the others, in the order given."""
    rank = len(shape(x))
    axes = [normalize_axis(a, rank) for a in axes]
    return transpose(x, [a for a in range(rank) if a not in axes] + axes)


def moveaxis(x, source, destination):
    """One axis moved elsewhere, the order of the others kept."""
    rank = len(shape(x))
    order = list(range(rank))
    order.insert(normalize_axis(destination, rank), order.pop(normalize_axis(source, rank)))
    return transpose(x, order)


def squeeze(x, axis=None):
    """Axes of size 1 removed."""
    sizes = shape(x)
    if axis is None:
        axes = {i for i, n in enumerate(sizes) if n == 1}
    else:
        axes = {normalize_axis(a, len(sizes), "squeeze") for a in ((axis,) if isinstance(axis, int) else axis)}
        for a in axes:
            if sizes[a] != 1:
                raise ValueError(f"squeeze: axis {a} of shape {sizes} has size {sizes[a]}, not 1")
    return reshape(x, tuple(n for i, n in enumerate(sizes) if i not in axes))


def expand_dims(x, axis):
    """A new axis of size 1."""
    sizes, axes = list(shape(x)), np.atleast_1d(axis)
    for a in sorted(normalize_axis(a, len(sizes) + len(axes), "expand_dims") for a in axes):
        sizes.insert(a, 1)
    return reshape(x, tuple(sizes))


def concatenate(xs, axis=0):
    """Tensors one after the other along an axis."""
    xs = [tensor_like(x) for x in xs]
    axis = normalize_axis(axis, xs[0].ndim, "concatenate")
    return xs[0] if len(xs) == 1 else apply(_concatenate, *xs, axis=axis)


def stack(x, axis=0):
    """Tensors of one shape along a new axis."""
    return concatenate([expand_dims(part, axis) for part in x], axis)


def pack(xs, offsets, size):
    """Tensors side by side in one flat block; see `Pack`."""
    return apply(_pack, *xs, offsets=tuple(offsets), size=size)


def split(x, indices_or_sections, axis=0):
    """A list of pieces along an axis: so many equal ones, or cut at the given indices."""
    sizes = shape(x)
    axis = normalize_axis(axis, len(sizes), "split")
    n = sizes[axis]
    if isinstance(indices_or_sections, int):
        if n % indices_or_sections:
            raise ValueError(f"split: axis {axis} of size {n} cannot be cut into {indices_or_sections} equal pieces")
        cuts = list(range(0, n + 1, n // indices_or_sections))
    else:
        cuts = [0, *indices_or_sections, n]
    whole = (slice(None),) * axis
    return [get_item(x, (*whole, slice(a, b))) for a, b in itertools.pairwise(cuts)]


def _take(x, indices, axis):
    from fastnn.ops.rows import take

    return take(x, indices, axis)


def get_item(x, key):
    """x[key] for integers, slices, None and Ellipsis, or an integer tensor that picks rows."""
    if isinstance(key, (Arithmetic, np.ndarray, list)):
        return _take(x, key, axis=0)
    key = key if isinstance(key, tuple) else (key,)
    x = tensor_like(x)
    if not isinstance(x, Arithmetic):
        return x[key]
    taken = builtins.sum(k is not None and k is not Ellipsis for k in key)
    if taken > x.ndim:
        raise IndexError(f"too many indices: {taken} for a tensor of shape {tuple(x.shape)}")
    if Ellipsis not in key:
        key = (*key, Ellipsis)
    at = key.index(Ellipsis)
    key = (*key[:at], *(slice(None),) * (x.ndim - taken), *key[at + 1 :])
    start, size, step, result, axis = [], [], [], [], 0
    for k in key:
        if k is None:
            result.append(1)
            continue
        n = x.shape[axis]
        if isinstance(k, slice):
            places = range(n)[k]
            start.append(places.start if len(places) else 0)
            size.append(len(places))
            step.append(places.step)
            result.append(len(places))
        else:
            k = operator.index(k)
            if not -n <= k < n:
                raise IndexError(f"index {k} is outside axis {axis} of size {n}")
            start.append(k % n)
            size.append(1)
            step.append(1)
        axis += 1
    if tuple(size) == tuple(x.shape) and builtins.all(k == 1 for k in step):
        return reshape(x, tuple(result))
    part = apply(_strided_slice, x, start=tuple(start), size=tuple(size), step=tuple(step))
    return reshape(part, tuple(result))


def slice_tensor(inputs, start_indices, shape):
    """The part of the inputs of a given shape that begins at start_indices."""
    return get_item(inputs, tuple(slice(a, a + n) for a, n in zip(start_indices, shape, strict=True)))


def flip(x, axis=None):
    """The order along `axis` (all axes if None) reversed."""
    rank = len(shape(x))
    axes = range(rank) if axis is None else np.atleast_1d(axis)
    axes = {normalize_axis(a, rank, "flip") for a in axes}
    return get_item(x, tuple(slice(None, None, -1 if i in axes else None) for i in range(rank)))


def pad(x, pad_width, mode="constant", constant_values=None):
    """x with numbers added around it.

    Parameters
    ----------
    pad_width : sequence of (before, after), one pair for each axis, or one pair or number for all
    mode : {"constant", "reflect", "symmetric", "edge"}
    constant_values : number, optional
    """
    x = tensor_like(x)
    widths = [tuple(int(v) for v in pair) for pair in np.broadcast_to(np.asarray(pad_width), (x.ndim, 2))]
    if builtins.any(v < 0 for pair in widths for v in pair):
        raise ValueError(f"pad: widths must not be negative, received {pad_width}")
    if mode != "constant":
        return _pad_by_index(x, widths, mode)
    sizes = tuple(n + a + b for n, (a, b) in zip(x.shape, widths, strict=True))
    start = tuple(a for a, _ in widths)
    inside = {"shape": sizes, "start": start, "step": (1,) * x.ndim}
    padded = apply(_strided_place, x, **inside) if sizes != tuple(x.shape) else x
    if not constant_values:
        return padded
    outside = 1 - _strided_place.reference(np.ones(x.shape, config.floatx()), **inside)
    return padded + outside * constant_values


def _pad_by_index(x, widths, mode):
    for axis, (before, after) in enumerate(widths):
        if before or after:
            rows = np.pad(np.arange(x.shape[axis]), (before, after), mode=mode)
            x = _take(x, rows.astype(np.int32), axis)
    return x


def repeat(x, repeats, axis=None):
    """Each element along an axis (of the flattened x if None) repeated: one number of times, or one for each."""
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    if not isinstance(repeats, (int, np.integer)) and np.size(repeats) != 1:
        return _take(x, np.repeat(np.arange(shape(x)[axis], dtype=np.int32), repeats), axis)
    repeats = int(np.asarray(repeats).reshape(()))
    sizes = shape(x)
    axis = normalize_axis(axis, len(sizes), "repeat")
    wide = (*sizes[: axis + 1], repeats, *sizes[axis + 1 :])
    return reshape(
        broadcast_to(expand_dims(x, axis + 1), wide), (*sizes[:axis], sizes[axis] * repeats, *sizes[axis + 1 :])
    )


def tile(x, repeats):
    """The whole of x repeated so many times along each axis."""
    sizes = shape(x)
    repeats = (repeats,) if isinstance(repeats, int) else tuple(repeats)
    rank = builtins.max(len(sizes), len(repeats))
    sizes = (1,) * (rank - len(sizes)) + sizes
    repeats = (1,) * (rank - len(repeats)) + repeats
    thin = [k for n in sizes for k in (1, n)]
    wide = [k for r, n in zip(repeats, sizes, strict=True) for k in (r, n)]
    result = [r * n for r, n in zip(repeats, sizes, strict=True)]
    return reshape(broadcast_to(reshape(x, thin), wide), result)


def diagonal(x, offset=0, axis1=0, axis2=1):
    """The elements at i along axis1 and i + offset along axis2, as a new last axis."""
    sizes = shape(x)
    a, b = normalize_axis(axis1, len(sizes), "diagonal"), normalize_axis(axis2, len(sizes), "diagonal")
    others = [i for i in range(len(sizes)) if i not in (a, b)]
    rows, columns = sizes[a], sizes[b]
    places = [i * columns + i + offset for i in range(rows) if 0 <= i + offset < columns]
    flat = reshape(transpose(x, [*others, a, b]), (*(sizes[i] for i in others), rows * columns))
    return _take(flat, np.asarray(places, np.int32), -1)
