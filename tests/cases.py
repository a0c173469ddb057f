"""The rows of the table tests and of the golden generator: what is built, its shapes, its kind of data.

A row builds its object from any module with Keras' API, so the same row runs with Keras
(golden/make_golden.py, which stores what Keras answers) and with fastnn (the tests, which compare). This
file imports neither. A row's name is its key in the golden files and the seed of its numbers; a renamed row
needs new golden files.

Kinds of data, drawn by `values`: real, logits, positive, probability, softmax, saturated, coarse, binary,
sign, one_hot, label, label_or_minus_1, unit.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Build = Callable[[Any], Any]  # takes the module (keras or fastnn), gives the object
Shape = tuple[int, ...]


def with_defaults(family: str, cls: str) -> Build:
    """Build `cls` of a family such as "losses" with no argument."""
    return lambda k: getattr(getattr(k, family), cls)()


# ---------------------------------------------------------------------------------------------------- numbers


def random_of(name: str) -> np.random.Generator:
    """The random numbers of the row with this name."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def ladder(rng: np.random.Generator, shape: Shape, scale: float = 1.0) -> np.ndarray:
    """Shuffled equidistant float32 in (-scale, scale): distinct and never 0, so no tie and no kink is hit.

    For a scale that is a power of two, the values are short binary fractions: exact, small once compressed.
    """
    count = int(np.prod(shape))
    steps = 2.0 ** np.ceil(np.log2(max(count, 2)))
    rungs = (2 * rng.permutation(count) + 1.5 - count) / steps * scale
    return rungs.reshape(shape).astype(np.float32)


def values(kind: str, rng: np.random.Generator, shape: Shape, classes: int = 2) -> np.ndarray:
    """Targets or predictions of one kind (the list is at the top); `classes` bounds the labels."""
    if kind in ("real", "logits"):
        return ladder(rng, shape, 2.0 if kind == "real" else 8.0)
    if kind in ("label", "label_or_minus_1"):
        return rng.integers(-1 if kind == "label_or_minus_1" else 0, classes, shape).astype(np.int32)
    if kind == "one_hot":
        return np.eye(shape[-1], dtype=np.float32)[rng.integers(0, shape[-1], shape[:-1])]
    if kind in ("binary", "sign"):
        bits = rng.integers(0, 2, shape).astype(np.float32)
        return bits if kind == "binary" else 2 * bits - 1
    if kind in ("saturated", "coarse"):
        quarters = [0, 0.25, 0.5, 0.75, 1]
        return rng.choice(np.float32([0, 1e-9, 0.25, 0.75, 1] if kind == "saturated" else quarters), shape)
    rungs = (ladder(rng, shape) + 1) / 2
    if kind == "softmax":
        return rungs / rungs.sum(axis=-1, keepdims=True)
    if kind == "unit":
        return ladder(rng, shape) / 2
    return {"probability": rungs, "positive": 4 * rungs}[kind]


# ----------------------------------------------------------------------------------------------------- layers


@dataclass(frozen=True)
class LayerCase:
    """A layer on one input of `shape` (batch first): `ladder(scale)`, or small integers for an integer dtype.

    train: also five training steps of [layer, Flatten if rank > 2, Dense(3)] are compared.
    torch_differs: Keras on PyTorch departs from TensorFlow here, or fails; the golden numbers come from JAX.
    """

    name: str
    make: Build
    shape: Shape
    training: bool = False
    train: bool = True
    scale: float = 1.0
    dtype: str = "float32"
    torch_differs: bool = False


ACTIVATIONS = [
    "celu",
    "elu",
    "exponential",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
]


def _activation_row(name: str) -> LayerCase:
    halves = name == "glu"  # Activation gives glu the wrong output shape, so that no layer can follow it
    return LayerCase(f"activation_{name}", lambda k: k.layers.Activation(name), (3, 6), scale=4.0, train=not halves)


DENSE = (
    LayerCase("dense", lambda k: k.layers.Dense(5), (4, 7)),
    LayerCase("dense_no_bias", lambda k: k.layers.Dense(5, use_bias=False), (4, 7)),
    LayerCase("dense_one_unit", lambda k: k.layers.Dense(1), (4, 7)),
    LayerCase("dense_one_row", lambda k: k.layers.Dense(17), (1, 3)),
    LayerCase("dense_relu", lambda k: k.layers.Dense(9, activation="relu"), (5, 6)),
    LayerCase("dense_tanh", lambda k: k.layers.Dense(5, activation="tanh"), (4, 7)),
    LayerCase("dense_softmax", lambda k: k.layers.Dense(4, activation="softmax"), (4, 7)),
    LayerCase("dense_gelu", lambda k: k.layers.Dense(5, activation="gelu"), (3, 33)),
    LayerCase("dense_3d", lambda k: k.layers.Dense(4), (2, 3, 5)),
    LayerCase("dense_4d_relu", lambda k: k.layers.Dense(3, activation="relu"), (2, 3, 2, 5)),
    LayerCase("dense_int32_input", lambda k: k.layers.Dense(3), (4, 5), dtype="int32"),
    LayerCase("dense_uint8_input", lambda k: k.layers.Dense(3), (4, 5), dtype="uint8"),
    LayerCase("dense_float64_input", lambda k: k.layers.Dense(3), (4, 5), dtype="float64"),
    LayerCase(
        "dense_l2_l1",
        lambda k: k.layers.Dense(4, kernel_regularizer="l2", bias_regularizer=k.regularizers.L1(0.1)),
        (3, 5),
    ),
    LayerCase("dense_activity_l2", lambda k: k.layers.Dense(4, activity_regularizer=k.regularizers.L2(0.1)), (3, 5)),
    LayerCase(
        "dense_constraints",
        lambda k: k.layers.Dense(4, kernel_constraint=k.constraints.MaxNorm(0.3), bias_constraint="non_neg"),
        (3, 5),
    ),
)

