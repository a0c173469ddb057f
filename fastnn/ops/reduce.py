"""Reductions over axes, and the statistics made of them."""

import builtins
import math

import numpy as np

from fastnn import config
from fastnn.graph.program import Arithmetic, Tensor, apply
from fastnn.ops.elementwise import squared_deviation
from fastnn.ops.primitive import Primitive
from fastnn.ops.shape import normalize_axis

SEGMENT = 32768  # elements: a long sum is cut into pieces of about this size, by the shape alone,
PIECES = 64  # unless there are so many sums beside each other


class Reduce(Primitive):
    """y = f over `axes` of x, the reduced axes dropped or kept with size 1."""

    def __init__(self, name, code, function, derivative):
        super().__init__(name)
        self.code, self.function, self.derivative = code, function, derivative

    def infer(self, x, axes, keepdims):
        dtype = "int32" if x.dtype == "bool" else x.dtype
        return [(reduced_shape(x.shape, axes, keepdims), dtype)]

    def reference(self, x, axes, keepdims):
        x = np.asarray(x)
        result = self.function(x, axis=axes, keepdims=keepdims)
        return result.astype(np.int32) if x.dtype.kind in "bi" and result.dtype.kind in "biu" else result

    def gradient(self, gradients, inputs, outputs, axes, keepdims):
        (dy,), (x,), (y,) = gradients, inputs, outputs
        kept = reduced_shape(x.shape, axes, True)
        from fastnn import ops

        return (self.derivative(ops.reshape(dy, kept), ops.reshape(y, kept), x, axes),)

    def lower(self, lowering, instruction):
        (x,), (y,) = instruction.inputs, instruction.outputs
        shape = list(x.shape)
        runs = adjacent_runs(instruction.attributes["axes"])
        for start, stop in reversed(runs):
            outer, length, inner = math.prod(shape[:start]), math.prod(shape[start:stop]), math.prod(shape[stop:])
            del shape[start:stop]
            target = y if (start, stop) == runs[0] else lowering.temporary(tuple(shape), y.dtype)
            cut = Cut(self.code, target, outer, length, inner)
            partial = cut.target(lowering)
            lowering.step("reduce", (x,), (partial,), cut.sizes)
            cut.finish(lowering, partial)
            x = target
        if not runs:
            lowering.alias(y, x)

    def flops(self, instruction):
        return math.prod(instruction.inputs[0].shape)


