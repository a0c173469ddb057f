"""Layers that make one tensor of several: sums, products, extremes, concatenation, dot products."""

import functools
from collections.abc import Callable

import numpy as np

from fastnn import ops
from fastnn.graph.masks import mask_of
from fastnn.layers.layer import Layer
from fastnn.saving import registry


class Merge(Layer):
    """What these layers share: a list of inputs, whose shapes broadcast.

    Inputs of shapes (n, ...), output of the shape that they broadcast to.  Where the ranks differ, axes of size 1 are
    put after the batch axis, as in Keras.  Where all inputs carry masks, an element of the output is there if it is
    there in one of them.
    """

    least = 1
    supports_masking = True

    def __init__(self, **kwargs):  # of its own: the defaults of Layer's are no part of the configuration
        super().__init__(**kwargs)

    def build(self, input_shape):
        count = len(input_shape) if input_shape and isinstance(input_shape[0], (list, tuple)) else 1
        if count < self.least or not isinstance(input_shape[0], (list, tuple)):
            raise ValueError(f"{self}: expected a list of {self.least} or more inputs, received {count}")

    def merge(self, inputs):
        """The outcome for inputs of one rank."""
        raise NotImplementedError

    def call(self, inputs):
        rank = max(len(x.shape) for x in inputs)
        return self.merge([_with_rank(x, rank) for x in inputs])

    def compute_mask(self, inputs, mask=None):
        if mask is None or any(m is None for m in mask):
            return None
        return functools.reduce(ops.logical_or, mask)


def _with_rank(x, rank):
    while len(x.shape) < rank:
        x = ops.expand_dims(x, 1)
    return x


def _present(x):
    """The mask of an input in the input's own shape, or None."""
    mask = mask_of(x)
    return None if mask is None else ops.broadcast_to(ops.expand_dims(mask, -1), x.shape)


@registry.register("layer")
class Add(Merge):
    """``x1 + x2 + ...``, element by element."""

    def merge(self, inputs):
        return functools.reduce(ops.add, inputs)


@registry.register("layer")
class Subtract(Merge):
    """``x1 - x2``, of two inputs."""

    least = 2

    def build(self, input_shape):
        super().build(input_shape)
        if len(input_shape) != 2:
            raise ValueError(f"{self}: expected two inputs, received {len(input_shape)}")

    def merge(self, inputs):
        return ops.subtract(*inputs)


@registry.register("layer")
class Multiply(Merge):
    """``x1 * x2 * ...``, element by element; factors whose mask is False are left out."""

    def merge(self, inputs):
        masks = [_present(x) for x in inputs]
        factors = [x if m is None else ops.where(m, x, 1.0) for x, m in zip(inputs, masks, strict=True)]
        product = functools.reduce(ops.multiply, factors)
        if any(m is None for m in masks):
            return product
        return ops.where(functools.reduce(ops.logical_or, masks), product, 0.0)


@registry.register("layer")
class Average(Merge):
    """``(x1 + ... + xm) / m``, element by element."""

    def merge(self, inputs):
        return functools.reduce(ops.add, inputs) / float(len(inputs))


class _Extreme(Merge):
    """The largest or smallest of the inputs that are there."""

    operation: Callable | None = None

    def merge(self, inputs):
        best, there = inputs[0], _present(inputs[0])
        for x in inputs[1:]:
            mask = _present(x)
            x = x if mask is None else ops.where(mask, x, best)
            best = best if there is None else ops.where(there, best, x)
            there = None if mask is None or there is None else ops.logical_or(there, mask)
            best = type(self).operation(best, x)
        return best


@registry.register("layer")
class Maximum(_Extreme):
    """``max(x1, x2, ...)``, element by element; elements whose mask is False are left out."""

    operation = staticmethod(ops.maximum)


@registry.register("layer")
class Minimum(_Extreme):
    """``min(x1, x2, ...)``, element by element; elements whose mask is False are left out."""

    operation = staticmethod(ops.minimum)


