"""Matrices taken apart: singular values, eigenvalues, triangular factors.  They run in NumPy, in float64 inside.

The gradients are those of M. Giles, An extended collection of matrix derivative results for forward and reverse mode
algorithmic differentiation, 2008; of QR, arXiv 2009.10071; of the pseudo-inverse, Golub and Pereyra 1973.
"""

import numpy as np

from fastnn.graph.program import Arithmetic, apply
from fastnn.ops.elementwise import absolute, cast, equal, greater, where
from fastnn.ops.linear_systems import inv
from fastnn.ops.placing import tril, triu
from fastnn.ops.primitive import Primitive
from fastnn.ops.products import as_floats, matmul
from fastnn.ops.reduce import max as _max
from fastnn.ops.reduce import sum as _sum
from fastnn.ops.shape import axes_last, concatenate, expand_dims, squeeze, swapaxes, tensor_like
from fastnn.ops.sorting import argsort, take_along_axis


def _turned(x):
    return swapaxes(x, -1, -2)


def _scaled(x, column_factors):
    return x * expand_dims(column_factors, -2)


def _shape_of_matrices(name, a):
    if len(a.shape) < 2:
        raise ValueError(f"{name}: expected matrices (..., m, n), received shape {tuple(a.shape)}")
    return a.shape[:-2], *a.shape[-2:]


def _inverse_differences(values):
    """1 / (values[j] - values[i]), 0 where they are equal: there the derivative does not exist, or is not asked for."""
    difference = expand_dims(values, -2) - expand_dims(values, -1)
    same = equal(difference, 0.0)
    return where(same, 0.0, 1.0 / where(same, 1.0, difference))


class _Decomposition(Primitive):
    """Several factors of matrices; `factors` gives them for float64."""

    n_outputs = 2

    def reference(self, a, **attributes):
        a = np.asarray(a)
        with np.errstate(all="ignore"):
            return tuple(np.asarray(f, a.dtype) for f in self.factors(a.astype(np.float64), **attributes))


class SingularValues(_Decomposition):
    """a = u . diag(s) . vh with orthonormal columns of u and rows of vh, s descending."""

    n_outputs = 3

    def infer(self, a, full):
        lead, m, n = _shape_of_matrices(self.name, a)
        k = min(m, n)
        u, vh = ((m, m), (n, n)) if full else ((m, k), (k, n))
        return [((*lead, *shape), a.dtype) for shape in ((k,), u, vh)]

    def factors(self, a, full):
        u, s, vh = np.linalg.svd(a, full_matrices=full)
        return s, u, vh

    def gradient(self, gradients, inputs, outputs, full):
        (ds, du, dvh), (s, u, vh) = gradients, outputs
        k = s.shape[-1]
        if u.shape[-1] != vh.shape[-2] and full and not (du is None and dvh is None):
            raise ValueError("svd: the additional vectors have no gradient: use full_matrices=False")
        u, vh, share = u[..., :k], vh[..., :k, :], _inverse_differences(s * s)
        inner, outer = _diagonal_matrices(ds, k), 0.0
        if du is not None:
            turn = matmul(_turned(u), du)
            inner = inner + _scaled(share * (turn - _turned(turn)), s)
            outer = matmul(_scaled(du - matmul(u, turn), 1.0 / s), vh)
        if dvh is not None:
            dv = _turned(dvh)
            turn = matmul(vh, dv)
            inner = inner + expand_dims(s, -1) * (share * (turn - _turned(turn)))
            outer = outer + matmul(_scaled(u, 1.0 / s), _turned(dv - matmul(_turned(vh), turn)))
        return (matmul(matmul(u, inner), vh) + outer,)


def _diagonal_matrices(values, size):
    return expand_dims(values, -1) * np.eye(size, dtype=np.float32)


