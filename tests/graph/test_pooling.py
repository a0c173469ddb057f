"""Max-pools in front of rectifiers and biases, and inside the kernel of the convolution before them."""

import numpy as np
import programs
import pytest

from fastnn import ops
from fastnn.engine.eager import EagerProgram
from fastnn.graph.gradients import gradients
from fastnn.graph.lower import Lowering
from fastnn.graph.pooling import pool_first
from fastnn.graph.program import Program
from fastnn.ops import winograd

X, W, BIAS = (2, 11, 10, 3), (3, 3, 3, 5), (5,)
MANY_X, MANY_W, MANY_BIAS = (4, 14, 14, 32), (3, 3, 32, 64), (64,)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def kernels(program):
    return [draft.kernel for draft in Lowering(program).drafts]


def whole(rng, *shape):
    return rng.integers(-4, 5, shape).astype(np.float32)


def agree(program, arrays):
    """Native equals reference; the inputs are such that the numbers are exact."""
    executable = programs.shared(program)
    programs.check_plan(executable.layout)
    native = programs.run_native(executable, [arrays], 2)
    reference = programs.run_reference(program, [arrays], "float64")
    for got, expected in zip(native, reference, strict=True):
        np.testing.assert_array_equal(got, expected.astype(got.dtype))


def block(x, w, b, window=2, padding="valid"):
    return ops.max_pool(ops.relu(ops.conv(x, w) + b), window, padding=padding)


def traced(function, *shapes):
    with Program() as program:
        program.outputs = list(function(*(program.input(shape) for shape in shapes)))
    return program


@pytest.mark.parametrize("window", [2, 3, (1, 2)])
def test_a_convolution_with_bias_rectifier_and_pool_is_one_step(rng, window):
    program = traced(lambda x, w, b: [block(x, w, b, window)], X, W, BIAS)
    assert kernels(program) == ["conv2d_max_pool2d"]
    agree(program, [whole(rng, *shape) for shape in (X, W, BIAS)])


def test_winograds_convolution_pools_windows_that_lie_in_its_tiles():
    shapes = MANY_X, MANY_W, MANY_BIAS
    program = traced(lambda x, w, b: [block(x, w, b)], *shapes)
    assert kernels(program) == ["winograd_kernel", "winograd_conv2d_max_pool2d"]
    program = traced(lambda x, w, b: [block(x, w, b, 3)], *shapes)
    assert kernels(program) == ["winograd_kernel", "winograd_conv2d", "max_pool2d"]
    with winograd.direct_only():
        assert kernels(traced(lambda x, w, b: [block(x, w, b)], *shapes)) == ["conv2d_max_pool2d"]


def test_winograds_convolution_pools_the_same_bits(rng):
    arrays = [rng.standard_normal(shape).astype(np.float32) for shape in (MANY_X, MANY_W, MANY_BIAS)]
    pooled = traced(lambda x, w, b: [block(x, w, b)], MANY_X, MANY_W, MANY_BIAS)
    both = traced(lambda x, w, b: [ops.max_pool(ops.conv(x, w), 2), ops.conv(x, w)], MANY_X, MANY_W, MANY_BIAS)
    (y,) = programs.run_native(programs.shared(pooled), [arrays], 2)
    plain, _ = programs.run_native(programs.shared(both), [arrays], 2)
    assert "winograd_conv2d" in kernels(both)
    np.testing.assert_array_equal(y[0], np.maximum(plain[0] + arrays[2], 0))


@pytest.mark.parametrize("seen", ["product", "sum", "rectified"])
def test_what_something_else_reads_is_not_passed(rng, seen):
    def function(x, w, b):
        product = ops.conv(x, w)
        added = product + b
        rectified = ops.relu(added)
        return ops.max_pool(rectified, 2), {"product": product, "sum": added, "rectified": rectified}[seen]

    program = traced(function, X, W, BIAS)
    assert kernels(program) == ["conv2d", "max_pool2d"]
    agree(program, [whole(rng, *shape) for shape in (X, W, BIAS)])


