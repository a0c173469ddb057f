"""The interpreter of elementwise bytecode: every opcode, every view, every edge, on every instruction set."""

import math

import numpy as np
import pytest

from fastnn.engine import native
from fastnn.engine.steps import Code, Instruction, Operand, Step, View

BLOCK = 256
SIZES = [0, 1, 3, 7, 8, 9, 15, 16, 17, 255, 256, 257, 300, 512, 8191, 8192, 8193, 20000]
PERIODS = [1, 2, 3, 10, 15, 16, 17, 32, 100, 255, 256, 257, 512, 1000]


@pytest.fixture(params=native.isas(), autouse=True)
def isa(request):
    native.select_isa(request.param)
    yield request.param
    native.select_isa()


def sigmoid(x):
    return np.exp(-np.logaddexp(0, -x))


REFERENCE = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "power": np.power,
    "negative": np.negative,
    "absolute": np.abs,
    "square": np.square,
    "squared_deviation": lambda a, b: np.square(a - b),
    "sqrt": np.sqrt,
    "rsqrt": lambda a: 1 / np.sqrt(a),
    "reciprocal": np.reciprocal,
    "sign": np.sign,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.round,
    "trunc": np.trunc,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "softplus": lambda a: np.logaddexp(a, 0),
    "erf": np.vectorize(math.erf, otypes=[np.float64]),
    "sin": np.sin,
    "cos": np.cos,
    "relu": lambda a: np.maximum(a, 0),
    "relu_gradient": lambda a, b: np.where(a > 0, b, 0),
    "equal": np.equal,
    "not_equal": np.not_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "isfinite": np.isfinite,
    "isnan": np.isnan,
    "where": lambda a, b, c: np.where(a != 0, b, c),
    "multiply_add": lambda a, b, c: a * b + c,
    "add_relu": lambda a, b: np.maximum(a + b, 0),
    "interpolate": lambda a, b, c: a + (b - a) * c,
    "interpolate_square": lambda a, b, c: a + (b * b - a) * c,
    "divide_by_root": lambda a, b, c: a / (np.sqrt(b) + c),
}
ARITY = dict(native.opcodes())
# How what these compute on the way is rounded, whether it overflows or vanishes, depends on the instruction set.
INTERMEDIATE = {"multiply_add", "interpolate", "interpolate_square"}
PLUMBING = {"load", "store", "constant", "random_uniform"}
HARD = np.array([0, -0.0, 1, -1, 0.5, -0.5, 2.5, np.inf, -np.inf, np.nan, 3e38, -3e38, 1e-37, 7], np.float32)


def integers(size, seed=0, low=-8, high=9):
    return np.random.default_rng(seed).integers(low, high, size).astype(np.float32)


def run_code(count, views, instructions, arrays, threads=1):
    code = Code(count, tuple(views), tuple(instructions))
    native.run_step("elementwise", {"count": count}, arrays, code=code, threads=threads)


def apply(op, inputs, threads=1):
    """Run one opcode on contiguous inputs."""
    count, arity = inputs[0].size, ARITY[op]
    y = np.full(count, 99, np.float32)
    views = [View(i, "contiguous") for i in range(arity + 1)]
    loads = [Instruction("load", i, i) for i in range(arity)]
    work = [Instruction(op, 5, *range(arity)), Instruction("store", arity, 5)]
    run_code(count, views, loads + work, [*inputs, y], threads)
    return y


def load_view(view, x, count):
    """Return what a program sees that only loads a view and stores it."""
    y = np.full(count, 99, np.float32)
    instructions = [Instruction("load", 0, 0), Instruction("store", 1, 0)]
    run_code(count, [view, View(1, "contiguous")], instructions, [x, y])
    return y


def expected(op, inputs):
    with np.errstate(all="ignore"):
        return REFERENCE[op](*(x.astype(np.float64) for x in inputs)).astype(np.float32)


def test_every_opcode_has_a_reference():
    assert set(REFERENCE) == set(ARITY) - PLUMBING


