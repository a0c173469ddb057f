"""Rows that share an id brought together: their sum, product, largest and smallest elements."""

import numpy as np

from fastnn.graph.program import Arithmetic, apply
from fastnn.ops.elementwise import cast, equal, where
from fastnn.ops.primitive import Primitive
from fastnn.ops.rows import add_rows, checked_rows, take
from fastnn.ops.shape import tensor_like


class SegmentReduce(Primitive):
    """y[s] = f over the rows i with ids[i] = s, an identity of f where there is none."""

    def __init__(self, name, function, identity, derivative):
        super().__init__(name)
        self.function, self.identity, self.derivative = function, identity, derivative

    def infer(self, data, ids, segments):
        return [((segments, *data.shape[1:]), data.dtype)]

    def reference(self, data, ids, segments):
        data, ids = np.asarray(data), checked_rows(np.asarray(ids), segments, self.name)
        identity = self.identity
        if data.dtype.kind in "iu" and not np.isfinite(identity):
            identity = np.iinfo(data.dtype).min if identity < 0 else np.iinfo(data.dtype).max
        y = np.full((segments, *data.shape[1:]), identity, data.dtype)
        self.function.at(y, ids, data)
        return y

    def gradient(self, gradients, inputs, outputs, segments):
        (dy,), (data, ids), (y,) = gradients, inputs, outputs
        return self.derivative(dy, y, data, ids, segments), None


def _extreme_derivative(dy, y, data, ids, segments):
    """Equal winners share the gradient."""
    winners = cast(equal(data, take(y, ids, 0)), data.dtype)
    return winners * take(dy / add_rows(winners, ids, segments), ids, 0)


def _product_derivative(dy, y, data, ids, segments):
    """The product of the other factors, as of `prod`."""
    zero = equal(data, 0.0)
    factors = where(zero, 1.0, data)
    others = take(apply(_prod, factors, ids, segments=segments), ids, 0) / factors
    zeros = take(add_rows(cast(zero, data.dtype), ids, segments), ids, 0) - cast(zero, data.dtype)
    return take(dy, ids, 0) * where(equal(zeros, 0.0), others, 0.0)


_max = SegmentReduce("segment_max", np.maximum, -np.inf, _extreme_derivative)
_min = SegmentReduce("segment_min", np.minimum, np.inf, _extreme_derivative)
_prod = SegmentReduce("segment_prod", np.multiply, 1, _product_derivative)


def _counted(name, segment_ids, num_segments):
    """(ids, how many segments)."""
    ids = tensor_like(segment_ids)
    if num_segments is None:
        if isinstance(ids, Arithmetic):
            raise ValueError(f"{name}: within a program the number of segments must be known: give num_segments")
        num_segments = int(np.max(ids, initial=-1)) + 1
    if not isinstance(ids, Arithmetic):
        ids = checked_rows(ids, num_segments, name)
    return cast(ids, "int32"), num_segments


def segment_sum(data, segment_ids, num_segments=None, sorted=False):
    """Rows of data that share an id added up: y[segment_ids[i]] += data[i].

    Parameters
    ----------
    data : tensor of shape (n, ...)
    segment_ids : integer tensor of shape (n,), in 0..num_segments-1
    num_segments : int, optional
        Within a program it must be given; else one more than the largest id.
    sorted : bool
        Whether the ids ascend; it makes no difference here.
    """
    ids, segments = _counted("segment_sum", segment_ids, num_segments)
    return add_rows(data, ids, segments)


def segment_prod(data, segment_ids, num_segments=None, sorted=False):
    """The products of rows that share an id, 1 where there is none; arguments as of `segment_sum`."""
    ids, segments = _counted("segment_prod", segment_ids, num_segments)
    return apply(_prod, tensor_like(data), ids, segments=segments)


def segment_max(data, segment_ids, num_segments=None, sorted=False):
    """The largest elements of rows that share an id, -inf where there is none; arguments as of `segment_sum`."""
    ids, segments = _counted("segment_max", segment_ids, num_segments)
    return apply(_max, tensor_like(data), ids, segments=segments)


def segment_min(data, segment_ids, num_segments=None, sorted=False):
    """The smallest elements of rows that share an id, inf where there is none; arguments as of `segment_sum`."""
    ids, segments = _counted("segment_min", segment_ids, num_segments)
    return apply(_min, tensor_like(data), ids, segments=segments)
