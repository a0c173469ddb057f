"""Which convolutions take Winograd's algorithm, and that programs with it compute the same."""

import pytest
from kernel_rows import Case, assert_agree, gradient_of, images, trace

from fastnn import ops
from fastnn.engine.executable import NativeExecutable
from fastnn.ops import winograd

WINOGRAD = {
    "forward": ["winograd_kernel", "winograd_conv2d"],
    "input": ["winograd_kernel", "winograd_input_gradient"],
    "kernel": ["winograd_kernel_gradient", "winograd_kernel_gradient_sum"],
}
SMALL = ((4, 9, 9, 32), (3, 3, 32, 48), (4, 7, 7, 48))


def case(direction, shapes, **options):
    """One of the three directions of a convolution."""
    x, w, dy = shapes
    function = lambda x, w: ops.conv(x, w, **options)  # noqa: E731
    if direction == "forward":
        return Case(direction, function, (x, w))
    return Case(direction, gradient_of(function, 1 if direction == "kernel" else 0), (x, w, dy))


def kernels(native):
    return [step.kernel for step in native.layout.steps if step.kernel != "copy"]


@pytest.mark.parametrize("direction", WINOGRAD)
@pytest.mark.parametrize(
    ("shapes", "padding"),
    [
        (images(64, 34, 64, 128), "valid"),
        (images(64, 32, 64, 64, padding="same"), "same"),
        (images(64, 8, 256, 256, padding="same"), "same"),
        (images(128, 13, 32, 64), "valid"),
        (images(20, 74, 32, 64), "valid"),
        (images(20, 17, 128, 128), "valid"),
    ],
)
def test_layers_of_many_channels_take_it(direction, shapes, padding):
    program = trace(case(direction, shapes, padding=padding))
    assert kernels(NativeExecutable(program)) == WINOGRAD[direction]
    with winograd.direct_only():
        assert not any("winograd" in kernel for kernel in kernels(NativeExecutable(program)))


@pytest.mark.parametrize("direction", WINOGRAD)
@pytest.mark.parametrize(
    ("shapes", "options"),
    [
        (images(16, 30, 3, 64), {}),
        (images(16, 30, 64, 4), {}),
        (images(16, 30, 64, 64, window=5), {}),
        (images(16, 30, 64, 64, window=1), {}),
        (((4, 31, 31, 64), (3, 3, 64, 64), (4, 15, 15, 64)), {"strides": 2}),
        (((4, 31, 31, 64), (3, 3, 64, 64), (4, 27, 27, 64)), {"dilation_rate": 2}),
        (((4, 31, 31, 128), (3, 3, 64, 128), (4, 29, 29, 128)), {}),  # two groups
        (((4, 1, 900, 64), (3, 3, 64, 64), (4, 1, 900, 64)), {"padding": "same"}),  # three of four rows wasted
    ],
)
def test_others_do_not(direction, shapes, options):
    native = NativeExecutable(trace(case(direction, shapes, **options)))
    assert not any("winograd" in kernel for kernel in kernels(native))


@pytest.mark.parametrize("direction", WINOGRAD)
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_programs_agree_with_the_reference(direction, padding, monkeypatch):
    monkeypatch.setattr(winograd, "GAIN", 0.0)  # sizes that fill their tiles badly, too
    program = trace(case(direction, images(3, 9, 20, 24, padding=padding), padding=padding))
    native = NativeExecutable(program)
    assert kernels(native) == WINOGRAD[direction]
    assert_agree(program, native, 1e-5)


def test_the_epilogue_is_fused():
    x, w, _ = SMALL
    row = Case("", lambda x, w, b: ops.relu(ops.conv(x, w) + b), (x, w, w[3:]))
    program = trace(row)
    native = NativeExecutable(program)
    assert kernels(native) == WINOGRAD["forward"]
    assert_agree(program, native, 1e-5)
