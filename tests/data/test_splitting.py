"""Samples divided into two parts."""

import numpy as np
import pytest

from fastnn import utils


def test_arrays_are_split():
    x, y = np.arange(20).reshape(10, 2), np.arange(10)
    left, right = utils.split_dataset(x, left_size=0.8)
    assert (left.tolist(), right.tolist()) == (x[:8].tolist(), x[8:].tolist())
    left, right = utils.split_dataset((x, y), right_size=3)
    assert [len(part) for part in (*left, *right)] == [7, 7, 3, 3]
    left, right = utils.split_dataset(y, 2, 3)
    assert (left.tolist(), right.tolist()) == ([0, 1], [7, 8, 9])


def test_shuffling_is_that_of_keras():
    """The numbers are those of `keras.utils.split_dataset(np.arange(10), 0.5, shuffle=True, seed=3)`."""
    x = np.arange(10)
    left, right = utils.split_dataset(x, 0.5, shuffle=True, seed=3)
    assert (left.tolist(), right.tolist()) == ([1, 5, 6, 0, 9], [4, 7, 2, 8, 3])
    assert x.tolist() == list(range(10))
    left, right = utils.split_dataset(x, 0.5, shuffle=True)
    assert sorted([*left, *right]) == list(range(10))


def test_samples_one_by_one_are_split():
    left, right = utils.split_dataset(((i, -i) for i in range(5)), left_size=2)
    assert left == [(0, 0), (1, -1)]
    assert right == [(2, -2), (3, -3), (4, -4)]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({}, "give left_size or right_size"),
        ({"left_size": 1.5}, "left_size: expected a fraction"),
        ({"right_size": 10}, "right_size: expected a fraction"),
        ({"left_size": 0}, "left_size"),
        ({"left_size": 6, "right_size": 5}, "choose other sizes"),
        ({"left_size": 0.01}, "choose other sizes"),
    ],
)
def test_sizes_that_do_not_fit(sizes, message):
    with pytest.raises(ValueError, match=message):
        utils.split_dataset(np.arange(10), **sizes)


def test_what_cannot_be_split():
    with pytest.raises(TypeError, match="right_size"):
        utils.split_dataset(np.arange(10), right_size="half")
    with pytest.raises(ValueError, match="different lengths"):
        utils.split_dataset([np.arange(3), np.arange(4)], 0.5)
    with pytest.raises(TypeError, match="received int"):
        utils.split_dataset(3, 0.5)
