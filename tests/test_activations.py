"""Every activation against Keras' own numbers, with gradients; names, lists, signatures."""

import inspect
import json

import cases
import numpy as np
import pytest
from golden import store

import fastnn
from fastnn import activations, ops
from fastnn.engine.executable import Rows, executable
from fastnn.graph.gradients import gradients
from fastnn.graph.program import Program

GOLDEN = store.load("activations")
KERAS = json.loads((store.FOLDER / "configs.json").read_text())["signatures"]
CALLS = pytest.mark.parametrize(
    ("name", "call"), cases.ACTIVATION_CALLS, ids=[name for name, _ in cases.ACTIVATION_CALLS]
)
NAMES = sorted(name.split(".")[1] for name in KERAS if name.startswith("activations."))
TABLE = ("get", "serialize", "deserialize")


def close(actual, expected, name):
    atol = 1e-5 if name == "squareplus" else 2e-6  # the small difference of two numbers near 105
    np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=atol)


@CALLS
def test_arrays(name, call):
    grid = cases.ACTIVATION_GRID.copy()
    close(call(fastnn, grid), GOLDEN[name]["output"], name)
    np.testing.assert_array_equal(grid, cases.ACTIVATION_GRID)


@CALLS
@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.filterwarnings("ignore:invalid value")  # exp(10000) in the sum
def test_programs(name, call, engine):
    entry, grid = GOLDEN[name], cases.ACTIVATION_GRID
    with Program() as program:
        x, cotangent = program.input(grid.shape), program.input(entry["cotangent"].shape)
        y = call(fastnn, x)
        program.outputs = [y, *gradients(ops.sum(y * cotangent), [x])]
    outputs = [np.full(t.shape, np.nan, np.float32) for t in program.outputs]
    executable(program, engine).run([Rows(grid), Rows(entry["cotangent"])], outputs, len(grid))
    close(outputs[0], entry["output"], name)
    if name != "sparsemax":  # its gradient at the kink differs between the backends of Keras
        close(outputs[1], entry["gradient"], name)


@pytest.mark.parametrize("name", NAMES)
def test_signature(name):
    ours = inspect.signature(getattr(activations, name)).parameters.values()
    assert [[p.name] if p.default is p.empty else [p.name, p.default] for p in ours] == KERAS[f"activations.{name}"]


@pytest.mark.parametrize("name", [n for n in NAMES if n not in TABLE])
def test_get_and_serialize(name):
    function = getattr(activations, name)
    assert activations.get(name) is function
    assert activations.get(function) is function
    assert activations.deserialize(activations.serialize(function)) is function


def test_none_is_linear():
    assert activations.get(None) is activations.linear


def test_unknown_name():
    with pytest.raises(ValueError, match="relu"):
        activations.get("rellu")


def test_lists_and_integers():
    assert activations.leaky_relu([-10, -5, 0.0, 5], negative_slope=0.5).tolist() == [-5, -2.5, 0, 5]
    assert activations.hard_tanh([-3, 0, 7]).tolist() == [-1, 0, 1]


def test_one_sparse_row():
    """With a single element in the support, the nearest point of the simplex is a corner."""
    assert activations.sparsemax(np.float32([[0.1, 3, 1.5]])).tolist() == [[0, 1, 0]]


def test_sparsemax_of_long_rows_needs_no_table():
    """Of n elements, n * n numbers would be 40 GB here; with one element in the support, the result is known."""
    x = np.zeros((1, 100_000), np.float32)
    x[0, 70_000] = 3
    y = activations.sparsemax(x)
    assert (y[0, 70_000], y.sum()) == (1, 1)
