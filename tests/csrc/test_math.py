"""Elementary functions of csrc/kernels/math.h over the whole float32 range, against float64."""

import math

import numpy as np
import pytest

from fastnn.engine import native
from fastnn.engine.steps import Code, Instruction, View

TINY = np.finfo(np.float32).tiny

# function: its float64 reference, and the error in ULP that math.h states
FUNCTIONS = {
    "exp": (np.exp, 1.1),
    "expm1": (np.expm1, 1.5),
    "log": (np.log, 1.0),
    "log1p": (np.log1p, 1.7),
    "tanh": (np.tanh, 2.5),
    "sigmoid": (lambda x: np.exp(-np.logaddexp(0, -x)), 2.5),
    "softplus": (lambda x: np.logaddexp(x, 0), 2.0),
    "erf": (np.vectorize(math.erf, otypes=[np.float64]), 1.3),
    "sin": (np.sin, 1.6),
    "cos": (np.cos, 1.6),
}
POWER_ERROR = 0.7


@pytest.fixture(params=native.isas(), autouse=True)
def isa(request):
    native.select_isa(request.param)
    yield request.param
    native.select_isa()


def run(op, *inputs):
    y = np.empty_like(inputs[0])
    n = len(inputs)
    views = tuple(View(i, "contiguous") for i in range(n + 1))
    loads = (Instruction("load", i, i) for i in range(n))
    code = Code(y.size, views, (*loads, Instruction(op, 0, *range(n)), Instruction("store", n, 0)))
    native.run_step("elementwise", {"count": y.size}, [*inputs, y], code=code)
    return y


def ulps(got, exact):
    """Return the errors in units in the last place, where the result is a normal number."""
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = exact.astype(np.float32)
        normal = np.isfinite(rounded) & (np.abs(rounded) >= TINY)
        error = np.abs(got.astype(np.float64) - exact)[normal] / np.spacing(np.abs(rounded[normal]))
    return np.where(np.isnan(error), np.inf, error)


def check_rest(got, exact):
    """Compare where the result is no normal number: infinities and NaN as they are, tiny numbers or 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = exact.astype(np.float32)
    special = ~np.isfinite(rounded)
    np.testing.assert_array_equal(got[special], rounded[special])
    assert (np.abs(got[np.abs(rounded) < TINY]) <= TINY).all()


def sample(step):
    """Return floats of every exponent and both signs, and denser ones where functions bend."""
    bits = np.arange(0, 2**32, step, dtype=np.uint64).astype(np.uint32)
    wide, near = np.linspace(-110, 110, 40001, dtype=np.float32), np.linspace(-2, 4, 40003, dtype=np.float32)
    x = np.concatenate([bits.view(np.float32), wide, near])
    return x[(np.abs(x) >= 2.0**-120) | (x == 0) | np.isnan(x)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_whole_range(name):
    reference, bound = FUNCTIONS[name]
    x = sample(150001 if name == "erf" else 9973)
    with np.errstate(all="ignore"):
        exact = reference(x.astype(np.float64))
    got = run(name, x)
    assert ulps(got, exact).max() <= bound
    check_rest(got, exact)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_numbers(name):
    x = np.array([0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 3.4e38, -3.4e38, 1e-36, -1e-36], np.float32)
    steps = np.arange(-4, 5) * 7.63e-6  # units in the last place around the ends of exp
    x = np.concatenate([x, 88.72284 + steps, -87.33655 + steps]).astype(np.float32)
    with np.errstate(all="ignore"):
        exact = FUNCTIONS[name][0](x.astype(np.float64))
    got = run(name, x)
    assert ulps(got, exact).max(initial=0) <= FUNCTIONS[name][1]
    check_rest(got, exact)


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_near_multiples_of_a_right_angle(name):
    x = (np.arange(-60000, 60000) * (np.pi / 2)).astype(np.float32)
    exact = FUNCTIONS[name][0](x.astype(np.float64))
    assert ulps(run(name, x), exact).max() <= FUNCTIONS[name][1]


def test_power():
    rng = np.random.default_rng(0)
    n = 100000
    base = [np.exp2(rng.uniform(-126, 127, n)), rng.uniform(0.5, 2, n), 1 + rng.normal(0, 1e-3, n)]
    exponent = [rng.normal(0, 1, n), rng.normal(0, 60, n), rng.normal(0, 3e4, n)]
    a, b = (np.concatenate(v).astype(np.float32) for v in (base, exponent))
    exact = np.power(a.astype(np.float64), b.astype(np.float64))
    got = run("power", a, b)
    assert ulps(got, exact).max() <= POWER_ERROR
    check_rest(got, exact)


def test_power_of_special_numbers_follows_c():
    positive = np.array([0, 1, 2, 3, 0.5, np.inf, np.nan, 1e30, 1e-30, 2**24, 2**24 + 2], np.float32)
    numbers = np.concatenate([positive, -positive])
    a, b = (np.ascontiguousarray(g.ravel()) for g in np.meshgrid(numbers, numbers))
    with np.errstate(all="ignore"):
        exact = np.power(a.astype(np.float64), b.astype(np.float64))
        rounded = exact.astype(np.float32)
    got = run("power", a, b)
    assert ulps(got, exact).max() <= POWER_ERROR
    check_rest(got, exact)
    zero = rounded == 0
    np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(rounded[zero]))


def test_power_of_whole_numbers_is_exact():
    grid = np.meshgrid(np.arange(-16, 17), np.arange(6))
    a, b = (g.ravel().astype(np.float32) for g in grid)
    exact = a.astype(np.float64) ** b
    np.testing.assert_array_equal(run("power", a, b), exact)
