"""What all metrics share, and metrics of one's own."""

import numpy as np
import pytest

from fastnn import metrics, ops
from fastnn.engine.executable import Rows, executable
from fastnn.graph.program import Program


class Largest(metrics.Metric):
    def __init__(self, name="largest", **kwargs):
        super().__init__(name=name, **kwargs)
        self.best = self.add_weight(name="best", initializer="zeros")
        self.mean = metrics.Mean()

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.best.assign(ops.maximum(self.best, ops.max(y_pred)))
        self.mean.update_state(y_pred)

    def result(self):
        return self.best - self.mean.result()


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_a_metric_of_ones_own(engine):
    metric = Largest()
    assert [v.path for v in metric.variables] == ["largest/best", "mean/total", "mean/count"]
    with Program() as program:
        metric.update_state(program.input((2,)), program.input((2,)))
    ready = executable(program, engine)
    for batch in ([1, 2], [4, 1]):
        ready.run([Rows(np.float32([0, 0])), Rows(np.float32(batch))], batch=2)
    assert metric.result() == 2.0
    metric.reset_state()
    assert metric(np.zeros(2), np.float32([3, 5])) == 1.0


def test_forgotten_super_init():
    class Wrong(metrics.Metric):
        def __init__(self):
            self.total = self.add_weight()

    with pytest.raises(RuntimeError, match="super"):
        Wrong()


@pytest.mark.parametrize("method", ["update_state", "result"])
def test_missing_methods(method):
    with pytest.raises(NotImplementedError, match=method):
        getattr(metrics.Metric(name="bare"), method)()


def test_get():
    assert metrics.get(None) is None
    for name in ("mse", "MSE", "MeanSquaredError", "mean_squared_error"):
        assert isinstance(metrics.get(name), metrics.MeanSquaredError)
    assert isinstance(metrics.get("AUC"), metrics.AUC)
    assert isinstance(metrics.get("auc"), metrics.AUC)
    assert isinstance(metrics.get(metrics.Recall), metrics.Recall)
    with pytest.raises(ValueError, match="binary_accuracy"):
        metrics.get("binary_acuracy")


def test_names_are_counted():
    first, second = metrics.Precision(), metrics.Precision()
    assert first.name != second.name


def test_mean_of_a_function_survives_a_file():
    from fastnn import losses

    metric = metrics.MeanMetricWrapper(losses.huber, name="h", delta=0.5)
    again = metrics.deserialize(metrics.serialize(metric))
    assert again.get_config() == metric.get_config()
    assert again([0.0], [2.0]) == metric([0.0], [2.0])


@pytest.mark.parametrize(("values", "expected"), [(4.0, 4.0), ([1, 3], 2.0), (np.ones((3, 2, 2)), 1.0)])
def test_mean_of_numbers(values, expected):
    assert metrics.Mean()(values) == expected


def test_mean_without_batches_is_zero():
    assert metrics.Mean().result() == 0


def test_sum_of_ranks():
    weights = np.float32([1, 0, 2])
    assert metrics.Sum()(np.ones((3, 2)), sample_weight=weights) == 6


@pytest.mark.parametrize(("metric", "way"), [
    (metrics.AUC, "up"), (metrics.BinaryAccuracy, "up"), (metrics.MeanSquaredError, "down"), (metrics.Mean,
    None), (metrics.CosineSimilarity, "up"), (metrics.BinaryCrossentropy, "down"),
    (metrics.RootMeanSquaredError, "down"),
])  # fmt: skip
def test_which_way_is_better(metric, way):
    assert metric()._direction == way
