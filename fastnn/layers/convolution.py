"""Convolution layers in one, two and three dimensions."""

from fastnn import config, ops
from fastnn.layers.core import WeightedLayer, positive_integer
from fastnn.ops.conv import as_tuple
from fastnn.saving import registry


class Convolution(WeightedLayer):
    """What all convolutions share: window, strides, padding, layout.

    Weights: kernel (kernel_size..., channels / groups, filters), bias (filters,).
    """

    rank = 2

    def __init__(self, kernel_size, strides=1, padding="valid", data_format=None, dilation_rate=1, **kwargs):
        super().__init__(**kwargs)
        kind = type(self).__name__
        self.kernel_size = as_tuple(kernel_size, self.rank, f"{kind}: kernel_size")
        self.strides = as_tuple(strides, self.rank, f"{kind}: strides")
        self.dilation_rate = as_tuple(dilation_rate, self.rank, f"{kind}: dilation_rate")
        self.padding, self.data_format = padding.lower(), data_format or config.image_data_format()
        allowed = ("valid", "same", "causal") if self.rank == 1 else ("valid", "same")
        if self.padding not in allowed:
            raise ValueError(f"{kind}: padding must be one of {allowed}, received {padding!r}")
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(f"{kind}: strides and dilation_rate cannot both be above 1")

    def channels(self, input_shape):
        """The number of input channels."""
        channels = input_shape[1 if self.data_format == "channels_first" else -1] if len(input_shape) > 1 else None
        if len(input_shape) != self.rank + 2 or channels is None:
            example = {1: "(n, w, c)", 2: "(n, h, w, c)", 3: "(n, d, h, w, c)"}[self.rank]
            repair = "Add a channel axis, e.g. x[..., None]." if len(input_shape) == self.rank + 1 else ""
            raise self._wrong_input(f"input of shape {example}", input_shape, repair)
        return channels

    def _check_input(self, x):
        if self.channels(x.shape) != self._built_channels:
            raise self._wrong_input(f"input with {self._built_channels} channels", x.shape, "")

    def build(self, input_shape):
        self._built_channels = self.channels(input_shape)
        self.make_weights(self._built_channels)

    def windows(self):
        """The arguments that `fastnn.ops` convolutions share."""
        return {
            "strides": self.strides, "padding": self.padding,
            "data_format": self.data_format, "dilation_rate": self.dilation_rate,
        }  # fmt: skip

    def add_channel_bias(self, y):
        """Bias along the channel axis, then the activation."""
        if self.bias is not None:
            last = self.data_format == "channels_last"
            y = y + (self.bias if last else ops.reshape(self.bias, (-1, *(1,) * self.rank)))
        return self.activation(y) if self.activation is not None else y

    def get_config(self):
        return {
            **super().get_config(), "kernel_size": self.kernel_size, "strides": self.strides, "padding": self.padding,
            "data_format": self.data_format, "dilation_rate": self.dilation_rate,
            "activity_regularizer": registry.serialize(self.activity_regularizer),
        }  # fmt: skip


