"""Recurrent steps to the last bit: numbers for which every sum is exact, and every gate is 0, 1 or -1.

Behind large enough numbers the sigmoid is 0 or 1 and tanh -1 or 1 in float32.  So are the gates, and states stay
whole numbers: biases are odd multiples of 128, weights multiples of 256, so no sum comes near 0.  On the
way back the gradient is a polynomial of what was kept, which may be any whole numbers.  Rounding errors on other
numbers are tested with the primitives.
"""

import numpy as np
import pytest
from csrc.running import integers, run, run_all_threads

from fastnn.engine import native
from fastnn.ops import recurrent  # noqa: F401, makes its primitives
from fastnn.ops.primitive import PRIMITIVES

CELLS = ("simple_rnn", "lstm", "gru")
SIZES = [  # n, t, units: around the lengths of vectors, the rows of chunks and the panels of a product
    (1, 1, 1), (2, 3, 7), (3, 2, 8), (7, 1, 9), (8, 2, 15), (9, 3, 16), (31, 2, 17), (33, 1, 5), (40, 2, 65),
    (130, 2, 3),
]  # fmt: skip
each_cell = pytest.mark.parametrize("cell", CELLS)
each_size = pytest.mark.parametrize("n, t, units", SIZES)
each_way = pytest.mark.parametrize("masked, reverse", [(False, False), (True, False), (False, True), (True, True)])


def steep(rng, *shape):
    """Odd multiples of 128."""
    return (256 * rng.integers(-2, 2, shape) + 128).astype(np.float32)


def inputs_of(rng, cell, n, t, k, units, masked):
    """Inputs of a forward step."""
    primitive = PRIMITIVES[cell]
    width = primitive.gates * units
    x = integers(rng, n, t, k)
    w, u = ((256 * rng.integers(-1, 2, (rows, width))).astype(np.float32) for rows in (k, units))
    bias = [steep(rng, width), (256 * rng.integers(-2, 3, width)).astype(np.float32)][: primitive.biases]
    if cell == "lstm":
        bias[0][units : 2 * units] = 1e6  # c never forgets its first value, so that tanh(c) stays 1 or -1
    h = rng.choice(np.float32([-1, 1]), (n, units))
    c = [4096 * rng.choice(np.float32([-1, 1]), (n, units))] * (primitive.states - 1)
    mask = (rng.random((n, t)) < 0.6).astype(np.float32)
    return [x, w, np.stack(bias), u, h, *c, *([mask] if masked else [])]


def dims_of(n, t, units, masked, reverse, **more):
    return {"n": n, "t": t, "units": units, "masked": int(masked), "reverse": int(reverse), "sequences": 1, **more}


def assert_equal(got, expected):
    for a, e in zip(got, expected, strict=True):
        assert np.abs(e).max() < 2**24
        np.testing.assert_array_equal(a, e)


@each_cell
@each_size
@each_way
@pytest.mark.parametrize("k", [0, 5])
def test_forward(cell, n, t, k, units, masked, reverse, isa, rng):
    arrays = inputs_of(rng, cell, n, t, k or 3, units, masked)
    expected = PRIMITIVES[cell].reference(*arrays, reverse=reverse)
    assert set(np.unique(np.abs(expected[0]))) <= {0, 1}
    given = arrays if masked else [*arrays, arrays[0]]  # any operand stands for a mask that is not read
    if k == 0:
        given = [arrays[0] @ arrays[1], *given[1:]]
    dims, shapes = dims_of(n, t, units, masked, reverse, keep=1, k=k), [e.shape for e in expected]
    assert_equal(run_all_threads(cell, dims, given, shapes), expected)

    states = PRIMITIVES[cell].states
    small = [*shapes[:states], *[(1,)] * (len(shapes) - states)]
    bare = run(cell, dims | {"keep": 0, "sequences": 0}, given, small)
    assert_equal(bare[:states], expected[:states])
    assert all(np.isnan(array) for array in bare[states:]), "what is not wanted is not written"


@each_cell
@each_size
@each_way
@pytest.mark.parametrize("sequences", [False, True])
def test_gradient(cell, n, t, units, masked, reverse, sequences, isa, rng):
    primitive = PRIMITIVES[f"{cell}_gradient"]
    last = [rng.integers(-4, 5, (n, units)).astype(np.float32) for _ in range(primitive.states)]
    dsequence = rng.integers(-4, 5, (n, t, units)).astype(np.float32)
    u = rng.choice(np.float32([-1, 0, 0, 0, 0, 0, 0, 1]), (units, primitive.gates * units))
    kept = rng.integers(-1, 3, (n, t, PRIMITIVES[cell].kept * units)).astype(np.float32)
    before = [rng.integers(-2, 3, (n, t, units)).astype(np.float32)] * primitive.reads_before
    mask = (rng.random((n, t)) < 0.6).astype(np.float32)

    given = [*last, *([dsequence] if sequences else []), u, kept, *before, *([mask] if masked else [])]
    expected = primitive.reference(*given, sequences=sequences, reverse=reverse)
    operands = [*last, dsequence if sequences else last[0], u, kept, *before, mask if masked else last[0]]
    dims = dims_of(n, t, units, masked, reverse) | {"sequences": int(sequences)}
    assert_equal(run_all_threads(primitive.name, dims, operands, [e.shape for e in expected]), expected)


@each_cell
@pytest.mark.parametrize("gradient", [False, True])
def test_sizes_that_do_not_fit_are_refused(cell, gradient, rng):
    n, t, units = 3, 4, 5
    names, _ = native.steps()[f"{cell}_gradient" if gradient else cell]
    count = len(names.replace("-> ", "").split())
    arrays = [np.zeros(n * t * units * 8, np.float32) for _ in range(count)]
    name = f"{cell}_gradient" if gradient else cell
    good = dims_of(n, t, units, True, False) | ({} if gradient else {"keep": 1, "k": 2})
    native.run_step(name, good, arrays)
    bad = [
        {"n": -1}, {"t": 0}, {"units": 0}, {"n": 2**62}, {"t": 2**62}, {"n": 2**31, "t": 2**31},
        {"units": 2**40}, {"units": 2**62}, {"units": -(2**62)},
    ]  # fmt: skip
    for sizes in bad if gradient else [*bad, {"k": -1}, {"k": 2**62}]:
        with pytest.raises(ValueError, match=name):
            native.run_step(name, good | sizes, arrays)
    for i in range(count):
        small = [a if k != i else np.zeros(4, np.float32) for k, a in enumerate(arrays)]
        with pytest.raises(ValueError, match=name):
            native.run_step(name, good, small)
