"""Inverses, determinants, decompositions of matrices: they run in NumPy, in float64 inside."""

import numpy as np

from fastnn.graph.program import apply
from fastnn.ops.primitive import Primitive
from fastnn.ops.products import as_floats, matmul
from fastnn.ops.shape import broadcast_to, expand_dims, squeeze, swapaxes, tensor_like


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


class LogDeterminant(_OfMatrices):
    """(the sign, log|det|), which neither overflows nor underflows; the gradient of the second is inv(a)^T."""

    n_outputs = 2

    def infer(self, a):
        ((shape, dtype),) = super().infer(a)
        return [(shape[:-2], dtype)] * 2

    def reference(self, a):
        a = np.asarray(a)
        return tuple(np.asarray(part, a.dtype) for part in np.linalg.slogdet(a.astype(np.float64)))

    def gradient(self, gradients, inputs, outputs):
        dlog = gradients[1]
        if dlog is None:
            return (None,)
        return (expand_dims(expand_dims(dlog, -1), -1) * swapaxes(inv(inputs[0]), -1, -2),)


class Solution(_OfMatrices):
    """y with a . y = b; its gradient for b solves a^T . db = dy, that for a is -db . y^T."""

    def infer(self, a, b):
        super().infer(a)
        return [(b.shape, b.dtype)]

    def reference(self, a, b):
        return np.linalg.solve(np.asarray(a, np.float64), np.asarray(b, np.float64)).astype(np.asarray(b).dtype)

    def gradient(self, gradients, inputs, outputs):
        db = apply(_solution, swapaxes(inputs[0], -1, -2), gradients[0])
        return -matmul(db, swapaxes(outputs[0], -1, -2)), db


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
_log_determinant, _solution = LogDeterminant("log_determinant"), Solution("solution")


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
    return apply(_log_determinant, _matrices(x))


def logdet(x):
    """log|det(x)| of matrices (..., m, m)."""
    return slogdet(x)[1]


def cholesky(x, upper=False):
    """The lower triangular l with l . l^T = x, or its transpose."""
    lower = apply(_cholesky, _matrices(x))
    return swapaxes(lower, -1, -2) if upper else lower


def cholesky_inverse(x, upper=False):
    """The inverse of l . l^T, from l."""
    turned = inv(swapaxes(_matrices(x), -1, -2) if upper else x)
    return matmul(swapaxes(turned, -1, -2), turned)


def solve(a, b):
    """y with a . y = b, for a (..., m, m) and b (..., m) or (..., m, k)."""
    a, b = _matrices(a), _matrices(b)
    rows = -1 if b.ndim == a.ndim - 1 else -2
    if a.ndim < 2 or b.ndim < -rows or a.shape[-1] != b.shape[rows]:
        raise ValueError(f"solve: equations of shape {tuple(a.shape)} and right sides of shape {tuple(b.shape)}")
    if b.ndim == a.ndim - 1:
        return squeeze(apply(_solution, a, expand_dims(b, -1)), -1)
    lead = np.broadcast_shapes(tuple(a.shape[:-2]), tuple(b.shape[:-2]))
    return apply(_solution, broadcast_to(a, (*lead, *a.shape[-2:])), broadcast_to(b, (*lead, *b.shape[-2:])))


def solve_triangular(a, b, lower=False):
    """y with a . y = b, of which one triangle is read."""
    from fastnn import ops

    return solve(ops.tril(a) if lower else ops.triu(a), b)
