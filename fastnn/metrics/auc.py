"""The area under a curve of decisions."""

import numpy as np

from fastnn import config, ops
from fastnn.metrics.confusion import _Counting, even_thresholds, evenly_spaced, update_counts
from fastnn.saving import registry

CURVES = ("ROC", "PR", "PRGAIN")
METHODS = ("interpolation", "majoring", "minoring")


def _one_of(argument, value, allowed):
    for name in allowed:
        if value in (name, name.lower(), name.capitalize()):
            return name
    raise ValueError(f"AUC: {argument} must be one of {', '.join(map(repr, allowed))}, received {value!r}")


@registry.register("metric")
class AUC(_Counting):
    """The area under the receiver operating characteristic, or under the curve of precision over recall.

    Parameters
    ----------
    num_thresholds : int
    curve : {"ROC", "PR", "PRGAIN"}
    summation_method : {"interpolation", "minoring", "majoring"}
        How the curve runs between thresholds: "interpolation" is linear (for PR after Davis and Goadrich,
        2006), the others take the smaller or the larger end.
    name, dtype : str, optional
    thresholds : sequence of float, optional
        In place of evenly spaced ones; the ends are added.
    multi_label : bool
        One area for each column of outputs of shape (n, labels), then their mean.
    num_labels : int, optional
        With multi_label; found out at the first batch unless given.
    label_weights : sequence of float, optional
        Weights of the columns.
    from_logits : bool
        Outputs are logits, not probabilities.
    """

    _direction = "up"

    def __init__(
        self,
        num_thresholds=200,
        curve="ROC",
        summation_method="interpolation",
        name=None,
        dtype=None,
        thresholds=None,
        multi_label=False,
        num_labels=None,
        label_weights=None,
        from_logits=False,
    ):
        super().__init__(dtype, name)
        self.curve = _one_of("curve", curve, CURVES)
        self.summation_method = _one_of("summation_method", summation_method, METHODS)
        self._init_from_thresholds = thresholds is not None
        margin = config.epsilon()
        if thresholds is not None:
            thresholds = sorted(thresholds)
            self._even = evenly_spaced([0.0, *thresholds, 1.0])
            self.thresholds = [-margin, *thresholds, 1 + margin]
        else:
            if num_thresholds <= 1:
                raise ValueError(f"AUC: num_thresholds must be greater than 1, received {num_thresholds}")
            self._even = True
            self.thresholds = even_thresholds(num_thresholds, margin)
        if num_labels and not multi_label:
            raise ValueError("AUC: num_labels is for multi_label=True only")
        self.num_thresholds = len(self.thresholds)
        self.multi_label, self.num_labels, self._from_logits = multi_label, num_labels, from_logits
        self.label_weights = None if label_weights is None else np.asarray(label_weights, self.dtype)
        self._built = False
        if num_labels or not multi_label:
            self._build((None, num_labels))

    def _build(self, shape):
        if self.multi_label and len(shape) != 2:
            raise ValueError(f"AUC: expected outputs of shape (n, labels) with multi_label, received {tuple(shape)}")
        self._add_counts((self.num_thresholds, shape[1]) if self.multi_label else (self.num_thresholds,))
        self._built = True

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_pred = ops.convert_to_tensor(y_pred)
        if not self._built:
            self._build(y_pred.shape)
        if self._from_logits:
            y_pred = ops.sigmoid(y_pred)
        labels = "apart" if self.multi_label else self.label_weights
        update_counts(self._counts(), y_true, y_pred, self.thresholds, sample_weight, labels=labels, even=self._even)

    def result(self):
        if not self._built:
            raise ValueError("AUC: there is no result before the first update_state() with multi_label")
        if (self.curve, self.summation_method) == ("PR", "interpolation"):
            areas = self._interpolated_precision()
        else:
            x, y = self._points()
            left, right = y[:-1], y[1:]
            if self.summation_method == "interpolation":
                heights = (left + right) * 0.5
            else:
                heights = (ops.minimum if self.summation_method == "minoring" else ops.maximum)(left, right)
            areas = (x[:-1] - x[1:]) * heights
        areas = ops.sum(areas, axis=0)
        if not self.multi_label:
            return areas
        if self.label_weights is None:
            return ops.mean(areas)
        return ops.divide_no_nan(ops.sum(areas * self.label_weights), ops.sum(self.label_weights))[()]

    def _points(self):
        """x and y of the curve at each threshold."""
        tp, fp, tn, fn = self.true_positives, self.false_positives, self.true_negatives, self.false_negatives
        recall = ops.divide_no_nan(tp, tp + fn)
        if self.curve == "ROC":
            return ops.divide_no_nan(fp, fp + tn), recall
        if self.curve == "PR":
            return recall, ops.divide_no_nan(tp, tp + fp)
        odds = ops.divide_no_nan(tp + fn, tn + fp)
        none = ops.equal(tp, 0.0)
        recall_gain = ops.where(none, 0.0, 1.0 - odds * ops.divide_no_nan(fn, tp))
        precision_gain = ops.where(none, 1.0, 1.0 - odds * ops.divide_no_nan(fp, tp))
        return ops.maximum(recall_gain, 0.0), precision_gain

    def _interpolated_precision(self):
        """The area between neighbouring thresholds where true positives grow linearly with all positives."""
        tp = self.true_positives
        positives = tp + self.false_positives
        gained = tp[:-1] - tp[1:]
        slope = ops.divide_no_nan(gained, ops.maximum(positives[:-1] - positives[1:], 0.0))
        intercept = tp[1:] - slope * positives[1:]
        both = ops.logical_and(positives[:-1] > 0, positives[1:] > 0)
        ratio = ops.where(both, ops.divide_no_nan(positives[:-1], ops.maximum(positives[1:], 0.0)), 1.0)
        total = ops.maximum(tp[1:] + self.false_negatives[1:], 0.0)
        return ops.divide_no_nan(slope * (gained + intercept * ops.log(ratio)), total)

    def get_config(self):
        weights = self.label_weights
        arguments = {
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": None if weights is None else weights.tolist(),
            "from_logits": self._from_logits,
        }
        if self._init_from_thresholds:
            arguments["thresholds"] = self.thresholds[1:-1]
        return super().get_config() | arguments
