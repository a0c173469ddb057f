"""Regularizers: a scalar computed from a weight (or an output) and added to the loss."""

import math

from fastnn import ops
from fastnn.saving import registry


class Regularizer:
    """Base of regularizers: override ``__call__(x)`` and, for saving, ``get_config()``."""

    def __call__(self, x):
        """The penalty for x: a scalar."""
        return 0.0

    def get_config(self):
        raise NotImplementedError(
            f"{type(self).__name__} needs get_config() to be saved: return its arguments in a dict"
        )

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def _non_negative(regularizer, name, value):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise ValueError(f"{regularizer}: {name} must be a non-negative number, received {value!r}")
    return float(value)


@registry.register("regularizer", aliases=("l1_l2",))
class L1L2(Regularizer):
    """l1 * sum(|x|) + l2 * sum(x * x).

    Parameters
    ----------
    l1, l2 : float
    """

    def __init__(self, l1=0.0, l2=0.0):
        self.l1 = _non_negative("L1L2", "l1", 0.0 if l1 is None else l1)
        self.l2 = _non_negative("L1L2", "l2", 0.0 if l2 is None else l2)

    def __call__(self, x):
        penalty = 0.0
        if self.l1:
            penalty = self.l1 * ops.sum(ops.absolute(x))
        if self.l2:
            penalty = penalty + self.l2 * ops.sum(ops.square(x))
        return penalty

    def get_config(self):
        return {"l1": self.l1, "l2": self.l2}


@registry.register("regularizer")
class L1(Regularizer):
    """l1 * sum(|x|).

    Parameters
    ----------
    l1 : float
    """

    def __init__(self, l1=0.01):
        self.l1 = _non_negative("L1", "l1", 0.01 if l1 is None else l1)

    def __call__(self, x):
        return self.l1 * ops.sum(ops.absolute(x))

    def get_config(self):
        return {"l1": self.l1}


@registry.register("regularizer")
class L2(Regularizer):
    """l2 * sum(x * x).

    Parameters
    ----------
    l2 : float
    """

    def __init__(self, l2=0.01):
        self.l2 = _non_negative("L2", "l2", 0.01 if l2 is None else l2)

    def __call__(self, x):
        return self.l2 * ops.sum(ops.square(x))

    def get_config(self):
        return {"l2": self.l2}


@registry.register("regularizer")
class OrthogonalRegularizer(Regularizer):
    """factor * the mean of |cosine| over all pairs of rows (or columns); 0 where there is no pair, Keras' NaN.

    Parameters
    ----------
    factor : float
    mode : {"rows", "columns"}
    """

    def __init__(self, factor=0.01, mode="rows"):
        self.factor = _non_negative("OrthogonalRegularizer", "factor", factor)
        if mode not in ("rows", "columns"):
            raise ValueError(f'OrthogonalRegularizer: mode must be "rows" or "columns", received {mode!r}')
        self.mode = mode

    def __call__(self, x):
        if len(x.shape) != 2:
            raise ValueError(f"OrthogonalRegularizer: expected a matrix, received shape {tuple(x.shape)}")
        rows = ops.normalize(x if self.mode == "rows" else ops.transpose(x), axis=1)
        size = rows.shape[0]
        cosines = ops.matmul(rows, ops.transpose(rows)) * (1.0 - ops.eye(size))
        pairs = max(1, size * (size - 1) / 2)  # of a single row, 0 in all
        return ops.sum(ops.absolute(cosines)) * (0.5 * self.factor / pairs)

    def get_config(self):
        return {"factor": self.factor, "mode": self.mode}


l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer


def get(identifier):
    """The regularizer that a name, configuration, class or object stands for; None stays None."""
    return registry.get("regularizer", identifier)


def serialize(regularizer):
    """The configuration of a regularizer."""
    return registry.serialize(regularizer)


def deserialize(config, custom_objects=None):
    """The regularizer that a configuration describes."""
    return registry.get("regularizer", config, custom_objects)