CONV = (
    LayerCase("conv1d", lambda k: k.layers.Conv1D(4, 3), (2, 11, 3)),
    LayerCase("conv1d_same", lambda k: k.layers.Conv1D(4, 3, padding="same"), (2, 7, 3)),
    LayerCase("conv1d_same_even", lambda k: k.layers.Conv1D(4, 4, padding="same"), (2, 7, 3)),
    LayerCase("conv1d_same_stride2", lambda k: k.layers.Conv1D(5, 3, strides=2, padding="same"), (2, 10, 2)),
    LayerCase("conv1d_stride3_relu", lambda k: k.layers.Conv1D(5, 2, strides=3, activation="relu"), (2, 12, 2)),
    LayerCase("conv1d_causal", lambda k: k.layers.Conv1D(4, 3, padding="causal"), (2, 7, 3)),
    LayerCase("conv1d_causal_dilated", lambda k: k.layers.Conv1D(3, 2, padding="causal", dilation_rate=3), (2, 9, 3)),
    LayerCase("conv1d_causal_stride2", lambda k: k.layers.Conv1D(3, 3, padding="causal", strides=2), (2, 8, 2)),
    LayerCase("conv1d_same_dilated", lambda k: k.layers.Conv1D(3, 3, padding="same", dilation_rate=2), (2, 9, 3)),
    LayerCase("conv1d_groups", lambda k: k.layers.Conv1D(6, 3, groups=2), (2, 8, 4)),
    LayerCase("conv1d_no_bias", lambda k: k.layers.Conv1D(4, 1, use_bias=False), (2, 6, 3)),
    LayerCase("conv2d", lambda k: k.layers.Conv2D(4, 3), (2, 7, 6, 3)),
    LayerCase("conv2d_one_channel", lambda k: k.layers.Conv2D(8, 3, activation="relu"), (2, 6, 6, 1)),
    LayerCase("conv2d_same", lambda k: k.layers.Conv2D(4, 3, padding="same"), (2, 5, 4, 3)),
    LayerCase("conv2d_same_even", lambda k: k.layers.Conv2D(3, (2, 4), padding="same"), (2, 5, 6, 2)),
    LayerCase("conv2d_same_stride2", lambda k: k.layers.Conv2D(5, 3, strides=2, padding="same"), (2, 9, 8, 3)),
    LayerCase(
        "conv2d_same_stride_3_2", lambda k: k.layers.Conv2D(3, (3, 2), strides=(3, 2), padding="same"), (2, 8, 7, 2)
    ),
    LayerCase("conv2d_stride2", lambda k: k.layers.Conv2D(4, 3, strides=2), (2, 8, 7, 3)),
    LayerCase("conv2d_stride_over_kernel", lambda k: k.layers.Conv2D(4, 1, strides=2), (2, 7, 6, 3)),
    LayerCase("conv2d_rectangular", lambda k: k.layers.Conv2D(4, (3, 1), activation="tanh"), (2, 5, 4, 3)),
    LayerCase("conv2d_1x1", lambda k: k.layers.Conv2D(6, 1), (2, 4, 3, 5)),
    LayerCase("conv2d_5x5", lambda k: k.layers.Conv2D(2, 5, padding="same"), (2, 6, 7, 2)),
    LayerCase("conv2d_covers_image", lambda k: k.layers.Conv2D(6, (4, 3)), (3, 4, 3, 2)),
    LayerCase("conv2d_same_over_image", lambda k: k.layers.Conv2D(2, 5, padding="same"), (2, 3, 2, 2)),
    LayerCase("conv2d_dilated", lambda k: k.layers.Conv2D(3, 3, dilation_rate=2), (2, 7, 8, 2)),
    LayerCase(
        "conv2d_same_dilated", lambda k: k.layers.Conv2D(3, 3, padding="same", dilation_rate=(2, 1)), (2, 6, 5, 2)
    ),
    LayerCase("conv2d_groups", lambda k: k.layers.Conv2D(6, 3, groups=2), (2, 5, 6, 4)),
    LayerCase("conv2d_groups_all", lambda k: k.layers.Conv2D(4, 3, groups=4, padding="same"), (2, 5, 4, 4)),
    LayerCase("conv2d_no_bias", lambda k: k.layers.Conv2D(4, 3, use_bias=False), (2, 5, 5, 2)),
    LayerCase("conv2d_sigmoid", lambda k: k.layers.Conv2D(3, 2, activation="sigmoid"), (2, 5, 4, 2)),
    LayerCase("conv2d_l2", lambda k: k.layers.Conv2D(3, 2, kernel_regularizer=k.regularizers.L2(0.1)), (2, 4, 4, 2)),
    LayerCase("depthwise_conv2d", lambda k: k.layers.DepthwiseConv2D(3), (2, 6, 5, 3)),
    LayerCase("depthwise_conv2d_same", lambda k: k.layers.DepthwiseConv2D(3, padding="same"), (2, 5, 4, 3)),
    LayerCase(
        "depthwise_conv2d_multiplier", lambda k: k.layers.DepthwiseConv2D((3, 2), depth_multiplier=2), (2, 6, 5, 3)
    ),
    LayerCase(
        "depthwise_conv2d_same_stride2", lambda k: k.layers.DepthwiseConv2D(3, strides=2, padding="same"), (2, 8, 7, 2)
    ),
    LayerCase("depthwise_conv2d_dilated", lambda k: k.layers.DepthwiseConv2D(2, dilation_rate=2), (2, 6, 5, 3)),
    LayerCase(
        "depthwise_conv2d_relu_no_bias",
        lambda k: k.layers.DepthwiseConv2D(2, use_bias=False, activation="relu"),
        (2, 5, 4, 3),
    ),
    LayerCase("separable_conv2d", lambda k: k.layers.SeparableConv2D(4, 3), (2, 6, 5, 3)),
    LayerCase("separable_conv2d_same", lambda k: k.layers.SeparableConv2D(4, 3, padding="same"), (2, 5, 4, 3)),
    LayerCase(
        "separable_conv2d_multiplier", lambda k: k.layers.SeparableConv2D(4, 2, depth_multiplier=2), (2, 5, 4, 3)
    ),
    LayerCase(
        "separable_conv2d_same_stride2",
        lambda k: k.layers.SeparableConv2D(5, 3, strides=2, padding="same"),
        (2, 7, 8, 2),
    ),
    LayerCase("separable_conv2d_dilated", lambda k: k.layers.SeparableConv2D(3, 2, dilation_rate=2), (2, 6, 5, 3)),
    LayerCase(
        "separable_conv2d_relu_no_bias",
        lambda k: k.layers.SeparableConv2D(4, 2, use_bias=False, activation="relu"),
        (2, 5, 4, 3),
    ),
)

POOLING = (
    LayerCase("max_pooling1d", lambda k: k.layers.MaxPooling1D(), (2, 9, 3)),
    LayerCase("max_pooling1d_same", lambda k: k.layers.MaxPooling1D(3, strides=2, padding="same"), (2, 8, 3)),
    LayerCase("max_pooling1d_overlap", lambda k: k.layers.MaxPooling1D(3, strides=1), (2, 7, 2)),
    LayerCase("max_pooling1d_gaps", lambda k: k.layers.MaxPooling1D(2, strides=3), (2, 10, 2)),
    LayerCase("max_pooling2d", lambda k: k.layers.MaxPooling2D(), (2, 6, 4, 3)),
    LayerCase("max_pooling2d_odd", lambda k: k.layers.MaxPooling2D(2), (2, 7, 5, 3)),
    LayerCase("max_pooling2d_same", lambda k: k.layers.MaxPooling2D(2, padding="same"), (2, 7, 5, 3)),
    LayerCase("max_pooling2d_overlap", lambda k: k.layers.MaxPooling2D(3, strides=2), (2, 7, 8, 2)),
    LayerCase(
        "max_pooling2d_same_overlap", lambda k: k.layers.MaxPooling2D(3, strides=2, padding="same"), (2, 7, 8, 2)
    ),
    LayerCase("max_pooling2d_rectangular", lambda k: k.layers.MaxPooling2D((3, 2), strides=(2, 1)), (2, 6, 5, 3)),
    LayerCase("max_pooling2d_whole_image", lambda k: k.layers.MaxPooling2D((5, 4)), (3, 5, 4, 3)),
    LayerCase("average_pooling1d", lambda k: k.layers.AveragePooling1D(2), (2, 9, 3)),
    LayerCase(
        "average_pooling1d_same",
        lambda k: k.layers.AveragePooling1D(3, strides=2, padding="same"),
        (2, 8, 3),
        torch_differs=True,
    ),
    LayerCase(
        "average_pooling1d_same_symmetric", lambda k: k.layers.AveragePooling1D(3, strides=1, padding="same"), (2, 6, 3)
    ),
    LayerCase("average_pooling1d_overlap", lambda k: k.layers.AveragePooling1D(3, strides=1), (2, 7, 2)),
    LayerCase("average_pooling2d", lambda k: k.layers.AveragePooling2D(2), (2, 6, 4, 3)),
    LayerCase("average_pooling2d_odd", lambda k: k.layers.AveragePooling2D(2), (2, 7, 5, 3)),
    LayerCase(
        "average_pooling2d_same",
        lambda k: k.layers.AveragePooling2D(2, padding="same"),
        (2, 7, 5, 3),
        torch_differs=True,
    ),
    LayerCase(
        "average_pooling2d_same_overlap",
        lambda k: k.layers.AveragePooling2D(3, strides=2, padding="same"),
        (2, 7, 8, 2),
        torch_differs=True,
    ),
    LayerCase(
        "average_pooling2d_same_symmetric",
        lambda k: k.layers.AveragePooling2D(3, strides=2, padding="same"),
        (2, 7, 5, 2),
    ),
    LayerCase(
        "average_pooling2d_rectangular", lambda k: k.layers.AveragePooling2D((3, 2), strides=(2, 1)), (2, 6, 5, 3)
    ),
    LayerCase("average_pooling2d_gaps", lambda k: k.layers.AveragePooling2D(2, strides=3), (2, 8, 5, 2)),
    LayerCase("global_average_pooling1d", lambda k: k.layers.GlobalAveragePooling1D(), (2, 7, 5)),
    LayerCase("global_average_pooling1d_keepdims", lambda k: k.layers.GlobalAveragePooling1D(keepdims=True), (2, 7, 5)),
    LayerCase("global_average_pooling2d", lambda k: k.layers.GlobalAveragePooling2D(), (2, 4, 5, 3)),
    LayerCase(
        "global_average_pooling2d_keepdims", lambda k: k.layers.GlobalAveragePooling2D(keepdims=True), (2, 4, 5, 3)
    ),
    LayerCase("global_max_pooling1d", lambda k: k.layers.GlobalMaxPooling1D(), (2, 7, 5)),
    LayerCase("global_max_pooling1d_keepdims", lambda k: k.layers.GlobalMaxPooling1D(keepdims=True), (2, 7, 5)),
    LayerCase("global_max_pooling2d", lambda k: k.layers.GlobalMaxPooling2D(), (2, 4, 5, 3)),
    LayerCase("global_max_pooling2d_keepdims", lambda k: k.layers.GlobalMaxPooling2D(keepdims=True), (2, 4, 5, 3)),
)

