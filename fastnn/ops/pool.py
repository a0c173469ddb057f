"""Pooling over windows of images (n, h, w, c), and of sequences as images of height 1."""

import math

import numpy as np

from fastnn.graph.program import apply
from fastnn.ops.conv import Conv2D, as_tuple, images_back, images_from, output_size, window_geometry
from fastnn.ops.primitive import Primitive
from fastnn.ops.shape import concatenate, get_item, normalize_axis, reshape

BYTE_PLACES = 256  # of a window, that a byte can number; also in csrc/pool.c


def _pooled_shape(x, window, strides, pad):
    n, h, w, c = x.shape
    p = output_size(h, window[0], strides[0], 1, pad[0])
    q = output_size(w, window[1], strides[1], 1, pad[1])
    if p < 1 or q < 1:
        raise ValueError(
            f'pooling: a window of {window[0]}x{window[1]} is larger than the input {h}x{w}: use padding="same" or a '
            "smaller window"
        )
    return n, p, q, c


def _sizes(x_shape, y_shape, window, strides, pad):
    (n, h, w, c), (_, p, q, _) = x_shape, y_shape
    return {
        "n": n, "h": h, "w": w, "c": c, "p": p, "q": q, "r": window[0], "s": window[1],
        "stride_h": strides[0], "stride_w": strides[1], "pad_top": pad[0][0], "pad_left": pad[1][0],
    }  # fmt: skip


def _windows(padded, p, q, window, strides):
    """The (n, p, q, c) elements under every place of the window, in order."""
    for i in range(window[0]):
        for j in range(window[1]):
            rows = slice(i, i + (p - 1) * strides[0] + 1, strides[0])
            cols = slice(j, j + (q - 1) * strides[1] + 1, strides[1])
            yield (slice(None), rows, cols)


