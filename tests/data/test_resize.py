"""Resizing against plain loops over the formula, and against values known from TensorFlow's definition."""

import math

import numpy as np
import pytest

from fastnn.data import resize


def kernel(name, d):
    """Weight of a pixel at distance `d`."""
    if name == "bilinear":
        return max(0.0, 1 - d)
    if d <= 1:
        return 1.5 * d**3 - 2.5 * d**2 + 1
    return -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2 if d < 2 else 0.0


def line(values, target, name):
    """Resize a list of numbers."""
    n, result = len(values), []
    for p in range(target):
        centre = (p + 0.5) * n / target
        if name == "nearest":
            result.append(values[math.floor(centre)])
            continue
        weights = [kernel(name, abs(i + 0.5 - centre)) for i in range(n)]
        result.append(sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights))
    return result


def reference(picture, size, name):
    """Resize in two passes, columns and rows, with floats of 64 bits."""
    out = np.empty((*size, picture.shape[2]))
    for c in range(picture.shape[2]):
        wide = [line(row.astype(float).tolist(), size[1], name) for row in picture[:, :, c]]
        out[:, :, c] = np.array([line(list(column), size[0], name) for column in zip(*wide, strict=True)]).T
    return out


@pytest.mark.parametrize("name", resize.INTERPOLATIONS)
@pytest.mark.parametrize("size", [(7, 5), (1, 1), (3, 20), (23, 2), (11, 17), (40, 30)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_stretch(name, size, channels):
    picture = np.random.default_rng(0).integers(0, 256, (11, 17, channels), np.uint8)
    out = resize.stretch(picture, size, name)
    assert out.dtype == np.uint8 and out.shape == (*size, channels)
    assert np.abs(out - reference(picture, size, name).clip(0, 255)).max() <= 0.5 + 1e-3


def test_known_values():
    row = np.array([10, 20, 30, 40], np.uint8).reshape(1, 4, 1)
    assert resize.stretch(row, (1, 2), "bilinear").ravel().tolist() == [15, 35]
    assert resize.stretch(row, (1, 2), "nearest").ravel().tolist() == [20, 40]
    assert resize.stretch(row, (1, 8), "bilinear").ravel().tolist() == [10, 12, 18, 22, 28, 32, 38, 40]


def test_no_smoothing():
    stripes = np.tile(np.array([0, 0, 255, 255], np.uint8), 8).reshape(1, 32, 1)
    assert set(resize.stretch(stripes, (1, 8), "nearest").ravel().tolist()) == {255}


@pytest.mark.parametrize(("shape", "part"), [((10, 30), np.s_[:, 10:20]), ((31, 10), np.s_[10:20, :])])
def test_crop(shape, part):
    picture = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    np.testing.assert_array_equal(resize.crop(picture, (10, 10), "bilinear"), picture[part])


def test_pad():
    picture = np.full((10, 30, 3), 7, np.uint8)
    out = resize.pad(picture, (15, 15), "bilinear")
    assert out.shape == (15, 15, 3)
    assert (out[5:10] == 7).all() and (out[:5] == 0).all() and (out[10:] == 0).all()


@pytest.mark.parametrize("fit", [resize.stretch, resize.crop, resize.pad])
@pytest.mark.parametrize("shape", [(1, 60_000), (60_000, 1), (1, 1)])
def test_extreme_proportions(fit, shape):
    assert fit(np.ones((*shape, 3), np.uint8), (20, 10), "bilinear").shape == (20, 10, 3)