RESHAPING = (
    LayerCase("flatten", lambda k: k.layers.Flatten(), (2, 3, 2, 4)),
    LayerCase("flatten_2d", lambda k: k.layers.Flatten(), (3, 5)),
    LayerCase("flatten_1d", lambda k: k.layers.Flatten(), (4,)),
    LayerCase("flatten_int32_input", lambda k: k.layers.Flatten(), (2, 3, 2), dtype="int32"),
    LayerCase("reshape", lambda k: k.layers.Reshape((3, 4)), (2, 12)),
    LayerCase("reshape_unknown", lambda k: k.layers.Reshape((-1, 2)), (2, 3, 4)),
    LayerCase("reshape_to_flat", lambda k: k.layers.Reshape((-1,)), (2, 3, 4)),
    LayerCase("permute_2_1", lambda k: k.layers.Permute((2, 1)), (2, 3, 4)),
    LayerCase("permute_3_1_2", lambda k: k.layers.Permute((3, 1, 2)), (2, 3, 4, 5)),
    LayerCase("repeat_vector", lambda k: k.layers.RepeatVector(3), (2, 4)),
    LayerCase("zero_padding1d", lambda k: k.layers.ZeroPadding1D((1, 2)), (2, 4, 3)),
    LayerCase("zero_padding2d", lambda k: k.layers.ZeroPadding2D(), (2, 3, 4, 2)),
    LayerCase("zero_padding2d_pair", lambda k: k.layers.ZeroPadding2D((2, 1)), (2, 3, 2, 2)),
    LayerCase("zero_padding2d_sides", lambda k: k.layers.ZeroPadding2D(((1, 0), (2, 3))), (2, 3, 2, 2)),
    LayerCase("cropping1d", lambda k: k.layers.Cropping1D((1, 2)), (2, 6, 3)),
    LayerCase("cropping2d", lambda k: k.layers.Cropping2D(1), (2, 5, 4, 3)),
    LayerCase("cropping2d_pair", lambda k: k.layers.Cropping2D((2, 1)), (2, 6, 4, 2)),
    LayerCase("cropping2d_sides", lambda k: k.layers.Cropping2D(((1, 0), (2, 1))), (2, 4, 6, 2)),
    LayerCase("up_sampling1d", lambda k: k.layers.UpSampling1D(3), (2, 4, 3)),
    LayerCase("up_sampling2d", lambda k: k.layers.UpSampling2D(), (2, 3, 4, 2)),
    LayerCase("up_sampling2d_nearest_2_3", lambda k: k.layers.UpSampling2D((2, 3)), (2, 3, 2, 2)),
    LayerCase("up_sampling2d_bilinear", lambda k: k.layers.UpSampling2D(2, interpolation="bilinear"), (2, 3, 4, 2)),
    LayerCase(
        "up_sampling2d_bilinear_3_2", lambda k: k.layers.UpSampling2D((3, 2), interpolation="bilinear"), (2, 2, 3, 2)
    ),
    LayerCase("rescaling", lambda k: k.layers.Rescaling(0.5), (2, 3, 4)),
    LayerCase("rescaling_offset", lambda k: k.layers.Rescaling(1 / 127.5, offset=-1), (2, 3, 3, 2), scale=64.0),
    LayerCase("rescaling_uint8_input", lambda k: k.layers.Rescaling(1 / 255), (2, 3, 3, 2), dtype="uint8"),
    LayerCase("identity", lambda k: k.layers.Identity(), (2, 5)),
)

NONLINEAR = (
    LayerCase("relu_layer", lambda k: k.layers.ReLU(), (3, 7), scale=4.0),
    LayerCase("relu_max_value", lambda k: k.layers.ReLU(max_value=1.5), (3, 7), scale=4.0),
    LayerCase("relu_negative_slope", lambda k: k.layers.ReLU(negative_slope=0.3), (3, 7), scale=4.0),
    LayerCase("relu_threshold", lambda k: k.layers.ReLU(threshold=1.0), (3, 7), scale=4.0),
    LayerCase(
        "relu_all_options", lambda k: k.layers.ReLU(max_value=2.0, negative_slope=0.1, threshold=0.5), (3, 7), scale=4.0
    ),
    LayerCase("leaky_relu_layer", lambda k: k.layers.LeakyReLU(), (3, 7), scale=4.0),
    LayerCase("leaky_relu_slope", lambda k: k.layers.LeakyReLU(negative_slope=0.1), (2, 3, 4), scale=4.0),
    LayerCase("elu_layer", lambda k: k.layers.ELU(), (3, 7), scale=4.0),
    LayerCase("elu_alpha", lambda k: k.layers.ELU(alpha=0.5), (3, 7), scale=4.0),
    LayerCase("prelu", lambda k: k.layers.PReLU(), (3, 7), scale=4.0),
    LayerCase("prelu_4d", lambda k: k.layers.PReLU(), (2, 3, 4, 2)),
    LayerCase("prelu_shared", lambda k: k.layers.PReLU(shared_axes=[1, 2]), (2, 3, 4, 2)),
    LayerCase("softmax_layer", lambda k: k.layers.Softmax(), (3, 7), scale=4.0),
    LayerCase("softmax_axis1", lambda k: k.layers.Softmax(axis=1), (2, 3, 4), scale=4.0),
    LayerCase("softmax_axes", lambda k: k.layers.Softmax(axis=(1, 2)), (2, 3, 4), scale=4.0),
    LayerCase("dropout_inference", lambda k: k.layers.Dropout(0.5), (3, 7), train=False),
    LayerCase("dropout_rate_0", lambda k: k.layers.Dropout(0.0), (3, 7), training=True),
    LayerCase("spatial_dropout2d_inference", lambda k: k.layers.SpatialDropout2D(0.5), (2, 3, 2, 2), train=False),
    LayerCase("gaussian_noise_inference", lambda k: k.layers.GaussianNoise(0.5), (3, 7), train=False),
    LayerCase("gaussian_dropout_inference", lambda k: k.layers.GaussianDropout(0.5), (3, 7), train=False),
    LayerCase("alpha_dropout_inference", lambda k: k.layers.AlphaDropout(0.5), (3, 7), train=False),
    *(_activation_row(name) for name in ACTIVATIONS),
)

NORMALIZATION = (
    LayerCase("batch_normalization_2d", lambda k: k.layers.BatchNormalization(), (5, 6), train=False),
    LayerCase("batch_normalization_2d_training", lambda k: k.layers.BatchNormalization(), (5, 6), training=True),
    LayerCase("batch_normalization_3d_training", lambda k: k.layers.BatchNormalization(), (3, 4, 5), training=True),
    LayerCase("batch_normalization_4d", lambda k: k.layers.BatchNormalization(), (2, 4, 3, 5), train=False),
    LayerCase("batch_normalization_4d_training", lambda k: k.layers.BatchNormalization(), (2, 4, 3, 5), training=True),
    LayerCase(
        "batch_normalization_no_center", lambda k: k.layers.BatchNormalization(center=False), (4, 3), training=True
    ),
    LayerCase(
        "batch_normalization_no_scale", lambda k: k.layers.BatchNormalization(scale=False), (4, 3), training=True
    ),
    LayerCase(
        "batch_normalization_bare",
        lambda k: k.layers.BatchNormalization(center=False, scale=False),
        (4, 3),
        training=True,
    ),
    LayerCase(
        "batch_normalization_options",
        lambda k: k.layers.BatchNormalization(momentum=0.5, epsilon=0.1),
        (4, 3),
        training=True,
    ),
    LayerCase("batch_normalization_axis1", lambda k: k.layers.BatchNormalization(axis=1), (3, 4, 2), training=True),
    LayerCase("layer_normalization", lambda k: k.layers.LayerNormalization(), (4, 7)),
    LayerCase("layer_normalization_3d", lambda k: k.layers.LayerNormalization(), (2, 3, 5)),
    LayerCase(
        "layer_normalization_axis1", lambda k: k.layers.LayerNormalization(axis=1), (2, 4, 3), torch_differs=True
    ),
    LayerCase("layer_normalization_axes", lambda k: k.layers.LayerNormalization(axis=[1, 2]), (2, 3, 4)),
    LayerCase("layer_normalization_last_axes", lambda k: k.layers.LayerNormalization(axis=[-2, -1]), (2, 3, 2, 4)),
    LayerCase("layer_normalization_epsilon", lambda k: k.layers.LayerNormalization(epsilon=0.1), (4, 5)),
    LayerCase("layer_normalization_no_center", lambda k: k.layers.LayerNormalization(center=False), (4, 5)),
    LayerCase("layer_normalization_no_scale", lambda k: k.layers.LayerNormalization(scale=False), (4, 5)),
)

