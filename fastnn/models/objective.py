"""What `compile` asked for: the loss over all outputs, and the metrics by output."""

import numpy as np

from fastnn import losses as loss_table
from fastnn import metrics as metric_table
from fastnn.data.arrays import flatten
from fastnn.saving import registry


def _entries(value):
    """The entries of a dict, list or single value; none of None."""
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple)) else [] if value is None else [value]


def _per_output(value, outputs, what):
    """A value for each of the outputs: by name where the model gives a dict, else by position."""
    n = len(outputs)
    if isinstance(value, dict) and not isinstance(outputs, dict):
        value = list(value.values())
    if isinstance(value, dict):
        if unknown := [name for name in value if name not in outputs]:
            raise ValueError(f"{what}: {unknown} are no outputs of the model, which are {list(outputs)}")
        return [value.get(name) for name in outputs]
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
        self.output_names = None  # where the model returns a dict
        self.names = []  # of all metrics, under which results appear

    def _resolve(self, outputs):
        if self.losses is None:
            self.losses = [_as_loss(loss) for loss in _per_output(self.loss, outputs, "loss")]

    def total_loss(self, targets, outputs, weights):
        """The weighted sum of the losses of all outputs, a scalar; targets and outputs as the user arranges them."""
        if self.loss is None:
            return None
        outputs = _leaves(outputs)
        self.output_names = list(outputs) if isinstance(outputs, dict) else None
        self._resolve(outputs)
        pairs = self._pairs(targets, outputs)
        factors = _per_output(1.0 if self.loss_weights is None else self.loss_weights, outputs, "loss_weights")
        total = None
        for loss, (y, p), factor in zip(self.losses, pairs, factors, strict=True):
            if loss is None:
                continue
            part = loss(y, p, weights)
            part = part if factor in (None, 1.0) else part * factor
            total = part if total is None else total + part
        return total

    def _pairs(self, targets, outputs):
        """[(targets, prediction)] of the outputs in their order."""
        targets = self.in_order(targets)
        if not targets:
            raise ValueError("y is missing: the loss and the metrics compare predictions with targets")
        if len(targets) != len(outputs):
            raise ValueError(f"the model has {len(outputs)} outputs, y has {len(targets)} arrays")
        return list(zip(targets, outputs.values() if isinstance(outputs, dict) else outputs, strict=True))

    def in_order(self, targets):
        """The targets as a list; those of a dict in the order of the model's outputs."""
        if isinstance(targets, dict) and self.output_names:
            if missing := [name for name in self.output_names if name not in targets]:
                raise ValueError(f"y: there are no targets for the outputs {missing}, only for {list(targets)}")
            return [targets[name] for name in self.output_names]
        return flatten(targets)

    def example_targets(self, predictions):
        """Zeros in the shapes and dtypes of targets for these predictions, arranged like them."""
        outputs = _leaves(predictions)
        self._resolve(outputs)
        tensors = outputs.values() if isinstance(outputs, dict) else outputs
        zeros = [
            np.zeros(p.shape, np.float32) if label_classes(loss, p.shape) is None else np.zeros(p.shape[:-1], np.int32)
            for loss, p in zip(self.losses, tensors, strict=True)
        ]
        return dict(zip(outputs, zeros, strict=True)) if isinstance(outputs, dict) else zeros

    def all_metrics(self):
        """The metric objects, once `build_metrics` made them."""
        return [metric for pair in (self.compiled or []) for metric, _ in pair]

    def _build_metrics(self, targets, outputs):
        """Make the metrics, now that shapes tell which accuracy is meant."""
        if self.compiled is not None:
            return
        self.compiled = []
        for i, (y, p) in enumerate(self._pairs(targets, outputs)):
            pairs = []
            for given, weighted in ((self.metrics, False), (self.weighted_metrics, True)):
                own = given if len(outputs) == 1 else _per_output(given, outputs, "metrics")[i]
                for metric in _listed(own):
                    pairs.append((_as_metric(metric, y, p), weighted))
            self.compiled.append(pairs)
        for output, pairs in zip(self.output_names or [""] * len(outputs), self.compiled, strict=True):
            prefix = f"{output}_" if output else ""
            for metric, weighted in pairs:
                self.names.append(_fresh_name(prefix, metric.name, weighted, self.names))

    def update_metrics(self, targets, outputs, weights):
        """Let every metric see a batch; part of the traced step."""
        outputs = _leaves(outputs)
        if targets is None and self.metrics is None and self.weighted_metrics is None:
            self.compiled = []
            return
        self._build_metrics(targets, outputs)
        for pairs, (y, p) in zip(self.compiled, self._pairs(targets, outputs), strict=True):
            for metric, weighted in pairs:
                metric.update_state(y, p, weights if weighted else None)

    def check_targets(self, arrays, shapes):
        """Raise a ValueError for class labels that are no integers in 0..classes-1 of their output."""
        if self.losses is None:
            return
        for loss, array, shape in zip(self.losses, arrays, shapes, strict=True):
            classes = label_classes(loss, shape)
            if classes is not None:
                ignored = loss._fn_kwargs.get("ignore_class")
                check_labels(array if ignored is None else array[array != ignored], classes)

    def get_config(self):
        return {
            "loss": _serialized(self.loss), "loss_weights": self.loss_weights,
            "metrics": _serialized(self.metrics), "weighted_metrics": _serialized(self.weighted_metrics),
        }  # fmt: skip


def label_classes(loss, shape):
    """How many classes the targets of a loss number, for predictions of a shape; None if they are no labels."""
    if getattr(loss, "fn", None) is loss_table.sparse_categorical_crossentropy:
        return shape[loss._fn_kwargs.get("axis", -1)]
    return None


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


def _leaves(outputs):
    """What a model returns as a dict or a list."""
    return outputs if isinstance(outputs, dict) else flatten(outputs)


def _fresh_name(prefix, name, weighted, taken):
    """As Keras: a second metric of a name is `weighted_name` if it sees weights, else `name_1`, `name_2`, ..."""
    if prefix + name in taken and weighted:
        name = f"weighted_{name}"
    name = prefix + name
    base, i = name, 0
    while name in taken:
        i += 1
        name = f"{base}_{i}"
    return name


def _as_loss(loss):
    loss = registry.get("loss", loss)
    if loss is None or isinstance(loss, loss_table.Loss):
        return loss
    return loss_table.LossFunctionWrapper(loss, name=getattr(loss, "__name__", "loss"))


def _as_metric(metric, y, p):
    if metric in ("accuracy", "acc", "crossentropy", "ce"):
        name = metric
        metric = registry.get("metric", metric_table.resolve_accuracy(metric, y.shape, p.shape))
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
