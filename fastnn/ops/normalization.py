"""Tensors brought to mean 0 and variance 1, scaled and shifted."""

from fastnn import config
from fastnn.ops.elementwise import rsqrt, square
from fastnn.ops.reduce import mean as _mean
from fastnn.ops.reduce import moments
from fastnn.ops.shape import normalize_axis, reshape, tensor_like
from fastnn.ops.shape import shape as shape_of


def normalized(x, mean, variance, epsilon, scale=None, offset=None):
    """(x - mean) / sqrt(variance + epsilon) * scale + offset, as one factor and one offset."""
    factor = rsqrt(variance + epsilon)
    if scale is not None:
        factor = factor * scale
    y = (x - mean) * factor
    return y if offset is None else y + offset


def _along(x, axis):
    """(the axes in order, a function that gives a vector of their sizes as many axes as x has)."""
    sizes = shape_of(x)
    axes = tuple(sorted(normalize_axis(a, len(sizes)) for a in ([axis] if isinstance(axis, int) else axis)))
    shape = tuple(n if i in axes else 1 for i, n in enumerate(sizes))

    def spread(vector):
        vector = None if vector is None else tensor_like(vector)
        return vector if vector is None or len(vector.shape) == len(sizes) else reshape(vector, shape)

    return axes, spread


def batch_normalization(x, mean, variance, axis, offset=None, scale=None, epsilon=1e-3):
    """(x - mean) / sqrt(variance + epsilon) * scale + offset (arXiv 1502.03167).

    Parameters
    ----------
    x : tensor
    mean, variance, offset, scale : tensor of shape (c,)
        One number for each channel; offset and scale may be left out.
    axis : int
        The channels.
    epsilon : float
    """
    _, spread = _along(x, axis)
    return normalized(x, spread(mean), spread(variance), epsilon, spread(scale), spread(offset))


def layer_normalization(x, gamma=None, beta=None, axis=-1, epsilon=None, rms_scaling=False):
    """x brought to mean 0 and variance 1 over its features, then scaled and shifted (arXiv 1607.06450).

    Parameters
    ----------
    x : tensor
    gamma, beta : tensor with the sizes of the features, optional
    axis : int or list of int
        The features.
    epsilon : float, optional
        `config.epsilon()` unless given.
    rms_scaling : bool
        Keras' older name of a variant: divided by the standard deviation, no mean subtracted, no beta added.
    """
    x, epsilon = tensor_like(x), config.epsilon() if epsilon is None else epsilon
    axes, spread = _along(x, axis)
    mean, variance = moments(x, axes, keepdims=True)
    if rms_scaling:
        return normalized(x, 0.0, variance, epsilon, spread(gamma))
    return normalized(x, mean, variance, epsilon, spread(gamma), spread(beta))


def rms_normalization(x, scale=None, axis=-1, epsilon=None):
    """x / sqrt(mean(x**2) + epsilon) * scale over the features (arXiv 1910.07467).

    Parameters
    ----------
    x : tensor
    scale : tensor with the sizes of the features, optional
    axis : int or list of int
        The features.
    epsilon : float, optional
        `config.epsilon()` unless given.
    """
    x, epsilon = tensor_like(x), config.epsilon() if epsilon is None else epsilon
    axes, spread = _along(x, axis)
    y = x * rsqrt(_mean(square(x), axes, True) + epsilon)
    return y if scale is None else y * spread(scale)
