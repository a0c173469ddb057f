"""Initializers: statistics within known bounds, seeds, fans, configurations, messages."""

import inspect
import json
import math

import cases
import numpy as np
import pytest
from golden import store

import fastnn
from fastnn import initializers, random
from fastnn.graph.program import Program

KERAS = json.loads((store.FOLDER / "configs.json").read_text())
NAMES = [name for name, _ in cases.INITIALIZERS]
ROWS = pytest.mark.parametrize(("name", "make"), cases.INITIALIZERS, ids=NAMES)
RANDOM = ["RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling", "GlorotNormal", "GlorotUniform",
          "HeNormal",
          "HeUniform", "LecunNormal", "LecunUniform", "Orthogonal"]  # fmt: skip


@ROWS
def test_configuration(name, make):
    initializer, expected = make(fastnn), KERAS["configs"][f"initializers/{name}"]
    assert type(initializer).__name__ == expected["class_name"]
    forgotten = {"gain"} if name == "Identity" else set()  # by Keras
    assert {k: v for k, v in initializer.get_config().items() if k not in forgotten} == expected["config"]
    again = initializers.deserialize(json.loads(json.dumps(initializers.serialize(initializer))))
    assert type(again) is type(initializer)
    assert again.get_config() == initializer.get_config() == initializer.clone().get_config()


# STFT, for spectrograms with windows of SciPy, is left out
KERAS_NAMES = sorted(
    n.split(".")[1] for n in KERAS["signatures"] if n.startswith("initializers.") and "stft" not in n.lower()
)


@pytest.mark.parametrize("name", KERAS_NAMES)
def test_signature(name):
    ours = inspect.signature(getattr(initializers, name)).parameters.values()
    ours = [[p.name] if p.default is p.empty else [p.name, p.default] for p in ours]
    assert ours == KERAS["signatures"][f"initializers.{name}"]


# variance of the values of a (3, 3, 40, 60) kernel, and the largest value in standard deviations
FAN_IN, FAN_OUT = 9 * 40, 9 * 60
RULES = {
    "GlorotUniform": (2 / (FAN_IN + FAN_OUT), math.sqrt(3)),
    "GlorotNormal": (2 / (FAN_IN + FAN_OUT), 2 / 0.8796),
    "HeUniform": (2 / FAN_IN, math.sqrt(3)), "HeNormal": (2 / FAN_IN, 2 / 0.8796),
    "LecunUniform": (1 / FAN_IN, math.sqrt(3)), "LecunNormal": (1 / FAN_IN, 2 / 0.8796),
    "VarianceScaling": (1 / FAN_IN, 2 / 0.8796), "RandomUniform": (0.1**2 / 12, math.sqrt(3)),
    "TruncatedNormal": (0.0025 * 0.8796**2, 2 / 0.8796), "RandomNormal": (0.0025, 6.0),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(RULES))
def test_statistics(name):
    values = getattr(initializers, name)(seed=1)((3, 3, 40, 60))
    variance, largest = RULES[name]
    n = values.size
    assert values.dtype == np.float32
    assert abs(values.mean()) < 5 * math.sqrt(variance / n)
    assert abs(values.var() / variance - 1) < 5 * math.sqrt(2 / n)
    assert np.abs(values).max() <= largest * math.sqrt(variance) * 1.0001


def test_truncated_normal_has_its_distribution():
    """Kolmogorov and Smirnov: the largest distance between the counted and the exact distribution."""
    values = np.sort(initializers.TruncatedNormal(stddev=1.0, seed=2)((40000,)).astype(np.float64))
    inside = math.erf(math.sqrt(2))
    exact = np.array([0.5 + math.erf(x / math.sqrt(2)) / inside / 2 for x in values])
    assert np.max(np.abs(exact - (np.arange(len(values)) + 0.5) / len(values))) < 1.6 / math.sqrt(len(values))


@pytest.mark.parametrize(("shape", "fans"), [
    ((), (1, 1)), ((7,), (7, 7)), ((3, 5), (3, 5)), ((3, 3, 8, 16), (72, 144)), ((5, 4, 6), (20, 30)),
])  # fmt: skip
def test_fans(shape, fans):
    assert initializers.compute_fans(shape) == fans


def test_fans_of_named_axes():
    assert initializers.compute_fans((32, 4, 16), [0], [1, 2]) == (32, 64)
    scaled = initializers.VarianceScaling(2.0, seed=3, input_axes=[0], output_axes=[1, 2])((32, 40, 50))
    assert abs(scaled.var() * 32 / 2 - 1) < 0.03


@pytest.mark.parametrize(("mode", "fan"), [("fan_in", 100), ("fan_out", 300), ("fan_avg", 200)])
@pytest.mark.parametrize("distribution", ["normal", "truncated_normal", "untruncated_normal", "uniform"])
def test_modes_and_distributions(mode, fan, distribution):
    values = initializers.VarianceScaling(3.0, mode, distribution, seed=4)((100, 300))
    assert abs(values.var() * fan / 3 - 1) < 0.05


