"""Stateful recurrent layers: the states behind a batch are those before the next one."""

import numpy as np
import pytest

import fastnn

L = fastnn.layers
MAKERS = {
    "simple_rnn": lambda **o: L.SimpleRNN(3, **o),
    "lstm": lambda **o: L.LSTM(3, **o),
    "gru": lambda **o: L.GRU(3, **o),
    "unrolled": lambda **o: L.GRU(3, reset_after=False, **o),
    "stacked": lambda **o: L.RNN([L.LSTMCell(2), L.GRUCell(3)], **o),
    "conv_lstm": lambda **o: L.ConvLSTM1D(3, 2, **o),
}
each_layer = pytest.mark.parametrize("name", MAKERS)


def sequences(name, elements=8):
    shape = (2, elements, 4, 2) if name == "conv_lstm" else (2, elements, 2)
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def models(name, **options):
    """A model that keeps its states from one half of the sequences to the other, and one that gets them whole."""
    x = sequences(name)
    made = []
    for stateful, elements in ((True, 4), (False, 8)):
        layer = MAKERS[name](stateful=stateful, **options)
        made.append(fastnn.Sequential([fastnn.Input((elements, *x.shape[2:]), batch_size=2), layer]))
    made[1].set_weights(made[0].get_weights())
    return *made, x


@each_layer
@pytest.mark.parametrize("call", ["predict", "call", "train"])
def test_halves_give_what_the_whole_gives(name, call):
    halves, whole, x = models(name)
    if call == "train":
        halves.compile(fastnn.optimizers.SGD(0.0), "mse")
        halves.train_on_batch(x[:, :4], np.zeros(halves.compute_output_shape((2, 4, *x.shape[2:])), np.float32))
    elif call == "predict":
        halves.predict(x[:, :4], verbose=0)
    else:
        halves(x[:, :4])
    np.testing.assert_allclose(halves.predict(x[:, 4:], verbose=0), whole.predict(x, verbose=0), rtol=1e-5, atol=1e-6)


@each_layer
def test_reset_states_begins_anew(name):
    model, _, x = models(name)
    first = model.predict(x[:, :4], verbose=0)
    assert np.abs(model.predict(x[:, :4], verbose=0) - first).max() > 1e-4
    model.layers[-1].reset_states()
    np.testing.assert_array_equal(model.predict(x[:, :4], verbose=0), first)


def test_states_are_no_weights():
    model, whole, _ = models("lstm")
    assert len(model.weights) == len(whole.weights) == 3
    assert [s.shape for s in model.layers[-1].states] == [(2, 3), (2, 3)]


def test_both_directions_are_reset():
    layer = L.Bidirectional(L.LSTM(3, stateful=True))
    model = fastnn.Sequential([fastnn.Input((4, 2), batch_size=2), layer])
    x = sequences("lstm", 4)
    first = model.predict(x, verbose=0)
    assert np.abs(model.predict(x, verbose=0) - first).max() > 1e-4
    layer.reset_states()
    np.testing.assert_array_equal(model.predict(x, verbose=0), first)


def test_the_number_of_rows_must_be_known_and_stay():
    with pytest.raises(ValueError, match="batch_size"):
        fastnn.Sequential([fastnn.Input((4, 2)), L.LSTM(3, stateful=True)])
    layer = L.LSTM(3, stateful=True)
    layer(np.zeros((2, 4, 2), np.float32))
    with pytest.raises(ValueError, match="2 rows"):
        layer(np.zeros((3, 4, 2), np.float32))