@pytest.mark.parametrize("op", REFERENCE)
def test_opcode_on_hard_numbers(op):
    extreme = np.isin(np.abs(HARD), np.float32([3e38, 1e-37]))
    hard = HARD[~extreme] if op in INTERMEDIATE else HARD
    grids = np.meshgrid(*[hard] * ARITY[op])
    inputs = [np.ascontiguousarray(g.ravel()) for g in grids]
    want = expected(op, inputs)
    np.testing.assert_allclose(apply(op, inputs), want, rtol=4e-7, atol=1e-37)


@pytest.mark.parametrize("op", REFERENCE)
def test_opcode_at_every_size(op):
    rng = np.random.default_rng(1)
    for count in SIZES:
        inputs = [rng.uniform(0.1, 4, count).astype(np.float32) for _ in range(ARITY[op])]
        atol = 2e-6 if op in INTERMEDIATE else 3e-7
        np.testing.assert_allclose(apply(op, inputs), expected(op, inputs), rtol=4e-7, atol=atol)


@pytest.mark.parametrize("op", ["add", "multiply", "maximum", "relu", "where", "multiply_add", "interpolate", "less"])
def test_exact_on_integers_with_any_number_of_threads(op):
    inputs = [integers(50001, seed) for seed in range(ARITY[op])]
    for threads in (1, 2, 3):
        np.testing.assert_array_equal(apply(op, inputs, threads), expected(op, inputs))


def test_nan_passes():
    for op in ("maximum", "minimum", "add"):
        a, b = integers(40), integers(40, 1)
        a[::3] = np.nan
        b[::5] = np.nan
        np.testing.assert_array_equal(apply(op, [a, b]), expected(op, [a, b]))
    assert np.isnan(apply("relu", [np.array([np.nan], np.float32)])[0])


