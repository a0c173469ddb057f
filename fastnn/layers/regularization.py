"""Dropout and its relatives; rescaling."""

import math

from fastnn import config, ops, random, regularizers
from fastnn.layers.layer import Layer
from fastnn.ops.activation import SELU_ALPHA, SELU_SCALE
from fastnn.saving import registry


@registry.register("layer")
class Dropout(Layer):
    """In training, each element is zero with probability `rate`, the others are divided by 1 - rate.

    Parameters
    ----------
    rate : float
        From 0 to 1.
    noise_shape : tuple, optional
        Axes of size 1 share one decision.
    seed : int, optional
    """

    supports_masking = True

    def __init__(self, rate, noise_shape=None, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= rate <= 1:
            raise ValueError(f"Dropout: rate must lie between 0 and 1, received {rate!r}")
        self.rate, self.noise_shape, self.seed = rate, noise_shape, seed
        self.generator = random.SeedGenerator(seed) if rate > 0 else None

    def call(self, inputs, training=False):
        if not training or self.rate == 0:
            return inputs
        shape = self.noise_shape
        if shape is not None:
            shape = tuple(n if n is not None else size for n, size in zip(shape, inputs.shape, strict=True))
        return random.dropout(inputs, self.rate, shape, self.generator)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed, "noise_shape": self.noise_shape}


class _SpatialDropout(Dropout):
    """Dropout of whole channels (arXiv 1411.4280)."""

    rank = 2

    def __init__(self, rate, data_format=None, seed=None, name=None, dtype=None):
        super().__init__(rate, seed=seed, name=name, dtype=dtype)
        self.data_format = data_format or config.image_data_format()
        first, together = self.data_format == "channels_first", (1,) * self.rank
        self.noise_shape = (None, None, *together) if first else (None, *together, None)

    def get_config(self):
        base = super().get_config()
        own = {"dtype": self.dtype, "data_format": self.data_format}  # these layers of Keras write their dtype so
        return {k: base[k] for k in ("name", "rate", "seed")} | own


@registry.register("layer")
class SpatialDropout1D(_SpatialDropout):
    """Dropout of whole channels of sequences (n, w, c) (arXiv 1411.4280)."""

    rank = 1

    def __init__(self, rate, seed=None, name=None, dtype=None):
        super().__init__(rate, "channels_last", seed, name, dtype)

    def get_config(self):
        config = super().get_config()
        del config["data_format"]
        return config


@registry.register("layer")
class SpatialDropout2D(_SpatialDropout):
    """Dropout of whole channels of images (n, h, w, c) (arXiv 1411.4280)."""


@registry.register("layer")
class SpatialDropout3D(_SpatialDropout):
    """Dropout of whole channels of volumes (n, d, h, w, c) (arXiv 1411.4280)."""

    rank = 3


class _Noise(Layer):
    """Layers that change their input at random in training only."""

    supports_masking = True

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed, self.generator = seed, random.SeedGenerator(seed)

    def call(self, inputs, training=False):
        return self.disturb(inputs) if training and self.amount > 0 else inputs


@registry.register("layer")
class GaussianNoise(_Noise):
    """In training, x plus normal numbers of standard deviation stddev."""

    def __init__(self, stddev, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        if not 0 <= stddev <= 1:
            raise ValueError(f"GaussianNoise: stddev must lie between 0 and 1, received {stddev!r}")
        self.stddev = self.amount = stddev

    def disturb(self, x):
        return x + random.normal(x.shape, 0.0, self.stddev, seed=self.generator)

    def get_config(self):
        return {**super().get_config(), "stddev": self.stddev, "seed": self.seed}


@registry.register("layer")
class GaussianDropout(_Noise):
    """In training, x times normal numbers of mean 1 and standard deviation sqrt(rate / (1 - rate))."""

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"GaussianDropout: rate must lie between 0 and 1, received {rate!r}")
        self.rate = self.amount = rate

    def disturb(self, x):
        deviation = math.sqrt(self.rate / (1.0 - self.rate))
        return x * random.normal(x.shape, 1.0, deviation, seed=self.generator)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


@registry.register("layer")
class AlphaDropout(_Noise):
    """Dropout that keeps mean and variance of self-normalising networks (arXiv 1706.02515)."""

    def __init__(self, rate, noise_shape=None, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"AlphaDropout: rate must lie between 0 and 1, received {rate!r}")
        self.rate = self.amount = rate
        self.noise_shape = noise_shape

    def disturb(self, x):
        floor = -SELU_ALPHA * SELU_SCALE
        shape = x.shape if self.noise_shape is None else self.noise_shape
        shape = tuple(n if n is not None else size for n, size in zip(shape, x.shape, strict=True))
        kept = random.uniform(shape, seed=self.generator) >= self.rate
        factor = ((1.0 - self.rate) * (1.0 + self.rate * floor**2)) ** -0.5
        return ops.where(kept, x, floor) * factor - factor * floor * self.rate

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed, "noise_shape": self.noise_shape}


@registry.register("layer")
class Rescaling(Layer):
    """x * scale + offset.

    Parameters
    ----------
    scale, offset : float or sequence of float
        A sequence has one number for each channel.
    """

    supports_masking = True

    def __init__(self, scale, offset=0.0, **kwargs):
        super().__init__(**kwargs)
        self.scale, self.offset = scale, offset

    def call(self, inputs):
        return ops.cast(inputs, self.dtype) * _numbers(self.scale) + _numbers(self.offset)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale, "offset": self.offset}


def _numbers(value):
    return ops.convert_to_tensor(value, "float32") if isinstance(value, (list, tuple)) else float(value)


@registry.register("layer")
class ActivityRegularization(Layer):
    """The identity, with a penalty on its output: l1 * sum|y| + l2 * sum(y**2), divided by the batch size."""

    supports_masking = True

    def __init__(self, l1=0.0, l2=0.0, **kwargs):
        super().__init__(activity_regularizer=regularizers.L1L2(l1=l1, l2=l2), **kwargs)
        self.l1, self.l2 = l1, l2

    def call(self, inputs):
        return inputs

    def get_config(self):
        config = {**super().get_config(), "l1": self.l1, "l2": self.l2}
        config.pop("activity_regularizer", None)  # it follows from l1 and l2
        return config


@registry.register("layer")
class Masking(Layer):
    """Elements of a sequence whose features all equal mask_value become zeros, and layers that know masks skip them.

    Parameters
    ----------
    mask_value : float
    """

    def __init__(self, mask_value=0.0, **kwargs):
        super().__init__(**kwargs)
        self.mask_value = mask_value

    def compute_mask(self, inputs, mask=None):
        return ops.any(ops.not_equal(inputs, self.mask_value), -1)

    def call(self, inputs):
        present = ops.any(ops.not_equal(inputs, self.mask_value), -1, keepdims=True)
        return inputs * ops.cast(present, inputs.dtype)

    def get_config(self):
        return {**super().get_config(), "mask_value": self.mask_value}
