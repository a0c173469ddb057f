"""Tensors looked up at places between their elements: images turned, moved, bent."""

import itertools
import math

import numpy as np

from fastnn.graph.program import Arithmetic
from fastnn.ops.elementwise import cast, clip, floor, minimum, where
from fastnn.ops.image_filters import gaussian_blur
from fastnn.ops.image_layout import as_batch
from fastnn.ops.linear_systems import solve
from fastnn.ops.logic import logical_and
from fastnn.ops.products import as_floats
from fastnn.ops.rows import take
from fastnn.ops.shape import broadcast_to, concatenate, expand_dims, reshape, squeeze, stack, tensor_like

FILL_MODES = ("constant", "nearest", "wrap", "mirror", "reflect")
_ORDERS = {"nearest": 0, "bilinear": 1}


def sample(rows, sizes, places, order, fill_mode, fill_value, start=0.0):
    """Rows of a table laid out along several axes, looked up at places between them.

    Parameters
    ----------
    rows : tensor of shape (..., c)
        Flattened, the axes of `sizes` last.
    sizes : list of int
    places : list of tensors of shape (..., 1)
        For each axis, counted in elements.
    order : {0, 1}
        The nearest row, or a linear combination of the two beside the place along each axis.
    fill_mode : {"constant", "nearest", "wrap", "mirror", "reflect"}
        What lies beyond the ends: `fill_value`, the last element, the other end, or the elements backwards, the last
        one once or twice.
    start : tensor that fits the places
        The row at which the axes begin.

    Returns
    -------
    tensor of shape (..., c)
    """
    if rows.shape[0] >= 1 << 24:
        raise ValueError(f"{rows.shape[0]} rows: places are computed as floats, exact below 2**24: use smaller batches")
    shape = np.broadcast_shapes(*(tuple(p.shape) for p in places))[:-1]
    total = None
    for taps in itertools.product(*(_taps(place, order) for place in places)):
        index, inside, weight = start, None, 1.0
        for (line, share), size, stride in zip(taps, sizes, _strides(sizes), strict=True):
            index = index + _inside(line, size, fill_mode) * float(stride)
            weight = share if isinstance(weight, float) else weight * share
            here = logical_and(line >= 0.0, line <= size - 1.0)
            inside = here if inside is None else logical_and(inside, here)
        index = reshape(broadcast_to(cast(index, "int32"), (*shape, 1)), (math.prod(shape),))
        value = reshape(take(rows, index, axis=0), (*shape, rows.shape[-1]))
        if fill_mode == "constant":
            value = where(inside, value, float(fill_value))
        part = value * weight
        total = part if total is None else total + part
    return total


def _strides(sizes):
    return [math.prod(sizes[i + 1 :]) for i in range(len(sizes))]


def _taps(place, order):
    """[(whole number, weight)] of the elements beside a place."""
    if order == 0:
        return [(floor(place + 0.5), 1.0)]
    low = floor(place)
    return [(low, 1.0 - (place - low)), (low + 1.0, place - low)]


def _inside(index, size, fill_mode):
    """An index of the axis for one that may lie beyond its ends."""
    if fill_mode == "wrap":
        return _modulo(index, size)
    if fill_mode == "reflect":  # the last element twice
        index = _modulo(index, 2 * size)
        return minimum(index, 2 * size - 1 - index)
    if fill_mode == "mirror":
        index = _modulo(index, max(2 * size - 2, 1))
        return minimum(index, 2 * size - 2 - index)
    return clip(index, 0.0, size - 1.0)


def _modulo(index, period):
    return index - floor(index / float(period)) * float(period)


def _check(name, interpolation, fill_mode):
    if interpolation not in _ORDERS:
        raise ValueError(f"{name}: interpolation must be one of {list(_ORDERS)}, received {interpolation!r}")
    if fill_mode not in FILL_MODES:
        raise ValueError(f"{name}: fill_mode must be one of {FILL_MODES}, received {fill_mode!r}")


