"""Padded sequences and windows of time series."""

import numpy as np
import pytest

import fastnn as keras
from fastnn.preprocessing.sequence import pad_sequences
from fastnn.utils import timeseries_dataset_from_array


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ({}, [[0, 0, 1], [0, 2, 3], [4, 5, 6]]),
        ({"value": -1}, [[-1, -1, 1], [-1, 2, 3], [4, 5, 6]]),
        ({"padding": "post"}, [[1, 0, 0], [2, 3, 0], [4, 5, 6]]),
        ({"maxlen": 2}, [[0, 1], [2, 3], [5, 6]]),
        ({"maxlen": 2, "truncating": "post"}, [[0, 1], [2, 3], [4, 5]]),
        ({"maxlen": 0}, [[], [], []]),
    ],
)
def test_padding(arguments, expected):
    out = pad_sequences([[1], [2, 3], [4, 5, 6]], **arguments)
    assert out.dtype == np.int32
    np.testing.assert_array_equal(out, expected)


def test_padding_of_arrays_texts_and_nothing():
    out = pad_sequences([np.ones((2, 3)), [], np.zeros((1, 3))], dtype="float32", value=7)
    assert out.shape == (3, 2, 3) and out.dtype == np.float32
    assert (out[1] == 7).all() and (out[2, 0] == 7).all() and (out[2, 1] == 0).all()
    assert pad_sequences([["a"], ["b", "c"]], dtype=object, value="x").tolist() == [["x", "a"], ["b", "c"]]
    assert pad_sequences([]).shape == (0, 0)


@pytest.mark.parametrize("sequences, options", [([1, 2], {}), ([[1]], {"padding": "left"}), ([[1], [[2]]], {})])
def test_wrong_sequences(sequences, options):
    with pytest.raises(ValueError, match=r"pad_sequences|sequence"):
        pad_sequences(sequences, **options)


def test_windows():
    data = timeseries_dataset_from_array(np.arange(20), np.arange(20) * 10, 3, 2, 4, batch_size=4)
    batches = list(data)
    assert len(data) == len(batches) == 2
    x, y = (np.concatenate(part) for part in zip(*batches, strict=True))
    np.testing.assert_array_equal(x, [[i, i + 4, i + 8] for i in range(0, 12, 2)])
    np.testing.assert_array_equal(y, [10 * i for i in range(0, 12, 2)])


def test_windows_of_a_part():
    (x,) = timeseries_dataset_from_array(np.arange(20), None, 3, start_index=5, end_index=10)
    np.testing.assert_array_equal(x, [[5, 6, 7], [6, 7, 8], [7, 8, 9]])
    single = list(timeseries_dataset_from_array(np.arange(4), None, 3, batch_size=None))
    np.testing.assert_array_equal(single, [[0, 1, 2], [1, 2, 3]])


def test_shuffled_windows():
    data = timeseries_dataset_from_array(np.arange(50), np.arange(50), 2, shuffle=True, seed=1, batch_size=10)
    again = timeseries_dataset_from_array(np.arange(50), np.arange(50), 2, shuffle=True, seed=1, batch_size=10)
    first, second = ([y.tolist() for _, y in data] for _ in range(2))
    assert first != second and [y.tolist() for _, y in again] == first
    assert sorted(y for batch in first for y in batch) == list(range(49))
    assert all((x[:, 0] == y).all() for x, y in data)


def test_windows_train_a_model():
    series = np.sin(np.arange(300) / 5).astype(np.float32)
    data = timeseries_dataset_from_array(series[:-8], series[8:], 8, batch_size=32, shuffle=True, seed=0)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    assert model.fit(data, epochs=30, verbose=0).history["loss"][-1] < 0.01


@pytest.mark.parametrize("arguments", [(5, 0), (5, 6), (5, 3, 0), (5, 3, 1, 3)])
def test_wrong_windows(arguments):
    steps, *rest = arguments
    with pytest.raises(ValueError, match="timeseries_dataset_from_array"):
        timeseries_dataset_from_array(np.arange(steps), None, *rest)


def test_smart_resize_keeps_proportions():
    x = np.zeros((4, 10, 1), np.float32)
    x[:, 3:7] = 1
    np.testing.assert_array_equal(keras.preprocessing.image.smart_resize(x, (2, 2)), np.ones((2, 2, 1)))


def test_batches_have_one_format():
    assert next(iter(timeseries_dataset_from_array(np.arange(4), None, 3, format="tf"))).shape == (2, 3)
    with pytest.raises(ValueError, match="format: expected one of 'tf', received 'grain'"):
        timeseries_dataset_from_array(np.arange(4), None, 3, format="grain")
