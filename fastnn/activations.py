"""Activation functions under Keras' names; their formulas are in `fastnn.ops`."""

import functools

import numpy as np

from fastnn import ops
from fastnn.graph.program import Arithmetic
from fastnn.saving import registry


def _activation(function=None, *, aliases=()):
    """Register a function of a tensor as an activation; lists become arrays first."""
    if function is None:
        return functools.partial(_activation, aliases=aliases)

    @functools.wraps(function)
    def activation(x, *args, **kwargs):
        return function(x if isinstance(x, (Arithmetic, np.ndarray)) else ops.convert_to_tensor(x), *args, **kwargs)

    activation.__module__ = __name__
    return registry.register("activation", aliases)(activation)


@_activation
def relu(x, negative_slope=0.0, max_value=None, threshold=0.0):
    """x above the threshold, negative_slope * (x - threshold) below it, never more than max_value.

    Parameters
    ----------
    x : tensor
    negative_slope : float
    max_value : float, optional
    threshold : float
    """
    positive = ops.relu(x) if threshold == 0 else ops.where(x > threshold, x, 0.0)
    if max_value is not None:
        positive = ops.clip(positive, 0.0, max_value)
    if negative_slope == 0:
        return positive
    return positive - negative_slope * ops.relu(threshold - x)


@_activation
def gelu(x, approximate=False):
    """x * Phi(x), Phi the normal distribution function (arXiv 1606.08415); approximate: by a tanh."""
    return ops.gelu(x, approximate)


celu = _activation(ops.celu)
elu = _activation(ops.elu)
exponential = _activation(ops.exponential)
glu = _activation(ops.glu)
hard_shrink = _activation(ops.hard_shrink)
hard_sigmoid = _activation(ops.hard_sigmoid)
hard_silu = hard_swish = _activation(ops.hard_silu, aliases=("hard_swish",))
hard_tanh = _activation(ops.hard_tanh)
leaky_relu = _activation(ops.leaky_relu)
linear = _activation(ops.linear)
log_sigmoid = _activation(ops.log_sigmoid)
log_softmax = _activation(ops.log_softmax)
mish = _activation(ops.mish)
relu6 = _activation(ops.relu6)
selu = _activation(ops.selu)
sigmoid = _activation(ops.sigmoid)
silu = swish = _activation(ops.silu, aliases=("swish",))
soft_shrink = _activation(ops.soft_shrink)
softmax = _activation(ops.softmax)
softplus = _activation(ops.softplus)
softsign = _activation(ops.softsign)
sparse_plus = _activation(ops.sparse_plus)
sparse_sigmoid = _activation(ops.sparse_sigmoid)
sparsemax = _activation(ops.sparsemax)
squareplus = _activation(ops.squareplus)
tanh = _activation(ops.tanh)
tanh_shrink = _activation(ops.tanh_shrink)
threshold = _activation(ops.threshold)


def get(identifier):
    """The activation that a name, configuration or callable stands for; None gives `linear`."""
    return linear if identifier is None else registry.get("activation", identifier)


def serialize(activation):
    """The configuration of an activation: its name for one of ours."""
    return registry.serialize(activation)


def deserialize(config, custom_objects=None):
    """The activation that a configuration describes."""
    return registry.get("activation", config, custom_objects)
