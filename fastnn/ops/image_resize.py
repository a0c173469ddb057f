"""Images of another size, cut out, or with borders."""

import math

import numpy as np

from fastnn.ops.elementwise import absolute, cast, equal, maximum, sin, where
from fastnn.ops.image_layout import as_batch
from fastnn.ops.logic import logical_and
from fastnn.ops.products import as_floats, matmul
from fastnn.ops.reduce import sum as _sum
from fastnn.ops.shape import moveaxis, normalize_axis, pad, reshape, tensor_like
from fastnn.saving import budget

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")


def _along(x, axis, matrix):
    """The product of a matrix (target, size) with an axis of x."""
    moved = moveaxis(x, axis, 0)
    y = matmul(cast(matrix, str(x.dtype)), reshape(moved, (moved.shape[0], -1)))
    return moveaxis(reshape(y, (matrix.shape[0], *moved.shape[1:])), 0, axis)


def resized(images, size, interpolation="bilinear", antialias=False):
    """Images (n, h, w, c) of another height and width: two products with constant matrices."""
    for axis, target in ((1, size[0]), (2, size[1])):
        source = images.shape[axis]
        budget.check_constant((source, target))
        if interpolation == "nearest" and source != target:
            matrix = np.eye(source)[((np.arange(target) + 0.5) * (source / target)).astype(int)]
            images = _along(images, axis, matrix)
        elif source != target:
            images = _along(images, axis, _weights(source, target, target / source, 0.0, interpolation, antialias))
    return images


def resize(
    images, size, interpolation="bilinear", antialias=False, crop_to_aspect_ratio=False, pad_to_aspect_ratio=False,
    fill_mode="constant", fill_value=0.0, data_format=None,
):  # fmt: skip
    """Images of another size, sampled at the centres of pixels.

    Parameters
    ----------
    images : tensor of shape (n, h, w, c) or (h, w, c)
    size : (int, int)
        Height and width of the result.
    interpolation : {"nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"}
    antialias : bool
        Average over more pixels where images become smaller.
    crop_to_aspect_ratio : bool
        Cut out the largest central part of the right proportions first.
    pad_to_aspect_ratio : bool
        Add borders of `fill_value` for the right proportions first.
    fill_mode : {"constant"}
    fill_value : float
    data_format : {"channels_last", "channels_first"}, optional
    """
    size = tuple(int(n) for n in size)
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"resize: size must be (height, width), both above 0, received {size}")
    if interpolation not in INTERPOLATIONS:
        raise ValueError(f"resize: interpolation must be one of {INTERPOLATIONS}, received {interpolation!r}")
    if fill_mode != "constant":
        raise ValueError(f'resize: fill_mode must be "constant", received {fill_mode!r}')
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("resize: give crop_to_aspect_ratio or pad_to_aspect_ratio, one of the two")
    images, back = as_batch("resize", images, data_format)
    if crop_to_aspect_ratio:
        images = central_crop(images, size)
    elif pad_to_aspect_ratio:
        images = padded_to_proportions(images, size, fill_value)
    return back(resized(images, size, interpolation, antialias))


def central_crop(images, size):
    """The largest central part of images (n, h, w, c) with the proportions of `size`."""
    from fastnn.data.resize import central_part

    top, left, bottom, right = central_part(images.shape[1], images.shape[2], size)
    return images[:, top:bottom, left:right]


