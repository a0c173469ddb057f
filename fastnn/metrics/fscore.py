"""F-scores: means of precision and recall."""

from fastnn import config, ops
from fastnn.metrics.base import Metric
from fastnn.saving import registry


@registry.register("metric")
class FBetaScore(Metric):
    """(1 + beta**2) * precision * recall / (beta**2 * precision + recall), for each class.

    Parameters
    ----------
    average : {None, "micro", "macro", "weighted"}
        None keeps one score for each class, "micro" counts all classes together, "macro" takes the mean,
        "weighted" the mean weighted by the number of targets.
    beta : float
        How many times recall weighs precision.
    threshold : float in (0, 1], optional
        Outputs above it are positive; without one the largest output of a row is.
    name, dtype : str, optional
    """

    _direction = "up"

    def __init__(self, average=None, beta=1.0, threshold=None, name="fbeta_score", dtype=None):
        super().__init__(dtype, name)
        if average not in (None, "micro", "macro", "weighted"):
            raise ValueError(f'FBetaScore: average must be None, "micro", "macro" or "weighted", received {average!r}')
        if not isinstance(beta, float) or beta <= 0:
            raise ValueError(f"FBetaScore: beta must be a positive float, received {beta!r}")
        if threshold is not None and not (isinstance(threshold, float) and 0 < threshold <= 1):
            raise ValueError(f"FBetaScore: threshold must be a float in (0, 1] or None, received {threshold!r}")
        self.average, self.beta, self.threshold = average, beta, threshold
        self._built = False

    def _build(self, y_true_shape, y_pred_shape):
        if len(y_pred_shape) != 2 or tuple(y_true_shape) != tuple(y_pred_shape):
            raise ValueError(
                f"{type(self).__name__}: expected targets and outputs of one shape (n, classes), received "
                f"{tuple(y_true_shape)} and {tuple(y_pred_shape)}. Convert integer labels with "
                "utils.to_categorical."
            )
        shape = () if self.average == "micro" else (y_pred_shape[-1],)
        self.true_positives = self.add_variable(shape, "zeros", self.dtype, name="true_positives")
        self.false_positives = self.add_variable(shape, "zeros", self.dtype, name="false_positives")
        self.false_negatives = self.add_variable(shape, "zeros", self.dtype, name="false_negatives")
        self.intermediate_weights = self.add_variable(shape, "zeros", self.dtype, name="intermediate_weights")
        self._built = True

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = (ops.cast(ops.convert_to_tensor(y), self.dtype) for y in (y_true, y_pred))
        if not self._built:
            self._build(y_true.shape, y_pred.shape)
        if self.threshold is None:
            largest = ops.greater_equal(y_pred, ops.max(y_pred, axis=-1, keepdims=True))
            chosen = ops.logical_and(largest, ops.absolute(y_pred) > 1e-9)
        else:
            chosen = y_pred > self.threshold
        chosen = ops.cast(chosen, self.dtype)
        if sample_weight is not None:
            sample_weight = ops.expand_dims(ops.cast(ops.convert_to_tensor(sample_weight), self.dtype), 1)

        def total(values):
            values = values if sample_weight is None else values * sample_weight
            return ops.sum(values, axis=None if self.average == "micro" else 0)

        self.true_positives.assign_add(total(chosen * y_true))
        self.false_positives.assign_add(total(chosen * (1.0 - y_true)))
        self.false_negatives.assign_add(total((1.0 - chosen) * y_true))
        self.intermediate_weights.assign_add(total(y_true))

    def result(self):
        if not self._built:
            raise ValueError(f"{type(self).__name__}: there is no result before the first update_state()")
        tiny = config.epsilon()
        precision = self.true_positives / (self.true_positives + self.false_positives + tiny)
        recall = self.true_positives / (self.true_positives + self.false_negatives + tiny)
        weighted = self.beta**2 * precision + recall
        score = (1 + self.beta**2) * (precision * recall / (weighted + tiny))
        if self.average == "weighted":
            targets = self.intermediate_weights
            return ops.sum(score * (targets / (ops.sum(targets) + tiny)))
        return score if self.average is None else ops.mean(score)

    def get_config(self):
        arguments = {"average": self.average, "beta": self.beta, "threshold": self.threshold}
        return super().get_config() | arguments


@registry.register("metric")
class F1Score(FBetaScore):
    """2 * precision * recall / (precision + recall), for each class; arguments as FBetaScore."""

    def __init__(self, average=None, threshold=None, name="f1_score", dtype=None):
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self):
        config = super().get_config()
        del config["beta"]
        return config
