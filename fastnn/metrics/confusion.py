"""Counts of right and wrong decisions at thresholds, and what is computed from them."""

import numpy as np

from fastnn import config, ops
from fastnn.losses.loss import squeeze_or_expand_to_same_rank
from fastnn.metrics.base import Metric
from fastnn.saving import registry

BELOW_ALL = -1e10  # a threshold below every prediction

COUNTS = ("true_positives", "true_negatives", "false_positives", "false_negatives")


def parse_thresholds(thresholds, default):
    """A list of thresholds in [0, 1]."""
    if thresholds is None:
        return [default]
    thresholds = list(thresholds) if isinstance(thresholds, (list, tuple, np.ndarray)) else [thresholds]
    outside = [t for t in thresholds if t is None or not 0 <= t <= 1]
    if outside:
        raise ValueError(f"thresholds must lie in [0, 1], received {outside}")
    return thresholds


def evenly_spaced(thresholds):
    """Whether these are 0, 1/n, 2/n, ..., 1."""
    n = len(thresholds)
    return n >= 3 and np.allclose(thresholds, np.arange(n) / (n - 1), atol=config.epsilon())


def update_counts(
    counts, y_true, y_pred, thresholds, sample_weight=None, top_k=None, class_id=None, labels=None, even=None
):
    """Add a batch to the counts of a metric.

    Parameters
    ----------
    counts : dict of str to Variable
        The counts to keep, by their names in `COUNTS`; shape (thresholds,), or (thresholds, labels) with
        `labels`.
    y_true, y_pred : tensors of one shape, or the rank of one greater by a last axis of size 1
        A target is positive unless 0; an output is positive if it is greater than the threshold.
    thresholds : sequence of float
    sample_weight : tensor, optional
        Of shape (n,), or one that broadcasts to y_pred.
    top_k : int, optional
        Only the k largest outputs of a row may be positive.
    class_id : int, optional
        Only this column counts.
    labels : "apart" or array of shape (columns,), optional
        Count the columns apart, or weigh them.
    even : bool, optional
        Whether the thresholds are evenly spaced; found out unless given.
    """
    dtype = next(iter(counts.values())).dtype
    y_true, y_pred = (ops.cast(ops.convert_to_tensor(y), dtype) for y in (y_true, y_pred))
    y_pred, y_true = squeeze_or_expand_to_same_rank(y_pred, y_true)
    weight = _fitted_weight(sample_weight, y_true, dtype)
    if top_k is not None:
        y_pred = ops.where(_largest(y_pred, top_k), y_pred, BELOW_ALL)
    if class_id is not None:
        if len(y_pred.shape) < 2:
            raise ValueError(f"class_id: expected outputs of shape (n, classes), received {tuple(y_pred.shape)}")
        y_true, y_pred = y_true[..., class_id : class_id + 1], y_pred[..., class_id : class_id + 1]
    if tuple(y_true.shape) != tuple(y_pred.shape):
        raise ValueError(f"targets of shape {tuple(y_true.shape)} do not fit outputs of shape {tuple(y_pred.shape)}")
    weight = ops.broadcast_to(weight, y_pred.shape)
    apart = isinstance(labels, str)
    if labels is not None and not apart:
        weight = weight * ops.convert_to_tensor(labels, dtype)
    shape = (-1, y_pred.shape[-1]) if apart else (-1, 1)
    y_true, y_pred, weight = (ops.reshape(x, shape) for x in (y_true, y_pred, weight))
    positive = ops.cast(ops.not_equal(y_true, 0), dtype)
    weights = (positive * weight, (1.0 - positive) * weight)
    even = evenly_spaced(thresholds) if even is None else even
    found = (_count_even if even else _count)(counts, y_pred, weights, thresholds, dtype)
    for name, count in found.items():
        counts[name].assign_add(count if apart else count[:, 0])


def _fitted_weight(sample_weight, y_true, dtype):
    if sample_weight is None:
        return ops.ones((1,) * len(y_true.shape), dtype)
    weight = ops.expand_dims(ops.cast(ops.convert_to_tensor(sample_weight), dtype), -1)
    return squeeze_or_expand_to_same_rank(y_true, weight, expand_rank_1=False)[1]


def _largest(x, k):
    """True at the k largest elements of each row, the first of equal ones."""
    classes = x.shape[-1]
    if k > classes:
        raise ValueError(f"top_k: {k} outputs of {classes} cannot be chosen")
    chosen = ops.zeros(x.shape, str(x.dtype))
    for _ in range(k):
        chosen = chosen + ops.one_hot(ops.argmax(ops.where(chosen, -np.inf, x), axis=-1), classes)
    return chosen


