"""Images of other colours, brightness and contrast."""

import numpy as np

from fastnn import config, ops, random
from fastnn.layers.image_augmentation import ImageLayer, RandomImageLayer, factor_range, rescaled, value_range
from fastnn.ops.image_color import hsv_planes, rgb_of_planes
from fastnn.saving import registry


class _ColorLayer(RandomImageLayer):
    """Random changes of pixels, by a factor, whose results are cut to `value_range`.

    Parameters
    ----------
    factor : float or (float, float)
    value_range : (float, float)
        Lowest and highest value of a pixel.
    seed : int, optional
    """

    bounds = (0, 1)  # whole numbers, as in Keras' files

    def __init__(self, factor, value_range=(0, 255), data_format=None, seed=None, **kwargs):
        super().__init__(seed, data_format, **kwargs)
        self.factor = factor_range(self, factor, *self.bounds)
        self.value_range = _checked_range(self, value_range)

    def cut(self, images):
        return ops.clip(images, float(self.value_range[0]), float(self.value_range[1]))

    def get_config(self):
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range}


_checked_range = value_range  # the layers have an argument of this name


@registry.register("layer")
class RandomBrightness(_ColorLayer):
    """In training, a random share of the range of values is added.

    Parameters
    ----------
    factor : float or (float, float), from -1 to 1
    value_range : (float, float)
    seed : int, optional
    """

    bounds = (-1, 1)

    def __init__(self, factor, value_range=(0, 255), seed=None, **kwargs):
        super().__init__(factor, value_range, seed=seed, **kwargs)

    def augment(self, images):
        low, high = self.value_range
        return self.cut(images + self.draw(images, *self.factor) * float(high - low))


@registry.register("layer")
class RandomContrast(_ColorLayer):
    """In training, the distance from the channel's mean is multiplied by a number from 1 - lower to 1 + upper.

    Parameters
    ----------
    factor : float or (float, float), from 0 to 1
        Lower and upper; one number is both.
    value_range : (float, float)
    seed : int, optional
    """

    def __init__(self, factor, value_range=(0, 255), seed=None, **kwargs):
        factor = (factor, factor) if isinstance(factor, (int, float)) else factor
        super().__init__(factor, value_range, seed=seed, **kwargs)

    def augment(self, images):
        mean = ops.mean(images, axis=(1, 2), keepdims=True)
        return self.cut((images - mean) * self.draw(images, 1.0 - self.factor[0], 1.0 + self.factor[1]) + mean)


class _FromZero(_ColorLayer):
    """One number f as the factor means 0 to f. A pair may begin below 0: Keras makes the pair (-f, f) of f."""

    bounds = (-1, 1)

    def __init__(self, factor, value_range=(0, 255), data_format=None, seed=None, **kwargs):
        if isinstance(factor, (int, float)) and not isinstance(factor, bool):
            factor = (0, abs(factor))
        super().__init__(factor, value_range, data_format, seed, **kwargs)


@registry.register("layer")
class RandomColorDegeneration(_FromZero):
    """In training, images are moved towards grey: 0 leaves them, 1 makes them grey."""

    def augment(self, images):
        return self.cut(images + self.draw(images, *self.factor) * (ops.image.rgb_to_grayscale(images) - images))


@registry.register("layer")
class RandomSaturation(_FromZero):
    """In training, the saturation is multiplied by f / (1 - f): f = 0 makes grey, 0.5 leaves, 1 saturates."""

    def augment(self, images):
        factor = self.draw(images, *self.factor)
        factor = factor / (1.0 - factor + config.epsilon())
        low, high = self.value_range
        hue, saturation, value = hsv_planes(rescaled(images, (low, high), (0, 1)))
        return rescaled(rgb_of_planes(hue, ops.clip(saturation * factor, 0.0, 1.0), value), (0, 1), (low, high))


@registry.register("layer")
class RandomHue(_ColorLayer):
    """In training, the hue is turned by up to half a circle times the factor, to either side."""

    def augment(self, images):
        sign = ops.where(self.draw(images) > 0.5, -0.5, 0.5)
        low, high = self.value_range
        hue, saturation, value = hsv_planes(rescaled(images, (low, high), (0, 1)))
        turned = rgb_of_planes(hue + sign * self.draw(images, *self.factor), saturation, value)
        return rescaled(ops.clip(turned, 0.0, 1.0), (0, 1), (low, high))


