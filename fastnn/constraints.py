"""Constraints: what is done to a weight after each update."""

from fastnn import config, ops
from fastnn.saving import registry


class Constraint:
    """Base of constraints: override ``__call__(w)``, which returns the new weight."""

    def __call__(self, w):
        return w

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def _norms(w, axis):
    return ops.sqrt(ops.sum(ops.square(w), axis=axis, keepdims=True))


@registry.register("constraint")
class MaxNorm(Constraint):
    """w * min(norm, max_value) / (norm + epsilon).

    Parameters
    ----------
    max_value : float
    axis : int or sequence of int
        Over which the norm is taken: 0 for a Dense kernel, [0, 1, 2] for a Conv2D kernel.
    """

    def __init__(self, max_value=2, axis=0):
        self.max_value, self.axis = max_value, axis

    def __call__(self, w):
        norms = _norms(w, self.axis)
        return w * (ops.clip(norms, 0.0, self.max_value) / (norms + config.epsilon()))

    def get_config(self):
        return {"max_value": self.max_value, "axis": self.axis}


@registry.register("constraint")
class NonNeg(Constraint):
    """max(w, 0)."""

    def __call__(self, w):
        return ops.maximum(w, 0.0)


@registry.register("constraint")
class UnitNorm(Constraint):
    """w / (norm + epsilon).

    Parameters
    ----------
    axis : int or sequence of int
        Over which the norm is taken.
    """

    def __init__(self, axis=0):
        self.axis = axis

    def __call__(self, w):
        return w / (_norms(w, self.axis) + config.epsilon())

    def get_config(self):
        return {"axis": self.axis}


@registry.register("constraint")
class MinMaxNorm(Constraint):
    """The norm moved towards [min_value, max_value] by the fraction `rate` of the way.

    Parameters
    ----------
    min_value, max_value, rate : float
    axis : int or sequence of int
        Over which the norm is taken.
    """

    def __init__(self, min_value=0.0, max_value=1.0, rate=1.0, axis=0):
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def __call__(self, w):
        norms = _norms(w, self.axis)
        desired = self.rate * ops.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        return w * (desired / (norms + config.epsilon()))

    def get_config(self):
        return {
            "min_value": self.min_value,
            "max_value": self.max_value,
            "rate": self.rate,
            "axis": self.axis,
        }


max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm


def get(identifier):
    """The constraint that a name, configuration, class or object stands for; None stays None."""
    return registry.get("constraint", identifier)


def serialize(constraint):
    """The configuration of a constraint."""
    return registry.serialize(constraint)


def deserialize(config, custom_objects=None):
    """The constraint that a configuration describes."""
    return registry.get("constraint", config, custom_objects)
