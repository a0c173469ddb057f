"""Masks: which elements of sequences are there.

A tensor carries its mask from the layer that made it to the layer, the loss or the metric that it is given to; an
operation of `fastnn.ops` makes a tensor without one.
"""

import weakref

import numpy as np

from fastnn.graph.program import Tensor

_of_arrays = {}  # id of an array -> (weak reference to the array, its mask): arrays have no place for attributes


def mask_of(value):
    """The mask that a tensor or an array carries, or None."""
    if isinstance(value, Tensor):
        return value.mask
    array, mask = _of_arrays.get(id(value), (None, None))
    return mask if array is not None and array() is value else None


def carry(value, mask):
    """Let a tensor or an array carry a mask, or none."""
    if isinstance(value, Tensor):
        value.mask = mask
    elif mask is None:
        _of_arrays.pop(id(value), None)
    elif isinstance(value, np.ndarray):
        key = id(value)
        _of_arrays[key] = weakref.ref(value, lambda _: _of_arrays.pop(key, None)), mask


def carrying(value, mask):
    """The value with a mask, if there is one; an array as a new view, so that the caller's own stays as it is."""
    if mask is None or mask_of(value) is mask:
        return value
    if isinstance(value, np.ndarray):
        value = value.view()
    carry(value, mask)
    return value
