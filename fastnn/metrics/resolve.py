"""Which accuracy or cross-entropy is meant, told by the shapes."""

from fastnn.losses import crossentropy_kind
from fastnn.metrics.classification import BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy
from fastnn.metrics.probabilistic import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)

_ACCURACIES = {
    "binary": BinaryAccuracy,
    "categorical": CategoricalAccuracy,
    "sparse_categorical": SparseCategoricalAccuracy,
}
_CROSSENTROPIES = {
    "binary": BinaryCrossentropy,
    "categorical": CategoricalCrossentropy,
    "sparse_categorical": SparseCategoricalCrossentropy,
}


def resolve_accuracy(kind, y_true_shape, y_pred_shape):
    """The metric that "accuracy" (or "acc", "crossentropy", "ce") stands for; its name is that word.

    Parameters
    ----------
    kind : str
    y_true_shape, y_pred_shape : tuple of int
        With the batch size. One output is binary; targets with fewer axes than the outputs, or with one
        number where the outputs have several, are labels; all others are one-hot.

    Returns
    -------
    Metric
    """
    tables = {
        "accuracy": _ACCURACIES,
        "acc": _ACCURACIES,
        "crossentropy": _CROSSENTROPIES,
        "ce": _CROSSENTROPIES,
    }
    if str(kind).lower() not in tables:
        raise ValueError(f'resolve_accuracy: expected "accuracy", "acc", "crossentropy" or "ce", received {kind!r}')
    return tables[kind.lower()][crossentropy_kind(y_true_shape, y_pred_shape)](name=kind)