def map_coordinates(inputs, coordinates, order, fill_mode="constant", fill_value=0):
    """A tensor at places between its elements: y[i] = x(coordinates[0, i], coordinates[1, i], ...).

    Parameters
    ----------
    inputs : tensor with k axes
    coordinates : tensor of shape (k, ...)
        Places along each axis, counted in elements.
    order, fill_mode, fill_value
        0 for the nearest element, 1 for linear interpolation; the others as of `affine_transform`.

    Returns
    -------
    tensor of shape (...)
    """
    inputs, coordinates = as_floats(tensor_like(inputs)), as_floats(tensor_like(coordinates))
    if coordinates.ndim < 2 or coordinates.shape[0] != inputs.ndim:
        raise ValueError(
            f"map_coordinates: coordinates must have the shape ({inputs.ndim}, ...), one row for each axis, received "
            f"{tuple(coordinates.shape)}"
        )
    if order not in (0, 1):
        raise ValueError(f"map_coordinates: order must be 0 or 1, received {order!r}")
    _check("map_coordinates", "nearest", fill_mode)
    places = [expand_dims(coordinates[i], -1) for i in range(inputs.ndim)]
    found = sample(reshape(inputs, (-1, 1)), inputs.shape, places, order, fill_mode, fill_value)
    return squeeze(found, -1)


def sampled_images(images, across, down, interpolation, fill_mode, fill_value):
    """Images (n, h, w, c) at places (n, h, w, 1) between their pixels."""
    n, h, w, c = images.shape
    first = np.arange(n, dtype=np.float32)[:, None, None, None] * (h * w)
    places = [broadcast_to(place, (n, *place.shape[1:])) for place in (down, across)]
    rows = reshape(images, (n * h * w, c))
    return sample(rows, (h, w), places, _ORDERS[interpolation], fill_mode, fill_value, first)


def pixel_grid(h, w):
    """x (1, 1, w, 1) and y (1, h, 1, 1) of the pixels."""
    x, y = np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32)
    return x[None, None, :, None], y[None, :, None, None]


def projected_images(images, matrix, interpolation="bilinear", fill_mode="reflect", fill_value=0.0):
    """Images whose pixel (x, y) is the input's at (a0 x + a1 y + a2, b0 x + b1 y + b2) / (c0 x + c1 y + 1).

    Parameters
    ----------
    images : tensor of shape (n, h, w, c)
    matrix : six or eight numbers or tensors of shape (n, 1, 1, 1)
        a0, a1, a2, b0, b1, b2, and c0, c1 unless they are 0.
    interpolation, fill_mode, fill_value
        As of `affine_transform`.
    """
    x, y = pixel_grid(*images.shape[1:3])
    a0, a1, a2, b0, b1, b2, *c = matrix
    across, down = a0 * x + a1 * y + a2, b0 * x + b1 * y + b2
    if c:
        below = c[0] * x + c[1] * y + 1.0
        across, down = across / below, down / below
    return sampled_images(images, across, down, interpolation, fill_mode, fill_value)


def _columns(coefficients):
    """The columns of (n, k) as tensors (n, 1, 1, 1)."""
    return [reshape(coefficients[:, i], (-1, 1, 1, 1)) for i in range(coefficients.shape[-1])]


