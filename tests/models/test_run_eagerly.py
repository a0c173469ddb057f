"""compile(run_eagerly=True): Python goes through call and train_step, and meets numbers there."""

import functional_models
import numpy as np
import pytest

import fastnn as keras
from fastnn import layers, ops

rng = np.random.default_rng(0)
X = rng.normal(size=(22, 6, 6, 2)).astype("float32")
Y = rng.integers(0, 3, 22)


def conv_net():
    return keras.Sequential([
        keras.Input((6, 6, 2)), layers.Conv2D(4, 3, kernel_regularizer="l2"), layers.BatchNormalization(),
        layers.ReLU(), layers.SpatialDropout2D(0.2), layers.Flatten(), layers.GaussianNoise(0.1),
        layers.Dense(3, activation="softmax"),
    ])  # fmt: skip


def run(build, x, y, loss, optimizer, **options):
    """Everything that fit, evaluate and predict give, and the weights."""
    keras.utils.clear_session()  # names count from the start
    keras.utils.set_random_seed(1)
    model = build()
    model.compile(optimizer(), loss, **options)
    history = model.fit(x, y, batch_size=8, epochs=2, validation_data=(x, y), verbose=0).history
    last = [model.train_on_batch(x, y), model.test_on_batch(x, y), model.evaluate(x, y, batch_size=5, verbose=0)]
    outputs = [model.predict(x, batch_size=9, verbose=0), model.predict_on_batch(x), model(x, training=True)]
    variables = [v.numpy() for v in (*model.weights, *model.optimizer.variables)]
    return history, last, outputs, variables


OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(0.01),
    "accumulation": lambda: keras.optimizers.SGD(0.1, momentum=0.9, gradient_accumulation_steps=2),
    "average": lambda: keras.optimizers.RMSprop(0.01, use_ema=True, ema_overwrite_frequency=2),
    "schedule": lambda: keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(0.01, 9), global_clipnorm=1.0),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_numbers_are_those_of_the_reference_engine(optimizer):
    arguments = (conv_net, X, Y, "sparse_categorical_crossentropy", OPTIMIZERS[optimizer])
    options = {"metrics": ["accuracy"]}
    eager = run(*arguments, run_eagerly=True, **options)
    reference = run(*arguments, engine="reference", **options)
    assert eager[:2] == reference[:2]
    for part in (2, 3):
        for a, b in zip(eager[part], reference[part], strict=True):
            np.testing.assert_array_equal(a, b)


def test_several_inputs_and_outputs():
    def targets():
        return [np.ones((5, 2), "float32"), np.ones((5, 1), "float32")]

    rows = {name: rng.normal(size=(5, 4)).astype("float32") for name in "ab"}
    found = [
        run(lambda: functional_models.shared(keras), rows, targets(), ["mse", "mae"], keras.optimizers.SGD, **options)
        for options in ({"run_eagerly": True}, {"engine": "reference"})
    ]
    assert found[0][:2] == found[1][:2]
    for a, b in zip(found[0][2], found[1][2], strict=True):
        assert isinstance(a, list)
        for one, other in zip(a, b, strict=True):
            np.testing.assert_array_equal(one, other)


class Looking(keras.Model):
    """Prints, branches, and leaves the numbers it has met in `seen`."""

    def __init__(self):
        super().__init__()
        self.dense, self.seen = layers.Dense(3, activation="softmax"), []

    def call(self, x, training=None):
        y = self.dense(layers.Flatten()(x))
        self.seen.append((np.asarray(x), y.numpy(), float(ops.max(y)), f"{ops.max(y):.3f}", repr(y)))
        if ops.max(y) > 2.0:
            raise AssertionError("a softmax above 1")
        return y

    def train_step(self, data):
        before = self.dense.bias.numpy()
        logs = super().train_step(data)
        assert not np.array_equal(before, self.dense.bias.numpy())  # updates are to be seen at once
        assert "loss" in repr(logs) and float(logs["loss"]) > 0
        return logs


def test_call_and_train_step_meet_numbers(capsys):
    model = Looking()
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    model.build((None, 6, 6, 2))
    model.seen.clear()
    model.fit(X, Y, batch_size=11, shuffle=False, verbose=0)
    assert len(model.seen) == 2
    x, y, largest, text, shown = model.seen[0]
    np.testing.assert_array_equal(x, X[:11])
    np.testing.assert_allclose(y.sum(1), 1, rtol=1e-6)
    assert largest == y.max() and text == f"{y.max():.3f}" and "value=[[" in shown
    model.predict(X[:2], verbose=0)
    model(X[:2])
    assert len(model.seen) == 4
    np.testing.assert_array_equal(model.seen[2][0], X[:2])


def test_what_needs_numbers_is_refused_by_a_compiled_program():
    model = Looking()
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(TypeError, match="run_eagerly"):
        model.fit(X, Y, verbose=0)


def test_wrong_labels_are_refused_before_they_do_harm():
    model = conv_net()
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    before = [v.numpy() for v in model.trainable_variables]
    for wrong, message in ((-1, r"label -1 is outside 0\.\.2"), (3, r"label 3 is outside 0\.\.2")):
        with pytest.raises(ValueError, match=message):
            model.fit(X, np.full(22, wrong), verbose=0)
    for a, b in zip(model.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(a.value, b)
    assert int(model.optimizer.iterations) == 0


def test_callbacks_and_streams():
    model = conv_net()
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True)
    seen = []
    callback = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["loss"]))
    batches = [(X[:11], Y[:11]), (X[11:], Y[11:])]
    model.fit(iter(batches * 2), steps_per_epoch=2, epochs=2, callbacks=[callback], verbose=0)
    assert len(seen) == 4 and len(set(seen)) == 4
    np.testing.assert_array_equal(
        model.predict(iter([b[0] for b in batches]), verbose=0), model.predict(X, batch_size=11, verbose=0)
    )
    assert model.predict(X[:0], verbose=0).shape == (0, 3)


def test_compiling_again_goes_back_to_programs():
    model = conv_net()
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    model.fit(X, Y, verbose=0)
    assert model.run_eagerly
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert not model.run_eagerly and model.engine == keras.Sequential().engine
    model.fit(X, Y, verbose=0)
    assert model._programs
