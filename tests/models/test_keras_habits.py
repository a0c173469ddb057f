"""What programs written for Keras rely on: names, orders, return forms, and messages for common mistakes."""

import copy
import pickle

import numpy as np
import pytest

import fastnn as keras
from fastnn import layers, ops

X = np.random.default_rng(0).normal(size=(10, 4)).astype("float32")
LABELS = np.random.default_rng(1).integers(0, 3, 10)


def stack(*more, **options):
    model = keras.Sequential([keras.Input((4,)), *more])
    model.compile("sgd", options.pop("loss", "mse"), **options)
    return model


class Two(keras.Model):
    def __init__(self):
        super().__init__(name="two")
        self.a, self.b = layers.Dense(3, name="a"), layers.Dense(2, name="b")

    def call(self, x):
        return {"z": self.a(x), "y": self.b(x)}


def test_paths_name_the_layers_around():
    inner = keras.Sequential([layers.Dense(3, name="d")], name="inner")
    outer = keras.Sequential([keras.Input((4,)), inner, layers.Dense(2, name="d")], name="outer")
    assert [w.path for w in outer.weights] == [
        f"outer/{p}" for p in ("inner/d/kernel", "inner/d/bias", "d/kernel", "d/bias")
    ]
    assert inner.input_shape == (None, 4) and inner.output_shape == (None, 3)
    outer.compile("sgd", "mse")
    assert len(outer.gradients(X, X[:, :2])) == 4


def test_layers_may_declare_the_input_shape():
    with pytest.warns(UserWarning, match="Input"):
        model = keras.Sequential([layers.Flatten(input_shape=(2, 2)), layers.Dense(3)])
    assert model.input_shape == (None, 2, 2) and model.output_shape == (None, 3) and len(model.layers) == 2
    with pytest.warns(UserWarning, match="Input"):
        assert keras.Sequential([layers.Dense(3, input_dim=4)]).built


def test_output_shape_keeps_a_given_batch_size():
    model = keras.Sequential([layers.Dense(3)])
    model.build((7, 4))
    assert (model.input_shape, model.output_shape) == ((7, 4), (7, 3))


def test_one_input_in_a_list_or_dict():
    model = stack(layers.Dense(3))
    expected = model.predict(X, verbose=0)
    np.testing.assert_array_equal(model.predict([X], verbose=0), expected)
    np.testing.assert_array_equal(model.predict({"x": X}, verbose=0), expected)
    model.fit([X], [X[:, :3]], verbose=0)
    with pytest.raises(ValueError, match="expected one input, received 2"):
        model.predict([X, X], verbose=0)


def test_dict_outputs_meet_targets_losses_and_metrics_by_name():
    model = Two()
    model.compile("sgd", {"y": "mse", "z": "mae"}, metrics={"y": ["mae"], "z": ["mse"]})
    prediction = model.predict(X, verbose=0)
    assert {k: v.shape for k, v in prediction.items()} == {"z": (10, 3), "y": (10, 2)}
    y = {"y": np.zeros((10, 2), "float32"), "z": np.zeros((10, 3), "float32")}
    results = model.evaluate(X, y, verbose=0, return_dict=True)
    assert list(results) == ["loss", "y_loss", "y_mae", "z_loss", "z_mse"]
    assert results["y_mae"] == pytest.approx(np.abs(prediction["y"]).mean(), rel=1e-5)
    expected = np.square(prediction["y"]).mean() + np.abs(prediction["z"]).mean()
    assert results["loss"] == pytest.approx(expected, rel=1e-5)
    assert model.predict(X[:0], verbose=0)["y"].shape == (0, 2)
    with pytest.raises(ValueError, match="no targets for the outputs"):
        model.fit(X, {"y": y["y"]}, verbose=0)


def test_metrics_of_one_name_stay_apart():
    model = stack(
        layers.Dense(3, "softmax"), loss="sparse_categorical_crossentropy", metrics=["accuracy", "accuracy"],
        weighted_metrics=["accuracy"],
    )  # fmt: skip
    history = model.fit(X, LABELS, sample_weight=np.arange(10), verbose=0).history
    assert list(history) == ["accuracy", "accuracy_1", "loss", "weighted_accuracy"]
    assert len(model.evaluate(X, LABELS, verbose=0)) == 4
    assert list(model.evaluate(X, LABELS, verbose=0, return_dict=True)) == list(history)


