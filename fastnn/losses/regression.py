"""Losses for numbers: squared, absolute and relative errors, and those between them."""

import math

from fastnn import config, ops
from fastnn.losses.loss import NamedLoss, pair
from fastnn.saving import registry


@registry.register("loss", aliases=("mse", "MSE"))
def mean_squared_error(y_true, y_pred):
    """mean((y_true - y_pred)**2) over the last axis."""
    y_true, y_pred = pair("mean_squared_error", y_true, y_pred)
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


@registry.register("loss", aliases=("mae", "MAE"))
def mean_absolute_error(y_true, y_pred):
    """mean(|y_true - y_pred|) over the last axis."""
    y_true, y_pred = pair("mean_absolute_error", y_true, y_pred)
    return ops.mean(ops.absolute(y_true - y_pred), axis=-1)


@registry.register("loss", aliases=("mape", "MAPE"))
def mean_absolute_percentage_error(y_true, y_pred):
    """100 * mean(|y_true - y_pred| / max(|y_true|, epsilon)) over the last axis."""
    y_true, y_pred = pair("mean_absolute_percentage_error", y_true, y_pred)
    relative = ops.absolute((y_true - y_pred) / ops.maximum(ops.absolute(y_true), config.epsilon()))
    return 100.0 * ops.mean(relative, axis=-1)


@registry.register("loss", aliases=("msle", "MSLE"))
def mean_squared_logarithmic_error(y_true, y_pred):
    """mean((log(1 + y_true) - log(1 + y_pred))**2) over the last axis; negative numbers count as epsilon."""
    y_true, y_pred = pair("mean_squared_logarithmic_error", y_true, y_pred)
    logs = [ops.log(ops.maximum(y, config.epsilon()) + 1.0) for y in (y_pred, y_true)]
    return ops.mean(ops.square(logs[0] - logs[1]), axis=-1)


@registry.register("loss")
def cosine_similarity(y_true, y_pred, axis=-1):
    """-sum(u * v) over an axis, u and v the targets and outputs scaled to length 1: -1 is the best."""
    y_true, y_pred = pair("cosine_similarity", y_true, y_pred)
    return -ops.sum(ops.normalize(y_true, axis) * ops.normalize(y_pred, axis), axis=axis)


@registry.register("loss")
def huber(y_true, y_pred, delta=1.0):
    """The mean over the last axis of e**2 / 2 for |e| <= delta and delta * |e| - delta**2 / 2 beyond."""
    y_true, y_pred = pair("huber", y_true, y_pred)
    error = y_pred - y_true
    distance = ops.absolute(error)
    near, far = 0.5 * ops.square(error), delta * distance - 0.5 * delta**2
    return ops.mean(ops.where(distance <= delta, near, far), axis=-1)


@registry.register("loss", aliases=("logcosh",))
def log_cosh(y_true, y_pred):
    """mean(log(cosh(y_pred - y_true))) over the last axis."""
    y_true, y_pred = pair("log_cosh", y_true, y_pred)
    error = y_pred - y_true
    return ops.mean(error + ops.softplus(error * -2.0) - math.log(2.0), axis=-1)


@registry.register("loss")
class MeanSquaredError(NamedLoss):
    """See `mean_squared_error`; arguments as `Loss`."""

    def __init__(self, reduction="sum_over_batch_size", name="mean_squared_error", dtype=None):
        super().__init__(mean_squared_error, reduction, name, dtype)


@registry.register("loss")
class MeanAbsoluteError(NamedLoss):
    """See `mean_absolute_error`; arguments as `Loss`."""

    def __init__(self, reduction="sum_over_batch_size", name="mean_absolute_error", dtype=None):
        super().__init__(mean_absolute_error, reduction, name, dtype)


@registry.register("loss")
class MeanAbsolutePercentageError(NamedLoss):
    """See `mean_absolute_percentage_error`; arguments as `Loss`."""

    def __init__(self, reduction="sum_over_batch_size", name="mean_absolute_percentage_error", dtype=None):
        super().__init__(mean_absolute_percentage_error, reduction, name, dtype)


@registry.register("loss")
class MeanSquaredLogarithmicError(NamedLoss):
    """See `mean_squared_logarithmic_error`; arguments as `Loss`."""

    def __init__(self, reduction="sum_over_batch_size", name="mean_squared_logarithmic_error", dtype=None):
        super().__init__(mean_squared_logarithmic_error, reduction, name, dtype)


@registry.register("loss")
class CosineSimilarity(NamedLoss):
    """See `cosine_similarity`; other arguments as `Loss`.

    Parameters
    ----------
    axis : int
    """

    def __init__(self, axis=-1, reduction="sum_over_batch_size", name="cosine_similarity", dtype=None):
        super().__init__(cosine_similarity, reduction, name, dtype, axis=axis)


@registry.register("loss")
class Huber(NamedLoss):
    """See `huber`; other arguments as `Loss`.

    Parameters
    ----------
    delta : float
        Where the loss turns from quadratic to linear.
    """

    def __init__(self, delta=1.0, reduction="sum_over_batch_size", name="huber_loss", dtype=None):
        super().__init__(huber, reduction, name, dtype, delta=delta)


@registry.register("loss")
class LogCosh(NamedLoss):
    """See `log_cosh`; arguments as `Loss`."""

    def __init__(self, reduction="sum_over_batch_size", name="log_cosh", dtype=None):
        super().__init__(log_cosh, reduction, name, dtype)
