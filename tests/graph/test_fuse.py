"""Fusion: what becomes one kernel call, and what must not."""

import functools

import numpy as np
import programs
import pytest

import fastnn
from fastnn import ops
from fastnn.graph.fuse import MAX_READS, fuse
from fastnn.graph.lower import Lowering
from fastnn.graph.program import Program
from fastnn.models import tracing
from fastnn.variable import Variable


def kernels(program):
    return [draft.kernel for draft in Lowering(program).drafts]


def agree(program, arrays):
    """Native equals reference; the inputs are such that the numbers are exact."""
    executable = programs.shared(program)
    programs.check_plan(executable.layout)
    for got, expected in zip(
        programs.run_native(executable, [arrays], 2), programs.run_reference(program, [arrays], "float64"), strict=True
    ):
        np.testing.assert_array_equal(got, expected.astype(got.dtype))


def whole(rng, *shape):
    return rng.integers(-4, 5, shape).astype(np.float32)


@pytest.fixture
def rng():
    return np.random.default_rng(8)


PRODUCERS = {
    "matmul": (lambda x, w: ops.matmul(x, w), (6, 5), (5, 7)),
    "conv2d": (lambda x, w: ops.conv(x, w, padding="same"), (2, 4, 5, 3), (3, 3, 3, 7)),
    "depthwise_conv2d": (lambda x, w: ops.depthwise_conv(x, w), (2, 4, 5, 7), (2, 2, 7, 1)),
}


@pytest.mark.parametrize("kernel", PRODUCERS)
def test_bias_and_activation_run_in_the_cache_of_their_producer(kernel, rng):
    function, x_shape, w_shape = PRODUCERS[kernel]
    with Program() as program:
        x, w, b = program.input(x_shape), program.input(w_shape), program.input((7,))
        program.outputs = [ops.relu(function(x, w) + b)]
    assert kernels(program) == [kernel]
    agree(program, [whole(rng, *x_shape), whole(rng, *w_shape), whole(rng, 7)])


@pytest.mark.parametrize("kernel", PRODUCERS)
def test_the_raw_product_may_be_wanted_too(kernel, rng):
    function, x_shape, w_shape = PRODUCERS[kernel]
    with Program() as program:
        x, w = program.input(x_shape), program.input(w_shape)
        y = function(x, w)
        program.outputs = [ops.relu(y), y, y * 2.0, ops.sum(y)]
    assert kernels(program) == [kernel, "reduce"]
    agree(program, [whole(rng, *x_shape), whole(rng, *w_shape)])


def test_a_chain_is_one_pass(rng):
    with Program() as program:
        x, y = program.input((30, 4)), program.input((4,))
        z = ops.relu(x * y + 1.0)
        program.outputs = [z - x, ops.where(z > 2.0, x, y)]
    assert kernels(program) == ["elementwise"]
    agree(program, [whole(rng, 30, 4), whole(rng, 4)])


def test_a_reader_of_its_own_sum_is_not_fused(rng):
    """x - max(x): the second pass needs the result of the reduction over the first."""
    with Program() as program:
        x = program.input((4, 6)) * 2.0
        program.outputs = [x - ops.max(x, 1, True)]
    assert kernels(program) == ["elementwise_reduce", "elementwise"]
    agree(program, [whole(rng, 4, 6)])


def test_a_value_both_multiplied_and_added_to_the_product(rng):
    """A residual connection: the kernel itself reads what its epilogue would compute."""
    with Program() as program:
        x, w = program.input((5, 5)), program.input((5, 5))
        h = ops.relu(x + 1.0)
        program.outputs = [ops.matmul(h, w) + h]
    assert kernels(program) == ["elementwise", "matmul"]
    agree(program, [whole(rng, 5, 5), whole(rng, 5, 5)])


def test_a_mask_both_multiplied_and_applied_to_the_product(rng):
    with Program() as program:
        w = program.input((5, 5))
        mask = ops.cast(ops.random_uniform(program, (5, 5)) >= 0.5, "float32")
        program.outputs = [ops.matmul(mask, w) * mask]
    agree(program, [whole(rng, 5, 5)])


def test_two_products_meet_in_one_epilogue(rng):
    with Program() as program:
        x, a, b = program.input((6, 5)), program.input((5, 4)), program.input((5, 4))
        program.outputs = [ops.relu(ops.matmul(x, a) + ops.matmul(x, b))]
    assert kernels(program) == ["matmul", "matmul"]
    agree(program, [whole(rng, 6, 5), whole(rng, 5, 4), whole(rng, 5, 4)])


