"""The ten models that are timed, as plain data, and their builders for any module with Keras' API.

A layer is a tuple: its kind, its size, then what else matters.  Another library's benchmark reads the same table with
a builder of its own, so that all train the same network on the same numbers.

    ("dense", units, activation)
    ("conv", filters, window, activation, padding)      two dimensions, stride 1
    ("pool", window)                                    the largest element, stride = window
    ("batch_norm",)   ("relu",)   ("flatten",)   ("dropout", rate)
    ("lstm", units)   ("gru", units)                    the state behind the last element of a sequence
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


def _conv_block(filters):
    return (("conv", filters, 3, None, "same"), ("batch_norm",), ("relu",))


def _conv_pool(filters):
    return (("conv", filters, 3, "relu", "valid"), ("pool", 2))


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
            *_conv_pool(32), *_conv_pool(64), ("conv", 64, 3, "relu", "valid"), ("flatten",),
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


def _layer(keras, kind, *sizes):
    layers = keras.layers
    if kind == "dense":
        units, activation = sizes
        return layers.Dense(units, activation=activation)
    if kind == "conv":
        filters, window, activation, padding = sizes
        return layers.Conv2D(filters, window, activation=activation, padding=padding)
    make = {
        "pool": layers.MaxPooling2D, "batch_norm": layers.BatchNormalization, "relu": layers.ReLU,
        "flatten": layers.Flatten, "dropout": layers.Dropout, "lstm": layers.LSTM, "gru": layers.GRU,
    }  # fmt: skip
    return make[kind](*sizes)


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
    model = keras.Sequential([keras.Input(workload.shape), *(_layer(keras, *row) for row in workload.layers)])
    model.compile(optimizer="adam", loss=workload.loss, **compile_options)
    return model


def flops(workload):
    """Multiplications and additions of the matrix products and convolutions, forward, for one sample."""
    shape, total = workload.shape, 0
    for kind, *sizes in workload.layers:
        if kind == "dense":
            total += 2 * shape[0] * sizes[0]
            shape = (sizes[0],)
        elif kind == "conv":
            filters, window, _, padding = sizes
            height, width = (n if padding == "same" else n - window + 1 for n in shape[:2])
            total += 2 * window * window * shape[2] * height * width * filters
            shape = (height, width, filters)
        elif kind == "pool":
            shape = (shape[0] // sizes[0], shape[1] // sizes[0], shape[2])
        elif kind == "flatten":
            shape = (math.prod(shape),)
        elif kind in GATES:
            (elements, inputs), units = shape, sizes[0]
            total += 2 * elements * (inputs + units) * GATES[kind] * units
            shape = (units,)
    return total
