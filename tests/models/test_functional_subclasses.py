"""Subclasses of Model with declared inputs and outputs: configurations, files, copies."""

import copy

import numpy as np
import pytest

import fastnn as keras
from fastnn import layers, ops

X = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")


def ends(units=3):
    x = keras.Input((4,), name="in")
    return x, layers.Dense(units, name="dense")(x)


@keras.saving.register_keras_serializable("subclasses")
class Plain(keras.Model):
    """Nothing but another training step."""

    def train_step(self, data):
        return {**super().train_step(data), "own": 1.0}


@keras.saving.register_keras_serializable("subclasses")
class HandsOn(Plain):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.extra = 7


@keras.saving.register_keras_serializable("subclasses")
class Sized(keras.Model):
    def __init__(self, units=3, **kwargs):
        super().__init__(*ends(units), **kwargs)
        self.units = units


@keras.saving.register_keras_serializable("subclasses")
class SizedAlone(keras.Model):
    def __init__(self, units=3):
        super().__init__(*ends(units))
        self.units = units


@keras.saving.register_keras_serializable("subclasses")
class OwnConfig(Sized):
    def get_config(self):
        return {"units": self.units, "name": self.name}


@keras.saving.register_keras_serializable("subclasses")
class WithHead(Sized):
    """A layer that is not between the declared tensors."""

    def __init__(self, units=3, **kwargs):
        super().__init__(units, **kwargs)
        self.head = layers.Dense(2, name="head")

    def call(self, x, training=None):
        return self.head(ops.relu(super().call(x)))


MODELS = {
    "plain": lambda: Plain(*ends(), name="p"),
    "hands_on": lambda: HandsOn(*ends(), name="h"),
    "sized": lambda: Sized(5, name="s"),
    "sized_alone": lambda: SizedAlone(5),
    "own_config": lambda: OwnConfig(5, name="o"),
    "with_head": lambda: WithHead(5, name="w"),
}


@pytest.mark.parametrize("kind", MODELS)
def test_configurations_files_and_copies(kind, tmp_path):
    model = MODELS[kind]()
    model.compile("adam", "mse")
    y = np.zeros(model(X).shape)
    model.fit(X, y, epochs=2, verbose=0)
    again = type(model).from_config(model.get_config())
    assert type(again) is type(model) and again.name == model.name
    again(X)
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again(X), model(X))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is type(model)
    assert getattr(loaded, "units", None) == getattr(model, "units", None)
    for other in (loaded, copy.deepcopy(model)):
        np.testing.assert_array_equal(other.predict(X, verbose=0), model.predict(X, verbose=0))
    assert int(loaded.optimizer.iterations) == 2
    assert loaded.train_on_batch(X, y) == model.train_on_batch(X, y)
    np.testing.assert_array_equal(loaded(X), model(X))


def test_the_class_stays_with_the_graph():
    model = MODELS["plain"]()
    assert sorted(model.get_config()) == ["input_layers", "layers", "name", "output_layers", "trainable"]  # as Keras'
    clone = keras.models.clone_model(model)
    assert type(clone) is Plain and type(clone.layers[1]) is layers.Dense and clone.layers[1] is not model.layers[1]
    model.compile("sgd", "mse")
    assert list(model.fit(X, X[:, :3], verbose=0).history) == ["loss", "own"]
    assert MODELS["hands_on"]().extra == 7


def test_a_frozen_model_stays_frozen():
    model = SizedAlone(2)
    model.trainable = False
    assert not SizedAlone.from_config(model.get_config()).trainable_variables


def test_inputs_and_outputs_of_a_subclass():
    model = MODELS["with_head"]()
    assert model.input_shape == (None, 4) and model.output_shape == (None, 5)
    assert model(X).shape == (6, 2) and model.predict(X, verbose=0).shape == (6, 2)
    inner = keras.Model(model.input, model.get_layer("dense").output)
    np.testing.assert_allclose(inner(X), X @ model.get_weights()[0] + model.get_weights()[1], atol=1e-6)
