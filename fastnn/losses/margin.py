"""Losses with a margin."""

from fastnn import ops
from fastnn.losses.loss import NamedLoss, pair
from fastnn.saving import registry


def _signs(y_true):
    """Targets of -1 and 1; a batch of only 0 and 1 is converted."""
    binary = ops.all(ops.logical_or(ops.equal(y_true, 0), ops.equal(y_true, 1)))
    return ops.where(binary, 2.0 * y_true - 1.0, y_true)


@registry.register("loss")
def hinge(y_true, y_pred):
    """mean(max(1 - y_true * y_pred, 0)) over the last axis, for targets -1 and 1 (or 0 and 1)."""
    y_true, y_pred = pair("hinge", y_true, y_pred, fit=False)
    return ops.mean(ops.relu(1.0 - _signs(y_true) * y_pred), axis=-1)


@registry.register("loss")
def squared_hinge(y_true, y_pred):
    """mean(max(1 - y_true * y_pred, 0)**2) over the last axis, for targets -1 and 1 (or 0 and 1)."""
    y_true, y_pred = pair("squared_hinge", y_true, y_pred, fit=False)
    return ops.mean(ops.square(ops.relu(1.0 - _signs(y_true) * y_pred)), axis=-1)


@registry.register("loss")
def categorical_hinge(y_true, y_pred):
    """max(1 + max((1 - y_true) * y_pred) - sum(y_true * y_pred), 0) over the last axis, y_true one-hot."""
    y_true, y_pred = pair("categorical_hinge", y_true, y_pred, fit=False)
    right = ops.sum(y_true * y_pred, axis=-1)
    wrong = ops.max((1.0 - y_true) * y_pred, axis=-1)
    return ops.relu(wrong - right + 1.0)


@registry.register("loss")
class Hinge(NamedLoss):
    """See `hinge`; arguments as `Loss`."""

    def __init__(self, reduction="sum_over_batch_size", name="hinge", dtype=None):
        super().__init__(hinge, reduction, name, dtype)


@registry.register("loss")
class SquaredHinge(NamedLoss):
    """See `squared_hinge`; arguments as `Loss`."""

    def __init__(self, reduction="sum_over_batch_size", name="squared_hinge", dtype=None):
        super().__init__(squared_hinge, reduction, name, dtype)


@registry.register("loss")
class CategoricalHinge(NamedLoss):
    """See `categorical_hinge`; arguments as `Loss`."""

    def __init__(self, reduction="sum_over_batch_size", name="categorical_hinge", dtype=None):
        super().__init__(categorical_hinge, reduction, name, dtype)
