"""The digits which come with the package, and the program which makes them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from fastnn.datasets import digits, mnist

ROOT = Path(__file__).parents[2]


def test_arrays():
    for (x, y), count in zip(digits.load_data(), (5000, 1000), strict=True):
        assert x.shape == (count, 28, 28) and y.shape == (count,)
        assert x.dtype == y.dtype == np.uint8
        assert x.min() == 0 and x.max() == 255
        assert np.bincount(y).tolist() == [count // 10] * 10


def test_size_and_licence():
    folder = Path(digits.__file__).parent / "data"
    assert (folder / "digits.npz").stat().st_size < 1_000_000
    assert "Attribution-ShareAlike" in (folder / "digits.txt").read_text(encoding="utf-8")


def test_pictures_are_digits():
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    rows = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (x_train.reshape(-1, 784), x_test.reshape(-1, 784)))
    train, test = (x.astype(np.float32) for x in rows)
    nearest = y_train[(test @ train.T).argmax(axis=1)]
    assert np.mean(nearest == y_test) > 0.93


def test_no_digit_is_in_both_parts():
    train, test = ({picture.tobytes() for picture in x} for x, _ in digits.load_data())
    assert len(train) == 5000 and len(test) == 1000 and not train & test


def test_rebuilding_gives_the_same(real_data, tmp_path):
    for name in ("a.npz", "b.npz"):
        program = [sys.executable, ROOT / "tools" / "make_digits.py", real_data / "mnist", tmp_path / name]
        subprocess.run(program, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz") as rebuilt:
        for (x, y), part in zip(digits.load_data(), ("train", "test"), strict=True):
            np.testing.assert_array_equal(rebuilt[f"x_{part}"], x)
            np.testing.assert_array_equal(rebuilt[f"y_{part}"], y)


def test_train_digits_are_of_the_training_set(real_data):
    (x_train, _), (x_test, _) = mnist.load_data()
    for (x, _), whole in zip(digits.load_data(), (x_train, x_test), strict=True):
        assert {picture.tobytes() for picture in x} <= {picture.tobytes() for picture in whole}
