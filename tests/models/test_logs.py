"""Losses, metrics and weights in every arrangement, against Keras' own names and numbers."""

import json
import pathlib

import compile_cases
import numpy as np
import pytest

import fastnn

GOLDEN = json.loads((pathlib.Path(__file__).parents[1] / "golden" / "logs.json").read_text())


@pytest.mark.parametrize("case", compile_cases.CASES, ids=lambda case: case.name)
def test_logs_and_weights(case):
    expected, found = GOLDEN[case.name], compile_cases.answers(fastnn, case)
    assert found["metrics_names"] == expected["metrics_names"]
    for part in ("history", "results", "batch"):
        assert list(found[part]) == list(expected[part]), part
        np.testing.assert_allclose(list(found[part].values()), list(expected[part].values()), rtol=2e-4, atol=2e-5)
    if len(expected["listed"]) > len(expected["results"]):  # Keras lists a result twice if two metrics have one name
        assert len(found["listed"]) == len(found["results"])
        expected["listed"], found["listed"] = sorted(set(expected["listed"])), sorted(set(found["listed"]))
    for part in ("listed", "weights"):
        np.testing.assert_allclose(found[part], expected[part], rtol=2e-4, atol=2e-5, err_msg=part)


class Watcher(fastnn.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        assert logs == self.model.get_metrics_result()
        self.seen.append(logs)

    on_test_batch_end = on_train_batch_end


@pytest.mark.parametrize("metrics", [["mae"], [fastnn.metrics.AUC()], ["mae", fastnn.metrics.AUC()]])
@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_logs_of_a_batch_are_the_results_of_the_metrics(metrics, weight):
    fastnn.utils.set_random_seed(1)
    model = fastnn.Sequential([fastnn.Input((3,)), fastnn.layers.Dense(1, activation="sigmoid")])
    model.compile("sgd", "mse", weighted_metrics=metrics)
    x, y = np.random.default_rng(0).random((10, 3)), np.arange(10) % 2
    watcher = Watcher()
    model.fit(x, y, 2, sample_weight=np.full(10, weight), callbacks=[watcher], verbose=0)
    model.evaluate(x, y, 2, sample_weight=np.full(10, weight), callbacks=[watcher], verbose=0)
    assert len(watcher.seen) == 10


def test_metrics_are_looked_for_once_an_epoch_not_once_a_batch(monkeypatch):
    model = fastnn.Sequential([fastnn.Input((3,)), fastnn.layers.Dense(1)])
    model.compile("sgd", "mse")
    looks, metrics = [], type(model).metrics
    monkeypatch.setattr(type(model), "metrics", property(lambda self: looks.append(1) or metrics.fget(self)))
    counts = []
    for rows in (4, 4, 40):
        looks.clear()
        watcher = fastnn.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
        model.fit(np.ones((rows, 3)), np.ones(rows), 1, callbacks=[watcher], verbose=0)
        counts.append(len(looks))
    assert counts[1] == counts[2] > 0, counts
