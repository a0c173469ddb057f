"""Gradients: against finite differences in float64 on the reference engine, and native against reference."""

import numpy as np
import primitives
import programs
import pytest

from fastnn import ops
from fastnn.engine import native
from fastnn.engine.reference import ReferenceProgram
from fastnn.graph.gradients import gradients
from fastnn.graph.program import Program

DIFFERENTIABLE = [
    case
    for case in primitives.CASES
    if case.float_inputs
    and any(t.dtype == "float32" for t in primitives.trace(case).outputs)
    and not case.primitive.startswith(("round", "one_hot"))
]
EVERY_CASE = pytest.mark.parametrize("case", DIFFERENTIABLE, ids=lambda case: case.name)
# Their kernels exist for the first derivative alone: asking for the second says so.
WITHOUT_SECOND = {
    "max_pool2d_gradient", "sparse_softmax_crossentropy_gradient", "simple_rnn_gradient", "lstm_gradient",
    "gru_gradient",
}  # fmt: skip
ELEMENTS = 8  # of each input are varied
STEP = 1e-5


def cotangents(case):
    """A weight for each number that comes out."""
    rng = np.random.default_rng(7)
    outputs = primitives.trace(case).outputs
    return [rng.standard_normal(t.shape).astype(np.float32) if t.dtype == "float32" else None for t in outputs]


def total_at(program, arrays):
    (total, *rest), _ = ReferenceProgram(program, "float64").run(arrays, variables={})
    return float(total), rest


def away_from_kinks(case):
    """Inputs in float64 on a lattice whose points lie further apart than the finite step."""
    return [a.astype(np.float64) if a.dtype == np.float32 else a for a in primitives.arrays(case, seed=1)]


@EVERY_CASE
def test_gradient_is_the_derivative(case):
    if case.primitive in WITHOUT_SECOND:
        with pytest.raises(ValueError, match="has no gradient"):
            primitives.trace_gradients(case, cotangents(case))
        return
    program, present = primitives.trace_gradients(case, cotangents(case))
    arrays = away_from_kinks(case)
    _, found = total_at(program, arrays)
    found = iter(found)
    for i, exists in zip(case.float_inputs, present, strict=True):
        gradient = next(found) if exists else np.zeros(arrays[i].shape)
        assert gradient.shape == arrays[i].shape
        if i not in case.no_gradient:
            check_elements(program, arrays, i, gradient)


def check_elements(program, arrays, i, gradient):
    rng = np.random.default_rng(3)
    for k in rng.choice(gradient.size, min(ELEMENTS, gradient.size), replace=False):
        either_side = []
        for sign in (1, -1):
            changed = [a.copy() for a in arrays]
            changed[i].reshape(-1)[k] += sign * STEP
            either_side.append(total_at(program, changed)[0])
        numeric, exact = (either_side[0] - either_side[1]) / (2 * STEP), gradient.reshape(-1)[k]
        assert abs(numeric - exact) <= 1e-6 * max(1.0, abs(numeric), abs(total_at(program, arrays)[0])), (
            f"input {i}, element {k}: gradient {exact}, finite difference {numeric}"
        )


@pytest.fixture(params=native.isas())
def isa(request):
    native.select_isa(request.param)
    yield request.param
    native.select_isa()


EXACT = [c for c in DIFFERENTIABLE if c.exact and c.primitive not in WITHOUT_SECOND]


@pytest.mark.parametrize("case", EXACT, ids=lambda case: case.name)
def test_native_gradient_of_integers_is_exact(case, isa):
    """Forward and backward in one program: what is fused, aliased and written in place differs from a row alone."""
    weights = [None if c is None else np.round(4 * c) for c in cotangents(case)]
    program, _ = primitives.trace_gradients(case, weights)
    arrays = primitives.arrays(case, integers=True)
    executable = programs.shared(program)
    first = programs.run_native(executable, [arrays], 1)
    expected = programs.run_reference(program, [arrays], "float64")
    for a, e in zip(first, expected, strict=True):
        if np.abs(e).max(initial=0) < 2**24 and np.all(e == np.round(e)):
            np.testing.assert_array_equal(a, e.astype(a.dtype))
        else:
            np.testing.assert_allclose(a, e, rtol=1e-5, atol=1e-5)
    again = programs.run_native(executable, [arrays], 3)
    assert all(programs.same_bits(a, b) for a, b in zip(first, again, strict=True))


