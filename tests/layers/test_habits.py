"""Layers of one's own, and how layers are called."""

import inspect
import json

import numpy as np
import pytest
from golden import store

from fastnn import activations, layers, ops

X = np.ones((2, 4), "float32")


class Block(layers.Layer):
    def build(self, input_shape):
        self.inner = layers.Dense(3, name="inner")
        self.w = self.add_weight((3,), "ones")
        self.b = self.add_weight((3,), "zeros")
        self.seen = input_shape

    def call(self, x):
        return self.inner(x) * self.w + self.b


class Wider(Block):
    def build(self, input_shape):
        super().build(input_shape)
        self.c = self.add_weight((), name="c")


def test_paths_and_names_of_weights():
    layer = Wider(name="block")
    layer(X)
    paths = ["block/variable", "block/variable_1", "block/c", "block/inner/kernel", "block/inner/bias"]
    assert [w.path for w in layer.weights] == paths


def test_build_sees_an_open_batch_size():
    layer = Block()
    assert layer.compute_output_shape((None, 4)) == (None, 3)
    assert layer.seen == (None, 4)


def test_unknown_sizes_of_images():
    assert layers.Conv2D(5, 7).compute_output_shape((None, None, None, 3)) == (None, None, None, 5)
    assert layers.MaxPooling2D(3).compute_output_shape((None, None, 9, 3)) == (None, None, 3, 3)


def test_nested_lists_are_arrays():
    y = layers.Dense(2, kernel_initializer="ones")([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(y, [[3, 3], [7, 7]])


@pytest.mark.parametrize("units", [None, "10", 0, 2.5, True])
def test_units(units):
    with pytest.raises(ValueError, match="positive integer"):
        layers.Dense(units)


@pytest.mark.parametrize(
    ("shape", "repair"), [((2, 3), "built for 4 features"), ((4,), r"x\[None\]"), ((2, 2, 3), "Flatten")]
)
def test_dense_on_wrong_shapes(shape, repair):
    layer = layers.Dense(1)
    layer(X)
    with pytest.raises(ValueError, match=repair):
        layer(np.ones(shape, "float32"))


def test_arguments_are_kept_for_the_config():
    class Scaled(layers.Layer):
        def __init__(s, factor, **kwargs):  # noqa: N805, self goes by any name
            super().__init__(**kwargs)
            s.factor = factor

    assert Scaled(3).get_config()["factor"] == 3 and "s" not in Scaled(3).get_config()


def test_forgotten_parts():
    class NoSuper(layers.Layer):
        def __init__(self):
            self.inner = layers.Dense(2)

    class NoReturn(layers.Layer):
        def call(self, x):
            ops.square(x)

    with pytest.raises(AttributeError, match="super"):
        NoSuper()(X)
    with pytest.raises(ValueError, match="returned None"):
        NoReturn()(X)
    with pytest.raises(TypeError, match="Sequential"):
        layers.Dense(2)(layers.Dense(3))


def test_input_takes_the_arguments_of_keras():
    signatures = json.loads((store.FOLDER / "configs.json").read_text())["signatures"]
    for name in ("Input", "InputLayer"):
        parameters = list(inspect.signature(getattr(layers, name)).parameters)
        assert parameters == [argument.removeprefix("**") for argument, *_ in signatures[f"layers.{name}"]]
    like = layers.Dense(3)(layers.Input((4,), 5))
    again = layers.Input(tensor=like)
    assert again.shape == (5, 3) and again.dtype == like.dtype and again is not like
    for arguments, words in (
        ({"shape": (4,), "sparse": True}, "dense arrays"), ({"shape": (4,), "ragged": True}, "dense arrays"),
        ({"shape": (4,), "optional": True}, "optional"), ({"tensor": X}, "pass arrays to the model"),
        ({"tensor": like, "shape": (4,)}, "leave shape and dtype out"), ({}, "batch_shape"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            layers.Input(**arguments)


@pytest.mark.parametrize(
    "layer", [layers.Dense(2), layers.Conv1D(2, 1), layers.EinsumDense("ab,bc->ac", 2), layers.Activation(None)]
)
def test_no_activation_is_a_function_too(layer):
    assert layer.activation is activations.linear
    assert layer.activation.__name__ == "linear"


def test_an_activation_may_be_taken_away():
    layer = layers.Dense(2, activation="softmax")
    layer.activation = None
    y = layer(np.ones((1, 3), "float32"))
    np.testing.assert_allclose(y, np.ones((1, 3)) @ layer.kernel.numpy(), rtol=1e-6)
    assert layer.get_config()["activation"] == "linear"
