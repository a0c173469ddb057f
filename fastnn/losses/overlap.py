"""Losses for masks and sets: how much targets and outputs overlap."""

from fastnn import config, ops
from fastnn.losses.loss import NamedLoss, pair
from fastnn.saving import registry


@registry.register("loss")
def dice(y_true, y_pred, axis=None):
    """1 - 2 sum(y_true * y_pred) / (sum(y_true) + sum(y_pred) + epsilon) over `axis`, all axes if None."""
    y_true, y_pred = pair("dice", y_true, y_pred, fit=False)
    size = ops.sum(y_true, axis=axis) + ops.sum(y_pred, axis=axis) + config.epsilon()
    return 1.0 - 2.0 * ops.sum(y_true * y_pred, axis=axis) / size


@registry.register("loss")
def tversky(y_true, y_pred, alpha=0.5, beta=0.5, axis=None):
    """1 - both / (both + alpha * sum(y_true * (1 - y_pred)) + beta * sum((1 - y_true) * y_pred) + epsilon).

    `both` is sum(y_true * y_pred); sums run over `axis`, all axes if None (arXiv 1706.05721).
    """
    y_true, y_pred = pair("tversky", y_true, y_pred, fit=False)
    both = ops.sum(y_true * y_pred, axis=axis)
    missed = ops.sum((1.0 - y_pred) * y_true, axis=axis)
    invented = ops.sum(y_pred * (1.0 - y_true), axis=axis)
    return 1.0 - both / (both + missed * alpha + invented * beta + config.epsilon())


@registry.register("loss")
class Dice(NamedLoss):
    """See `dice`; other arguments as `Loss`.

    Parameters
    ----------
    axis : int or tuple of int, optional
    """

    def __init__(self, reduction="sum_over_batch_size", name="dice", axis=None, dtype=None):
        super().__init__(dice, reduction, name, dtype, axis=axis)


@registry.register("loss")
class Tversky(NamedLoss):
    """See `tversky`; other arguments as `Loss`.

    Parameters
    ----------
    alpha, beta : float
    axis : int or tuple of int, optional
    """

    def __init__(self, alpha=0.5, beta=0.5, reduction="sum_over_batch_size", name="tversky", axis=None, dtype=None):
        super().__init__(tversky, reduction, name, dtype, alpha=alpha, beta=beta, axis=axis)
