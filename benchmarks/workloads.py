"""The thirteen models that are timed, as plain data, and their builders for any module with Keras' API.

A layer is a tuple: its kind, its size, then what else matters.  Another library's benchmark reads the same table with
a builder of its own, so that all train the same network on the same numbers.

    ("dense", units, activation)                        of the last axis
    ("conv", filters, window, activation, padding, stride)
    ("depthwise", window, stride)                       a filter for each channel, padding "same"
    ("pool", window)                                    the largest element, stride = window
    ("batch_norm",)   ("layer_norm",)   ("relu",)   ("flatten",)   ("dropout", rate)
    ("mean",)                                           over all positions of an image, all elements of a sequence
    ("lstm", units)   ("gru", units)                    the state behind the last element of a sequence
    ("attention", heads)                                of a sequence to itself

Two branches are written one after the other, with three rows that have no weights:

    ("fork",)    keeps what it is given and hands it on: the first branch begins
    ("swap",)    keeps what it is given and hands on what was kept: the second branch begins
    ("add",)     adds what was kept
"""

import math
import zlib
from typing import NamedTuple

import numpy as np


class Workload(NamedTuple):
    """A model and its batch; trained with Adam (learning rate 0.001) and the loss that fits its last activation."""

    name: str
    shape: tuple[int, ...]  # of one sample, channels last
    layers: tuple[tuple, ...]
    batch: int

    @property
    def classes(self):
        """How many classes a label may have; 0 for a number to be fitted, 2 for yes or no."""
        _, units, activation = self.layers[-1]
        return units if activation == "softmax" else {"sigmoid": 2, None: 0}[activation]

    @property
    def loss(self):
        """Keras' name of the loss; labels are integers."""
        names = {0: "mean_squared_error", 2: "binary_crossentropy"}
        return names.get(self.classes, "sparse_categorical_crossentropy")


_NORM_RELU = (("batch_norm",), ("relu",))


def _conv_block(filters, window=3, stride=1):
    return (("conv", filters, window, None, "same", stride), *_NORM_RELU)


def _conv_pool(filters):
    return (("conv", filters, 3, "relu", "valid", 1), ("pool", 2))


def _separable_block(filters, stride):
    """As in MobileNet (Howard et al., 2017)."""
    return (("depthwise", 3, stride), *_NORM_RELU, *_conv_block(filters, 1))


def _residual(branch, shortcut=()):
    return (("fork",), *branch, ("swap",), *shortcut, ("add",))


def _residual_block(filters, stride=1):
    """As in ResNet (He et al., 2015); where the shape changes, the shortcut has a 1x1 convolution."""
    shortcut = () if stride == 1 else _conv_block(filters, 1, stride)[:-1]
    return (*_residual((*_conv_block(filters, 3, stride), *_conv_block(filters)[:-1]), shortcut), ("relu",))


def _encoder_block(heads, features):
    """As in the Transformer (Vaswani et al., 2017)."""
    feed_forward = (("dense", 4 * features, "relu"), ("dense", features, None))
    return (*_residual((("attention", heads),)), ("layer_norm",), *_residual(feed_forward), ("layer_norm",))


WORKLOADS = (
    Workload("perceptron", (2,), (("dense", 1, None),), 32),
    Workload("xor", (2,), (("dense", 8, "tanh"), ("dense", 1, "sigmoid")), 4),
    Workload("mlp-128", (784,), (("dense", 128, "relu"), ("dropout", 0.2), ("dense", 10, "softmax")), 32),
    Workload("mlp-512", (784,), (("dense", 512, "relu"), ("dense", 512, "relu"), ("dense", 10, "softmax")), 128),
    Workload(
        "mnist-conv", (28, 28, 1),
        (*_conv_pool(32), *_conv_pool(64), ("flatten",), ("dropout", 0.5), ("dense", 10, "softmax")), 128,
    ),
    Workload(
        "cifar-conv", (32, 32, 3),
        (
            *_conv_pool(32), *_conv_pool(64), ("conv", 64, 3, "relu", "valid", 1), ("flatten",),
            ("dense", 64, "relu"), ("dense", 10, "softmax"),
        ), 64,
    ),
    Workload(
        "cats-dogs", (150, 150, 3),
        (
            *_conv_pool(32), *_conv_pool(64), *_conv_pool(128), *_conv_pool(128), ("flatten",),
            ("dense", 512, "relu"), ("dense", 1, "sigmoid"),
        ), 20,
    ),
    Workload(
        "vgg", (32, 32, 3),
        (
            *_conv_block(64), *_conv_block(64), ("pool", 2),
            *_conv_block(128), *_conv_block(128), ("pool", 2),
            *_conv_block(256), *_conv_block(256), ("pool", 2),
            ("flatten",), ("dense", 10, "softmax"),
        ), 64,
    ),
    Workload("mnist-lstm", (28, 28), (("lstm", 128), ("dense", 10, "softmax")), 64),
    Workload("gru-100", (100, 32), (("gru", 64), ("dense", 10, "softmax")), 64),
    Workload(
        "depthwise", (32, 32, 3),
        (
            *_conv_block(32), *_separable_block(64, 1), *_separable_block(128, 2),
            ("mean",), ("dense", 10, "softmax"),
        ), 64,
    ),
    Workload("attention", (64, 64), (*_encoder_block(4, 64), ("mean",), ("dense", 10, "softmax")), 32),
    Workload(
        "resnet", (32, 32, 3),
        (
            *_conv_block(16), *_residual_block(16), *_residual_block(32, 2), *_residual_block(64, 2),
            ("mean",), ("dense", 10, "softmax"),
        ), 64,
    ),
)  # fmt: skip
GATES = {"lstm": 4, "gru": 3}  # blocks of units in the kernels of a recurrent layer


