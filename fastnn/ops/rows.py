"""Rows of a table picked by index, added up by index, and one-hot rows."""

import math

import numpy as np

from fastnn import config
from fastnn.graph.program import Arithmetic, apply
from fastnn.ops.elementwise import cast
from fastnn.ops.primitive import Primitive
from fastnn.ops.shape import moveaxis, normalize_axis, reshape, tensor_like


class Gather(Primitive):
    """Rows of a table: y[i] = table[index[i]]."""

    def infer(self, table, index):
        return [((*index.shape, *table.shape[1:]), table.dtype)]

    def reference(self, table, index):
        return np.take(table, np.asarray(index, np.int64), axis=0)

    def gradient(self, gradients, inputs, outputs):
        table, index = inputs
        return apply(_scatter_add, gradients[0], index, rows=table.shape[0]), None

    def lower(self, lowering, instruction):
        table, index = instruction.inputs
        sizes = {"rows": table.shape[0], "width": math.prod(table.shape[1:]), "count": math.prod(index.shape)}
        lowering.step("gather", (table, index), instruction.outputs, sizes)


class ScatterAdd(Primitive):
    """The transpose of a gather: y[index[i]] += x[i], in the order of i."""

    def infer(self, x, index, rows):
        return [((rows, *x.shape[len(index.shape) :]), x.dtype)]

    def reference(self, x, index, rows):
        x, index = np.asarray(x), np.asarray(index, np.int64)
        y = np.zeros((rows, *x.shape[index.ndim :]), x.dtype)
        np.add.at(y, index.ravel(), x.reshape(index.size, *y.shape[1:]))
        return y

    def gradient(self, gradients, inputs, outputs, rows):
        return apply(_gather, gradients[0], inputs[1]), None

    def lower(self, lowering, instruction):
        x, index = instruction.inputs
        (y,) = instruction.outputs
        sizes = {"rows": y.shape[0], "width": math.prod(y.shape[1:]), "count": math.prod(index.shape)}
        lowering.step("scatter_add", (x, index), (y,), sizes)


_gather = Gather("gather")
_scatter_add = ScatterAdd("scatter_add")


class OneHot(Primitive):
    """Rows of zeros with a one at each index; a row of zeros for an index outside."""

    def infer(self, index, classes):
        return [((*index.shape, classes), config.floatx())]

    def reference(self, index, classes):
        return (np.asarray(index)[..., None] == np.arange(classes)).astype(config.floatx())

    def gradient(self, gradients, inputs, outputs, classes):
        return (None,)

    def lower(self, lowering, instruction):
        (index,), classes = instruction.inputs, instruction.attributes["classes"]
        sizes = {"count": math.prod(index.shape), "cols": classes}
        lowering.step("one_hot", (index,), instruction.outputs, sizes)


_one_hot = OneHot("one_hot")


def take(x, indices, axis=None):
    """The elements of x at integer indices along an axis (of the flattened tensor if None)."""
    x = tensor_like(x)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    axis = normalize_axis(axis, x.ndim, "take")
    if not isinstance(indices, Arithmetic):
        indices = checked_rows(np.asarray(indices), x.shape[axis], "take")
    index_rank = len(indices.shape)
    picked = apply(_gather, moveaxis(x, axis, 0), indices)
    for _ in range(index_rank):  # the index axes go where the axis was, in their order
        picked = moveaxis(picked, 0, axis + index_rank - 1)
    return picked


def checked_rows(indices, rows, name):
    """Integers in -rows..rows-1 as int32 counted from the front, or an error."""
    if indices.dtype.kind not in "iu":
        raise TypeError(f"{name}: indices must be integers, received dtype {indices.dtype}")
    if indices.size and not -rows <= indices.min() <= indices.max() < rows:
        raise IndexError(f"{name}: index {indices.min()}..{indices.max()} is outside an axis of size {rows}")
    return np.where(indices < 0, indices + rows, indices).astype(np.int32)


def one_hot(x, num_classes, axis=-1, dtype=None, sparse=False):
    """Rows of zeros with a one at each index; an index outside 0..num_classes-1 gives zeros."""
    if sparse:
        raise ValueError("one_hot: sparse results are not offered: leave out sparse")
    index = x if isinstance(x, Arithmetic) else np.asarray(x).astype(np.int32)
    result = apply(_one_hot, cast(index, "int32"), classes=num_classes)
    if axis != -1:
        result = moveaxis(result, -1, axis)
    return result if dtype is None else cast(result, dtype)


def add_rows(x, index, rows):
    """Rows that share an index added up: y[index[i]] += x[i]."""
    return apply(_scatter_add, x, index, rows=rows)


def add_windows(x, axis, places, size):
    """The transpose of ``take(x, places, axis)``: (..., windows, window, ...) added up along an axis of `size`."""
    lead, rest = tuple(x.shape[:axis]), tuple(x.shape[axis + 2 :])
    flat = moveaxis(reshape(x, (*lead, places.size, *rest)), axis, 0)
    return moveaxis(add_rows(flat, places.ravel(), size), 0, axis)
