"""Every loss against Keras' own numbers, eagerly and as a program; shapes, weights, masks, messages."""

import inspect
import json
import warnings

import cases
import numpy as np
import pytest
from golden import store

import fastnn
from fastnn import losses, ops
from fastnn.engine.executable import Rows, executable
from fastnn.graph.gradients import gradients
from fastnn.graph.program import Program

GOLDEN = store.load("losses")
KERAS = json.loads((store.FOLDER / "configs.json").read_text())
ROWS = pytest.mark.parametrize("case", cases.LOSSES, ids=lambda case: case.name)
# Arguments that get_config() of Keras forgets, so that a loaded loss computes something else
FORGOTTEN = {"Huber": {"delta"}, "CosineSimilarity": {"axis"}, "SparseCategoricalCrossentropy": {"axis"}}


def close(actual, expected, rtol=1e-5):
    largest = np.max(np.abs(expected), initial=1e-6)
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=rtol * largest)


def inputs_of(entry):
    return [entry[key] for key in ("y_true", "y_pred", "sample_weight") if key in entry]


def traced(loss, arrays, engine):
    """Value and gradient of a loss, computed by an engine."""
    with Program() as program:
        tensors = [program.input(a.shape, str(a.dtype)) for a in arrays]
        value = loss(*tensors)
        program.outputs = [value, *gradients(ops.sum(value), [tensors[1]])]
    outputs = [np.full(t.shape, np.nan, np.float32) for t in program.outputs]
    executable(program, engine).run([Rows(np.ascontiguousarray(a)) for a in arrays], outputs, len(arrays[0]))
    return outputs


@ROWS
def test_value_of_arrays(case):
    arrays = inputs_of(GOLDEN[case.name])
    kept = [a.copy() for a in arrays]
    close(case.make(fastnn)(*arrays), GOLDEN[case.name]["value"])
    for array, before in zip(arrays, kept, strict=True):
        np.testing.assert_array_equal(array, before)


@ROWS
@pytest.mark.parametrize("engine", ["native", "reference"])
def test_value_and_gradient(case, engine):
    entry = GOLDEN[case.name]
    value, gradient = traced(case.make(fastnn), inputs_of(entry), engine)
    close(value, entry["value"], 3e-5)
    close(gradient, entry["gradient"], 3e-5)


@ROWS
def test_configuration(case):
    loss, expected = case.make(fastnn), KERAS["configs"][f"losses/{case.name}"]
    config = json.loads(json.dumps(loss.get_config()))
    assert type(loss).__name__ == expected["class_name"]
    forgotten = FORGOTTEN.get(expected["class_name"], set())
    assert {k: v for k, v in config.items() if k != "name" and k not in forgotten} == expected["config"]
    again = losses.deserialize(json.loads(json.dumps(losses.serialize(loss))))
    assert type(again) is type(loss)
    assert json.loads(json.dumps(again.get_config())) == config
    arrays = inputs_of(GOLDEN[case.name])
    np.testing.assert_array_equal(again(*arrays), loss(*arrays))


KERAS_LOSSES = sorted(name.split(".")[1] for name in KERAS["signatures"] if name.startswith("losses."))


@pytest.mark.parametrize("name", KERAS_LOSSES)
def test_signature(name):
    ours = inspect.signature(getattr(losses, name)).parameters.values()
    ours = [[p.name] if p.default is p.empty else [p.name, p.default] for p in ours]
    assert ours == KERAS["signatures"][f"losses.{name}"]


@pytest.mark.parametrize("name", sorted({case.make(fastnn).fn.__name__ for case in cases.LOSSES} | {"ctc"}))
def test_get_by_name(name):
    assert losses.get(name) is getattr(losses, name)
    assert losses.serialize(losses.get(name)) == name


def test_get():
    assert losses.get(None) is None
    assert losses.get("mse") is losses.get("MSE") is losses.mean_squared_error
    assert isinstance(losses.get("MeanSquaredError"), losses.MeanSquaredError)
    assert isinstance(losses.get(losses.Huber), losses.Huber)
    loss = losses.Huber(3.0)
    assert losses.get(loss) is loss
    assert losses.get({"class_name": "Huber", "config": {"delta": 2.0}, "module": "keras.losses"}).delta == 2.0
    with pytest.raises(ValueError, match="mean_squared_error"):
        losses.get("mean_squared_eror")


def test_function_wrapper_survives_a_file():
    loss = losses.LossFunctionWrapper(losses.huber, name="mine", delta=0.25)
    again = losses.deserialize(json.loads(json.dumps(losses.serialize(loss))))
    assert again.get_config() == loss.get_config()
    assert again([0.0], [3.0]) == loss([0.0], [3.0])


