"""Pooling and its gradients against loops over the windows."""

import numpy as np
import pytest
from csrc.running import THREADS, integers, outputs, run, run_all_threads

from fastnn.engine import native
from fastnn.engine.steps import Code, Instruction, View

NAMES = ["n", "h", "w", "c", "p", "q", "r", "s", "stride_h", "stride_w", "pad_top", "pad_left"]
CASES = [  # in the order of NAMES
    (3, 8, 8, 16, 4, 4, 2, 2, 2, 2, 0, 0),
    (2, 9, 7, 17, 5, 4, 2, 2, 2, 2, 0, 0),  # the last windows end beyond x
    (2, 9, 7, 33, 9, 7, 3, 3, 1, 1, 1, 1),
    (1, 10, 11, 5, 4, 4, 3, 2, 2, 3, 0, 1),
    (2, 11, 13, 1, 3, 3, 2, 2, 4, 5, 1, 1),  # strides beyond the window
    (2, 5, 6, 15, 1, 1, 5, 6, 1, 1, 0, 0),
    (2, 7, 7, 3, 3, 3, 1, 1, 3, 3, 0, 0),
    (0, 8, 8, 3, 4, 4, 2, 2, 2, 2, 0, 0),
    (2, 8, 8, 0, 4, 4, 2, 2, 2, 2, 0, 0),
    (40, 32, 32, 31, 16, 16, 2, 2, 2, 2, 0, 0),
    (2, 33, 35, 64, 16, 17, 2, 2, 2, 2, 0, 0),
    (2, 9, 10, 8, 3, 5, 2, 2, 3, 2, 0, 0),  # rows that no window reads
    (1, 40, 20, 9, 2, 2, 17, 16, 17, 4, 1, 0),  # places that no byte can number
]


def windows(d):
    """Each output place (a, b) with the rows and columns of x that its window holds."""
    for a in range(d["p"]):
        for b in range(d["q"]):
            y, x = a * d["stride_h"] - d["pad_top"], b * d["stride_w"] - d["pad_left"]
            yield (
                a,
                b,
                y,
                x,
                range(max(y, 0), min(y + d["r"], d["h"])),
                range(max(x, 0), min(x + d["s"], d["w"])),
            )


def packed(d, places):
    """Winners as the kernels hold them: a byte each, or in large windows an int32."""
    if d["r"] * d["s"] > 256:
        return places
    return np.pad(places.astype(np.uint8).reshape(-1), (0, -places.size % 4)).view(np.int32)


