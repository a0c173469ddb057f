"""Models as JSON texts."""

import json

import numpy as np
import pytest

import fastnn as keras
from fastnn.models import model_from_json
from fastnn.saving import ModelFormatError


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