@registry.register("layer")
class RandomSharpness(_ColorLayer):
    """In training, images are blended with a smoothed copy: 0 smooths, 0.5 leaves, 1 sharpens."""

    def augment(self, images):
        c = images.shape[-1]
        kernel = np.full((3, 3, c, 1), 1 / 13, np.float32)
        kernel[1, 1] = 5 / 13
        smooth = ops.depthwise_conv(images, kernel, strides=1, padding="same", data_format="channels_last")
        return self.cut(images + (1.0 - 2.0 * self.draw(images, *self.factor)) * (smooth - images))


@registry.register("layer")
class RandomInvert(_ColorLayer):
    """In training, images are inverted with a random probability.

    Parameters
    ----------
    factor : float or (float, float), from 0 to 1
        The probability is drawn from here, for each image.
    """

    def __init__(self, factor=1.0, value_range=(0, 255), seed=None, data_format=None, **kwargs):
        super().__init__(factor, value_range, data_format, seed, **kwargs)

    def augment(self, images):
        chosen = self.draw(images) < self.draw(images, *self.factor)
        return ops.where(chosen, float(self.value_range[1]) - images, images)


@registry.register("layer")
class RandomPosterization(_ColorLayer):
    """In training, only the upper bits of each value are kept.

    Parameters
    ----------
    factor : int or (int, int), from 1 to 8
        How many bits, below the higher of the two; one number means from 1 to it.
    """

    bounds = (1, 8)

    def augment(self, images):
        low, high = self.factor
        shape = (images.shape[0], 1, 1, 1)
        bits = ops.full(shape, low) if low == high else random.randint(shape, low, high, seed=self.generator)
        step = ops.floor(2.0 ** (8.0 - ops.cast(bits, self.dtype)) + 0.5)
        levels = ops.floor(rescaled(images, self.value_range, (0, 255)))
        return rescaled(ops.floor(levels / step) * step, (0, 255), self.value_range)


@registry.register("layer")
class RandomGrayscale(RandomImageLayer):
    """In training, images become grey with the probability `factor`."""

    def __init__(self, factor=0.5, data_format=None, seed=None, **kwargs):
        super().__init__(seed, data_format, **kwargs)
        factor_range(self, factor, 0, 1)
        self.factor = factor

    def augment(self, images):
        return ops.where(self.draw(images) < self.factor, ops.image.rgb_to_grayscale(images), images)

    def get_config(self):
        config = {**super().get_config(), "factor": self.factor}
        return {key: value for key, value in config.items() if key != "seed"}  # this layer of Keras forgets it


@registry.register("layer")
class RandomColorJitter(RandomImageLayer):
    """In training, random brightness, contrast, saturation and hue, one after the other.

    Parameters
    ----------
    value_range : (float, float)
    brightness_factor, contrast_factor, saturation_factor, hue_factor : float or (float, float), optional
        As of `RandomBrightness`, `RandomContrast`, `RandomSaturation`, `RandomHue`; None leaves it out.
    """

    def __init__(
        self, value_range=(0, 255), brightness_factor=None, contrast_factor=None, saturation_factor=None,
        hue_factor=None, seed=None, data_format=None, **kwargs,
    ):  # fmt: skip
        super().__init__(seed, data_format, **kwargs)
        self.value_range = _checked_range(self, value_range)
        self.brightness_factor, self.contrast_factor = brightness_factor, contrast_factor
        self.saturation_factor, self.hue_factor = saturation_factor, hue_factor
        kinds = {
            RandomBrightness: brightness_factor, RandomContrast: contrast_factor, RandomSaturation: saturation_factor,
            RandomHue: hue_factor,
        }  # fmt: skip
        self._steps = [
            kind(factor, value_range=value_range, seed=None if seed is None else seed + i, dtype=self.dtype)
            for i, (kind, factor) in enumerate(kinds.items())
            if factor is not None
        ]

    def augment(self, images):
        for step in self._steps:
            images = step.augment(images)
        return images

    def get_config(self):
        names = ("value_range", "brightness_factor", "contrast_factor", "saturation_factor", "hue_factor")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@registry.register("layer")