def padded_to_proportions(images, size, fill_value):
    """Images (n, h, w, c) with borders above and below, or left and right, that give them the proportions of `size`."""
    h, w = images.shape[1:3]
    top = (max(h, w * size[0] // size[1]) - h) // 2
    left = 0 if top else (max(w, h * size[1] // size[0]) - w) // 2
    return pad(images, ((0, 0), (top, top), (left, left), (0, 0)), constant_values=float(fill_value))


# --- scale and translate --------------------------------------------------------------------------------------------


def _triangle(x):
    return maximum(1.0 - x, 0.0)


def _cubic(x):
    """Keys' cubic convolution with a = -1/2 (IEEE ASSP 29, 1981)."""
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return where(x < 1.0, near, where(x < 2.0, far, 0.0))


def _lanczos(radius):
    def kernel(x):
        safe = where(equal(x, 0.0), 1.0, x) * math.pi
        value = sin(safe) * sin(safe / radius) * radius / (safe * safe)
        return where(x < radius, where(equal(x, 0.0), 1.0, value), 0.0)

    return kernel


_KERNELS = {
    "linear": _triangle, "bilinear": _triangle, "trilinear": _triangle, "cubic": _cubic, "bicubic": _cubic,
    "tricubic": _cubic, "lanczos3": _lanczos(3.0), "lanczos5": _lanczos(5.0),
}  # fmt: skip


def _weights(size, target, scale, translation, method, antialias):
    """(target, size): the weights of the elements around place (i + 1/2 - translation) / scale, with sums of 1."""
    centre = (np.arange(target)[:, None] + 0.5 - translation) / scale - 0.5
    distance = absolute(centre - np.arange(size))
    if antialias:
        distance = distance / maximum(1.0 / scale, 1.0)
    weights = _KERNELS[method](distance)
    total = _sum(weights, 1, True)
    weights = weights / where(absolute(total) > 1e-6, total, 1.0)
    return where(logical_and(centre >= -0.5, centre <= size - 0.5), weights, 0.0)


def scale_and_translate(images, output_shape, scale, translation, spatial_dims, method, antialias=True):
    """A tensor scaled and moved along some axes: the element at place x goes to x * scale + translation.

    Parameters
    ----------
    images : tensor
    output_shape : tuple of int
        The shape of the result; other axes keep their sizes.
    scale, translation : tensor of shape (k,)
        For each of the axes.
    spatial_dims : tuple of k int
    method : {"linear", "cubic", "lanczos3", "lanczos5"}
        Also Keras' "bilinear", "trilinear", "bicubic", "tricubic".
    antialias : bool
        Average over more elements where the tensor shrinks.

    Returns
    -------
    tensor of shape `output_shape`, zero beyond the input
    """
    if method not in _KERNELS:
        raise ValueError(f"scale_and_translate: method must be one of {list(_KERNELS)}, received {method!r}")
    images = as_floats(tensor_like(images))
    scale, translation = (as_floats(tensor_like(v)) for v in (scale, translation))
    axes = [normalize_axis(a, images.ndim, "scale_and_translate") for a in spatial_dims]
    kept = [n for a, n in enumerate(images.shape) if a not in axes]
    if len(output_shape) != images.ndim or kept != [n for a, n in enumerate(output_shape) if a not in axes]:
        raise ValueError(f"scale_and_translate: {tuple(images.shape)} cannot become {tuple(output_shape)} along {axes}")
    for i, axis in enumerate(axes):
        here = images.shape[axis], output_shape[axis], scale[i], translation[i]
        images = _along(images, axis, _weights(*here, method, antialias))
    return images


# --- borders --------------------------------------------------------------------------------------------------------


def _ends(name, size, before, after, target, sign):
    """(before, after) of an axis, one of which follows from the size wanted."""
    if [before, after, target].count(None) != 1:
        raise ValueError(f"{name}: give two of the number before, the number after, and the size, along each axis")
    difference = sign * (target - size) if target is not None else None
    before = difference - after if before is None else before
    after = difference - before if after is None else after
    if min(before, after) < 0 or (target is not None and target < 0):
        raise ValueError(f"{name}: an axis of {size} would change by {before} before and {after} after it")
    return before, after


def pad_images(
    images, top_padding=None, left_padding=None, bottom_padding=None, right_padding=None, target_height=None,
    target_width=None, data_format=None,
):  # fmt: skip
    """Images with zeros around them: give two of top, bottom and height, and two of left, right and width.

    Parameters
    ----------
    images : tensor of shape (n, h, w, c) or (h, w, c)
    top_padding, left_padding, bottom_padding, right_padding, target_height, target_width : int, optional
    data_format : {"channels_last", "channels_first"}, optional
    """
    images, back = as_batch("pad_images", images, data_format)
    rows = _ends("pad_images", images.shape[1], top_padding, bottom_padding, target_height, 1)
    columns = _ends("pad_images", images.shape[2], left_padding, right_padding, target_width, 1)
    return back(pad(images, ((0, 0), rows, columns, (0, 0))))


def crop_images(
    images, top_cropping=None, left_cropping=None, bottom_cropping=None, right_cropping=None, target_height=None,
    target_width=None, data_format=None,
):  # fmt: skip
    """Parts of images: give two of top, bottom and height, and two of left, right and width.

    Parameters
    ----------
    images : tensor of shape (n, h, w, c) or (h, w, c)
    top_cropping, left_cropping, bottom_cropping, right_cropping, target_height, target_width : int, optional
    data_format : {"channels_last", "channels_first"}, optional
    """
    images, back = as_batch("crop_images", images, data_format)
    h, w = images.shape[1:3]
    top, bottom = _ends("crop_images", h, top_cropping, bottom_cropping, target_height, -1)
    left, right = _ends("crop_images", w, left_cropping, right_cropping, target_width, -1)
    return back(images[:, top : h - bottom, left : w - right])