def _count(counts, y_pred, weights, thresholds, dtype):
    """{name: (thresholds, columns)}: every output is compared with every threshold."""
    above = ops.expand_dims(y_pred, 0) > np.reshape(np.asarray(thresholds, dtype), (-1, 1, 1))
    positive, negative = weights
    rules = {
        "true_positives": (positive, 0.0),
        "false_positives": (negative, 0.0),
        "false_negatives": (0.0, positive),
        "true_negatives": (0.0, negative),
    }
    return {name: ops.sum(ops.where(above, *rules[name]), axis=1) for name in counts}


def _count_even(counts, y_pred, weights, thresholds, dtype):
    """As `_count`, by counting outputs between neighbouring thresholds and adding from the right."""
    n, columns = len(thresholds), y_pred.shape[-1]
    y_pred = ops.clip(y_pred, 0.0, 1.0)
    above_first = y_pred > float(thresholds[0])
    bucket = ops.where(y_pred > 0.0, ops.ceil(y_pred * (n - 1.0)) - 1.0, 0.0)
    index = ops.cast(bucket, "int32") * columns + np.arange(columns, dtype=np.int32)
    pairs = ops.stack([ops.reshape(ops.where(above_first, w, 0.0), (-1,)) for w in weights], axis=1)
    sums = ops.segment_sum(pairs, ops.reshape(index, (-1,)), n * columns)
    from_here = np.triu(np.ones((n, n), dtype))
    sums = ops.reshape(ops.matmul(from_here, ops.reshape(sums, (n, 2 * columns))), (n, columns, 2))
    found = {"true_positives": sums[..., 0], "false_positives": sums[..., 1]}
    found["false_negatives"] = ops.sum(weights[0], axis=0) - found["true_positives"]
    found["true_negatives"] = ops.sum(weights[1], axis=0) - found["false_positives"]
    return {name: found[name] for name in counts}


