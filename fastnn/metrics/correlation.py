"""Correlations of targets and outputs."""

from fastnn import config, ops
from fastnn.losses.loss import pair
from fastnn.metrics.reduction import NamedMean
from fastnn.saving import registry


def pearson_correlation(y_true, y_pred, axis=-1):
    """The covariance of targets and outputs over the product of their standard deviations, along an axis."""
    y_true, y_pred = pair("pearson_correlation", y_true, y_pred)
    scaled = []
    for y in (y_true, y_pred):
        centred = y - ops.mean(y, axis=axis, keepdims=True)
        scaled.append(ops.divide(centred, ops.std(centred, axis=axis, keepdims=True)))
    return ops.mean(scaled[0] * scaled[1], axis=axis)


def concordance_correlation(y_true, y_pred, axis=-1):
    """2 * covariance / (both variances + squared distance of the means + epsilon), along an axis."""
    y_true, y_pred = pair("concordance_correlation", y_true, y_pred)
    true_mean, pred_mean = (
        ops.mean(y_true, axis=axis, keepdims=True),
        ops.mean(y_pred, axis=axis, keepdims=True),
    )
    variances = ops.var(y_true, axis=axis, keepdims=True) + ops.var(y_pred, axis=axis, keepdims=True)
    scale = variances + ops.square(true_mean - pred_mean) + config.epsilon()
    return ops.mean(2.0 * (y_true - pred_mean) * (y_pred - pred_mean) / scale, axis=axis)


@registry.register("metric")
class PearsonCorrelation(NamedMean):
    """The mean of `pearson_correlation`.

    Parameters
    ----------
    name, dtype : str, optional
    axis : int
    """

    _direction = "up"

    def __init__(self, name="pearson_correlation", dtype=None, axis=-1):
        super().__init__(pearson_correlation, name, dtype, axis=axis)


@registry.register("metric")
class ConcordanceCorrelation(NamedMean):
    """The mean of `concordance_correlation`; arguments as PearsonCorrelation."""

    _direction = "up"

    def __init__(self, name="concordance_correlation", dtype=None, axis=-1):
        super().__init__(concordance_correlation, name, dtype, axis=axis)
