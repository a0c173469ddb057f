"""Winograd's convolution and gradients against sums in float64, within a bound that follows from the transforms.

Nothing is exact here: a tile of y is A'[sum over c of (G w G') * (B' x B)]A, and every term meets at most one rounding
for each operation on its way.  So the error is at most gamma(operations) times the same sentence of absolute values.
"""

import numpy as np
import pytest
from csrc.running import check_epilogue, gamma, normals, run, run_all_threads
from csrc.test_conv import Conv, forward, input_gradient, kernel_gradient, shapes, turned

PLACES = (0.0, 0.625, -0.625, 1.5, -1.5)
# Roundings on the longest way through a transform along one axis without fused multiply-adds; rounded constants count.
B_ROUNDINGS, G_ROUNDINGS, A_ROUNDINGS = 4, 5, 4
B_TURNED_ROUNDINGS, G_TURNED_ROUNDINGS, A_TURNED_ROUNDINGS = 5, 6, 4


def matrices():
    """A' (4 x 6), G (6 x 3), B' (6 x 6): polynomials evaluated at the places and infinity, and interpolated."""
    a = np.array([[p**k for p in PLACES] + [float(k == 3)] for k in range(4)])
    g, b = np.zeros((6, 3)), np.zeros((6, 6))
    for i, p in enumerate(PLACES):
        others = [q for q in PLACES if q != p]
        g[i] = np.array([1, p, p * p]) / np.prod([p - q for q in others])
        b[i, :5] = np.poly(others)[::-1]
    g[5, 2] = 1
    b[5] = np.poly(PLACES)[::-1]
    return a, g, b


A, G, B = matrices()


def tiles(x, side, rows, columns):
    """(n, rows, columns, side, side, channels) from every fourth pixel on; zeros behind the image."""
    _, h, w, _ = x.shape
    x = np.pad(x, ((0, 0), (0, 4 * rows + 2 - h), (0, 4 * columns + 2 - w), (0, 0)))
    parts = [[x[:, 4 * i : 4 * i + side, 4 * j : 4 * j + side] for j in range(columns)] for i in range(rows)]
    return np.stack([np.stack(row, 1) for row in parts], 1)


def padded(v, x):
    x = np.pad(x, ((0, 0), (max(v.pad[0], 0), 2), (max(v.pad[1], 0), 2), (0, 0)))
    return x[:, max(-v.pad[0], 0) :, max(-v.pad[1], 0) :][:, : v.p + 2, : v.q + 2]


