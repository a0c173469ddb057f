"""Margins as metrics."""

from fastnn import losses
from fastnn.metrics.reduction import NamedMean
from fastnn.saving import registry


@registry.register("metric")
class Hinge(NamedMean):
    """The mean of `losses.hinge`.

    Parameters
    ----------
    name, dtype : str, optional
    """

    def __init__(self, name="hinge", dtype=None):
        super().__init__(losses.hinge, name, dtype)


@registry.register("metric")
class SquaredHinge(NamedMean):
    """The mean of `losses.squared_hinge`; arguments as Hinge."""

    def __init__(self, name="squared_hinge", dtype=None):
        super().__init__(losses.squared_hinge, name, dtype)


@registry.register("metric")
class CategoricalHinge(NamedMean):
    """The mean of `losses.categorical_hinge`; arguments as Hinge."""

    def __init__(self, name="categorical_hinge", dtype=None):
        super().__init__(losses.categorical_hinge, name, dtype)
