"""Tracing: what is recorded, what is shared, what is refused."""

import threading

import numpy as np
import programs
import pytest

from fastnn import ops
from fastnn.graph.program import Program, current_program
from fastnn.variable import Storage, Variable


def test_tracing_ends_with_the_block():
    with Program() as program:
        assert current_program() is program
        with Program() as inner:
            assert current_program() is inner
        assert current_program() is program
    assert current_program() is None
    with pytest.raises(RuntimeError), Program():
        raise RuntimeError
    assert current_program() is None


def test_each_thread_traces_for_itself():
    seen = []
    with Program():
        thread = threading.Thread(target=lambda: seen.append(current_program()))
        thread.start()
        thread.join()
    assert seen == [None]


def test_the_same_computation_is_done_once():
    with Program() as program:
        x = program.input((3,))
        assert ops.exp(x) is ops.exp(x)
        assert ops.add(x, 1.0) is ops.add(x, 1.0)
        assert ops.add(x, 1.0) is not ops.add(x, 2.0)
        assert ops.sum(x) is not ops.sum(x, keepdims=True)
        assert ops.random_uniform(program, (3,)) is not ops.random_uniform(program, (3,))
    assert len(program.instructions) == 7


def test_zero_and_minus_zero_are_two_constants():
    with Program() as program:
        x = program.input((2,))
        program.outputs = [x / 0.0, x / -0.0]
    plus, minus = programs.run_native(programs.shared(program), [[np.float32([1, -1])]])
    np.testing.assert_array_equal(plus[0], [np.inf, -np.inf])
    np.testing.assert_array_equal(minus[0], [-np.inf, np.inf])


def test_constants_are_folded():
    with Program() as program:
        x = program.input((2,))
        two = ops.sqrt(program.constant(4.0))
        assert two.kind == "constant"
        assert two.data == 2
        ops.add(x, two)
    assert [i.primitive.name for i in program.instructions] == ["add"]


def test_numbers_take_the_dtype_beside_them():
    with Program() as program:
        i, f = program.input((2,), "int32"), program.input((2,))
        assert (i + 1).dtype == "int32"
        assert (f + 1).dtype == "float32"
        assert (i + f).dtype == "float32"
        assert (i / 2).dtype == "float32"
        assert (i < 2).dtype == "bool"


def test_assigned_variables_read_as_assigned():
    v = Variable(np.float32([1, 2]))
    with Program() as program:
        old = program.tensor(v)
        v.assign_add([10.0, 10.0])
        v.assign(v * 2.0)
        program.outputs = [old, program.tensor(v)]
    old, new = _run_twice(program)
    np.testing.assert_array_equal(old, [[1, 2], [22, 24]])
    np.testing.assert_array_equal(new, [[22, 24], [64, 68]])
    np.testing.assert_array_equal(v.numpy(), [64, 68])


def _run_twice(program):
    return programs.run_reference(program, [[], []])


def test_a_block_and_its_variables_see_each_other():
    a, b = Variable(np.float32([1, 2, 3])), Variable(np.float32(4))
    storage = Storage([a, b], "float32")
    storage.adopt()
    with Program() as program:
        program.updates[storage] = ops.multiply(storage, 2.0)
        program.outputs = [ops.add(a, 0.0), ops.add(b, 0.0)]
    new_a, new_b = _run_twice(program)
    np.testing.assert_array_equal(new_a, [[2, 4, 6], [4, 8, 12]])
    np.testing.assert_array_equal(new_b, [8, 16])


def test_wrong_values_are_refused():
    v = Variable(np.float32([1, 2]))
    with pytest.raises(ValueError, match=r"expected a value of shape \(2,\), received \(3,\)"):
        v.assign([1, 2, 3])
    with Program() as program, pytest.raises(ValueError, match=r"received \(3,\)"):
        v.assign(program.input((3,)))
    with Program() as program, pytest.raises(TypeError, match="cannot enter a program"):
        program.input((2,)) + np.array(["a", "b"])


def test_a_tensor_of_another_program_is_refused():
    with Program() as first:
        x = first.input((2,))
    with Program() as second:
        y = second.input((2,))
        with pytest.raises(ValueError, match="belongs to another program"):
            ops.add(y, x)


def test_numbers_cannot_be_looked_at():
    with Program() as program:
        x = program.input((2, 3))
        with pytest.raises(TypeError, match=r"ops\.where"):
            bool(x > 0)
        with pytest.raises(TypeError, match="no numbers while the program is traced"):
            np.asarray(x)
        assert len(x) == 2
        assert [row.shape for row in x] == [(3,), (3,)]
        with pytest.raises(TypeError, match="without axes"):
            len(ops.sum(x))


def test_arrays_on_the_left_leave_the_operation_to_tensors():
    with Program() as program:
        x = program.input((2,))
        for y in (np.ones(2) + x, np.float32(1) - x, np.ones(2) * x, np.ones((3, 2)) @ x, np.ones(2) < x, 2.0**x):
            assert y.program is program


def test_scopes_name_the_layer():
    with Program() as program:
        x = program.input((2,))
        with program.scope("a"):
            y = ops.exp(x)
            with program.scope("b"):
                ops.log(y)
        ops.tanh(x)
    assert [i.scope for i in program.instructions] == ["a", "b", ""]
