"""Activation functions, composed of elementwise primitives."""

import math

from fastnn.ops.elementwise import (
    absolute,
    clip,
    erf,
    exp,
    expm1,
    log1p,
    maximum,
    minimum,
    relu,
    sigmoid,
    sign,
    softplus,
    tanh,
    where,
)

SELU_ALPHA = 1.6732632423543772848170429916717  # Klambauer et al. 2017, arXiv 1706.02515
SELU_SCALE = 1.0507009873554804934193349852946


def relu6(x):
    """min(max(x, 0), 6)."""
    return minimum(relu(x), 6.0)


def leaky_relu(x, negative_slope=0.2):
    """x where positive, negative_slope * x elsewhere."""
    return where(x > 0, x, x * negative_slope)


def elu(x, alpha=1.0):
    """x where positive, alpha * (exp(x) - 1) elsewhere."""
    return where(x > 0, x, alpha * expm1(minimum(x, 0.0)))


def selu(x):
    """scale * elu(x, alpha) with the constants of self-normalising networks (arXiv 1706.02515)."""
    return SELU_SCALE * elu(x, SELU_ALPHA)


def celu(x, alpha=1.0):
    """max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))."""
    return relu(x) + alpha * expm1(minimum(x, 0.0) / alpha)


def softsign(x):
    """x / (1 + |x|)."""
    return x / (absolute(x) + 1.0)


def silu(x):
    """x * sigmoid(x), also called swish."""
    return x * sigmoid(x)


def gelu(x, approximate=True):
    """x * Phi(x), Phi the normal distribution function (arXiv 1606.08415); approximate: by a tanh."""
    if approximate:
        return 0.5 * x * (1.0 + tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    return 0.5 * x * (1.0 + erf(x * math.sqrt(0.5)))


def mish(x):
    """x * tanh(softplus(x)) (arXiv 1908.08681)."""
    return x * tanh(softplus(x))


def hard_sigmoid(x):
    """relu6(x + 3) / 6."""
    return relu6(x + 3.0) * (1 / 6)


def hard_silu(x):
    """x * hard_sigmoid(x), also called hard swish."""
    return x * hard_sigmoid(x)


def hard_tanh(x):
    """x limited to [-1, 1]."""
    return clip(x, -1.0, 1.0)


def hard_shrink(x, threshold=0.5):
    """x where |x| > threshold, 0 elsewhere."""
    return where(absolute(x) > threshold, x, 0.0)


def soft_shrink(x, threshold=0.5):
    """sign(x) * max(|x| - threshold, 0)."""
    return sign(x) * relu(absolute(x) - threshold)


def tanh_shrink(x):
    """x - tanh(x)."""
    return x - tanh(x)


def threshold(x, threshold, default_value):
    """x where x > threshold, default_value elsewhere."""
    return where(x > threshold, x, default_value)


def squareplus(x, b=4):
    """(x + sqrt(x * x + b)) / 2."""
    from fastnn.ops.elementwise import sqrt

    return (x + sqrt(x * x + b)) * 0.5


def sparse_plus(x):
    """0 for x <= -1, (x + 1)**2 / 4 between, x for x >= 1."""
    return where(x <= -1.0, 0.0, where(x < 1.0, (x + 1.0) * (x + 1.0) * 0.25, x))


def sparse_sigmoid(x):
    """0 for x <= -1, (x + 1) / 2 between, 1 for x >= 1."""
    return clip(x * 0.5 + 0.5, 0.0, 1.0)


def log_sigmoid(x):
    """log(sigmoid(x)) = -softplus(-x)."""
    return -softplus(-x)


def glu(x, axis=-1):
    """The first half along an axis times the sigmoid of the second."""
    from fastnn.ops.shape import split

    a, b = split(x, 2, axis)
    return a * sigmoid(b)


def exponential(x):
    """exp(x)."""
    return exp(x)


def linear(x):
    """x."""
    return x


def logaddexp(x1, x2):
    """log(exp(x1) + exp(x2)) without overflow."""
    largest = maximum(x1, x2)
    return largest + log1p(exp(-absolute(x1 - x2)))
