"""Attention layers: the order of their weights, whose activity they regularize, and the shapes that they keep."""

import numpy as np
import pytest

import fastnn


@pytest.mark.parametrize(
    "layer",
    [
        fastnn.layers.MultiHeadAttention(num_heads=2, key_dim=2, use_gate=True, use_bias=False),
        fastnn.layers.GroupQueryAttention(2, 4, 2, use_gate=True, use_bias=False),
    ],
)
def test_the_gate_stands_before_the_value_as_in_keras(layer):
    x = fastnn.Input((6, 3))
    layer(x, x)
    names = [weight.path.split("/")[-2] for weight in layer.weights]
    assert names == ["query", "key", "gate", "value", "attention_output"]


@pytest.mark.parametrize(
    ("layer", "losses"),
    [
        (fastnn.layers.MultiHeadAttention(num_heads=2, key_dim=2, activity_regularizer="l2"), 4),
        (fastnn.layers.GroupQueryAttention(2, 4, 2, activity_regularizer="l2"), 5),
    ],
)
def test_the_activity_of_the_dense_layers_is_regularized(layer, losses):
    """Keras' documentation says so; Keras' GroupQueryAttention regularizes its own output as well."""
    x = fastnn.Input((6, 3))
    model = fastnn.Model(x, layer(x, x))
    model.compile(loss=lambda y_true, y_pred: 0.0 * y_pred)
    value = np.random.default_rng(0).normal(size=(2, 6, 3)).astype(np.float32)
    dense = {name: part for name, part in vars(layer).items() if name.endswith("_dense")}
    results = [next(d for name, d in dense.items() if word in name)(value) for word in ("query", "key", "value")]
    results += [model(value)] * (losses - 3)
    expected = sum(0.01 * float(np.sum(np.square(result))) / len(value) for result in results)
    assert model.evaluate(value, value, verbose=0) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "layer",
    [fastnn.layers.MultiHeadAttention(num_heads=2, key_dim=2), fastnn.layers.GroupQueryAttention(2, 4, 2)],
)
def test_the_configuration_keeps_a_fixed_batch_size(layer):
    layer(fastnn.Input((6, 3), batch_size=4), fastnn.Input((5, 2), batch_size=4))
    assert layer.get_build_config() == {"shapes_dict": {"query_shape": (4, 6, 3), "value_shape": (4, 5, 2)}}
