"""Small models against Keras' own numbers: predictions, evaluation, optimisers, fit with all its options."""

import cases
import numpy as np
import pytest
from golden import store

import fastnn

GOLDEN = store.load("models")
MODELS = pytest.mark.parametrize("case", cases.MODELS, ids=lambda case: case.name)


def compiled(case, weights, optimizer="sgd", **options):
    model = fastnn.Sequential([fastnn.Input(case.shape[1:]), *case.layers(fastnn)])
    model.set_weights(weights)
    loss = case.loss if isinstance(case.loss, str) else case.loss(fastnn)
    optimizer = optimizer if isinstance(optimizer, str) else optimizer(fastnn)
    model.compile(optimizer, loss, metrics=list(case.metrics), **options)
    return model


def close(actual, expected, tolerance=3e-4):
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance / 5)


@MODELS
@pytest.mark.parametrize("engine", ["native", "reference"])
def test_predict_and_evaluate(case, engine):
    entry = GOLDEN[case.name]
    model = compiled(case, entry["weights"], engine=engine)
    for batch_size in (None, 1, 4):
        close(model.predict(entry["x"], batch_size=batch_size, verbose=0), entry["prediction"])
    close(model(entry["x"]), entry["prediction"])
    close(model.predict_on_batch(entry["x"]), entry["prediction"])
    results = model.evaluate(entry["x"], entry["y"], batch_size=4, verbose=0, return_dict=True)
    assert set(results) == set(entry["evaluation"])
    for name, value in entry["evaluation"].items():
        close(results[name], value)


@MODELS
@pytest.mark.parametrize("name, optimizer", cases.MODEL_OPTIMIZERS)
def test_train_on_batch(case, name, optimizer):
    entry = GOLDEN[case.name]
    expected = entry["steps"][name]
    model = compiled(case, entry["weights"], optimizer)
    logs = [model.train_on_batch(entry["x"], entry["y"], return_dict=True) for _ in range(cases.STEPS)]
    for key, column in expected["logs"].items():
        close([log[key] for log in logs], column, 2e-3)
    for mine, theirs in zip(model.get_weights(), expected["trained_weights"], strict=True):
        close(mine, theirs, 2e-3)


def given_to_fit(options, entry):
    options = dict(options)
    half = len(entry["x"]) // 2
    if options.get("validation_data") == "half":
        options["validation_data"] = (entry["x"][half:], entry["y"][half:])
    if options.get("sample_weight") == "rows":
        options["sample_weight"] = entry["row_weights"]
    return options


@MODELS
@pytest.mark.parametrize("name, options", cases.FITS)
def test_fit(case, name, options):
    entry = GOLDEN[case.name]
    if name not in entry["fits"]:
        pytest.skip("class weights need labels")
    expected = entry["fits"][name]
    model = compiled(case, entry["weights"], lambda k: k.optimizers.Adam(cases.FIT_RATE))
    options = given_to_fit(options, entry)
    history = model.fit(entry["x"], entry["y"], shuffle=False, epochs=cases.FIT_EPOCHS, verbose=0, **options)
    assert list(history.history) == list(expected["history"])
    for key, column in expected["history"].items():
        close(history.history[key], column, 3e-3)
    for mine, theirs in zip(model.get_weights(), expected["trained_weights"], strict=True):
        close(mine, theirs, 3e-3)
