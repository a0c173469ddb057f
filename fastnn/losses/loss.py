"""What all losses share: base classes, the fitting of targets to outputs, weights, masks, reduction."""

import functools
import math
import warnings

import numpy as np

from fastnn import config, ops
from fastnn.graph.masks import mask_of
from fastnn.naming import unique_name
from fastnn.ops.primitive import canonical_dtype
from fastnn.saving import registry

REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


class Loss:
    """Base of losses: override ``call(y_true, y_pred)``, which gives one value for each sample.

    Parameters
    ----------
    name : str, optional
    reduction : {"sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None}
        "mean" is "sum_over_batch_size": the sum over the number of values, whatever their weights;
        "mean_with_sample_weight" divides by the sum of the weights; "none" returns all values.
    dtype : {"float32", "float64"}, optional
        Targets and outputs are converted to it; ``floatx()`` unless given.
    """

    def __init__(self, name=None, reduction="sum_over_batch_size", dtype=None):
        self.name = name or unique_name(registry.snake_case(type(self).__name__))
        self.reduction = check_reduction(reduction)
        self.dtype = canonical_dtype(dtype or config.floatx())

    def __call__(self, y_true, y_pred, sample_weight=None):
        """The loss of a batch.

        Parameters
        ----------
        y_true, y_pred : tensors
            Targets and outputs.  Values whose element the mask of the outputs leaves out do not count.
        sample_weight : tensor, optional
            One weight a sample, or a shape that broadcasts to that of the values.

        Returns
        -------
        scalar, or the values themselves with reduction None
        """
        outputs = ops.convert_to_tensor(y_pred, self.dtype)
        y_true = self._target(y_true)
        values = self.call(y_true, outputs)
        masks = [m for m in (mask_of(y_pred), self._mask(y_true, values)) if m is not None]
        mask = functools.reduce(ops.logical_and, masks) if masks else None
        return reduce_weighted(values, sample_weight, mask, self.reduction, self.dtype)

    def call(self, y_true, y_pred):
        """One value for each sample, by default the mean over the last axis of something elementwise."""
        raise NotImplementedError(f"{type(self).__name__} needs call(y_true, y_pred), which returns one value a sample")

    def _target(self, y_true):
        return ops.convert_to_tensor(y_true, self.dtype)

    def _mask(self, y_true, values):
        """Which values count, or None for all."""

    def get_config(self):
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __repr__(self):
        return f"<{type(self).__name__} name={self.name} reduction={self.reduction}>"


class LossFunctionWrapper(Loss):
    """A loss made of a function of targets and outputs.

    Parameters
    ----------
    fn : callable
        ``fn(y_true, y_pred, **kwargs)``, one value for each sample.
    reduction, name, dtype
        See `Loss`.
    **kwargs
        Passed to fn at every call.
    """

    def __init__(self, fn, reduction="sum_over_batch_size", name=None, dtype=None, **kwargs):
        super().__init__(name, reduction, dtype)
        self.fn = fn
        self._fn_kwargs = kwargs

    def call(self, y_true, y_pred):
        y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
        return self.fn(y_true, y_pred, **self._fn_kwargs)

    def _target(self, y_true):
        """Labels stay integers for the functions that ask for them: a float32 holds no label above 2**24."""
        if getattr(self.fn, "takes_labels", False):
            y_true = ops.convert_to_tensor(y_true)
            if str(y_true.dtype).startswith("int"):
                return y_true
        return super()._target(y_true)

    def _mask(self, y_true, values):
        mask = getattr(self.fn, "mask", None)
        return None if mask is None else mask(y_true, values, **self._fn_kwargs)

    def get_config(self):
        return super().get_config() | {"fn": registry.serialize(self.fn)} | registry.serialize(self._fn_kwargs)

    @classmethod
    def from_config(cls, config):
        if "fn" in config:
            config = registry.deserialize(config) | {"fn": registry.get("loss", config["fn"])}
        return cls(**config)


class NamedLoss(LossFunctionWrapper):
    """A loss of ours: the class stands for the function.

    The configuration has only the function's arguments, and they are attributes.
    """

    def __init__(self, fn, reduction, name, dtype, **kwargs):
        super().__init__(fn, reduction, name, dtype, **kwargs)
        vars(self).update(kwargs)

    def get_config(self):
        return Loss.get_config(self) | self._fn_kwargs


def takes_labels(function):
    """Decorator: integer targets reach the loss function as integers."""
    function.takes_labels = True
    return function


