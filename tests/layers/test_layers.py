"""Every layer against Keras' own numbers: output, gradients, five training steps, configuration."""

import inspect
import json

import cases
import functional_models
import numpy as np
import preprocessing_cases
import pytest
import sequence_cases
import spatial_cases
from golden import store

import fastnn
from fastnn import ops
from fastnn.engine.executable import Rows, executable
from fastnn.graph.gradients import gradients
from fastnn.graph.program import Program
from fastnn.naming import clear_session
from fastnn.saving import registry

GOLDEN = store.load("layers") | store.load("spatial") | store.load("sequence")
LAYERS = cases.LAYERS + spatial_cases.CASES + sequence_cases.CASES
CONFIGURED = cases.CONFIGURED_LAYERS + sequence_cases.CONFIGURED


def in_float32(text):
    """JSON with its numbers rounded to float32: Keras keeps some arguments in that precision."""
    return json.loads(text, parse_float=lambda number: float(np.float32(number)))


CONFIGS = in_float32((store.FOLDER / "configs.json").read_text())["configs"]
OWN_FILES = {f"layers/{name}": entry["configuration"] for name, entry in GOLDEN.items() if "configuration" in entry}
CONFIGS |= in_float32(json.dumps(OWN_FILES))
ROWS = pytest.mark.parametrize("case", LAYERS, ids=lambda case: case.name)


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=2e-4, atol=3e-5)


def built(case, entry):
    layer = case.make(fastnn)
    layer.build(case.shape)
    layer.set_weights(entry["weights"])
    return layer


def mode(layer, case):
    return {"training": case.training} if "training" in inspect.signature(layer.call).parameters else {}


@ROWS
@pytest.mark.parametrize("engine", ["native", "reference"])
def test_output_and_gradients(case, engine):
    entry = GOLDEN[case.name]
    layer = built(case, entry)
    x = entry["input"]
    floating = x.dtype.kind == "f"
    with Program() as program:
        symbol = program.input(x.shape, "float32" if floating else "int32")
        y = layer(symbol, **mode(layer, case))
        program.outputs = [y]
        if "cotangent" in entry:
            seed = program.input(y.shape)
            sources = [program.variable(v) for v in layer.trainable_weights] + [symbol] * floating
            program.outputs += gradients(ops.sum(y * seed), sources)
    rows = [Rows(np.ascontiguousarray(x))] + ([Rows(entry["cotangent"])] if "cotangent" in entry else [])
    outputs = [np.full(t.shape, -1, t.dtype) for t in program.outputs]
    executable(program, engine).run(rows, outputs, batch=len(x))
    close(outputs[0], entry["output"])
    expected = list(entry.get("weight_gradients", []))
    expected += [entry["input_gradient"]] if floating and "input_gradient" in entry else []
    for mine, theirs in zip(outputs[1:], expected, strict=False):
        close(mine, theirs)
    if "weights_after_call" in entry:
        for mine, theirs in zip(layer.get_weights(), entry["weights_after_call"], strict=True):
            close(mine, theirs)


@ROWS
def test_on_arrays(case):
    entry = GOLDEN[case.name]
    layer = built(case, entry)
    kept = entry["input"].copy()
    close(layer(entry["input"], **mode(layer, case)), entry["output"])
    np.testing.assert_array_equal(entry["input"], kept)
    if "added_loss" in entry:
        close(sum(layer.losses), entry["added_loss"])


@pytest.mark.parametrize("case", [c for c in LAYERS if c.train], ids=lambda case: case.name)
def test_five_training_steps(case):
    entry = GOLDEN[case.name]
    layer = case.make(fastnn)
    model = fastnn.Sequential([fastnn.Input(case.shape[1:], dtype=case.dtype), layer])
    if len(model.output_shape) > 2:
        model.add(fastnn.layers.Flatten())
    head = fastnn.layers.Dense(3)
    model.add(head)
    layer.set_weights(entry["weights"])
    head.set_weights(entry["head"])
    model.compile(fastnn.optimizers.SGD(0.05, momentum=0.9), "mse")
    losses = [model.train_on_batch(entry["input"], entry["targets"]) for _ in range(cases.STEPS)]
    close(losses, entry["losses"])
    for mine, theirs in zip(model.get_weights(), entry["trained_weights"], strict=True):
        close(mine, theirs)


ALL_CONFIGURED = [(c.name, c.make) for c in LAYERS] + list(CONFIGURED)
LOWER_PRECISION = {"dense_float16", "dense_mixed"}


@pytest.mark.parametrize("name, make", [row for row in ALL_CONFIGURED if row[0] not in LOWER_PRECISION])
def test_config_equals_keras(name, make):
    expected = CONFIGS[f"layers/{name}"]
    clear_session()
    layer = make(fastnn)
    mine = in_float32(json.dumps(fastnn.saving.serialize_keras_object(layer)))
    assert registry.table("layer")[expected["class_name"]] is type(layer)  # Keras exports some under another name
    mine["config"].pop("name")
    assert mine["config"] == expected["config"]
    again = type(layer).from_config(layer.get_config())
    assert json.dumps(again.get_config()) == json.dumps(layer.get_config())


@pytest.mark.parametrize("name, make", [row for row in ALL_CONFIGURED if row[0] in LOWER_PRECISION])
def test_lower_precision_is_refused(name, make):
    with pytest.raises(ValueError, match="lower precision"):
        make(fastnn)


def test_every_layer_has_a_case():
    used = {type(case.make(fastnn)).__name__ for case in LAYERS}
    used |= {type(make(fastnn)).__name__ for name, make in CONFIGURED if name not in LOWER_PRECISION}
    used |= {type(row.make(fastnn)).__name__ for row in preprocessing_cases.ROWS}
    used |= {"StringLookup", "IntegerLookup", "TextVectorization"}  # test_lookup.py: they take texts
    used |= {"MaxNumBoundingBoxes"}  # test_image_mixing.py: the configuration of Keras forgets the fill_value
    used |= {type(layer).__name__ for build in functional_models.MODELS.values() for layer in build(fastnn).layers}
    exported = [getattr(fastnn.layers, name) for name in fastnn.layers.__all__]
    exported = {v.__name__ for v in exported if inspect.isclass(v) and issubclass(v, fastnn.layers.Layer)}
    assert exported - used <= {"Layer", "Lambda"}


def test_relu_with_a_threshold_gives_keras_zeros():
    """0.0 up to the threshold and for NaN, not -0.0; numbers from Keras."""
    x = np.array([-np.inf, -1.0, -0.0, 0.0, 1.0, 1.5, 3.0, np.nan], np.float32)
    y = fastnn.layers.ReLU(threshold=1.0)(x)
    np.testing.assert_array_equal(y, np.array([0, 0, 0, 0, 0, 1.5, 3, 0], np.float32))
    assert not np.signbit(y).any()
    capped = fastnn.layers.ReLU(max_value=2.0, negative_slope=0.5, threshold=1.0)(x[1:-1])
    np.testing.assert_array_equal(capped, np.array([-1, -0.5, -0.5, 0, 1.5, 2], np.float32))
