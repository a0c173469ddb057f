"""Constraints against Keras' own numbers; configurations, names, what they guarantee."""

import json

import cases
import numpy as np
import pytest
from golden import store

import fastnn
from fastnn import constraints
from fastnn.engine.executable import Rows, executable
from fastnn.graph.program import Program

GOLDEN = store.load("constraints")
CONFIGS = json.loads((store.FOLDER / "configs.json").read_text())["configs"]
NAMES = [name for name, _ in cases.CONSTRAINTS]
ROWS = pytest.mark.parametrize(("name", "make"), cases.CONSTRAINTS, ids=NAMES)
WEIGHTS = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


@ROWS
@pytest.mark.parametrize("engine", ["arrays", "native", "reference"])
def test_values(name, make, engine):
    entry, kept = GOLDEN[name], GOLDEN[name]["input"].copy()
    if engine == "arrays":
        result = make(fastnn)(entry["input"])
    else:
        with Program() as program:
            program.outputs = [make(fastnn)(program.input(kept.shape))]
        result = np.full(kept.shape, np.nan, np.float32)
        executable(program, engine).run([Rows(entry["input"])], [result], len(kept))
    np.testing.assert_allclose(result, entry["output"], rtol=5e-6, atol=1e-7)
    np.testing.assert_array_equal(entry["input"], kept)


@ROWS
def test_configuration(name, make):
    constraint, expected = make(fastnn), CONFIGS[f"constraints/{name}"]
    assert type(constraint).__name__ == expected["class_name"]
    assert constraint.get_config() == expected["config"]
    again = constraints.deserialize(json.loads(json.dumps(constraints.serialize(constraint))))
    np.testing.assert_array_equal(again(GOLDEN[name]["input"]), constraint(GOLDEN[name]["input"]))


def test_norms():
    norms = np.linalg.norm(WEIGHTS, axis=0)
    np.testing.assert_allclose(
        np.linalg.norm(constraints.MaxNorm(1.5)(WEIGHTS), axis=0), np.minimum(norms, 1.5), rtol=1e-5
    )
    np.testing.assert_allclose(np.linalg.norm(constraints.UnitNorm()(WEIGHTS), axis=0), 1, rtol=1e-5)
    limited = np.linalg.norm(constraints.MinMaxNorm(2.0, 2.5)(WEIGHTS), axis=0)
    np.testing.assert_allclose(limited, np.clip(norms, 2, 2.5), rtol=1e-5)


def test_zero_weights_stay():
    assert not constraints.UnitNorm()(np.zeros((3, 2), np.float32)).any()


@pytest.mark.parametrize("name", ["max_norm", "non_neg", "unit_norm", "min_max_norm", "MaxNorm", "NonNeg"])
def test_names(name):
    assert isinstance(constraints.get(name), constraints.Constraint)


def test_get():
    assert constraints.get(None) is None
    assert isinstance(constraints.get(constraints.non_neg), constraints.NonNeg)
    with pytest.raises(ValueError, match="max_norm"):
        constraints.get("maxnorm")
