"""Losses for probabilities: the cross-entropies, Kullback and Leibler's divergence, Poisson's likelihood.

Where the outputs come from a softmax or a sigmoid of the same program, the plain cross-entropies are computed
from its logits (`fastnn.ops.softmax`): stable, and with the gradient p - y.
"""

import warnings

from fastnn import config, ops
from fastnn.losses.loss import NamedLoss, pair, takes_labels
from fastnn.saving import registry


@registry.register("loss", aliases=("bce", "BCE"))
def binary_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1):
    """The mean over an axis of -(y_true * log(y_pred) + (1 - y_true) * log(1 - y_pred)).

    Parameters
    ----------
    y_true : tensor
        Targets in [0, 1].
    y_pred : tensor
        Probabilities, or logits with from_logits.
    label_smoothing : float
        Targets are moved this far towards 0.5.
    axis : int
    """
    y_true, y_pred = pair("binary_crossentropy", y_true, y_pred)
    y_true = _smooth_binary(y_true, label_smoothing)
    return ops.mean(ops.binary_crossentropy(y_true, y_pred, from_logits=from_logits), axis=axis)


def _smooth_binary(y_true, label_smoothing):
    return y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing if label_smoothing else y_true


@registry.register("loss")
def binary_focal_crossentropy(
    y_true,
    y_pred,
    apply_class_balancing=False,
    alpha=0.25,
    gamma=2.0,
    from_logits=False,
    label_smoothing=0.0,
    axis=-1,
):
    """The mean over an axis of (1 - p)**gamma times the binary cross-entropy (arXiv 1708.02002).

    p is the probability given to the target; with class balancing, targets 1 weigh alpha and targets 0 weigh
    1 - alpha.
    """
    y_true, y_pred = pair("binary_focal_crossentropy", y_true, y_pred)
    y_true = _smooth_binary(y_true, label_smoothing)
    y_pred = ops.sigmoid(y_pred) if from_logits else y_pred
    p = y_true * y_pred + (1.0 - y_true) * (1.0 - y_pred)
    loss = ops.power(1.0 - p, gamma) * ops.binary_crossentropy(y_true, y_pred)
    if apply_class_balancing:
        loss = loss * (y_true * alpha + (1.0 - y_true) * (1.0 - alpha))
    return ops.mean(loss, axis=axis)


def _one_hot_pair(name, y_true, y_pred, label_smoothing, axis):
    if isinstance(axis, bool):
        raise ValueError(f"{name}: axis must be an integer, received {axis}")
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.cast(ops.convert_to_tensor(y_true), str(y_pred.dtype))
    if tuple(y_true.shape) != tuple(y_pred.shape):
        raise ValueError(
            f"{name}: expected one-hot targets of the outputs' shape {tuple(y_pred.shape)}, received shape "
            f"{tuple(y_true.shape)}. Convert them with utils.to_categorical(y, {y_pred.shape[axis]}), or use "
            "sparse_categorical_crossentropy for integer labels."
        )
    if y_pred.shape[-1] == 1:
        warnings.warn(
            f"{name}: outputs of shape {tuple(y_pred.shape)} hold a single class, so the loss is always 0. "
            "Use binary_crossentropy for two classes.",
            stacklevel=3,
        )
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + label_smoothing / y_true.shape[-1]
    return y_true, y_pred


@registry.register("loss")
def categorical_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1):
    """-sum(y_true * log(y_pred)) over an axis.

    Parameters
    ----------
    y_true : tensor with the shape of y_pred
        One-hot targets, or probabilities.
    y_pred : tensor
        Probabilities (divided by their sum first), or logits with from_logits.
    label_smoothing : float
        Targets are moved this far towards the uniform distribution.
    axis : int
    """
    y_true, y_pred = _one_hot_pair("categorical_crossentropy", y_true, y_pred, label_smoothing, axis)
    return ops.categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)


