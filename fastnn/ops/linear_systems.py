"""Inverses, determinants, decompositions of matrices: they run in NumPy, in float64 inside."""

import numpy as np

from fastnn.graph.program import apply
from fastnn.ops.primitive import Primitive
from fastnn.ops.products import as_floats, matmul
from fastnn.ops.shape import expand_dims, squeeze, swapaxes, tensor_like


class _OfMatrices(Primitive):
    """A function of square matrices (..., m, m)."""

    function = None

    def infer(self, a):
        if len(a.shape) < 2 or a.shape[-1] != a.shape[-2]:
            raise ValueError(f"{self.name}: expected square matrices (..., m, m), received shape {a.shape}")
        return [(self.result_shape(a.shape), a.dtype)]

    def result_shape(self, shape):
        return shape

    def reference(self, a):
        a = np.asarray(a)
        return np.asarray(type(self).function(a.astype(np.float64)), a.dtype)


class Inverse(_OfMatrices):
    """b with a . b = 1; its gradient is -b^T . dy . b^T."""

    function = staticmethod(np.linalg.inv)

    def gradient(self, gradients, inputs, outputs):
        turned = swapaxes(outputs[0], -1, -2)
        return (-matmul(matmul(turned, gradients[0]), turned),)


class Determinant(_OfMatrices):
    """The determinant; its gradient is dy det(a) inv(a)^T."""

    function = staticmethod(np.linalg.det)

    def result_shape(self, shape):
        return shape[:-2]

    def gradient(self, gradients, inputs, outputs):
        factor = expand_dims(expand_dims(gradients[0] * outputs[0], -1), -1)
        return (factor * swapaxes(inv(inputs[0]), -1, -2),)


class Cholesky(_OfMatrices):
    """The lower triangular l with l . l^T = a (of which the lower triangle is read)."""

    function = staticmethod(np.linalg.cholesky)

    def gradient(self, gradients, inputs, outputs):
        """inv(l)^T . phi(l^T . dy) . inv(l), made symmetric; phi halves the diagonal (arXiv 1602.07527)."""
        from fastnn import ops

        lower = outputs[0]
        size = lower.shape[-1]
        phi = matmul(swapaxes(lower, -1, -2), gradients[0]) * np.tril(np.ones((size, size)) - np.eye(size) / 2)
        back = inv(lower)
        inner = matmul(matmul(swapaxes(back, -1, -2), phi), back)
        return (ops.multiply(inner + swapaxes(inner, -1, -2), 0.5),)


_inverse, _determinant, _cholesky = Inverse("inverse"), Determinant("determinant"), Cholesky("cholesky")


def _matrices(a):
    return as_floats(tensor_like(a))


def inv(x):
    """The inverses of matrices (..., m, m)."""
    return apply(_inverse, _matrices(x))


def det(x):
    """The determinants of matrices (..., m, m)."""
    return apply(_determinant, _matrices(x))


def slogdet(x):
    """(sign, log|det|) of matrices (..., m, m)."""
    from fastnn import ops

    value = det(x)
    return ops.sign(value), ops.log(ops.absolute(value))


def logdet(x):
    """log(det(x)) of positive definite matrices, by their Cholesky decomposition."""
    from fastnn import ops

    return ops.sum(ops.log(ops.diagonal(cholesky(x), axis1=-2, axis2=-1)), -1) * 2.0


def cholesky(x, upper=False):
    """The lower triangular l with l . l^T = x, or its transpose."""
    lower = apply(_cholesky, _matrices(x))
    return swapaxes(lower, -1, -2) if upper else lower


def cholesky_inverse(x, upper=False):
    """The inverse of l . l^T, from l."""
    turned = inv(swapaxes(_matrices(x), -1, -2) if upper else x)
    return matmul(swapaxes(turned, -1, -2), turned)


def solve(a, b):
    """y with a . y = b."""
    a, b = _matrices(a), _matrices(b)
    if b.ndim == a.ndim - 1:
        return squeeze(matmul(inv(a), expand_dims(b, -1)), -1)
    return matmul(inv(a), b)


def solve_triangular(a, b, lower=False):
    """y with a . y = b, of which one triangle is read."""
    from fastnn import ops

    return solve(ops.tril(a) if lower else ops.triu(a), b)


def pinv(x, rcond=None):
    """The Moore-Penrose inverse of matrices of full rank."""
    x = _matrices(x)
    turned = swapaxes(x, -1, -2)
    if x.shape[-2] >= x.shape[-1]:
        return matmul(inv(matmul(turned, x)), turned)
    return matmul(turned, inv(matmul(x, turned)))
