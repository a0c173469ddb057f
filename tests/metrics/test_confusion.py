"""Counts at thresholds, AUC, F-scores and IoU against counting by hand; wrong arguments."""

import numpy as np
import pytest

from fastnn import metrics
from fastnn.engine.executable import Rows, executable
from fastnn.graph.program import Program

RNG = np.random.default_rng(7)
TARGETS = RNG.integers(0, 2, 400).astype(np.float32)
SCORES = np.clip(0.3 * TARGETS + 0.7 * RNG.random(400), 0, 1).astype(np.float32)
EVEN = [i / 10 for i in range(11)]


def counts(name, thresholds, targets=TARGETS, scores=SCORES):
    positive = scores[None] > np.float32(thresholds)[:, None]
    right = targets[None] != 0
    return {
        "TruePositives": positive & right, "FalsePositives": positive & ~right,
        "FalseNegatives": ~positive & right, "TrueNegatives": ~positive & ~right,
    }[name].sum(1)  # fmt: skip


@pytest.mark.parametrize("name", ["TruePositives", "FalsePositives", "TrueNegatives", "FalseNegatives"])
@pytest.mark.parametrize("thresholds", [[0.35], [0.2, 0.9], EVEN])
def test_counting_by_hand(name, thresholds):
    scores = SCORES.copy()
    scores[:3] = 0, 1, 0.55
    result = getattr(metrics, name)(thresholds=thresholds)(TARGETS, scores)
    expected = counts(name, thresholds, scores=scores)
    np.testing.assert_array_equal(result, expected if len(thresholds) > 1 else expected[0])


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_scores_that_are_no_probabilities(engine):
    """Below 0, above 1, infinite or not a number: no crash, and counts as for the nearest probability."""
    scores = np.float32([-3, 7, np.inf, -np.inf, np.nan, 0.5])
    metric = metrics.TruePositives(thresholds=EVEN)
    with Program() as program:
        metric.update_state(program.input((6,)), program.input((6,)))
    executable(program, engine).run([Rows(np.ones(6, np.float32)), Rows(scores)], batch=6)
    assert metric.result()[2:].tolist() == [3, 3, 3, 2, 2, 2, 2, 2, 0]


def test_auc_of_ranks():
    """The area is the probability that a positive scores higher than a negative."""
    positive, negative = SCORES[TARGETS == 1], SCORES[TARGETS == 0]
    exact = np.mean(positive[:, None] > negative[None])
    assert abs(metrics.AUC(num_thresholds=2000)(TARGETS, SCORES) - exact) < 1e-3
    assert metrics.AUC()(TARGETS, TARGETS) == 1
    assert metrics.AUC()(TARGETS, 1 - TARGETS) == 0


def test_auc_of_many_scores_stays_small():
    """Buckets, not a table of scores times thresholds: a segmentation's batch fits."""
    with Program() as program:
        metrics.AUC().update_state(program.input((4, 200, 200)), program.input((4, 200, 200)))
    assert max(np.prod(t.shape) for i in program.instructions for t in i.outputs) <= 2 * 4 * 200 * 200


@pytest.mark.parametrize("curve", ["ROC", "PR", "PRGAIN"])
def test_auc_curves(curve):
    assert 0.5 < metrics.AUC(curve=curve)(TARGETS, SCORES) < 1
    np.testing.assert_allclose(
        metrics.AUC(curve=curve, thresholds=[0.3, 0.6])(TARGETS, SCORES),
        metrics.AUC(curve=curve, thresholds=[0.6, 0.3])(TARGETS, SCORES),
    )


def test_labels_apart():
    targets, scores = np.stack([TARGETS, 1 - TARGETS], 1), np.stack([SCORES, SCORES], 1)
    single = [metrics.AUC()(t, s) for t, s in zip(targets.T, scores.T, strict=True)]
    np.testing.assert_allclose(metrics.AUC(multi_label=True)(targets, scores), np.mean(single), rtol=1e-6)
    weighted = metrics.AUC(multi_label=True, label_weights=[3.0, 1.0])
    np.testing.assert_allclose(weighted(targets, scores), np.average(single, weights=[3, 1]), rtol=1e-6)
    uneven = metrics.AUC(multi_label=True, thresholds=[0.1, 0.2, 0.55], num_labels=2)
    assert uneven(targets, scores).shape == ()


def test_label_weights_of_one_area():
    targets, scores = np.stack([TARGETS, 1 - TARGETS], 1), np.stack([SCORES, SCORES], 1)
    np.testing.assert_allclose(
        metrics.AUC(label_weights=[1.0, 0.0])(targets, scores), metrics.AUC()(TARGETS, SCORES), rtol=1e-6
    )