class _Conv(Convolution):
    def __init__(
        self, filters, kernel_size, strides=1, padding="valid", data_format=None, dilation_rate=1, groups=1,
        activation=None, use_bias=True, kernel_initializer="glorot_uniform", bias_initializer="zeros",
        kernel_regularizer=None, bias_regularizer=None, activity_regularizer=None, kernel_constraint=None,
        bias_constraint=None, **kwargs,
    ):  # fmt: skip
        super().__init__(
            kernel_size, strides, padding, data_format, dilation_rate, activation=activation, use_bias=use_bias,
            kernel_initializer=kernel_initializer, bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer, bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer, kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint, **kwargs,
        )  # fmt: skip
        self.filters = positive_integer(filters, f"{type(self).__name__}: filters")
        self.groups = positive_integer(groups, f"{type(self).__name__}: groups")
        if self.filters % self.groups:
            raise ValueError(f"{self}: filters ({filters}) must be a multiple of groups ({groups})")

    def make_weights(self, channels):
        if channels % self.groups:
            raise ValueError(f"{self}: {channels} input channels cannot be cut into {self.groups} groups")
        self.kernel = self.add_kernel((*self.kernel_size, channels // self.groups, self.filters))
        self.add_bias(self.filters)

    def call(self, inputs):
        return self.add_channel_bias(ops.conv(inputs, self.kernel, **self.windows()))

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "groups": self.groups}


@registry.register("layer", aliases=("Convolution1D",))
class Conv1D(_Conv):
    """Convolution over sequences: (n, w, c) to (n, q, filters).

    Parameters
    ----------
    filters : int
    kernel_size, strides, dilation_rate : int
    padding : {"valid", "same", "causal"}
    groups : int
    activation, use_bias, ... : as `Dense`
    """

    rank = 1


@registry.register("layer", aliases=("Convolution2D",))
class Conv2D(_Conv):
    """Convolution over images: (n, h, w, c) to (n, p, q, filters).

    Parameters
    ----------
    filters : int
    kernel_size, strides, dilation_rate : int or (int, int)
    padding : {"valid", "same"}
    groups : int
    activation, use_bias, ... : as `Dense`
    """


@registry.register("layer", aliases=("Convolution3D",))
class Conv3D(_Conv):
    """Convolution over volumes: (n, d, h, w, c) to (n, depth, p, q, filters); parameters as `Conv2D`."""

    rank = 3


class _ConvTranspose(_Conv):
    """Transposed convolutions. Weights: kernel (kernel_size..., filters, channels), bias (filters,)."""

    def __init__(
        self, filters, kernel_size, strides=1, padding="valid", output_padding=None, data_format=None,
        dilation_rate=1, activation=None, use_bias=True, kernel_initializer="glorot_uniform",
        bias_initializer="zeros", kernel_regularizer=None, bias_regularizer=None, activity_regularizer=None,
        kernel_constraint=None, bias_constraint=None, **kwargs,
    ):  # fmt: skip
        super().__init__(
            filters, kernel_size, strides, padding, data_format, dilation_rate, 1, activation, use_bias,
            kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, activity_regularizer,
            kernel_constraint, bias_constraint, **kwargs,
        )  # fmt: skip
        kind = type(self).__name__
        if self.padding == "causal":
            raise ValueError(f'{kind}: padding must be "valid" or "same", received {padding!r}')
        if output_padding is not None:
            more = (output_padding,) * self.rank if isinstance(output_padding, int) else tuple(output_padding)
            if len(more) != self.rank or any(m >= s or m < 0 for m, s in zip(more, self.strides, strict=True)):
                raise ValueError(f"{kind}: output_padding must be below strides, received {output_padding!r}")
            output_padding = more
        self.output_padding = output_padding

    def make_weights(self, channels):
        self.kernel = self.add_kernel((*self.kernel_size, self.filters, channels))
        self.add_bias(self.filters)

    def call(self, inputs):
        y = ops.conv_transpose(inputs, self.kernel, output_padding=self.output_padding, **self.windows())
        return self.add_channel_bias(y)

    def get_config(self):
        config = {**super().get_config(), "output_padding": self.output_padding}
        del config["groups"]
        return config


@registry.register("layer", aliases=("Convolution1DTranspose",))
class Conv1DTranspose(_ConvTranspose):
    """Transposed convolution over sequences: (n, w, c) to (n, q, filters); parameters as `Conv2DTranspose`."""

    rank = 1


@registry.register("layer", aliases=("Convolution2DTranspose",))
class Conv2DTranspose(_ConvTranspose):
    """Transposed convolution: (n, h, w, c) to larger images (n, p, q, filters).

    Parameters
    ----------
    filters : int
    kernel_size, strides, dilation_rate : int or (int, int)
    padding : {"valid", "same"}
        "same" gives outputs of the input's size times the stride.
    output_padding : int or (int, int), optional
        How much larger than the least size the output is; below the strides.
    activation, use_bias, ... : as `Dense`
    """


@registry.register("layer", aliases=("Convolution3DTranspose",))
class Conv3DTranspose(_ConvTranspose):
    """Transposed convolution over volumes; parameters as `Conv2DTranspose`."""

    rank = 3


class _DepthwiseConv(Convolution):
    def __init__(
        self, kernel_size, strides=1, padding="valid", depth_multiplier=1, data_format=None, dilation_rate=1,
        activation=None, use_bias=True, depthwise_initializer="glorot_uniform", bias_initializer="zeros",
        depthwise_regularizer=None, bias_regularizer=None, activity_regularizer=None, depthwise_constraint=None,
        bias_constraint=None, **kwargs,
    ):  # fmt: skip
        super().__init__(
            kernel_size, strides, padding, data_format, dilation_rate, activation=activation, use_bias=use_bias,
            kernel_initializer=depthwise_initializer, bias_initializer=bias_initializer,
            kernel_regularizer=depthwise_regularizer, bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer, kernel_constraint=depthwise_constraint,
            bias_constraint=bias_constraint, **kwargs,
        )  # fmt: skip
        self.depth_multiplier = positive_integer(depth_multiplier, f"{type(self).__name__}: depth_multiplier")

    def make_weights(self, channels):
        self.kernel = self.add_kernel((*self.kernel_size, channels, self.depth_multiplier))
        self.add_bias(channels * self.depth_multiplier)

    def call(self, inputs):
        return self.add_channel_bias(ops.depthwise_conv(inputs, self.kernel, **self.windows()))

    def get_config(self):
        config = super().get_config()
        for what in ("initializer", "regularizer", "constraint"):
            config[f"depthwise_{what}"] = config.pop(f"kernel_{what}")
        return {**config, "depth_multiplier": self.depth_multiplier}


@registry.register("layer")
class DepthwiseConv1D(_DepthwiseConv):
    """Convolution of each channel with filters of its own: (n, w, c) to (n, q, c * depth_multiplier).

    Weights: kernel (s, c, depth_multiplier), bias (c * depth_multiplier,).
    """

    rank = 1


@registry.register("layer")
class DepthwiseConv2D(_DepthwiseConv):
    """Convolution of each channel with filters of its own: (n, h, w, c) to (n, p, q, c * depth_multiplier).

    Weights: kernel (r, s, c, depth_multiplier), bias (c * depth_multiplier,).
    """


class _SeparableConv(Convolution):
    def __init__(
        self, filters, kernel_size, strides=1, padding="valid", data_format=None, dilation_rate=1, depth_multiplier=1,
        activation=None, use_bias=True, depthwise_initializer="glorot_uniform",
        pointwise_initializer="glorot_uniform", bias_initializer="zeros", depthwise_regularizer=None,
        pointwise_regularizer=None, bias_regularizer=None, activity_regularizer=None, depthwise_constraint=None,
        pointwise_constraint=None, bias_constraint=None, **kwargs,
    ):  # fmt: skip
        super().__init__(
            kernel_size, strides, padding, data_format, dilation_rate, activation=activation, use_bias=use_bias,
            bias_initializer=bias_initializer, bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer, bias_constraint=bias_constraint, **kwargs,
        )  # fmt: skip
        self.filters = positive_integer(filters, f"{type(self).__name__}: filters")
        self.depth_multiplier = positive_integer(depth_multiplier, f"{type(self).__name__}: depth_multiplier")
        self.depthwise_initializer = registry.get("initializer", depthwise_initializer)
        self.pointwise_initializer = registry.get("initializer", pointwise_initializer)
        self.depthwise_regularizer = registry.get("regularizer", depthwise_regularizer)
        self.pointwise_regularizer = registry.get("regularizer", pointwise_regularizer)
        self.depthwise_constraint = registry.get("constraint", depthwise_constraint)
        self.pointwise_constraint = registry.get("constraint", pointwise_constraint)

    def make_weights(self, channels):
        for part, shape in (
            ("depthwise", (*self.kernel_size, channels, self.depth_multiplier)),
            ("pointwise", ((1,) * self.rank + (channels * self.depth_multiplier, self.filters))),
        ):
            kernel = self.add_weight(
                shape,
                getattr(self, f"{part}_initializer"),
                regularizer=getattr(self, f"{part}_regularizer"),
                constraint=getattr(self, f"{part}_constraint"),
                name=f"{part}_kernel",
            )
            setattr(self, f"{part}_kernel", kernel)
        self.add_bias(self.filters)

    def call(self, inputs):
        y = ops.separable_conv(inputs, self.depthwise_kernel, self.pointwise_kernel, **self.windows())
        return self.add_channel_bias(y)

    def get_config(self):
        config = super().get_config()
        for what in ("initializer", "regularizer", "constraint"):
            del config[f"kernel_{what}"]
            for part in ("depthwise", "pointwise"):
                config[f"{part}_{what}"] = registry.serialize(getattr(self, f"{part}_{what}"))
        return {**config, "filters": self.filters, "depth_multiplier": self.depth_multiplier}


@registry.register("layer", aliases=("SeparableConvolution1D",))
class SeparableConv1D(_SeparableConv):
    """A depthwise convolution followed by one of width 1: (n, w, c) to (n, q, filters).

    Weights: depthwise_kernel (s, c, depth_multiplier), pointwise_kernel (1, c * depth_multiplier, filters),
    bias (filters,).
    """

    rank = 1


@registry.register("layer", aliases=("SeparableConvolution2D",))
class SeparableConv2D(_SeparableConv):
    """A depthwise convolution followed by a 1x1 convolution: (n, h, w, c) to (n, p, q, filters).

    Weights: depthwise_kernel (r, s, c, depth_multiplier), pointwise_kernel (1, 1, c * depth_multiplier, filters),
    bias (filters,).
    """