@pytest.mark.parametrize("name", RANDOM)
def test_seeds(name):
    make = getattr(initializers, name)
    first = make(seed=5)
    np.testing.assert_array_equal(first((4, 6)), first((4, 6)))
    np.testing.assert_array_equal(first((4, 6)), make(seed=5)((4, 6)))
    assert not np.array_equal(first((4, 6)), make(seed=6)((4, 6)))
    assert not np.array_equal(make()((4, 6)), make()((4, 6)))
    generator = random.SeedGenerator(5)
    growing = make(seed=generator)
    assert not np.array_equal(growing((4, 6)), growing((4, 6)))
    random.set_random_seed(8)
    one = make()((4, 6))
    random.set_random_seed(8)
    np.testing.assert_array_equal(one, make()((4, 6)))


def test_seed_generator_survives_a_file():
    initializer = initializers.RandomNormal(seed=random.SeedGenerator(3))
    config = json.loads(json.dumps(initializers.serialize(initializer)))
    np.testing.assert_array_equal(initializers.deserialize(config)((3,)), initializer((3,)))


@pytest.mark.parametrize("name", RANDOM)
def test_both_precisions_have_the_same_values(name):
    single, double = (getattr(initializers, name)(seed=9)((20, 30), dtype=d) for d in ("float32", "float64"))
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    np.testing.assert_allclose(single, double, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", [*RANDOM, "Zeros", "Ones", "Identity"])
def test_arrays_while_a_program_is_traced(name):
    with Program() as program:
        assert isinstance(getattr(initializers, name)()((3, 4)), np.ndarray)
    assert not program.instructions


@pytest.mark.parametrize("shape", [(8, 5), (5, 8), (2, 3, 4), (6, 6)])
def test_orthogonal(shape):
    values = initializers.Orthogonal(gain=2.0, seed=1)(shape).reshape(-1, shape[-1])
    gram = values.T @ values if len(values) >= shape[-1] else values @ values.T
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-5)


def test_constants():
    assert initializers.Constant(2.5)((2, 3)).tolist() == [[2.5] * 3] * 2
    assert initializers.Constant([1, 2, 3])((2, 3)).tolist() == [[1, 2, 3]] * 2
    assert initializers.Identity(3.0)((2, 3)).tolist() == [[3, 0, 0], [0, 3, 0]]
    assert initializers.Ones()((2,), dtype="int32").dtype == np.int32
    array = np.float32([[1, 2]])
    again = initializers.deserialize(json.loads(json.dumps(initializers.serialize(initializers.Constant(array)))))
    np.testing.assert_array_equal(again((1, 2)), array)
    again((1, 2))[0, 0] = 7
    assert array[0, 0] == 1


@pytest.mark.parametrize(("name", "cls"), [
    ("zeros", "Zeros"), ("zero", "Zeros"), ("one", "Ones"), ("normal", "RandomNormal"),
    ("uniform", "RandomUniform"),
    ("he_normal", "HeNormal"), ("OrthogonalInitializer", "Orthogonal"), ("IdentityInitializer", "Identity"),
    ("glorot_uniform", "GlorotUniform"), ("Constant", "Constant"),
])  # fmt: skip
def test_names(name, cls):
    assert type(initializers.get(name)) is getattr(initializers, cls)


def test_get():
    assert initializers.get(None) is None
    assert isinstance(initializers.get(initializers.HeNormal), initializers.HeNormal)
    given = np.float32([1, 2, 3])
    initializer = initializers.get(given)
    result = initializer((3,))
    result[0] = 9
    assert given[0] == 1
    with pytest.raises(ValueError, match=r"shape \(3,\), the weight \(4,\)"):
        initializer((4,))
    with pytest.raises(ValueError, match="glorot_uniform"):
        initializers.get("glorot_unifrom")


@pytest.mark.parametrize(("make", "message"), [
    (lambda: initializers.VarianceScaling(scale=0), "scale must be positive"),
    (lambda: initializers.VarianceScaling(mode="fan"), '"fan_in", "fan_out" or "fan_avg"'),
    (lambda: initializers.VarianceScaling(distribution="cauchy"), "untruncated_normal"),
    (lambda: initializers.RandomNormal(seed=1.5), "RandomNormal: seed must be an integer"),
    (lambda: initializers.Identity()((2, 2, 2)), r"received shape \(2, 2, 2\)"),
    (lambda: initializers.Orthogonal()((3,)), r"two or more axes, received \(3,\)"),
])  # fmt: skip
def test_messages(make, message):
    with pytest.raises(ValueError, match=message):
        make()
