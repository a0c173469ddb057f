"""Images of another size, cut out, or mirrored."""

import numpy as np

from fastnn import ops, random
from fastnn.layers.image_augmentation import ImageLayer, RandomImageLayer
from fastnn.ops.image_resize import INTERPOLATIONS, central_crop, padded_to_proportions, resized
from fastnn.saving import registry

_FLIPS = {"horizontal": (2,), "vertical": (1,), "horizontal_and_vertical": (2, 1)}


def _check_size(layer, height, width):
    if any(type(n) is not int or n < 1 for n in (height, width)):
        raise ValueError(f"{layer}: height and width must be integers above 0, received {height!r} and {width!r}")


@registry.register("layer")
class Resizing(ImageLayer):
    """Images of another size.

    Parameters
    ----------
    height, width : int
    interpolation : {"nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"}
    crop_to_aspect_ratio : bool
        Cut out the largest central part of the right proportions first.
    pad_to_aspect_ratio : bool
        Add borders of `fill_value` for the right proportions first.
    fill_mode : {"constant"}
    fill_value : float
    antialias : bool
        Average over more pixels where images become smaller.
    """

    def __init__(
        self, height, width, interpolation="bilinear", crop_to_aspect_ratio=False, pad_to_aspect_ratio=False,
        fill_mode="constant", fill_value=0.0, antialias=False, data_format=None, **kwargs,
    ):  # fmt: skip
        super().__init__(data_format, **kwargs)
        _check_size(self, height, width)
        if interpolation not in INTERPOLATIONS:
            raise ValueError(f"{self}: interpolation must be one of {INTERPOLATIONS}, received {interpolation!r}")
        if fill_mode != "constant":
            raise ValueError(f'{self}: fill_mode must be "constant", received {fill_mode!r}')
        if crop_to_aspect_ratio and pad_to_aspect_ratio:
            raise ValueError(f"{self}: give crop_to_aspect_ratio or pad_to_aspect_ratio, one of the two")
        self.height, self.width, self.interpolation, self.antialias = height, width, interpolation, bool(antialias)
        self.crop_to_aspect_ratio, self.pad_to_aspect_ratio = crop_to_aspect_ratio, pad_to_aspect_ratio
        self.fill_mode, self.fill_value = fill_mode, fill_value

    def transform(self, images, training):
        size = (self.height, self.width)
        if self.crop_to_aspect_ratio:
            images = central_crop(images, size)
        elif self.pad_to_aspect_ratio:
            images = padded_to_proportions(images, size, self.fill_value)
        return resized(images, size, self.interpolation, self.antialias)

    def get_config(self):
        names = ("height", "width", "interpolation", "crop_to_aspect_ratio", "pad_to_aspect_ratio", "fill_mode")
        return {**super().get_config(), **{k: getattr(self, k) for k in (*names, "fill_value", "antialias")}}


@registry.register("layer")
class CenterCrop(ImageLayer):
    """The central part of images; smaller ones are resized, the longer side cut."""

    def __init__(self, height, width, data_format=None, **kwargs):
        super().__init__(data_format, **kwargs)
        _check_size(self, height, width)
        self.height, self.width = height, width

    def transform(self, images, training):
        h, w = images.shape[1:3]
        if h < self.height or w < self.width:
            return resized(central_crop(images, (self.height, self.width)), (self.height, self.width))
        top, left = (h - self.height) // 2, (w - self.width) // 2
        return images[:, top : top + self.height, left : left + self.width]

    def get_config(self):
        return {**super().get_config(), "height": self.height, "width": self.width}


@registry.register("layer")
class RandomCrop(RandomImageLayer):
    """In training, a part of the images at a random place, the same for a batch; else resized, the longer side cut."""

    def __init__(self, height, width, seed=None, data_format=None, name=None, **kwargs):
        super().__init__(seed, data_format, name=name, **kwargs)
        _check_size(self, height, width)
        self.height, self.width = height, width

    def transform(self, images, training):
        h, w = images.shape[1:3]
        if not training or h < self.height or w < self.width:
            return resized(central_crop(images, (self.height, self.width)), (self.height, self.width))
        for axis, size, wanted in ((1, h, self.height), (2, w, self.width)):
            start = random.randint((1,), 0, size - wanted + 1, seed=self.generator)
            images = ops.take(images, start + np.arange(wanted, dtype=np.int32), axis=axis)
        return images

    def get_config(self):
        return {**super().get_config(), "height": self.height, "width": self.width}


@registry.register("layer")
class RandomFlip(RandomImageLayer):
    """In training, half of the images are mirrored.

    Parameters
    ----------
    mode : {"horizontal", "vertical", "horizontal_and_vertical"}
        The last mirrors the same images in both directions.
    """

    def __init__(self, mode="horizontal_and_vertical", seed=None, data_format=None, **kwargs):
        super().__init__(seed, data_format, **kwargs)
        if mode not in _FLIPS:
            raise ValueError(f"{self}: mode must be one of {sorted(_FLIPS)}, received {mode!r}")
        self.mode = mode

    def augment(self, images):
        return ops.where(self.draw(images) <= 0.5, ops.flip(images, _FLIPS[self.mode]), images)

    def get_config(self):
        return {**super().get_config(), "mode": self.mode}
