"""Attention layers: the order of their weights."""

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