@pytest.mark.parametrize("integer", [False, True])
@pytest.mark.parametrize("kind", ["contiguous", "scalar", "row", "column"])
def test_view(kind, integer):
    dtype = np.int32 if integer else np.float32
    for count in SIZES:
        for period in PERIODS if kind in ("row", "column") else [1]:
            i = np.arange(count)
            index = {"contiguous": i, "scalar": i * 0, "row": i % period, "column": i // period}[kind]
            x = integers(int(index.max(initial=0)) + 1).astype(dtype)
            got = load_view(View(0, kind, integer, period), x, count)
            np.testing.assert_array_equal(got, x[index], err_msg=f"{count} elements, period {period}")


@pytest.mark.parametrize("integer", [False, True])
def test_strided_view(integer):
    rng = np.random.default_rng(2)
    for _ in range(60):
        rank = int(rng.integers(1, 7))
        shape = tuple(int(n) for n in rng.integers(1, 9 if rank > 2 else 200, rank))
        x = integers(tuple(n if keep else 1 for n, keep in zip(shape, rng.integers(0, 2, rank), strict=True)))
        x = x.astype(np.int32 if integer else np.float32)
        axes = rng.permutation(rank)
        wide = np.broadcast_to(x, shape).transpose(axes)
        view = View(0, "strided", integer, 1, wide.shape, tuple(s // 4 for s in wide.strides))
        np.testing.assert_array_equal(load_view(view, x, wide.size), wide.ravel())


def test_store_of_integers_truncates():
    for count in SIZES:
        x = np.random.default_rng(3).uniform(-100, 100, count).astype(np.float32)
        y = np.full(count, 99, np.int32)
        views = [View(0, "contiguous"), View(1, "contiguous", True)]
        run_code(count, views, [Instruction("load", 0, 0), Instruction("store", 1, 0)], [x, y])
        np.testing.assert_array_equal(y, np.trunc(x).astype(np.int32))


def test_nothing_is_written_beyond_the_output():
    for count in SIZES[1:]:
        x, memory = integers(count), np.full(count + 64, 99, np.float32)
        operands = Operand(0, 0, 4 * count), Operand(1, 0, 4 * count)
        views = View(0, "contiguous"), View(1, "contiguous")
        work = Instruction("load", 0, 0), Instruction("negative", 1, 0), Instruction("store", 1, 1)
        step = Step("elementwise", operands, (count,), Code(count, views, work))
        native.NativeProgram([step], 2).run([x, memory])
        np.testing.assert_array_equal(memory[:count], -x)
        assert (memory[count:] == 99).all()


SAFE = ["add", "subtract", "maximum", "minimum", "negative", "absolute", "relu", "less", "equal", "where"]


def random_program(rng, count):
    """Return code over three operands that are read and written and three that are only read in odd ways."""
    period = int(rng.choice(PERIODS))
    views = [View(i, "contiguous", i == 2) for i in range(3)]
    views += [View(3, "scalar"), View(4, "row", False, period), View(5, "column", False, period)]
    code = [Instruction("load", r, int(rng.integers(6))) for r in range(3)]
    for _ in range(int(rng.choice([20, 150]))):
        kind, dst = rng.integers(6), int(rng.integers(4))
        known = sorted({i.dst for i in code if i.op != "store"})
        a, b, c = (int(r) for r in rng.choice(known, 3))
        if kind == 0:
            code.append(Instruction("load", dst, int(rng.integers(6))))
        elif kind == 1:
            code.append(Instruction("constant", dst, value=float(rng.integers(5))))
        elif kind == 2:
            code.append(Instruction("store", int(rng.integers(3)), a))
        else:
            op = str(rng.choice(SAFE))
            code.append(Instruction(op, dst, *(a, b, c)[: ARITY[op]]))
            if kind == 3:
                code.append(Instruction("store", int(rng.integers(3)), dst))
    return Code(count, tuple(views), (*code, Instruction("store", 0, 0)))


def interpret(code, arrays):
    """Run code with NumPy, instruction by instruction over whole arrays."""
    i = np.arange(code.count)
    index = {"contiguous": lambda v: i, "scalar": lambda v: i * 0}
    index |= {"row": lambda v: i % v.period, "column": lambda v: i // v.period}
    register = {}
    for op, dst, a, b, c, value in code.instructions:
        if op == "load":
            view = code.views[a]
            register[dst] = arrays[view.operand][index[view.kind](view)].astype(np.float32)
        elif op == "store":
            arrays[code.views[dst].operand][...] = np.trunc(register[a])
        elif op == "constant":
            register[dst] = np.full(code.count, value, np.float32)
        else:
            register[dst] = REFERENCE[op](*[register[r] for r in (a, b, c)[: ARITY[op]]]).astype(np.float32)


def test_programs_that_overwrite_their_inputs():
    rng = np.random.default_rng(4)
    for _ in range(300):
        count = int(rng.choice(SIZES[1:]))
        code = random_program(rng, count)
        arrays = [integers(count, 5 + i) for i in range(6)]
        arrays[2] = arrays[2].astype(np.int32)
        copies = [a.copy() for a in arrays]
        run_code(count, code.views, code.instructions, arrays, threads=int(rng.integers(1, 4)))
        interpret(code, copies)
        for got, want in zip(arrays, copies, strict=True):
            np.testing.assert_array_equal(got, want, err_msg=str(code))


def test_views_outside_their_operand_are_refused():
    y = np.zeros(100, np.float32)
    for view, have in [
        (View(0, "contiguous"), 99),
        (View(0, "scalar"), 0),
        (View(0, "row", period=10), 9),
        (View(0, "column", period=10), 9),
        (View(0, "strided", shape=(10, 10), stride=(1, 1)), 18),
        (View(0, "strided", shape=(10, 10), stride=(2**62, 1)), 100),
        (View(0, "strided", shape=(10, 9), stride=(1, 1)), 100),
        (View(0, "strided", shape=(), stride=()), 100),
    ]:
        with pytest.raises(ValueError, match="elementwise"):
            load_view(view, np.zeros(have, np.float32), y.size)