class SymmetricEigenvalues(_Decomposition):
    """a = v . diag(w) . v^T of symmetric matrices, w ascending; the lower triangle is read."""

    def infer(self, a):
        lead, m, n = _shape_of_matrices(self.name, a)
        if m != n:
            raise ValueError(f"eigh: expected square matrices, received shape {tuple(a.shape)}")
        return [((*lead, m), a.dtype), (a.shape, a.dtype)]

    def factors(self, a):
        return np.linalg.eigh(a)

    def gradient(self, gradients, inputs, outputs):
        (dw, dv), (w, v) = gradients, outputs
        inner = _diagonal_matrices(dw, w.shape[-1])
        if dv is not None:
            inner = inner + _inverse_differences(w) * matmul(_turned(v), dv)
        whole = matmul(matmul(v, inner), _turned(v))
        return ((whole + _turned(whole)) * 0.5,)


class TallQR(_Decomposition):
    """a = q . r of matrices with m >= n: orthonormal columns, upper triangle."""

    def infer(self, a, complete):
        lead, m, n = _shape_of_matrices(self.name, a)
        k = m if complete else n
        return [((*lead, k, n), a.dtype), ((*lead, m, k), a.dtype)]

    def factors(self, a, complete):
        return np.linalg.qr(a, "complete" if complete else "reduced")[::-1]

    def gradient(self, gradients, inputs, outputs, complete):
        (dr, dq), (r, q) = gradients, outputs
        n = r.shape[-1]
        if q.shape[-1] != n and dq is not None:
            raise ValueError('qr: the additional columns have no gradient: use mode="reduced"')
        r, q, dr = r[..., :n, :], q[..., :n], dr[..., :n, :]
        inner = matmul(r, _turned(dr))
        if dq is not None:
            inner = inner - matmul(_turned(dq), q)
        turned = matmul(q, tril(inner) + _turned(tril(inner, -1)))
        return (matmul(turned if dq is None else turned + dq, _turned(inv(r))),)


class LU(_Decomposition):
    """The rows of a in the order of the third output are l . u, both in the first (l with ones on its diagonal).

    The second output holds the exchanges: row i was exchanged with row pivots[i], for i = 0, 1, ...
    """

    n_outputs = 3

    def infer(self, a):
        lead, m, n = _shape_of_matrices(self.name, a)
        return [(a.shape, a.dtype), ((*lead, min(m, n)), "int32"), ((*lead, m), "int32")]

    def reference(self, a):
        a = np.asarray(a)
        m, n = a.shape[-2:]
        lu = a.astype(np.float64).reshape(-1, m, n)
        pivots, order = np.zeros((len(lu), min(m, n)), np.int32), np.tile(np.arange(m, dtype=np.int32), (len(lu), 1))
        each = np.arange(len(lu))
        for i in range(min(m, n)):
            pivots[:, i] = p = i + np.argmax(np.abs(lu[:, i:, i]), axis=1)
            for rows in (lu, order):
                rows[each, i], rows[each, p] = rows[each, p].copy(), rows[each, i].copy()
            with np.errstate(all="ignore"):
                lu[:, i + 1 :, i] /= np.where(lu[:, i, i] == 0, 1.0, lu[:, i, i])[:, None]
            lu[:, i + 1 :, i + 1 :] -= lu[:, i + 1 :, i, None] * lu[:, i, None, i + 1 :]
        lead = a.shape[:-2]
        return lu.reshape(a.shape).astype(a.dtype), pivots.reshape(*lead, -1), order.reshape(*lead, m)

    def gradient(self, gradients, inputs, outputs):
        packed, _, order = outputs
        m, n = packed.shape[-2:]
        if m != n:
            raise ValueError(f"lu_factor: of matrices {m} x {n} there is no gradient: they must be square")
        lower, upper = tril(packed, -1) + np.eye(n, dtype=np.float32), triu(packed)
        d = gradients[0]
        inner = tril(matmul(_turned(lower), tril(d, -1)), -1) + triu(matmul(triu(d), _turned(upper)))
        ordered = matmul(matmul(_turned(inv(lower)), inner), _turned(inv(upper)))
        return (take_along_axis(ordered, expand_dims(argsort(order), -1), -2),)


