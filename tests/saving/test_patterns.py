"""Patterns from files match what `re` matches, in a time that no pattern can stretch."""

import copy
import pickle
import re
import time

import numpy as np
import pytest

import fastnn as keras
from fastnn.optimizers import SGD, Adam, MultiOptimizer, Muon, OptimizerMap
from fastnn.saving import ModelFormatError, patterns

CHARACTERS = ("a", "b", "/", ".", "[ab]", "[^a]", r"\d", r"\w", r"\.", "[^\\]a]", "[]b]", "é")
REPEATS = ("", "", "", "*", "+", "?", "*?", "{2}", "{1,2}", "{,2}", "{1,}", "{,}")


def random_pattern(draw, depth=3):
    parts = []
    for _ in range(draw.integers(0, 4)):
        if depth and draw.random() < 0.3:
            parts.append(f"({draw.choice(['', '?:'])}{random_pattern(draw, depth - 1)}){draw.choice(['', '?'])}")
        elif draw.random() < 0.1:
            parts.append(draw.choice(["^", "$"]))
        else:
            parts.append(draw.choice(CHARACTERS) + draw.choice(REPEATS))
    alternative = f"|{random_pattern(draw, depth - 1)}" if depth and draw.random() < 0.2 else ""
    return "".join(parts) + alternative


@pytest.mark.parametrize("seed", range(4))
def test_the_answers_are_those_of_re(seed):
    draw, matched = np.random.default_rng(seed), 0
    for _ in range(500):
        pattern = random_pattern(draw)
        (found,) = patterns.from_file([pattern], "test")
        for _ in range(8):
            text = "".join(draw.choice(list("aab/.1é\n"), draw.integers(0, 9)))
            expected = bool(re.fullmatch(pattern, text)), bool(re.search(pattern, text))
            assert (found.fullmatch(text), found.search(text)) == expected, (pattern, text)
            matched += expected[0]
    assert matched > 300


@pytest.mark.parametrize(
    "pattern",
    [
        "(a*)*b", "(a|a)*b", "(a|b)+", "(a?){20}b", "(ab){2}", "((a*)?)*", "a**", "a*+", "a++", "(?>a)", "(?=a)",
        "(?!a)", "(?P<x>a)", r"(a)\1", r"\ba", "a{21}", "a{3,2}", "{2}", "{}", "a{}", "*a", "(", ")", "[", "[b-a]",
        "\\", "(?i)a", "^*", "(" * 21 + ")" * 21, "a" * 1001, 3, None,
    ],
)  # fmt: skip
def test_other_patterns_are_refused(pattern):
    with pytest.raises(ModelFormatError, match="test: "):
        patterns.from_file([pattern], "test")


def test_many_patterns_are_refused():
    with pytest.raises(ModelFormatError, match="1200 characters in a file; at most 1000"):
        patterns.from_file(["a" * 12] * 100, "test")


@pytest.mark.parametrize("pattern", [".*" * 499 + "b", "a?" * 400 + "a" * 200, "(a|a)" * 200, "a{20}" * 200])
def test_the_worst_patterns_take_little_time(pattern):
    (found,) = patterns.from_file([pattern], "test")
    start = time.process_time()
    for _ in range(10):
        assert not found.fullmatch("a" * 1000)
    assert time.process_time() - start < 1


def test_patterns_of_the_users_own_are_those_of_re():
    assert patterns.fullmatch("(ab)*(?!c)", "abab") and patterns.search(r"\bb", "a b")
    with pytest.raises(re.error):
        patterns.fullmatch("(", "a")


def test_they_are_copied_as_strings():
    (found,) = patterns.from_file(["a.*"], "test")
    for other in (copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert other == "a.*" and other.fullmatch("abc") and not other.fullmatch("b")


def model_with(optimizer):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, name="first"), keras.layers.Dense(2)], name="m")
    model.compile(optimizer, "mse")
    model.fit(np.ones((4, 3), np.float32), np.ones((4, 2), np.float32), verbose=0)
    return model


def test_a_model_comes_back_with_its_patterns(tmp_path):
    path = tmp_path / "m.keras"
    for optimizer in (
        MultiOptimizer(OptimizerMap(Adam(), {"(.*/)?first/(kernel|bias)": SGD()})),
        Muon(exclude_layers=["first", r"\d$"]),
    ):
        model_with(optimizer).save(path)
        loaded = keras.saving.load_model(path)
        assert len(loaded.optimizer.variables) == len(optimizer.variables)
        for a, b in zip(loaded.optimizer.variables, optimizer.variables, strict=True):
            np.testing.assert_array_equal(a, b)
        loaded.save(path)


@pytest.mark.parametrize(
    "optimizer",
    [lambda: MultiOptimizer(OptimizerMap(Adam(), {"(a|a)*b": SGD()})), lambda: Muon(exclude_layers=["(?!a)"])],
)
def test_what_cannot_be_read_is_not_written(optimizer, tmp_path):
    model = model_with(optimizer())  # trains
    with pytest.raises(ValueError, match=r"the pattern '.*' cannot be kept in a file"):
        model.save(tmp_path / "m.keras")
    model.save(tmp_path / "m.keras", include_optimizer=False)
