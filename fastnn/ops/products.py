"""Matrix products."""

import math

import numpy as np

from fastnn import config
from fastnn.graph.program import Arithmetic, apply
from fastnn.ops.elementwise import cast
from fastnn.ops.primitive import Primitive

LONG, CACHED, SHARED = 8, 2**17, 2**21  # see `_in_halves`: rows, elements of the kernel, products


class MatMul(Primitive):
    """c[b] = a[b] . b[b], each possibly transposed; a (..., m, k), b (..., k, n) with equal leading axes."""

    epilogue = True

    def infer(self, a, b, transpose_a=False, transpose_b=False):
        m, k = a.shape[-2:][::-1] if transpose_a else a.shape[-2:]
        k2, n = b.shape[-2:][::-1] if transpose_b else b.shape[-2:]
        if k != k2 or a.shape[:-2] != b.shape[:-2]:
            raise ValueError(
                f"matmul: shapes {a.shape} and {b.shape} do not fit: the last axis of the first ({k}) must equal the "
                f"last but one of the second ({k2})"
            )
        return [((*a.shape[:-2], m, n), a.dtype)]

    def reference(self, a, b, transpose_a=False, transpose_b=False):
        return np.matmul(a.swapaxes(-1, -2) if transpose_a else a, b.swapaxes(-1, -2) if transpose_b else b)

    def gradient(self, gradients, inputs, outputs, transpose_a=False, transpose_b=False):
        (dy,), (a, b) = gradients, inputs
        da = _matmul(b, dy, transpose_b, True) if transpose_a else _matmul(dy, b, False, not transpose_b)
        db = _matmul(dy, a, True, transpose_a) if transpose_b else _matmul(a, dy, not transpose_a, False)
        return da, db

    def lower(self, lowering, instruction):
        a, b = instruction.inputs
        (c,) = instruction.outputs
        transpose_a, transpose_b = (instruction.attributes.get(f"transpose_{x}", False) for x in "ab")
        m, n = c.shape[-2:]
        k = a.shape[-2] if transpose_a else a.shape[-1]
        sizes = matmul_sizes(m, n, k, math.prod(c.shape[:-2]), transpose_a, transpose_b)
        if not transpose_a and not transpose_b and lowering.is_updated(b) and _in_halves(sizes):
            self._lower_in_halves(lowering, instruction, sizes)
        else:
            lowering.step("matmul", (a, b), (c,), sizes, instruction)

    def _lower_in_halves(self, lowering, instruction, sizes):
        (c,), half = instruction.outputs, sizes["k"] // 2
        halves = lowering.temporary((2, *c.shape[-2:]))
        own = {"batch": 2, "k": half, "a_batch": half, "b_batch": half * sizes["n"]}
        lowering.step("matmul", instruction.inputs, (halves,), sizes | own)
        lowering.add_up(halves, c)
        lowering.epilogue_of(c)

    def flops(self, instruction):
        a, c = instruction.inputs[0], instruction.outputs[0]
        k = a.shape[-2] if instruction.attributes.get("transpose_a") else a.shape[-1]
        return 2 * math.prod(c.shape) * k


def matmul_sizes(m, n, k, batch=1, transpose_a=False, transpose_b=False):
    """Those of the step `matmul` in csrc/steps.def."""
    return {
        "batch": batch, "m": m, "n": n, "k": k,
        "a_row": 1 if transpose_a else k, "a_col": m if transpose_a else 1, "a_batch": m * k, "b_batch": k * n,
        "b_transposed": int(transpose_b),
    }  # fmt: skip


def _in_halves(sizes):
    """Whether the sums of a product with a trained kernel are made in two halves.

    Then each of two threads reads only rows of the kernel that it also updates, and finds them in its own cache with
    what the optimiser keeps of them.  That is worth storing the halves if they are small, the kernel fits, and it is
    more than the rows, of which each thread may find another half in its cache.
    """
    m, n, k = sizes["m"], sizes["n"], sizes["k"]
    small = k >= LONG * m and m <= n and k * n <= CACHED
    return sizes["batch"] == 1 and k % 2 == 0 and small and m * n * k >= SHARED


def as_floats(x):
    """Integers and booleans as floatx; the kernels multiply floats."""
    return x if str(x.dtype).startswith("float") else cast(x, config.floatx())


_matmul_primitive = MatMul("matmul")


def _matmul(a, b, transpose_a=False, transpose_b=False):
    a, b = as_floats(a), as_floats(b)
    return apply(_matmul_primitive, a, b, transpose_a=transpose_a, transpose_b=transpose_b)


