"""Models as JSON texts."""

import json

import numpy as np
import pytest

import fastnn as keras
from fastnn.models import model_from_json
from fastnn.saving import ModelFormatError, budget


def model():
    net = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(3)], name="net")
    net.compile(keras.optimizers.Adam(0.25), "mse", metrics=["mae"])
    return net


def test_round_trip():
    first = model()
    again = model_from_json(first.to_json())
    assert json.loads(again.to_json()) == json.loads(first.to_json())
    assert again.compiled and float(again.optimizer.learning_rate) == 0.25
    again.set_weights(first.get_weights())
    x = np.ones((2, 6), np.float32)
    np.testing.assert_array_equal(first.predict(x, verbose=0), again.predict(x, verbose=0))


def test_arguments_of_dumps():
    assert model().to_json(indent=2).startswith('{\n  "')


def test_own_classes():
    class Twice(keras.layers.Layer):
        def call(self, x):
            return x + x

    text = keras.Sequential([keras.Input((3,)), Twice()]).to_json()
    with pytest.raises(ModelFormatError, match="custom_objects"):
        model_from_json(text)
    again = model_from_json(text, custom_objects={"Twice": Twice})
    np.testing.assert_array_equal(again.predict(np.ones((1, 3)), verbose=0), [[2, 2, 2]])


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"class_name": "Popen", "module": "subprocess", "config": {}}', "NaN"]
)
def test_other_texts_are_refused(text):
    with pytest.raises(ModelFormatError):
        model_from_json(text)


def test_weights_are_drawn():
    kernel, bias, *_ = model_from_json(model().to_json()).get_weights()
    assert np.abs(kernel).min() > 0
    assert not bias.any()


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            [keras.Input((10,)), keras.layers.Dense(10)],
            r"a weight of shape \(10, 1000000000\).*make larger ones in code",
        ),
        ([keras.Input((10**5, 2)), keras.layers.SimpleRNN(10, unroll=True)], "more than 1000 operations"),
    ],
)
def test_a_short_text_cannot_ask_for_much(layers, message, monkeypatch):
    monkeypatch.setattr(budget, "MAX_OPERATIONS", 1000)
    config = json.loads(keras.Sequential([layers[0], keras.layers.Flatten()]).to_json())
    config["config"]["layers"][1:] = [keras.saving.serialize_keras_object(layers[1])]
    del config["config"]["build_input_shape"], config["build_config"]
    config["config"]["layers"][1]["config"]["units"] *= 10**8 if isinstance(layers[1], keras.layers.Dense) else 1
    with pytest.raises(ModelFormatError, match=message):
        model_from_json(json.dumps(config))


def test_a_text_may_ask_for_more_than_a_file_that_stores_nothing():
    text = keras.Sequential([keras.Input((1200,)), keras.layers.Dense(1000)]).to_json()
    assert model_from_json(text).count_params() == 1_201_000
