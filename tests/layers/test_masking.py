"""Masks: made, passed on, used and dropped as Keras does, in models, losses, metrics and calls on arrays."""

import contextlib
import warnings

import cases
import masking_cases
import numpy as np
import pytest
from golden import store

import fastnn
from fastnn import ops
from fastnn.graph.masks import mask_of

GOLDEN = store.load("masking")
L = fastnn.layers
MODELS = pytest.mark.parametrize("case", masking_cases.MODELS, ids=lambda case: case.name)


def expected_warning(case):
    if case.warns:
        return pytest.warns(UserWarning, match=case.warns)
    silent = contextlib.ExitStack()
    silent.enter_context(warnings.catch_warnings())
    warnings.simplefilter("error")
    return silent


def close(mine, theirs, tolerance=2e-4):
    np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance / 10)


def ready(case, engine="native"):
    """(model with Keras' weights, inputs, targets, further arguments, Keras' answers)."""
    entry, (x, y, sample_weight) = GOLDEN[case.name], case.data()
    model = case.compiled(fastnn, engine=engine)
    model.set_weights(entry["weights"])
    return model, x if len(x) > 1 else x[0], y, {} if sample_weight is None else {"sample_weight": sample_weight}, entry


@MODELS
@pytest.mark.parametrize("engine", ["native", "reference"])
def test_predict_and_evaluate(case, engine):
    with expected_warning(case):
        model, x, y, options, entry = ready(case, engine)
        close(model.predict(x, verbose=0), entry["prediction"])
        results = model.evaluate(x, y, verbose=0, return_dict=True, **options)
    assert set(results) == set(entry["evaluation"])
    for name, value in entry["evaluation"].items():
        close(results[name], value)


@MODELS
@pytest.mark.filterwarnings("ignore:.*mask")
def test_gradients_and_training(case):
    model, x, y, options, entry = ready(case)
    found = model.gradients(x, y, **options)
    for mine, theirs in zip(found.values(), entry["gradients"], strict=True):
        close(mine, theirs)
    logs = [model.train_on_batch(x, y, return_dict=True, **options) for _ in range(cases.STEPS)]
    close([log["loss"] for log in logs], entry["losses"], 2e-3)
    for mine, theirs in zip(model.get_weights(), entry["trained_weights"], strict=True):
        close(mine, theirs, 2e-3)


def test_metrics_see_the_mask_in_training_too():
    case = next(case for case in masking_cases.MODELS if case.name == "weighted")
    model, x, y, options, _ = ready(case)
    expected = model.evaluate(x, y, verbose=0, return_dict=True, **options)
    model.optimizer.learning_rate = 0.0
    close(list(model.train_on_batch(x, y, return_dict=True, **options).values()), list(expected.values()))


def test_calls_on_arrays_pass_masks_on_too():
    words = np.int32([[1, 2, 0, 0], [3, 1, 2, 0]])
    x = L.Embedding(7, 3, mask_zero=True)(words)
    np.testing.assert_array_equal(mask_of(x), words != 0)
    y = L.Dense(2)(x)
    np.testing.assert_array_equal(mask_of(y), words != 0)
    pooled = L.GlobalAveragePooling1D()(y)
    np.testing.assert_allclose(pooled[0], y[0, :2].mean(0), rtol=1e-6)
    assert mask_of(pooled) is None
    loss = fastnn.losses.MeanAbsoluteError()(np.zeros_like(y), y)
    np.testing.assert_allclose(loss, np.abs(y)[words != 0].mean(), rtol=1e-6)


def test_a_mask_goes_with_its_array():
    x = L.Masking()(np.ones((2, 3, 1), np.float32))
    mask, key = mask_of(x), id(x)
    assert mask.all()
    assert mask_of(x.copy()) is None
    del x
    from fastnn.graph import masks

    assert key not in masks._of_arrays


