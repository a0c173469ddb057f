"""LSTM layers whose products are convolutions (arXiv 1506.04214, without its peepholes)."""

import math
from types import MappingProxyType

from fastnn import config, ops, random
from fastnn.layers.recurrent import LOOP, RecurrentOf
from fastnn.layers.recurrent_cells import (
    CONSTRAINTS,
    DROPOUT,
    GATED,
    INITIALIZERS,
    REGULARIZERS,
    REQUIRED,
    LSTMCell,
    constructor,
)  # fmt: skip
from fastnn.ops.conv import as_tuple
from fastnn.saving import registry

CONVOLUTION = {
    "filters": REQUIRED, "kernel_size": REQUIRED, "strides": 1, "padding": "valid", "data_format": None,
    "dilation_rate": 1,
}  # fmt: skip


class ConvLSTMCell(LSTMCell):
    """An `LSTMCell` on images: x * kernel + h * recurrent_kernel + bias, with convolutions.

    Weights: kernel (kernel_size..., c, 4 * filters), recurrent_kernel (kernel_size..., filters, 4 * filters), bias.
    """

    __init__ = constructor({
        "rank": REQUIRED, **CONVOLUTION, **GATED, **INITIALIZERS, "unit_forget_bias": True, **REGULARIZERS,
        **CONSTRAINTS, **DROPOUT, "seed": None,
    })  # fmt: skip

    def _construct(self, given, others):
        super()._construct(given, others)
        kind = f"ConvLSTM{self.rank}D"
        for name in ("kernel_size", "strides", "dilation_rate"):
            setattr(self, name, as_tuple(getattr(self, name), self.rank, f"{kind}: {name}"))
        self.padding, self.data_format = self.padding.lower(), self.data_format or config.image_data_format()
        if self.padding not in ("valid", "same"):
            raise ValueError(f'{kind}: padding must be "valid" or "same", received {self.padding!r}')
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(f"{kind}: strides and dilation_rate cannot both be above 1")

    @property
    def channel_axis(self):
        return 1 if self.data_format == "channels_first" else -1

    @property
    def state_size(self):
        return [self.filters] * 2

    @property
    def output_size(self):
        return self.filters

    def bias_shape(self):
        return (4 * self.filters,)

    def build(self, input_shape):
        _, *sizes = input_shape
        channels = sizes.pop(0 if self.data_format == "channels_first" else -1)
        if None in (*sizes, channels):
            raise ValueError(f"ConvLSTM{self.rank}D: sizes of images must be known, received {tuple(input_shape)}")
        self.make_weights(
            (*self.kernel_size, channels, 4 * self.filters), (*self.kernel_size, self.filters, 4 * self.filters)
        )
        self.image = [self._output_size(*geometry) for geometry in zip(
            sizes, self.kernel_size, self.strides, self.dilation_rate, strict=True)]  # fmt: skip
        if min(self.image) < 1:
            raise ValueError(f"ConvLSTM{self.rank}D: images of {sizes} are smaller than the window {self.kernel_size}")

    def _output_size(self, size, window, stride, dilation):
        return math.ceil((size if self.padding == "same" else size - dilation * (window - 1)) / stride)

    def get_initial_state(self, batch_size=None):
        first = self.data_format == "channels_first"
        shape = [self.filters, *self.image] if first else [*self.image, self.filters]
        return [ops.zeros((batch_size, *shape), self.dtype) for _ in range(2)]

    def project(self, inputs, training=False):
        """The convolution of the inputs: (n, c...) or, of all elements at once, (n, t, c...)."""
        self._kept = None
        lead = inputs.shape[: len(inputs.shape) - self.rank - 1]
        masks = None
        if training and self.dropout:
            ones = ops.ones((lead[0], *(1,) * (len(lead) - 1), *inputs.shape[len(lead) :]), self.dtype)
            masks = self._masks(ones, self.dropout)
        y = self._gates(inputs, masks, self.kernel, len(lead), {
            "strides": self.strides, "padding": self.padding, "dilation_rate": self.dilation_rate,
        })  # fmt: skip
        if self.bias is None:
            return y
        first = self.data_format == "channels_first"
        return y + (ops.reshape(self.bias, (-1, *(1,) * self.rank)) if first else self.bias)

    def _masks(self, ones, rate):
        """One for each gate, as in Keras."""
        return [random.dropout(ones, rate, None, self.generator) for _ in range(4)]

    def _gates(self, x, masks, kernel, leading, options):
        """The four convolutions side by side; they are one where x is the same for all."""

        def convolve(images, weights):
            rows = ops.reshape(images, (-1, *images.shape[leading:]))
            y = ops.conv(rows, weights, data_format=self.data_format, **options)
            return ops.reshape(y, (*images.shape[:leading], *y.shape[1:]))

        if masks is None:
            return convolve(x, kernel)
        kernels = ops.split(kernel, 4, -1)
        axis = leading if self.data_format == "channels_first" else -1
        return ops.concatenate([convolve(x * m, w) for m, w in zip(masks, kernels, strict=True)], axis)

    def advance(self, projected, states, training=False):
        h, c = states
        if training and self.recurrent_dropout and self._kept is None:
            self._kept = self._masks(ops.ones(h.shape, self.dtype), self.recurrent_dropout)
        z = projected + self._gates(h, self._kept, self.recurrent_kernel, 1, {"padding": "same"})
        i, f, g, o = ops.split(z, 4, self.channel_axis)
        c = self.recurrent_activation(f) * c + self.recurrent_activation(i) * self.activation(g)
        h = self.recurrent_activation(o) * self.activation(c)
        return h, [h, c]

    def whole(self, training):
        return False


class _ConvLSTM(RecurrentOf):
    cell_class = ConvLSTMCell

    def _check_input(self, x):
        if len(x.shape) != self.cell.rank + 3:
            sizes = {1: "w", 2: "h, w", 3: "d, h, w"}[self.cell.rank]
            raise self._wrong_input(f"sequences of shape (n, t, {sizes}, c)", x.shape, "")

    __init__ = constructor({
        **CONVOLUTION, **GATED, **INITIALIZERS, "unit_forget_bias": True, **REGULARIZERS,
        "activity_regularizer": None, **CONSTRAINTS, **DROPOUT, "seed": None, **LOOP,
    })  # fmt: skip


@registry.register("layer")
class ConvLSTM1D(_ConvLSTM):
    """A convolutional LSTM along sequences of rows: (n, t, w, c) to (n, w', filters).

    Parameters
    ----------
    filters : int
    kernel_size : int or tuple of int
        Of the inputs' convolution and of the states', which is padded to keep their size.
    strides, padding, data_format, dilation_rate : as `Conv1D`
        Of the inputs' convolution.
    activation, recurrent_activation, unit_forget_bias, ... : as `LSTM`
    """

    cell_options = MappingProxyType({"rank": 1})


@registry.register("layer")
class ConvLSTM2D(_ConvLSTM):
    """A convolutional LSTM along sequences of images: (n, t, h, w, c) to (n, h', w', filters); see `ConvLSTM1D`."""

    cell_options = MappingProxyType({"rank": 2})


@registry.register("layer")
class ConvLSTM3D(_ConvLSTM):
    """A convolutional LSTM along sequences of volumes, (n, t, d, h, w, c); see `ConvLSTM1D`."""

    cell_options = MappingProxyType({"rank": 3})