def _winner_shape(shape, window):
    """Of the int32 tensor that holds a place in the window for each output: a byte each, if that can number them."""
    return (-(-math.prod(shape) // 4),) if math.prod(window) <= BYTE_PLACES else shape


def _packed(places, window):
    """Places in the window, as bytes in int32 elements or as they are."""
    if math.prod(window) > BYTE_PLACES:
        return places.astype(np.int32)
    return np.pad(places.astype(np.uint8).reshape(-1), (0, -places.size % 4)).view(np.int32)


def _places(winner, shape, window):
    """What `_packed` has packed."""
    return winner if math.prod(window) > BYTE_PLACES else winner.view(np.uint8)[: math.prod(shape)].reshape(shape)


class MaxPool2D(Primitive):
    """The largest element of each window, and its place in the window (the first of equals; NaN wins), packed."""

    n_outputs = 2
    epilogue = True

    def infer(self, x, window, strides, pad):
        shape = _pooled_shape(x, window, strides, pad)
        return [(shape, x.dtype), (_winner_shape(shape, window), "int32")]

    def reference(self, x, window, strides, pad):
        _, p, q, _ = _pooled_shape(x, window, strides, pad)
        padded = np.pad(x, ((0, 0), *pad, (0, 0)), constant_values=-np.inf)
        taps = np.stack([padded[w] for w in _windows(padded, p, q, window, strides)])
        winner = np.argmax(taps, axis=0)
        return np.take_along_axis(taps, winner[None], 0)[0], _packed(winner, window)

    def gradient(self, gradients, inputs, outputs, **attributes):
        return (apply(_max_pool2d_gradient, gradients[0], outputs[1], shape=inputs[0].shape, **attributes),)

    def takes_in(self, instruction, producer):
        return isinstance(producer.primitive, Conv2D) and producer.primitive.pools(producer, **instruction.attributes)

    def lower(self, lowering, instruction):
        (x,), (y, winner) = instruction.inputs, instruction.outputs
        sizes = _sizes(x.shape, y.shape, **instruction.attributes) | {"winners": int(lowering.is_read(winner))}
        convolution = lowering.node.inner
        if convolution is not None:
            convolution.primitive.lower_pooled(lowering, convolution, instruction, sizes)
        else:
            lowering.step("max_pool2d", (x,), instruction.outputs, sizes, instruction)


class MaxPool2DGradient(Primitive):
    """Each dy is added to the place that won its window."""

    epilogue = True

    def infer(self, dy, winner, shape, **attributes):
        return [(shape, dy.dtype)]

    def reference(self, dy, winner, shape, window, strides, pad):
        _, p, q, _ = dy.shape
        winner = _places(winner, dy.shape, window)
        padded = np.zeros([n + sum(w) for n, w in zip(shape, ((0, 0), *pad, (0, 0)), strict=True)], dy.dtype)
        for k, place in enumerate(_windows(padded, p, q, window, strides)):
            padded[place] += np.where(winner == k, dy, 0)
        return _cropped(padded, shape, pad)

    def lower(self, lowering, instruction):
        attributes = {k: v for k, v in instruction.attributes.items() if k != "shape"}
        dy, (dx,) = instruction.inputs[0], instruction.outputs
        sizes = _sizes(dx.shape, dy.shape, **attributes)
        lowering.step("max_pool2d_gradient", instruction.inputs, (dx,), sizes, instruction)


def _cropped(padded, shape, pad):
    (top, _), (left, _) = pad
    return np.ascontiguousarray(padded[:, top : top + shape[1], left : left + shape[2]])


def _counts(x_shape, dtype, p, q, window, strides, pad):
    """How many elements inside the image each window has: (1, p, q, 1)."""
    inside = np.pad(np.ones((1, *x_shape[1:3], 1), dtype), ((0, 0), *pad, (0, 0)))
    return sum(inside[w] for w in _windows(inside, p, q, window, strides))


class AveragePool2D(Primitive):
    """The mean of each window; places outside the image are not counted."""

    def infer(self, x, window, strides, pad):
        return [(_pooled_shape(x, window, strides, pad), x.dtype)]

    def reference(self, x, window, strides, pad):
        _, p, q, _ = _pooled_shape(x, window, strides, pad)
        padded = np.pad(x, ((0, 0), *pad, (0, 0)))
        total = sum(padded[w] for w in _windows(padded, p, q, window, strides))
        return total / _counts(x.shape, x.dtype, p, q, window, strides, pad)

    def gradient(self, gradients, inputs, outputs, **attributes):
        return (apply(_average_pool2d_gradient, gradients[0], shape=inputs[0].shape, **attributes),)

    def lower(self, lowering, instruction):
        (x,), (y,) = instruction.inputs, instruction.outputs
        lowering.step("average_pool2d", (x,), (y,), _sizes(x.shape, y.shape, **instruction.attributes))


class AveragePool2DGradient(Primitive):
    """Each dy is shared equally by the elements of its window."""

    epilogue = True

    def infer(self, dy, shape, **attributes):
        return [(shape, dy.dtype)]

    def reference(self, dy, shape, window, strides, pad):
        _, p, q, _ = dy.shape
        share = dy / _counts(shape, dy.dtype, p, q, window, strides, pad)
        padded = np.zeros([n + sum(w) for n, w in zip(shape, ((0, 0), *pad, (0, 0)), strict=True)], dy.dtype)
        for place in _windows(padded, p, q, window, strides):
            padded[place] += share
        return _cropped(padded, shape, pad)

    def gradient(self, gradients, inputs, outputs, shape, **attributes):
        return (apply(_average_pool2d, gradients[0], **attributes),)

    def lower(self, lowering, instruction):
        attributes = {k: v for k, v in instruction.attributes.items() if k != "shape"}
        (dy,), (dx,) = instruction.inputs, instruction.outputs
        sizes = _sizes(dx.shape, dy.shape, **attributes)
        lowering.step("average_pool2d_gradient", (dy,), (dx,), sizes, instruction)


_max_pool2d = MaxPool2D("max_pool2d")
_max_pool2d_gradient = MaxPool2DGradient("max_pool2d_gradient")
_average_pool2d = AveragePool2D("average_pool2d")
_average_pool2d_gradient = AveragePool2DGradient("average_pool2d_gradient")


def _pool(primitive, inputs, pool_size, strides, padding, data_format):
    rank = len(inputs.shape) - 2
    x = images_from(inputs, data_format, rank)
    window = as_tuple(pool_size, rank, "pool_size")
    window = (1, *window) if rank == 1 else window
    strides = pool_size if strides is None else strides
    strides, _, pad = window_geometry(x.shape[1:-1], window, strides, 1, padding, rank, "pooling")
    y = (_pool_volumes if rank == 3 else _pool_images)(primitive, x, window, strides, pad)
    return images_back(y, data_format, rank)


def _pool_images(primitive, x, window, strides, pad):
    result = apply(primitive, x, window=tuple(window), strides=tuple(strides), pad=tuple(pad))
    return result[0] if isinstance(result, tuple) else result


def _pool_volumes(primitive, x, window, strides, pad):
    """First within each slice, then over the depth: how many elements count is a product of both."""
    n, depth, h, w, c = x.shape
    y = _pool_images(primitive, reshape(x, (n * depth, h, w, c)), window[1:], strides[1:], pad[1:])
    _, p, q, _ = y.shape
    y = reshape(y, (n, depth, p * q, c))
    y = _pool_images(primitive, y, (window[0], 1), (strides[0], 1), (pad[0], (0, 0)))
    return reshape(y, (n, y.shape[1], p, q, c))


def max_pool(inputs, pool_size, strides=None, padding="valid", data_format=None):
    """The largest element of each window.

    Parameters
    ----------
    inputs : tensor of shape (n, w, c), (n, h, w, c) or (n, d, h, w, c)
    pool_size, strides : int or tuple of int
        Strides default to the window.
    padding : {"valid", "same"}

    Returns
    -------
    tensor of shape (n, q, c), (n, p, q, c) or (n, depth, p, q, c)
    """
    return _pool(_max_pool2d, inputs, pool_size, strides, padding, data_format)


def average_pool(inputs, pool_size, strides=None, padding="valid", data_format=None):
    """The mean of each window, counting only elements inside the input; arguments as `max_pool`."""
    return _pool(_average_pool2d, inputs, pool_size, strides, padding, data_format)


def _adaptive_pool(reduction, inputs, output_size, data_format):
    """Bin i of an axis holds the elements from floor(i n / bins) to ceil((i + 1) n / bins); one axis at a time."""
    from fastnn import config

    rank = len(inputs.shape) - 2
    bins = as_tuple(output_size, rank, "output_size")
    first = 2 if (data_format or config.image_data_format()) == "channels_first" else 1
    y = inputs
    for axis, count in enumerate(bins, first):
        size = y.shape[normalize_axis(axis, rank + 2)]
        whole = (slice(None),) * axis
        parts = [
            reduction(get_item(y, (*whole, slice(i * size // count, -(-(i + 1) * size // count)))), axis, True)
            for i in range(count)
        ]
        y = concatenate(parts, axis)
    return y


def adaptive_max_pool(inputs, output_size, data_format=None):
    """The largest element of each of `output_size` bins along the axes in space."""
    from fastnn.ops import reduce

    return _adaptive_pool(reduce.max, inputs, output_size, data_format)


def adaptive_average_pool(inputs, output_size, data_format=None):
    """The mean of each of `output_size` bins along the axes in space; neighbouring bins may share elements."""
    from fastnn.ops import reduce

    return _adaptive_pool(reduce.mean, inputs, output_size, data_format)