@registry.register("loss")
def categorical_focal_crossentropy(
    y_true, y_pred, alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0, axis=-1
):
    """-alpha * sum((1 - y_pred)**gamma * y_true * log(y_pred)) over an axis (arXiv 1708.02002).

    Targets and outputs as in `categorical_crossentropy`.
    """
    y_true, y_pred = _one_hot_pair("categorical_focal_crossentropy", y_true, y_pred, label_smoothing, axis)
    y_pred = ops.softmax(y_pred, axis) if from_logits else y_pred
    p = ops.clip(y_pred / ops.sum(y_pred, axis, True), config.epsilon(), 1.0 - config.epsilon())
    return -ops.sum(ops.power(1.0 - p, gamma) * alpha * y_true * ops.log(p), axis=axis)


@registry.register("loss")
@takes_labels
def sparse_categorical_crossentropy(y_true, y_pred, from_logits=False, ignore_class=None, axis=-1):
    """-log(y_pred[y_true]) along an axis.

    Parameters
    ----------
    y_true : integer tensor with the shape of y_pred without the axis (or with size 1 there)
    y_pred : tensor
        Probabilities (divided by their sum first), or logits with from_logits.
    ignore_class : int, optional
        Samples with this label have loss 0 and do not count in the mean.
    axis : int
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    if y_true.ndim == y_pred.ndim and y_true.shape[axis] == 1:
        y_true = ops.squeeze(y_true, axis)
    rows = list(y_pred.shape)
    classes = rows.pop(axis)
    if tuple(y_true.shape) != tuple(rows):
        repair = "convert one-hot targets with argmax(y, -1), or use categorical_crossentropy for them"
        if y_true.ndim != y_pred.ndim:
            repair = "give one integer for each row of outputs, or add Flatten() before the last Dense layers"
        raise ValueError(
            f"sparse_categorical_crossentropy: expected integer labels of shape {tuple(rows)} for outputs "
            f"of shape {tuple(y_pred.shape)} ({classes} classes), received shape {tuple(y_true.shape)}: "
            f"{repair}."
        )
    if ignore_class is None:
        return ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)
    counts = ops.not_equal(y_true, ignore_class)
    y_true = ops.where(counts, ops.cast(y_true, "int32"), 0)
    loss = ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)
    return ops.where(counts, loss, 0.0)


def _counted(y_true, values, ignore_class=None, **_):
    return None if ignore_class is None else ops.reshape(ops.not_equal(y_true, ignore_class), values.shape)


sparse_categorical_crossentropy.mask = _counted


@registry.register("loss")
@takes_labels
def categorical_generalized_cross_entropy(y_true, y_pred, q):
    """(1 - y_pred[y_true]**q) / q over the last axis, for noisy labels (arXiv 1805.07836).

    Parameters
    ----------
    y_true : integer tensor with the shape of y_pred without the last axis (or with size 1 there)
    y_pred : tensor
        Probabilities.
    q : float
        Between 0 (cross-entropy) and 1 (absolute error).
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
        y_true = ops.squeeze(y_true, -1)
    chosen = ops.one_hot(y_true, y_pred.shape[-1])
    if tuple(chosen.shape) != tuple(y_pred.shape):
        raise ValueError(
            "categorical_generalized_cross_entropy: expected integer labels of shape "
            f"{tuple(y_pred.shape[:-1])}, received {tuple(chosen.shape[:-1])}: convert one-hot targets with "
            "argmax(y, -1)."
        )
    return (1.0 - ops.power(ops.sum(y_pred * chosen, axis=-1), q)) / q


@registry.register("loss", aliases=("kld", "KLD", "kullback_leibler_divergence"))
def kl_divergence(y_true, y_pred):
    """sum(y_true * log(y_true / y_pred)) over the last axis, both limited to [epsilon, 1]."""
    y_true, y_pred = (ops.clip(y, config.epsilon(), 1.0) for y in pair("kl_divergence", y_true, y_pred, fit=False))
    return ops.sum(y_true * ops.log(y_true / y_pred), axis=-1)


@registry.register("loss")
def poisson(y_true, y_pred):
    """mean(y_pred - y_true * log(y_pred + epsilon)) over the last axis."""
    y_true, y_pred = pair("poisson", y_true, y_pred, fit=False)
    return ops.mean(y_pred - y_true * ops.log(y_pred + config.epsilon()), axis=-1)