def test_a_mask_given_to_a_model_leaves_the_array_alone():
    model = fastnn.Sequential([fastnn.Input((3, 2)), L.Dense(2), L.GlobalAveragePooling1D()])
    x = np.random.default_rng(0).standard_normal((2, 3, 2)).astype(np.float32)
    mask = np.array([[True, True, False], [True, False, False]])
    np.testing.assert_allclose(model(x, mask=mask)[0], model.layers[0](x)[0, :2].mean(0), rtol=1e-6)
    assert mask_of(x) is None
    functional = fastnn.Model(model.input, model.output)
    np.testing.assert_array_equal(functional(x, mask=mask), model(x, mask=mask))


def test_softmax_leaves_masked_elements_out():
    x = np.float32([[1, 2, 3], [4, 5, 6]])
    mask = np.array([[True, True, False], [False, False, False]])
    y = L.Softmax()(x, mask=mask)
    np.testing.assert_allclose(y[0], [*np.exp([1, 2]) / np.exp([1, 2]).sum(), 0], rtol=1e-6)
    np.testing.assert_array_equal(y[1], 0)
    with pytest.raises(ValueError, match="does not broadcast"):
        L.Softmax()(x, mask=mask[:, :2])


def test_masks_of_wrong_shapes_are_refused():
    x = np.ones((2, 3, 4), np.float32)
    with pytest.raises(ValueError, match="all axes but the last"):
        L.BatchNormalization()(x, mask=np.ones((2, 3, 4), bool), training=True)
    with pytest.raises(ValueError, match="does not begin with"):
        L.TimeDistributed(L.LSTM(2))(np.ones((2, 3, 4, 5), np.float32), mask=np.ones((2, 4), bool))
    model = fastnn.Sequential([fastnn.Input((3,), dtype="int32"), L.Embedding(4, 2, mask_zero=True), L.Dense(1)])
    model.compile(loss="mse")
    with pytest.raises(ValueError, match=r"one a sample with shape \(2, 1\)"):
        model.train_on_batch(np.ones((2, 3), np.int32), np.ones((2, 3, 1)), sample_weight=np.ones(2))


def test_which_layers_pass_masks_on():
    """As Keras 3.15: those below, and all that define compute_mask."""
    kept = [
        L.Dense(2), L.Dropout(0.1), L.SpatialDropout1D(0.1), L.Activation("relu"), L.LayerNormalization(),
        L.BatchNormalization(), L.Add(), L.Embedding(2, 2), L.Masking(), L.Attention(), L.MultiHeadAttention(1, 1),
        L.LSTM(2), L.Normalization(), L.Rescaling(1.0), L.Dot(1), L.Lambda(ops.relu, mask=lambda x, m: m),
    ]  # fmt: skip
    dropped = [L.Conv1D(2, 2), L.Flatten(), L.RMSNormalization(), L.EinsumDense("ab,bc->ac", 2), L.Lambda(ops.relu)]
    assert [layer.supports_masking for layer in kept + dropped] == [True] * len(kept) + [False] * len(dropped)


def test_a_file_of_keras_says_where_the_mask_comes_from():
    """The comparison is an operation of its own there, and an argument of the layer."""
    model = fastnn.saving.load_model(store.FOLDER / "files" / "masked.keras")
    x, _, _ = next(case for case in masking_cases.MODELS if case.name == "lstm").data()
    close(model.predict(x[0], verbose=0), GOLDEN["file"]["prediction"])


def test_a_mask_as_an_argument_is_saved(tmp_path):
    words = fastnn.Input((4,), dtype="int32", name="words")
    x = L.Embedding(6, 3, name="embedding")(words)
    mask = ops.not_equal(words, 0)
    model = fastnn.Model(words, L.LSTM(2, name="lstm")(x, mask=mask))
    model.save(tmp_path / "m.keras")
    again = fastnn.saving.load_model(tmp_path / "m.keras")
    rows = np.int32([[1, 2, 0, 0], [1, 2, 3, 4]])
    np.testing.assert_array_equal(again.predict(rows, verbose=0), model.predict(rows, verbose=0))
    implicit = fastnn.Sequential([fastnn.Input((4,), dtype="int32"), L.Embedding(6, 3, mask_zero=True), L.LSTM(2)])
    implicit.set_weights(model.get_weights())
    np.testing.assert_allclose(again.predict(rows, verbose=0), implicit.predict(rows, verbose=0), rtol=1e-6)