def sentence(v, x, w, a=A, g=G, b=B):
    """y by the algorithm, for any matrices."""
    rows, columns = -(-v.p // 4), -(-v.q // 4)
    points = np.einsum("ai,bj,nPQijc->nPQabc", b, b, tiles(padded(v, x), 6, rows, columns), optimize=True)
    kernel = np.einsum("ai,bj,ijcf->abcf", g, g, w, optimize=True)
    y = np.einsum("pa,qb,nPQabc,abcf->nPpQqf", a, a, points, kernel, optimize=True)
    return y.reshape(v.n, 4 * rows, 4 * columns, v.f)[:, : v.p, : v.q]


def gradient_sentence(v, x, dy, a=A, g=G, b=B):
    """dw by the algorithm, for any matrices."""
    rows, columns = -(-v.p // 4), -(-v.q // 4)
    points = np.einsum("ai,bj,nPQijc->nPQabc", b, b, tiles(padded(v, x), 6, rows, columns), optimize=True)
    gradients = np.einsum("pa,qb,nPQpqf->nPQabf", a, a, tiles(dy, 4, rows, columns), optimize=True)
    return np.einsum("ai,bj,nPQabc,nPQabf->ijcf", g, g, points, gradients, optimize=True)


def input_gradient_sentence(v, dy, w, a=A, g=G, b=B):
    """dx by the algorithm, for any matrices."""
    rows, columns = -(-v.p // 4), -(-v.q // 4)
    gradients = np.einsum("pa,qb,nPQpqf->nPQabf", a, a, tiles(dy, 4, rows, columns), optimize=True)
    kernel = np.einsum("ai,bj,ijcf->abcf", g, g, w, optimize=True)
    parts = np.einsum("ai,bj,nPQabf,abcf->nPQijc", b, b, gradients, kernel, optimize=True)
    above, left = 4 + max(-v.pad[0], 0), 4 + max(-v.pad[1], 0)
    dx = np.zeros((v.n, above + v.h + 4 * rows + 8, left + v.w + 4 * columns + 8, v.c))
    for i in range(rows):
        for j in range(columns):
            top, side = above + 4 * i - v.pad[0], left + 4 * j - v.pad[1]
            dx[:, top : top + 6, side : side + 6] += parts[:, i, j]
    return dx[:, above : above + v.h, left : left + v.w]


def absolute(*arrays):
    return [np.abs(array) for array in arrays]


def doubles(*arrays):
    return [array.astype(np.float64) for array in arrays]


def dims(v, **more):
    names = ("n", "h", "w", "c", "p", "q", "f", "pad_top", "pad_left")
    return {name: size for name, size in v.dims().items() if name in names} | more


def convolve(v, x, w):
    (u,) = run_all_threads("winograd_kernel", {"c": v.c, "f": v.f}, [w], [(36, v.c, v.f)])
    (y,) = run_all_threads("winograd_conv2d", dims(v), [x, u], [(v.n, v.p, v.q, v.f)])
    return y


def conv_bound(v, x, w):
    """For each element of y."""
    roundings = v.c + 1 + 2 * (B_ROUNDINGS + G_ROUNDINGS + A_ROUNDINGS)
    return gamma(roundings) * sentence(v, *absolute(*doubles(x, w), A, G, B))


CASES = [
    Conv(2, 34, 34, 16, 24, 3, 3),
    Conv(3, 8, 8, 40, 33, 3, 3, pad=(1, 1)),
    Conv(5, 13, 13, 17, 16, 3, 3),
    Conv(2, 6, 6, 16, 16, 3, 3),
    Conv(1, 3, 3, 1, 1, 3, 3),  # one output
    Conv(2, 5, 9, 9, 7, 3, 3, pad=(2, 0)),
    Conv(1, 7, 450, 5, 8, 3, 3, pad=(1, 1)),  # a row of tiles longer than a block
    Conv(2, 9, 10, 4, 5, 3, 3, pad=(-1, -2)),  # a crop
    Conv(4, 8, 11, 6, 9, 3, 3, extra=1),  # windows that end beyond x
    Conv(1, 6, 6, 600, 20, 3, 3),  # several passes over the channels
    Conv(20, 6, 6, 70, 20, 3, 3, pad=(1, 1)),  # several blocks and chunks
]


def test_the_sentences_are_the_convolution(rng):
    """The bounds below are for the right thing: in float64 the algorithm gives the convolution."""
    for v in (*CASES[:6], CASES[7]):
        x, w, dy = (rng.standard_normal(shape) for shape in shapes(v))
        np.testing.assert_allclose(sentence(v, x, w), forward(v, x, w), rtol=0, atol=1e-11)
        expected = input_gradient(v, dy, w)
        np.testing.assert_allclose(input_gradient_sentence(v, dy, w), expected, rtol=0, atol=1e-11)
        np.testing.assert_allclose(gradient_sentence(v, x, dy), kernel_gradient(v, x, dy), rtol=0, atol=1e-11)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward(isa, rng, case):
    x_shape, w_shape, _ = shapes(case)
    x, w = normals(rng, *x_shape), normals(rng, *w_shape)
    error = np.abs(convolve(case, x, w) - forward(case, *doubles(x, w)))
    assert (error <= conv_bound(case, x, w)).all()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_input_gradient(isa, rng, case):
    x_shape, w_shape, y_shape = shapes(case)
    w, dy = normals(rng, *w_shape), normals(rng, *y_shape)
    sizes = {"c": case.f, "f": case.c}
    (u,) = run("winograd_kernel", sizes, [turned(case, w)], [(36, case.f, case.c)])
    (dx,) = run_all_threads("winograd_input_gradient", dims(case), [dy, u], [x_shape])
    overlapping = 4
    roundings = case.f + 1 + 2 * (A_TURNED_ROUNDINGS + G_ROUNDINGS + B_TURNED_ROUNDINGS) + overlapping
    bound = gamma(roundings) * input_gradient_sentence(case, *absolute(*doubles(dy, w), A, G, B))
    assert (np.abs(dx - input_gradient(case, *doubles(dy, w))) <= bound).all()
    check_epilogue("winograd_input_gradient", dims(case), [dy, u], x_shape, rng)


@pytest.mark.parametrize("parts", [1, 2, 5])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_kernel_gradient(isa, rng, case, parts):
    x_shape, w_shape, y_shape = shapes(case)
    x, dy = normals(rng, *x_shape), normals(rng, *y_shape)
    parts = min(parts, case.n)
    partial_shape = (parts, 36, case.c, case.f)
    (partial,) = run_all_threads("winograd_kernel_gradient", dims(case, parts=parts), [x, dy], [partial_shape])
    sizes = {"parts": parts, "c": case.c, "f": case.f}
    (dw,) = run_all_threads("winograd_kernel_gradient_sum", sizes, [partial], [w_shape])
    roundings = case.n * -(-case.p // 4) * -(-case.q // 4) + 1 + parts
    roundings += 2 * (B_ROUNDINGS + A_TURNED_ROUNDINGS + G_TURNED_ROUNDINGS)
    bound = gamma(roundings) * gradient_sentence(case, *absolute(*doubles(x, dy), A, G, B))
    assert (np.abs(dw - kernel_gradient(case, *doubles(x, dy))) <= bound).all()


@pytest.mark.parametrize("case", [CASES[i] for i in (0, 2, 6, -1)], ids=str)
def test_epilogue(isa, rng, case):
    x_shape, w_shape, y_shape = shapes(case)
    x, w = normals(rng, *x_shape), normals(rng, *w_shape)
    (u,) = run("winograd_kernel", {"c": case.c, "f": case.f}, [w], [(36, case.c, case.f)])
    check_epilogue("winograd_conv2d", dims(case), [x, u], y_shape, rng)


def test_an_image_has_the_same_bits_in_every_batch(isa, rng):
    whole = Conv(7, 13, 13, 17, 16, 3, 3)
    some = whole._replace(n=3)
    x, w, _ = (normals(rng, *shape) for shape in shapes(whole))
    assert convolve(whole, x, w)[4:].tobytes() == convolve(some, x[4:], w).tobytes()


def test_typical_error_is_that_of_the_direct_kernel_within_a_factor_of_four(isa, rng):
    """The bound is for the worst case; this is what ARCHITECTURE.md states for random numbers."""
    v = Conv(1, 18, 18, 64, 32, 3, 3)
    x_shape, w_shape, y_shape = shapes(v)
    x, w = normals(rng, *x_shape), normals(rng, *w_shape)
    expected = forward(v, *doubles(x, w))
    (direct,) = run("conv2d", v.dims(), [x, w], [y_shape])
    errors = [np.sqrt(np.mean((y - expected) ** 2)) for y in (convolve(v, x, w), direct)]
    assert errors[0] < 4 * errors[1]


@pytest.mark.parametrize(
    "change",
    [{"n": 3}, {"h": 9}, {"c": 4}, {"p": 7}, {"q": 7}, {"f": 6}, {"n": -1}, {"p": 0}, {"h": 1 << 62},
     {"pad_top": 2**63 - 1}, {"pad_left": -(2**63)}],
)  # fmt: skip
@pytest.mark.parametrize("step", ["winograd_conv2d", "winograd_input_gradient", "winograd_kernel_gradient"])
def test_refuses_sizes_beyond_the_operands(step, change):
    v = Conv(2, 8, 8, 3, 5, 3, 3)
    x, _, y = (np.zeros(shape, np.float32) for shape in shapes(v))
    u = np.zeros((36, v.c, v.f), np.float32)
    arrays = {
        "winograd_conv2d": [x, u, y], "winograd_input_gradient": [y, u, x], "winograd_kernel_gradient": [x, y, u],
    }[step]  # fmt: skip
    sizes = dims(v, parts=1) if step == "winograd_kernel_gradient" else dims(v)
    run(step, sizes, arrays[:2], [arrays[2].shape])
    with pytest.raises(ValueError, match="winograd"):
        run(step, sizes | change, arrays[:2], [arrays[2].shape])


@pytest.mark.parametrize(
    ("step", "sizes", "shape", "result"),
    [
        ("winograd_kernel", {"c": 4, "f": 5}, (3, 3, 3, 5), (36, 4, 5)),
        ("winograd_kernel", {"c": 4, "f": 5}, (3, 3, 4, 5), (36, 3, 5)),
        ("winograd_kernel", {"c": 1 << 62, "f": 5}, (3, 3, 4, 5), (36, 4, 5)),
        ("winograd_kernel_gradient_sum", {"parts": 2, "c": 4, "f": 5}, (36, 4, 5), (3, 3, 4, 5)),
        ("winograd_kernel_gradient_sum", {"parts": 0, "c": 4, "f": 5}, (36, 4, 5), (3, 3, 4, 5)),
        ("winograd_kernel_gradient_sum", {"parts": 1, "c": 4, "f": 6}, (36, 4, 6), (3, 3, 4, 5)),
    ],
)
def test_transforms_refuse_sizes_beyond_the_operands(step, sizes, shape, result):
    with pytest.raises(ValueError, match="winograd"):
        run(step, sizes, [np.zeros(shape, np.float32)], [result])
