"""Images turned, moved, zoomed, sheared: each pixel of the result is looked up at a place of the input."""

import itertools
import math

import numpy as np

from fastnn import ops
from fastnn.layers.image_augmentation import RandomImageLayer, factor_range
from fastnn.saving import registry

FILL_MODES = ("reflect", "wrap", "constant", "nearest")


def affine_images(images, matrix, interpolation="bilinear", fill_mode="reflect", fill_value=0.0):
    """Images whose pixel (x, y) is the input's at (a0 x + a1 y + a2, b0 x + b1 y + b2).

    Parameters
    ----------
    images : tensor of shape (n, h, w, c)
    matrix : six numbers or tensors of shape (n, 1, 1, 1): a0, a1, a2, b0, b1, b2
    interpolation : {"nearest", "bilinear"}
    fill_mode : {"reflect", "wrap", "constant", "nearest"}
        What lies beyond the edges.
    fill_value : float
        For "constant".
    """
    n, h, w, c = images.shape
    if n * h * w >= 1 << 24:
        raise ValueError(f"affine transformation of {n} images of {h} x {w}: use smaller batches (2**24 pixels)")
    a0, a1, a2, b0, b1, b2 = matrix
    x = np.arange(w, dtype=np.float32)[None, None, :, None]
    y = np.arange(h, dtype=np.float32)[None, :, None, None]
    across, down = a0 * x + a1 * y + a2, b0 * x + b1 * y + b2
    rows = ops.reshape(images, (n * h * w, c))
    total = None
    for (column, weight_x), (line, weight_y) in itertools.product(
        _taps(across, interpolation), _taps(down, interpolation)
    ):
        value = _pixels(rows, (n, h, w, c), line, column, fill_mode, fill_value)
        part = value * (weight_x * weight_y)
        total = part if total is None else total + part
    return total


def _taps(place, interpolation):
    """[(whole number, weight)] of the pixels beside a place."""
    if interpolation == "nearest":
        return [(ops.floor(place + 0.5), 1.0)]
    low = ops.floor(place)
    return [(low, 1.0 - (place - low)), (low + 1.0, place - low)]


def _pixels(rows, shape, line, column, fill_mode, fill_value):
    n, h, w, _ = shape
    image = np.arange(n, dtype=np.float32)[:, None, None, None] * (h * w)
    index = image + _inside(line, h, fill_mode) * w + _inside(column, w, fill_mode)
    index = ops.reshape(ops.broadcast_to(ops.cast(index, "int32"), (n, h, w, 1)), (n * h * w,))
    value = ops.reshape(ops.take(rows, index, axis=0), shape)
    if fill_mode != "constant":
        return value
    inside = ops.logical_and(
        ops.logical_and(line >= 0.0, line <= h - 1.0), ops.logical_and(column >= 0.0, column <= w - 1.0)
    )
    return ops.where(inside, value, float(fill_value))


def _inside(index, size, fill_mode):
    """An index of the axis for one that may lie beyond its ends."""
    if fill_mode == "wrap":
        return _modulo(index, size)
    if fill_mode == "reflect":  # the edge pixel twice
        index = _modulo(index, 2 * size)
        return ops.minimum(index, 2 * size - 1 - index)
    return ops.clip(index, 0.0, size - 1.0)


def _modulo(index, period):
    return index - ops.floor(index / float(period)) * float(period)


class _AffineLayer(RandomImageLayer):
    """A subclass defines ``matrix(images)``."""

    def __init__(self, fill_mode, interpolation, seed, fill_value, data_format, **kwargs):
        super().__init__(seed, data_format, **kwargs)
        if fill_mode not in FILL_MODES:
            raise ValueError(f"{self}: fill_mode must be one of {FILL_MODES}, received {fill_mode!r}")
        if interpolation not in ("nearest", "bilinear"):
            raise ValueError(f'{self}: interpolation must be "nearest" or "bilinear", received {interpolation!r}')
        self.fill_mode, self.interpolation, self.fill_value = fill_mode, interpolation, fill_value

    def augment(self, images):
        return affine_images(images, self.matrix(images), self.interpolation, self.fill_mode, self.fill_value)

    def get_config(self):
        own = {k: getattr(self, k) for k in ("fill_mode", "interpolation", "fill_value")}
        return {**super().get_config(), **own}