class PseudoInverse(Primitive):
    """p = v . diag(1/s) . u^T over the singular values above `rcond` times the largest."""

    def infer(self, a, rcond):
        lead, m, n = _shape_of_matrices(self.name, a)
        return [((*lead, n, m), a.dtype)]

    def reference(self, a, rcond):
        a = np.asarray(a)
        smallest = np.finfo(a.dtype).eps * max(a.shape[-2:]) if rcond is None else rcond
        return np.linalg.pinv(a.astype(np.float64), smallest).astype(a.dtype)

    def gradient(self, gradients, inputs, outputs, rcond):
        (dp,), (a,), (p,) = gradients, inputs, outputs
        turned = _turned(p)
        beside = _turned(dp) - matmul(a, matmul(p, _turned(dp)))  # what the columns of a do not span
        below = dp - matmul(p, matmul(a, dp))
        first = matmul(beside, matmul(p, turned))
        second = _turned(matmul(below, matmul(turned, p)))
        return (first + second - matmul(turned, matmul(dp, turned)),)


_svd, _eigh, _tall_qr, _lu = SingularValues("svd"), SymmetricEigenvalues("eigh"), TallQR("qr"), LU("lu")
_pseudo_inverse = PseudoInverse("pseudo_inverse")


def _matrices(a, name):
    a = as_floats(tensor_like(a))
    _shape_of_matrices(name, a)
    return a


def svd(x, full_matrices=True, compute_uv=True):
    """u, s, vh with x = u . diag(s) . vh, the singular values descending.

    Parameters
    ----------
    x : tensor of shape (..., m, n)
    full_matrices : bool
        u (..., m, m) and vh (..., n, n), else (..., m, k) and (..., k, n) with k = min(m, n).
    compute_uv : bool
        Without, the singular values (..., k) alone.
    """
    s, u, vh = apply(_svd, _matrices(x, "svd"), full=bool(full_matrices and compute_uv))
    return (u, s, vh) if compute_uv else s


def eigh(x):
    """(eigenvalues ascending, eigenvectors as columns) of symmetric matrices (..., m, m)."""
    return apply(_eigh, _matrices(x, "eigh"))


def eig(x):
    """(eigenvalues, eigenvectors as columns) of square matrices; both are complex, so on arrays only."""
    if isinstance(x, Arithmetic):
        raise TypeError("eig: complex numbers cannot enter a program: use eigh for symmetric matrices")
    x = np.asarray(x)
    values, vectors = np.linalg.eig(x)
    dtype = np.complex128 if x.dtype == np.float64 else np.complex64
    return values.astype(dtype), vectors.astype(dtype)


def qr(x, mode="reduced"):
    """(q, r) with x = q . r, the columns of q orthonormal, r an upper triangle.

    Parameters
    ----------
    x : tensor of shape (..., m, n)
    mode : {"reduced", "complete"}
        q (..., m, min(m, n)), or (..., m, m).
    """
    if mode not in ("reduced", "complete"):
        raise ValueError(f'qr: mode must be "reduced" or "complete", received {mode!r}')
    x = _matrices(x, "qr")
    m, n = x.shape[-2:]
    if m >= n:
        return apply(_tall_qr, x, complete=mode == "complete")[::-1]
    left, q = apply(_tall_qr, x[..., :m], complete=False)
    return q, concatenate([left, matmul(_turned(q), x[..., m:])], -1)


def lu_factor(x):
    """(lu, pivots): the factors of x with its rows exchanged.

    Returns
    -------
    lu : tensor of shape (..., m, n)
        The upper factor, and below its diagonal the lower one, whose diagonal holds ones.
    pivots : int32 tensor of shape (..., min(m, n))
        Row i was exchanged with row pivots[i], for i = 0, 1, ...
    """
    return apply(_lu, _matrices(x, "lu_factor"))[:2]


