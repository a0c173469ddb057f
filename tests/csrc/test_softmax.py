"""Softmax and its cross-entropies against float64 NumPy."""

import numpy as np
import pytest

from fastnn.engine import native

SHAPES = [(1, 1), (3, 2), (128, 10), (7, 15), (7, 16), (7, 17), (5, 100), (2, 5000), (700, 33), (0, 4)]
SPARSE = "sparse_softmax_crossentropy"


@pytest.fixture(params=native.isas(), autouse=True)
def isa(request):
    native.select_isa(request.param)
    yield request.param
    native.select_isa()


def run(kernel, shape, inputs, outputs, threads=1):
    """Return the outputs, of the given shapes."""
    arrays = [np.full(s, 99, np.float32) for s in outputs]
    native.run_step(kernel, {"rows": shape[0], "cols": shape[1]}, [*inputs, *arrays], threads=threads)
    return arrays


def logits(shape, scale=5.0, seed=0):
    return (np.random.default_rng(seed).normal(size=shape) * scale).astype(np.float32)


def log_softmax(x):
    x = x.astype(np.float64)
    x = x - x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def sums_to(cols):
    """Relative tolerance for the sum of that many exponentials."""
    return 1e-6 + cols * 6e-8 / 4


@pytest.mark.parametrize("shape", SHAPES)
def test_softmax(shape):
    x = logits(shape)
    results = [run("softmax", shape, [x], [shape], threads)[0] for threads in (1, 2, 3)]
    np.testing.assert_allclose(results[0], np.exp(log_softmax(x)), rtol=sums_to(shape[1]), atol=1e-37)
    assert len({r.tobytes() for r in results}) == 1


@pytest.mark.parametrize("cols", [2, 10, 16, 17, 100])
def test_softmax_of_extreme_numbers(cols):
    x = np.zeros((6, cols), np.float32)
    x[0, 0] = 3e38
    x[1, 0] = -3e38
    x[2, 1:] = -np.inf
    x[3] = 1e30
    x[4, -1] = np.nan
    x[5] = np.linspace(-200, 0, cols)
    (y,) = run("softmax", x.shape, [x], [x.shape])
    with np.errstate(over="ignore"):
        want = np.exp(log_softmax(x)).astype(np.float32)
    np.testing.assert_allclose(y, want, rtol=2e-6, atol=1e-37)
    assert np.isnan(y[4]).all()
    assert np.isfinite(np.delete(y, 4, axis=0)).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_crossentropy(shape):
    x, target = logits(shape), np.random.default_rng(1).uniform(0, 2, shape).astype(np.float32)
    loss, probability = run("softmax_crossentropy", shape, [x, target], [shape[:1], shape])
    log = log_softmax(x)
    np.testing.assert_allclose(loss, -(target * log).sum(axis=1), rtol=sums_to(shape[1]), atol=5e-7)
    np.testing.assert_allclose(probability, np.exp(log), rtol=sums_to(shape[1]), atol=1e-37)


def test_crossentropy_ignores_impossible_classes_without_weight():
    x = np.array([[0, -np.inf, 0]], np.float32)
    loss, _ = run("softmax_crossentropy", x.shape, [x, np.array([[1, 0, 0]], np.float32)], [(1,), x.shape])
    np.testing.assert_allclose(loss, np.log(2), rtol=1e-6)


def test_crossentropy_of_sure_answers():
    x = np.array([[300, 0, 0], [0, 300, 0]], np.float32)
    target = np.array([[1, 0, 0], [1, 0, 0]], np.float32)
    loss, _ = run("softmax_crossentropy", x.shape, [x, target], [(2,), x.shape])
    np.testing.assert_array_equal(loss, [0, 300])


@pytest.mark.parametrize("shape", SHAPES)
def test_sparse_crossentropy(shape):
    rows, cols = shape
    x, label = logits(shape), np.random.default_rng(2).integers(0, cols, rows).astype(np.int32)
    log = log_softmax(x)
    for threads in (1, 2, 3):
        loss, probability = run(SPARSE, shape, [x, label], [(rows,), shape], threads)
        np.testing.assert_allclose(loss, -log[np.arange(rows), label], rtol=sums_to(cols), atol=5e-7)
        np.testing.assert_allclose(probability, np.exp(log), rtol=sums_to(cols), atol=1e-37)


@pytest.mark.parametrize("shape", SHAPES)
def test_sparse_crossentropy_gradient(shape):
    rows, cols = shape
    rng = np.random.default_rng(3)
    probability = np.exp(log_softmax(logits(shape))).astype(np.float32)
    label, dloss = rng.integers(0, cols, rows).astype(np.int32), rng.normal(size=rows).astype(np.float32)
    (dx,) = run(SPARSE + "_gradient", shape, [probability, label, dloss], [shape])
    one_hot = np.eye(cols, dtype=np.float32)[label] if rows else np.zeros(shape, np.float32)
    np.testing.assert_array_equal(dx, (probability - one_hot) * dloss[:, None])


@pytest.mark.parametrize("wrong", [-1, 10, 2**31 - 1, -(2**31)])
def test_labels_are_checked(wrong):
    shape = 2000, 10
    x, label = logits(shape), np.zeros(2000, np.int32)
    label[1234] = wrong
    for kernel, inputs, outputs in (
        (SPARSE, [x, label], [shape[:1], shape]),
        (SPARSE + "_gradient", [x, label, np.ones(2000, np.float32)], [shape]),
    ):
        for threads in (1, 2):
            with pytest.raises(IndexError) as error:
                run(kernel, shape, inputs, outputs, threads)
            assert error.value.value == wrong


def test_wrong_sizes_are_refused():
    x = np.zeros((2, 3), np.float32)
    for shape in ((2, 4), (3, 3), (-1, 3), (2, 0), (2**40, 2**40)):
        with pytest.raises(ValueError, match="softmax"):
            run("softmax", shape, [x], [x.shape])
