"""Pooling layers."""

from collections.abc import Callable

from fastnn import config, ops
from fastnn.layers.layer import Layer
from fastnn.ops.conv import as_tuple
from fastnn.saving import registry


class _Pooling(Layer):
    rank = 2
    operation: Callable | None = None

    def __init__(self, pool_size=2, strides=None, padding="valid", data_format=None, **kwargs):
        super().__init__(**kwargs)
        kind = type(self).__name__
        self.pool_size = as_tuple(pool_size, self.rank, f"{kind}: pool_size")
        self.strides = as_tuple(self.pool_size if strides is None else strides, self.rank, f"{kind}: strides")
        self.padding, self.data_format = padding.lower(), data_format or config.image_data_format()
        if self.padding not in ("valid", "same"):
            raise ValueError(f'{kind}: padding must be "valid" or "same", received {padding!r}')

    def _check_input(self, x):
        if len(x.shape) != self.rank + 2:
            raise self._wrong_input(f"input with {self.rank + 2} axes", x.shape, "")

    def call(self, inputs):
        return type(self).operation(inputs, self.pool_size, self.strides, self.padding, self.data_format)

    def get_config(self):
        return {
            **super().get_config(), "pool_size": self.pool_size, "padding": self.padding, "strides": self.strides,
            "data_format": self.data_format,
        }  # fmt: skip


@registry.register("layer", aliases=("MaxPool1D",))
class MaxPooling1D(_Pooling):
    """The largest element of each window: (n, w, c) to (n, q, c)."""

    rank, operation = 1, staticmethod(ops.max_pool)


@registry.register("layer", aliases=("MaxPool2D",))
class MaxPooling2D(_Pooling):
    """The largest element of each window: (n, h, w, c) to (n, p, q, c).

    Parameters
    ----------
    pool_size : int or (int, int)
    strides : int or (int, int), optional
        The window's size unless given.
    padding : {"valid", "same"}
    """

    operation = staticmethod(ops.max_pool)

    def __init__(self, pool_size=(2, 2), strides=None, padding="valid", data_format=None, name=None, **kwargs):
        super().__init__(pool_size, strides, padding, data_format, name=name, **kwargs)


@registry.register("layer", aliases=("AvgPool1D",))
class AveragePooling1D(_Pooling):
    """The mean of each window: (n, w, c) to (n, q, c)."""

    rank, operation = 1, staticmethod(ops.average_pool)

    def __init__(self, pool_size, strides=None, padding="valid", data_format=None, name=None, **kwargs):
        super().__init__(pool_size, strides, padding, data_format, name=name, **kwargs)


@registry.register("layer", aliases=("AvgPool2D",))
class AveragePooling2D(_Pooling):
    """The mean of each window, counting only elements inside the image: (n, h, w, c) to (n, p, q, c)."""

    operation = staticmethod(ops.average_pool)

    def __init__(self, pool_size, strides=None, padding="valid", data_format=None, name=None, **kwargs):
        super().__init__(pool_size, strides, padding, data_format, name=name, **kwargs)


@registry.register("layer", aliases=("MaxPool3D",))
class MaxPooling3D(_Pooling):
    """The largest element of each window: (n, d, h, w, c) to (n, depth, p, q, c)."""

    rank, operation = 3, staticmethod(ops.max_pool)

    def __init__(self, pool_size=(2, 2, 2), strides=None, padding="valid", data_format=None, name=None, **kwargs):
        super().__init__(pool_size, strides, padding, data_format, name=name, **kwargs)


@registry.register("layer", aliases=("AvgPool3D",))
class AveragePooling3D(_Pooling):
    """The mean of each window, counting only elements inside: (n, d, h, w, c) to (n, depth, p, q, c)."""

    rank, operation = 3, staticmethod(ops.average_pool)

    def __init__(self, pool_size, strides=None, padding="valid", data_format=None, name=None, **kwargs):
        super().__init__(pool_size, strides, padding, data_format, name=name, **kwargs)