def max_pool(d, x):
    y = np.zeros((d["n"], d["p"], d["q"], d["c"]), np.float32)
    winner = np.zeros(y.shape, np.int32)
    for a, b, top, left, rows, columns in windows(d):
        part = x[:, rows.start : rows.stop, columns.start : columns.stop].reshape(
            d["n"], len(rows) * len(columns), d["c"]
        )
        best = part.argmax(axis=1)  # the first largest; NaN is largest
        y[:, a, b] = np.take_along_axis(part, best[:, None], axis=1)[:, 0]
        winner[:, a, b] = (
            (rows.start - top + best // len(columns)) * d["s"] + columns.start - left + best % len(columns)
        )
    return y, winner


def max_pool_gradient(d, dy, winner):
    dx = np.zeros((d["n"], d["h"], d["w"], d["c"]), np.float32)
    for a, b, top, left, rows, columns in windows(d):
        for i in rows:
            for j in columns:
                dx[:, i, j] += np.where(winner[:, a, b] == (i - top) * d["s"] + j - left, dy[:, a, b], 0)
    return dx


def average_pool(d, x):
    y = np.zeros((d["n"], d["p"], d["q"], d["c"]), np.float32)
    for a, b, _, _, rows, columns in windows(d):
        part = x[:, rows.start : rows.stop, columns.start : columns.stop]
        y[:, a, b] = part.sum(axis=(1, 2)) / np.float32(len(rows) * len(columns))
    return y


def average_pool_gradient(d, dy):
    dx = np.zeros((d["n"], d["h"], d["w"], d["c"]), np.float32)
    for a, b, _, _, rows, columns in windows(d):
        share = dy[:, a, b] / np.float32(len(rows) * len(columns))
        for i in rows:
            for j in columns:
                dx[:, i, j] += share
    return dx


@pytest.mark.parametrize("case", CASES, ids=str)
def test_max(isa, rng, case):
    d = dict(zip(NAMES, case, strict=True))
    large, small = (d["n"], d["h"], d["w"], d["c"]), (d["n"], d["p"], d["q"], d["c"])
    x, dy = integers(rng, *large), integers(rng, *small)
    x[rng.random(large) < 0.05] = np.nan
    x[rng.random(large) < 0.05] = -np.inf
    expected, place = max_pool(d, x)
    winners = packed(d, place)
    made = [small, winners.shape], [np.float32, np.int32]
    y, untouched = run_all_threads("max_pool2d", d | {"winners": 0}, [x], *made)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(untouched, outputs(*winners.shape, dtype=np.int32))
    y, winner = run_all_threads("max_pool2d", d | {"winners": 1}, [x], *made)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(winner, winners)
    (dx,) = run_all_threads("max_pool2d_gradient", d, [dy, winner], [large])
    np.testing.assert_array_equal(dx, max_pool_gradient(d, dy, place))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_average(isa, rng, case):
    d = dict(zip(NAMES, case, strict=True))
    large, small = (d["n"], d["h"], d["w"], d["c"]), (d["n"], d["p"], d["q"], d["c"])
    x, dy = integers(rng, *large), integers(rng, *small)
    (y,) = run_all_threads("average_pool2d", d, [x], [small])
    np.testing.assert_array_equal(y, average_pool(d, x))
    (dx,) = run_all_threads("average_pool2d_gradient", d, [dy], [large])
    np.testing.assert_array_equal(dx, average_pool_gradient(d, dy))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradient_with_epilogue(isa, rng, case):
    d = dict(zip(NAMES, case, strict=True))
    large, small = (d["n"], d["h"], d["w"], d["c"]), (d["n"], d["p"], d["q"], d["c"])
    if 0 in large:
        return
    dy, winner = integers(rng, *small), packed(d, max_pool(d, integers(rng, *large))[1])
    bias = integers(rng, d["c"])
    for kernel, inputs in (("max_pool2d_gradient", [dy, winner]), ("average_pool2d_gradient", [dy])):
        (plain,) = run(kernel, d, inputs, [large])
        check_gradient_epilogue(kernel, d, inputs, plain, bias)


ADD_BIAS = (("load", 0, 0), ("load", 1, 1), ("add", 0, 0, 1), ("store", 0, 0))


def check_gradient_epilogue(kernel, d, inputs, plain, bias):
    place = len(inputs)
    views = (View(place, "contiguous"), View(place + 1, "row", period=bias.size))
    code = Code(plain.size, views, tuple(Instruction(*row) for row in ADD_BIAS))
    for threads in THREADS:
        fused = outputs(*plain.shape)
        native.run_step(kernel, d, [*inputs, fused, bias], code=code, threads=threads)
        np.testing.assert_array_equal(fused, plain + bias)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_max_with_epilogue(isa, rng, case):
    d = dict(zip(NAMES, case, strict=True))
    x, bias = integers(rng, d["n"], d["h"], d["w"], d["c"]), integers(rng, d["c"])
    if x.size == 0:
        return
    y, place = max_pool(d, x)
    views = (View(1, "contiguous"), View(3, "row", period=bias.size))
    code = Code(y.size, views, tuple(Instruction(*row) for row in ADD_BIAS))
    for threads in THREADS:
        fused, winner = outputs(*y.shape), outputs(*packed(d, place).shape, dtype=np.int32)
        native.run_step("max_pool2d", d | {"winners": 1}, [x, fused, winner, bias], code=code, threads=threads)
        np.testing.assert_array_equal(fused, y + bias)
        np.testing.assert_array_equal(winner, packed(d, place))


def test_the_first_of_equals_wins(isa):
    d = dict(zip(NAMES, (1, 2, 2, 4, 1, 1, 2, 2, 2, 2, 0, 0), strict=True))
    x = np.array([[0.0, -0.0, 1, np.nan], [-0.0, 0, 1, 2], [0, 0, 1, np.nan], [0, 0, 2, 5]], np.float32)
    _, winner = run("max_pool2d", d | {"winners": 1}, [x], [(4,), (1,)], [np.float32, np.int32])
    np.testing.assert_array_equal(winner.view(np.uint8), [0, 0, 3, 0])


@pytest.mark.parametrize(
    "change",
    [{"n": 2}, {"h": 9}, {"p": 5}, {"q": 6}, {"c": 4}, {"stride_h": 0}, {"r": 0}, {"pad_top": 2}, {"pad_left": -1},
     {"w": 1 << 62}, {"r": 1 << 31}],
)  # fmt: skip
@pytest.mark.parametrize("step", ["max_pool2d", "max_pool2d_gradient", "average_pool2d", "average_pool2d_gradient"])
def test_refuses_sizes_beyond_the_operands(step, change):
    d = dict(zip(NAMES, (1, 8, 8, 3, 4, 4, 2, 2, 2, 2, 0, 0), strict=True))
    x, y, winner = (
        np.zeros((1, 8, 8, 3), np.float32),
        np.zeros((1, 4, 4, 3), np.float32),
        np.zeros(12, np.int32),
    )
    inputs, shapes, dtypes = {
        "max_pool2d": ([x], [y.shape, winner.shape], [np.float32, np.int32]),
        "max_pool2d_gradient": ([y, winner], [x.shape], None),
        "average_pool2d": ([x], [y.shape], None),
        "average_pool2d_gradient": ([y], [x.shape], None),
    }[step]
    d = d | {"winners": 1} if step == "max_pool2d" else d
    run(step, d, inputs, shapes, dtypes)
    with pytest.raises(ValueError, match="pool"):
        run(step, d | change, inputs, shapes, dtypes)