def test_training_without_targets():
    class Penalty(layers.Layer):
        def call(self, x):
            self.add_loss(ops.mean(x * x))
            return x

    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), Penalty()])
    model.compile("sgd")
    losses = model.fit(X, epochs=2, verbose=0).history["loss"]
    assert losses[1] < losses[0]


def test_own_compute_loss_sees_what_the_model_returns():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, x):
            return self.dense(x)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            return ops.mean(ops.abs(y - y_pred))

    model = Own()
    model.compile("sgd")
    model.fit(X, X[:, :2], verbose=0)


def test_stopping_before_the_first_step_of_an_epoch():
    class Stop(keras.callbacks.Callback):
        steps = 0

        def on_epoch_begin(self, epoch, logs=None):
            self.model.stop_training = True

        def on_train_batch_end(self, batch, logs=None):
            self.steps += 1

    stop = Stop()
    stack(layers.Dense(1)).fit(X, X[:, :1], batch_size=2, epochs=3, callbacks=[stop], verbose=0)
    assert stop.steps == 1


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_train_on_their_own(duplicate):
    model = stack(layers.Dense(8, kernel_regularizer="l2"), layers.BatchNormalization(), layers.Dense(2))
    model.fit(X, X[:, :2], verbose=0)
    twin = duplicate(model)
    before = model.predict(X, verbose=0)
    np.testing.assert_array_equal(twin.predict(X, verbose=0), before)
    assert twin.evaluate(X, X[:, :2], verbose=0) == pytest.approx(model.evaluate(X, X[:, :2], verbose=0))
    twin.fit(X, X[:, :2], verbose=0)
    np.testing.assert_array_equal(model.predict(X, verbose=0), before)
    assert int(twin.optimizer.iterations) == 2 and int(model.optimizer.iterations) == 1


def test_summary_indents_nested_layers():
    inner = keras.Sequential([layers.Dense(3)], name="inner")
    lines = []
    stack(inner).summary(expand_nested=True, print_fn=lines.append)
    assert "    └ " in lines[0] and "(None, 3)" in lines[0].split("└ ")[1]


MISTAKES = {
    "y is missing": lambda m: m.evaluate(X, verbose=0),
    "received None": lambda m: m.fit(None, X, verbose=0),
    r"x\[0\] has 10, x\[1\] has 9": lambda m: m.predict([X, X[:9]], verbose=0),
    "batch_size must be": lambda m: m.fit(X, X, batch_size=0, verbose=0),
    "no rows": lambda m: m.fit(X[:0], X[:0], verbose=0),
    "validation_data: expected": lambda m: m.fit(X, X, validation_data=X, verbose=0),
    "class_weight: expected a dict": lambda m: m.fit(X, LABELS, class_weight=[1, 2, 3], verbose=0),
    r"write Dense\(...\)": lambda m: keras.Sequential([layers.Dense]),
    r"write Sequential\(\[...\]\)": lambda m: keras.Sequential(layers.Dense(1)),
    r"begin with Input\(...\)": lambda m: keras.Model(inputs=1, outputs=2),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_mistakes_have_a_repair(message):
    with pytest.raises((TypeError, ValueError), match=message):
        MISTAKES[message](stack(layers.Dense(4)))


def test_softmax_over_one_unit_warns():
    with pytest.warns(UserWarning, match="sigmoid"):
        stack(layers.Dense(1, "softmax")).predict(X, verbose=0)


def test_functions_as_metrics_have_the_names_of_keras():
    def MyError(y, p):
        return ops.mean(ops.abs(y - p), axis=-1)

    class Callable:
        def __call__(self, y, p):
            return ops.mean(ops.abs(y - p), axis=-1)

    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=[MyError, lambda y, p: ops.mean(p, axis=-1), Callable(), "MSE"])
    logs = model.evaluate(np.ones((2, 2)), np.ones((2, 1)), return_dict=True, verbose=0)
    assert list(logs) == ["MSE", "callable", "lambda", "loss", "my_error"]


def test_arguments_of_a_constructor_of_any_form_are_its_configuration():
    class Own(layers.Layer):
        def __init__(self, a=2, *more, b=3, **others):
            super().__init__(**others)

    config = Own(4, name="own", trainable=False).get_config()
    del config["dtype"]
    assert config == {"name": "own", "a": 4, "b": 3, "trainable": False}
    with pytest.raises(NotImplementedError, match=r"arguments \['\*more'\] are no plain data"):
        Own(4, 5).get_config()
