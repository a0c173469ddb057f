"""Calls on single batches that were made ready give what the general path gives, and notice every change."""

import copy
import pickle
import threading

import numpy as np
import pytest

import fastnn
from fastnn import layers, losses, metrics, optimizers
from fastnn.engine.executable import NativeExecutable

RNG = np.random.default_rng(3)
X = RNG.standard_normal((8, 5)).astype("float32")
LABELS = RNG.integers(0, 3, 8)
TARGETS = RNG.random((8, 3)).astype("float32")


class Subclass(np.ndarray):
    """Of this type an array takes the general path."""


def general(array):
    return array.view(Subclass)


def classifier(loss="sparse_categorical_crossentropy", learning_rate=0.1, **kwargs):
    fastnn.utils.set_random_seed(1)
    model = fastnn.Sequential(
        [layers.Input((5,)), layers.Dense(4, activation="tanh"), layers.Dropout(0.5), layers.Dense(3, "softmax")]
    )
    model.compile(optimizers.Adam(learning_rate), loss, **kwargs)
    model._draw_seed()  # now, while the global one is the same for all
    return model


def regression(**kwargs):
    return classifier("mse", **kwargs)


def is_ready(monkeypatch, call, *args, **kwargs):
    """Whether a call needs the general path."""

    def refuse(*args, **kwargs):
        raise AssertionError("the general path")

    with monkeypatch.context() as patch:
        patch.setattr(NativeExecutable, "run", refuse)
        try:
            call(*args, **kwargs)
        except AssertionError:
            return False
    return True


