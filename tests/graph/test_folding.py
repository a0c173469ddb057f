"""Numbers for each channel behind a convolution, folded into its kernel and one sum."""

import numpy as np
import programs
import pytest

from fastnn import ops
from fastnn.graph.folding import fold_channels
from fastnn.graph.lower import Lowering
from fastnn.graph.program import Program

X, W, ROW = (2, 9, 8, 4), (3, 3, 4, 6), (6,)


def conv(x, w):
    return ops.conv(x, w, padding="same")


def normalized(y, a, b):
    """The steps of a bias and batch normalization."""
    return ((y + a) - b) * (a * b) + b


def traced(function, *shapes):
    with Program() as program:
        program.outputs = list(function(*(program.input(shape) for shape in shapes)))
    return program


def names(program):
    return [i.primitive.name for i in program.instructions]


def whole(*shape):
    return np.random.default_rng(5).integers(-4, 5, shape).astype(np.float32)


def agree(function, *shapes):
    """The native engine gives what the program as it was written says; integers, so that all numbers are exact."""
    arrays = [whole(*shape) for shape in shapes]
    written = programs.run_reference(traced(function, *shapes), [arrays], "float64")
    program = traced(function, *shapes)
    executable = programs.shared(program)
    programs.check_plan(executable.layout)
    for got, expected in zip(programs.run_native(executable, [arrays], 2), written, strict=True):
        np.testing.assert_array_equal(got, expected.astype(got.dtype))
    return program


@pytest.mark.parametrize("row", [(6,), (1, 1, 1, 6), (1,)])
@pytest.mark.parametrize("groups", [1, 2])
def test_batch_normalization_behind_a_convolution(row, groups):
    def function(x, w, a, b):
        return [ops.relu(normalized(conv(x, w), a, b))]

    program = agree(function, X, (3, 3, 4 // groups, 6), row, row)
    behind = names(program)[names(program).index("conv2d") + 1 :]
    assert behind == ["add", "relu"]


@pytest.mark.parametrize("row", [(8,), (1,)])
def test_batch_normalization_behind_a_depthwise_convolution(row):
    def function(x, w, a, b):
        return [normalized(ops.depthwise_conv(x, w, padding="same"), a, b)]

    program = agree(function, X, (3, 3, 4, 2), row, row)
    assert names(program)[-2:] == ["depthwise_conv2d", "add"]


def test_a_factor_alone_goes_into_the_kernel_and_sums_become_one():
    program = agree(lambda x, w, a, b: [a * conv(x, w) * 2.0], X, W, ROW, ROW)
    assert names(program)[-1] == "conv2d"
    program = agree(lambda x, w, a, b: [(a + conv(x, w)) - b], X, W, ROW, ROW)
    assert names(program)[-2:] == ["conv2d", "add"]


def test_the_pool_behind_it_joins_the_convolution():
    def function(x, w, a, b):
        return [ops.max_pool(ops.relu(normalized(conv(x, w), a, b)), 2)]

    program = agree(function, X, W, ROW, ROW)
    assert [d.kernel for d in Lowering(program).drafts if "conv" in d.kernel] == ["conv2d_max_pool2d"]


@pytest.mark.parametrize(
    "function",
    [
        lambda x, w, a: [conv(x, w) + a],  # one step is what would be left of it
        lambda x, w, a: [ops.relu(conv(x, w)) * a + a],
        lambda x, w, a: [a - conv(x, w)],
        lambda x, w, a: [conv(x, w) * x[..., :1] + a],  # another number for each pixel
        lambda x, w, a: [ops.conv(x, w) * a + a, ops.conv(x, w)],  # the convolution is read elsewhere
    ],
)
def test_what_is_not_folded(function):
    program = traced(function, X, W, ROW)
    before = list(program.instructions)
    fold_channels(program)
    assert program.instructions == before
    agree(function, X, W, ROW)


def test_a_kernel_larger_than_the_outputs_is_left_alone():
    program = traced(lambda x, w, a: [conv(x, w) * a + a], (1, 2, 2, 64), (3, 3, 64, 64), (64,))
    before = list(program.instructions)
    fold_channels(program)
    assert program.instructions == before


def test_what_is_read_between_ends_the_chain():
    def function(x, w, a, b):
        added = conv(x, w) + a
        scaled = (added - b) * a
        return [scaled + b, scaled]

    program = agree(function, X, W, ROW, ROW)
    assert names(program)[-3:] == ["conv2d", "add", "add"]
