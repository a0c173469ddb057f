"""Images smoothed, seen from elsewhere, or bent."""

import numpy as np

from fastnn import ops, random
from fastnn.layers.image_augmentation import RandomImageLayer, factor_range, value_range
from fastnn.ops.image_sampling import FILL_MODES, pixel_grid, sampled_images
from fastnn.saving import registry

_checked_range = value_range  # the layers have an argument of this name


class _Distortion(RandomImageLayer):
    """A subclass defines ``distorted(images)``, which counts for an image with a probability drawn from `factor`."""

    def __init__(self, factor, data_format, seed, **kwargs):
        super().__init__(seed, data_format, **kwargs)
        self.factor = factor_range(self, factor, 0, 1)

    def augment(self, images):
        chosen = self.draw(images) < self.draw(images, *self.factor)
        return ops.where(chosen, self.distorted(images), images)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


@registry.register("layer")
class RandomGaussianBlur(_Distortion):
    """In training, images are smoothed by a Gaussian, with a random probability.

    Parameters
    ----------
    factor : float or (float, float), from 0 to 1
        The probability is drawn from here, for each image.
    kernel_size : odd int, or two of them
        Width and height of the window.
    sigma : float or (float, float), from 0 to 1
        Where the two standard deviations, across and down, are drawn from; one number means from 0 to it.
    value_range : (float, float)
    seed : int, optional
    """

    def __init__(
        self, factor=1.0, kernel_size=3, sigma=1.0, value_range=(0, 255), data_format=None, seed=None, **kwargs
    ):
        super().__init__(factor, data_format, seed, **kwargs)
        sizes = kernel_size if isinstance(kernel_size, (tuple, list)) else (kernel_size, kernel_size)
        if len(sizes) != 2 or any(type(n) is not int or n < 1 or n % 2 == 0 for n in sizes):
            raise ValueError(f"{self}: kernel_size must be an odd integer or two of them, received {kernel_size!r}")
        _checked_range(self, value_range)
        self.kernel_size, self.value_range = tuple(sizes), value_range
        self.sigma = factor_range(self, sigma, 0, 1, "sigma")

    def distorted(self, images):
        sigma = random.uniform((2,), *self.sigma, seed=self.generator) + 1e-6
        low, high = sorted(self.value_range)
        smooth = ops.image.gaussian_blur(images, self.kernel_size, sigma, "channels_last")
        return ops.clip(smooth, float(low), float(high))

    def get_config(self):
        names = ("kernel_size", "sigma", "value_range")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@registry.register("layer")
class RandomPerspective(_Distortion):
    """In training, the corners of images are moved, with a random probability.

    Parameters
    ----------
    factor : float or (float, float), from 0 to 1
        The probability is drawn from here, for each image.
    scale : float from 0 to 1
        A corner (x, y) goes to ((1 + a) x, (1 + b) y), a and b from -scale / 2 to scale / 2.
    interpolation : {"bilinear", "nearest"}
    fill_value : float
        What lies beyond the edges.
    seed : int, optional
    """

    def __init__(
        self, factor=1.0, scale=1.0, interpolation="bilinear", fill_value=0.0, seed=None, data_format=None, **kwargs
    ):
        super().__init__(factor, data_format, seed, **kwargs)
        if not 0 <= scale <= 1:
            raise ValueError(f"{self}: scale must lie between 0 and 1, received {scale!r}")
        _check_interpolation(self, interpolation)
        self.scale, self.interpolation, self.fill_value = scale, interpolation, fill_value

    def distorted(self, images):
        n, h, w = images.shape[:3]
        corners = np.float32([[0, 0], [w - 1, 0], [0, h - 1], [w - 1, h - 1]])
        moved = corners * (1.0 + random.uniform((n, 4, 2), -0.5 * self.scale, 0.5 * self.scale, seed=self.generator))
        corners = np.broadcast_to(corners, (n, 4, 2))
        return ops.image.perspective_transform(
            images, corners, moved, self.interpolation, self.fill_value, "channels_last"
        )

    def get_config(self):
        names = ("scale", "interpolation", "fill_value")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@registry.register("layer")
class RandomElasticTransform(_Distortion):
    """In training, images are bent, with a random probability: see `ops.image.elastic_transform`.

    Parameters
    ----------
    factor : float or (float, float), from 0 to 1
        The probability is drawn from here, for each image.
    scale : float or (float, float), from 0 to 1
        Where the strength is drawn from, one for a batch; one number means from 0 to it.
    interpolation : {"bilinear", "nearest"}
    fill_mode : {"reflect", "constant", "nearest", "wrap", "mirror"}
        What lies beyond the edges.
    fill_value : float
        For "constant".
    value_range : (float, float)
    seed : int, optional
    """

    def __init__(
        self, factor=1.0, scale=1.0, interpolation="bilinear", fill_mode="reflect", fill_value=0.0,
        value_range=(0, 255), seed=None, data_format=None, **kwargs,
    ):  # fmt: skip
        super().__init__(factor, data_format, seed, **kwargs)
        self.scale = factor_range(self, scale, 0, 1, "scale")
        _check_interpolation(self, interpolation)
        if fill_mode not in FILL_MODES:
            raise ValueError(f"{self}: fill_mode must be one of {FILL_MODES}, received {fill_mode!r}")
        _checked_range(self, value_range)
        self.interpolation, self.fill_mode, self.fill_value = interpolation, fill_mode, fill_value
        self.value_range = value_range

    def distorted(self, images):
        n, h, w = images.shape[:3]
        if self.scale[1] == 0:
            return images
        strength = random.uniform((1,), *self.scale, seed=self.generator) + 1e-6
        largest = 0.05 * min(h, w)
        size = int(6 * largest * self.scale[1]) | 1  # a program has one size, whatever the strength
        sigma = strength * largest
        noise = random.normal((n, h, w, 2), seed=self.generator) * sigma
        moved = ops.image.gaussian_blur(noise, (size, size), (sigma, sigma), "channels_last") * (
            strength * (0.1 * max(h, w))
        )
        x, y = pixel_grid(h, w)
        bent = sampled_images(
            images, moved[..., :1] + x, moved[..., 1:] + y, self.interpolation, self.fill_mode, self.fill_value
        )
        low, high = sorted(self.value_range)
        return ops.clip(bent, float(low), float(high))

    def get_config(self):
        names = ("scale", "interpolation", "fill_mode", "fill_value", "value_range")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _check_interpolation(layer, interpolation):
    if interpolation not in ("nearest", "bilinear"):
        raise ValueError(f'{layer}: interpolation must be "nearest" or "bilinear", received {interpolation!r}')