class Cubic(losses.Loss):
    def call(self, y_true, y_pred):
        return ops.mean(ops.power(ops.absolute(y_true - y_pred), 3), axis=-1)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_a_loss_of_ones_own(engine):
    x, y = np.float32([[1, 2], [3, 4]]), np.float32([[1, 0], [3, 5]])
    value, gradient = traced(Cubic(), [x, y], engine)
    close(value, 9 / 4)
    close(gradient, np.float32([[0, -3], [0, 0.75]]))
    assert Cubic().name.startswith("cubic")


def test_lists_and_integers_are_accepted():
    assert losses.MeanSquaredError()([1, 2], [2.0, 4.0]) == 2.5
    assert losses.mean_squared_error(np.array([[1, 2]]), np.array([[2, 4]])) == np.float32([2.5])


# targets and outputs that do not fit


@pytest.mark.parametrize(
    "name",
    ["mean_squared_error", "mean_absolute_error", "huber", "binary_crossentropy", "log_cosh", "poisson"],
)
def test_broadcast_targets_are_warned_of(name):
    targets, outputs = np.full((4, 1), 0.5, np.float32), np.full((4, 3), 0.25, np.float32)
    with pytest.warns(UserWarning, match=rf"{name}: .*\(4, 1\).*\(4, 3\)"):
        getattr(losses, name)(targets, outputs)


def test_fitting_targets_are_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert losses.MeanSquaredError()(np.zeros(4), np.ones((4, 1))) == 1
        assert losses.BinaryCrossentropy()(np.ones(4), np.ones((4, 1))) < 1e-6


@pytest.mark.parametrize("loss", [losses.CategoricalCrossentropy(), losses.CategoricalFocalCrossentropy()])
def test_labels_for_a_one_hot_loss(loss):
    with pytest.raises(ValueError, match=r"\(4, 3\).*\(4,\).*to_categorical\(y, 3\).*sparse_categorical"):
        loss(np.arange(4) % 3, np.full((4, 3), 1 / 3))


@pytest.mark.parametrize("targets", [np.eye(3)[[0, 1, 2, 0]], np.zeros((4, 2)), np.zeros(5, int)])
def test_wrong_shape_for_a_label_loss(targets):
    with pytest.raises(ValueError, match=r"labels of shape \(4,\) for outputs of shape \(4, 3\) \(3 classes\)"):
        losses.SparseCategoricalCrossentropy()(targets, np.full((4, 3), 1 / 3))


def test_one_hot_targets_for_a_label_loss():
    with pytest.raises(ValueError, match="categorical_crossentropy"):
        losses.sparse_categorical_crossentropy(np.eye(3), np.eye(3))


@pytest.mark.parametrize("loss", [losses.SparseCategoricalCrossentropy(), losses.CategoricalGeneralizedCrossEntropy()])
@pytest.mark.parametrize("classes", [1, 3])
def test_labels_in_a_column(loss, classes):
    labels, p = np.array([0, 0, classes - 1, 0]), np.full((4, classes), 1 / classes, np.float32)
    assert loss(labels[:, None], p) == loss(labels, p)


@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("label", [-1, 3])
def test_label_outside_the_classes(label, from_logits):
    with pytest.raises(IndexError, match=f"label {label} is outside 0..2"):
        losses.SparseCategoricalCrossentropy(from_logits)(np.array([0, label]), np.full((2, 3), 1 / 3))


def test_single_class_is_warned_of():
    with pytest.warns(UserWarning, match="binary_crossentropy"):
        losses.categorical_crossentropy(np.ones((2, 1)), np.ones((2, 1)))


@pytest.mark.parametrize("shape", [(4,), (4, 5, 3)])
def test_weights_that_do_not_fit(shape):
    with pytest.raises(ValueError, match=r"sample_weight of shape .* values of shape \(4, 5\): .* \(4, 1\)"):
        losses.MeanSquaredError()(np.zeros((4, 5, 3)), np.zeros((4, 5, 3)), np.ones(shape))


def test_unknown_reduction():
    with pytest.raises(ValueError, match=r"sum_over_batch_size.*received 'average'"):
        losses.MeanSquaredError(reduction="average")


def test_q_outside_its_range():
    with pytest.raises(ValueError, match="q must lie between 0 and 1"):
        losses.CategoricalGeneralizedCrossEntropy(q=1.0)


# properties


