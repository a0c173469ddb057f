"""Windows of images taken out and put back, and blocks of pixels moved into channels."""

import math

import numpy as np

from fastnn.ops.conv import as_tuple, output_size, window_padding
from fastnn.ops.rows import add_windows, take
from fastnn.ops.shape import pad, reshape, tensor_like, transpose


def window_places(size, window, stride=1, dilation=1, name="windows"):
    """The places of an axis in each window: int32 (windows, window)."""
    count = output_size(size, window, stride, dilation, (0, 0)) if min(window, stride, dilation) > 0 else 0
    if count < 1:
        raise ValueError(f"{name}: a window of {window} (stride {stride}, dilation {dilation}) in an axis of {size}")
    return (np.arange(count)[:, None] * stride + np.arange(window) * dilation).astype(np.int32)


def patches(x, size, strides, dilation, padding, name):
    """The windows of (n, *spatial, c) side by side in the channels: (n, *windows, prod(size) * c)."""
    rank = len(size)
    x = tensor_like(x)
    if x.ndim != rank + 2:
        raise ValueError(f"{name}: expected {rank + 2} axes (n, ..., c), received shape {tuple(x.shape)}")
    dilation = as_tuple(dilation, rank, name)
    strides = size if strides is None else as_tuple(strides, rank, name)
    if padding not in ("valid", "same"):
        raise ValueError(f'{name}: padding must be "valid" or "same", received {padding!r}')
    widths = [window_padding(*axis, padding) for axis in zip(x.shape[1:-1], size, strides, dilation, strict=True)]
    x = pad(x, [(0, 0), *widths, (0, 0)])
    for i, (window, stride, step) in enumerate(zip(size, strides, dilation, strict=True)):
        x = take(x, window_places(x.shape[1 + 2 * i], window, stride, step, name), axis=1 + 2 * i)
    order = [0, *range(1, 2 * rank, 2), *range(2, 2 * rank + 1, 2), 2 * rank + 1]
    x = transpose(x, order)
    return reshape(x, (*x.shape[: rank + 1], math.prod(size) * x.shape[-1]))


def _pairs(*values):
    return ((v, v) if isinstance(v, int) else tuple(v) for v in values)


def unfold(x, kernel_size, dilation=1, padding=0, stride=1):
    """The windows of images as columns.

    Parameters
    ----------
    x : tensor of shape (n, c, h, w)
    kernel_size, dilation, padding, stride : int or (int, int)
        Padding adds so many zeros on each side.

    Returns
    -------
    tensor of shape (n, c * kernel height * kernel width, windows)
    """
    (r, s), (dr, ds), (pr, ps), (tr, ts) = _pairs(kernel_size, dilation, padding, stride)
    x = pad(x, ((0, 0), (0, 0), (pr, pr), (ps, ps)))
    n, c, h, w = x.shape
    x = take(x, window_places(h, r, tr, dr, "unfold"), axis=2)  # (n, c, p, r, w)
    x = take(x, window_places(w, s, ts, ds, "unfold"), axis=4)  # (n, c, p, r, q, s)
    return reshape(transpose(x, (0, 1, 3, 5, 2, 4)), (n, c * r * s, -1))


def fold(x, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """The transpose of `unfold`: columns added up at the places of their windows.

    Parameters
    ----------
    x : tensor of shape (n, c * kernel height * kernel width, windows)
    output_size : int or (int, int)
    kernel_size, dilation, padding, stride
        As of `unfold`.

    Returns
    -------
    tensor of shape (n, c, *output_size)
    """
    x = tensor_like(x)
    (h, w), (r, s), (dr, ds), (pr, ps), (tr, ts) = _pairs(output_size, kernel_size, dilation, padding, stride)
    rows, columns = window_places(h + 2 * pr, r, tr, dr, "fold"), window_places(w + 2 * ps, s, ts, ds, "fold")
    n, channels, count = x.shape
    if channels % (r * s) or count != len(rows) * len(columns):
        raise ValueError(
            f"fold: windows of {r} x {s} in {h} x {w} make columns of a multiple of {r * s} and "
            f"{len(rows) * len(columns)} of them, received shape {tuple(x.shape)}"
        )
    x = reshape(x, (n, channels // (r * s), r, s, len(rows), len(columns)))
    x = add_windows(transpose(x, (0, 1, 4, 2, 5, 3)), 4, columns, w + 2 * ps)
    x = add_windows(x, 2, rows, h + 2 * pr)
    return x[:, :, pr : pr + h, ps : ps + w]


def _check_blocks(name, x, block_size, data_format):
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f'{name}: data_format must be "channels_last" or "channels_first", received {data_format!r}')
    if x.ndim != 4 or block_size < 1:
        raise ValueError(f"{name}: expected four axes and a block above 0, received {tuple(x.shape)}, {block_size}")


def depth_to_space(x, block_size, data_format="channels_last"):
    """Channels moved into blocks of pixels: (n, h, w, c) becomes (n, h * b, w * b, c / b**2), with b = block_size.

    With channels_first the channels of x are counted (c / b**2, b, b), else (b, b, c / b**2).
    """
    x, b = tensor_like(x), block_size
    _check_blocks("depth_to_space", x, b, data_format)
    if x.shape[-1 if data_format == "channels_last" else 1] % b**2:
        raise ValueError(f"depth_to_space: the channels of {tuple(x.shape)} are no multiple of {b**2}")
    if data_format == "channels_last":
        n, h, w, c = x.shape
        blocks = transpose(reshape(x, (n, h, w, b, b, c // b**2)), (0, 1, 3, 2, 4, 5))
        return reshape(blocks, (n, h * b, w * b, c // b**2))
    n, c, h, w = x.shape
    blocks = transpose(reshape(x, (n, c // b**2, b, b, h, w)), (0, 1, 4, 2, 5, 3))
    return reshape(blocks, (n, c // b**2, h * b, w * b))


def space_to_depth(x, block_size, data_format="channels_last"):
    """The inverse of `depth_to_space`: blocks of pixels moved into channels."""
    x, b = tensor_like(x), block_size
    _check_blocks("space_to_depth", x, b, data_format)
    h, w = x.shape[1:3] if data_format == "channels_last" else x.shape[2:4]
    if h % b or w % b:
        raise ValueError(f"space_to_depth: height and width of {tuple(x.shape)} are no multiples of {b}")
    if data_format == "channels_last":
        n, h, w, c = x.shape
        blocks = transpose(reshape(x, (n, h // b, b, w // b, b, c)), (0, 1, 3, 2, 4, 5))
        return reshape(blocks, (n, h // b, w // b, b * b * c))
    n, c, h, w = x.shape
    blocks = transpose(reshape(x, (n, c, h // b, b, w // b, b)), (0, 1, 3, 5, 2, 4))
    return reshape(blocks, (n, c * b * b, h // b, w // b))