def affine_transform(images, transform, interpolation="bilinear", fill_mode="constant", fill_value=0, data_format=None):
    """Images turned, moved, scaled, sheared: pixel (x, y) is the input's at (a0 x + a1 y + a2, b0 x + b1 y + b2).

    Parameters
    ----------
    images : tensor of shape (n, h, w, c) or (h, w, c)
    transform : tensor of shape (n, 8), (1, 8) or (8,)
        a0, a1, a2, b0, b1, b2, c0, c1; with c0 and c1 the place is divided by c0 x + c1 y + 1.
    interpolation : {"nearest", "bilinear"}
    fill_mode : {"constant", "nearest", "wrap", "mirror", "reflect"}
        What lies beyond the edges: `fill_value`, the last pixel, the other side, or the pixels backwards, the last one
        once or twice.
    fill_value : float
    data_format : {"channels_last", "channels_first"}, optional
    """
    _check("affine_transform", interpolation, fill_mode)
    images, back = as_batch("affine_transform", images, data_format)
    transform = as_floats(tensor_like(transform))
    transform = expand_dims(transform, 0) if transform.ndim == 1 else transform
    if transform.ndim != 2 or transform.shape[1] != 8 or transform.shape[0] not in (1, images.shape[0]):
        raise ValueError(
            f"affine_transform: expected a transform of shape (8,) or ({images.shape[0]}, 8), received "
            f"{tuple(transform.shape)}"
        )
    matrix = _columns(transform)
    if not isinstance(transform, Arithmetic) and not np.any(transform[:, 6:]):
        matrix = matrix[:6]
    return back(projected_images(images, matrix, interpolation, fill_mode, fill_value))


def perspective_transform(images, start_points, end_points, interpolation="bilinear", fill_value=0, data_format=None):
    """Images seen from elsewhere: four points of the input go to four points of the result.

    Parameters
    ----------
    images : tensor of shape (n, h, w, c) or (h, w, c)
    start_points, end_points : tensor of shape (4, 2) or (n, 4, 2)
        (x, y) in the input, and where they go.
    interpolation, fill_value, data_format
        As of `affine_transform`; beyond the edges lies `fill_value`.
    """
    _check("perspective_transform", interpolation, "constant")
    images, back = as_batch("perspective_transform", images, data_format)
    start, end = (as_floats(tensor_like(p)) for p in (start_points, end_points))
    if tuple(start.shape) != tuple(end.shape) or start.ndim not in (2, 3) or tuple(start.shape[-2:]) != (4, 2):
        raise ValueError(
            "perspective_transform: expected points of shape (4, 2) or (n, 4, 2), received "
            f"{tuple(start.shape)} and {tuple(end.shape)}"
        )
    start, end = (expand_dims(p, 0) if p.ndim == 2 else p for p in (start, end))
    matrix = _columns(_homography(start, end))
    return back(projected_images(images, matrix, interpolation, "constant", fill_value))


def _homography(start, end):
    """The eight coefficients (n, 8) that bring `end` to `start`: two linear equations for each of four points."""
    x, y, u, v = end[..., 0], end[..., 1], start[..., 0], start[..., 1]
    one, none = x * 0.0 + 1.0, x * 0.0
    across = stack([x, y, one, none, none, none, -u * x, -u * y], -1)
    down = stack([none, none, none, x, y, one, -v * x, -v * y], -1)
    return solve(concatenate([across, down], 1), concatenate([u, v], 1))


def elastic_transform(
    images, alpha=20.0, sigma=5.0, interpolation="bilinear", fill_mode="reflect", fill_value=0.0, seed=None,
    data_format=None,
):  # fmt: skip
    """Images bent at random: every pixel is looked up at a place that is off by smoothed normal noise (Simard 2003).

    Parameters
    ----------
    images : tensor of shape (n, h, w, c) or (h, w, c)
    alpha : float
        Factor of the noise.
    sigma : float
        Its standard deviation, and that of the Gaussian it is smoothed with.
    interpolation, fill_mode, fill_value, data_format
        As of `affine_transform`.
    seed : int or SeedGenerator, optional
        Of calls on arrays; in a model the numbers come from the run's seed.
    """
    from fastnn import random

    _check("elastic_transform", interpolation, fill_mode)
    images, back = as_batch("elastic_transform", images, data_format)
    n, h, w, _ = images.shape
    size = int(6 * sigma) | 1
    noise = random.normal((n, h, w, 2), stddev=float(sigma), seed=seed)
    moved = gaussian_blur(noise, (size, size), (sigma, sigma), "channels_last") * float(alpha)
    x, y = pixel_grid(h, w)
    return back(sampled_images(images, moved[..., :1] + x, moved[..., 1:] + y, interpolation, fill_mode, fill_value))