LAYERS = DENSE + CONV + POOLING + RESHAPING + NONLINEAR + NORMALIZATION

# Rows of which only the configuration is compared: (name, make).
CONFIGURED_LAYERS = (
    ("input_layer", lambda k: k.layers.InputLayer(shape=(4, 3))),
    ("input_layer_batch", lambda k: k.layers.InputLayer(shape=(4,), batch_size=8, dtype="int32")),
    ("dropout_seeded", lambda k: k.layers.Dropout(0.3, seed=7)),
    ("dropout_noise_shape", lambda k: k.layers.Dropout(0.3, noise_shape=(None, 1))),
    (
        "dense_initializers",
        lambda k: k.layers.Dense(3, kernel_initializer="he_normal", bias_initializer=k.initializers.Constant(0.5)),
    ),
    ("dense_callable_activation", lambda k: k.layers.Dense(3, activation=k.activations.relu)),
    ("dense_leaky_relu_object", lambda k: k.layers.Dense(3, activation=k.layers.LeakyReLU(0.1))),
    ("dense_float16", lambda k: k.layers.Dense(3, dtype="float16")),
    ("dense_mixed", lambda k: k.layers.Dense(3, dtype="mixed_bfloat16")),
    ("dense_frozen", lambda k: k.layers.Dense(3, trainable=False)),
)


# ----------------------------------------------------------------------------------------------------- losses


@dataclass(frozen=True)
class LossCase:
    """A loss on targets and predictions of two kinds of data.

    target_shape: where it is not the shape of the predictions. weights: the shape of the sample weights.
    """

    name: str
    make: Build
    target: str
    prediction: str
    shape: Shape = (5, 4)
    target_shape: Shape | None = None
    weights: Shape | None = None


# every loss with its defaults: (class, kind of targets, kind of predictions)
_PLAIN_LOSSES = (
    ("MeanSquaredError", "real", "real"),
    ("MeanAbsoluteError", "real", "real"),
    ("MeanAbsolutePercentageError", "positive", "real"),
    ("MeanSquaredLogarithmicError", "positive", "positive"),
    ("CosineSimilarity", "real", "real"),
    ("Huber", "real", "real"),
    ("LogCosh", "real", "real"),
    ("Poisson", "positive", "positive"),
    ("KLDivergence", "softmax", "softmax"),
    ("Hinge", "sign", "real"),
    ("SquaredHinge", "sign", "real"),
    ("CategoricalHinge", "one_hot", "real"),
    ("Dice", "binary", "probability"),
    ("Tversky", "binary", "probability"),
    ("BinaryCrossentropy", "binary", "probability"),
    ("BinaryFocalCrossentropy", "binary", "probability"),
    ("CategoricalCrossentropy", "one_hot", "softmax"),
    ("CategoricalFocalCrossentropy", "one_hot", "softmax"),
    ("CategoricalGeneralizedCrossEntropy", "label", "softmax"),
    ("SparseCategoricalCrossentropy", "label", "softmax"),
    ("Circle", "label", "unit"),
)
_REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none")


def _plain_losses() -> list[LossCase]:
    rows = []
    for cls, target, prediction in _PLAIN_LOSSES:
        shape = (6, 4) if cls != "Circle" else (6, 3)
        target_shape = shape[:1] if target == "label" else None
        make = with_defaults("losses", cls)
        whole = cls in ("Dice", "Tversky")  # one value for the whole batch, so no weight a row
        rows.append(LossCase(cls, make, target, prediction, shape, target_shape))
        if not whole:
            rows.append(LossCase(f"{cls}_weighted", make, target, prediction, shape, target_shape, shape[:1]))
    return rows


def reduced(reduction: str) -> Build:
    """The mean squared error with a reduction."""
    return lambda k: k.losses.MeanSquaredError(reduction=reduction)


def _reduced_losses() -> list[LossCase]:
    rows = []
    for reduction in _REDUCTIONS:
        for weights in (None, (5,)):
            name = f"mse_{reduction}" + ("_weighted" if weights else "")
            rows.append(LossCase(name, reduced(reduction), "real", "real", weights=weights))
    return rows


