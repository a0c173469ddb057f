"""Sums and means of values, and of functions of targets and outputs."""

from fastnn import ops
from fastnn.graph.masks import mask_of
from fastnn.losses.loss import Loss, apply_mask, check_weight, squeeze_or_expand_to_same_rank
from fastnn.metrics.base import Metric
from fastnn.saving import registry


def samplewise(values, sample_weight, reduce, dtype, mask=None):
    """One value a sample, and the weights with which they were multiplied.

    Parameters
    ----------
    values : tensor of shape (n, ...)
    sample_weight : tensor, optional
        Its axes are those of the first axes of values; further ones are reduced before the weights apply.
    reduce : callable
        ``ops.sum`` or ``ops.mean``, for all axes but the first.
    dtype : str
    mask : bool tensor, optional
        Weights are 0 where it is False; not used without weights.
    """
    values = ops.cast(ops.convert_to_tensor(values), dtype)
    if sample_weight is not None:
        sample_weight = ops.cast(ops.convert_to_tensor(sample_weight), dtype)
        sample_weight = apply_mask(sample_weight, mask, dtype, "sum")
        values, sample_weight = squeeze_or_expand_to_same_rank(values, sample_weight)
        rank = len(sample_weight.shape)
        if len(values.shape) > rank:
            values = reduce(values, axis=tuple(range(rank, len(values.shape))))
        check_weight(sample_weight.shape, values.shape)
        sample_weight = ops.broadcast_to(sample_weight, values.shape)
        values = values * sample_weight
        if rank > 1:
            sample_weight = reduce(sample_weight, axis=tuple(range(1, rank)))
    if len(values.shape) > 1:
        values = reduce(values, axis=tuple(range(1, len(values.shape))))
    return values, sample_weight


@registry.register("metric")
class Sum(Metric):
    """The weighted sum of all values.

    Parameters
    ----------
    name, dtype : str, optional
    """

    def __init__(self, name="sum", dtype=None):
        super().__init__(dtype, name)
        self.total = self.add_variable((), "zeros", self.dtype, name="total")

    def update_state(self, values, sample_weight=None):
        """Add values of shape (n, ...), with weights of shape (n,) or more axes of the values."""
        values, _ = samplewise(values, sample_weight, ops.sum, self.dtype)
        self.total.assign_add(ops.sum(values))

    def result(self):
        return ops.cast(self.total, self.dtype)[()]


@registry.register("metric")
class Mean(Metric):
    """The weighted mean of all values.

    Parameters
    ----------
    name, dtype : str, optional
    """

    def __init__(self, name="mean", dtype=None):
        super().__init__(dtype, name)
        self.total = self.add_variable((), "zeros", self.dtype, name="total")
        self.count = self.add_variable((), "zeros", self.dtype, name="count")

    def update_state(self, values, sample_weight=None):
        """Add values of shape (n, ...), with weights of shape (n,) or more axes of the values."""
        self._add(values, sample_weight)

    def _add(self, values, sample_weight, mask=None):
        values, sample_weight = samplewise(values, sample_weight, ops.mean, self.dtype, mask)
        self.total.assign_add(ops.sum(values))
        if sample_weight is not None:
            self.count.assign_add(ops.sum(sample_weight))
        else:
            self.count.assign_add(float(values.shape[0] if len(values.shape) else 1))

    def result(self):
        return ops.divide_no_nan(self.total, self.count)[()]

    def quotient(self):
        own, pair = type(self), [self.total, self.count]
        as_here = own.result is Mean.result and own.reset_state is Metric.reset_state and self.dtype == "float32"
        return tuple(pair) if as_here and len(self.variables) == len(pair) else None


@registry.register("metric")
class MeanMetricWrapper(Mean):
    """The weighted mean of a function of targets and outputs; elements that their mask leaves out do not count.

    Parameters
    ----------
    fn : callable
        ``fn(y_true, y_pred, **kwargs)``, one value for each sample.
    name, dtype : str, optional
    **kwargs
        Passed to fn at every call.
    """

    def __init__(self, fn, name=None, dtype=None, **kwargs):
        super().__init__(name, dtype)
        self._fn, self._fn_kwargs = fn, kwargs
        if isinstance(fn, Loss) or getattr(fn, "__module__", "").startswith("fastnn.losses"):
            self._direction = "down"

    def update_state(self, y_true, y_pred, sample_weight=None):
        sample_weight = apply_mask(sample_weight, mask_of(y_pred), self.dtype, "sum")
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        values = self._fn(y_true, y_pred, **self._fn_kwargs)
        mask = getattr(self._fn, "mask", None)
        self._add(values, sample_weight, mask and mask(y_true, values, **self._fn_kwargs))

    def get_config(self):
        return super().get_config() | {"fn": registry.serialize(self._fn)} | registry.serialize(self._fn_kwargs)

    @classmethod
    def from_config(cls, config):
        if "fn" in config:
            config = registry.deserialize(config)
            if isinstance(config["fn"], str):
                config["fn"] = registry.get("loss", config["fn"])
        return cls(**config)


class NamedMean(MeanMetricWrapper):
    """A metric of ours: the class stands for the function.

    The configuration has only the function's arguments, and they are attributes.
    """

    def __init__(self, fn, name, dtype, **kwargs):
        super().__init__(fn, name, dtype, **kwargs)
        vars(self).update(kwargs)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype} | self._fn_kwargs
