"""Labels as one-hot rows, and rows of length one."""

import numpy as np

from fastnn.graph.program import Arithmetic
from fastnn.ops.softmax import check_labels


def to_categorical(x, num_classes=None):
    """Integer labels as one-hot rows.

    Parameters
    ----------
    x : array-like of int
        A last axis of size 1 is dropped.
    num_classes : int, optional
        The largest label plus 1 unless given.

    Returns
    -------
    array of shape (*x.shape, num_classes)

    Raises
    ------
    IndexError
        For a label outside 0..num_classes-1.
    """
    if isinstance(x, Arithmetic):
        return _symbolic_one_hot(x, num_classes)
    x = np.array(x, np.int64)
    shape = x.shape[:-1] if x.ndim > 1 and x.shape[-1] == 1 else x.shape
    classes = num_classes or int(x.max()) + 1
    rows = np.zeros((x.size, classes))
    rows[np.arange(x.size), check_labels(x.ravel(), classes)] = 1
    return rows.reshape(*shape, classes)


def _symbolic_one_hot(x, num_classes):
    from fastnn import ops

    if x.ndim > 1 and x.shape[-1] == 1:
        x = ops.squeeze(x, -1)
    return ops.one_hot(x, num_classes)


def normalize(x, axis=-1, order=2):
    """Vectors along an axis divided by their norm; zero vectors stay zero.

    Parameters
    ----------
    x : array-like
    axis : int
    order : int or inf
        Order of the norm: 2 is Euclidean.
    """
    x = np.asarray(x)
    norm = np.linalg.norm(x, order, axis, keepdims=True)
    return x / np.where(norm == 0, 1, norm)