LOSSES = (
    *_plain_losses(),
    *_reduced_losses(),
    LossCase("mse_3d", lambda k: k.losses.MeanSquaredError(), "real", "real", (2, 3, 4)),
    LossCase(
        "mse_3d_element_weights", lambda k: k.losses.MeanSquaredError(), "real", "real", (2, 3, 4), weights=(2, 3)
    ),
    LossCase("mse_3d_row_weights", lambda k: k.losses.MeanSquaredError(), "real", "real", (2, 3, 4), weights=(2, 1)),
    LossCase("mse_column_weights", lambda k: k.losses.MeanSquaredError(), "real", "real", (5, 4), weights=(5, 1)),
    LossCase("mse_target_row", lambda k: k.losses.MeanSquaredError(), "real", "real", (5, 1), (5,)),
    LossCase("mse_prediction_row", lambda k: k.losses.MeanSquaredError(), "real", "real", (5,), (5, 1)),
    LossCase("mse_both_rows", lambda k: k.losses.MeanSquaredError(), "real", "real", (5,), (5,)),
    LossCase("mae_target_row", lambda k: k.losses.MeanAbsoluteError(), "real", "real", (5, 1), (5,), (5,)),
    LossCase("huber_delta", lambda k: k.losses.Huber(delta=0.5), "real", "real"),
    LossCase("log_cosh_large", lambda k: k.losses.LogCosh(), "logits", "logits"),
    LossCase("cosine_axis0", lambda k: k.losses.CosineSimilarity(axis=0), "real", "real"),
    LossCase("mape_small_target", lambda k: k.losses.MeanAbsolutePercentageError(), "saturated", "real"),
    LossCase("msle_negative", lambda k: k.losses.MeanSquaredLogarithmicError(), "real", "real"),
    LossCase("kld_saturated", lambda k: k.losses.KLDivergence(), "saturated", "saturated"),
    LossCase("poisson_saturated", lambda k: k.losses.Poisson(), "positive", "saturated"),
    LossCase("hinge_01_targets", lambda k: k.losses.Hinge(), "binary", "real"),
    LossCase("squared_hinge_01_targets", lambda k: k.losses.SquaredHinge(), "binary", "real"),
    LossCase("dice_axis", lambda k: k.losses.Dice(axis=(1, 2)), "binary", "probability", (2, 3, 4)),
    LossCase("tversky_alpha", lambda k: k.losses.Tversky(alpha=0.3, beta=0.8), "binary", "probability"),
    LossCase("tversky_axis", lambda k: k.losses.Tversky(axis=(1, 2)), "binary", "probability", (2, 3, 4)),
    LossCase("circle_gamma", lambda k: k.losses.Circle(gamma=4.0, margin=0.25), "label", "unit", (6, 3), (6,)),
    LossCase(
        "circle_keep_diagonal",
        lambda k: k.losses.Circle(gamma=4.0, remove_diagonal=False),
        "label",
        "unit",
        (6, 3),
        (6,),
    ),
    LossCase("bce_logits", lambda k: k.losses.BinaryCrossentropy(from_logits=True), "binary", "logits"),
    LossCase("bce_smoothing", lambda k: k.losses.BinaryCrossentropy(label_smoothing=0.2), "binary", "probability"),
    LossCase(
        "bce_logits_smoothing",
        lambda k: k.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1),
        "binary",
        "logits",
    ),
    LossCase("bce_saturated", lambda k: k.losses.BinaryCrossentropy(), "binary", "saturated"),
    LossCase("bce_soft_targets", lambda k: k.losses.BinaryCrossentropy(), "probability", "probability"),
    LossCase("bce_target_row", lambda k: k.losses.BinaryCrossentropy(), "binary", "probability", (6, 1), (6,)),
    LossCase("bce_none", lambda k: k.losses.BinaryCrossentropy(reduction=None), "binary", "probability"),
    LossCase("bfce_logits", lambda k: k.losses.BinaryFocalCrossentropy(from_logits=True), "binary", "logits"),
    LossCase(
        "bfce_balanced",
        lambda k: k.losses.BinaryFocalCrossentropy(apply_class_balancing=True, alpha=0.4),
        "binary",
        "probability",
    ),
    LossCase(
        "bfce_gamma_smoothing",
        lambda k: k.losses.BinaryFocalCrossentropy(gamma=1.5, label_smoothing=0.2),
        "binary",
        "probability",
    ),
    LossCase("cce_logits", lambda k: k.losses.CategoricalCrossentropy(from_logits=True), "one_hot", "logits"),
    LossCase("cce_smoothing", lambda k: k.losses.CategoricalCrossentropy(label_smoothing=0.2), "one_hot", "softmax"),
    LossCase(
        "cce_logits_smoothing",
        lambda k: k.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2),
        "one_hot",
        "logits",
    ),
    LossCase("cce_unnormalized", lambda k: k.losses.CategoricalCrossentropy(), "one_hot", "probability"),
    LossCase("cce_saturated", lambda k: k.losses.CategoricalCrossentropy(), "one_hot", "saturated"),
    LossCase("cce_soft_targets", lambda k: k.losses.CategoricalCrossentropy(), "softmax", "softmax"),
    LossCase("cce_axis1", lambda k: k.losses.CategoricalCrossentropy(axis=1), "softmax", "softmax", (2, 3, 4)),
    LossCase(
        "cce_3d_none", lambda k: k.losses.CategoricalCrossentropy(reduction=None), "one_hot", "softmax", (2, 3, 4)
    ),
    LossCase("cfce_logits", lambda k: k.losses.CategoricalFocalCrossentropy(from_logits=True), "one_hot", "logits"),
    LossCase(
        "cfce_gamma_smoothing",
        lambda k: k.losses.CategoricalFocalCrossentropy(alpha=0.5, gamma=1.5, label_smoothing=0.1),
        "one_hot",
        "softmax",
    ),
    LossCase("cgce_q", lambda k: k.losses.CategoricalGeneralizedCrossEntropy(q=0.9), "label", "softmax", (5, 4), (5,)),
    LossCase(
        "scce_column_targets", lambda k: k.losses.SparseCategoricalCrossentropy(), "label", "softmax", (5, 4), (5, 1)
    ),
    LossCase(
        "scce_logits",
        lambda k: k.losses.SparseCategoricalCrossentropy(from_logits=True),
        "label",
        "logits",
        (5, 4),
        (5,),
    ),
    LossCase(
        "scce_unnormalized", lambda k: k.losses.SparseCategoricalCrossentropy(), "label", "probability", (5, 4), (5,)
    ),
    LossCase("scce_saturated", lambda k: k.losses.SparseCategoricalCrossentropy(), "label", "saturated", (6, 4), (6,)),
    LossCase(
        "scce_ignore_class",
        lambda k: k.losses.SparseCategoricalCrossentropy(ignore_class=1),
        "label",
        "softmax",
        (8, 3),
        (8,),
    ),
    LossCase(
        "scce_ignore_minus_1",
        lambda k: k.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1),
        "label_or_minus_1",
        "logits",
        (8, 3),
        (8,),
    ),
    LossCase("scce_3d", lambda k: k.losses.SparseCategoricalCrossentropy(), "label", "softmax", (2, 3, 4), (2, 3)),
    LossCase(
        "scce_3d_weighted",
        lambda k: k.losses.SparseCategoricalCrossentropy(),
        "label",
        "softmax",
        (2, 3, 4),
        (2, 3),
        (2, 3),
    ),
)


# ---------------------------------------------------------------------------------------------------- metrics


@dataclass(frozen=True)
class MetricCase:
    """A metric after each of `UPDATES` updates with batches of `shape` and sample weights of shape `weights`.

    With target None the metric takes the values alone (Mean, Sum).
    """

    name: str
    make: Build
    target: str | None
    prediction: str
    shape: Shape = (6, 4)
    target_shape: Shape | None = None
    weights: Shape | None = None


UPDATES = 3

# every metric that needs no further argument: (class, kind of targets, kind of predictions)
_PLAIN_METRICS = (
    ("Mean", None, "real"),
    ("Sum", None, "real"),
    ("Accuracy", "label", "label"),
    ("BinaryAccuracy", "binary", "coarse"),
    ("CategoricalAccuracy", "one_hot", "softmax"),
    ("SparseCategoricalAccuracy", "label", "softmax"),
    ("TopKCategoricalAccuracy", "one_hot", "softmax"),
    ("SparseTopKCategoricalAccuracy", "label", "softmax"),
    ("MeanSquaredError", "real", "real"),
    ("MeanAbsoluteError", "real", "real"),
    ("RootMeanSquaredError", "real", "real"),
    ("MeanAbsolutePercentageError", "positive", "real"),
    ("MeanSquaredLogarithmicError", "positive", "positive"),
    ("CosineSimilarity", "real", "real"),
    ("LogCoshError", "real", "real"),
    ("R2Score", "real", "real"),
    ("Precision", "binary", "coarse"),
    ("Recall", "binary", "coarse"),
    ("AUC", "binary", "probability"),
    ("TruePositives", "binary", "coarse"),
    ("TrueNegatives", "binary", "coarse"),
    ("FalsePositives", "binary", "coarse"),
    ("FalseNegatives", "binary", "coarse"),
    ("BinaryCrossentropy", "binary", "probability"),
    ("CategoricalCrossentropy", "one_hot", "softmax"),
    ("SparseCategoricalCrossentropy", "label", "softmax"),
    ("F1Score", "one_hot", "softmax"),
    ("FBetaScore", "one_hot", "softmax"),
    ("Hinge", "sign", "real"),
    ("SquaredHinge", "sign", "real"),
    ("CategoricalHinge", "one_hot", "real"),
    ("KLDivergence", "softmax", "softmax"),
    ("Poisson", "positive", "positive"),
    ("PearsonCorrelation", "real", "real"),
    ("ConcordanceCorrelation", "real", "real"),
    ("BinaryIoU", "binary", "coarse"),
)


def _plain_metrics() -> list[MetricCase]:
    rows = []
    for cls, target, prediction in _PLAIN_METRICS:
        shape = (6, 7) if "TopK" in cls else (6,) if cls == "Accuracy" else (6, 4)
        target_shape = shape[:1] if target == "label" else None
        weights = shape if target is None or cls == "BinaryIoU" else shape[:1]
        make = with_defaults("metrics", cls)
        rows.append(MetricCase(cls, make, target, prediction, shape, target_shape))
        rows.append(MetricCase(f"{cls}_weighted", make, target, prediction, shape, target_shape, weights))
    return rows