class Solarization(RandomImageLayer):
    """In training, ``x + a``, inverted where it is not below t, in a range of 0 to 255.

    Parameters
    ----------
    addition_factor, threshold_factor : float or (float, float), from 0 to 1
        Where a / 255 and t / 255 come from; one number means from 0 to it.
    value_range : (float, float)
    seed : int, optional
    """

    def __init__(self, addition_factor=0.0, threshold_factor=0.0, value_range=(0, 255), seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        self.addition_factor = factor_range(self, addition_factor, 0, 1, "addition_factor")
        self.threshold_factor = factor_range(self, threshold_factor, 0, 1, "threshold_factor")
        self.value_range = _checked_range(self, value_range)

    def augment(self, images):
        addition, threshold = (
            self.draw(images, 255.0 * low, 255.0 * high) for low, high in (self.addition_factor, self.threshold_factor)
        )
        x = ops.clip(rescaled(images, self.value_range, (0, 255)) + addition, 0.0, 255.0)
        return rescaled(ops.where(x < threshold, x, 255.0 - x), (0, 255), self.value_range)

    def get_config(self):
        names = ("value_range", "addition_factor", "threshold_factor")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@registry.register("layer")
class AutoContrast(ImageLayer):
    """Every channel of an image is stretched to the whole range of values, unless it is of one value.

    Parameters
    ----------
    value_range : (float, float)
    """

    def __init__(self, value_range=(0, 255), **kwargs):
        super().__init__(**kwargs)
        self.value_range = _checked_range(self, value_range)

    def transform(self, images, training):
        x = rescaled(images, self.value_range, (0, 255))
        low, high = ops.min(x, axis=(1, 2), keepdims=True), ops.max(x, axis=(1, 2), keepdims=True)
        spread = ops.where(high > low, high - low, 1.0)
        stretched = ops.clip((x - low) * (255.0 / spread), 0.0, 255.0)
        return ops.where(high > low, rescaled(stretched, (0, 255), self.value_range), images)

    def get_config(self):
        return {**super().get_config(), "value_range": self.value_range}


@registry.register("layer")
class RandomErasing(RandomImageLayer):
    """In training, a rectangle of an image is filled, with a random probability (arXiv 1708.04896).

    Parameters
    ----------
    factor : float or (float, float), from 0 to 1
        The probability is drawn from here, for each image.
    scale : float or (float, float), from 0 to 1
        Of the squares of height and width, as shares of the image's.
    fill_value : float or three floats, optional
        Unless given, normal noise.
    value_range : (float, float)
    seed : int, optional
    """

    def __init__(
        self, factor=1.0, scale=(0.02, 0.33), fill_value=None, value_range=(0, 255), seed=None, data_format=None,
        **kwargs,
    ):  # fmt: skip
        super().__init__(seed, data_format, **kwargs)
        self.factor = factor_range(self, factor, 0, 1)
        self.scale = factor_range(self, scale, 0, 1, "scale")
        self.fill_value, self.value_range = fill_value, _checked_range(self, value_range)

    def augment(self, images):
        low, high = self.value_range
        if self.fill_value is None:
            fill = random.normal(images.shape, seed=self.generator) * float(high)
        else:
            fill = np.broadcast_to(np.float32(self.fill_value), images.shape[-1:])
        hidden = ops.logical_and(self._stretch(images, 1), self._stretch(images, 2))
        chosen = ops.logical_and(hidden, self.draw(images) < self.draw(images, *self.factor))
        return ops.where(chosen, ops.clip(fill, float(low), float(high)), images)

    def _stretch(self, images, axis):
        """Whether a row (axis 1) or column (axis 2) lies in the rectangle."""
        size = images.shape[axis]
        length = ops.sqrt(self.draw(images, *self.scale)) * float(size)
        start = self.draw(images) * (float(size) - length)
        place = np.arange(size, dtype=np.float32).reshape((1, size, 1, 1) if axis == 1 else (1, 1, size, 1))
        return ops.logical_and(start <= place, place < start + length)

    def get_config(self):
        names = ("factor", "scale", "fill_value", "value_range")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
