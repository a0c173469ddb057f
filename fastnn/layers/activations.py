"""Activation layers."""

import numpy as np

from fastnn import ops
from fastnn.layers.layer import Layer
from fastnn.saving import registry


@registry.register("layer")
class ReLU(Layer):
    """x above the threshold (at most max_value), negative_slope * (x - threshold) below.

    Parameters
    ----------
    max_value : float, optional
    negative_slope, threshold : float
    """

    supports_masking = True

    def __init__(self, max_value=None, negative_slope=0.0, threshold=0.0, **kwargs):
        super().__init__(**kwargs)
        for what, value in (("max_value", max_value), ("negative_slope", negative_slope), ("threshold", threshold)):
            if (value is None and what != "max_value") or (value is not None and value < 0):
                raise ValueError(f"ReLU: {what} must not be negative, received {value!r}")
        self.max_value, self.negative_slope, self.threshold = max_value, negative_slope, threshold

    def call(self, inputs):
        if self.threshold == 0 and self.negative_slope == 0:
            y = ops.relu(inputs)
        else:
            below = self.negative_slope * (inputs - self.threshold) if self.negative_slope else 0.0
            y = ops.where(inputs > self.threshold, inputs, below)
        return y if self.max_value is None else ops.minimum(y, float(self.max_value))

    def get_config(self):
        return {
            **super().get_config(), "max_value": self.max_value, "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }  # fmt: skip


@registry.register("layer")
class LeakyReLU(Layer):
    """x where positive, negative_slope * x elsewhere."""

    supports_masking = True

    def __init__(self, negative_slope=0.3, **kwargs):
        negative_slope = kwargs.pop("alpha", negative_slope)
        super().__init__(**kwargs)
        if negative_slope is None or negative_slope < 0:
            raise ValueError(f"LeakyReLU: negative_slope must not be negative, received {negative_slope!r}")
        self.negative_slope = negative_slope

    def call(self, inputs):
        return ops.leaky_relu(inputs, self.negative_slope)

    def get_config(self):
        return {**super().get_config(), "negative_slope": self.negative_slope}


@registry.register("layer")
class ELU(Layer):
    """x where positive, alpha * (exp(x) - 1) elsewhere."""

    supports_masking = True

    def __init__(self, alpha=1.0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, inputs):
        return ops.elu(inputs, self.alpha)

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha}


@registry.register("layer")
class PReLU(Layer):
    """x where positive, alpha * x elsewhere, with a learned alpha for each feature.

    Parameters
    ----------
    alpha_initializer, alpha_regularizer, alpha_constraint : optional
    shared_axes : int or list of int, optional
        Axes (counted from 1) along which alpha is one number.
    """

    supports_masking = True

    def __init__(
        self, alpha_initializer="Zeros", alpha_regularizer=None, alpha_constraint=None, shared_axes=None, **kwargs
    ):
        super().__init__(**kwargs)
        self.alpha_initializer = registry.get("initializer", alpha_initializer)
        self.alpha_regularizer = registry.get("regularizer", alpha_regularizer)
        self.alpha_constraint = registry.get("constraint", alpha_constraint)
        self.shared_axes = None if shared_axes is None else [int(a) for a in np.atleast_1d(shared_axes)]

    def build(self, input_shape):
        shape = list(input_shape[1:])
        for axis in self.shared_axes or ():
            shape[axis - 1] = 1
        self.alpha = self.add_weight(
            shape, self.alpha_initializer, regularizer=self.alpha_regularizer, constraint=self.alpha_constraint,
            name="alpha",
        )  # fmt: skip

    def call(self, inputs):
        return ops.relu(inputs) - self.alpha * ops.relu(-inputs)

    def get_config(self):
        return {
            **super().get_config(),
            "alpha_initializer": registry.serialize(self.alpha_initializer),
            "alpha_regularizer": registry.serialize(self.alpha_regularizer),
            "alpha_constraint": registry.serialize(self.alpha_constraint),
            "shared_axes": self.shared_axes,
        }


@registry.register("layer")
class Softmax(Layer):
    """exp(x) / sum(exp(x)) along an axis; elements whose mask is False count as missing and give 0.

    Parameters
    ----------
    axis : int or list of int
    """

    supports_masking = True

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs, mask=None):
        if mask is None:
            return ops.softmax(inputs, axis=self.axis)
        self._check_mask(mask.shape, inputs.shape)
        present = mask if mask.dtype == "bool" else mask > 0.5
        y = ops.softmax(ops.where(present, inputs, -1e9), axis=self.axis)
        return ops.where(present, y, 0.0)

    def _check_mask(self, mask, shape):
        pairs = zip(reversed(mask), reversed(shape), strict=False)
        if len(mask) > len(shape) or any(m not in (1, n) for m, n in pairs):
            raise ValueError(
                f"{self}: a mask of shape {tuple(mask)} does not broadcast to inputs of shape {tuple(shape)}: for "
                'masks of sequences use Activation("softmax")'
            )

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}
