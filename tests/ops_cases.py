"""The rows of `fastnn.ops`: (name, call of the module and the inputs, the inputs as (shape, kind)).

Kinds: those of `cases.values`, "integer" in 0..3, "symmetric" for positive definite matrices.
"""

import numpy as np
from cases import values


def drawn(kind, rng, shape):
    """The numbers of one input."""
    if kind == "integer":
        return rng.integers(0, 4, shape).astype(np.int32)
    if kind == "symmetric":
        a = values("unit", rng, shape)
        return a @ np.swapaxes(a, -1, -2) + 2 * np.eye(shape[-1], dtype=np.float32)
    return values(kind, rng, shape)


R, S, M, V = ((3, 5), "real"), ((3, 5), "unit"), ((2, 3, 4), "real"), ((5,), "real")
SPD = ((2, 3, 3), "symmetric")


def _plain(names, *inputs):
    return [(name, lambda k, *x, n=name: getattr(k.ops, n)(*x), inputs) for name in names.split()]


TABLE = (
    *_plain("arctan arcsin arccos arcsinh arctanh cbrt erfc exp2 sinc fabs deg2rad rad2deg", S),
    ("arccosh", lambda k, x: k.ops.arccosh(x + 2.0), (S,)),
    *_plain("arctan2 hypot logaddexp2 fmax fmin", S, ((3, 5), "real")),
    ("fmod", lambda k, x: k.ops.fmod(x, 0.75), (R,)),
    ("ldexp", lambda k, x: k.ops.ldexp(x, np.int32([1, 2, 3, 0, 1])), (R,)),
    *_plain("signbit isposinf isneginf nan_to_num ravel ptp median fliplr flipud rot90 tril triu", R),
    *_plain("nansum nanmean nanmax nanmin nanvar nanstd cumsum cumprod sort argsort diff trace diag", R),
    ("heaviside", lambda k, x: k.ops.heaviside(x, 0.5), (R,)),
    ("isin", lambda k, x: k.ops.isin(x, np.int32([1, 3])), (((3, 4), "integer"),)),
    ("allclose", lambda k, x: k.ops.allclose(x, x), (R,)),
    ("select", lambda k, x: k.ops.select([x > 1, x > 0], [x * 2, x * 3], 0.5), (R,)),
    ("average", lambda k, x: k.ops.average(x, 1, weights=np.float32([1, 2, 3, 4, 5])), (R,)),
    ("corrcoef", lambda k, x: k.ops.corrcoef(x), (R,)),
    ("sort_axis", lambda k, x: k.ops.sort(x, axis=0), (R,)),
    ("top_k", lambda k, x: k.ops.top_k(x, 2)[0], (R,)),
    ("take_along_axis", lambda k, x: k.ops.take_along_axis(x, np.int32([[1, 0], [4, 2], [3, 3]]), 1), (R,)),
    ("cumsum_axis", lambda k, x: k.ops.cumsum(x, 1), (M,)),
    ("cumprod_axis", lambda k, x: k.ops.cumprod(x, -1), (M,)),
    ("quantile", lambda k, x: k.ops.quantile(x, [0.25, 0.6], axis=1), (R,)),
    ("percentile", lambda k, x: k.ops.percentile(x, 30.0, axis=0, keepdims=True), (R,)),
    ("searchsorted", lambda k, x: k.ops.searchsorted(np.float32([-1, 0, 0.5, 1]), x), (V,)),
    ("digitize", lambda k, x: k.ops.digitize(x, np.float32([-1, 0, 0.5, 1])), (V,)),
    ("bincount", lambda k, x: k.ops.bincount(x, minlength=5), (((9,), "integer"),)),
    ("roll", lambda k, x: k.ops.roll(x, 2, axis=1), (R,)),
    ("roll_flat", lambda k, x: k.ops.roll(x, -3), (R,)),
    ("diag_matrix", lambda k, x: k.ops.diag(x, 1), (V,)),
    ("diagonal", lambda k, x: k.ops.diagonal(x, 1, 1, 2), (M,)),
    ("append", lambda k, x, y: k.ops.append(x, y, 0), (R, S)),
    ("hstack", lambda k, x, y: k.ops.hstack([x, y]), (R, S)),
    ("vstack", lambda k, x, y: k.ops.vstack([x, y]), (V, V)),
    ("dstack", lambda k, x, y: k.ops.dstack([x, y]), (R, S)),
    ("array_split", lambda k, x: k.ops.array_split(x, 3, axis=1)[0], (R,)),
    ("hsplit", lambda k, x: k.ops.hsplit(x, [2])[1], (R,)),
    ("vsplit", lambda k, x: k.ops.vsplit(x, 3)[1], (R,)),
    ("dsplit", lambda k, x: k.ops.dsplit(x, 2)[1], (M,)),
    ("unstack", lambda k, x: k.ops.unstack(x, axis=1)[2], (R,)),
    ("meshgrid", lambda k, x, y: k.ops.meshgrid(x, y)[1], (V, ((3,), "real"))),
    ("scatter", lambda k, x: k.ops.scatter(np.int32([[0, 1], [2, 2], [0, 1]]), x, (3, 4)), (((3,), "real"),)),
    ("scatter_update", lambda k, x, y: k.ops.scatter_update(x, np.int32([[0, 1], [2, 2]]), y), (R, ((2,), "real"))),
    ("slice_update", lambda k, x, y: k.ops.slice_update(x, (1, 2), y), (R, ((2, 2), "real"))),
    ("multi_hot", lambda k, x: k.ops.multi_hot(x, 4), (((3, 2), "integer"),)),
    *_plain("outer kron", V, ((3,), "real")),
    *_plain("vdot", V, V),
    *_plain("inner", R, R),
    ("cross", lambda k, x, y: k.ops.cross(x, y), (((4, 3), "real"), ((4, 3), "unit"))),
    ("vander", lambda k, x: k.ops.vander(x, 3), (V,)),
    ("trapezoid", lambda k, x: k.ops.trapezoid(x, dx=0.5), (R,)),
    ("einsum", lambda k, x, y: k.ops.einsum("ij,kj->ki", x, y), (R, S)),
    ("einsum_batch", lambda k, x, y: k.ops.einsum("...ij,...jk->...ik", x, y), (M, ((4, 2), "real"))),
    ("einsum_trace", lambda k, x: k.ops.einsum("bii->b", x), (SPD,)),
    ("dot_product_attention", lambda k, q, v: k.ops.dot_product_attention(q, v, v), (((2, 3, 2, 4), "real"),) * 2),
    *_plain("inv det cholesky logdet", SPD),
    ("solve", lambda k, a, b: k.ops.solve(a, b), (SPD, ((2, 3, 2), "real"))),
    ("cond", lambda k, x: k.ops.cond(True, lambda: x * 2, lambda: x * 3), (R,)),
    ("fori_loop", lambda k, x: k.ops.fori_loop(0, 3, lambda i, v: v * 1.5 + x, x), (R,)),
    ("scan", lambda k, x: k.ops.scan(lambda c, v: (c + v, c * v), x[0], x)[1], (R,)),
    ("associative_scan", lambda k, x: k.ops.associative_scan(lambda a, b: a + b, x, axis=0), (R,)),
    ("map", lambda k, x: k.ops.map(lambda v: v * v, x), (R,)),
    ("vectorized_map", lambda k, x: k.ops.vectorized_map(lambda v: v * v, x), (R,)),
    ("hamming", lambda k, x: x * k.ops.hamming(5), (V,)),
    ("blackman", lambda k, x: x * k.ops.blackman(5), (V,)),
    ("hanning", lambda k, x: x * k.ops.hanning(5), (V,)),
)  # fmt: skip
