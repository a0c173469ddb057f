"""Accuracies: how often the output is the target."""

from fastnn import config, ops
from fastnn.losses.loss import squeeze_or_expand_to_same_rank
from fastnn.metrics.reduction import NamedMean
from fastnn.saving import registry


def _matches(equal):
    return ops.cast(equal, config.floatx())


def accuracy(y_true, y_pred):
    """1 where outputs and targets are equal numbers, else 0."""
    y_true, y_pred = squeeze_or_expand_to_same_rank(ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred))
    return _matches(ops.equal(y_true, y_pred))


def binary_accuracy(y_true, y_pred, threshold=0.5):
    """1 where y_pred > threshold agrees with targets 0 and 1, else 0."""
    y_true, y_pred = squeeze_or_expand_to_same_rank(ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred))
    return _matches(ops.equal(y_true, ops.cast(y_pred > threshold, str(y_true.dtype))))


def categorical_accuracy(y_true, y_pred):
    """1 where the largest output is that of the one-hot target, else 0.

    Parameters
    ----------
    y_true, y_pred : tensors of shape (..., classes)
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    if y_true.ndim < y_pred.ndim or y_true.shape[-1] != y_pred.shape[-1]:
        raise ValueError(
            f"categorical_accuracy: expected one-hot targets of the outputs' shape {tuple(y_pred.shape)}, "
            f"received shape {tuple(y_true.shape)}: use sparse_categorical_accuracy for integer labels."
        )
    label = ops.argmax(y_true, axis=-1)
    rows = label.shape
    if label.ndim == y_pred.ndim:
        label = ops.squeeze(label, -1)
    matches = _matches(ops.equal(label, ops.argmax(y_pred, axis=-1)))
    return ops.reshape(matches, rows)


def sparse_categorical_accuracy(y_true, y_pred):
    """1 where the largest output is that of the label, else 0.

    Parameters
    ----------
    y_true : integer tensor of shape (...) or (..., 1)
    y_pred : tensor of shape (..., classes)
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
        y_true = ops.squeeze(y_true, -1)
    if tuple(y_true.shape) != tuple(y_pred.shape[:-1]):
        raise ValueError(
            f"sparse_categorical_accuracy: expected integer labels of shape {tuple(y_pred.shape[:-1])} for "
            f"outputs of shape {tuple(y_pred.shape)}, received shape {tuple(y_true.shape)}: use "
            "categorical_accuracy for one-hot targets."
        )
    matches = _matches(ops.equal(y_true, ops.argmax(y_pred, axis=-1)))
    return ops.squeeze(matches, -1) if matches.ndim > 1 and matches.shape[-1] == 1 else matches


def top_k_categorical_accuracy(y_true, y_pred, k=5):
    """1 where the output of the one-hot target is among the k largest, else 0; shapes (..., classes)."""
    return sparse_top_k_categorical_accuracy(ops.argmax(y_true, axis=-1), y_pred, k)


def sparse_top_k_categorical_accuracy(y_true, y_pred, k=5, from_sorted_ids=False):
    """1 where the output of the label is among the k largest, else 0.

    Parameters
    ----------
    y_true : integer tensor of shape (...) or (..., 1)
    y_pred : tensor of shape (..., classes)
        With from_sorted_ids: the labels themselves, best first.
    k : int
    from_sorted_ids : bool
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    rows = y_true.shape
    label = ops.reshape(y_true, (-1,))
    y_pred = ops.reshape(y_pred, (-1, y_pred.shape[-1]))
    if label.shape[0] != y_pred.shape[0]:
        raise ValueError(
            f"top_k accuracy: {label.shape[0]} labels of shape {tuple(rows)} for {y_pred.shape[0]} outputs"
        )
    if from_sorted_ids:
        found = ops.any(ops.equal(ops.expand_dims(label, 1), y_pred[:, :k]), axis=1)
    else:
        found = ops.in_top_k(ops.cast(label, "int32"), y_pred, k)
    return ops.reshape(_matches(found), rows)


@registry.register("metric")
class Accuracy(NamedMean):
    """How often outputs equal targets.

    Parameters
    ----------
    name, dtype : str, optional
    """

    _direction = "up"

    def __init__(self, name="accuracy", dtype=None):
        super().__init__(accuracy, name, dtype)


@registry.register("metric")
class BinaryAccuracy(NamedMean):
    """How often y_pred > threshold agrees with targets 0 and 1.

    Parameters
    ----------
    name, dtype : str, optional
    threshold : float
    """

    _direction = "up"

    def __init__(self, name="binary_accuracy", dtype=None, threshold=0.5):
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)


@registry.register("metric")
class CategoricalAccuracy(NamedMean):
    """How often the largest output is that of the one-hot target; arguments as Accuracy."""

    _direction = "up"

    def __init__(self, name="categorical_accuracy", dtype=None):
        super().__init__(categorical_accuracy, name, dtype)


@registry.register("metric")
class SparseCategoricalAccuracy(NamedMean):
    """How often the largest output is that of the integer label; arguments as Accuracy."""

    _direction = "up"

    def __init__(self, name="sparse_categorical_accuracy", dtype=None):
        super().__init__(sparse_categorical_accuracy, name, dtype)


@registry.register("metric")
class TopKCategoricalAccuracy(NamedMean):
    """How often the output of the one-hot target is among the k largest.

    Parameters
    ----------
    k : int
    name, dtype : str, optional
    """

    _direction = "up"

    def __init__(self, k=5, name="top_k_categorical_accuracy", dtype=None):
        super().__init__(top_k_categorical_accuracy, name, dtype, k=k)


@registry.register("metric")
class SparseTopKCategoricalAccuracy(NamedMean):
    """How often the output of the integer label is among the k largest.

    Parameters
    ----------
    k : int
    name, dtype : str, optional
    from_sorted_ids : bool
        Outputs are labels, best first, in place of numbers.
    """

    _direction = "up"

    def __init__(self, k=5, name="sparse_top_k_categorical_accuracy", dtype=None, from_sorted_ids=False):
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype, k=k, from_sorted_ids=from_sorted_ids)

    def get_config(self):
        config = super().get_config()
        if not self.from_sorted_ids:
            del config["from_sorted_ids"]
        return config
