"""House prices: the checksums are Keras'; here the archives are replaced by small ones."""

import dataclasses
import hashlib
import io
import pickle

import numpy as np
import pytest

from fastnn.datasets import boston_housing, california_housing

X = np.arange(2000.0).reshape(1000, 2)


def saved(monkeypatch, tmp_path, module, **arrays):
    """Put an archive where FASTNN_DATA has a module's, with its checksum."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    name = module._ARCHIVE.folder
    (tmp_path / name).mkdir()
    (tmp_path / name / f"{name}.npz").write_bytes(buffer.getvalue())
    monkeypatch.setenv("FASTNN_DATA", str(tmp_path))
    sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
    monkeypatch.setattr(module, "_ARCHIVE", dataclasses.replace(module._ARCHIVE, sha256=sha256))


@pytest.mark.parametrize("module", [boston_housing, california_housing])
def test_the_order_is_that_of_keras(monkeypatch, tmp_path, module):
    saved(monkeypatch, tmp_path, module, x=X, y=X[:, 0])
    (x, y), (x_test, y_test) = module.load_data(test_split=0.25, seed=7)
    rows = np.arange(1000)
    np.random.RandomState(7).shuffle(rows)
    np.testing.assert_array_equal(np.concatenate([x, x_test]), X[rows])
    np.testing.assert_array_equal(np.concatenate([y, y_test]), X[rows, 0])
    assert (len(x), len(x_test)) == (750, 250)
    with pytest.raises(ValueError, match="test_split"):
        module.load_data(test_split=1)


def test_the_small_version(monkeypatch, tmp_path):
    saved(monkeypatch, tmp_path, california_housing, x=X, y=X[:, 0])
    (x, _), (x_test, _) = california_housing.load_data("small")
    assert (len(x), len(x_test)) == (480, 120)
    assert max(x.max(), x_test.max()) == X[599, 1]
    with pytest.raises(ValueError, match="version"):
        california_housing.load_data("medium")


def test_other_files_are_refused(monkeypatch, tmp_path):
    archive = boston_housing._ARCHIVE
    saved(monkeypatch, tmp_path, boston_housing, x=X, y=X)
    monkeypatch.setattr(boston_housing, "_ARCHIVE", archive)
    with pytest.raises(ValueError, match="SHA-256 is not f553886a"):
        boston_housing.load_data()


def test_pickles_are_refused(monkeypatch, tmp_path):
    saved(monkeypatch, tmp_path, boston_housing, x=np.array([{"a": 1}], object), y=X)
    with pytest.raises((ValueError, pickle.UnpicklingError), match="pickle"):
        boston_housing.load_data()
