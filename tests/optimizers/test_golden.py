"""Every optimiser and schedule against Keras' numbers: with arrays, and as a program on both engines."""

import inspect
import json

import cases
import numpy as np
import pytest
from golden import store

import fastnn
import fastnn.optimizers
from fastnn import ops
from fastnn.engine.executable import NativeExecutable, Rows
from fastnn.engine.reference import ReferenceProgram
from fastnn.graph.program import Program
from fastnn.variable import Variable

GOLDEN = store.load("optimizers")
RATES = store.load("schedules")
KERAS = json.loads((store.FOLDER / "configs.json").read_text())
CONFIGURED = {
    **{f"optimizers/{case.name}": case.make for case in cases.OPTIMIZERS},
    **{f"schedules/{name}": make_schedule for name, make_schedule in cases.SCHEDULES},
}
CLOSE = {"rtol": 2e-5, "atol": 2e-6}  # a few float32 roundings, in another order than PyTorch's


def make(case):
    entry = GOLDEN[case.name]
    optimizer = case.make(fastnn)
    variables = [Variable(a, name=n) for a, n in zip(entry["initial"], ("kernel", "bias"), strict=True)]
    optimizer.build(variables)
    return optimizer, variables, entry


def check_step(variables, expected, step):
    for variable, array in zip(variables, expected, strict=True):
        np.testing.assert_allclose(variable.value, array, **CLOSE, err_msg=f"step {step}, {variable.name}")


def check_end(optimizer, variables, entry):
    for variable, expected in zip(optimizer.variables, entry["optimizer_variables"], strict=True):
        assert variable.path.split("/")[-1] == expected["path"].split("/")[-1]
        assert (variable.shape, variable.dtype) == (expected["value"].shape, str(expected["value"].dtype))
        np.testing.assert_allclose(variable.value, expected["value"], **CLOSE, err_msg=variable.path)
    optimizer.finalize_variable_values(variables)
    check_step(variables, entry["finalized"], "end")
    assert optimizer.scale_loss(1.0) == entry["scaled_loss"]


@pytest.mark.parametrize("case", cases.OPTIMIZERS, ids=lambda c: c.name)
def test_eager(case):
    optimizer, variables, entry = make(case)
    for step, gradients in enumerate(entry["gradients"]):
        np.testing.assert_allclose(float(optimizer.learning_rate), entry["learning_rates"][step], rtol=1e-5)
        optimizer.apply(gradients, variables)
        check_step(variables, entry["steps"][step], step)
    check_end(optimizer, variables, entry)


def train_program(optimizer, variables):
    with Program() as program:
        optimizer.apply([program.input(v.shape) for v in variables], variables)
    return program


@pytest.mark.parametrize("case", cases.OPTIMIZERS, ids=lambda c: c.name)
def test_traced(case):
    optimizer, variables, entry = make(case)
    reference = ReferenceProgram(train_program(optimizer, variables))
    for step, gradients in enumerate(entry["gradients"]):
        reference.run(gradients)
        check_step(variables, entry["steps"][step], step)
    check_end(optimizer, variables, entry)


@pytest.mark.parametrize("case", cases.OPTIMIZERS, ids=lambda c: c.name)
def test_native(case):
    optimizer, variables, entry = make(case)
    with Program() as program:
        row = program.input((1, 20))
        optimizer.apply([ops.reshape(row[0, :15], (3, 5)), row[0, 15:]], variables)
    native = NativeExecutable(program)
    rows = np.stack([np.concatenate([g.ravel() for g in step]) for step in entry["gradients"]])
    for step, expected in enumerate(entry["steps"]):
        native.run([Rows(rows)], first=step)
        check_step(variables, expected, step)
    check_end(optimizer, variables, entry)


@pytest.mark.parametrize(("name", "make_schedule"), cases.SCHEDULES)
def test_schedule(name, make_schedule):
    schedule = make_schedule(fastnn)
    with Program() as program:
        program.outputs.append(ops.convert_to_tensor(schedule(program.input(()))))
    for step, expected in zip(cases.SCHEDULE_STEPS, RATES[name]["values"], strict=True):
        np.testing.assert_allclose(float(schedule(step)), expected, rtol=1e-4, atol=1e-8)
        (traced,), _ = ReferenceProgram(program).run([np.float32(step)])
        np.testing.assert_allclose(traced, expected, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("name", CONFIGURED)
def test_config_is_keras(name):
    config = CONFIGURED[name](fastnn).get_config()
    config.pop("name")
    assert json.loads(json.dumps(config)) == KERAS["configs"][name]["config"]


def public():
    """Name in Keras and object of everything here; Keras hides the arguments of the base class."""
    modules = {"optimizers": fastnn.optimizers, "optimizers.schedules": fastnn.optimizers.schedules}
    for name in KERAS["signatures"]:
        path, _, last = name.rpartition(".")
        if path in modules and hasattr(modules[path], last) and last != "Optimizer":
            yield name, getattr(modules[path], last)


@pytest.mark.parametrize(("name", "thing"), list(public()))
def test_signature_is_keras(name, thing):
    rows = []
    for p in inspect.signature(thing).parameters.values():
        stars = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        rows.append([stars + p.name, *([] if p.default is p.empty else [p.default])])
    assert rows == KERAS["signatures"][name]
