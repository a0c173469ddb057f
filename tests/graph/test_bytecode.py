"""Elementwise bytecode: views of broadcast operands, registers, and the cut where they run out."""

import functools
import operator

import numpy as np
import programs
import pytest

from fastnn import ops
from fastnn.graph.bytecode import REGISTERS, merge_axes, view_of
from fastnn.graph.lower import Lowering
from fastnn.graph.program import Program


@pytest.mark.parametrize(
    ("sizes", "kind", "period"),
    [
        ((4, 6), "contiguous", 1), ((1, 4, 6), "contiguous", 1), ((), "scalar", 1), ((1, 1), "scalar", 1),
        ((6,), "row", 6), ((1, 6), "row", 6), ((4, 1), "column", 6),
    ],
)  # fmt: skip
def test_kinds_of_views(sizes, kind, period):
    with Program() as program:
        view = view_of(3, program.input(sizes), (4, 6))
    assert (view.operand, view.kind, view.period) == (3, kind, period)


@pytest.mark.parametrize("seed", range(60))
def test_views_read_what_numpy_broadcasts(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 5, rng.integers(1, 7)))
    sizes = tuple(n if rng.random() < 0.5 else 1 for n in shape)
    sizes = sizes[rng.integers(0, len(sizes)) :] if rng.random() < 0.5 else sizes
    with Program() as program:
        view = view_of(0, program.input(sizes), shape)
    count, x = int(np.prod(shape)), np.arange(int(np.prod(sizes)))
    i = np.arange(count)
    if view.kind == "strided":
        places = np.unravel_index(i, view.shape)
        index = sum(p * s for p, s in zip(places, view.stride, strict=True))
    else:
        index = {"contiguous": i, "scalar": 0 * i, "row": i % view.period, "column": i // view.period}[view.kind]
    np.testing.assert_array_equal(x[index], np.broadcast_to(x.reshape(sizes), shape).ravel())


def test_neighbouring_axes_are_merged():
    assert merge_axes((2, 3, 4, 5), (2, 3, 1, 1)) == [(6, 1), (20, 0)]
    assert merge_axes((2, 3, 4), (2, 1, 4)) == [(2, 4), (3, 0), (4, 1)]


def fan(y, values):
    """A sum that begins with the last of many values: each holds a register until then."""
    made = [y + float(k) for k in range(values)]
    return functools.reduce(operator.add, reversed(made))


@pytest.mark.parametrize("values", [3, REGISTERS - 2, REGISTERS, REGISTERS + 1])
def test_too_many_registers_split_the_pass(values):
    with Program() as program:
        x = program.input((4, 50))
        program.outputs = [fan(ops.relu(x), values)]
    drafts = Lowering(program).drafts
    assert (len(drafts) > 1) is (values > REGISTERS - 1)
    for draft in drafts:
        assert max(i.dst for i in draft.code.instructions if i.op != "store") < REGISTERS
    executable = programs.shared(program)
    programs.check_plan(executable.layout)
    x = np.random.default_rng(0).integers(-4, 5, (4, 50)).astype(np.float32)
    got, expected = programs.run_native(executable, [[x]]), programs.run_reference(program, [[x]])
    np.testing.assert_array_equal(got, expected)


def test_an_epilogue_with_too_many_registers_becomes_a_pass_of_its_own():
    with Program() as program:
        x, w = program.input((4, 5)), program.input((5, 50))
        program.outputs = [fan(ops.matmul(x, w), REGISTERS + 1)]
    drafts = Lowering(program).drafts
    assert drafts[0].kernel == "matmul"
    assert drafts[0].code is None
    assert {d.kernel for d in drafts[1:]} == {"elementwise"}
    rng = np.random.default_rng(0)
    arrays = [rng.integers(-3, 4, s).astype(np.float32) for s in ((4, 5), (5, 50))]
    executable = programs.shared(program)
    programs.check_plan(executable.layout)
    got, expected = programs.run_native(executable, [arrays]), programs.run_reference(program, [arrays])
    np.testing.assert_array_equal(got, expected)


def test_results_are_stored_as_they_are_made_and_constants_filled_once():
    with Program() as program:
        doubled = program.input((9,)) * 2.0
        program.outputs = [doubled, ops.square(doubled) * 2.0]
    (draft,) = Lowering(program).drafts
    code = draft.code.instructions
    assert [i.op for i in code] == ["load", "constant", "multiply", "store", "square", "multiply", "store"]
    (constant,) = (i for i in code if i.op == "constant")
    assert all(i.dst != constant.dst for i in code if i.op not in ("constant", "store"))


@pytest.mark.parametrize("seen", [False, True])
def test_a_sum_that_only_a_rectifier_reads_is_one_pass_with_it(seen):
    with Program() as program:
        x, b = program.input((3, 7)), program.input((7,))
        added = x + b
        program.outputs = [ops.relu(added), added * 2.0] if seen else [ops.relu(added)]
    (draft,) = Lowering(program).drafts
    names = [i.op for i in draft.code.instructions]
    assert ("add_relu" in names, "relu" in names) == (not seen, seen)
    arrays = [np.array([[-3, 2, np.nan, np.inf, -0.0, 1e38, -np.inf]] * 3, np.float32), np.ones(7, np.float32)]
    got = programs.run_native(programs.shared(program), [arrays])[0]
    np.testing.assert_array_equal(got[0], np.maximum(arrays[0] + arrays[1], 0))


def test_registers_are_given_back():
    """A chain needs few."""
    with Program() as program:
        x = program.input((9,))
        y = x
        for k in range(100):
            y = ops.relu(y * 2.0 - x) + float(k % 3)
        program.outputs = [y]
    for draft in Lowering(program).drafts:
        assert max(i.dst for i in draft.code.instructions if i.op != "store") < 8


def test_what_nobody_reads_is_left_out():
    with Program() as program:
        x = program.input((9,))
        y = ops.exp(x)
        program.outputs = [x + 1.0]
        assert y.shape == (9,)
    (draft,) = Lowering(program).drafts
    assert [i.op for i in draft.code.instructions] == ["load", "constant", "add", "store"]
