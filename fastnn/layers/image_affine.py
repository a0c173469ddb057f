"""Images turned, moved, zoomed, sheared: each pixel of the result is looked up at a place of the input."""

import math

from fastnn import ops
from fastnn.layers.image_augmentation import RandomImageLayer, factor_range
from fastnn.ops.image_sampling import projected_images
from fastnn.saving import registry

FILL_MODES = ("reflect", "wrap", "constant", "nearest")


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
        return projected_images(images, self.matrix(images), self.interpolation, self.fill_mode, self.fill_value)

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
        if not isinstance(factor, (tuple, list)):  # a pair may begin below 0: one number is written as such a pair
            factor_range(self, factor, 0, 1, name)
        return factor_range(self, factor, name=name)

    def matrix(self, images):
        sign = ops.where(self.draw(images) > 0.5, -1.0, 1.0)
        return (
            1.0, self.draw(images, *self.x_factor) * sign, 0.0, self.draw(images, *self.y_factor) * sign, 1.0, 0.0,
        )  # fmt: skip

    def get_config(self):
        return {**super().get_config(), "x_factor": self.x_factor, "y_factor": self.y_factor}
