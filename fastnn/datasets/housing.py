"""Two data sets of house prices, each in a NumPy archive with x and y."""

import numpy as np

from . import source

_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"


def remote(name, sha256):
    """The archive of a data set, where Keras has it."""
    return source.Remote(name, f"{name}.npz", f"{_URL}{name}.npz", None, sha256)


def load(archive, test_split, seed, rows=None):
    """Shuffled samples, divided in two.

    Parameters
    ----------
    archive : Remote
    test_split : float
        Fraction for the test part, from 0 on and less than 1.
    seed : int
        Fixes the order, which is that of Keras.
    rows : int, optional
        Use the first rows only.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
    """
    if not 0 <= test_split < 1:
        raise ValueError(f"test_split: expected a fraction from 0 on and less than 1, received {test_split!r}")
    with source.open_verified(archive) as stream, np.load(stream, allow_pickle=False) as arrays:
        x, y = arrays["x"][:rows], arrays["y"][:rows]
    order = np.random.RandomState(seed).permutation(len(x))
    count = int(len(x) * (1 - test_split))
    train, test = order[:count], order[count:]
    return (x[train], y[train]), (x[test], y[test])
