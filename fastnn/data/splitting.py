"""Samples divided into two parts."""

import random

import numpy as np


def split_dataset(dataset, left_size=None, right_size=None, shuffle=False, seed=None, preferred_backend=None):
    """Divide samples into a left and a right part.

    Parameters
    ----------
    dataset : array, list or tuple of arrays of one length, or iterable of samples
    left_size, right_size : float or int, optional
        A fraction, or a number of samples; one of the two may be left out.
    shuffle : bool
        Divide the samples in another order, which `seed` fixes; it is the order of Keras.
    seed : int, optional
    preferred_backend : optional
        Accepted as in Keras.

    Returns
    -------
    left, right
        Arrays for an array, tuples of arrays for several, lists of samples for an iterable.

    Raises
    ------
    ValueError
        For sizes that do not fit, and for arrays of different lengths.
    """
    arrays = _arrays(dataset)
    samples = None if arrays else list(dataset)
    count = len(arrays[0]) if arrays else len(samples)
    left, right = _sizes(left_size, right_size, count)
    order = list(range(count))
    if shuffle:
        random.Random(random.randint(0, 10**6) if seed is None else seed).shuffle(order)
    parts = order[:left], order[count - right :]
    if samples is not None:
        return tuple([samples[i] for i in part] for part in parts)
    pieces = [tuple(array[part] for array in arrays) for part in parts]
    return tuple(piece[0] if isinstance(dataset, np.ndarray) else piece for piece in pieces)


def _arrays(dataset):
    """The arrays of a dataset as a list, or None for samples one by one."""
    if isinstance(dataset, np.ndarray):
        return [dataset]
    if isinstance(dataset, (list, tuple)) and dataset and all(isinstance(a, np.ndarray) and a.ndim for a in dataset):
        if len({len(array) for array in dataset}) > 1:
            raise ValueError(f"split_dataset: arrays of different lengths, {[len(array) for array in dataset]}")
        return list(dataset)
    if not hasattr(dataset, "__iter__"):
        raise TypeError(f"split_dataset: expected arrays or an iterable of samples, received {type(dataset).__name__}")
    return None


def _sizes(left, right, count):
    """The numbers of samples in both parts."""
    if left is None and right is None:
        raise ValueError("split_dataset: give left_size or right_size")
    for name, size in (("left_size", left), ("right_size", right)):
        if isinstance(size, bool) or not isinstance(size, (int, float, type(None))):
            raise TypeError(f"{name}: expected a fraction or a number of samples, received {size!r}")
        if size is not None and not 0 < size < (1 if isinstance(size, float) else count):
            raise ValueError(f"{name}: expected a fraction in (0, 1) or less than {count} samples, received {size!r}")
    left_count = round(left * count) if isinstance(left, float) else left
    right_count = round(right * count) if isinstance(right, float) else right
    left_count = count - right_count if left_count is None else left_count
    right_count = count - left_count if right_count is None else right_count
    if left_count + right_count > count or left_count < 1 or right_count < 1:
        raise ValueError(f"split_dataset: {left_count} and {right_count} of {count} samples: choose other sizes")
    return left_count, right_count