@registry.register("layer")
class Concatenate(Merge):
    """The inputs one behind the other along an axis.

    Parameters
    ----------
    axis : int
        Not the batch axis.
    """

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis

    def build(self, input_shape):
        super().build(input_shape)
        first = input_shape[0]
        axis = self.axis % len(first) if -len(first) <= self.axis < len(first) else len(first)
        for shape in input_shape:
            same = len(shape) == len(first) and axis < len(first)
            others = zip(first, shape, strict=False) if same else []
            if not same or any(m != n and None not in (m, n) for i, (m, n) in enumerate(others) if i != axis):
                raise ValueError(
                    f"{self}: shapes must agree but for axis {self.axis}, received {list(map(tuple, input_shape))}"
                )

    def call(self, inputs):
        return ops.concatenate(inputs, axis=self.axis)

    def compute_mask(self, inputs, mask=None):
        """The masks one behind the other; of the inputs' shapes first, for the axis may be that of the features."""
        if mask is None or all(m is None for m in mask):
            return None
        masks = [_mask_in_shape(m, x.shape) for m, x in zip(mask, inputs, strict=True)]
        return ops.any(ops.concatenate(masks, axis=self.axis), -1)

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}


def _mask_in_shape(mask, shape):
    """A mask in the shape of its input; True where there is none."""
    if mask is None:
        return np.ones(shape, bool)
    return ops.broadcast_to(ops.expand_dims(mask, -1), shape) if len(mask.shape) < len(shape) else mask


@registry.register("layer")
class Dot(Merge):
    """Products of two inputs, summed along one axis of each: for each sample a dot product of its slices.

    Parameters
    ----------
    axes : int or (int, int)
        The axis of each input; the batch axis is 0.
    normalize : bool
        Scale the slices to length 1 first: the cosine of their angle comes out.
    """

    least = 2

    def __init__(self, axes, normalize=False, **kwargs):
        super().__init__(**kwargs)
        pair = isinstance(axes, (list, tuple)) and len(axes) == 2 and all(isinstance(a, int) for a in axes)
        if not isinstance(axes, int) and not pair:
            raise ValueError(f"Dot: axes must be an integer or two of them, received {axes!r}")
        self.axes, self.normalize = axes, normalize

    def _places(self, x, y):
        axes = self.axes if isinstance(self.axes, (list, tuple)) else (self.axes, self.axes)
        return [a % len(shape) for a, shape in zip(axes, (x, y), strict=True)]

    def build(self, input_shape):
        super().build(input_shape)
        x, y = map(tuple, input_shape)
        i, j = self._places(x, y)
        if 0 in (i, j) or x[i] != y[j]:
            raise ValueError(f"{self}: axes {self.axes} of the shapes {x} and {y} must be of one size, not the batch")

    def call(self, inputs):
        x, y = inputs
        i, j = self._places(x.shape, y.shape)
        if self.normalize:
            x, y = ops.normalize(x, axis=i), ops.normalize(y, axis=j)
        x, y = ops.moveaxis(x, i, -1), ops.moveaxis(y, j, 1)
        left, right = x.shape[1:-1], y.shape[2:]
        n, k = x.shape[0], x.shape[-1]
        product = ops.matmul(ops.reshape(x, (n, -1, k)), ops.reshape(y, (n, k, -1)))
        return ops.reshape(product, (n, *left, *right) if left or right else (n, 1))

    def compute_mask(self, inputs, mask=None):
        return None

    def get_config(self):
        return {**super().get_config(), "axes": self.axes, "normalize": self.normalize}


def add(inputs, **kwargs):
    """`Add` of a list of tensors."""
    return Add(**kwargs)(inputs)


def subtract(inputs, **kwargs):
    """`Subtract` of a list of two tensors."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs, **kwargs):
    """`Multiply` of a list of tensors."""
    return Multiply(**kwargs)(inputs)


def average(inputs, **kwargs):
    """`Average` of a list of tensors."""
    return Average(**kwargs)(inputs)


def maximum(inputs, **kwargs):
    """`Maximum` of a list of tensors."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs, **kwargs):
    """`Minimum` of a list of tensors."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs, axis=-1, **kwargs):
    """`Concatenate` of a list of tensors."""
    return Concatenate(axis, **kwargs)(inputs)


def dot(inputs, axes=-1, **kwargs):
    """`Dot` of a list of two tensors."""
    return Dot(axes, **kwargs)(inputs)
