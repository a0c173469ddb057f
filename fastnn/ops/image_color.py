"""Colours of images: grey, and hue, saturation and value."""

import numpy as np

from fastnn.ops.elementwise import absolute, clip, equal, floor, where
from fastnn.ops.image_layout import as_batch
from fastnn.ops.reduce import max as _max
from fastnn.ops.reduce import min as _min
from fastnn.ops.reduce import sum as _sum
from fastnn.ops.shape import concatenate

_LUMINANCE = (0.2989, 0.587, 0.114)  # of red, green and blue, ITU-R BT.601


def _check_channels(name, images, channels="red, green, blue"):
    if images.shape[-1] != 3:
        raise ValueError(f"{name}: expected images with the 3 channels {channels}, received {images.shape[-1]}")


def rgb_to_grayscale(images, data_format=None):
    """The brightness of images (n, h, w, 3) or (h, w, 3), one channel; grey images stay as they are."""
    images, back = as_batch("rgb_to_grayscale", images, data_format)
    if images.shape[-1] == 1:
        return back(images)
    _check_channels("rgb_to_grayscale", images)
    return back(_sum(images * np.float32(_LUMINANCE), axis=-1, keepdims=True))


def hsv_planes(images):
    """Hue, saturation and value in 0..1 of images (n, h, w, 3)."""
    red, green, blue = (images[..., i : i + 1] for i in range(3))
    value = _max(images, axis=-1, keepdims=True)
    spread = value - _min(images, axis=-1, keepdims=True)
    saturation = where(value > 0.0, spread / where(value > 0.0, value, 1.0), 0.0)
    sixth = 1.0 / (6.0 * where(spread > 0.0, spread, 1.0))
    hue = where(equal(value, green), sixth * (blue - red) + 2.0 / 6.0, sixth * (red - green) + 4.0 / 6.0)
    hue = where(equal(value, red), sixth * (green - blue), hue)
    hue = where(spread > 0.0, hue, 0.0)
    return where(hue < 0.0, hue + 1.0, hue), saturation, value


def rgb_of_planes(hue, saturation, value):
    """Images (n, h, w, 3) of hue, saturation and value, each (n, h, w, 1)."""
    place = (hue - floor(hue)) * 6.0
    shares = (absolute(place - 3.0) - 1.0, 2.0 - absolute(place - 2.0), 2.0 - absolute(place - 4.0))
    planes = [value * (1.0 - saturation + saturation * clip(share, 0.0, 1.0)) for share in shares]
    return concatenate(planes, axis=-1)


def rgb_to_hsv(images, data_format=None):
    """Hue, saturation and value, from 0 to 1, of images (n, h, w, 3) or (h, w, 3)."""
    images, back = as_batch("rgb_to_hsv", images, data_format)
    _check_channels("rgb_to_hsv", images)
    return back(concatenate(hsv_planes(images), -1))


def hsv_to_rgb(images, data_format=None):
    """The inverse of `rgb_to_hsv`."""
    images, back = as_batch("hsv_to_rgb", images, data_format)
    _check_channels("hsv_to_rgb", images, "hue, saturation, value")
    return back(rgb_of_planes(*(images[..., i : i + 1] for i in range(3))))
