"""Shapes that build() gets, and what configurations keep of them and of calls: Keras' rules for several tensors."""

import io

import numpy as np
import pytest

import fastnn
from fastnn import layers, ops


def states(*names):
    return [layers.Input((4,), name=name) for name in names]


SEQUENCE, STATE = (None, 5, 3), (None, 4)
STARTED = {  # call of a recurrent layer: what Keras 3.15 writes for its building
    "without states": (lambda x: layers.LSTM(4)(x), {"input_shape": SEQUENCE}),
    "by name": (
        lambda x: layers.LSTM(4)(x, initial_state=states("h", "c")),
        {"shapes_dict": {"sequences_shape": SEQUENCE, "initial_state_shape": [STATE, STATE]}},
    ),
    "by place": (
        lambda x: layers.SimpleRNN(4)(x, states("h")),
        {"shapes_dict": {"sequences_shape": SEQUENCE, "initial_state_shape": [STATE]}},
    ),
    "one tensor": (
        lambda x: layers.GRU(4)(initial_state=states("h")[0], sequences=x),
        {"shapes_dict": {"sequences_shape": SEQUENCE, "initial_state_shape": STATE}},
    ),
    "both ways": (
        lambda x: layers.Bidirectional(layers.GRU(4))(x, initial_state=states("h", "g")),
        {"shapes_dict": {"sequences_shape": SEQUENCE, "initial_state_shape": [STATE, STATE]}},
    ),
}


@pytest.mark.parametrize("name", STARTED)
def test_recurrent_layers_keep_the_shapes_of_their_states(name):
    call, expected = STARTED[name]
    layer = call(layers.Input((5, 3))).data.operation
    assert layer.get_build_config() == expected
    again = type(layer).from_config(layer.get_config())
    again.build_from_config(expected)
    assert [v.shape for v in again.weights] == [v.shape for v in layer.weights]
    assert again.get_build_config() == expected


@pytest.mark.parametrize("kind", [layers.SimpleRNN, layers.GRU])
def test_an_initial_state_may_be_a_tensor(kind):
    x, state = np.ones((2, 5, 3), "float32"), np.full((2, 4), 0.5, "float32")
    layer = kind(4)
    expected = layer(x, initial_state=[state])
    inputs = [layers.Input((5, 3)), layers.Input((4,))]
    model = fastnn.Model(inputs, layer(inputs[0], initial_state=inputs[1]))
    # five steps of sums of seven products of numbers below 1, in another order: less than 64 roundings
    np.testing.assert_allclose(model.predict([x, state], verbose=0), expected, rtol=0, atol=64 * 2.0**-24)


def own():
    class Pair(layers.Layer):
        def build(self, a_shape, b_shape, c_shape=None):
            self.kernel = self.add_weight(shape=(a_shape[-1], b_shape[-1]), initializer="ones", name="kernel")

        def call(self, a, b, c=None, scale=1.0):
            y = ops.matmul(a, self.kernel) * b * scale
            return y if c is None else y + c[0]

    class Nested(layers.Layer):
        def build(self, pair_shape, more_shape=None):
            self.kernel = self.add_weight(shape=(pair_shape["x"][-1],), initializer="ones", name="kernel")

        def call(self, pair, more=None):
            return pair["x"] * self.kernel + pair["y"]

    class First(layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1],), initializer="ones", name="kernel")

        def call(self, a, b=None):
            return a * self.kernel + b

    return {"Pair": Pair, "Nested": Nested, "First": First}


OWN = own()
A, B = (None, 3), (None, 2)
CALLS = {  # call: (shapes of build, names of arguments that were given by place, by name)
    "by place": (lambda a, b: OWN["Pair"]()(a, b), {"a_shape": A, "b_shape": B}, 2, []),
    "by name": (lambda a, b: OWN["Pair"]()(b=b, a=a), {"a_shape": A, "b_shape": B}, 0, ["a", "b"]),
    "both": (lambda a, b: OWN["Pair"]()(a, b=b, scale=2.0), {"a_shape": A, "b_shape": B}, 1, ["b", "scale"]),
    "list": (lambda a, b: OWN["Pair"]()(a, b, c=[b]), {"a_shape": A, "b_shape": B, "c_shape": [B]}, 2, ["c"]),
    "dict": (lambda a, b: OWN["Nested"]()({"x": a, "y": a}), {"pair_shape": {"x": A, "y": A}}, 1, []),
    "dict name": (lambda a, b: OWN["Nested"]()(pair={"x": a, "y": a}), {"pair_shape": {"x": A, "y": A}}, 0, ["pair"]),
    "one shape": (lambda a, b: OWN["First"]()(b=a, a=a), {"shape": A}, 0, ["a", "b"]),
    "heads": (
        lambda a, b: layers.MultiHeadAttention(2, 2)(value=layers.Reshape((1, 2))(b), query=layers.Reshape((1, 3))(a)),
        {"query_shape": (None, 1, 3), "value_shape": (None, 1, 2)}, 0, ["query", "value"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_calls_on_several_tensors_are_kept_as_they_were_made(name):
    call, shapes, by_place, by_name = CALLS[name]
    inputs = [layers.Input((3,), name="a"), layers.Input((2,), name="b")]
    output = call(*inputs)
    model = fastnn.Model(inputs, [output, inputs[1]])
    entry = next(e for e in model.get_config()["layers"] if e["name"] == output.data.operation.name)
    expected = {"input_shape": next(iter(shapes.values()))} if len(shapes) == 1 else {"shapes_dict": shapes}
    assert entry["build_config"] == expected
    assert len(entry["inbound_nodes"][0]["args"]) == by_place
    assert sorted(entry["inbound_nodes"][0]["kwargs"]) == by_name

    file = io.BytesIO()
    fastnn.saving.save_model(model, file)
    again = fastnn.saving.load_model(io.BytesIO(file.getvalue()), custom_objects=OWN)
    assert again.get_config() == model.get_config()
    values = [np.arange(6, dtype="float32").reshape(2, 3), np.ones((2, 2), "float32")]
    np.testing.assert_array_equal(again(values)[0], model(values)[0])


def test_build_with_several_shapes_names_arguments_of_the_call():
    class Wrong(layers.Layer):
        def build(self, a_shape, other):
            pass

        def call(self, a, b):
            return a

    with pytest.raises(ValueError, match="'other' is no such name"):
        Wrong()(np.ones((2, 3)), np.ones((2, 3)))


def test_shapes_in_a_file_that_build_does_not_take_are_refused():
    layer = layers.LSTM(4)
    config = fastnn.saving.serialize_keras_object(layer)
    config["build_config"] = {"shapes_dict": {"sequences_shape": [None, 5, 3], "self": [1]}}
    with pytest.raises(fastnn.ModelFormatError, match=r"build\(\) takes no \['self'\]"):
        fastnn.saving.deserialize_keras_object(config)


def test_a_class_without_a_constructor_keeps_the_defaults_of_layer():
    """As Keras writes them."""
    config = OWN["Pair"](name="pair").get_config()
    assert config.pop("dtype")["config"] == {"name": "float32"}
    assert config == {"name": "pair", "trainable": True, "activity_regularizer": None, "autocast": True}
    assert set(layers.Add(name="add").get_config()) == {"name", "trainable", "dtype"}
