"""R2Score, correlations and the warnings of regression metrics."""

import numpy as np
import pytest

from fastnn import metrics

RNG = np.random.default_rng(1)
X = RNG.normal(size=(50, 2)).astype(np.float32)
Y = (X + 0.3 * RNG.normal(size=(50, 2))).astype(np.float32)


def test_r2_score_by_its_definition():
    expected = 1 - np.sum((X - Y) ** 2, 0) / np.sum((X - X.mean(0)) ** 2, 0)
    np.testing.assert_allclose(metrics.R2Score(class_aggregation=None)(X, Y), expected, rtol=1e-5)
    assert metrics.R2Score()(X, X) == 1


def test_r2_score_of_few_samples():
    metric = metrics.R2Score(num_regressors=5)
    with pytest.warns(UserWarning, match="4 targets are too few"):
        assert metric(X[:2], Y[:2]) == metrics.R2Score()(X[:2], Y[:2])


@pytest.mark.parametrize(("arguments", "message"), [
    ({"class_aggregation": "mean"}, "class_aggregation"), ({"num_regressors": -1}, "num_regressors"),
])  # fmt: skip
def test_r2_score_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        metrics.R2Score(**arguments)


def test_r2_score_of_vectors():
    with pytest.raises(ValueError, match=r"\(n, outputs\)"):
        metrics.R2Score()(X[:, 0], Y[:, 0])


def test_result_before_any_batch():
    for metric in (metrics.R2Score(), metrics.F1Score(), metrics.AUC(multi_label=True)):
        with pytest.raises(ValueError, match="before the first update_state"):
            metric.result()


def test_root_mean_squared_error():
    np.testing.assert_allclose(metrics.RootMeanSquaredError()(X, Y), np.sqrt(np.mean((X - Y) ** 2)), rtol=1e-6)


def test_weights_that_do_not_fit():
    with pytest.raises(ValueError, match=r"sample_weight of shape \(3,\) does not fit values of shape \(50,\)"):
        metrics.MeanSquaredError()(X, Y, sample_weight=np.ones(3))


def test_broadcast_is_warned_of():
    with pytest.warns(UserWarning, match=r"mean_squared_error: targets of shape \(50, 1\)"):
        metrics.MeanSquaredError()(X[:, :1], Y)


def test_pearson_correlation():
    expected = [np.corrcoef(x, y)[0, 1] for x, y in zip(X.T, Y.T, strict=True)]
    np.testing.assert_allclose(metrics.PearsonCorrelation()(X.T, Y.T), np.mean(expected), rtol=1e-5)
