"""Layers that take several inputs, and masks, against Keras' own numbers."""

import attention_cases
import numpy as np
import pytest
from golden import store

import fastnn
from fastnn import ops
from fastnn.engine.executable import Rows, executable
from fastnn.graph.gradients import gradients
from fastnn.graph.program import Program

GOLDEN = store.load("attention")


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize(
    "name, make, shapes, call", attention_cases.TABLE, ids=lambda v: v if isinstance(v, str) else ""
)
def test_output_and_gradients(name, make, shapes, call, engine):
    entry = GOLDEN[name]
    layer = make(fastnn)
    call(layer, *entry["inputs"])  # builds it
    layer.set_weights(entry["weights"])
    np.testing.assert_allclose(call(layer, *entry["inputs"]), entry["output"], rtol=2e-4, atol=3e-5)
    with Program() as program:
        inputs = [program.input(shape) for shape in shapes]
        y = call(layer, *inputs)
        seed = program.input(y.shape)
        sources = inputs + [program.variable(v) for v in layer.weights]
        found = gradients(ops.sum(y * seed), sources)
        zeros = (program.constant(np.zeros(t.shape, np.float32)) for t in sources)
        program.outputs = [y, *(z if g is None else g for g, z in zip(found, zeros, strict=True))]
    rows = [Rows(x) for x in (*entry["inputs"], entry["cotangent"])]
    outputs = [np.full(t.shape, -1, t.dtype) for t in program.outputs]
    executable(program, engine).run(
        rows, outputs, batch=len(rows[0].array) if hasattr(rows[0], "array") else shapes[0][0]
    )
    for mine, theirs in zip(outputs, [entry["output"], *entry["gradients"]], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-4, atol=3e-5)


@pytest.mark.parametrize("cls", ["SimpleRNN", "LSTM", "GRU"])
def test_masked_elements_leave_the_state_alone(cls):
    """Sequences of different lengths, filled up with zeros, give what each gives alone."""
    L = fastnn.layers
    model = fastnn.Sequential([fastnn.Input((5, 2)), L.Masking(), getattr(L, cls)(3)])
    x = np.random.default_rng(0).standard_normal((2, 5, 2)).astype(np.float32)
    x[1, 3:] = 0
    short = fastnn.Sequential([fastnn.Input((3, 2)), L.Masking(), getattr(L, cls)(3)])
    short.set_weights(model.get_weights())
    np.testing.assert_allclose(model.predict(x, verbose=0)[1], short.predict(x[1:, :3], verbose=0)[0], rtol=1e-6)


def test_an_embedding_gives_its_mask_to_the_next_layer():
    L = fastnn.layers
    model = fastnn.Sequential([fastnn.Input((4,), dtype="int32"), L.Embedding(6, 3, mask_zero=True), L.LSTM(2)])
    rows = model.predict(np.int32([[1, 2, 0, 0], [1, 2, 0, 3]]), verbose=0)
    short = fastnn.Sequential([fastnn.Input((2,), dtype="int32"), L.Embedding(6, 3, mask_zero=True), L.LSTM(2)])
    short.set_weights(model.get_weights())
    np.testing.assert_allclose(rows[0], short.predict(np.int32([[1, 2]]), verbose=0)[0], rtol=1e-6)
    assert np.abs(rows[0] - rows[1]).max() > 1e-4


@pytest.mark.parametrize(
    "make",
    [
        lambda L: L.LSTM(3, return_sequences=True),
        lambda L: L.Bidirectional(L.GRU(3)),
        lambda L: L.RNN([L.LSTMCell(3), L.SimpleRNNCell(2)]),
        lambda L: L.TimeDistributed(L.Dense(3)),
        lambda L: L.SpectralNormalization(L.Dense(3)),
        lambda L: L.EinsumDense("abc,cd->abd", (4, 3), bias_axes="d"),
        lambda L: L.GroupNormalization(2),
        lambda L: L.Conv1DTranspose(3, 2, 2, output_padding=1),
    ],
)
def test_a_file_keeps_the_layer(make, tmp_path):
    model = fastnn.Sequential([fastnn.Input((4, 2)), make(fastnn.layers)])
    x = np.random.default_rng(0).standard_normal((3, 4, 2)).astype(np.float32)
    model.save(tmp_path / "m.keras")
    again = fastnn.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(model.predict(x, verbose=0), again.predict(x, verbose=0))


def test_multi_head_attention_in_a_file_of_a_functional_model_keeps_its_shapes():
    layer = fastnn.layers.MultiHeadAttention(2, 3)
    x = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
    y = layer(x, x)
    again = fastnn.layers.MultiHeadAttention.from_config(layer.get_config())
    again.build_from_config(layer.get_build_config())
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(x, x), y)


def test_spectral_normalization_brings_the_largest_singular_value_to_1():
    layer = fastnn.layers.SpectralNormalization(fastnn.layers.Dense(4), power_iterations=30)
    x = np.ones((2, 5), np.float32)
    layer(x, training=True)
    assert abs(np.linalg.svd(layer.layer.kernel.numpy())[1][0] - 1) < 1e-4
