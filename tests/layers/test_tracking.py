"""What layers hold: layers, metrics and variables among attributes."""

import copy
import pickle

import numpy as np
import pytest

import fastnn as keras


class Holder(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.head = None
        self.vectors = [keras.Variable(np.ones(3)), keras.Variable(np.ones(2))]
        self.frozen = keras.Variable(np.ones(4), trainable=False)
        self.last = keras.Variable(np.ones(5))
        self.body = keras.layers.Dense(2, name="body")
        self.head = keras.layers.Dense(1, name="head")
        self.blocks = {"more": ()}

    def call(self, x):
        return self.head(self.body(x)) * keras.ops.sum(self.vectors[0])


def shapes(variables):
    return [v.shape for v in variables]


def test_weights_come_in_the_order_of_keras():
    """The expected order is that of Keras 3.15."""
    layer = Holder()
    layer(np.ones((1, 2), np.float32))
    assert shapes(layer.weights) == [(3,), (2,), (5,), (4,), (2, 2), (2,), (2, 1), (1,)]
    assert [inner.name for inner in layer._layers] == ["body", "head"]


def test_variables_in_lists_are_trained():
    model = keras.Sequential([keras.layers.Input((2,)), Holder()])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    layer = model.layers[0]
    with pytest.warns(UserWarning, match="does not depend"):
        model.fit(np.ones((4, 2)), np.zeros((4, 1)), verbose=0)
    assert (layer.vectors[0].numpy() != 1).all()
    assert (layer.vectors[1].numpy() == 1).all()


def test_what_lists_and_dicts_hold_may_change():
    layer = Holder()
    metric = keras.metrics.Mean(name="seen")
    layer.blocks["more"] = (keras.layers.Dense(1, name="late"), [metric])
    assert [inner.name for inner in layer._layers] == ["body", "head", "late"]
    assert layer.metrics == [metric]
    layer.blocks.clear()
    layer.head = None
    assert [inner.name for inner in layer._layers] == ["body"]
    assert layer.metrics == []
    del layer.body
    assert layer._layers == []


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies_hold_their_own(duplicate):
    layer = Holder()
    layer(np.ones((1, 2), np.float32))
    other = duplicate(layer)
    assert shapes(other.weights) == shapes(layer.weights)
    assert not {id(v) for v in other.weights} & {id(v) for v in layer.weights}
    other.tail = keras.layers.Dense(1)
    assert len(other._layers) == len(layer._layers) + 1


def test_states_of_stateful_layers_are_no_weights():
    layer = keras.layers.LSTM(3, stateful=True)
    layer.build((2, 4, 5))
    assert len(layer.states) == 2
    assert len(layer.weights) == 3


def test_a_layer_may_hold_the_model_that_it_is_in(tmp_path):
    layer = Holder()
    model = keras.Sequential([keras.layers.Input((2,)), layer])
    count = len(model.weights)
    layer.model = model
    assert len(model.weights) == len(layer.weights) == len(model.variables) == count
    model.trainable = False
    assert not layer.body.trainable
    assert not layer.trainable_weights
    model.trainable = True
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="does not depend"):
        model.fit(np.ones((4, 2)), np.zeros((4, 1)), verbose=0)
    model.save_weights(tmp_path / "m.weights.h5")
    model.load_weights(tmp_path / "m.weights.h5")
