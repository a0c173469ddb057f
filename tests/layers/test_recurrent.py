"""A recurrent layer as one primitive gives what it gives step by step: outputs, states and gradients."""

import numpy as np
import pytest

import fastnn
from fastnn import ops
from fastnn.engine.executable import Rows, executable
from fastnn.graph.gradients import gradients
from fastnn.graph.program import Program

L = fastnn.layers
N, T, K, UNITS = 5, 6, 3, 4
OPTIONS = (
    {}, {"return_sequences": True}, {"go_backwards": True}, {"return_sequences": True, "go_backwards": True},
    {"return_state": True}, {"return_sequences": True, "return_state": True, "go_backwards": True},
    {"zero_output_for_mask": True}, {"zero_output_for_mask": True, "go_backwards": True},
    {"zero_output_for_mask": True, "return_sequences": True}, {"use_bias": False}, {"dropout": 0.4, "seed": 3},
)  # fmt: skip


def same_layers(cls, options):
    """One as one primitive, one step by step."""
    layers = [getattr(L, cls)(UNITS, unroll=unroll, **options) for unroll in (False, True)]
    rng = np.random.default_rng(3)
    for layer in layers:
        layer.build((N, T, K))
    weights = [rng.standard_normal(w.shape).astype(np.float32) for w in layers[0].get_weights()]
    for layer in layers:
        layer.set_weights(weights)
    return layers


def outputs_and_gradients(layer, masked, started, training):
    """All that comes out, and the gradients of its weighted sum for everything that goes in."""
    rng = np.random.default_rng(11)
    states = len(layer.cell.get_initial_state(1))
    shapes = [(N, T, K)] + [(N, UNITS)] * (states * started)
    mask = rng.random((N, T)) < 0.6
    mask[0], mask[1], mask[2, :2], mask[3, -2:] = False, True, False, False
    with Program() as program:
        x, *initial = [program.input(s) for s in shapes]
        options = {"initial_state": initial} if started else {}
        y = layer(x, mask=mask if masked else None, training=training, **options)
        y = y if isinstance(y, list) else [y]
        weights = [rng.standard_normal(t.shape).astype(np.float32) for t in y]
        total = sum(ops.sum(a * w) for a, w in zip(y, weights, strict=True))
        sources = [x, *initial, *(program.variable(v) for v in layer.trainable_weights)]
        program.outputs = [*y, *gradients(total, sources)]
    arrays = [rng.standard_normal(s).astype(np.float32) for s in shapes]
    results = [np.full(t.shape, np.nan, t.dtype) for t in program.outputs]
    executable(program, "native").run([Rows(a) for a in arrays], results, batch=N)
    return results, {i.primitive.name for i in program.instructions}


@pytest.mark.parametrize("cls", ["SimpleRNN", "LSTM", "GRU"])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(o) or "plain")
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("started", [False, True])
def test_at_once_and_step_by_step(cls, options, masked, started):
    results, used = zip(
        *(outputs_and_gradients(layer, masked, started, training=True) for layer in same_layers(cls, options)),
        strict=True,
    )
    name = {"SimpleRNN": "simple_rnn", "LSTM": "lstm", "GRU": "gru"}[cls]
    assert name in used[0] and name not in used[1]
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(
    "cls, options, training",
    [
        ("LSTM", {"activation": "relu"}, False),
        ("LSTM", {"recurrent_activation": "hard_sigmoid"}, False),
        ("GRU", {"reset_after": False}, False),
        ("SimpleRNN", {"activation": None}, False),
        ("GRU", {"recurrent_dropout": 0.5}, True),
    ],
)
def test_other_cells_go_step_by_step(cls, options, training):
    _, used = outputs_and_gradients(same_layers(cls, options)[0], False, False, training)
    assert not used & {"simple_rnn", "lstm", "gru"}


def test_without_recurrent_dropout_outside_training():
    _, used = outputs_and_gradients(same_layers("GRU", {"recurrent_dropout": 0.5})[0], False, False, False)
    assert "gru" in used


def test_unrolled_layers_can_be_differentiated_twice():
    for layer in same_layers("LSTM", {}):
        with Program() as program:
            x = program.input((N, T, K))
            (first,) = gradients(ops.sum(layer(x)), [x])
            if layer.unroll:
                assert gradients(ops.sum(ops.square(first)), [x])[0].shape == x.shape
            else:
                with pytest.raises(ValueError, match="has no gradient"):
                    gradients(ops.sum(ops.square(first)), [x])


def test_an_empty_sequence_is_refused():
    with Program() as program, pytest.raises(ValueError, match="t >= 1"):
        L.LSTM(2)(program.input((2, 0, 3)))


@pytest.mark.parametrize("cls", [fastnn.layers.SimpleRNN, fastnn.layers.LSTM, fastnn.layers.GRU])
@pytest.mark.parametrize(
    "n, t, k, inside", [(16, 5, 3, True), (15, 5, 3, False), (16, 1, 3, False), (16, 2, 70_000, False)]
)
def test_where_the_inputs_meet_the_kernel(cls, n, t, k, inside):
    """The product is a part of the step, or one before it for few sequences, one element or a large kernel."""
    model = fastnn.Sequential([fastnn.Input((t, k)), cls(2, bias_initializer="ones")])
    x = np.random.default_rng(0).standard_normal((n, t, k), dtype=np.float32) / k
    y = model.predict_on_batch(x)
    rows = model.program("predict", batch_size=n).rows
    assert ("matmul" in [row["kernel"] for row in rows]) != inside
    width = model.layers[0].cell.gates * 2
    assert sum(row["flops"] for row in rows) == 2 * n * t * width * (k + 2)
    expected = model.predict_on_batch(np.concatenate([x, x[:1]]))[:n]
    np.testing.assert_array_equal(y, expected, "the bits do not depend on the other sequences")


def test_stacked_cells_of_users_need_only_a_state_size():
    class Cell(fastnn.layers.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units, self.state_size = units, units

        def build(self, input_shape):
            self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer="ones", name="kernel")

        def call(self, inputs, states):
            state = ops.matmul(inputs, self.kernel) + ops.sum(states[0], axis=-1, keepdims=True)
            return state, [state]

    x = np.ones((1, 2, 3), "float32")
    np.testing.assert_array_equal(fastnn.layers.RNN([Cell(2), Cell(1)])(x), [[6 + 18]])