# ---- second derivatives ------------------------------------------------------------------------------------

SMOOTH = {
    "tanh": lambda x, w: ops.tanh(ops.matmul(x, w)),
    "gelu": lambda x, w: ops.gelu(ops.matmul(x, w)),
    "softmax": lambda x, w: ops.softmax(ops.matmul(x, w)),
    "logsumexp": lambda x, w: ops.logsumexp(ops.matmul(x, w), 1),
    "relu": lambda x, w: ops.square(ops.relu(ops.matmul(x, w))),
    "variance": lambda x, w: ops.var(ops.matmul(x, w) * ops.sum(x), 0),
    "sqrt": lambda x, w: ops.sqrt(ops.square(ops.matmul(x, w)) + 1.0),
    "transpose": lambda x, w: ops.matmul(ops.transpose(w), ops.square(ops.transpose(x))),
    "convolution": lambda x, w: ops.square(
        ops.conv(ops.reshape(x, (1, 4, 3, 1)), ops.reshape(w[:, :4], (2, 2, 1, 3)), padding="same")
    ),
    "average_pool": lambda x, w: ops.square(ops.average_pool(ops.reshape(x, (1, 4, 3, 1)), 2)) * ops.sum(w),
    "slices": lambda x, w: ops.square(x[1:, ::2]) * ops.sum(ops.concatenate([w, w * w], 1)),
    "pad": lambda x, w: ops.square(ops.pad(x, 1)) + ops.sum(w),
    "where": lambda x, w: ops.where(x > 0.3, x * x, ops.exp(x)) * ops.sum(w),
    "power": lambda x, w: ops.power(ops.absolute(x) + 0.5, 2.5) + ops.sum(w),
    "gather": lambda x, w: ops.square(ops.take(x, [0, 2, 0, 3], axis=0)) * ops.sum(w),
    "cross_entropy": lambda x, w: ops.categorical_crossentropy(ops.softmax(x), ops.matmul(x, w[:, :3]), True),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_second_derivatives(name):
    """The gradient of a gradient: finite differences of the squared norm of the first."""
    rng = np.random.default_rng(5)
    shapes = (4, 3), (3, 5)
    with Program() as program:
        inputs = [program.input(s) for s in shapes]
        y = SMOOTH[name](*inputs)
        weights = rng.standard_normal(y.shape).astype(np.float32)
        first = [g for g in gradients(ops.sum(y * weights), inputs) if g is not None]
        size = sum(ops.sum(ops.square(g)) for g in first)
        second = gradients(size, inputs)
        second = [x * 0.0 if g is None else g for g, x in zip(second, inputs, strict=True)]
        program.outputs = [size, *second]
    arrays = [rng.standard_normal(s) for s in shapes]
    _, found = total_at(program, arrays)
    for i, gradient in enumerate(found):
        check_elements(program, arrays, i, gradient)


# ---- values where a formula divides by zero, or a gradient is easily forgotten ------------------------------


def test_targets_of_a_cross_entropy_have_a_gradient_too():
    """Distillation: the teacher is trained as well."""
    with Program() as program:
        t, x = program.input((3, 4)), program.input((3, 4))
        program.outputs = gradients(ops.sum(ops.categorical_crossentropy(t, x, from_logits=True)), [t])
    rng = np.random.default_rng(0)
    target, logits = rng.random((3, 4), np.float32), rng.standard_normal((3, 4)).astype(np.float32)
    (g,) = programs.run_reference(program, [[target, logits]])
    np.testing.assert_allclose(g[0], -np.log(np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)), rtol=1e-5)


def test_product_with_zeros():
    """The derivative of a product for one factor is the product of the others, whatever the factor."""
    with Program() as program:
        x = program.input((3, 3))
        program.outputs = gradients(ops.sum(ops.prod(x, 1)), [x])
    (g,) = programs.run_reference(program, [[np.float32([[2, 3, 4], [0, 3, 4], [0, 0, 4]])]])
    np.testing.assert_array_equal(g[0], [[12, 8, 6], [12, 0, 0], [0, 0, 0]])
