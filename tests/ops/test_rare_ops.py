"""Functions of `fastnn.ops` whose answers are checked by what they mean, and the errors of their arguments."""

import itertools

import numpy as np
import pytest

import fastnn as keras
from fastnn import ops
from fastnn.graph.gradients import gradients
from fastnn.graph.program import Program

RNG = np.random.default_rng(3)


def real(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("options", [(8, 2, 8), (6, 3, 8), (5, 1, 6, "hamming"), (8, 4, 8, np.ones(8))])
def test_the_inverse_of_stft(options):
    x = real(2, 32)
    there = ops.stft(x, *options)
    back = ops.istft(there, *options[:3], 32, *options[3:])
    kept = 32 - 32 % options[1]
    np.testing.assert_allclose(back[:, : kept - options[2]], x[:, : kept - options[2]], atol=2e-6)


def test_eig_solves_its_equation():
    a = real(2, 4, 4)
    values, vectors = ops.eig(a)
    assert values.dtype == vectors.dtype == np.complex64
    np.testing.assert_allclose(a @ vectors, vectors * values[:, None], atol=1e-5)
    with Program() as program, pytest.raises(TypeError, match="use eigh"):
        ops.eig(program.input((4, 4)))


def test_lu_factor_with_its_exchanges_gives_the_matrix():
    for m, n in ((4, 4), (5, 3), (3, 5)):
        a = real(2, m, n)
        lu, pivots = ops.lu_factor(a)
        k = min(m, n)
        for matrix, factors, exchanges in zip(a, lu, pivots, strict=True):
            rows = (np.tril(factors[:, :k], -1) + np.eye(m, k)) @ np.triu(factors[:k])
            for i, p in reversed(list(enumerate(exchanges))):
                rows[[i, p]] = rows[[p, i]]
            np.testing.assert_allclose(rows, matrix, atol=1e-6)


def test_pinv_of_a_matrix_of_lower_rank():
    a = real(5, 2) @ real(2, 4)
    p = ops.pinv(a)
    np.testing.assert_allclose(a @ p @ a, a, atol=1e-5)
    np.testing.assert_allclose(p @ a @ p, p, atol=1e-5)
    assert ops.matrix_rank(a) == 2


def test_log_determinants_do_not_overflow():
    sign, size = ops.slogdet(np.float32(-1e20 * np.eye(5)))
    assert sign == -1 and size == pytest.approx(5 * np.log(1e20))
    assert ops.logdet(np.float32(1e20 * np.eye(5))) == pytest.approx(5 * np.log(1e20))


def test_a_beam_wide_enough_finds_the_likeliest_labels():
    x, time, classes = real(2, 5, 4), 5, 4
    logs = np.asarray(ops.log_softmax(x), np.float64)
    paths, scores = ops.ctc_decode(x, [5, 4], "beam_search", beam_width=500, top_paths=2)
    for i, length in enumerate((5, 4)):
        total = {}
        for places in itertools.product(range(classes), repeat=length):
            merged = tuple(c for c, _ in itertools.groupby(places) if c != 0)
            score = sum(logs[i, t, c] for t, c in enumerate(places))
            total[merged] = np.logaddexp(total.get(merged, -np.inf), score)
        best = sorted(total, key=total.get, reverse=True)[:2]
        for j, labels in enumerate(best):
            assert tuple(paths[j, i]) == labels + (-1,) * (time - len(labels))
            assert scores[i, j] == pytest.approx(total[labels], abs=1e-5)


def test_the_loss_of_labels_is_minus_their_score():
    x = real(2, 6, 4)
    paths, scores = ops.ctc_decode(x, [6, 6], "beam_search", beam_width=2000)
    labels = np.maximum(paths[0], 0)
    loss = ops.ctc_loss(labels, x, np.sum(paths[0] >= 0, -1), np.int32([6, 6]))
    np.testing.assert_allclose(loss, -scores[:, 0], atol=1e-5)


def test_unique_of_a_size():
    x = np.int32([5, 1, 5, 9])
    np.testing.assert_array_equal(ops.unique(x, size=5), [1, 5, 9, 1, 1])
    np.testing.assert_array_equal(ops.unique(x, size=5, fill_value=-1), [1, 5, 9, -1, -1])
    values, first, which, count = ops.unique(x, True, True, True, True, size=2)
    np.testing.assert_array_equal(values, [1, 5])
    np.testing.assert_array_equal(first, [1, 0])
    np.testing.assert_array_equal(which, [1, 0, 1, 2])
    np.testing.assert_array_equal(count, [1, 2])
    np.testing.assert_array_equal(ops.unique(np.float32([[1, 1], [0, 2]]), axis=1), [[1, 1], [0, 2]])


def test_complex_arrays():
    z = np.complex64([[3 + 4j, -1], [2j, 0]])
    np.testing.assert_array_equal(ops.real(z), z.real)
    np.testing.assert_array_equal(ops.imag(z), z.imag)
    np.testing.assert_array_equal(ops.conj(z), z.conj())
    np.testing.assert_allclose(ops.angle(z), np.angle(z), rtol=1e-6)
    np.testing.assert_array_equal(ops.isreal(z), [[False, True], [False, True]])
    np.testing.assert_array_equal(ops.view_as_complex(ops.view_as_real(z)), z)
    np.testing.assert_array_equal(ops.imag(real(2)), [0, 0])
    np.testing.assert_allclose(ops.polar(np.abs(z), np.angle(z)), z, atol=1e-6)


def test_view_reads_bits():
    x = np.float32([1, -2])
    np.testing.assert_array_equal(ops.view(x, "int32"), x.view(np.int32))
    assert ops.view(x, "uint8").shape == (8,)
    with Program() as program, pytest.raises(TypeError, match="float32 as int32"):
        ops.view(program.input((2,)), "uint8")


def test_where_of_a_condition_alone():
    np.testing.assert_array_equal(ops.where(np.float32([0, 2, 0, 3]))[0], [1, 3])
    with pytest.raises(ValueError, match="both x1 and x2"):
        ops.where(np.float32([0, 2]), 1.0)


def test_a_gradient_of_ones_own_reaches_all_arguments():
    @ops.custom_gradient
    def function(x, y):
        return x * y, lambda upstream: (upstream * 10.0, upstream * y)

    with Program() as program:
        x, y = program.input((2,)), program.input((2,))
        dx, dy = gradients(ops.sum(function(x, y)), [x, y])
        program.outputs = [dx, dy]
    from fastnn.engine.reference import ReferenceProgram

    (dx, dy), _ = ReferenceProgram(program).run([np.float32([1, 2]), np.float32([3, 4])])
    np.testing.assert_array_equal(dx, [10, 10])
    np.testing.assert_array_equal(dy, [3, 4])


def test_jvp_of_structures_and_what_is_passed_on():
    def function(pair, z):
        return {"product": pair[0] * pair[1], "sine": ops.sin(z)}, z * 2.0

    x, y, z, a, b, c = (real(3) for _ in range(6))
    outputs, change, aux = ops.jvp(function, ((x, y), z), ((a, b), c), has_aux=True)
    np.testing.assert_allclose(outputs["product"], x * y, rtol=1e-6)
    np.testing.assert_allclose(change["product"], a * y + b * x, atol=1e-6)
    np.testing.assert_allclose(change["sine"], np.cos(z) * c, atol=1e-6)
    np.testing.assert_array_equal(aux, z * 2)


def test_they_stand_in_functional_models():
    inputs = keras.Input((4, 3))
    real_part, imaginary = ops.fft((inputs, ops.zeros_like(inputs)))
    values = ops.linalg.svd(inputs, compute_uv=False)
    model = keras.Model(inputs, [real_part, ops.nn.unfold(ops.expand_dims(inputs, 1), 2), values, imaginary])
    x = real(5, 4, 3)
    expected = np.fft.fft(x)
    first, columns, found, last = model.predict(x, verbose=0)
    np.testing.assert_allclose(first, expected.real, atol=1e-5)
    np.testing.assert_allclose(last, expected.imag, atol=1e-5)
    np.testing.assert_allclose(found, np.linalg.svd(x, compute_uv=False), rtol=1e-4)
    assert columns.shape == (5, 4, 6)


def test_a_model_with_them_is_saved_and_read(tmp_path):
    inputs = keras.Input((8,))
    model = keras.Model(inputs, ops.concatenate(ops.rfft(inputs, 6), -1))
    model.save(tmp_path / "model.keras")
    x = real(3, 8)
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "model.keras").predict(x), model.predict(x))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.fft(np.ones(3)), "a pair"),
        (lambda: ops.stft(np.ones(9, np.float32), 4, 2, 3), "at least sequence_length"),
        (lambda: ops.stft(np.ones(9, np.float32), 4, 2, 4, "box"), '"hann" or "hamming"'),
        (lambda: ops.extract_sequences(np.ones(3), 4, 1), "window of 4"),
        (lambda: ops.bitwise_and(np.ones(3), 1), "expected integers"),
        (lambda: ops.segment_max(np.ones((2, 3)), [0, 5], 3), "outside an axis of size 3"),
        (lambda: ops.qr(np.ones((2, 2)), "raw"), '"reduced" or "complete"'),
        (lambda: ops.svd(np.ones(3)), r"matrices \(\.\.\., m, n\)"),
        (lambda: ops.norm(np.ones((2, 2, 2)), 2), "one axis or two"),
        (lambda: ops.norm(np.ones((2, 2)), 3), "of matrices ord"),
        (lambda: ops.solve(np.eye(3), np.ones((2, 1))), "equations"),
        (lambda: ops.rearrange(np.ones((2, 3)), "a b -> a"), "both sides"),
        (lambda: ops.rearrange(np.ones((2, 6)), "a (b c) -> a b c"), "give all but one"),
        (lambda: ops.rearrange(np.ones((2, 6)), "a (b c) -> a b c", b=4), "does not divide"),
        (lambda: ops.rearrange(np.ones((2, 6)), "a b"), "one arrow"),
        (lambda: ops.depth_to_space(np.ones((1, 2, 2, 3)), 2), "no multiple of 4"),
        (lambda: ops.fold(np.ones((1, 4, 9)), 3, 2), "columns"),
        (lambda: ops.correlate(np.ones(3), np.ones(2), "whole"), "mode must be"),
        (lambda: ops.ctc_decode(np.ones((1, 2, 3)), [2], "best"), "strategy"),
        (lambda: ops.unravel_index([6], (2, 3)), "outside a tensor"),
        (lambda: ops.vectorize(3), "expected a function"),
        (lambda: ops.vectorize(abs, signature="m->n")(np.ones(3)), "cannot be read"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises((ValueError, TypeError, IndexError), match=message):
        call()
