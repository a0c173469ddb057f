"""Regularizers against Keras' own numbers, with gradients; configurations, names, messages."""

import json

import cases
import numpy as np
import pytest
from golden import store

import fastnn
from fastnn import ops, regularizers
from fastnn.engine.executable import Rows, executable
from fastnn.graph.gradients import gradients
from fastnn.graph.program import Program
from fastnn.variable import Variable

GOLDEN = store.load("regularizers")
CONFIGS = json.loads((store.FOLDER / "configs.json").read_text())["configs"]
NAMES = [name for name, _ in cases.REGULARIZERS]
ROWS = pytest.mark.parametrize(("name", "make"), cases.REGULARIZERS, ids=NAMES)


@ROWS
@pytest.mark.parametrize("engine", ["native", "reference"])
def test_value_and_gradient(name, make, engine):
    entry = GOLDEN[name]
    np.testing.assert_allclose(make(fastnn)(entry["input"]), entry["value"], rtol=2e-6, atol=1e-8)
    with Program() as program:
        x = program.input(entry["input"].shape)
        value = program.tensor(make(fastnn)(x) + 0.0 * ops.sum(x))  # L1L2() is a plain 0.0
        program.outputs = [value, *gradients(value, [x])]
    outputs = [np.full(t.shape, np.nan, np.float32) for t in program.outputs]
    executable(program, engine).run([Rows(entry["input"])], outputs, len(entry["input"]))
    np.testing.assert_allclose(outputs[0], entry["value"], rtol=5e-6, atol=1e-8)
    np.testing.assert_allclose(outputs[1], entry["gradient"], rtol=5e-6, atol=1e-7)


@ROWS
def test_configuration(name, make):
    regularizer, expected = make(fastnn), CONFIGS[f"regularizers/{name}"]
    assert type(regularizer).__name__ == expected["class_name"]
    assert regularizer.get_config() == pytest.approx(expected["config"])
    again = regularizers.deserialize(json.loads(json.dumps(regularizers.serialize(regularizer))))
    assert type(again) is type(regularizer)
    assert again.get_config() == regularizer.get_config()


def test_variables():
    assert regularizers.L2(0.5)(Variable(np.float32([[1, 2], [0, 1]]))) == 3.0


def test_rows_of_zeros_have_a_gradient():
    with Program() as program:
        x = program.input((2, 3))
        program.outputs = gradients(regularizers.OrthogonalRegularizer()(x), [x])
    outputs = [np.full((2, 3), np.nan, np.float32)]
    executable(program, "reference").run([Rows(np.zeros((2, 3), np.float32))], outputs, 2)
    assert np.all(np.isfinite(outputs[0]))


@pytest.mark.parametrize(("name", "cls"), [("l1", "L1"), ("L2", "L2"), ("l1l2", "L1L2"), ("l1_l2", "L1L2"),
                                       ("orthogonal_regularizer", "OrthogonalRegularizer")])  # fmt: skip
def test_names(name, cls):
    assert type(regularizers.get(name)) is getattr(regularizers, cls)


def test_get():
    assert regularizers.get(None) is None
    assert isinstance(regularizers.get(regularizers.l2), regularizers.L2)
    with pytest.raises(ValueError, match="Unknown regularizer 'l3'"):
        regularizers.get("l3")


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "0.1", True])
def test_factors_are_checked(value):
    with pytest.raises(ValueError, match="L2: l2 must be a non-negative number"):
        regularizers.L2(value)


def test_orthogonal_messages():
    with pytest.raises(ValueError, match='"rows" or "columns"'):
        regularizers.OrthogonalRegularizer(mode="diagonal")
    with pytest.raises(ValueError, match=r"matrix, received shape \(2, 3, 4\)"):
        regularizers.OrthogonalRegularizer()(np.ones((2, 3, 4)))


def test_missing_configuration():
    with pytest.raises(NotImplementedError, match="needs get_config"):
        regularizers.Regularizer().get_config()


def test_orthogonal_regularizer_of_a_single_row_is_zero():
    """There is no pair of rows, and Keras divides 0 by 0."""
    assert float(regularizers.OrthogonalRegularizer()(np.ones((1, 3), np.float32))) == 0
    assert float(regularizers.OrthogonalRegularizer(mode="columns")(np.ones((3, 1), np.float32))) == 0
