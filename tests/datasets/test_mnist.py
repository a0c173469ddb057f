"""MNIST and Fashion-MNIST, from the real files."""

import numpy as np
import pytest

from fastnn.datasets import fashion_mnist, mnist


@pytest.mark.parametrize(("dataset", "first"), [(mnist, [5, 0, 4, 1, 9]), (fashion_mnist, [9, 0, 0, 3, 0])])
def test_arrays(real_data, dataset, first):
    train, test = dataset.load_data()
    for (x, y), count in ((train, 60_000), (test, 10_000)):
        assert x.shape == (count, 28, 28) and y.shape == (count,)
        assert x.dtype == y.dtype == np.uint8
        assert x.min() == 0 and x.max() == 255
        assert set(np.unique(y)) == set(range(10))
    assert train[1][:5].tolist() == first


@pytest.mark.parametrize("dataset", [mnist, fashion_mnist])
def test_table(dataset):
    assert len(dataset.FILES) == 4
    for name, remote in dataset.FILES.items():
        assert remote.url.startswith("https://") and remote.url.endswith("/" + name)
        assert len(remote.sha256) == 64


def test_sizes_in_the_table_are_right(real_data):
    for remote in (*mnist.FILES.values(), *fashion_mnist.FILES.values()):
        assert (real_data / remote.folder / remote.name).stat().st_size == remote.size


def test_fashion_mnist_from_the_system_folder(real_data, monkeypatch):
    monkeypatch.setattr(fashion_mnist, "SYSTEM_FOLDERS", (real_data / "fashion_mnist",))
    monkeypatch.delenv("FASTNN_DATA")
    assert fashion_mnist.load_data()[1][0].shape == (10_000, 28, 28)