class _Counting(Metric):
    """Base: some of the four counts, as variables under their names.

    Subclasses list their `counted` names and set `thresholds`.
    """

    counted: tuple[str, ...] = COUNTS
    top_k = class_id = None

    def _add_counts(self, shape):
        for name in self.counted:
            setattr(self, name, self.add_variable(shape, "zeros", name=name))

    def _counts(self):
        return {name: getattr(self, name) for name in self.counted}

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Take in a batch.

        Parameters
        ----------
        y_true, y_pred : tensors of shape (n,) or (n, classes)
        sample_weight : tensor, optional
        """
        update_counts(
            self._counts(),
            y_true,
            y_pred,
            self.thresholds,
            sample_weight,
            top_k=self.top_k,
            class_id=self.class_id,
        )

    def _one_or_all(self, values):
        return values[0] if len(self.thresholds) == 1 else values


class _ConditionCount(_Counting):
    def __init__(self, thresholds=None, name=None, dtype=None):
        super().__init__(dtype, name)
        self.init_thresholds = thresholds
        self.thresholds = parse_thresholds(thresholds, 0.5)
        self.accumulator = self.add_variable((len(self.thresholds),), "zeros", name="accumulator")

    def _counts(self):
        return {self.counted[0]: self.accumulator}

    def result(self):
        return self._one_or_all(ops.convert_to_tensor(self.accumulator))

    def get_config(self):
        return super().get_config() | {"thresholds": self.init_thresholds}


@registry.register("metric")
class TruePositives(_ConditionCount):
    """The weight of positive targets with positive outputs.

    Parameters
    ----------
    thresholds : float or sequence of float, optional
        Outputs above it are positive; 0.5 unless given. Several give several results.
    name, dtype : str, optional
    """

    counted = ("true_positives",)


@registry.register("metric")
class TrueNegatives(_ConditionCount):
    """The weight of negative targets with negative outputs; arguments as TruePositives."""

    counted = ("true_negatives",)


@registry.register("metric")
class FalsePositives(_ConditionCount):
    """The weight of negative targets with positive outputs; arguments as TruePositives."""

    counted = ("false_positives",)


@registry.register("metric")
class FalseNegatives(_ConditionCount):
    """The weight of positive targets with negative outputs; arguments as TruePositives."""

    counted = ("false_negatives",)


class _Ratio(_Counting):
    """true_positives / (true_positives + the other count)."""

    _direction = "up"

    def __init__(self, thresholds=None, top_k=None, class_id=None, name=None, dtype=None):
        super().__init__(dtype, name)
        self.init_thresholds, self.top_k, self.class_id = thresholds, top_k, class_id
        self.thresholds = parse_thresholds(thresholds, 0.5 if top_k is None else BELOW_ALL)
        self._add_counts((len(self.thresholds),))

    def result(self):
        right, wrong = self._counts().values()
        return self._one_or_all(ops.divide_no_nan(right, right + wrong))

    def get_config(self):
        arguments = {"thresholds": self.init_thresholds, "top_k": self.top_k, "class_id": self.class_id}
        return super().get_config() | arguments


@registry.register("metric")
class Precision(_Ratio):
    """The part of the positive outputs that is right.

    Parameters
    ----------
    thresholds : float or sequence of float, optional
        Outputs above it are positive; 0.5 unless given, none with top_k. Several give several results.
    top_k : int, optional
        Only the k largest outputs of a row may be positive.
    class_id : int, optional
        Only this class counts.
    name, dtype : str, optional
    """

    counted = ("true_positives", "false_positives")


@registry.register("metric")
class Recall(_Ratio):
    """The part of the positive targets that is found; arguments as Precision."""

    counted = ("true_positives", "false_negatives")


class _Constrained(_Counting):
    """The best of one ratio among the thresholds at which another reaches a value."""

    _direction = "up"
    value_name = ""
    ratios = ("", "")  # constrained, maximised

    def __init__(self, value, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(dtype, name)
        if not 0 <= value <= 1:
            raise ValueError(f"{type(self).__name__}: {self.value_name} must lie in [0, 1], received {value}")
        if num_thresholds <= 0:
            raise ValueError(f"{type(self).__name__}: num_thresholds must be positive, received {num_thresholds}")
        self.value, self.num_thresholds, self.class_id = value, num_thresholds, class_id
        setattr(self, self.value_name, value)
        self.thresholds = [0.5] if num_thresholds == 1 else even_thresholds(num_thresholds, 0.0)
        self._add_counts((num_thresholds,))

    def update_state(self, y_true, y_pred, sample_weight=None):
        even = self.num_thresholds > 1
        update_counts(self._counts(), y_true, y_pred, self.thresholds, sample_weight, class_id=self.class_id, even=even)

    def _ratio(self, name):
        right, wrong = {
            "recall": (self.true_positives, self.false_negatives),
            "specificity": (self.true_negatives, self.false_positives),
            "precision": (self.true_positives, self.false_positives),
        }[name]
        return ops.divide_no_nan(right, right + wrong)

    def result(self):
        constrained, maximised = map(self._ratio, self.ratios)
        return ops.max(ops.where(ops.greater_equal(constrained, self.value), maximised, 0.0))

    def get_config(self):
        arguments = {
            "num_thresholds": self.num_thresholds,
            self.value_name: self.value,
            "class_id": self.class_id,
        }
        return super().get_config() | arguments


def even_thresholds(n, margin):
    """n thresholds from 0 - margin to 1 + margin, those between at 1/(n - 1), 2/(n - 1), ..."""
    return [0.0 - margin, *((i + 1) / (n - 1) for i in range(n - 2)), 1.0 + margin]


@registry.register("metric")
class SensitivityAtSpecificity(_Constrained):
    """The best recall at a given specificity: true negatives / all negatives.

    Parameters
    ----------
    specificity : float in [0, 1]
    num_thresholds : int
    class_id : int, optional
        Only this class counts.
    name, dtype : str, optional
    """

    value_name, ratios = "specificity", ("specificity", "recall")

    def __init__(self, specificity, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(specificity, num_thresholds, class_id, name, dtype)


@registry.register("metric")
class SpecificityAtSensitivity(_Constrained):
    """The best specificity at a given sensitivity (recall); other arguments as SensitivityAtSpecificity."""

    value_name, ratios = "sensitivity", ("recall", "specificity")

    def __init__(self, sensitivity, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)


@registry.register("metric")
class PrecisionAtRecall(_Constrained):
    """The best precision at a given recall; other arguments as SensitivityAtSpecificity."""

    value_name, ratios = "recall", ("recall", "precision")

    def __init__(self, recall, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(recall, num_thresholds, class_id, name, dtype)


@registry.register("metric")
class RecallAtPrecision(_Constrained):
    """The best recall at a given precision; other arguments as SensitivityAtSpecificity."""

    value_name, ratios = "precision", ("precision", "recall")

    def __init__(self, precision, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(precision, num_thresholds, class_id, name, dtype)
