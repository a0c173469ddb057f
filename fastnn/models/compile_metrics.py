"""The metrics that `compile` asked for, by output."""

from fastnn import metrics as metric_table
from fastnn.models.objective import Outputs, serialized, targets_in_order
from fastnn.saving import registry
from fastnn.tree import flatten


class CompileMetrics(metric_table.Metric):
    """All metrics of `compile` as one, made when outputs are first seen: shapes tell which accuracy is meant.

    Parameters
    ----------
    metrics, weighted_metrics : as in ``Model.compile``
    declared : list of str, optional
        Names of the outputs, see `Outputs`.
    """

    def __init__(self, metrics, weighted_metrics, declared=None):
        super().__init__(name="compile_metrics")
        for what, value in (("metrics", metrics), ("weighted_metrics", weighted_metrics)):
            if value and not isinstance(value, (list, tuple, dict)):
                raise ValueError(f"compile: {what} must be a list or dict, received {value!r}: write {what}=[...]")
        self.given, self.weighted, self.declared = metrics, weighted_metrics, declared
        self.entries = None  # [(name of the result, position of the output, metric, whether it sees weights)]

    def update_state(self, targets, outputs, weights=None):
        """Let every metric see a batch; arguments as `Objective.total`."""
        outputs = Outputs(outputs, self.declared)
        targets = targets_in_order(targets, outputs)
        if self.entries is None:
            self._build(targets, outputs)
        weights = outputs.spread(weights, "sample_weight")
        for _, i, metric, weighted in self.entries:
            metric.update_state(targets[i], outputs.tensors[i], weights[i] if weighted else None)

    def _build(self, targets, outputs):
        entries, names = [], []
        for given, weighted, what in ((self.given, False, "metrics"), (self.weighted, True, "weighted_metrics")):
            for i, own in enumerate(_by_output(given, outputs, what)):
                for metric in own:
                    metric = as_metric(metric, targets[i], outputs.tensors[i])
                    names.append(_fresh_name(outputs.prefix(i), metric.name, weighted, names))
                    entries.append((names[-1], i, metric, weighted))
        self.entries = entries
        self._metrics = [metric for _, _, metric, _ in entries]

    @property
    def named(self):
        """[(name of the result, metric)]."""
        return [(name, metric) for name, _, metric, _ in self.entries or []]

    def result(self):
        """The results of all by name."""
        return {name: metric.result() for name, metric in self.named}

    def reset_state(self):
        """Forget all batches."""
        for metric in self._metrics:
            metric.reset_state()

    def get_config(self):
        return {"metrics": serialized(self.given), "weighted_metrics": serialized(self.weighted)}


def _by_output(given, outputs, what):
    """A list of metrics for each output."""
    if not given:
        return [[] for _ in range(len(outputs))]
    if len(outputs) == 1:
        return [_metrics_in(given)]
    return [_metrics_in(own) for own in outputs.spread(given, what)]


def _metrics_in(metrics):
    """A flat list of metrics from nested lists or dicts."""
    return [metric for metric in flatten(metrics) if metric is not None]


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


def as_metric(metric, y, p):
    """A metric by name, function or object; one given by name keeps that name in the logs."""
    name = metric if isinstance(metric, str) else None
    if metric in ("accuracy", "acc", "crossentropy", "ce"):
        metric = metric_table.resolve_accuracy(metric, y.shape, p.shape)
    metric = registry.get("metric", metric)
    if not isinstance(metric, metric_table.Metric):
        own = registry.snake_case(getattr(metric, "__name__", type(metric).__name__))
        return metric_table.MeanMetricWrapper(metric, name=name or own)
    if name is not None:
        metric.name = name
    return metric
