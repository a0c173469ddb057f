"""Reductions and argmax: all layouts, exact on integers, equal bits on any ISA and number of threads."""

import numpy as np
import pytest

from fastnn.engine import native
from fastnn.engine.steps import Code, Instruction, View

OPS = {"sum": 0, "max": 1, "min": 2, "product": 3}
NEUTRAL = {"sum": 0, "max": -np.inf, "min": np.inf, "product": 1}
FUNCTIONS = {"sum": np.sum, "max": np.max, "min": np.min, "product": np.prod}

# outer, length, inner, segment
SHAPES = [
    (1, 1, 1, 1),
    (1, 7, 1, 7),
    (1, 100003, 1, 100003),
    (5, 784, 1, 784),
    (300, 10, 1, 10),
    (33, 64, 1, 64),
    (2, 1000, 1, 64),
    (1, 32, 10, 32),
    (1, 4097, 10, 1000),
    (3, 129, 32, 129),
    (1, 5000, 3, 5000),
    (7, 49, 64, 49),
    (2, 100, 255, 33),
    (2, 100, 256, 100),
    (2, 100, 257, 100),
    (1, 32, 512, 32),
    (3, 2, 9000, 2),
    (2, 3, 1000, 1),
    (2, 130, 300, 65),
]


@pytest.fixture(params=native.isas(), autouse=True)
def isa(request):
    native.select_isa(request.param)
    yield request.param
    native.select_isa()