def test_weights_count_like_copies():
    weights = RNG.integers(0, 4, 400)
    copies = np.repeat(np.arange(400), weights)
    for make in (metrics.AUC, metrics.Precision, metrics.Recall, lambda: metrics.Recall(thresholds=EVEN)):
        one = make()(TARGETS, SCORES, sample_weight=weights)
        np.testing.assert_allclose(one, make()(TARGETS[copies], SCORES[copies]), rtol=1e-6)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_top_k_takes_the_first_of_equal_outputs(k):
    targets, scores = np.float32([[1, 1, 1]]), np.float32([[0.5, 0.5, 0.5]])
    np.testing.assert_allclose(metrics.Recall(top_k=k)(targets, scores), k / 3)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: metrics.Precision(thresholds=1.5), r"\[0, 1\], received \[1.5\]"),
    (lambda: metrics.AUC(num_thresholds=1), "greater than 1"),
    (lambda: metrics.AUC(curve="LOC"), "'ROC', 'PR', 'PRGAIN', received 'LOC'"),
    (lambda: metrics.AUC(summation_method="sum"), "'interpolation'"),
    (lambda: metrics.AUC(num_labels=3), "multi_label"),
    (lambda: metrics.PrecisionAtRecall(1.5), "recall must lie in"),
    (lambda: metrics.RecallAtPrecision(0.5, num_thresholds=0), "num_thresholds"),
    (lambda: metrics.FBetaScore(beta=1), "positive float"),
    (lambda: metrics.F1Score(average="mean"), "average"),
    (lambda: metrics.F1Score(threshold=1.5), "threshold"),
    (lambda: metrics.IoU(3, [0, 3]), r"\[3\] are outside 0..2"),
    (lambda: metrics.Precision(top_k=4)(np.zeros((2, 3)), np.zeros((2, 3))), "4 outputs of 3"),
    (lambda: metrics.Precision(class_id=1)(np.zeros(2), np.zeros(2)), r"\(n, classes\)"),
    (lambda: metrics.Precision()(np.zeros(2), np.zeros(3)), r"\(2,\) do not fit outputs of shape \(3,\)"),
    (lambda: metrics.F1Score()(np.zeros(2), np.zeros((2, 3))), "to_categorical"),
])  # fmt: skip
def test_messages(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_f_scores_by_their_definition():
    scores = np.stack([SCORES, 1 - SCORES], 1)
    targets = np.stack([TARGETS, 1 - TARGETS], 1)
    chosen = scores > 0.6
    tp, fp, fn = (chosen * targets).sum(0), (chosen * (1 - targets)).sum(0), (~chosen * targets).sum(0)
    for beta in (0.5, 1.0, 2.0):
        expected = (1 + beta**2) * tp / ((1 + beta**2) * tp + beta**2 * fn + fp)
        np.testing.assert_allclose(metrics.FBetaScore(beta=beta, threshold=0.6)(targets, scores), expected, rtol=1e-5)


@pytest.mark.parametrize("engine", ["arrays", "native", "reference"])
def test_iou_by_its_definition(engine):
    targets, outputs = (RNG.integers(-1, 5, (6, 7)).astype(np.int32) for _ in range(2))
    metric = metrics.MeanIoU(4, ignore_class=2)
    if engine == "arrays":
        metric.update_state(targets, outputs)
    else:
        with Program() as program:
            metric.update_state(program.input((6, 7), "int32"), program.input((6, 7), "int32"))
        executable(program, engine).run([Rows(targets), Rows(outputs)], batch=6)
    inside = (targets >= 0) & (targets < 4) & (outputs >= 0) & (outputs < 4) & (targets != 2)
    t, o = targets[inside], outputs[inside]
    both = [np.sum((t == c) & (o == c)) for c in range(4)]
    union = [np.sum((t == c) | (o == c)) for c in range(4)]
    expected = np.mean([b / u for b, u in zip(both, union, strict=True) if u])
    np.testing.assert_allclose(metric.result(), expected, rtol=1e-5)
    assert metric.total_cm.dtype == "int32"


def test_float_weights_of_integer_counts():
    with pytest.warns(UserWarning, match='dtype="float32"'):
        metrics.MeanIoU(2)([0, 1], [0, 1], sample_weight=np.float32([0.5, 1]))
    exact = metrics.MeanIoU(2, dtype="float32")([0, 1, 1], [0, 1, 0], sample_weight=np.float32([0.5, 1, 0.5]))
    np.testing.assert_allclose(exact, (0.5 + 1 / 1.5) / 2, rtol=1e-5)


@pytest.mark.parametrize("metric", [
    metrics.SensitivityAtSpecificity(0.7), metrics.SpecificityAtSensitivity(0.7),
    metrics.PrecisionAtRecall(0.7), metrics.RecallAtPrecision(0.7), metrics.PrecisionAtRecall(0.7,
    num_thresholds=1),
])  # fmt: skip
def test_constrained_metrics_lie_between_0_and_1(metric):
    assert 0 < metric(TARGETS, SCORES) <= 1