def test_large_labels_stay_exact():
    """A float32 would round the class 2**24 + 1 of the targets."""
    seen = {}

    def spy(y_true, y_pred):
        seen["dtype"] = str(y_true.dtype)
        return ops.sum(y_pred, axis=-1)

    spy.takes_labels = True
    losses.LossFunctionWrapper(spy)(np.array([2**24 + 1]), np.ones((1, 2)))
    assert seen["dtype"] == "int64"


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize(("activation", "loss"), [
    ("softmax", losses.SparseCategoricalCrossentropy), ("softmax", losses.CategoricalCrossentropy),
    ("sigmoid", losses.BinaryCrossentropy),
])  # fmt: skip
def test_probabilities_of_a_program_are_as_good_as_logits(activation, loss, engine):
    """Logits of +-100: the probability is 0 in float32, yet the loss is exact and its gradient p - y."""
    logits = np.float32([[100, -100, 0], [-100, 100, 0]])
    targets = np.int32([1, 1]) if "Sparse" in loss.__name__ else np.float32([[0, 1, 0], [0, 1, 0]])

    def through(y, z):
        return loss()(y, getattr(ops, activation)(z))

    plain = traced(loss(from_logits=True), [targets, logits], engine)
    for mine, expected in zip(traced(through, [targets, logits], engine), plain, strict=True):
        close(mine, expected)


def test_ignored_class_does_not_count():
    outputs = np.float32([[0.5, 0.5], [0.25, 0.75], [0.9, 0.1]])
    loss = losses.SparseCategoricalCrossentropy(ignore_class=-1)
    close(loss(np.array([0, 1, -1]), outputs), -np.mean(np.log([0.5, 0.75])))
    assert loss(np.array([-1, -1, -1]), outputs) == 0


def test_metrics_count_the_class_that_the_loss_ignores():
    """As Keras does on JAX; on PyTorch, Keras 3.15 writes the loss' mask into the weights that metrics take."""
    y, w = np.array([0, 1, 1]), np.float32([1, 2, 0.5])
    p = np.float32([[0.5, 0.5], [0.25, 0.75], [0.9, 0.1]])
    model = fastnn.Sequential([fastnn.Input((2,)), fastnn.layers.Activation("linear")])
    model.compile(loss=losses.SparseCategoricalCrossentropy(ignore_class=0), weighted_metrics=["accuracy"])
    loss, accuracy = model.evaluate(p, y, sample_weight=w, verbose=0)
    np.testing.assert_allclose(loss, -(2 * np.log(0.75) + 0.5 * np.log(0.1)) / 2, rtol=1e-5)
    np.testing.assert_allclose(accuracy, 3 / 3.5, rtol=1e-5)


def test_crossentropy_kind():
    kinds = {((8, 1), (8, 1)): "binary", ((8,), (8, 1)): "binary", ((8,), (8, 5)): "sparse_categorical",
             ((8, 1), (8, 5)): "sparse_categorical", ((8, 5), (8, 5)): "categorical",
             ((8, 4), (8, 4, 5)): "sparse_categorical"}  # fmt: skip
    assert {shapes: losses.crossentropy_kind(*shapes) for shapes in kinds} == kinds


# connectionist temporal classification


def alignments(labels, logits):
    """-log of the summed probability of all paths that collapse to the labels, by brute force."""
    time, classes = logits.shape
    logs = logits - np.log(np.sum(np.exp(logits), -1, keepdims=True))
    total = 0.0
    for path in np.ndindex(*(classes,) * time):
        collapsed = [c for i, c in enumerate(path) if c and (i == 0 or path[i - 1] != c)]
        if collapsed == [c for c in labels if c]:
            total += np.exp(sum(logs[t, c] for t, c in enumerate(path)))
    return -np.log(total)


def test_ctc_sums_over_all_alignments():
    logits = np.random.default_rng(3).normal(size=(4, 5, 3)).astype(np.float32)
    labels = np.int32([[1, 2], [1, 1], [2, 0], [0, 0]])
    close(losses.ctc(labels, logits), [alignments(*pair) for pair in zip(labels, logits, strict=True)])


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_ctc_gradient(engine):
    logits = np.random.default_rng(4).normal(size=(2, 4, 3)).astype(np.float32)
    labels = np.int32([[1, 2], [2, 2]])
    value, gradient = traced(losses.CTC(reduction="sum"), [labels, logits], engine)
    close(value, np.sum(losses.ctc(labels, logits)))
    step = np.random.default_rng(5).normal(size=logits.shape) * 1e-3
    exact = logits.astype(np.float64)
    difference = np.sum(losses.ctc(labels, exact + step) - losses.ctc(labels, exact - step)) / 2
    close(np.sum(gradient * step), difference, 1e-4)


def test_ctc_of_labels_that_do_not_fit():
    assert np.isinf(losses.ctc(np.array([[1, 1]]), np.zeros((1, 2, 3), np.float32)))
    with pytest.raises(ValueError, match=r"\(n, longest\)"):
        losses.ctc(np.array([1, 1]), np.zeros((1, 2, 3)))


def test_targets_that_fit_no_output_are_refused():
    with pytest.raises(ValueError, match=r"targets of shape \(4, 3\) do not fit outputs of shape \(4, 2\)"):
        losses.MeanSquaredError()(np.zeros((4, 3)), np.zeros((4, 2)))