def test_dead_work_is_left_out():
    with Program() as program:
        x = program.input((4,))
        ops.exp(ops.sum(x))
        program.outputs = [x + 1.0]
    assert kernels(program) == ["elementwise"]


def test_a_group_has_a_limited_number_of_tensors(rng):
    with Program() as program:
        inputs = [program.input((9,)) for _ in range(40)]
        total = inputs[0]
        for x in inputs[1:]:
            total = total + x
        program.outputs = [total]
    nodes, _ = fuse(program)
    assert len(nodes) > 1
    for node in nodes:
        assert len({id(t) for i in node.instructions for t in i.inputs} - node.made) <= MAX_READS
    agree(program, [whole(rng, 9) for _ in inputs])


def test_reads_stay_before_the_write_of_a_variable(rng):
    """y = v.T needs the old v: the new one may be written in place only after that."""
    v = Variable(whole(rng, 4, 4))
    with Program() as program:
        x = program.input((4, 4))
        old = ops.transpose(v)
        v.assign(v + x)
        program.outputs = [old + x, ops.matmul(v, x)]
    before, x = v.numpy(), whole(rng, 4, 4)
    executable = programs.shared(program)
    programs.check_plan(executable.layout)
    got = programs.run_native(executable, [[x]])
    np.testing.assert_array_equal(got[0][0], before.T + x)
    np.testing.assert_array_equal(got[1][0], (before + x) @ x)
    np.testing.assert_array_equal(v.value, before + x)


def test_variables_change_places(rng):
    a, b, c = (Variable(whole(rng, 5)) for _ in range(3))
    values = [v.numpy() for v in (a, b, c)]
    with Program() as program:
        old = [program.tensor(v) for v in (a, b, c)]
        a.assign(old[1])
        b.assign(old[2])
        c.assign(old[0])
    programs.shared(program).run([])
    for v, expected in zip((a, b, c), (values[1], values[2], values[0]), strict=True):
        np.testing.assert_array_equal(v.value, expected)


def test_one_value_for_two_variables(rng):
    a, b = Variable(whole(rng, 5)), Variable(whole(rng, 5))
    with Program() as program:
        value = a * 2.0 + b
        a.assign(value)
        b.assign(value)
    expected = a.numpy() * 2 + b.numpy()
    programs.shared(program).run([])
    np.testing.assert_array_equal(a.value, expected)
    np.testing.assert_array_equal(b.value, expected)


def training_program(*layers, batch=64):
    model = fastnn.Sequential([fastnn.Input((50,)), *layers])
    model.compile("adam", "sparse_categorical_crossentropy")
    data = fastnn.data.arrays.Batches(np.zeros((batch, 50), np.float32), np.zeros(batch, np.int32), None, batch)
    return tracing.trace_train(model, tracing.Signature(data, batch))


def test_a_dropout_mask_is_not_stored():
    """It is computed again where the gradient needs it: with dropout the arena is hardly larger."""
    dense = [fastnn.layers.Dense(100, activation="relu"), fastnn.layers.Dense(10, activation="softmax")]
    program = training_program(dense[0], fastnn.layers.Dropout(0.5), dense[1])
    executable = programs.shared(program)
    masks = {id(i.outputs[0]) for i in program.instructions if i.primitive.name in ("random_uniform", "greater_equal")}
    assert len(masks) == 2
    assert not masks & set(executable.layout.places)
    drawn = [s for s in executable.steps if s.code and any(i.op == "random_uniform" for i in s.code.instructions)]
    assert {s.kernel for s in drawn} == {"matmul"}
    assert len(drawn) == 2  # forward and backward
    plain = [fastnn.layers.Dense(100, activation="relu"), fastnn.layers.Dense(10, activation="softmax")]
    more = executable.layout.arena_bytes - programs.shared(training_program(*plain)).layout.arena_bytes
    assert more < 64 * 100  # a mask would take four times as many bytes


def test_long_random_expressions_are_stored_and_fit_the_registers(rng):
    """More random numbers at once than there are registers, behind other work too; both engines agree."""
    with Program() as program:
        x = program.input((3, 5))
        drawn = [ops.random_uniform(program, (3, 5)) for _ in range(60)]
        late = drawn[0]
        for u in drawn[1:20]:
            late = u + ops.exp(-late) * 0.5
        early = drawn[-1]
        for u in drawn[20:]:
            early = u + early * 0.5
        right = functools.reduce(lambda total, u: u * 0.25 + total, drawn[::-1])
        program.outputs = [x * late, early * x + late, ops.maximum(right, x) * early]
    x = rng.normal(size=(3, 5)).astype(np.float32)
    executable = programs.shared(program)
    programs.check_plan(executable.layout)
    native, reference = programs.run_native(executable, [[x]], 2), programs.run_reference(program, [[x]], "float64")
    for mine, theirs in zip(native, reference, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5)


