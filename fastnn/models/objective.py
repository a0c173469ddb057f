"""What `compile` asked for: the loss over all outputs, and the metrics by output."""

import numpy as np

from fastnn import losses as loss_table
from fastnn import metrics as metric_table
from fastnn.saving import registry


def _entries(value):
    """The entries of a dict, list or single value; none of None."""
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple)) else [] if value is None else [value]


def _per_output(value, n, what):
    """A value for each of n outputs."""
    if isinstance(value, dict):
        value = list(value.values())
    values = list(value) if isinstance(value, (list, tuple)) else [value] * n
    if len(values) != n:
        raise ValueError(f"{what}: expected {n} entries, one for each output, received {len(values)}")
    return values


class Objective:
    """Losses and metrics of a compiled model.

    Parameters
    ----------
    loss, loss_weights, metrics, weighted_metrics : as in ``Model.compile``
    """

    def __init__(self, loss, loss_weights, metrics, weighted_metrics):
        if any(isinstance(w, str) or not np.isscalar(w) for w in _entries(loss_weights)):
            raise ValueError(
                f"compile: loss_weights must be numbers, received {loss_weights!r}: metrics are given as metrics=[...]"
            )
        self.loss, self.loss_weights = loss, loss_weights
        self.metrics, self.weighted_metrics = metrics, weighted_metrics
        self.losses = self.compiled = None

    def _resolve(self, predictions):
        if self.losses is None:
            self.losses = [_as_loss(loss) for loss in _per_output(self.loss, len(predictions), "loss")]

    def total_loss(self, targets, predictions, weights):
        """The weighted sum of the losses of all outputs, a scalar."""
        self._resolve(predictions)
        if len(targets) != len(predictions):
            raise ValueError(f"the model has {len(predictions)} outputs, y has {len(targets)} arrays")
        factors = _per_output(1.0 if self.loss_weights is None else self.loss_weights, len(predictions), "loss_weights")
        total = None
        for loss, y, p, factor in zip(self.losses, targets, predictions, factors, strict=True):
            if loss is None:
                continue
            part = loss(y, p, weights)
            part = part if factor == 1.0 else part * factor
            total = part if total is None else total + part
        return total

    def all_metrics(self):
        """The metric objects, once `build_metrics` made them."""
        return [metric for pair in (self.compiled or []) for metric, _ in pair]

    def build_metrics(self, targets, predictions):
        """Make the metrics, now that shapes tell which accuracy is meant."""
        if self.compiled is not None:
            return
        self.compiled = []
        for i, (y, p) in enumerate(zip(targets, predictions, strict=True)):
            pairs = []
            for given, weighted in ((self.metrics, False), (self.weighted_metrics, True)):
                own = given if len(predictions) == 1 else _per_output(given, len(predictions), "metrics")[i]
                for metric in _listed(own):
                    pairs.append((_as_metric(metric, y, p), weighted))
            self.compiled.append(pairs)

    def update_metrics(self, targets, predictions, weights):
        """Let every metric see a batch; part of the traced step."""
        self.build_metrics(targets, predictions)
        for pairs, y, p in zip(self.compiled, targets, predictions, strict=True):
            for metric, weighted in pairs:
                metric.update_state(y, p, weights if weighted else None)

    def check_targets(self, arrays, shapes):
        """Raise a ValueError for class labels that are no integers in 0..classes-1 of their output."""
        for loss, array, shape in zip(self.losses or [], arrays, shapes, strict=True):
            if getattr(loss, "fn", None) is loss_table.sparse_categorical_crossentropy:
                options = loss._fn_kwargs
                ignored = options.get("ignore_class")
                check_labels(array if ignored is None else array[array != ignored], shape[options.get("axis", -1)])

    def get_config(self):
        return {
            "loss": _serialized(self.loss), "loss_weights": self.loss_weights,
            "metrics": _serialized(self.metrics), "weighted_metrics": _serialized(self.weighted_metrics),
        }  # fmt: skip


def check_labels(labels, classes):
    """Raise a ValueError for labels that are no integers in 0..classes-1."""
    whole = np.isfinite(labels) & (labels == np.trunc(labels)) if labels.dtype.kind == "f" else True
    if not np.all(whole):
        raise ValueError(f"y: the label {labels[~whole].flat[0]} is no integer: class labels are 0..{classes - 1}")
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        bad = labels.min() if labels.min() < 0 else labels.max()
        raise ValueError(
            f"y: the label {bad} is outside 0..{classes - 1}, the classes that the last layer has outputs for: number "
            "the classes from 0, or give the last layer more units"
        )


def _as_loss(loss):
    loss = registry.get("loss", loss)
    if loss is None or isinstance(loss, loss_table.Loss):
        return loss
    return loss_table.LossFunctionWrapper(loss, name=getattr(loss, "__name__", "loss"))


def _as_metric(metric, y, p):
    if metric in ("accuracy", "acc", "crossentropy", "ce"):
        name = metric
        metric = registry.get("metric", metric_table.resolve_accuracy(metric, y.shape, p.shape, y.dtype))
        return _renamed(metric, name)
    name = metric if isinstance(metric, str) else None
    metric = registry.get("metric", metric)
    return _renamed(metric, name)


def _renamed(metric, name):
    """Metrics given by name keep that name in the logs; functions become metrics of their mean."""
    if not isinstance(metric, metric_table.Metric):
        return metric_table.MeanMetricWrapper(metric, name=name or getattr(metric, "__name__", "metric"))
    if name is not None:
        metric.name = name
    return metric


def _listed(metrics):
    if metrics is None:
        return []
    return flatten_metrics(metrics) if isinstance(metrics, (list, tuple, dict)) else [metrics]


def flatten_metrics(metrics):
    """A flat list of metrics from nested lists or dicts."""
    values = metrics.values() if isinstance(metrics, dict) else metrics
    result = []
    for value in values:
        result += flatten_metrics(value) if isinstance(value, (list, tuple, dict)) else [value]
    return result


def _serialized(value):
    if isinstance(value, (list, tuple)):
        return [_serialized(v) for v in value]
    if isinstance(value, dict):
        return {k: _serialized(v) for k, v in value.items()}
    return value if value is None or isinstance(value, (str, float, int)) else registry.serialize(value)