CASES = {
    "labels int64": (classifier, LABELS, {"metrics": ["accuracy"]}),
    "labels int32": (classifier, LABELS.astype("int32"), {"metrics": ["acc", "sparse_top_k_categorical_accuracy"]}),
    "labels uint8": (classifier, LABELS.astype("uint8")[:, None], {}),
    "floats": (regression, TARGETS, {"metrics": ["mae", "mse"]}),
    "integers": (regression, (10 * TARGETS).astype("int64"), {"weighted_metrics": ["mae"]}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("method", ["train_on_batch", "test_on_batch"])
def test_results_and_weights_are_those_of_the_general_path(case, method, monkeypatch):
    make, y, kwargs = CASES[case]
    ready, other = make(**kwargs), make(**kwargs)
    before = X.copy(), y.copy()
    for _ in range(4):
        assert getattr(ready, method)(X, y) == getattr(other, method)(general(X), general(y))
    for _ in range(2):
        assert getattr(ready, method)(X, y, return_dict=True) == getattr(other, method)(
            general(X), general(y), return_dict=True
        )
    for a, b in zip(ready.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert int(ready.optimizer.iterations) == int(other.optimizer.iterations)
    assert ready.get_metrics_result() == other.get_metrics_result()
    np.testing.assert_array_equal(before[0], X)
    np.testing.assert_array_equal(before[1], y)
    assert is_ready(monkeypatch, getattr(ready, method), X, y)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int64"])
def test_predictions_are_those_of_the_general_path(training, dtype, monkeypatch):
    ready, other, x = classifier(), classifier(), (3 * np.abs(X)).astype(dtype)
    for _ in range(3):
        np.testing.assert_array_equal(ready(x, training=training), other(general(x), training=training))
    np.testing.assert_array_equal(ready.predict_on_batch(x), other.predict(x, verbose=0))
    assert is_ready(monkeypatch, ready, x, training=training)


def test_each_prediction_is_an_array_of_its_own():
    model = classifier()
    first, second = model(X), model(X)
    assert first is not second and not np.shares_memory(first, second)
    first[...] = 7
    np.testing.assert_array_equal(second, model(X))


def test_several_outputs(monkeypatch):
    class Two(fastnn.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, x):
            return {"a": self.dense(x), "b": fastnn.ops.relu(x)}

    model = Two()
    for _ in range(2):
        result = model(X)
        assert list(result) == ["a", "b"]
        np.testing.assert_array_equal(result["b"], np.maximum(X, 0))
    assert is_ready(monkeypatch, model, X)


def test_changes_of_form_are_noticed():
    model, other = classifier(metrics=["accuracy"]), classifier(metrics=["accuracy"])
    model(X), model.train_on_batch(X, LABELS), other.train_on_batch(general(X), general(LABELS))
    transposed = np.asfortranarray(X)
    misaligned = np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view("f4").reshape(X.shape)
    for x in (X[:3], X.astype("f8"), transposed, X[::-1], misaligned, X.astype(">f4"), X.tolist()):
        np.testing.assert_array_equal(model(x), model(general(np.array(x, "f4"))))
        labels = LABELS[: len(x)]
        assert model.train_on_batch(x, labels) == other.train_on_batch(general(np.array(x, "f4")), general(labels))


def test_changes_of_the_model_are_noticed():
    model, other = classifier(), classifier()

    def agree():
        assert model.train_on_batch(X, LABELS) == other.train_on_batch(general(X), general(LABELS))
        np.testing.assert_array_equal(model(X), other(general(X)))

    changes = [
        lambda m: m.set_weights([w + 1 for w in m.get_weights()]),
        lambda m: setattr(m.optimizer, "learning_rate", 0.5),
        lambda m: setattr(m.optimizer, "learning_rate", optimizers.schedules.ExponentialDecay(0.5, 1, 0.5)),
        lambda m: setattr(m.layers[0], "trainable", False),
        lambda m: m.compile(optimizers.SGD(0.1), "sparse_categorical_crossentropy"),
        lambda m: (m.add(layers.Dense(3, "softmax", kernel_initializer="ones")), m.compile("sgd", m.objective.loss)),
        lambda m: m.fit(X, LABELS, shuffle=False, verbose=0),
    ]
    for change in [lambda m: None, *changes]:
        change(model), change(other)
        agree()
        agree()


def test_a_schedule_follows_the_steps():
    rate = optimizers.schedules.ExponentialDecay(0.5, 1, 0.5)
    model, other = classifier(learning_rate=rate), classifier(learning_rate=rate)
    for _ in range(4):
        assert model.train_on_batch(X, LABELS) == other.train_on_batch(general(X), general(LABELS))


def test_float64_is_noticed():
    model = classifier()
    model(X), model(X)
    fastnn.config.set_floatx("float64")
    try:
        assert model(X).dtype == "float64"
    finally:
        fastnn.config.set_floatx("float32")
    assert model(X).dtype == "float32"


@pytest.mark.parametrize("wrong", [3, -1, 2**40])
def test_wrong_labels_get_the_usual_error_and_train_nothing(wrong):
    model = classifier()
    for _ in range(2):
        model.train_on_batch(X, LABELS)
    weights, labels = model.get_weights(), LABELS.copy()
    labels[3] = wrong
    with pytest.raises(ValueError, match=r"^y: ") as expected:
        classifier().train_on_batch(X, labels)
    with pytest.raises(ValueError, match=r"^y: ") as received:
        model.train_on_batch(X, labels)
    assert str(received.value) == str(expected.value)
    for a, b in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_targets_beyond_32_bits_get_the_usual_error():
    model, y = regression(), np.ones((8, 3), "int64")
    for _ in range(2):
        model.train_on_batch(X, y)
    y[2, 1] = 2**31
    with pytest.raises(ValueError, match="2147483648 does not fit into 32 bits"):
        model.train_on_batch(X, y)


def test_a_wrong_row_index_gets_the_usual_error():
    class Table(fastnn.Model):
        def __init__(self):
            super().__init__()
            self.table = self.add_weight((4, 3))

        def call(self, x):
            return fastnn.ops.take(self.table, fastnn.ops.cast(x, "int32"), axis=0)

    model, x = Table(), np.ones((8, 2), "int32")
    model(x), model(x)
    x[1, 1] = 9
    with pytest.raises(IndexError) as received:
        model(x)
    with pytest.raises(IndexError) as expected:
        model(general(x))
    assert str(received.value) == str(expected.value)
    x[1, 1] = 0
    np.testing.assert_array_equal(model(x), model(general(x)))


class Counted(metrics.Mean):
    """Its result is no quotient."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(fastnn.ops.ones((2,)))

    def result(self):
        return super().result() + 41


@pytest.mark.parametrize("metric", [Counted(name="counted"), metrics.AUC(name="auc"), metrics.RootMeanSquaredError()])
def test_other_metrics_keep_their_own_result(metric):
    model, other = (regression(metrics=[copy.deepcopy(metric)]) for _ in range(2))
    for _ in range(3):
        y = (TARGETS > 0.5).astype("float32")
        assert model.train_on_batch(X, y) == other.train_on_batch(general(X), general(y))


def test_ignored_classes_are_not_checked():
    loss = losses.SparseCategoricalCrossentropy(ignore_class=-1)
    model, other, labels = classifier(loss), classifier(loss), LABELS.copy()
    labels[0] = -1
    for _ in range(3):
        assert model.train_on_batch(X, labels) == other.train_on_batch(general(X), general(labels))


def test_a_copy_has_calls_of_its_own():
    model = classifier()
    model.train_on_batch(X, LABELS)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        before = model.get_weights()
        other.train_on_batch(X, LABELS)
        other.train_on_batch(X, LABELS)
        for a, b in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("units", [4, 512])  # holds the GIL, or lets others in
def test_many_threads_may_call_one_model(units):
    model = fastnn.Sequential([layers.Input((64,)), layers.Dense(units, "relu"), layers.Dense(64)])
    inputs = [RNG.standard_normal((32, 64)).astype("float32") for _ in range(16)]
    expected, wrong = [model(general(x)) for x in inputs], []

    def work(x, y):
        for _ in range(50):
            if not np.array_equal(model(x), y):
                wrong.append(x)

    workers = [threading.Thread(target=work, args=pair) for pair in zip(inputs, expected, strict=True)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


@pytest.mark.parametrize("way", ["call", "predict_on_batch", "test_on_batch"])
def test_calls_made_ready_before_training_see_the_trained_weights(way):
    """Training moves the weights together: a call that was ready before must notice, whoever asks first."""
    x = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
    model = fastnn.Sequential([fastnn.Input((4,)), layers.Dense(3)])
    model.compile("adam", "mse")
    calls = {
        "call": model,
        "predict_on_batch": model.predict_on_batch,
        "test_on_batch": lambda x: model.test_on_batch(x, x[:, :3]),
    }
    calls[way](x)
    model.fit(x, x[:, :3], epochs=3, verbose=0)
    w, b = model.get_weights()
    expected = x @ w + b if way != "test_on_batch" else np.mean((x @ w + b - x[:, :3]) ** 2)
    for _ in range(2):
        np.testing.assert_allclose(calls[way](x), expected, atol=1e-6)


@pytest.mark.parametrize("method", ["train_on_batch", "test_on_batch"])
@pytest.mark.parametrize("width", [4, 512])
def test_threads_that_measure_get_their_own_results(method, width):
    """Losses and metrics have one place in memory; wide layers run without the GIL."""
    model = fastnn.Sequential([layers.Input((width,)), layers.Dense(width, kernel_initializer="zeros")])
    model.compile(optimizers.SGD(0.0), "mse", metrics=["mae"])
    x, wrong = np.ones((64, width), np.float32), []

    def work(target):
        y = np.full((64, width), target, np.float32)
        for _ in range(100):
            loss, mae = getattr(model, method)(x, y)
            if abs(loss - target**2) > 1e-4 or abs(mae - target) > 1e-4:
                wrong.append((target, loss, mae))

    workers = [threading.Thread(target=work, args=(target,)) for target in (1, 2, 3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong, wrong[:3]
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other.train_on_batch(x, x) == model.train_on_batch(x, x)