@registry.register("layer")
class RandomRotation(_AffineLayer):
    """In training, images are turned around their centre.

    Parameters
    ----------
    factor : float or (float, float)
        Fractions of a full turn: 0.1 means -36 to 36 degrees.
    fill_mode : {"reflect", "wrap", "constant", "nearest"}
        What lies beyond the edges.
    interpolation : {"nearest", "bilinear"}
    seed : int, optional
    fill_value : float
        For "constant".
    """

    def __init__(
        self, factor, fill_mode="reflect", interpolation="bilinear", seed=None, fill_value=0.0, data_format=None,
        **kwargs,
    ):  # fmt: skip
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.factor = factor_range(self, factor)

    def matrix(self, images):
        angle = self.draw(images, *self.factor) * (2 * math.pi)
        cos, sin = ops.cos(angle), ops.sin(angle)
        y, x = (images.shape[1] - 1) / 2, (images.shape[2] - 1) / 2
        return cos, -sin, x - x * cos + y * sin, sin, cos, y - x * sin - y * cos

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


@registry.register("layer")
class RandomTranslation(_AffineLayer):
    """In training, images are moved.

    Parameters
    ----------
    height_factor, width_factor : float or (float, float)
        Fractions of the size; negative ones move up and left.
    fill_mode, interpolation, seed, fill_value
        As of `RandomRotation`.
    """

    def __init__(
        self, height_factor, width_factor, fill_mode="reflect", interpolation="bilinear", seed=None, fill_value=0.0,
        data_format=None, **kwargs,
    ):  # fmt: skip
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.height_factor, self.width_factor = height_factor, width_factor
        self._height = factor_range(self, height_factor, name="height_factor")
        self._width = factor_range(self, width_factor, name="width_factor")

    def matrix(self, images):
        down = self.draw(images, *self._height) * float(images.shape[1])
        across = self.draw(images, *self._width) * float(images.shape[2])
        return 1.0, 0.0, -across, 0.0, 1.0, -down

    def get_config(self):
        own = {"height_factor": self.height_factor, "width_factor": self.width_factor}
        return {**super().get_config(), **own}


@registry.register("layer")
class RandomZoom(_AffineLayer):
    """In training, images are zoomed around their centre.

    Parameters
    ----------
    height_factor : float or (float, float)
        0.2 shows from 80 % to 120 % of the height: positive numbers zoom out.
    width_factor : float or (float, float), optional
        Unless given, the proportions are kept.
    fill_mode, interpolation, seed, fill_value
        As of `RandomRotation`.
    """

    def __init__(
        self, height_factor, width_factor=None, fill_mode="reflect", interpolation="bilinear", seed=None,
        fill_value=0.0, data_format=None, **kwargs,
    ):  # fmt: skip
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.height_factor, self.width_factor = height_factor, width_factor
        self._height = factor_range(self, height_factor, name="height_factor")
        self._width = None if width_factor is None else factor_range(self, width_factor, name="width_factor")

    def matrix(self, images):
        down = self.draw(images, *self._height) + 1.0
        across = down if self._width is None else self.draw(images, *self._width) + 1.0
        y, x = (images.shape[1] - 1) / 2, (images.shape[2] - 1) / 2
        return across, 0.0, x * (1.0 - across), 0.0, down, y * (1.0 - down)

    def get_config(self):
        own = {"height_factor": self.height_factor, "width_factor": self.width_factor}
        return {**super().get_config(), **own}


@registry.register("layer")
class RandomShear(_AffineLayer):
    """In training, images are sheared: pixel (x, y) comes from (x + s y, t x + y), s and t with one random sign.

    Parameters
    ----------
    x_factor, y_factor : float or (float, float), from 0 to 1
        Where s and t come from.
    interpolation, fill_mode, fill_value, seed
        As of `RandomRotation`.
    """

    def __init__(
        self, x_factor=0.0, y_factor=0.0, interpolation="bilinear", fill_mode="reflect", fill_value=0.0,
        data_format=None, seed=None, **kwargs,
    ):  # fmt: skip
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.x_factor = self._positive(x_factor, "x_factor")
        self.y_factor = self._positive(y_factor, "y_factor")

    def _positive(self, factor, name):
        factor_range(self, factor, 0.0, 1.0, name)
        return factor_range(self, factor, name=name)

    def matrix(self, images):
        sign = ops.where(self.draw(images) > 0.5, -1.0, 1.0)
        return (
            1.0, self.draw(images, *self.x_factor) * sign, 0.0, self.draw(images, *self.y_factor) * sign, 1.0, 0.0,
        )  # fmt: skip

    def get_config(self):
        return {**super().get_config(), "x_factor": self.x_factor, "y_factor": self.y_factor}