def check_reduction(reduction):
    """The reduction, or a ValueError for an unknown one."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction: expected one of {', '.join(map(repr, REDUCTIONS))}, received {reduction!r}")
    return reduction


def squeeze_or_expand_to_same_rank(x1, x2, expand_rank_1=True):
    """Two tensors whose ranks differ by a last axis of size 1, brought to the same rank.

    (n,) beside (n, 1) gets the axis (unless expand_rank_1 is False); in all other cases the longer shape
    loses it.
    """
    if len(x1.shape) == len(x2.shape) + 1 and x1.shape[-1] == 1:
        if len(x2.shape) == 1 and expand_rank_1:
            return x1, ops.expand_dims(x2, -1)
        return ops.squeeze(x1, -1), x2
    if len(x2.shape) == len(x1.shape) + 1 and x2.shape[-1] == 1:
        if len(x1.shape) == 1 and expand_rank_1:
            return ops.expand_dims(x1, -1), x2
        return x1, ops.squeeze(x2, -1)
    return x1, x2


def _check_broadcast(name, target, output):
    try:
        np.broadcast_shapes(target, output)
    except ValueError:
        raise ValueError(
            f"{name}: targets of shape {tuple(target)} do not fit outputs of shape {tuple(output)}: give one target "
            "for each output, or change the units of the last layer"
        ) from None


def pair(name, y_true, y_pred, fit=True):
    """Targets and outputs as tensors of one float dtype and, with `fit`, one rank.

    Shapes that differ after that are broadcast, as in Keras; a warning says so, for a network trained like
    this learns something else than was meant.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    if not str(y_pred.dtype).startswith("float"):
        y_pred = ops.cast(y_pred, config.floatx())
    y_true = ops.cast(ops.convert_to_tensor(y_true), str(y_pred.dtype))
    if fit:
        y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
    if tuple(y_true.shape) != tuple(y_pred.shape):
        _check_broadcast(name, y_true.shape, y_pred.shape)
        warnings.warn(
            f"{name}: targets of shape {tuple(y_true.shape)} are broadcast against outputs of shape "
            f"{tuple(y_pred.shape)}, so each target is compared with several outputs. Give both one shape: "
            "reshape the targets, or change the units of the last layer.",
            stacklevel=3,
        )
    return y_true, y_pred


def reduce_weighted(values, sample_weight=None, mask=None, reduction="sum_over_batch_size", dtype=None):
    """The values of the samples times their weights, reduced."""
    values = ops.convert_to_tensor(values, dtype)
    sample_weight = apply_mask(sample_weight, mask, values.dtype, reduction)
    if sample_weight is not None:
        sample_weight = ops.convert_to_tensor(sample_weight, str(values.dtype))
        values, sample_weight = squeeze_or_expand_to_same_rank(values, sample_weight)
        check_weight(sample_weight.shape, values.shape)
        values = values * sample_weight
    return reduce_values(values, sample_weight, reduction)


def check_weight(weight_shape, values_shape):
    """Raise a ValueError for weights that cannot be broadcast to the values of the samples."""
    try:
        np.broadcast_shapes(tuple(weight_shape), tuple(values_shape))
    except ValueError:
        raise ValueError(
            f"sample_weight of shape {tuple(weight_shape)} does not fit values of shape "
            f"{tuple(values_shape)}: give one weight for each value, or one a sample with shape "
            f"{(values_shape[0],) + (1,) * (len(values_shape) - 1)}"
        ) from None


def reduce_values(values, sample_weight=None, reduction="sum_over_batch_size"):
    """One number for all values, unless the reduction is "none"."""
    if reduction in (None, "none") or tuple(values.shape) in ((), (0,)):
        return values
    total = ops.sum(values)
    if reduction == "sum":
        return total
    if reduction == "mean_with_sample_weight" and sample_weight is not None:
        return ops.divide_no_nan(total, ops.sum(sample_weight))
    return total * (1.0 / max(1, math.prod(values.shape)))


def apply_mask(sample_weight, mask, dtype, reduction):
    """Weights that are zero where the mask is False; for means, scaled so that only the others count."""
    if mask is None:
        return sample_weight
    dtype = str(dtype)
    weight = ops.cast(mask, dtype)
    if reduction in ("mean", "sum_over_batch_size"):
        weight = weight * ops.divide_no_nan(float(math.prod(mask.shape)), ops.sum(weight))
    if sample_weight is None:
        return weight
    weight, sample_weight = squeeze_or_expand_to_same_rank(weight, ops.convert_to_tensor(sample_weight, dtype))
    check_weight(sample_weight.shape, weight.shape)
    return weight * sample_weight