def reduce(x, op, segment, threads=1):
    outer, length, inner = x.shape
    segments = max(1, -(-length // segment))
    partial = np.full((segments, outer, inner), 99, np.float32)
    dims = {"op": OPS[op], "outer": outer, "length": length, "inner": inner, "segment": segment}
    native.run_step("reduce", dims, [x, partial], threads=threads)
    return partial


def reference(x, op, segment):
    parts = [x[:, j : j + segment] for j in range(0, x.shape[1], segment)]
    return np.stack([FUNCTIONS[op](p.astype(np.float64), axis=1) for p in parts])


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("shape", SHAPES)
def test_exact_on_integers(shape, op):
    outer, length, inner, segment = shape
    low, high = (-8, 9) if op != "product" else (1, 2)
    rng = np.random.default_rng(0)
    x = rng.integers(low, high, (outer, length, inner)).astype(np.float32)
    if op == "product":
        x[:, :: max(1, length // 5)] = 3
    for threads in (1, 2, 3):
        np.testing.assert_array_equal(reduce(x, op, segment, threads), reference(x, op, segment))


@pytest.mark.parametrize("shape", SHAPES)
def test_sums_are_accurate(shape):
    outer, length, inner, segment = shape
    x = np.random.default_rng(1).uniform(0, 1, (outer, length, inner)).astype(np.float32)
    want = reference(x, "sum", segment)
    bound = (64 + segment / 64) * np.finfo(np.float32).eps / 2
    np.testing.assert_allclose(reduce(x, "sum", segment), want, rtol=bound)


@pytest.mark.parametrize("shape", SHAPES)
def test_same_bits_on_every_isa_and_any_number_of_threads(shape, isa):
    outer, length, inner, segment = shape
    x = np.random.default_rng(2).normal(size=(outer, length, inner)).astype(np.float32)
    results = [reduce(x, "sum", segment, threads) for threads in (1, 2, 3)]
    native.select_isa("scalar")
    results.append(reduce(x, "sum", segment))
    assert len({r.tobytes() for r in results}) == 1


@pytest.mark.parametrize("op", ["max", "min", "sum", "product"])
def test_nan_passes(op):
    for outer, length, inner, segment in SHAPES:
        x = np.ones((outer, length, inner), np.float32)
        row = length // 2
        x[0, row, inner // 2] = np.nan
        got = np.isnan(reduce(x, op, segment))
        assert got.sum() == 1
        assert got[row // segment, 0, inner // 2]


@pytest.mark.parametrize("op", OPS)
def test_empty(op):
    assert (reduce(np.zeros((2, 0, 3), np.float32), op, 1) == NEUTRAL[op]).all()
    assert reduce(np.zeros((0, 4, 3), np.float32), op, 4).size == 0
    assert reduce(np.zeros((2, 4, 0), np.float32), op, 4).size == 0


# ---- reductions of elementwise code ------------------------------------------------------------------------

CODE_SHAPES = [s for s in SHAPES if s[2] <= 1024] + [
    (700, 9, 1, 9), (5000, 3, 1, 3), (40, 70, 1, 70), (9, 3000, 1, 3000), (2, 9000, 1, 5000), (3, 50, 1024, 20),
    (2, 9, 1000, 9), (1, 40000, 2, 7000), (130, 4, 33, 4),
]  # fmt: skip


def reduce_code(x, y, op, segment, threads=1):
    """Results of x - y and of x * y, and y replaced by x + y on the way."""
    outer, length, inner = x.shape
    y, shape = y.copy(), (max(1, -(-length // segment)), outer, inner)
    difference, product = np.full(shape, 99, np.float32), np.full(shape, 99, np.float32)
    views = (View(0, "contiguous"), View(1, "contiguous"), View(2, "piece"), View(3, "piece"))
    instructions = (
        Instruction("load", 0, 0), Instruction("load", 1, 1), Instruction("subtract", 2, 0, 1),
        Instruction("store", 2, 2), Instruction("add", 2, 0, 1), Instruction("store", 1, 2),
        Instruction("multiply", 0, 0, 1), Instruction("store", 3, 0),
    )  # fmt: skip
    dims = {"op": OPS[op], "outer": outer, "length": length, "inner": inner, "segment": segment}
    code = Code(x.size, views, instructions)
    native.run_step("elementwise_reduce", dims, [x, y, difference, product], code, threads=threads)
    return difference, product, y


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("shape", CODE_SHAPES)
def test_code_is_reduced_exactly(shape, op):
    *sizes, segment = shape
    rng = np.random.default_rng(4)
    x, y = (rng.integers(-4, 5, sizes).astype(np.float32) for _ in range(2))
    if op == "product":
        x, y = np.ones(sizes, np.float32), np.zeros(sizes, np.float32)
        x[:, :: max(1, sizes[1] // 5)] = 3
    for threads in (1, 2, 3):
        difference, product, total = reduce_code(x, y, op, segment, threads)
        np.testing.assert_array_equal(difference, reference(x - y, op, segment))
        np.testing.assert_array_equal(product, reference(x * y, op, segment))
        np.testing.assert_array_equal(total, x + y)


@pytest.mark.parametrize("shape", CODE_SHAPES)
def test_sums_of_code_have_the_same_bits_everywhere_and_are_accurate(shape):
    *sizes, segment = shape
    rng = np.random.default_rng(5)
    x, y = (rng.uniform(0, 1, sizes).astype(np.float32) for _ in range(2))
    results = [reduce_code(x, y, "sum", segment, threads)[1] for threads in (1, 2, 3)]
    bound = (1 + 64 + segment / 32) * np.finfo(np.float32).eps / 2
    np.testing.assert_allclose(results[0], reference(x.astype(np.float64) * y, "sum", segment), rtol=bound)
    native.select_isa("scalar")
    results.append(reduce_code(x, y, "sum", segment)[1])
    assert len({r.tobytes() for r in results}) == 1


def argmax(x, threads=1):
    outer, length, inner = x.shape
    index = np.full((outer, inner), -1, np.int32)
    native.run_step("argmax", {"outer": outer, "length": length, "inner": inner}, [x, index], threads=threads)
    return index


@pytest.mark.parametrize("shape", [s[:3] for s in SHAPES])
def test_argmax(shape):
    rng = np.random.default_rng(3)
    for x in (rng.integers(-3, 4, shape), rng.normal(size=shape), np.full(shape, -np.inf)):
        x = x.astype(np.float32)
        for threads in (1, 2, 3):
            np.testing.assert_array_equal(argmax(x, threads), x.argmax(axis=1))
        x[rng.random(shape) < 0.05] = np.nan
        np.testing.assert_array_equal(argmax(x), x.argmax(axis=1))


def test_wrong_sizes_are_refused():
    x, y = np.zeros(12, np.float32), np.zeros(3, np.float32)
    right = {"op": 0, "outer": 1, "length": 4, "inner": 3, "segment": 4}
    native.run_step("reduce", right, [x, y])
    for wrong in (
        {"op": 4},
        {"op": -1},
        {"outer": 2},
        {"length": 5},
        {"segment": 0},
        {"segment": 2},
        {"inner": 4},
        {"length": -1},
        {"outer": 2**40, "length": 2**40},
    ):
        with pytest.raises(ValueError, match="reduce"):
            native.run_step("reduce", right | wrong, [x, y])
    index = np.zeros(3, np.int32)
    for wrong in ({"length": 0}, {"length": 5}, {"outer": -1}):
        dims = {"outer": 1, "length": 4, "inner": 3} | wrong
        with pytest.raises(ValueError, match="argmax"):
            native.run_step("argmax", dims, [x, index])
