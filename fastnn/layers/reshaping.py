"""Layers that rearrange their input: they have no weights."""

import math

from fastnn import config, ops
from fastnn.layers.layer import Layer
from fastnn.ops.conv import as_tuple
from fastnn.saving import registry


@registry.register("layer")
class Flatten(Layer):
    """All axes but the first as one: (n, a, b, ...) to (n, a*b*...)."""

    def __init__(self, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.data_format = data_format or config.image_data_format()

    def call(self, inputs):
        if self.data_format == "channels_first" and len(inputs.shape) > 2:
            inputs = ops.moveaxis(inputs, 1, -1)
        return ops.reshape(inputs, (inputs.shape[0], math.prod(inputs.shape[1:])))

    def get_config(self):
        return {**super().get_config(), "data_format": self.data_format}


@registry.register("layer")
class Reshape(Layer):
    """Another shape for each sample.

    Parameters
    ----------
    target_shape : tuple of int
        Without the batch axis; one size may be -1.
    """

    def __init__(self, target_shape, **kwargs):
        super().__init__(**kwargs)
        self.target_shape = tuple(int(n) for n in target_shape)

    def call(self, inputs):
        target = self.target_shape
        if -1 in target:
            known = -math.prod(target)
            target = tuple(math.prod(inputs.shape[1:]) // known if n == -1 else n for n in target)
        return ops.reshape(inputs, (inputs.shape[0], *target))

    def get_config(self):
        return {**super().get_config(), "target_shape": self.target_shape}


@registry.register("layer")
class Permute(Layer):
    """Axes in another order.

    Parameters
    ----------
    dims : tuple of int
        The axes of a sample, counted from 1.
    """

    def __init__(self, dims, **kwargs):
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(f"Permute: dims must be an order of 1..{len(self.dims)}, received {dims}")

    def call(self, inputs):
        return ops.transpose(inputs, (0, *self.dims))

    def get_config(self):
        return {**super().get_config(), "dims": self.dims}


@registry.register("layer")
class RepeatVector(Layer):
    """Each sample repeated: (n, k) to (n, times, k)."""

    def __init__(self, n, **kwargs):
        super().__init__(**kwargs)
        if isinstance(n, bool) or not isinstance(n, int):
            raise TypeError(f"RepeatVector: n must be an integer, received {n!r}")
        self.n = n

    def _check_input(self, x):
        if len(x.shape) != 2:
            raise self._wrong_input("input of shape (n, k)", x.shape, "")

    def call(self, inputs):
        return ops.repeat(ops.expand_dims(inputs, 1), self.n, 1)

    def get_config(self):
        return {**super().get_config(), "n": self.n}


@registry.register("layer")
class ZeroPadding1D(Layer):
    """Zeros before and after sequences (n, w, c).

    Parameters
    ----------
    padding : int or (int, int)
    """

    def __init__(self, padding=1, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.padding = (padding, padding) if isinstance(padding, int) else tuple(padding)
        self.data_format = data_format or config.image_data_format()

    def call(self, inputs):
        none = (0, 0)
        first = self.data_format == "channels_first"
        return ops.pad(inputs, (none, none, self.padding) if first else (none, self.padding, none))

    def get_config(self):
        return {**super().get_config(), "padding": self.padding, "data_format": self.data_format}


@registry.register("layer")
class Cropping1D(Layer):
    """Sequences (n, w, c) without some elements at the ends.

    Parameters
    ----------
    cropping : int or (int, int)
    """

    def __init__(self, cropping=(1, 1), **kwargs):
        super().__init__(**kwargs)
        self.cropping = (cropping, cropping) if isinstance(cropping, int) else tuple(cropping)

    def call(self, inputs):
        before, after = self.cropping
        if before + after >= inputs.shape[1]:
            raise self._wrong_input(f"more than {before + after} elements along axis 1", inputs.shape, "")
        return inputs[:, before : inputs.shape[1] - after]

    def get_config(self):
        return {**super().get_config(), "cropping": self.cropping}


@registry.register("layer")
class UpSampling1D(Layer):
    """Each element of a sequence repeated: (n, w, c) to (n, w * size, c)."""

    def __init__(self, size=2, **kwargs):
        super().__init__(**kwargs)
        self.size = int(size)

    def call(self, inputs):
        return ops.repeat(inputs, self.size, 1)

    def get_config(self):
        return {**super().get_config(), "size": self.size}


def _pairs(value, what, rank=2):
    """A pair (before, after) for each axis, from a number, a number for each axis or the pairs themselves."""
    if isinstance(value, int):
        value = ((value, value),) * rank
    if len(value) != rank:
        raise ValueError(f"{what}: expected a number, {rank} numbers or {rank} pairs, received {value!r}")
    pairs = tuple((v, v) if isinstance(v, int) else tuple(v) for v in value)
    if any(len(p) != 2 or min(p) < 0 for p in pairs):
        raise ValueError(f"{what}: expected numbers that are not negative, received {value!r}")
    return pairs


class _Padding(Layer):
    rank = 2

    def __init__(self, padding, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.padding = _pairs(padding, f"{type(self).__name__}: padding", self.rank)
        self.data_format = data_format or config.image_data_format()

    def call(self, inputs):
        none = ((0, 0),)
        first = self.data_format == "channels_first"
        return ops.pad(inputs, (*none, *none, *self.padding) if first else (*none, *self.padding, *none))

    def get_config(self):
        return {**super().get_config(), "padding": self.padding, "data_format": self.data_format}


@registry.register("layer")
class ZeroPadding2D(_Padding):
    """Rows and columns of zeros around images.

    Parameters
    ----------
    padding : int, (int, int) or ((top, bottom), (left, right))
    """

    def __init__(self, padding=(1, 1), data_format=None, **kwargs):
        super().__init__(padding, data_format, **kwargs)


@registry.register("layer")
class ZeroPadding3D(_Padding):
    """Zeros around volumes (n, d, h, w, c).

    Parameters
    ----------
    padding : int, (int, int, int) or three pairs (before, after)
    """

    rank = 3

    def __init__(self, padding=((1, 1), (1, 1), (1, 1)), data_format=None, **kwargs):
        super().__init__(padding, data_format, **kwargs)


class _Cropping(Layer):
    rank = 2

    def __init__(self, cropping, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.cropping = _pairs(cropping, f"{type(self).__name__}: cropping", self.rank)
        self.data_format = data_format or config.image_data_format()

    def call(self, inputs):
        first = 2 if self.data_format == "channels_first" else 1
        key = [slice(None)] * (self.rank + 2)
        for axis, (before, after) in enumerate(self.cropping, first):
            size = inputs.shape[axis]
            if before + after >= size:
                raise self._wrong_input(f"more than {before + after} elements along axis {axis}", inputs.shape, "")
            key[axis] = slice(before, size - after)
        return ops.get_item(inputs, tuple(key))

    def get_config(self):
        return {**super().get_config(), "cropping": self.cropping, "data_format": self.data_format}


@registry.register("layer")
class Cropping2D(_Cropping):
    """Images without some of their border.

    Parameters
    ----------
    cropping : int, (int, int) or ((top, bottom), (left, right))
    """

    def __init__(self, cropping=((0, 0), (0, 0)), data_format=None, **kwargs):
        super().__init__(cropping, data_format, **kwargs)


@registry.register("layer")
class Cropping3D(_Cropping):
    """Volumes (n, d, h, w, c) without some of their border.

    Parameters
    ----------
    cropping : int, (int, int, int) or three pairs (before, after)
    """

    rank = 3

    def __init__(self, cropping=((1, 1), (1, 1), (1, 1)), data_format=None, **kwargs):
        super().__init__(cropping, data_format, **kwargs)


@registry.register("layer")
class UpSampling3D(Layer):
    """Larger volumes: (n, d, h, w, c) to (n, d*a, h*b, w*c, c), each element repeated.

    Parameters
    ----------
    size : int or (int, int, int)
    """

    def __init__(self, size=(2, 2, 2), data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.size = as_tuple(size, 3, "UpSampling3D: size")
        self.data_format = data_format or config.image_data_format()

    def call(self, inputs):
        first = 2 if self.data_format == "channels_first" else 1
        for axis, factor in enumerate(self.size, first):
            inputs = ops.repeat(inputs, factor, axis)
        return inputs

    def get_config(self):
        return {**super().get_config(), "size": self.size, "data_format": self.data_format}


@registry.register("layer")
class UpSampling2D(Layer):
    """Larger images: (n, h, w, c) to (n, h*a, w*b, c).

    Parameters
    ----------
    size : int or (int, int)
    interpolation : {"nearest", "bilinear"}
        Bilinear samples at half-pixel centres; the border repeats.
    """

    def __init__(self, size=(2, 2), data_format=None, interpolation="nearest", **kwargs):
        super().__init__(**kwargs)
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        self.data_format = data_format or config.image_data_format()
        if interpolation not in ("nearest", "bilinear"):
            raise ValueError(f'UpSampling2D: interpolation must be "nearest" or "bilinear", received {interpolation!r}')
        self.interpolation = interpolation

    def call(self, inputs):
        first = 2 if self.data_format == "channels_first" else 1
        enlarge = ops.repeat if self.interpolation == "nearest" else _bilinear
        for axis, factor in enumerate(self.size, first):
            inputs = enlarge(inputs, factor, axis)
        return inputs

    def get_config(self):
        return {
            **super().get_config(), "size": self.size, "interpolation": self.interpolation,
            "data_format": self.data_format,
        }  # fmt: skip


def _bilinear(x, factor, axis):
    """Linear interpolation along one axis, as a product with a small matrix of weights."""
    size = x.shape[axis]
    weights = ops.zeros((size * factor, size))
    for i in range(size * factor):
        place = min(max((i + 0.5) / factor - 0.5, 0.0), size - 1.0)
        low = int(place)
        high = min(low + 1, size - 1)
        weights[i, low] += 1 - (place - low)
        weights[i, high] += place - low
    moved = ops.moveaxis(x, axis, -1)
    return ops.moveaxis(ops.matmul(moved, weights.T), -1, axis)
