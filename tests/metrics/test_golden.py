"""Every metric against Keras' own numbers after each of several batches, on arrays and by each engine."""

import inspect
import json
import warnings

import cases
import numpy as np
import pytest
from golden import store

import fastnn
from fastnn import metrics
from fastnn.engine.executable import Rows, executable
from fastnn.graph.program import Program

GOLDEN = store.load("metrics")
KERAS = json.loads((store.FOLDER / "configs.json").read_text())
ROWS = pytest.mark.parametrize("case", cases.METRICS, ids=lambda case: case.name)


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=5e-6, atol=1e-6)


def arrays_of(update):
    return {key: update[key] for key in ("y_true", "y_pred", "sample_weight") if key in update}


def feed(metric, update, engine):
    """One batch: on arrays, or by a program."""
    arrays = list(arrays_of(update).values())
    weighted = "sample_weight" in update
    if engine == "arrays":
        metric.update_state(*arrays[: len(arrays) - weighted], sample_weight=arrays[-1] if weighted else None)
        return
    with Program() as program:
        tensors = [program.input(a.shape, str(a.dtype)) for a in arrays]
        metric.update_state(*tensors[: len(tensors) - weighted], sample_weight=tensors[-1] if weighted else None)
    executable(program, engine).run([Rows(np.ascontiguousarray(a)) for a in arrays], batch=len(arrays[0]))


def result_of_program(metric, engine):
    with Program() as program:
        program.outputs = [program.tensor(metric.result())]
    outputs = [np.full(program.outputs[0].shape, np.nan, np.float32)]
    executable(program, engine).run([], outputs)
    return outputs[0]


@ROWS
@pytest.mark.parametrize("engine", ["arrays", "native", "reference"])
@pytest.mark.filterwarnings("ignore:.*float weights are cut", "ignore:.*too few to adjust")
def test_batches(case, engine):
    entry, metric = GOLDEN[case.name], case.make(fastnn)
    for update in entry["updates"]:
        kept = {key: array.copy() for key, array in arrays_of(update).items()}
        feed(metric, update, engine)
        result = metric.result()
        close(result, update["result"])
        assert np.shape(result) == update["result"].shape
        assert isinstance(result, np.generic if np.shape(result) == () else np.ndarray)
        for key, array in kept.items():
            np.testing.assert_array_equal(update[key], array)
    if engine != "arrays":
        close(result_of_program(metric, engine), entry["updates"][-1]["result"])
    metric.reset_state()
    assert all(not v.value.any() for v in metric.variables)
    close(metric.result(), entry["result_after_reset"])
    feed(metric, entry["updates"][0], "arrays")
    close(metric.result(), entry["updates"][0]["result"])


@ROWS
@pytest.mark.filterwarnings("ignore:.*float weights are cut")
def test_configuration(case):
    metric, expected = case.make(fastnn), KERAS["configs"][f"metrics/{case.name}"]
    config = json.loads(json.dumps(metric.get_config()))
    theirs = dict(expected["config"])
    if isinstance(theirs.get("label_weights"), dict):  # a list is enough for us
        theirs["label_weights"] = theirs["label_weights"]["config"]["value"]
    axis = {"axis"} if expected["class_name"] == "CosineSimilarity" else set()  # which Keras forgets
    assert type(metric).__name__ == expected["class_name"]
    assert {k: v for k, v in config.items() if k != "name" and k not in axis} == theirs
    again = metrics.deserialize(json.loads(json.dumps(metrics.serialize(metric))))
    assert json.loads(json.dumps(again.get_config())) == config
    update = GOLDEN[case.name]["updates"][0]
    feed(again, update, "arrays")
    close(again.result(), update["result"])


@ROWS
def test_name(case):
    given = GOLDEN[case.name]["name"].rstrip("0123456789").rstrip("_")
    assert case.make(fastnn).name.startswith(given)


KERAS_METRICS = sorted(name.split(".")[1] for name in KERAS["signatures"] if name.startswith("metrics."))


@pytest.mark.parametrize("name", KERAS_METRICS)
def test_signature(name):
    ours = inspect.signature(getattr(metrics, name)).parameters.values()
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    ours = [[stars.get(p.kind, "") + p.name, *([] if p.default is p.empty else [p.default])] for p in ours]
    assert json.loads(json.dumps(ours)) == json.loads(json.dumps(KERAS["signatures"][f"metrics.{name}"]))


@pytest.mark.parametrize("case", cases.METRICS[:72:2], ids=lambda case: case.name)
def test_two_batches_in_one_program(case):
    """A second update reads what the first assigned."""
    entry, metric = GOLDEN[case.name], case.make(fastnn)
    with Program() as program, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = []
        for update in entry["updates"][:2]:
            arrays = arrays_of(update)
            rows += [Rows(np.ascontiguousarray(a)) for a in arrays.values()]
            metric.update_state(*(program.input(a.shape, str(a.dtype)) for a in arrays.values()))
    executable(program, "native").run(rows, batch=len(rows[0].array))
    close(metric.result(), entry["updates"][1]["result"])