def crossentropy_kind(y_true_shape, y_pred_shape):
    """Which of "binary", "categorical" and "sparse_categorical" targets and outputs of these shapes ask for.

    One output is binary; targets with fewer axes than the outputs, or one number where the outputs have
    several, are labels; all others are one-hot.
    """
    if y_pred_shape[-1] == 1:
        return "binary"
    labels = len(y_true_shape) < len(y_pred_shape) or (y_true_shape[-1] == 1 and y_pred_shape[-1] > 1)
    return "sparse_categorical" if labels else "categorical"


@registry.register("loss")
class BinaryCrossentropy(NamedLoss):
    """See `binary_crossentropy` for the first arguments, `Loss` for the others."""

    def __init__(
        self,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        reduction="sum_over_batch_size",
        name="binary_crossentropy",
        dtype=None,
    ):
        options = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(binary_crossentropy, reduction, name, dtype, **options)


@registry.register("loss")
class BinaryFocalCrossentropy(NamedLoss):
    """See `binary_focal_crossentropy` for the first arguments, `Loss` for the others."""

    def __init__(
        self,
        apply_class_balancing=False,
        alpha=0.25,
        gamma=2.0,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        reduction="sum_over_batch_size",
        name="binary_focal_crossentropy",
        dtype=None,
    ):
        options = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        focus = {"apply_class_balancing": apply_class_balancing, "alpha": alpha, "gamma": gamma}
        super().__init__(binary_focal_crossentropy, reduction, name, dtype, **options, **focus)


@registry.register("loss")
class CategoricalCrossentropy(NamedLoss):
    """See `categorical_crossentropy` for the first arguments, `Loss` for the others."""

    def __init__(
        self,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        reduction="sum_over_batch_size",
        name="categorical_crossentropy",
        dtype=None,
    ):
        options = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(categorical_crossentropy, reduction, name, dtype, **options)


@registry.register("loss")
class CategoricalFocalCrossentropy(NamedLoss):
    """See `categorical_focal_crossentropy` for the first arguments, `Loss` for the others."""

    def __init__(
        self,
        alpha=0.25,
        gamma=2.0,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        reduction="sum_over_batch_size",
        name="categorical_focal_crossentropy",
        dtype=None,
    ):
        options = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(categorical_focal_crossentropy, reduction, name, dtype, **options, alpha=alpha, gamma=gamma)


@registry.register("loss")
class SparseCategoricalCrossentropy(NamedLoss):
    """See `sparse_categorical_crossentropy` for from_logits, ignore_class and axis, `Loss` for the others."""

    def __init__(
        self,
        from_logits=False,
        ignore_class=None,
        reduction="sum_over_batch_size",
        axis=-1,
        name="sparse_categorical_crossentropy",
        dtype=None,
    ):
        options = {"from_logits": from_logits, "ignore_class": ignore_class, "axis": axis}
        super().__init__(sparse_categorical_crossentropy, reduction, name, dtype, **options)


@registry.register("loss")
class CategoricalGeneralizedCrossEntropy(NamedLoss):
    """See `categorical_generalized_cross_entropy` for q, `Loss` for the others."""

    def __init__(
        self, q=0.5, reduction="sum_over_batch_size", name="categorical_generalized_cross_entropy", dtype=None
    ):
        if not 0 < q < 1:
            raise ValueError(f"CategoricalGeneralizedCrossEntropy: q must lie between 0 and 1, received {q!r}")
        super().__init__(categorical_generalized_cross_entropy, reduction, name, dtype, q=q)


@registry.register("loss")
class KLDivergence(NamedLoss):
    """See `kl_divergence`; arguments as `Loss`."""

    def __init__(self, reduction="sum_over_batch_size", name="kl_divergence", dtype=None):
        super().__init__(kl_divergence, reduction, name, dtype)


@registry.register("loss")
class Poisson(NamedLoss):
    """See `poisson`; arguments as `Loss`."""

    def __init__(self, reduction="sum_over_batch_size", name="poisson", dtype=None):
        super().__init__(poisson, reduction, name, dtype)