METRICS = (
    *_plain_metrics(),
    MetricCase("mean_row_weights", lambda k: k.metrics.Mean(), None, "real", (6, 4), weights=(6,)),
    MetricCase("mse_target_row", lambda k: k.metrics.MeanSquaredError(), "real", "real", (6, 1), (6,)),
    MetricCase("binary_accuracy_column", lambda k: k.metrics.BinaryAccuracy(), "binary", "probability", (6, 1), (6,)),
    MetricCase("binary_accuracy_threshold", lambda k: k.metrics.BinaryAccuracy(threshold=0.25), "binary", "coarse"),
    MetricCase(
        "sparse_accuracy_column", lambda k: k.metrics.SparseCategoricalAccuracy(), "label", "softmax", (6, 4), (6, 1)
    ),
    MetricCase(
        "sparse_accuracy_3d", lambda k: k.metrics.SparseCategoricalAccuracy(), "label", "softmax", (3, 2, 4), (3, 2)
    ),
    MetricCase("top_2", lambda k: k.metrics.TopKCategoricalAccuracy(k=2), "one_hot", "softmax"),
    MetricCase(
        "sparse_top_1", lambda k: k.metrics.SparseTopKCategoricalAccuracy(k=1), "label", "softmax", (6, 4), (6,)
    ),
    MetricCase(
        "sparse_top_3", lambda k: k.metrics.SparseTopKCategoricalAccuracy(k=3), "label", "softmax", (6, 4), (6, 1)
    ),
    MetricCase("cosine_axis0", lambda k: k.metrics.CosineSimilarity(axis=0), "real", "real"),
    MetricCase("r2_none", lambda k: k.metrics.R2Score(class_aggregation=None), "real", "real"),
    MetricCase(
        "r2_variance_weighted",
        lambda k: k.metrics.R2Score(class_aggregation="variance_weighted_average"),
        "real",
        "real",
    ),
    MetricCase("r2_adjusted", lambda k: k.metrics.R2Score(num_regressors=2), "real", "real"),
    MetricCase(
        "bce_logits", lambda k: k.metrics.BinaryCrossentropy(from_logits=True, label_smoothing=0.1), "binary", "logits"
    ),
    MetricCase(
        "cce_logits",
        lambda k: k.metrics.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
        "one_hot",
        "logits",
    ),
    MetricCase(
        "scce_logits",
        lambda k: k.metrics.SparseCategoricalCrossentropy(from_logits=True),
        "label",
        "logits",
        (6, 4),
        (6,),
    ),
    *(
        row
        for stem in ("Precision", "Recall")
        for row in (
            MetricCase(
                f"{stem}_threshold", lambda k, s=stem: getattr(k.metrics, s)(thresholds=0.25), "binary", "coarse"
            ),
            MetricCase(
                f"{stem}_thresholds",
                lambda k, s=stem: getattr(k.metrics, s)(thresholds=[0.2, 0.5, 0.75]),
                "binary",
                "coarse",
            ),
            MetricCase(f"{stem}_top_2", lambda k, s=stem: getattr(k.metrics, s)(top_k=2), "one_hot", "softmax"),
            MetricCase(f"{stem}_class_1", lambda k, s=stem: getattr(k.metrics, s)(class_id=1), "one_hot", "softmax"),
            MetricCase(
                f"{stem}_top_2_class_1",
                lambda k, s=stem: getattr(k.metrics, s)(top_k=2, class_id=1),
                "one_hot",
                "softmax",
            ),
        )
    ),
    MetricCase(
        "true_positives_thresholds", lambda k: k.metrics.TruePositives(thresholds=[0.1, 0.5, 0.9]), "binary", "coarse"
    ),
    MetricCase("auc_column", lambda k: k.metrics.AUC(), "binary", "probability", (6, 1), (6,)),
    MetricCase("auc_ties", lambda k: k.metrics.AUC(num_thresholds=5), "binary", "coarse"),
    MetricCase(
        "auc_minoring", lambda k: k.metrics.AUC(num_thresholds=20, summation_method="minoring"), "binary", "probability"
    ),
    MetricCase(
        "auc_majoring", lambda k: k.metrics.AUC(num_thresholds=20, summation_method="majoring"), "binary", "probability"
    ),
    MetricCase("auc_pr", lambda k: k.metrics.AUC(curve="PR"), "binary", "probability"),
    MetricCase(
        "auc_pr_20_weighted",
        lambda k: k.metrics.AUC(num_thresholds=20, curve="PR"),
        "binary",
        "probability",
        weights=(6, 1),
    ),
    MetricCase(
        "auc_pr_majoring", lambda k: k.metrics.AUC(curve="PR", summation_method="majoring"), "binary", "probability"
    ),
    MetricCase("auc_thresholds", lambda k: k.metrics.AUC(thresholds=[0.3, 0.5, 0.7]), "binary", "probability"),
    MetricCase("auc_logits", lambda k: k.metrics.AUC(from_logits=True), "binary", "logits"),
    MetricCase(
        "auc_multi_label", lambda k: k.metrics.AUC(num_thresholds=30, multi_label=True), "binary", "probability"
    ),
    MetricCase(
        "auc_multi_label_pr_weighted",
        lambda k: k.metrics.AUC(
            num_thresholds=30, curve="PR", multi_label=True, num_labels=4, label_weights=[1.0, 2.0, 0.5, 0.0]
        ),
        "binary",
        "probability",
    ),
    MetricCase("f1_micro", lambda k: k.metrics.F1Score(average="micro"), "one_hot", "softmax"),
    MetricCase("f1_macro", lambda k: k.metrics.F1Score(average="macro"), "one_hot", "softmax"),
    MetricCase("f1_weighted_average", lambda k: k.metrics.F1Score(average="weighted"), "one_hot", "softmax"),
    MetricCase("f1_threshold", lambda k: k.metrics.F1Score(threshold=0.5), "binary", "coarse"),
    MetricCase("fbeta_2", lambda k: k.metrics.FBetaScore(beta=2.0), "one_hot", "softmax"),
    MetricCase(
        "fbeta_half_threshold",
        lambda k: k.metrics.FBetaScore(average="macro", beta=0.5, threshold=0.4),
        "binary",
        "probability",
    ),
    MetricCase("precision_at_recall", lambda k: k.metrics.PrecisionAtRecall(0.6), "binary", "probability"),
    MetricCase("recall_at_precision", lambda k: k.metrics.RecallAtPrecision(0.5), "binary", "probability"),
    MetricCase(
        "sensitivity_at_specificity", lambda k: k.metrics.SensitivityAtSpecificity(0.5), "binary", "probability"
    ),
    MetricCase(
        "specificity_at_sensitivity", lambda k: k.metrics.SpecificityAtSensitivity(0.5), "binary", "probability"
    ),
    MetricCase("iou", lambda k: k.metrics.IoU(num_classes=4, target_class_ids=[0, 2]), "label", "label", (6,)),
    MetricCase("mean_iou", lambda k: k.metrics.MeanIoU(num_classes=4), "label", "label", (6,), weights=(6,)),
    MetricCase(
        "one_hot_iou", lambda k: k.metrics.OneHotIoU(num_classes=4, target_class_ids=[0, 2]), "one_hot", "softmax"
    ),
    MetricCase("one_hot_mean_iou", lambda k: k.metrics.OneHotMeanIoU(num_classes=4), "one_hot", "softmax"),
)


# ----------------------------------------------------------------------------------- optimizers and schedules


@dataclass(frozen=True)
class OptimizerCase:
    """Five steps on variables of `OPTIMIZER_SHAPES` with given gradients."""

    name: str
    make: Build
    torch_differs: bool = False


OPTIMIZER_SHAPES = ((3, 5), (5,))
STEPS = 5

