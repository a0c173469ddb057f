"""Resize pictures, uint8 arrays (h, w, c), as TensorFlow does: samples at pixel centres, no smoothing.

Every output pixel is a weighted sum of the input pixels around the point it falls on::

    out[p, q] = Σ_ij wy[i, p] · wx[j, q] · in[y[i, p], x[j, q]]

with one tap (i) an axis for "nearest", two for "bilinear", four for "bicubic".
"""

import numpy as np

INTERPOLATIONS = ("nearest", "bilinear", "bicubic")


def _cubic(distance):
    """Weight of a pixel at `distance`, Keys' cubic convolution with a = -1/2 (IEEE ASSP 29, 1981)."""
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return np.where(distance <= 1, near, far)


def _taps(size, target, interpolation):
    """Return indices and weights along one axis, two arrays (taps, target); pixels outside have weight 0."""
    centre = (np.arange(target) + 0.5) * (size / target)
    if interpolation == "nearest":
        return centre.astype(np.intp)[None], np.ones((1, target), np.float32)
    reach = 1 if interpolation == "bilinear" else 2
    index = np.floor(centre - 0.5).astype(np.intp) + np.arange(1 - reach, reach + 1)[:, None]
    distance = np.abs(index + 0.5 - centre)
    weight = 1 - distance if interpolation == "bilinear" else _cubic(distance)
    weight *= (index >= 0) & (index < size)
    weight /= weight.sum(axis=0)
    return index.clip(0, size - 1), weight.astype(np.float32)


def stretch(picture, size, interpolation):
    """Resize to `size`, whatever that does to the proportions.

    Parameters
    ----------
    picture : ndarray of uint8, shape (h, w, c)
    size : (int, int)
        Height p and width q of the result.
    interpolation : {"nearest", "bilinear", "bicubic"}

    Returns
    -------
    ndarray of uint8, shape (p, q, c)
        Rounded to the nearest integer; bicubic overshoot is cut at 0 and 255.
    """
    height, width, channels = picture.shape
    if (height, width) == tuple(size):
        return picture
    pixels = picture.reshape(-1, channels)
    columns = [
        (x, np.repeat(weight, channels).reshape(-1, channels))
        for x, weight in zip(*_taps(width, size[1], interpolation), strict=True)
    ]
    out = np.zeros((*size, channels), np.float32)
    for y, weight_y in zip(*_taps(height, size[0], interpolation), strict=True):
        lines = np.zeros_like(out)
        for x, weight_x in columns:
            lines += pixels.take(y[:, None] * width + x, axis=0).astype(np.float32) * weight_x
        out += lines * weight_y[:, None, None]
    return np.rint(out).clip(0, 255).astype(np.uint8)


def central_part(height, width, size):
    """Return top, left, bottom, right of the largest central part with the proportions of `size`."""
    part_height = max(1, min(height, width * size[0] // size[1]))
    part_width = max(1, min(width, height * size[1] // size[0]))
    top, left = (height - part_height) // 2, (width - part_width) // 2
    return top, left, top + part_height, left + part_width


def crop(picture, size, interpolation):
    """Cut out the largest central part with the proportions of `size`, then `stretch` it."""
    top, left, bottom, right = central_part(*picture.shape[:2], size)
    return stretch(picture[top:bottom, left:right], size, interpolation)


def pad(picture, size, interpolation):
    """Resize to the largest picture with its own proportions that fits `size`, centred on black."""
    height, width, channels = picture.shape
    inner_height = max(1, min(size[0], height * size[1] // width))
    inner_width = max(1, min(size[1], width * size[0] // height))
    top, left = (size[0] - inner_height) // 2, (size[1] - inner_width) // 2
    out = np.zeros((*size, channels), np.uint8)
    inner = stretch(picture, (inner_height, inner_width), interpolation)
    out[top : top + inner_height, left : left + inner_width] = inner
    return out
