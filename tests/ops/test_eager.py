"""Operations on arrays: computed at once, with the numbers that a traced program gives."""

import numpy as np
import primitives
import programs
import pytest

from fastnn import ops
from fastnn.graph.program import Program, eager
from fastnn.variable import Variable

CASES = [case for case in primitives.CASES if case.primitive != "random_uniform"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_eager_equals_traced(case):
    arrays = primitives.arrays(case)
    before = [a.tobytes() for a in arrays]
    results = case.function(*arrays)
    results = results if isinstance(results, tuple) else (results,)
    program = primitives.trace(case)
    expected = programs.run_reference(program, [arrays])
    for result, e, tensor in zip(results, expected, program.outputs, strict=True):
        result = np.asarray(result)
        assert result.shape == tensor.shape
        assert result.dtype == tensor.dtype
        np.testing.assert_array_equal(result, e[0])
    assert [a.tobytes() for a in arrays] == before


def test_eager_inside_a_trace():
    v = Variable(np.float32([1, 2]))
    with Program() as program:
        v.assign(v * 3.0)
        with eager():
            assert isinstance(ops.exp(v), np.ndarray)
            np.testing.assert_array_equal(v.value, [1, 2])
        assert len(program.instructions) == 1


def test_variables_compute_at_once_outside_a_program():
    v = Variable(np.float32([1, 2]))
    np.testing.assert_array_equal(v + 1, [2, 3])
    np.testing.assert_array_equal(1 - v, [0, -1])
    np.testing.assert_array_equal(np.float32([5, 5]) - v, [4, 3])
    v.assign_add([1, 1])
    np.testing.assert_array_equal(v.numpy(), [2, 3])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: ops.matmul(x, x), r"matmul: shapes \(3, 4\) and \(3, 4\) do not fit"),
        (lambda x: ops.matmul(x, 3.0), "use multiply"),
        (lambda x: x + ops.ones((3,)), r"add: shapes \(3, 4\) and \(3,\) cannot be broadcast"),
        (lambda x: ops.reshape(x, (5, -1)), r"shape \(3, 4\) cannot take the shape \(5, -1\)"),
        (lambda x: ops.reshape(x, (2, 5)), "12 elements"),
        (lambda x: ops.transpose(x, (0, 0)), "are not an order"),
        (lambda x: ops.sum(x, 2), "sum: axis 2 is outside a tensor with 2 axes"),
        (lambda x: ops.argmax(x, -3), "axis -3"),
        (lambda x: ops.squeeze(x, 0), "has size 3, not 1"),
        (lambda x: ops.concatenate([x, x[:, :3]], 0), "differ in more than axis 0"),
        (lambda x: ops.conv(x, ops.ones((2, 2, 1, 1))), "4 axes"),
        (lambda x: ops.conv(ops.reshape(x, (1, 3, 4, 1)), ops.ones((5, 5, 1, 1))), "larger than the input"),
        (lambda x: ops.conv(ops.reshape(x, (1, 3, 2, 2)), ops.ones((2, 2, 3, 1))), "channels"),
        (lambda x: ops.max_pool(ops.reshape(x, (1, 3, 4, 1)), 5), "larger than the input"),
        (lambda x: ops.max_pool(ops.reshape(x, (1, 3, 4, 1)), 0), "positive integer"),
        (lambda x: ops.broadcast_to(x, (3, 5)), "broadcast_to"),
        (lambda x: ops.take(x, [0.5]), "must be integers"),
        (lambda x: ops.split(x, 3, 1), "equal pieces"),
        (lambda x: ops.categorical_crossentropy(ops.ones((3,)), x), "target has shape"),
    ],
)
def test_shape_errors_name_the_operation_and_the_shapes(call, message):
    """Traced, as in a layer."""
    with Program() as program, pytest.raises((ValueError, TypeError), match=message):
        call(program.input((3, 4)))


@pytest.mark.parametrize("call", [lambda x: x[3], lambda x: x[0, 0, 0], lambda x: ops.take(x, [5], axis=0)])
def test_places_outside_are_index_errors(call):
    with Program() as program, pytest.raises(IndexError):
        call(program.input((3, 4)))
