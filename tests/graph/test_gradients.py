"""Reverse-mode differentiation as a pass over a program; the rules themselves are tested in tests/ops."""

import numpy as np
import programs
import pytest

from fastnn import ops
from fastnn.graph.gradients import gradients
from fastnn.graph.program import Program


def test_gradient_where_nothing_leads_is_none():
    with Program() as program:
        x, y, z = (program.input((3,)) for _ in range(3))
        found = gradients(ops.sum(x * ops.stop_gradient(y)), [x, y, z])
    assert found[0] is not None
    assert found[1:] == [None, None]


def test_gradient_of_the_target_itself_is_one():
    with Program() as program:
        x = program.input(())
        program.outputs = gradients(x, [x])
    (one,) = programs.run_reference(program, [[np.float32(3)]])
    assert one == 1


def test_gradients_that_meet_are_added():
    with Program() as program:
        x = program.input((2,))
        program.outputs = gradients(ops.sum(x * x * x + x), [x])
    (g,) = programs.run_reference(program, [[np.float32([2, 3])]])
    np.testing.assert_array_equal(g[0], [13, 28])


def test_seed_stands_for_the_gradient_of_the_target():
    with Program() as program:
        x = program.input((2,))
        y = x * 3.0
        program.outputs = gradients(y, [x], seed=program.tensor(np.float32([1, 10])))
    (g,) = programs.run_reference(program, [[np.float32([2, 3])]])
    np.testing.assert_array_equal(g[0], [3, 30])


def test_integers_stop_gradients():
    with Program() as program:
        x = program.input((4,))
        assert gradients(ops.sum(ops.cast(ops.cast(x, "int32"), "float32")), [x]) == [None]


def test_a_target_with_axes_is_refused():
    with Program() as program:
        x = program.input((2,))
        with pytest.raises(ValueError, match="must be a scalar, received shape"):
            gradients(x * 2.0, [x])


def test_a_scope_is_kept():
    """Tables show the backward steps of a layer under its name."""
    with Program() as program:
        x = program.input((2, 3))
        with program.scope("layer"):
            y = ops.sum(ops.tanh(x))
        before = len(program.instructions)
        gradients(y, [x])
    assert {i.scope for i in program.instructions[before:]} == {"layer"}
