"""Random numbers: distributions, seeds, and the same functions inside programs."""

import math
import random as python_random

import numpy as np
import pytest

import fastnn
from fastnn import ops, random
from fastnn.engine.executable import Rows, executable
from fastnn.graph.program import Program
from fastnn.models import evaluation

N = 40000


def in_program(function, engine, seed=11, step=0):
    """What a function draws in one run of a program."""
    with Program() as program:
        program.outputs = [ops.cast(function(), "float32")]
    output = np.full(program.outputs[0].shape, np.nan, np.float32)
    executable(program, engine).run([], [output], seed=seed, step=step)
    return output


def sample(function, where):
    if where == "arrays":
        random.set_random_seed(17)
        return function()
    return in_program(function, where)


WHERE = pytest.mark.parametrize("where", ["arrays", "native", "reference"])


def distance(values, distribution):
    """Kolmogorov and Smirnov's distance times the root of the size: below 1.95 in 999 of 1000 samples."""
    values = np.sort(np.ravel(values).astype(np.float64))
    exact = np.array([distribution(x) for x in values])
    return np.max(np.abs(exact - (np.arange(len(values)) + 0.5) / len(values))) * math.sqrt(len(values))


@WHERE
def test_uniform(where):
    values = sample(lambda: random.uniform((200, 200), -1.0, 3.0), where)
    assert values.shape == (200, 200)
    assert values.min() >= -1 and values.max() <= 3
    assert distance(values, lambda x: (x + 1) / 4) < 1.95


@WHERE
def test_normal(where):
    values = sample(lambda: random.normal((N,), 2.0, 0.5), where)
    assert distance(values, lambda x: 0.5 + math.erf((x - 2) / 0.5 / math.sqrt(2)) / 2) < 1.95


@WHERE
def test_truncated_normal(where):
    values = sample(lambda: random.truncated_normal((N,), 1.0, 2.0), where)
    assert values.min() >= -3 and values.max() <= 5
    inside = math.erf(math.sqrt(2))
    assert distance(values, lambda x: 0.5 + math.erf((x - 1) / 2 / math.sqrt(2)) / inside / 2) < 1.95


@WHERE
def test_randint(where):
    values = sample(lambda: random.randint((N,), -3, 7), where)
    counts = np.array([np.sum(values == i) for i in range(-3, 7)])
    assert counts.sum() == N
    assert np.sum((counts - N / 10) ** 2 / (N / 10)) < 28  # chi squared with 9 degrees of freedom


@WHERE
def test_categorical(where):
    probability = np.float32([[0.1, 0.2, 0.7, 0], [0.25, 0.25, 0.25, 0.25]])
    logits = np.log(np.maximum(probability, 1e-30))
    values = sample(lambda: random.categorical(logits, 10000), where)
    assert values.shape == (2, 10000)
    found = np.stack([np.mean(values == c, axis=1) for c in range(4)], 1)
    np.testing.assert_allclose(found, probability, atol=0.02)


@WHERE
def test_shuffle(where):
    x = np.arange(60, dtype=np.float32).reshape(20, 3)
    values = sample(lambda: random.shuffle(ops.convert_to_tensor(x)), where) if where == "arrays" else None
    if where != "arrays":
        with Program() as program:
            program.outputs = [random.shuffle(program.input(x.shape))]
        values = np.full(x.shape, np.nan, np.float32)
        executable(program, where).run([Rows(x)], [values], 20, seed=3)
    assert not np.array_equal(values, x)
    np.testing.assert_array_equal(values[np.argsort(values[:, 0])], x)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_dropout_in_programs(engine):
    x = np.full((100, 200), 2.0, np.float32)
    with Program() as program:
        program.outputs = [random.dropout(program.input(x.shape), 0.25)]
    ready, outputs = executable(program, engine), []
    for step in range(2):
        outputs.append(np.full(x.shape, np.nan, np.float32))
        ready.run([Rows(x)], outputs[-1:], 100, seed=5, step=step)
        assert set(np.unique(outputs[-1])) == {0, np.float32(2 / 0.75)}
        assert abs(np.mean(outputs[-1] == 0) - 0.25) < 0.015
    assert not np.array_equal(*outputs)


def test_engines_draw_the_same():
    def draw():
        return random.dropout(random.normal((50, 20)), 0.5)

    np.testing.assert_allclose(in_program(draw, "native"), in_program(draw, "reference"), rtol=1e-5, atol=1e-6)


def test_dropout_of_arrays():
    x = np.ones((50, 30), np.float32)
    whole_rows = random.dropout(x, 0.5, noise_shape=(None, 1), seed=1)
    assert set(whole_rows.mean(axis=1)) == {0, 2}
    assert random.dropout(x, 0) is x
    assert not random.dropout(x, 1.0).any()
    assert x.all()


def test_seeds():
    same = random.uniform((5,), seed=3)
    np.testing.assert_array_equal(same, random.uniform((5,), seed=3))
    assert not np.array_equal(same, random.uniform((5,), seed=4))
    assert not np.array_equal(random.uniform((5,)), random.uniform((5,)))
    assert random.uniform((2,), seed=-1).shape == (2,)
    assert random.uniform((2,), seed=2**62).shape == (2,)