def test_sums_of_the_same_memory_are_one_pass(rng):
    """Nothing is stored for them but what others need."""
    with Program() as program:
        x, y = program.input((30, 6)), program.input((30, 6))
        z = ops.absolute(x) * y
        program.outputs = [ops.relu(z), ops.sum(z - y, 0), ops.sum(x * y, 0), ops.sum(x, 0)]
    assert kernels(program) == ["elementwise_reduce"]
    with Program() as program:
        x, y = program.input((30, 6)), program.input((30, 6))
        program.outputs = [ops.sum(x * y, 0), ops.sum(x, 1), ops.max(x, 0)]
    assert kernels(program) == ["elementwise_reduce", "reduce", "reduce"]
    agree(program, [whole(rng, 30, 6), whole(rng, 30, 6)])


def test_the_reader_of_a_sum_is_another_pass(rng):
    with Program() as program:
        x, y = program.input((30, 6)), program.input((6,))
        first = ops.relu(x + y)
        second = ops.square(first - ops.sum(first, 0))
        program.outputs = [ops.sum(second, 0), first * ops.sum(second * x, 0)]
    assert kernels(program) == ["elementwise_reduce", "elementwise_reduce", "elementwise"]
    agree(program, [whole(rng, 30, 6), whole(rng, 6)])


def test_more_than_the_registers_hold_is_reduced_from_memory(rng):
    with Program() as program:
        inputs = [program.input((20, 3)) for _ in range(12)]
        made = [a + b for a, b in zip(inputs, inputs[2:], strict=False)]
        made += [a * b for a, b in zip(inputs, inputs[3:], strict=False)]
        total = made[0]
        for part in made[1:] + made[::-1]:
            total = total + part
        program.outputs = [ops.sum(total, 0)]
    assert kernels(program)[-1] == "reduce"
    agree(program, [whole(rng, 20, 3) for _ in inputs])


def test_what_is_reduced_is_read_before_a_result_is_written_over_it(rng):
    """Too many inputs to load them all first: `total`, stored last, may take the place of y, which the other sum reads.

    Once that sum was read behind the store: metrics of logits beside a focal loss of smoothed targets were wrong.
    """
    with Program() as program:
        inputs = [program.input((6, 5)) for _ in range(15)]
        y = ops.matmul(program.input((6, 5)), program.input((5, 5)))
        total = functools.reduce(lambda a, b: a + b, inputs)
        program.outputs = [
            ops.matmul(total, ops.transpose(total)),
            ops.sum(total, 1),
            ops.sum((inputs[0] - inputs[1]) * y, 1),
        ]
    (draft,) = (d for d in Lowering(program).drafts if d.kernel == "elementwise_reduce")
    order = [i.op for i in draft.code.instructions if i.op in ("load", "store")]
    assert order == ["load"] * 16 + ["store"] * 3
    agree(program, [whole(rng, 6, 5) for _ in range(16)] + [whole(rng, 5, 5)])


def test_batch_normalization_reads_its_input_three_times_and_stores_once():
    """Forward for mean, variance and result; backward two sums, then the gradient with the sum for the bias before."""
    layers = fastnn.layers
    program = training_program(
        layers.Dense(100), layers.BatchNormalization(), layers.ReLU(), layers.Dense(10, activation="softmax")
    )
    passes = [d for d in Lowering(program).drafts if "batch_normalization" in d.instructions[0].scope]
    large = [(d.kernel, sum(t.size == 6400 for t in d.reads), sum(t.size == 6400 for t in d.writes)) for d in passes]
    assert [row for row in large if row[1]] == [
        ("reduce", 1, 0), ("elementwise_reduce", 1, 0), ("elementwise", 1, 1),
        ("elementwise_reduce", 2, 0), ("elementwise_reduce", 2, 1),
    ]  # fmt: skip
    assert all(row[2] == 0 for row in large if not row[1])


def test_a_whole_optimizer_is_one_pass():
    program = training_program(
        fastnn.layers.Dense(30, activation="relu"), fastnn.layers.Dense(20, activation="tanh"),
        fastnn.layers.Dense(10, activation="softmax"),
    )  # fmt: skip
    passes = [d for d in Lowering(program).drafts if d.instructions and d.instructions[0].scope == "optimizer"]
    large = [d for d in passes if d.kernel == "elementwise" and d.code.count > 1]
    assert len(large) == 1
    assert large[0].code.count >= 50 * 30 + 30 * 20 + 20 * 10
