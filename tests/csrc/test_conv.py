"""Convolutions and their gradients against sums written out in NumPy."""

from typing import NamedTuple

import numpy as np
import pytest
from csrc.running import check_epilogue, gamma, integers, normals, run, run_all_threads


class Conv(NamedTuple):
    """Sizes as in steps.def; f and c are the channels of one group."""

    n: int
    h: int
    w: int
    c: int
    f: int
    r: int
    s: int
    stride: tuple = (1, 1)
    dilation: tuple = (1, 1)
    pad: tuple = (0, 0)
    groups: int = 1
    extra: int = 0  # output rows and columns beyond those whose window begins inside

    @property
    def p(self):
        return (self.h + 2 * self.pad[0] - (self.r - 1) * self.dilation[0] - 1) // self.stride[0] + 1 + self.extra

    @property
    def q(self):
        return (self.w + 2 * self.pad[1] - (self.s - 1) * self.dilation[1] - 1) // self.stride[1] + 1 + self.extra

    def dims(self, **more):
        sizes = {name: getattr(self, name) for name in ["n", "h", "w", "c", "p", "q", "f", "r", "s", "groups"]}
        for name in ("stride", "dilation"):
            sizes[name + "_h"], sizes[name + "_w"] = getattr(self, name)
        return sizes | {"pad_top": self.pad[0], "pad_left": self.pad[1]} | more

    def taps(self):
        """For each tap (i, j): the outputs that read inside x with it, and where they read."""
        for i in range(self.r):
            for j in range(self.s):
                a, b = np.arange(self.p), np.arange(self.q)
                y = a * self.stride[0] + i * self.dilation[0] - self.pad[0]
                x = b * self.stride[1] + j * self.dilation[1] - self.pad[1]
                rows, columns = (y >= 0) & (y < self.h), (x >= 0) & (x < self.w)
                yield (
                    i,
                    j,
                    np.ix_(range(self.n), a[rows], b[columns]),
                    np.ix_(range(self.n), y[rows], x[columns]),
                )

    def split(self, channels):
        """Slices of the channels of each group."""
        return [slice(g * channels, (g + 1) * channels) for g in range(self.groups)]


def forward(v, x, w):
    y = np.zeros((v.n, v.p, v.q, v.f * v.groups))
    for i, j, out, place in v.taps():
        for cs, fs in zip(v.split(v.c), v.split(v.f), strict=True):
            y[..., fs][out] += x[..., cs][place] @ w[i, j, :, fs]
    return y


def input_gradient(v, dy, w):
    dx = np.zeros((v.n, v.h, v.w, v.c * v.groups))
    for i, j, out, place in v.taps():
        for cs, fs in zip(v.split(v.c), v.split(v.f), strict=True):
            dx[..., cs][place] += dy[..., fs][out] @ w[i, j, :, fs].T
    return dx


def turned(v, w):
    """The kernel as the input gradient reads it: (r, s, groups, f, c)."""
    return np.ascontiguousarray(w.reshape(v.r, v.s, v.c, v.groups, v.f).transpose(0, 1, 3, 4, 2))


def kernel_gradient(v, x, dy):
    dw = np.zeros((v.r, v.s, v.c, v.f * v.groups))
    for i, j, out, place in v.taps():
        for cs, fs in zip(v.split(v.c), v.split(v.f), strict=True):
            dw[i, j, :, fs] += np.einsum("npqc,npqf->cf", x[..., cs][place], dy[..., fs][out])
    return dw


def shapes(v):
    return (v.n, v.h, v.w, v.c * v.groups), (v.r, v.s, v.c, v.f * v.groups), (v.n, v.p, v.q, v.f * v.groups)