def data(workload, batches=1):
    """Random x (float32) and y (float32 to be fitted, else int32 labels), the same in every run."""
    rng = np.random.default_rng(zlib.crc32(workload.name.encode()))
    rows = workload.batch * batches
    x = rng.standard_normal((rows, *workload.shape), dtype=np.float32)
    if workload.classes:
        return x, rng.integers(0, workload.classes, rows, dtype=np.int32)
    return x, rng.standard_normal((rows, workload.layers[-1][1]), dtype=np.float32)


def with_input_shapes(workload):
    """(kind, shape of one sample at the input, sizes) of each layer."""
    shape, kept = workload.shape, []
    for kind, *sizes in workload.layers:
        yield kind, shape, sizes
        if kind == "fork":
            kept.append(shape)
        elif kind == "swap":
            shape, kept[-1] = kept[-1], shape
        elif kind == "add":
            kept.pop()
        else:
            shape = _output_shape(kind, shape, *sizes)


def _output_shape(kind, shape, *sizes):
    *positions, channels = shape
    if kind == "dense":
        return (*positions, sizes[0])
    if kind in GATES:
        return (sizes[0],)
    if kind == "conv":
        filters, window, _, padding, stride = sizes
        return (*(-(-(n if padding == "same" else n - window + 1) // stride) for n in positions), filters)
    if kind == "depthwise":
        return (*(-(-n // sizes[1]) for n in positions), channels)
    if kind == "pool":
        return (*(n // sizes[0] for n in positions), channels)
    if kind == "flatten":
        return (math.prod(shape),)
    return (channels,) if kind == "mean" else shape


def _layer(keras, name, kind, shape, *sizes):
    layers = keras.layers
    if kind == "dense":
        units, activation = sizes
        return layers.Dense(units, activation=activation, name=name)
    if kind == "conv":
        filters, window, activation, padding, stride = sizes
        return layers.Conv2D(filters, window, stride, padding, activation=activation, name=name)
    if kind == "depthwise":
        return layers.DepthwiseConv2D(*sizes, padding="same", name=name)
    if kind == "attention":
        attention = layers.MultiHeadAttention(sizes[0], shape[-1] // sizes[0], name=name)
        return lambda x: attention(x, x)
    make = {
        "pool": layers.MaxPooling2D, "batch_norm": layers.BatchNormalization, "layer_norm": layers.LayerNormalization,
        "relu": layers.ReLU, "flatten": layers.Flatten, "dropout": layers.Dropout, "lstm": layers.LSTM,
        "gru": layers.GRU, "mean": layers.GlobalAveragePooling2D if len(shape) == 3 else layers.GlobalAveragePooling1D,
    }  # fmt: skip
    return make[kind](*sizes, name=name)


def layer_name(index):
    """Of the layer of such a row in the model."""
    return f"layer_{index}"


def build(keras, workload, **compile_options):
    """The compiled model of a workload.

    Parameters
    ----------
    keras : module
        fastnn, or any other with Keras' API.
    compile_options
        Further arguments of ``compile``.
    """
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input(workload.shape)
    kept = []
    for index, (kind, shape, sizes) in enumerate(with_input_shapes(workload)):
        if kind == "fork":
            kept.append(x)
        elif kind == "swap":
            x, kept[-1] = kept[-1], x
        elif kind == "add":
            x = keras.layers.Add(name=layer_name(index))([x, kept.pop()])
        else:
            x = _layer(keras, layer_name(index), kind, shape, *sizes)(x)
    model = keras.Model(inputs, x)
    model.compile(optimizer="adam", loss=workload.loss, **compile_options)
    return model


def flops(workload):
    """Multiplications and additions of the matrix products and convolutions, forward, for one sample."""
    total = 0
    for kind, shape, sizes in with_input_shapes(workload):
        if kind == "dense":
            total += 2 * math.prod(shape) * sizes[0]
        elif kind == "conv":
            total += 2 * sizes[1] ** 2 * shape[2] * math.prod(_output_shape(kind, shape, *sizes))
        elif kind == "depthwise":
            total += 2 * sizes[0] ** 2 * math.prod(_output_shape(kind, shape, *sizes))
        elif kind == "attention":
            elements, features = shape
            total += 4 * elements * features * (2 * features + elements)
        elif kind in GATES:
            (elements, inputs), units = shape, sizes[0]
            total += 2 * elements * (inputs + units) * GATES[kind] * units
    return total
