"""Errors of numbers."""

import warnings

from fastnn import losses, ops
from fastnn.graph.program import current_program
from fastnn.losses.loss import pair
from fastnn.metrics.base import Metric
from fastnn.metrics.reduction import Mean, NamedMean
from fastnn.saving import registry


def cosine_similarity(y_true, y_pred, axis=-1):
    """The cosine of the angle between targets and outputs; the loss has the other sign."""
    return -losses.cosine_similarity(y_true, y_pred, axis)


@registry.register("metric", aliases=("mse", "MSE"))
class MeanSquaredError(NamedMean):
    """The mean of the squared errors.

    Parameters
    ----------
    name, dtype : str, optional
    """

    def __init__(self, name="mean_squared_error", dtype=None):
        super().__init__(losses.mean_squared_error, name, dtype)


@registry.register("metric", aliases=("mae", "MAE"))
class MeanAbsoluteError(NamedMean):
    """The mean of the absolute errors; arguments as MeanSquaredError."""

    def __init__(self, name="mean_absolute_error", dtype=None):
        super().__init__(losses.mean_absolute_error, name, dtype)


@registry.register("metric", aliases=("mape", "MAPE"))
class MeanAbsolutePercentageError(NamedMean):
    """The mean of the relative errors in percent; arguments as MeanSquaredError."""

    def __init__(self, name="mean_absolute_percentage_error", dtype=None):
        super().__init__(losses.mean_absolute_percentage_error, name, dtype)


@registry.register("metric", aliases=("msle", "MSLE"))
class MeanSquaredLogarithmicError(NamedMean):
    """The mean of the squared errors of log(1 + y); arguments as MeanSquaredError."""

    def __init__(self, name="mean_squared_logarithmic_error", dtype=None):
        super().__init__(losses.mean_squared_logarithmic_error, name, dtype)


@registry.register("metric")
class RootMeanSquaredError(Mean):
    """The root of the mean of the squared errors; arguments as MeanSquaredError."""

    _direction = "down"

    def __init__(self, name="root_mean_squared_error", dtype=None):
        super().__init__(name, dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = pair("RootMeanSquaredError", y_true, y_pred)
        super().update_state(ops.square(y_pred - y_true), sample_weight)

    def result(self):
        return ops.sqrt(super().result())


@registry.register("metric")
class CosineSimilarity(NamedMean):
    """The mean cosine of the angle between targets and outputs.

    Parameters
    ----------
    name, dtype : str, optional
    axis : int
    """

    _direction = "up"

    def __init__(self, name="cosine_similarity", dtype=None, axis=-1):
        super().__init__(cosine_similarity, name, dtype, axis=axis)


@registry.register("metric")
class LogCoshError(NamedMean):
    """The mean of log(cosh(error)); arguments as MeanSquaredError."""

    def __init__(self, name="logcosh", dtype=None):
        super().__init__(losses.log_cosh, name, dtype)


@registry.register("metric")
class R2Score(Metric):
    """1 - sum of the squared errors / sum of the squared distances from the mean target, for each output.

    Parameters
    ----------
    class_aggregation : {"uniform_average", "variance_weighted_average", None}
        None keeps one score for each output.
    num_regressors : int
        Number of inputs of the model, for the adjusted score; 0 for the plain one.
    name, dtype : str, optional
    """

    _direction = "up"

    def __init__(self, class_aggregation="uniform_average", num_regressors=0, name="r2_score", dtype=None):
        super().__init__(dtype, name)
        if class_aggregation not in (None, "uniform_average", "variance_weighted_average"):
            raise ValueError(
                'R2Score: class_aggregation must be "uniform_average", "variance_weighted_average" or None, '
                f"received {class_aggregation!r}"
            )
        if num_regressors < 0:
            raise ValueError(f"R2Score: num_regressors must not be negative, received {num_regressors}")
        self.class_aggregation, self.num_regressors = class_aggregation, num_regressors
        self.num_samples = self.add_variable((), "zeros", name="num_samples")
        self._built = False

    def _build(self, y_true_shape, y_pred_shape):
        if len(y_pred_shape) != 2 or len(y_true_shape) != 2:
            raise ValueError(
                "R2Score: expected targets and outputs of shape (n, outputs), received "
                f"{tuple(y_true_shape)} and {tuple(y_pred_shape)}"
            )
        shape = (y_pred_shape[-1],)
        self.squared_sum = self.add_variable(shape, "zeros", name="squared_sum")
        self.sum = self.add_variable(shape, "zeros", name="sum")
        self.total_mse = self.add_variable(shape, "zeros", name="residual")
        self.count = self.add_variable(shape, "zeros", name="count")
        self._built = True

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = pair("R2Score", y_true, y_pred)
        if not self._built:
            self._build(y_true.shape, y_pred.shape)
        weight = ops.convert_to_tensor(1.0 if sample_weight is None else sample_weight, self.dtype)
        weight = ops.expand_dims(weight, 1) if len(weight.shape) == 1 else weight
        weight = ops.broadcast_to(weight, y_true.shape)
        weighted = y_true * weight
        self.sum.assign_add(ops.sum(weighted, axis=0))
        self.squared_sum.assign_add(ops.sum(y_true * weighted, axis=0))
        self.total_mse.assign_add(ops.sum(ops.square(y_true - y_pred) * weight, axis=0))
        self.count.assign_add(ops.sum(weight, axis=0))
        self.num_samples.assign_add(float(y_true.size))

    def result(self):
        if not self._built:
            raise ValueError("R2Score: there is no result before the first update_state()")
        total = self.squared_sum - self.sum * ops.divide(self.sum, self.count)
        scores = 1.0 - ops.divide(self.total_mse, total)
        scores = ops.where(ops.isinf(scores), 0.0, scores)
        if self.class_aggregation == "uniform_average":
            scores = ops.mean(scores)
        elif self.class_aggregation == "variance_weighted_average":
            scores = ops.divide(ops.sum(total * scores), ops.sum(total))
        return self._adjusted(scores)[()] if self.num_regressors else scores

    def _adjusted(self, scores):
        """1 - (1 - score) (n - 1) / (n - regressors - 1), where there are samples enough."""
        freedom = self.num_samples - (self.num_regressors + 1.0)
        if current_program() is None and freedom <= 0:
            warnings.warn(
                f"R2Score: {int(self.num_samples)} targets are too few to adjust the score for "
                f"{self.num_regressors} regressors: the plain score is returned.",
                stacklevel=3,
            )
        enough = ops.greater(freedom, 0.0)
        ratio = ops.divide(self.num_samples - 1.0, ops.where(enough, freedom, 1.0))
        return ops.where(enough, 1.0 - (1.0 - scores) * ratio, scores)

    def get_config(self):
        return super().get_config() | {
            "class_aggregation": self.class_aggregation,
            "num_regressors": self.num_regressors,
        }