def matmul(x1, x2):
    """The matrix product x1 . x2.

    Parameters
    ----------
    x1 : tensor of shape (..., m, k) or (k,)
    x2 : tensor of shape (..., k, n) or (k,)
        Leading axes are broadcast.

    Returns
    -------
    tensor of shape (..., m, n)
    """
    from fastnn import ops

    x1, x2 = (x if isinstance(x, Arithmetic) else np.asarray(x) for x in (x1, x2))
    if x1.ndim == 0 or x2.ndim == 0:
        raise ValueError("matmul: a scalar has no axes to multiply over: use multiply")
    if x1.ndim == 1:
        return ops.squeeze(matmul(ops.expand_dims(x1, 0), x2), -2 if x2.ndim > 1 else 0)
    if x2.ndim == 1:
        return ops.squeeze(matmul(x1, ops.expand_dims(x2, -1)), -1)
    if x1.shape[-1] != x2.shape[-2]:
        raise ValueError(
            f"matmul: shapes {tuple(x1.shape)} and {tuple(x2.shape)} do not fit: the last axis of the first "
            f"({x1.shape[-1]}) must equal the last but one of the second ({x2.shape[-2]})"
        )
    if x2.ndim == 2:
        if x1.ndim == 2:
            return _matmul(x1, x2)
        rows = _matmul(ops.reshape(x1, (math.prod(x1.shape[:-1]), x1.shape[-1])), x2)
        return ops.reshape(rows, (*x1.shape[:-1], x2.shape[-1]))
    lead = np.broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
    x1 = ops.broadcast_to(x1, (*lead, *x1.shape[-2:]))
    x2 = ops.broadcast_to(x2, (*lead, *x2.shape[-2:]))
    return _matmul(x1, x2)


def dot(x1, x2):
    """NumPy's dot: the sum over the last axis of x1 and the last but one of x2."""
    from fastnn import ops

    x1, x2 = (x if isinstance(x, Arithmetic) else np.asarray(x) for x in (x1, x2))
    if x1.ndim == 0 or x2.ndim == 0:
        return ops.multiply(x1, x2)
    if x2.ndim <= 2:
        return matmul(x1, x2)
    axes = (*range(x2.ndim - 2)[::1], x2.ndim - 1)
    columns = ops.reshape(ops.transpose(x2, (x2.ndim - 2, *axes)), (x2.shape[-2], -1))
    return ops.reshape(matmul(x1, columns), (*x1.shape[:-1], *(x2.shape[i] for i in axes)))


def cdist(x, y):
    """The Euclidean distance of every row of x from every row of y.

    Parameters
    ----------
    x : tensor of shape (..., m, k)
    y : tensor of shape (..., n, k)

    Returns
    -------
    tensor of shape (..., m, n)
        Where two rows are equal the gradient is 0.
    """
    from fastnn import ops

    x, y = (as_floats(v if isinstance(v, Arithmetic) else np.asarray(v)) for v in (x, y))
    if x.ndim < 2 or y.ndim < 2 or x.shape[-1] != y.shape[-1]:
        raise ValueError(f"cdist: expected rows of one length, received {tuple(x.shape)} and {tuple(y.shape)}")
    squares = ops.sum(ops.square(ops.expand_dims(x, -2) - ops.expand_dims(y, -3)), -1)
    same = ops.equal(squares, 0.0)
    return ops.where(same, 0.0, ops.sqrt(ops.where(same, 1.0, squares)))


def correlate(x1, x2, mode="valid"):
    """The sums of x1[k + i] * x2[i] for every shift k of two vectors, as NumPy's `correlate`.

    Parameters
    ----------
    x1, x2 : tensor of shape (n,), (m,)
    mode : {"valid", "same", "full"}
        Shifts at which the shorter lies within the longer; as many as the longer has elements; all that overlap.
    """
    from fastnn import ops

    x1, x2 = (as_floats(v if isinstance(v, Arithmetic) else np.asarray(v)) for v in (x1, x2))
    if x1.ndim != 1 or x2.ndim != 1 or not x1.size or not x2.size:
        raise ValueError(f"correlate: expected two vectors, received shapes {tuple(x1.shape)} and {tuple(x2.shape)}")
    if x2.size > x1.size:
        return ops.flip(correlate(x2, x1, mode))
    around = {"valid": (0, 0), "same": (x2.size // 2, (x2.size - 1) // 2), "full": (x2.size - 1,) * 2}
    if mode not in around:
        raise ValueError(f"correlate: mode must be one of {list(around)}, received {mode!r}")
    signal = ops.reshape(ops.pad(x1, [around[mode]]), (1, -1, 1))
    return ops.reshape(ops.conv(signal, ops.reshape(x2, (-1, 1, 1)), padding="valid"), (-1,))


def tensordot(x1, x2, axes=2):
    """The sum over paired axes: the last `axes` of x1 with the first of x2, or two lists of axes."""
    from fastnn import ops

    x1, x2 = (x if isinstance(x, Arithmetic) else np.asarray(x) for x in (x1, x2))
    if isinstance(axes, int):
        left, right = list(range(x1.ndim - axes, x1.ndim)), list(range(axes))
    else:
        left, right = ([a] if isinstance(a, int) else list(a) for a in axes)
    left, right = [a % x1.ndim for a in left], [a % x2.ndim for a in right]
    keep1 = [i for i in range(x1.ndim) if i not in left]
    keep2 = [i for i in range(x2.ndim) if i not in right]
    k = math.prod(x1.shape[a] for a in left)
    rows = ops.reshape(ops.transpose(x1, keep1 + left), (-1, k))
    columns = ops.reshape(ops.transpose(x2, right + keep2), (k, -1))
    return ops.reshape(_matmul(rows, columns), [x1.shape[i] for i in keep1] + [x2.shape[i] for i in keep2])