def pinv(x, rcond=None):
    """The Moore-Penrose inverse of matrices (..., m, n).

    Parameters
    ----------
    rcond : float, optional
        Singular values up to this share of the largest count as 0; max(m, n) times the precision unless given.
    """
    return apply(_pseudo_inverse, _matrices(x, "pinv"), rcond=rcond)


def lstsq(a, b, rcond=None):
    """The y of least norm with the least |a . y - b|.

    Parameters
    ----------
    a : tensor of shape (m, n)
    b : tensor of shape (m,) or (m, k)
    rcond : float, optional
        As of `pinv`.
    """
    b = as_floats(tensor_like(b))
    if b.ndim == 1:
        return squeeze(matmul(pinv(a, rcond), expand_dims(b, -1)), -1)
    return matmul(pinv(a, rcond), b)


def matrix_rank(x, tol=None):
    """How many singular values exceed `tol` (max(m, n) times the precision, times the largest, unless given), int32."""
    x = _matrices(x, "matrix_rank")
    values = svd(x, compute_uv=False)
    if tol is None:
        tol = _max(values, -1, True) * float(max(x.shape[-2:]) * np.finfo(str(x.dtype)).eps)
    return _sum(cast(greater(values, tol), "int32"), -1)


def norm(x, ord=None, axis=None, keepdims=False):
    """The norm of vectors along an axis, or of matrices along two.

    Parameters
    ----------
    x : tensor
    ord : {None, "fro", "nuc", inf, -inf, 0} or number
        Of vectors sum(|x|**ord)**(1/ord), inf and -inf the largest and smallest element, 0 how many are not zero.
        Of matrices 1, -1, inf, -inf (sums of columns, rows), 2, -2 (singular values), "fro", "nuc".
    axis : int or (int, int), optional
        Unless given all axes: without ord as one vector, else x has one axis or two.
    keepdims : bool
    """
    x = as_floats(tensor_like(x))
    if axis is None and ord is None:
        return _vector_norm(x, None, None, keepdims)
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    if len(axes) == 1:
        return _vector_norm(x, ord, axes[0], keepdims)
    if len(axes) != 2:
        raise ValueError(f"norm: of {len(axes)} axes only the norm with ord=None exists: give one axis or two")
    result = _matrix_norm(axes_last(x, axes), ord)
    axes = [a % x.ndim for a in axes]
    return expand_dims(result, sorted(axes)) if keepdims else result


def _vector_norm(x, ord, axis, keepdims):
    from fastnn import ops

    if ord in (None, 2):
        return ops.sqrt(_sum(x * x, axis, keepdims))
    size = absolute(x)
    if ord == np.inf:
        return _max(size, axis, keepdims)
    if ord == -np.inf:
        return ops.min(size, axis, keepdims)
    if ord == 0:
        return _sum(cast(ops.not_equal(x, 0.0), str(x.dtype)), axis, keepdims)
    if ord == 1:
        return _sum(size, axis, keepdims)
    if isinstance(ord, str):
        raise ValueError(f"norm: ord {ord!r} is one of matrices: give two axes")
    return ops.power(_sum(ops.power(size, float(ord)), axis, keepdims), 1.0 / ord)


def _matrix_norm(x, ord):
    from fastnn import ops

    if ord in (None, "fro"):
        return ops.sqrt(_sum(x * x, (-2, -1)))
    if ord in (1, -1, np.inf, -np.inf):
        totals = _sum(absolute(x), -2 if abs(ord) == 1 else -1)
        return _max(totals, -1) if ord > 0 else ops.min(totals, -1)
    if ord in (2, -2, "nuc"):
        values = svd(x, compute_uv=False)
        return _sum(values, -1) if ord == "nuc" else values[..., 0 if ord == 2 else -1]
    raise ValueError(f'norm: of matrices ord must be 1, -1, 2, -2, inf, -inf, "fro" or "nuc", received {ord!r}')