OPTIMIZERS = (
    OptimizerCase("sgd", lambda k: k.optimizers.SGD()),
    OptimizerCase("sgd_momentum", lambda k: k.optimizers.SGD(0.1, momentum=0.9)),
    OptimizerCase("sgd_nesterov", lambda k: k.optimizers.SGD(0.1, momentum=0.9, nesterov=True)),
    OptimizerCase("sgd_weight_decay", lambda k: k.optimizers.SGD(0.1, momentum=0.5, weight_decay=0.1)),
    OptimizerCase("sgd_clipnorm", lambda k: k.optimizers.SGD(0.1, clipnorm=0.5)),
    OptimizerCase("sgd_clipvalue", lambda k: k.optimizers.SGD(0.1, clipvalue=0.25)),
    OptimizerCase("sgd_global_clipnorm", lambda k: k.optimizers.SGD(0.1, global_clipnorm=0.5)),
    OptimizerCase("sgd_clipnorm_inactive", lambda k: k.optimizers.SGD(0.1, clipnorm=100.0)),
    OptimizerCase("sgd_ema", lambda k: k.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.8)),
    OptimizerCase(
        "sgd_ema_overwrite", lambda k: k.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=2)
    ),
    OptimizerCase("sgd_accumulation", lambda k: k.optimizers.SGD(0.1, momentum=0.9, gradient_accumulation_steps=2)),
    OptimizerCase(
        "sgd_exponential_decay", lambda k: k.optimizers.SGD(k.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5))
    ),
    OptimizerCase("sgd_loss_scale", lambda k: k.optimizers.SGD(0.1, loss_scale_factor=4.0)),
    OptimizerCase("muon", lambda k: k.optimizers.Muon(0.01)),
    OptimizerCase(
        "muon_plain",
        lambda k: k.optimizers.Muon(
            0.01, nesterov=False, rms_rate=None, adam_lr_ratio=0.5, weight_decay=None, adam_weight_decay=0.1
        ),
    ),
    OptimizerCase("muon_excluded", lambda k: k.optimizers.Muon(0.01, exclude_layers=["kern"])),
    OptimizerCase("schedule_free", lambda k: k.optimizers.ScheduleFreeAdamW(), torch_differs=True),
    OptimizerCase(
        "schedule_free_options",
        lambda k: k.optimizers.ScheduleFreeAdamW(0.1, 0.8, 0.9, 1e-3, warmup_steps=3, weight_decay=0.1, clipvalue=0.5),
        torch_differs=True,
    ),
    OptimizerCase("rmsprop", lambda k: k.optimizers.RMSprop()),
    OptimizerCase("rmsprop_momentum", lambda k: k.optimizers.RMSprop(0.01, rho=0.8, momentum=0.9)),
    OptimizerCase("rmsprop_centered", lambda k: k.optimizers.RMSprop(0.01, centered=True)),
    OptimizerCase(
        "rmsprop_centered_momentum", lambda k: k.optimizers.RMSprop(0.01, centered=True, momentum=0.5, epsilon=1e-3)
    ),
    OptimizerCase("adam", lambda k: k.optimizers.Adam()),
    OptimizerCase("adam_options", lambda k: k.optimizers.Adam(0.1, beta_1=0.8, beta_2=0.95, epsilon=0.1)),
    OptimizerCase("adam_amsgrad", lambda k: k.optimizers.Adam(0.1, beta_2=0.5, amsgrad=True)),
    OptimizerCase("adam_weight_decay", lambda k: k.optimizers.Adam(0.1, weight_decay=0.1)),
    OptimizerCase("adam_global_clipnorm", lambda k: k.optimizers.Adam(0.1, epsilon=0.1, global_clipnorm=0.5)),
    OptimizerCase("adam_ema", lambda k: k.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.9)),
    OptimizerCase("adam_accumulation", lambda k: k.optimizers.Adam(0.1, gradient_accumulation_steps=2)),
    OptimizerCase(
        "adam_cosine_decay",
        lambda k: k.optimizers.Adam(k.optimizers.schedules.CosineDecay(0.0, 4, warmup_target=0.1, warmup_steps=2)),
    ),
    OptimizerCase("adamw", lambda k: k.optimizers.AdamW()),
    OptimizerCase("adamw_clipnorm", lambda k: k.optimizers.AdamW(0.1, weight_decay=0.1, epsilon=0.1, clipnorm=0.5)),
    OptimizerCase("adamw_amsgrad", lambda k: k.optimizers.AdamW(0.1, weight_decay=0.1, beta_2=0.5, amsgrad=True)),
    OptimizerCase("adagrad", lambda k: k.optimizers.Adagrad()),
    OptimizerCase("adagrad_options", lambda k: k.optimizers.Adagrad(0.1, initial_accumulator_value=0.5, epsilon=1e-2)),
    OptimizerCase("adadelta", lambda k: k.optimizers.Adadelta()),
    OptimizerCase("adadelta_options", lambda k: k.optimizers.Adadelta(1.0, rho=0.8, epsilon=1e-2)),
    OptimizerCase("adamax", lambda k: k.optimizers.Adamax()),
    OptimizerCase("adamax_options", lambda k: k.optimizers.Adamax(0.1, beta_1=0.8, beta_2=0.5, epsilon=1e-2)),
    OptimizerCase("nadam", lambda k: k.optimizers.Nadam()),
    OptimizerCase("nadam_options", lambda k: k.optimizers.Nadam(0.1, beta_1=0.8, beta_2=0.95, epsilon=1e-2)),
    OptimizerCase("ftrl", lambda k: k.optimizers.Ftrl()),
    OptimizerCase(
        "ftrl_options",
        lambda k: k.optimizers.Ftrl(
            0.1,
            learning_rate_power=-0.6,
            initial_accumulator_value=0.2,
            l1_regularization_strength=0.05,
            l2_regularization_strength=0.1,
            l2_shrinkage_regularization_strength=0.1,
            beta=0.1,
        ),
    ),
    OptimizerCase("lion", lambda k: k.optimizers.Lion()),
    OptimizerCase("lion_options", lambda k: k.optimizers.Lion(0.1, beta_1=0.5, beta_2=0.8, weight_decay=0.1)),
    OptimizerCase("lamb", lambda k: k.optimizers.Lamb(0.1)),
    OptimizerCase("adafactor", lambda k: k.optimizers.Adafactor(0.1)),
)

SCHEDULE_STEPS = (0, 1, 5, 10, 50, 1000)

SCHEDULES = (  # (name, make)
    ("exponential_decay", lambda k: k.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)),
    ("exponential_decay_staircase", lambda k: k.optimizers.schedules.ExponentialDecay(0.1, 4, 0.9, staircase=True)),
    ("piecewise_constant_decay", lambda k: k.optimizers.schedules.PiecewiseConstantDecay([1, 10], [1.0, 0.5, 0.1])),
    ("polynomial_decay", lambda k: k.optimizers.schedules.PolynomialDecay(0.1, 20)),
    ("polynomial_decay_power", lambda k: k.optimizers.schedules.PolynomialDecay(0.1, 20, 0.01, power=2.0)),
    ("polynomial_decay_cycle", lambda k: k.optimizers.schedules.PolynomialDecay(0.1, 20, 0.01, power=0.5, cycle=True)),
    ("inverse_time_decay", lambda k: k.optimizers.schedules.InverseTimeDecay(0.1, 10, 0.5)),
    ("inverse_time_decay_staircase", lambda k: k.optimizers.schedules.InverseTimeDecay(0.1, 4, 0.5, staircase=True)),
    ("cosine_decay", lambda k: k.optimizers.schedules.CosineDecay(0.1, 20)),
    ("cosine_decay_alpha", lambda k: k.optimizers.schedules.CosineDecay(0.1, 60, alpha=0.2)),
    (
        "cosine_decay_warmup",
        lambda k: k.optimizers.schedules.CosineDecay(0.0, 60, alpha=0.1, warmup_target=0.2, warmup_steps=8),
    ),
    ("cosine_decay_restarts", lambda k: k.optimizers.schedules.CosineDecayRestarts(0.1, 8)),
    (
        "cosine_decay_restarts_options",
        lambda k: k.optimizers.schedules.CosineDecayRestarts(0.1, 6, t_mul=1.5, m_mul=0.9, alpha=0.1),
    ),
    ("cosine_decay_restarts_constant", lambda k: k.optimizers.schedules.CosineDecayRestarts(0.1, 7, t_mul=1.0)),
)


# ------------------------------------------------------- activations, regularizers, constraints, initializers

# Where each activation is compared (four columns, so that softmax and its kin see rows of one magnitude).
ACTIVATION_GRID = np.float32(
    [
        [-1e4, -700.0, -105.0, -89.0],
        [-87.0, -30.0, -20.0, -17.0],
        [-10.0, -7.0, -5.5, -4.5],
        [-3.5, -2.9, -2.1, -1.5],
        [-0.99, -0.7, -0.4, -0.1],
        [-1e-3, -1e-6, -1e-20, 1e-30],
        [1e-20, 1e-6, 1e-3, 0.1],
        [0.4, 0.7, 0.99, 1.5],
        [2.1, 2.9, 3.5, 4.5],
        [5.5, 6.5, 7.0, 10.0],
        [17.0, 20.0, 30.0, 87.0],
        [88.5, 105.0, 700.0, 1e4],
        [-90.0, -1.1, 1.1, 90.0],
        [-0.2, 0.3, -0.3, 0.2],
    ]
)

