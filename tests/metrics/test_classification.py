"""Accuracies: shapes, labels outside, which one "accuracy" means."""

import numpy as np
import pytest

from fastnn import metrics

SCORES = np.float32([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6], [0.4, 0.35, 0.25]])


@pytest.mark.parametrize("kind", ["accuracy", "acc", "crossentropy", "ce"])
@pytest.mark.parametrize(("target", "output", "expected"), [
    ((8, 1), (8, 1), "Binary"), ((8,), (8, 1), "Binary"), ((8, 3), (8, 3), "Categorical"),
    ((8,), (8, 3), "SparseCategorical"), ((8, 1), (8, 3), "SparseCategorical"), ((8, 5), (8, 5, 3),
    "SparseCategorical"),
])  # fmt: skip
def test_resolution_by_shapes(kind, target, output, expected):
    metric = metrics.resolve_accuracy(kind, target, output)
    assert type(metric).__name__ == expected + ("Accuracy" if kind.startswith("a") else "Crossentropy")
    assert metric.name == kind


def test_resolution_of_another_word():
    with pytest.raises(ValueError, match="'accurracy'"):
        metrics.resolve_accuracy("accurracy", (8,), (8, 1))


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "float32"])
@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_labels_of_any_dtype(dtype, shape):
    labels = np.reshape([1, 0, 2, 2], shape).astype(dtype)
    assert metrics.SparseCategoricalAccuracy()(labels, SCORES) == 0.75
    assert metrics.SparseTopKCategoricalAccuracy(k=2)(labels, SCORES) == 0.75


def test_labels_that_are_no_class_are_wrong():
    labels = np.array([1, -1, 3, 100])
    assert metrics.SparseCategoricalAccuracy()(labels, SCORES) == 0.25
    assert metrics.SparseTopKCategoricalAccuracy(k=3)(labels, SCORES) == 0.25


def test_top_k_of_equal_and_unfinished_numbers():
    scores = np.float32([[1, 1, 1], [np.nan, 1, 0]])
    assert metrics.sparse_top_k_categorical_accuracy([2, 0], scores, k=1).tolist() == [1, 0]


def test_sorted_ids():
    ids = np.int32([[3, 1, 2], [0, 2, 1]])
    assert metrics.SparseTopKCategoricalAccuracy(k=2, from_sorted_ids=True)(np.int32([1, 1]), ids) == 0.5


def test_labels_for_a_one_hot_accuracy():
    with pytest.raises(ValueError, match=r"\(4, 3\).*\(4,\).*sparse_categorical_accuracy"):
        metrics.CategoricalAccuracy()(np.zeros(4), SCORES)


def test_one_hot_targets_for_a_label_accuracy():
    with pytest.raises(ValueError, match=r"\(4, 3\).*categorical_accuracy for one-hot"):
        metrics.SparseCategoricalAccuracy()(np.eye(3)[[1, 0, 2, 2]], SCORES)
