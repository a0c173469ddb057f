"""Lowering: fused nodes become kernel calls."""

import numpy as np
import programs
import pytest

from fastnn import ops
from fastnn.graph.lower import MAX_RANK, Lowering
from fastnn.graph.program import Program
from fastnn.variable import Variable


def kernels(function, *shapes):
    with Program() as program:
        results = function(*(program.input(s) for s in shapes))
        program.outputs = list(results) if isinstance(results, tuple) else [results]
    rng = np.random.default_rng(1)
    arrays = [rng.integers(-4, 5, s).astype(np.float32) for s in shapes]
    executable = programs.shared(program)
    programs.check_plan(executable.layout)
    for a, e in zip(programs.run_native(executable, [arrays]), programs.run_reference(program, [arrays]), strict=True):
        np.testing.assert_array_equal(a, e)
    return [draft.kernel for draft in Lowering(program).drafts]


def test_reshapes_cost_nothing():
    assert kernels(lambda x: ops.reshape(x * 2.0, (3, -1)) + 1.0, (2, 6)) == ["elementwise", "elementwise"]
    assert kernels(lambda x: ops.sum(ops.reshape(ops.squeeze(ops.expand_dims(x, 0)), (3, 4)), 1), (2, 6)) == ["reduce"]


def test_broadcasts_cost_nothing_inside_a_chain():
    assert kernels(lambda x, y: ops.broadcast_to(y, (4, 6)) * x, (4, 6), (6,)) == ["elementwise"]


def test_axes_that_move_together_are_one():
    with Program() as program:
        x = program.input((2, 3, 4, 5))
        program.outputs = [ops.transpose(x, (2, 3, 0, 1))]
    (draft,) = Lowering(program).drafts
    assert [draft.sizes[f"n{a}"] for a in range(MAX_RANK)] == [1, 1, 1, 1, 20, 6]


def test_many_axes():
    shape = (1, 2, 1, 2, 2, 1, 2, 2)
    assert kernels(lambda x: ops.transpose(x, (6, 7, 0, 3, 5, 1, 4, 2)), shape) == ["copy"]
    assert kernels(lambda x: x + ops.sum(x, (1, 4), True), shape)[-1] == "elementwise"
    with Program() as program:
        program.outputs = [ops.transpose(program.input((2,) * 8), (7, 6, 5, 4, 3, 2, 1, 0))]
    with pytest.raises(ValueError, match="cannot be rearranged: more than 6"):
        Lowering(program)


def test_reductions_over_separate_axes_are_done_one_after_the_other():
    assert kernels(lambda x: ops.sum(x, (0, 2)), (3, 4, 5)) == ["reduce", "reduce"]
    assert kernels(lambda x: ops.sum(x, (1, 2)), (3, 4, 5)) == ["reduce"]
    assert kernels(lambda x: ops.sum(x, 0) * 1.0, (1, 5)) == ["elementwise"]  # nothing to add up


def test_long_sums_are_cut_by_their_shape():
    assert kernels(ops.sum, (300000,)) == ["reduce", "reduce"]
    assert kernels(ops.sum, (3000,)) == ["reduce"]


def test_transposed_products():
    def function(x, w):
        return ops.matmul(ops.transpose(x), w), ops.matmul(x, ops.transpose(w))

    assert sorted(kernels(function, (5, 5), (5, 5))) == ["copy", "copy", "matmul", "matmul"]


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_sums_with_a_trained_matrix_are_made_in_halves(n_threads):
    rng = np.random.default_rng(3)
    x, b = (rng.integers(-4, 5, s).astype(np.float32) for s in ((32, 784), (128,)))
    w = Variable(rng.integers(-4, 5, (784, 128)).astype(np.float32))
    expected = np.maximum(x @ w.value + b, 0)
    with Program() as program:
        program.outputs = [ops.relu(program.input(x.shape) @ program.variable(w) + b)]
        w.assign(w * 2.0)
    executable = programs.shared(program)
    programs.check_plan(executable.layout)
    assert [d.kernel for d in executable.layout.drafts] == ["matmul", "reduce", "elementwise", "elementwise"]
    (y,) = programs.run_native(executable, [[x]], n_threads)
    np.testing.assert_array_equal(y[0], expected)


def test_other_products_are_made_at_once():
    shapes = (32, 784), (784, 128)
    assert kernels(lambda x, w: ops.relu(x @ w), *shapes) == ["matmul"]  # of a matrix that stays as it is