class Cut:
    """How the middle axis of (outer, length, inner) is cut so that several threads have work, and put together again.

    Attributes
    ----------
    sizes : dict
        Of the step that reduces the pieces.
    """

    def __init__(self, code, y, outer, length, inner):
        pieces = segments(outer, length, inner)
        segment = -(-length // pieces) if length else 1
        self.y, self.pieces = y, -(-length // segment) if length else 1
        self.sizes = {"op": code, "outer": outer, "length": length, "inner": inner, "segment": segment}

    @classmethod
    def of(cls, instruction):
        """That of a reduction over neighbouring axes."""
        (x,), (y,) = instruction.inputs, instruction.outputs
        return cls(instruction.primitive.code, y, *as_matrix(x.shape, instruction.attributes["axes"]))

    def target(self, lowering):
        """Where the pieces' results go: y itself if there is but one."""
        shape = (self.pieces, self.sizes["outer"], self.sizes["inner"])
        return self.y if self.pieces == 1 else lowering.temporary(shape, self.y.dtype)

    def finish(self, lowering, partial):
        """Reduce the pieces' results to y."""
        if self.pieces > 1:
            inner = self.sizes["outer"] * self.sizes["inner"]
            sizes = {"outer": 1, "length": self.pieces, "inner": inner, "segment": self.pieces}
            lowering.step("reduce", (partial,), (self.y,), {"op": self.sizes["op"], **sizes})


def segments(outer, length, inner):
    """Into how many pieces the reduced axis is cut: enough work for several threads, decided by the shape alone."""
    total = outer * length * inner
    if outer * inner >= SEGMENT or total <= 2 * SEGMENT:
        return 1
    return builtins.max(1, builtins.min(PIECES // outer, total // SEGMENT, length))


def adjacent_runs(axes):
    """[(start, stop)] of neighbouring axes."""
    runs = []
    for axis in axes:
        if runs and runs[-1][1] == axis:
            runs[-1] = (runs[-1][0], axis + 1)
        else:
            runs.append((axis, axis + 1))
    return runs


def as_matrix(shape, axes):
    """(outer, length, inner) where neighbouring axes are reduced, else None."""
    runs = adjacent_runs(axes)
    if len(runs) != 1:
        return None
    ((start, stop),) = runs
    return math.prod(shape[:start]), math.prod(shape[start:stop]), math.prod(shape[stop:])


def reduced_shape(shape, axes, keepdims):
    """The shape without the reduced axes, or with size 1 there."""
    if keepdims:
        return tuple(1 if i in axes else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def _sum_derivative(dy, y, x, axes):
    from fastnn import ops

    return ops.broadcast_to(dy, x.shape)


def _extreme_derivative(dy, y, x, axes):
    """Equal winners share the gradient."""
    from fastnn import ops

    winners = ops.cast(ops.equal(x, y), x.dtype)
    return winners * (dy / sum(winners, axis=axes, keepdims=True))


def _product_derivative(dy, y, x, axes):
    """The product of the other factors: y / x, and where x is 0 the product with a 1 in its place."""
    from fastnn import ops

    zero = ops.equal(x, 0.0)
    others = ops.where(zero, 1.0, x)
    alone = ops.equal(sum(ops.cast(zero, x.dtype), axes, True), 1.0)
    return dy * ops.where(zero, ops.where(alone, prod(others, axes, True), 0.0), y / others)


_sum = Reduce("sum", 0, np.sum, _sum_derivative)
_max = Reduce("max", 1, np.max, _extreme_derivative)
_min = Reduce("min", 2, np.min, _extreme_derivative)
_prod = Reduce("prod", 3, np.prod, _product_derivative)


class ArgMax(Primitive):
    """The index of the first largest element along one axis."""

    def infer(self, x, axis):
        return [(tuple(n for i, n in enumerate(x.shape) if i != axis), "int32")]

    def reference(self, x, axis):
        return np.argmax(x, axis=axis).astype(np.int32)

    def gradient(self, gradients, inputs, outputs, axis):
        return (None,)

    def lower(self, lowering, instruction):
        (x,), axis = instruction.inputs, instruction.attributes["axis"]
        sizes = {
            "outer": math.prod(x.shape[:axis]), "length": x.shape[axis], "inner": math.prod(x.shape[axis + 1 :]),
        }  # fmt: skip
        lowering.step("argmax", (x,), instruction.outputs, sizes)


_argmax = ArgMax("argmax")


def _shape_of(x):
    return tuple(x.shape) if isinstance(x, Arithmetic) else np.shape(x)


def _reduce(primitive, x, axis, keepdims):
    rank = len(_shape_of(x))
    if axis is None:
        axes = tuple(range(rank))
    else:
        axes = (axis,) if isinstance(axis, (int, np.integer)) else axis
        axes = tuple(sorted({normalize_axis(a, rank, primitive.name) for a in axes}))
    x = x if isinstance(x, Arithmetic) else np.asarray(x)
    if isinstance(x, Tensor) and x.dtype != "bool" and builtins.all(x.shape[a] == 1 for a in axes):
        return _ops().reshape(x, reduced_shape(x.shape, axes, keepdims))  # nothing to add up
    if isinstance(x, Arithmetic) and not x.dtype.startswith("float"):  # the kernel knows floats: exact up to 2**24
        ops = _ops()
        return ops.cast(_reduce(primitive, ops.cast(x, config.floatx()), axes, keepdims), "int32")
    return apply(primitive, x, axes=axes, keepdims=bool(keepdims))


def sum(x, axis=None, keepdims=False):
    """The sum over `axis` (all axes if None)."""
    return _reduce(_sum, x, axis, keepdims)


def max(x, axis=None, keepdims=False, initial=None):
    """The largest element over `axis` (all axes if None); NaN if there is one."""
    result = _reduce(_max, x, axis, keepdims)
    return result if initial is None else _ops().maximum(result, initial)


def min(x, axis=None, keepdims=False, initial=None):
    """The smallest element over `axis` (all axes if None); NaN if there is one."""
    result = _reduce(_min, x, axis, keepdims)
    return result if initial is None else _ops().minimum(result, initial)


amax, amin = max, min


def prod(x, axis=None, keepdims=False, dtype=None):
    """The product over `axis` (all axes if None), computed in `dtype`."""
    x = x if dtype is None else _ops().cast(x, dtype)
    return _reduce(_prod, x, axis, keepdims)


def mean(x, axis=None, keepdims=False):
    """The arithmetic mean over `axis` (all axes if None), a float."""
    ops = _ops()
    if _dtype_of(x).startswith("float"):
        total = sum(x, axis, keepdims)
    else:
        total = sum(ops.cast(x, config.floatx()), axis, keepdims)
    count = math.prod(_shape_of(x)) / builtins.max(1, math.prod(_shape_of(total)))
    return total * (1.0 / count) if count else total / 0.0


def _dtype_of(x):
    return x.dtype if isinstance(x, Arithmetic) else str(np.asarray(x).dtype)


def var(x, axis=None, keepdims=False):
    """The variance over `axis`: the mean squared distance from the mean."""
    return mean(squared_deviation(x, mean(x, axis, True)), axis, keepdims)


def std(x, axis=None, keepdims=False):
    """The standard deviation over `axis`."""
    return _ops().sqrt(var(x, axis, keepdims))


def moments(x, axes, keepdims=False, synchronized=False):
    """(mean, variance) over `axes`; there is one process, so that `synchronized` makes no difference."""
    average = mean(x, axes, True)
    variance = mean(squared_deviation(x, average), axes, keepdims)
    return (average if keepdims else _ops().reshape(average, _shape_of(variance))), variance


def argmax(x, axis=None, keepdims=False):
    """The index of the first largest element along `axis` (of the flattened tensor if None), int32."""
    ops = _ops()
    x = x if isinstance(x, Arithmetic) else np.asarray(x)
    if isinstance(x, Arithmetic) and not x.dtype.startswith("float"):  # the kernel compares floats
        x = ops.cast(x, config.floatx())
    if axis is None:
        result = apply(_argmax, ops.reshape(x, (-1,)), axis=0)
        return ops.reshape(result, (1,) * x.ndim) if keepdims else result
    axis = normalize_axis(axis, x.ndim, "argmax")
    result = apply(_argmax, x, axis=axis)
    return ops.expand_dims(result, axis) if keepdims else result


def argmin(x, axis=None, keepdims=False):
    """The index of the first smallest element along `axis`, int32."""
    return argmax(_ops().negative(x), axis, keepdims)


def any(x, axis=None, keepdims=False):
    """True where some element over `axis` is non-zero."""
    ops = _ops()
    return ops.not_equal(max(ops.cast(ops.not_equal(x, 0), "int32"), axis, keepdims), 0)


def all(x, axis=None, keepdims=False):
    """True where every element over `axis` is non-zero."""
    ops = _ops()
    return ops.not_equal(min(ops.cast(ops.not_equal(x, 0), "int32"), axis, keepdims), 0)


def count_nonzero(x, axis=None):
    """How many elements over `axis` are not zero, int32."""
    return sum(_ops().cast(_ops().not_equal(x, 0), "int32"), axis)


def logsumexp(x, axis=None, keepdims=False):
    """log(sum(exp(x))) without overflow."""
    ops = _ops()
    largest = ops.stop_gradient(max(x, axis, True))
    largest = ops.where(ops.isfinite(largest), largest, 0.0)
    total = ops.log(sum(ops.exp(x - largest), axis, True)) + largest
    return total if keepdims else ops.squeeze(total, axis)


def normalize(x, axis=-1, order=2, epsilon=None):
    """x divided by its norm of the given order along an axis; a norm below epsilon counts as epsilon."""
    ops = _ops()
    epsilon = config.epsilon() if epsilon is None else epsilon
    if order == 2:
        return x * ops.rsqrt(ops.maximum(sum(ops.square(x), axis, True), epsilon * epsilon))
    return x / ops.maximum(ops.norm(x, order, axis, True), epsilon)


def in_top_k(targets, predictions, k):
    """Whether fewer than k predictions of a row exceed that of the target class.

    Parameters
    ----------
    targets : integer tensor of shape (n,)
        A class outside the predictions' gives False.
    predictions : tensor of shape (n, classes)
    k : int

    Returns
    -------
    bool tensor of shape (n,)
    """
    ops = _ops()
    chosen = ops.one_hot(targets, _shape_of(predictions)[-1])
    score = sum(ops.where(chosen, predictions, 0.0), -1, True)
    larger = sum(ops.cast(ops.greater(predictions, score), "int32"), -1)
    return ops.logical_and(ops.less(larger, k), ops.isfinite(score[..., 0]) * max(chosen, -1))


def _ops():
    from fastnn import ops

    return ops