ACTIVATION_CALLS = (  # (name, call): every activation with its defaults, then with its arguments
    *((name, lambda k, x, name=name: k.activations.get(name)(x)) for name in ACTIVATIONS),
    ("relu_options", lambda k, x: k.activations.relu(x, negative_slope=0.1, max_value=3.0, threshold=0.5)),
    ("relu_threshold", lambda k, x: k.activations.relu(x, threshold=1.2)),
    ("leaky_relu_slope", lambda k, x: k.activations.leaky_relu(x, negative_slope=0.05)),
    ("elu_alpha", lambda k, x: k.activations.elu(x, alpha=0.5)),
    ("celu_alpha", lambda k, x: k.activations.celu(x, alpha=2.0)),
    ("gelu_approximate", lambda k, x: k.activations.gelu(x, approximate=True)),
    ("softmax_axis0", lambda k, x: k.activations.softmax(x, axis=0)),
    ("log_softmax_axis0", lambda k, x: k.activations.log_softmax(x, axis=0)),
    ("threshold", lambda k, x: k.activations.threshold(x, 0.5, -1.0)),
    ("hard_shrink_threshold", lambda k, x: k.activations.hard_shrink(x, threshold=1.2)),
    ("soft_shrink_threshold", lambda k, x: k.activations.soft_shrink(x, threshold=1.2)),
    ("squareplus_b", lambda k, x: k.activations.squareplus(x, b=1)),
)

REGULARIZED_SHAPE = (4, 5)

REGULARIZERS = (  # (name, make)
    ("l1", lambda k: k.regularizers.L1()),
    ("l1_option", lambda k: k.regularizers.L1(0.3)),
    ("l2", lambda k: k.regularizers.L2()),
    ("l2_option", lambda k: k.regularizers.L2(0.3)),
    ("l1_l2", lambda k: k.regularizers.L1L2()),
    ("l1_l2_options", lambda k: k.regularizers.L1L2(l1=0.1, l2=0.2)),
    ("orthogonal", lambda k: k.regularizers.OrthogonalRegularizer()),
    ("orthogonal_columns", lambda k: k.regularizers.OrthogonalRegularizer(factor=0.2, mode="columns")),
    ("get_l1", lambda k: k.regularizers.get("l1")),
    ("get_l2", lambda k: k.regularizers.get("l2")),
    ("get_l1_l2", lambda k: k.regularizers.get("L1L2")),
)

CONSTRAINED_SHAPE = (3, 2, 4, 5)

CONSTRAINTS = (  # (name, make)
    ("max_norm", lambda k: k.constraints.MaxNorm()),
    ("max_norm_half", lambda k: k.constraints.MaxNorm(0.5)),
    ("max_norm_axes", lambda k: k.constraints.MaxNorm(1.0, axis=[0, 1, 2])),
    ("non_neg", lambda k: k.constraints.NonNeg()),
    ("unit_norm", lambda k: k.constraints.UnitNorm()),
    ("unit_norm_last", lambda k: k.constraints.UnitNorm(axis=-1)),
    ("min_max_norm", lambda k: k.constraints.MinMaxNorm()),
    ("min_max_norm_rate", lambda k: k.constraints.MinMaxNorm(min_value=0.8, max_value=0.9, rate=0.5, axis=1)),
)

INITIALIZERS = (  # (name, make): only the configurations are compared, the random numbers are our own
    *(
        (cls, with_defaults("initializers", cls))
        for cls in (
            "Zeros",
            "Ones",
            "Constant",
            "RandomNormal",
            "RandomUniform",
            "TruncatedNormal",
            "VarianceScaling",
            "GlorotNormal",
            "GlorotUniform",
            "HeNormal",
            "HeUniform",
            "LecunNormal",
            "LecunUniform",
            "Orthogonal",
            "Identity",
        )
    ),
    ("constant_option", lambda k: k.initializers.Constant(0.5)),
    ("random_normal_options", lambda k: k.initializers.RandomNormal(mean=1.0, stddev=0.5, seed=3)),
    (
        "variance_scaling_options",
        lambda k: k.initializers.VarianceScaling(scale=2.0, mode="fan_avg", distribution="uniform"),
    ),
    ("get_glorot_uniform", lambda k: k.initializers.get("glorot_uniform")),
    ("get_zeros", lambda k: k.initializers.get("zeros")),
)


# ----------------------------------------------------------------------------------------------------- models


@dataclass(frozen=True)
class ModelCase:
    """A small Sequential model: its layers, the shape of its input (batch first), what compile() is given."""

    name: str
    layers: Build
    shape: Shape
    target: str  # kind of data
    target_shape: Shape
    loss: str | Build
    metrics: tuple[str, ...] = ()


MODELS = (
    ModelCase(
        "mlp",
        lambda k: [k.layers.Dense(8, activation="relu"), k.layers.Dense(4, activation="softmax")],
        (10, 6),
        "label",
        (10,),
        "sparse_categorical_crossentropy",
        ("accuracy",),
    ),
    ModelCase(
        "mlp_logits",
        lambda k: [k.layers.Dense(8, activation="tanh"), k.layers.Dense(4)],
        (10, 6),
        "label",
        (10,),
        lambda k: k.losses.SparseCategoricalCrossentropy(from_logits=True),
        ("accuracy",),
    ),
    ModelCase(
        "convnet",
        lambda k: [
            k.layers.Conv2D(4, 3, activation="relu"),
            k.layers.BatchNormalization(),
            k.layers.MaxPooling2D(),
            k.layers.Conv2D(6, 3, padding="same"),
            k.layers.ReLU(),
            k.layers.GlobalAveragePooling2D(),
            k.layers.Dense(3, activation="softmax"),
        ],
        (10, 8, 7, 2),
        "one_hot",
        (10, 3),
        "categorical_crossentropy",
        ("accuracy",),
    ),
    ModelCase(
        "regression",
        lambda k: [k.layers.Dense(8, activation="tanh", kernel_regularizer="l2"), k.layers.Dense(1)],
        (10, 3),
        "real",
        (10,),
        "mse",
        ("mae", "mse"),
    ),
    ModelCase(
        "binary",
        lambda k: [k.layers.Dense(6, activation="relu"), k.layers.Dense(1, activation="sigmoid")],
        (10, 2),
        "binary",
        (10, 1),
        "binary_crossentropy",
        ("accuracy", "AUC"),
    ),
)

MODEL_OPTIMIZERS = (  # (name, what compile() is given: a name, or make)
    ("sgd_name", "sgd"),
    ("adam_name", "adam"),
    ("sgd_nesterov", lambda k: k.optimizers.SGD(0.05, momentum=0.9, nesterov=True)),
    ("rmsprop", lambda k: k.optimizers.RMSprop(0.01)),
    ("adam", lambda k: k.optimizers.Adam(0.05)),
    ("adamw_clipnorm", lambda k: k.optimizers.AdamW(0.05, weight_decay=0.1, clipnorm=0.5)),
    (
        "adam_schedule_ema",
        lambda k: k.optimizers.Adam(
            k.optimizers.schedules.ExponentialDecay(0.05, 2, 0.5), use_ema=True, ema_momentum=0.5
        ),
    ),
)

# FIT_EPOCHS epochs of fit(shuffle=False) with Adam(FIT_RATE): (name, arguments of fit). "rows" stands for one
# weight a row ("row_weights"), "half" for the rows from len(x) // 2 on.
FITS = (
    ("plain", {"batch_size": 4}),
    ("full_batch", {"batch_size": 32}),
    ("validation_split", {"batch_size": 4, "validation_split": 0.3}),
    ("validation_data", {"batch_size": 3, "validation_data": "half"}),
    ("sample_weight", {"batch_size": 4, "sample_weight": "rows"}),
    ("class_weight", {"batch_size": 4, "class_weight": {0: 1.0, 1: 3.0, 2: 0.5, 3: 2.0}}),
    ("steps_per_epoch", {"batch_size": 3, "steps_per_epoch": 1}),
)
FIT_EPOCHS = 3
FIT_RATE = 0.02