@pytest.mark.parametrize(
    "between",
    [
        lambda y, b: y * b,  # a negative factor turns the order round
        lambda y, b: ops.tanh(y),
        lambda y, b: y + ops.reshape(ops.tile(b, 9)[:9], (9, 1, 1)),  # another number for each row
    ],
)
def test_what_does_not_commute_stays_in_front(between):
    program = traced(lambda x, w, b: [ops.max_pool(between(ops.conv(x, w), b), 2)], X, W, BIAS)
    before = [i.primitive.name for i in program.instructions]
    pool_first(program)
    assert [i.primitive.name for i in program.instructions] == before


def test_overlapping_windows_and_large_kernels_keep_their_steps():
    program = traced(lambda x, w, b: [ops.max_pool(ops.relu(ops.conv(x, w) + b), 3, 2)], X, W, BIAS)
    assert kernels(program) == ["conv2d", "max_pool2d"]
    program = traced(lambda x, w: [ops.max_pool(ops.conv(x, w), 2)], (1, 8, 8, 100), (5, 5, 100, 100))
    assert kernels(program) == ["conv2d", "max_pool2d"]


def test_a_residual_in_the_epilogue_that_reads_the_input_of_the_convolution(rng):
    """The kernel reads what would be computed behind it: two steps."""

    def function(x, w, b):
        h = ops.relu(x + 1.0)
        return [ops.max_pool(ops.conv(h, w), (4, 5)) * ops.max_pool(h[..., :1], (5, 5)) + b]

    program = traced(function, X, W, BIAS)
    assert kernels(program).count("conv2d_max_pool2d") == 1
    agree(program, [whole(rng, *shape) for shape in (X, W, BIAS)])


def gradient(x, w, b, factor):
    loss = ops.sum(block(x, w, b) * factor)
    return loss, *gradients(loss, [x, w, b])


def test_gradients_are_those_without_the_move(rng):
    """Of sums of integers, with windows of equal and of negative numbers among them."""
    shapes = X, W, BIAS, (2, 4, 4, 5)
    arrays = [whole(rng, *shape) for shape in shapes]
    program = traced(gradient, *shapes)
    assert "conv2d_max_pool2d" in kernels(program)
    agree(program, arrays)
    moved = programs.run_reference(program, [arrays], "float64")
    x, w, b, factor = (a.astype(np.float64) for a in arrays)
    y = np.maximum(np.asarray(ops.conv(x, w)) + b, 0)[:, :8, :8]
    taps = y.reshape(2, 4, 2, 4, 2, 5).transpose(0, 1, 3, 5, 2, 4).reshape(2, 4, 4, 5, 4)
    first = taps.argmax(-1)[..., None] == np.arange(4)
    dy = np.where(first & (taps > 0), factor[..., None], 0)
    np.testing.assert_array_equal(moved[0][0], (taps.max(-1) * factor).sum())
    np.testing.assert_array_equal(moved[3][0], dy.sum((0, 1, 2, 4)))


def test_a_program_that_computes_has_the_same_gradients(rng):
    arrays = [whole(rng, *shape) for shape in (X, W, BIAS, (2, 4, 4, 5))]
    with EagerProgram(arrays) as eager:
        found = [t.value for t in gradient(*(eager.input(a.shape) for a in arrays))]
    program = traced(gradient, *(a.shape for a in arrays))
    for got, expected in zip(found, programs.run_reference(program, [arrays], "float32"), strict=True):
        np.testing.assert_array_equal(got, expected[0])


def test_an_equal_instruction_further_down_is_not_read_before_it_is_made(rng):
    def function(x, w, b):
        product = ops.conv(x, w)
        return block(x, w, b), ops.max_pool(product, 2)

    program = traced(function, X, W, BIAS)
    pool_first(program)
    made = set()
    for instruction in program.instructions:
        assert all(t.kind != "result" or id(t) in made for t in instruction.inputs)
        made.update(id(t) for t in instruction.outputs)
    agree(program, [whole(rng, *shape) for shape in (X, W, BIAS)])