def check_all(v, make, exact, parts=2):
    """The three steps of one convolution, on every number of threads."""
    x_shape, w_shape, y_shape = shapes(v)
    x, w, dy = make(*x_shape), make(*w_shape), make(*y_shape)
    (y,) = run_all_threads("conv2d", v.dims(), [x, w], [y_shape])
    (dx,) = run_all_threads("conv2d_input_gradient", v.dims(), [dy, turned(v, w)], [x_shape])
    (partial,) = run_all_threads("conv2d_kernel_gradient", v.dims(parts=parts), [x, dy], [(parts, *w_shape)])
    d = [a.astype(np.float64) for a in (x, w, dy)]
    m = [np.abs(a) for a in d]
    results = [
        (y, forward(v, d[0], d[1]), forward(v, m[0], m[1]), v.r * v.s * v.c),
        (dx, input_gradient(v, d[2], d[1]), input_gradient(v, m[2], m[1]), v.r * v.s * v.f),
    ]
    for part in range(parts):
        some = slice(part * v.n // parts, (part + 1) * v.n // parts)
        u = v._replace(n=len(x[some]))
        k = u.n * u.p * u.q
        results.append(
            (
                partial[part],
                kernel_gradient(u, d[0][some], d[2][some]),
                kernel_gradient(u, m[0][some], m[2][some]),
                k,
            )
        )
    for got, expected, magnitude, k in results:
        if exact:
            np.testing.assert_array_equal(got, expected)
        else:
            assert (np.abs(got - expected) <= gamma(k) * magnitude).all()


CASES = [
    Conv(3, 28, 28, 1, 32, 3, 3),
    Conv(2, 12, 17, 3, 33, 3, 3, pad=(1, 1)),
    Conv(2, 9, 9, 16, 17, 5, 5, pad=(2, 2)),
    Conv(3, 7, 7, 64, 48, 3, 3, pad=(1, 1)),
    Conv(2, 13, 11, 32, 64, 3, 3, stride=(2, 2), pad=(1, 1)),
    Conv(1, 23, 19, 4, 7, 7, 5, stride=(3, 2), pad=(3, 1)),
    Conv(2, 20, 20, 5, 6, 3, 3, dilation=(2, 3), pad=(2, 3)),
    Conv(2, 12, 12, 3, 5, 3, 3, groups=4, pad=(1, 1)),
    Conv(2, 11, 12, 2, 3, 3, 2, stride=(2, 3), dilation=(2, 1), groups=3, pad=(1, 0)),
    Conv(4, 14, 14, 31, 65, 1, 1),
    Conv(2, 14, 14, 8, 9, 1, 1, stride=(2, 2)),
    Conv(2, 30, 30, 1, 40, 3, 3, pad=(1, 1)),  # more outputs than go together
    Conv(2, 9, 9, 1, 5, 1, 1, stride=(2, 2)),  # one product for an output
    Conv(2, 9, 8, 7, 1, 3, 3, pad=(1, 1)),  # one column
    Conv(2, 5, 6, 3, 4, 5, 6),  # one output
    Conv(2, 4, 4, 3, 4, 3, 3, pad=(5, 6)),  # outputs that read nothing
    Conv(2, 9, 9, 3, 4, 3, 3, pad=(-1, -2)),  # a crop
    Conv(2, 6, 6, 3, 4, 3, 3, extra=2),  # windows that end beyond x
    Conv(1, 1, 40, 6, 16, 1, 7, pad=(0, 3)),  # a sequence
    Conv(0, 8, 8, 3, 4, 3, 3),
    Conv(2, 8, 8, 3, 0, 3, 3),
    Conv(1, 6, 7, 180, 170, 3, 3, pad=(1, 1)),  # gathered pixels
    Conv(5, 16, 16, 24, 40, 3, 3, pad=(1, 1)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_exact(isa, rng, case):
    check_all(case, lambda *shape: integers(rng, *shape), exact=True)


@pytest.mark.parametrize("case", CASES[3:6] + CASES[-1:], ids=str)
def test_bound(isa, rng, case):
    check_all(case, lambda *shape: normals(rng, *shape), exact=False)


def test_random_sizes(isa, rng):
    for _ in range(40):
        pick = rng.integers
        v = Conv(
            n=pick(1, 4), h=pick(1, 18), w=pick(1, 18), c=pick(1, 20), f=pick(1, 40), r=pick(1, 5), s=pick(1, 5),
            stride=tuple(pick(1, 4, 2)), dilation=tuple(pick(1, 3, 2)), pad=tuple(pick(-1, 5, 2)),
            groups=rng.choice([1, 1, 2, 3]),
        )  # fmt: skip
        if v.p > 0 and v.q > 0:
            check_all(v, lambda *shape: integers(rng, *shape), exact=True, parts=pick(1, 4))


@pytest.mark.parametrize("case", [CASES[i] for i in (0, 3, 4, 7, 9, 11, -1)], ids=str)
def test_epilogue(isa, rng, case):
    x_shape, w_shape, y_shape = shapes(case)
    x, w, dy = integers(rng, *x_shape), integers(rng, *w_shape), integers(rng, *y_shape)
    check_epilogue("conv2d", case.dims(), [x, w], y_shape, rng)
    check_epilogue("conv2d_input_gradient", case.dims(), [dy, turned(case, w)], x_shape, rng)


@pytest.mark.parametrize("multiplier", [1, 2, 3])
@pytest.mark.parametrize(
    "case",
    [
        Conv(3, 9, 10, 1, 1, 3, 3, pad=(1, 1)),
        Conv(2, 12, 11, 17, 1, 3, 3, stride=(2, 2), pad=(1, 1)),
        Conv(2, 21, 37, 32, 1, 3, 3, stride=(2, 2), pad=(1, 1)),
        Conv(2, 37, 20, 16, 1, 3, 3, pad=(1, 1)),
        Conv(2, 10, 9, 33, 1, 5, 3, dilation=(1, 2), pad=(2, 2)),
        Conv(2, 4, 4, 3, 1, 3, 3, pad=(4, 5)),
        Conv(0, 4, 4, 3, 1, 3, 3),
    ],
    ids=str,
)
def test_depthwise(isa, rng, case, multiplier):
    check_depthwise(rng, case, multiplier)


def test_random_depthwise(isa, rng):
    """Windows of one to four taps, narrow and wide images, strides beyond the window and dilations beyond the image."""
    for _ in range(60):
        pick = lambda *bounds: int(rng.integers(*bounds))  # noqa: E731
        case = Conv(
            pick(1, 3), pick(1, 20), pick(1, 24), pick(1, 40), 1, pick(1, 5), pick(1, 5),
            stride=(pick(1, 5), pick(1, 5)), dilation=(pick(1, 4), pick(1, 4)), pad=(pick(-1, 5), pick(-1, 5)),
            extra=pick(0, 2),
        )  # fmt: skip
        if case.p > 0 and case.q > 0:
            check_depthwise(rng, case, pick(1, 3))


def check_depthwise(rng, case, multiplier):
    """Depthwise is grouped convolution with one channel in each group."""
    v = case._replace(groups=case.c, c=1, f=multiplier)
    (x_shape, _, y_shape), w_shape = shapes(v), (v.r, v.s, case.c, multiplier)
    x, w, dy = integers(rng, *x_shape), integers(rng, *w_shape), integers(rng, *y_shape)
    grouped = w.reshape(v.r, v.s, 1, case.c * multiplier)
    dims = {k: d for k, d in v.dims().items() if k not in ("f", "groups")} | {
        "c": case.c,
        "multiplier": multiplier,
    }
    (y,) = run_all_threads("depthwise_conv2d", dims, [x, w], [y_shape])
    np.testing.assert_array_equal(y, forward(v, x, grouped))
    check_epilogue("depthwise_conv2d", dims, [x, w], y_shape, rng)
    (dx,) = run_all_threads("depthwise_conv2d_input_gradient", dims, [dy, w], [x_shape])
    np.testing.assert_array_equal(dx, input_gradient(v, dy, grouped))
    (dw,) = run_all_threads("depthwise_conv2d_kernel_gradient", dims | {"parts": 2}, [x, dy], [(2, *w_shape)])
    np.testing.assert_array_equal(dw.sum(axis=0), kernel_gradient(v, x, dy).reshape(w_shape))


@pytest.mark.parametrize(
    "change",
    [{"n": 3}, {"h": 9}, {"c": 4}, {"p": 7}, {"q": 7}, {"f": 6}, {"r": 4}, {"groups": 2}, {"groups": 0},
     {"stride_h": 0}, {"dilation_w": 0}, {"n": -1}, {"r": 0}, {"h": 1 << 62},
     {"pad_top": 2**63 - 1}, {"pad_left": -(2**63)}],
)  # fmt: skip
@pytest.mark.parametrize("step", ["conv2d", "conv2d_input_gradient", "conv2d_kernel_gradient"])
def test_refuses_sizes_beyond_the_operands(step, change):
    v = Conv(2, 8, 8, 3, 5, 3, 3)
    x, w, y = (np.zeros(shape, np.float32) for shape in shapes(v))
    arrays = {"conv2d": [x, w, y], "conv2d_input_gradient": [y, w, x], "conv2d_kernel_gradient": [x, y, w]}[step]
    dims = v.dims(parts=1) if step == "conv2d_kernel_gradient" else v.dims()
    run(step, dims, arrays[:2], [arrays[2].shape])
    with pytest.raises(ValueError, match="conv"):
        run(step, dims | change, arrays[:2], [arrays[2].shape])