class _AdaptivePooling(Layer):
    rank = 2
    operation: Callable | None = None

    def __init__(self, output_size, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.output_size = as_tuple(output_size, self.rank, f"{type(self).__name__}: output_size")
        self.data_format = data_format or config.image_data_format()

    def _check_input(self, x):
        if len(x.shape) != self.rank + 2:
            raise self._wrong_input(f"input with {self.rank + 2} axes", x.shape, "")

    def call(self, inputs):
        return type(self).operation(inputs, self.output_size, self.data_format)

    def get_config(self):
        return {**super().get_config(), "output_size": self.output_size, "data_format": self.data_format}


@registry.register("layer")
class AdaptiveAveragePooling1D(_AdaptivePooling):
    """The mean of each of `output_size` bins: (n, w, c) to (n, bins, c)."""

    rank, operation = 1, staticmethod(ops.adaptive_average_pool)


@registry.register("layer")
class AdaptiveAveragePooling2D(_AdaptivePooling):
    """The mean of each of `output_size` bins: (n, h, w, c) to (n, bins, bins, c).

    Parameters
    ----------
    output_size : int or (int, int)
        Bin i of an axis of size k holds the elements from floor(i k / bins) to ceil((i + 1) k / bins).
    """

    operation = staticmethod(ops.adaptive_average_pool)


@registry.register("layer")
class AdaptiveAveragePooling3D(_AdaptivePooling):
    """The mean of each of `output_size` bins of volumes (n, d, h, w, c)."""

    rank, operation = 3, staticmethod(ops.adaptive_average_pool)


@registry.register("layer")
class AdaptiveMaxPooling1D(_AdaptivePooling):
    """The largest element of each of `output_size` bins: (n, w, c) to (n, bins, c)."""

    rank, operation = 1, staticmethod(ops.adaptive_max_pool)


@registry.register("layer")
class AdaptiveMaxPooling2D(_AdaptivePooling):
    """The largest element of each of `output_size` bins: (n, h, w, c) to (n, bins, bins, c)."""

    operation = staticmethod(ops.adaptive_max_pool)


@registry.register("layer")
class AdaptiveMaxPooling3D(_AdaptivePooling):
    """The largest element of each of `output_size` bins of volumes (n, d, h, w, c)."""

    rank, operation = 3, staticmethod(ops.adaptive_max_pool)


class _GlobalPooling(Layer):
    rank = 2
    operation: Callable | None = None

    def __init__(self, data_format=None, keepdims=False, **kwargs):
        super().__init__(**kwargs)
        self.data_format, self.keepdims = data_format or config.image_data_format(), keepdims

    def _check_input(self, x):
        if len(x.shape) != self.rank + 2:
            raise self._wrong_input(f"input with {self.rank + 2} axes", x.shape, "")

    def call(self, inputs):
        first = 2 if self.data_format == "channels_first" else 1
        axes = tuple(range(first, first + self.rank))
        return type(self).operation(inputs, axes, self.keepdims)

    def get_config(self):
        return {**super().get_config(), "data_format": self.data_format, "keepdims": self.keepdims}


@registry.register("layer", aliases=("GlobalAvgPool1D",))
class GlobalAveragePooling1D(_GlobalPooling):
    """The mean over the sequence: (n, w, c) to (n, c), of the elements whose mask is not False."""

    rank, operation = 1, staticmethod(ops.mean)

    def __init__(self, data_format=None, keepdims=False, **kwargs):
        super().__init__(data_format, keepdims, **kwargs)

    def call(self, inputs, mask=None):
        if mask is None:
            return super().call(inputs)
        steps, channels = (2, 1) if self.data_format == "channels_first" else (1, 2)
        present = ops.cast(ops.expand_dims(mask, channels), "bool")
        total = ops.sum(ops.where(present, inputs, 0.0), steps, self.keepdims)
        return total / ops.sum(ops.cast(present, inputs.dtype), steps, self.keepdims)

    def compute_mask(self, inputs, mask=None):
        return None


@registry.register("layer", aliases=("GlobalAvgPool2D",))
class GlobalAveragePooling2D(_GlobalPooling):
    """The mean over the image: (n, h, w, c) to (n, c)."""

    operation = staticmethod(ops.mean)


@registry.register("layer", aliases=("GlobalMaxPool1D",))
class GlobalMaxPooling1D(_GlobalPooling):
    """The largest element over the sequence: (n, w, c) to (n, c)."""

    rank, operation = 1, staticmethod(ops.max)


@registry.register("layer", aliases=("GlobalMaxPool2D",))
class GlobalMaxPooling2D(_GlobalPooling):
    """The largest element over the image: (n, h, w, c) to (n, c)."""

    operation = staticmethod(ops.max)


@registry.register("layer", aliases=("GlobalAvgPool3D",))
class GlobalAveragePooling3D(_GlobalPooling):
    """The mean over the volume: (n, d, h, w, c) to (n, c)."""

    rank, operation = 3, staticmethod(ops.mean)


@registry.register("layer", aliases=("GlobalMaxPool3D",))
class GlobalMaxPooling3D(_GlobalPooling):
    """The largest element over the volume: (n, d, h, w, c) to (n, c)."""

    rank, operation = 3, staticmethod(ops.max)
