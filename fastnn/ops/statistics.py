"""Statistics that pass over NaN, weighted means, and correlations."""

import math

import numpy as np

from fastnn import config
from fastnn.ops.elementwise import cast, not_equal, sqrt, where
from fastnn.ops.products import as_floats, matmul
from fastnn.ops.reduce import argmax, argmin, mean, prod, sum  # noqa: A004, the names of NumPy
from fastnn.ops.reduce import max as _max
from fastnn.ops.reduce import min as _min
from fastnn.ops.shape import tensor_like, transpose
from fastnn.ops.sorting import cumprod, cumsum, quantiles


def _filled(x, value):
    x = as_floats(tensor_like(x))
    return where(not_equal(x, x), value, x)


def nansum(x, axis=None, keepdims=False):
    """The sum, NaN counted as 0."""
    return sum(_filled(x, 0.0), axis, keepdims)


def nanprod(x, axis=None, keepdims=False):
    """The product, NaN counted as 1."""
    return prod(_filled(x, 1.0), axis, keepdims)


def nanmax(x, axis=None, keepdims=False):
    """The largest element that is a number."""
    return _max(_filled(x, -math.inf), axis, keepdims)


def nanmin(x, axis=None, keepdims=False):
    """The smallest element that is a number."""
    return _min(_filled(x, math.inf), axis, keepdims)


def _count(x, axis, keepdims):
    x = as_floats(tensor_like(x))
    return sum(cast(x == x, str(x.dtype)), axis, keepdims)


def nanmean(x, axis=None, keepdims=False):
    """The mean of the elements that are numbers."""
    return nansum(x, axis, keepdims) / _count(x, axis, keepdims)


def nanvar(x, axis=None, keepdims=False):
    """The variance of the elements that are numbers."""
    x = as_floats(tensor_like(x))
    distance = x - nanmean(x, axis, True)
    return nanmean(distance * distance, axis, keepdims)


def nanstd(x, axis=None, keepdims=False):
    """The standard deviation of the elements that are numbers."""
    return sqrt(nanvar(x, axis, keepdims))


def _where_present(function, x, fill, axis, keepdims):
    """An index along an axis, -1 where there is no number."""
    found = function(_filled(x, fill), axis, keepdims)
    return where(_count(x, axis, keepdims) > 0, found, -1)


def nanargmax(x, axis=None, keepdims=False):
    """The index of the largest element that is a number, -1 where there is none, int32."""
    return _where_present(argmax, x, -math.inf, axis, keepdims)


def nanargmin(x, axis=None, keepdims=False):
    """The index of the smallest element that is a number, -1 where there is none, int32."""
    return _where_present(argmin, x, math.inf, axis, keepdims)


def nancumsum(x, axis=None, dtype=None):
    """Running sums, NaN counted as 0."""
    return cumsum(_filled(x, 0.0), axis, dtype)


def nancumprod(x, axis=None, dtype=None):
    """Running products, NaN counted as 1."""
    return cumprod(_filled(x, 1.0), axis, dtype)


def nanquantile(x, q, axis=None, method="linear", keepdims=False):
    """`quantile` of the elements that are numbers, NaN where there is none."""
    return quantiles(as_floats(tensor_like(x)), q, axis, method, keepdims, skip_nan=True)


def nanpercentile(x, q, axis=None, method="linear", keepdims=False):
    """`nanquantile` with q in percent."""
    return nanquantile(x, np.asarray(q, np.float64) / 100, axis, method, keepdims)


def nanmedian(x, axis=None, keepdims=False):
    """The middle element (the mean of the two in the middle) of those that are numbers."""
    return nanquantile(x, 0.5, axis, keepdims=keepdims)


def average(x, axis=None, weights=None):
    """The mean over `axis`, weighted."""
    x = as_floats(tensor_like(x))
    if weights is None:
        return mean(x, axis)
    weights = tensor_like(weights)
    if weights.ndim < x.ndim:
        shape = [1] * x.ndim
        shape[axis] = x.shape[axis]
        from fastnn import ops

        weights = ops.broadcast_to(ops.reshape(weights, shape), x.shape)
    return sum(x * weights, axis) / sum(cast(weights, str(x.dtype)), axis)


def corrcoef(x):
    """Correlations of the rows: cov[i, j] / sqrt(cov[i, i] cov[j, j])."""
    from fastnn import ops

    x = as_floats(tensor_like(x))
    centred = x - mean(x, 1, True)
    covariance = matmul(centred, transpose(centred))
    deviation = sqrt(ops.diagonal(covariance))
    return covariance / (ops.expand_dims(deviation, 0) * ops.expand_dims(deviation, 1))


_COSINES = {"hann": (0.5, -0.5), "hamming": (0.54, -0.46), "blackman": (0.42, -0.5, 0.08)}


def _cosine_sum(name, points, period):
    angle = 2 * np.pi * np.arange(points) / max(period, 1)
    return np.sum([c * np.cos(i * angle) for i, c in enumerate(_COSINES[name])], axis=0)


def _window(name, x):
    n = int(np.asarray(x))
    return np.ones(1, config.floatx()) if n == 1 else _cosine_sum(name, n, n - 1).astype(config.floatx())


def periodic_window(name, points):
    """A window for Fourier transforms, "hann" or "hamming": one period, whose first point does not come again."""
    if name not in ("hann", "hamming"):
        raise ValueError(f'window: the name must be "hann" or "hamming", received {name!r}')
    return np.ones(1) if points == 1 else _cosine_sum(name, points, points)


def hanning(x):
    """The Hann window of x points: 0.5 - 0.5 cos."""
    return _window("hann", x)


def hamming(x):
    """The Hamming window of x points: 0.54 - 0.46 cos."""
    return _window("hamming", x)


def blackman(x):
    """The Blackman window of x points."""
    return _window("blackman", x)


def bartlett(x):
    """The triangular window of x points."""
    return np.bartlett(int(np.asarray(x))).astype(config.floatx())


def kaiser(x, beta):
    """The Kaiser window of x points."""
    return np.kaiser(int(np.asarray(x)), float(beta)).astype(config.floatx())


def logspace(start, stop, num=50, endpoint=True, base=10, dtype=None, axis=0):
    """`num` numbers from base**start to base**stop, evenly spaced in the exponent."""
    return np.logspace(start, stop, num, endpoint, base, axis=axis).astype(dtype or config.floatx())


def geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0):
    """`num` numbers from start to stop, each the same multiple of the one before."""
    return np.geomspace(start, stop, num, endpoint, axis=axis).astype(dtype or config.floatx())