def test_seed_generator():
    generator = random.SeedGenerator(3)
    first, second = random.uniform((5,), seed=generator), random.uniform((5,), seed=generator)
    assert not np.array_equal(first, second)
    again = random.SeedGenerator.from_config(generator.get_config())
    np.testing.assert_array_equal(random.uniform((5,), seed=again), first)
    assert generator.state.tolist() == [3, 2]
    assert random.SeedGenerator().state[0] != random.SeedGenerator().state[0]


def test_set_random_seed_covers_all_three():
    draws = []
    for _ in range(2):
        random.set_random_seed(42)
        draws.append((python_random.random(), np.random.random(), random.fresh_seed(), *random.normal((3,)).tolist()))
    assert draws[0] == draws[1]


def test_fresh_seeds():
    seeds = {random.fresh_seed() for _ in range(100)}
    assert len(seeds) == 100
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_random_sample_is_no_multiple_of_another():
    """Neighbouring seeds and counts give unrelated numbers."""
    draws = np.stack([random.normal((1000,), seed=s) for s in range(20)])
    assert np.max(np.abs(np.corrcoef(draws) - np.eye(20))) < 0.15


@pytest.mark.parametrize("function", [random.uniform, random.normal, random.truncated_normal])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtypes(function, dtype):
    assert function((3,), dtype=dtype).dtype == dtype


def test_integer_dtypes():
    assert random.randint((3,), 0, 5).dtype == np.int32
    assert random.randint((3,), 0, 200, dtype="uint8").dtype == np.uint8
    assert random.categorical(np.zeros((1, 3)), 2).dtype == np.int32


def too_many_integers():
    with Program():
        random.randint((3,), 0, 2**24 + 1)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: random.uniform((3,), dtype="int32"), "use random.randint"),
    (lambda: random.randint((3,), 0, 5, dtype="float32"), "use random.uniform"),
    (lambda: random.uniform((3,), seed="a"), "seed: expected an integer"),
    (lambda: random.SeedGenerator("a"), "expected an integer seed"),
    (lambda: random.set_random_seed(1.5), "expected an integer"),
    (lambda: random.dropout(np.ones(3), 1.5), r"rate must lie in \[0, 1\]"),
    (lambda: random.dropout(np.ones((3, 2)), 0.5, noise_shape=(3,)), "one size for each axis"),
    (lambda: random.categorical(np.ones(3), 2), r"\(rows, classes\), received \(3,\)"),
    (too_many_integers, "24 random bits"),
])  # fmt: skip
def test_messages(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "draw, mean, variance",
    [
        (lambda **k: random.gamma((20000,), 2.5, **k), 2.5, 2.5),
        (lambda **k: random.beta((20000,), 0.5, 1.5, **k), 0.25, 0.0625),
        (lambda **k: random.binomial((20000,), 10, 0.3, **k), 3.0, 2.1),
    ],
)
def test_gamma_beta_binomial(draw, mean, variance):
    x = draw(seed=4)
    assert x.dtype == np.float32 and draw(seed=4, dtype="float64").dtype == np.float64
    np.testing.assert_array_equal(x, draw(seed=4))
    assert abs(x.mean() - mean) < 5 * np.sqrt(variance / x.size)
    assert abs(x.var() / variance - 1) < 0.1
    with pytest.raises(ValueError, match="floating"):
        draw(dtype="int32")


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_gamma_and_beta_in_programs(engine):
    """Distributions whose distribution functions are known: Gamma(1), Beta(a, 1) = U**(1/a), the arc sine law."""
    values = in_program(lambda: random.gamma((N,), 1.0), engine)
    assert distance(values, lambda x: 1 - math.exp(-x)) < 1.95
    values = in_program(lambda: random.gamma((N,), 3.0), engine)
    assert distance(values, lambda x: 1 - math.exp(-x) * (1 + x + x * x / 2)) < 1.95
    values = in_program(lambda: random.beta((N,), 2.5, 1.0), engine)
    assert distance(values, lambda x: x**2.5) < 1.95
    values = in_program(lambda: random.beta((N,), 0.5, 0.5), engine)
    assert distance(values, lambda x: 2 / math.pi * math.asin(math.sqrt(x))) < 1.95
    values = in_program(lambda: random.beta((N,), 0.001, 0.001), engine)
    assert abs(values.mean() - 0.5) < 5 * 0.5 / math.sqrt(N) and ((values < 1e-3) | (values > 1 - 1e-3)).mean() > 0.95
    with Program(), pytest.raises(ValueError, match="traced program"):
        random.binomial((2,), 3, 0.5)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_every_batch_of_a_prediction_has_numbers_of_its_own(engine, monkeypatch):
    """However the batches are divided among calls of the engine: by time, by a callback, or all at once."""

    class Noise(fastnn.layers.Layer):
        def call(self, x):
            return x + random.uniform(x.shape)

    def predicted(**options):
        random.set_random_seed(3)
        model = fastnn.Sequential([Noise()])
        model.compile(engine=engine)
        return model.predict(np.zeros((11, 3), np.float32), batch_size=2, verbose=0, **options)

    at_once = predicted()
    assert len(np.unique(at_once)) == at_once.size
    np.testing.assert_array_equal(predicted(callbacks=[fastnn.callbacks.Callback()]), at_once)
    monkeypatch.setattr(evaluation, "SLICE", 0.0)
    np.testing.assert_array_equal(predicted(), at_once)
