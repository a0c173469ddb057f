"""Looking inside a model: summary, programs, profile, gradients, and what users write themselves."""

import re
from pathlib import Path

import numpy as np
import pytest

import fastnn
from fastnn import ops

GOLDEN = Path(__file__).parent.parent / "golden" / "summary.txt"
RNG = np.random.default_rng(2)
X = RNG.standard_normal((20, 8, 8, 3)).astype(np.float32)
Y = RNG.integers(0, 3, 20)


def convnet(optimizer="adam", **options):
    fastnn.utils.set_random_seed(4)
    model = fastnn.Sequential(
        [
            fastnn.Input((8, 8, 3)), fastnn.layers.Conv2D(4, 3, activation="relu", name="conv2d"),
            fastnn.layers.MaxPooling2D(name="max_pooling2d"),
            fastnn.layers.BatchNormalization(name="batch_normalization"), fastnn.layers.Dropout(0.5, name="dropout"),
            fastnn.layers.Flatten(name="flatten"), fastnn.layers.Dense(3, activation="softmax", name="dense"),
        ],
        name="convnet",
    )  # fmt: skip
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], **options)
    return model


# ---- summary -----------------------------------------------------------------------------------------------


def test_summary_is_laid_out_as_keras_does():
    model = convnet()
    model.optimizer.build(model.trainable_variables)
    lines = []
    model.summary(print_fn=lines.append)
    assert "\n".join(lines).rstrip() == GOLDEN.read_text(encoding="utf-8").rstrip()


def test_summary_options(capsys):
    model = convnet()
    model.summary(show_trainable=True, line_length=100)
    shown = capsys.readouterr().out
    assert "Trainable" in shown
    assert max(map(len, shown.splitlines())) <= 100
    model.summary(layer_range=("dropout", "dense"))
    shown = capsys.readouterr().out
    assert "conv2d (Conv2D)" not in shown
    assert "dense (Dense)" in shown
    with pytest.raises(ValueError, match="layer_range"):
        model.summary(layer_range=("dropout", "nowhere"))
    model.summary(flops=True)
    assert f"{6 * 6 * 4 * (2 * 3 * 3 * 3 + 2):,}" in capsys.readouterr().out


def test_summary_of_a_model_that_is_not_built(capsys):
    fastnn.Sequential([fastnn.layers.Dense(3)]).summary()
    shown = capsys.readouterr().out
    assert "unbuilt" in shown
    assert "?" in shown


def test_summary_of_nested_models(capsys):
    inner = fastnn.Sequential([fastnn.Input((4,)), fastnn.layers.Dense(5, name="deep")], name="inner")
    model = fastnn.Sequential([fastnn.Input((4,)), inner, fastnn.layers.Dense(2, name="top")])
    model.summary()
    assert "deep" not in capsys.readouterr().out
    model.summary(expand_nested=True)
    assert "deep" in capsys.readouterr().out


# ---- programs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["train", "evaluate", "predict"])
@pytest.mark.parametrize("engine", ["native", "reference"])
def test_programs_print(kind, engine):
    table = convnet(engine=engine).program(kind, batch_size=5)
    text = str(table)
    assert f"{kind} program, {engine} engine: {len(table.rows)} steps" in text
    conv = next(row for row in table.rows if row["kernel"].startswith("conv2d"))
    assert conv["layer"] == "conv2d"
    assert conv["shapes"].startswith("5x8x8x3 3x3x3x4")
    assert conv["flops"] >= 2 * 5 * 6 * 6 * 4 * 27
    if engine == "native":
        assert conv["fused"].split()[:2] == ["add", "relu"]
        assert "arena" in text
    assert len(text.splitlines()) == len(table.rows) + 2


def test_programs_of_several_inputs_and_outputs(capsys):
    a, b = fastnn.Input((4,), name="a"), fastnn.Input((2,), name="b")
    both = fastnn.layers.Concatenate()([a, b])
    outputs = [fastnn.layers.Dense(3, activation="softmax", name="kind")(both), fastnn.layers.Dense(1, name="size")(a)]
    model = fastnn.Model([a, b], outputs)
    model.compile("adam", ["sparse_categorical_crossentropy", "mse"])
    for kind in ("train", "evaluate", "predict"):
        text = str(model.program(kind, batch_size=5))
        assert "5x4" in text
        assert "kind" in text
    model.summary(flops=True)
    assert "Connected to" in capsys.readouterr().out
    assert model.flops_by_layer([(None, 4), (None, 2)])["kind"] > 0


def test_programs_ask_for_what_they_need():
    with pytest.raises(ValueError, match="kind must be one of"):
        convnet().program("training")
    with pytest.raises(ValueError, match="before the model is built"):
        fastnn.Sequential([fastnn.layers.Dense(2)]).program("predict")
    with pytest.raises(ValueError, match="compile"):
        fastnn.Sequential([fastnn.Input((3,)), fastnn.layers.Dense(2)]).program("train")


def test_profile_times_each_step_and_leaves_the_weights():
    model = convnet()
    before, seed = model.get_weights(), model._random_step
    table = model.profile(X, Y, batch_size=10, steps=3)
    assert all(row["microseconds"] >= 0 for row in table.rows)
    assert sum(row["microseconds"] for row in table.rows) > 0
    assert "µs (limit" in str(table)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert int(model.optimizer.iterations) == 0
    assert model._random_step == seed
    assert "predict program" in str(model.profile(X, batch_size=10, steps=2))
    with pytest.raises(ValueError, match="native engine"):
        convnet(engine="reference").profile(X, Y)


def test_gradients_by_name():
    model = convnet()
    before = model.get_weights()
    found = model.gradients(X, Y)
    assert set(found) == {v.path for v in model.trainable_variables}
    for variable in model.trainable_variables:
        assert found[variable.path].shape == variable.shape
        assert np.abs(found[variable.path]).max() > 0 or "conv2d/bias" in variable.path
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_check_gradients(capsys):
    assert convnet().check_gradients(X[:6], Y[:6], samples=4) < 1e-6
    shown = capsys.readouterr().out
    assert "dense/kernel" in shown
    assert "relative difference" in shown
    assert convnet().check_gradients(X[:6], Y[:6], samples=2, verbose=0) < 1e-6
    assert capsys.readouterr().out == ""


class Broken(fastnn.layers.Layer):
    """Its gradient is stopped on half of the way."""

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1],), name="w")

    def call(self, inputs):
        return inputs * ops.stop_gradient(self.w) + self.w


def test_check_gradients_finds_a_wrong_gradient():
    model = fastnn.Sequential([fastnn.Input((4,)), Broken()])
    model.compile("sgd", "mse")
    with pytest.raises(AssertionError, match="/w: gradient and finite difference differ"):
        model.check_gradients(RNG.standard_normal((5, 4)), np.zeros((5, 4)), verbose=0)


# ---- what users write --------------------------------------------------------------------------------------


class Swish(fastnn.layers.Layer):
    """A dense layer with an activation whose slope is learned."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
        self.slope = self.add_weight(shape=(), initializer="ones", name="slope")
        self.seen = self.add_weight(shape=(), initializer="zeros", trainable=False, name="seen")

    def call(self, inputs, training=None):
        y = ops.matmul(inputs, self.kernel)
        if training:
            self.seen.assign_add(1.0)
            self.add_loss(0.01 * ops.mean(ops.square(y)))
        return y * ops.sigmoid(self.slope * y)


class Pinball(fastnn.losses.Loss):
    def call(self, y_true, y_pred):
        e = y_true - y_pred
        return ops.mean(ops.maximum(0.3 * e, -0.7 * e), axis=-1)


def largest_error(y_true, y_pred):
    return ops.max(ops.absolute(y_true - y_pred), axis=-1)


class Count(fastnn.metrics.Metric):
    def __init__(self, name="count"):
        super().__init__(name=name)
        self.total = self.add_variable(shape=(), initializer="zeros", name="total")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.total.assign_add(ops.cast(ops.shape(y_pred)[0], "float32"))

    def result(self):
        return self.total


class SignDescent(fastnn.optimizers.Optimizer):
    def build(self, variables):
        super().build(variables)
        self.add_optimizer_variables(variables, "last")

    def update_step(self, gradient, variable, learning_rate):
        last = self.slot("last", variable)
        self.assign(last, gradient)
        self.assign_sub(variable, learning_rate * ops.sign(gradient))


def own(engine, **options):
    fastnn.utils.set_random_seed(6)
    model = fastnn.Sequential([
        fastnn.Input((5,)), Swish(7), fastnn.layers.Lambda(lambda x: x * 2.0 + ops.tanh(x)),
        fastnn.layers.Dense(2, activity_regularizer=fastnn.regularizers.L2(0.02)),
    ])  # fmt: skip
    settings = {"optimizer": SignDescent(learning_rate=0.01), "loss": Pinball(), "metrics": [largest_error, Count()]}
    model.compile(engine=engine, **(settings | options))
    return model


def test_own_layers_losses_metrics_and_optimizers():
    x, y = RNG.standard_normal((12, 5)), RNG.standard_normal((12, 2))
    logs = []
    for engine in ("native", "reference"):
        model = own(engine)
        assert model.check_gradients(x, y, verbose=0) < 1e-6
        logs.append(model.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0).history)
        assert float(model.layers[0].seen.value) == 9
        assert logs[-1]["count"] == [12, 12, 12]
        weights = model.get_weights()
        fused = " ".join(row["fused"] for row in model.program("train", 4).rows)
        assert engine == "reference" or "sigmoid" in fused
    assert logs[0]["loss"][-1] < logs[0]["loss"][0]
    for key, column in logs[0].items():
        np.testing.assert_allclose(column, logs[1][key], rtol=1e-4)
    for a, b in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_losses_of_layers_are_part_of_the_loss():
    x, y = RNG.standard_normal((12, 5)), RNG.standard_normal((12, 2))
    model = own("native", loss="mse", metrics=[])
    p = model.predict(x, verbose=0)
    plain = np.mean((p - y) ** 2)
    activity = 0.02 * np.sum(p**2) / 12
    assert model.evaluate(x, y, batch_size=12, verbose=0) == pytest.approx(plain + activity, rel=1e-5)
    hidden = x @ model.layers[0].kernel.value
    extra = 0.01 * np.mean(hidden**2)
    assert model.train_on_batch(x, y) == pytest.approx(plain + activity + extra, rel=1e-5)


def test_weights_are_regularized():
    dense = fastnn.layers.Dense(2, kernel_regularizer=fastnn.regularizers.L1(0.5))
    model = fastnn.Sequential([fastnn.Input((3,)), dense])
    model.compile("sgd", "mse")
    x = RNG.standard_normal((4, 3)).astype(np.float32)
    expected = np.mean(model.predict(x, verbose=0) ** 2) + 0.5 * np.abs(model.get_weights()[0]).sum()
    assert model.evaluate(x, np.zeros((4, 2)), verbose=0) == pytest.approx(expected, rel=1e-5)


def test_values_cannot_be_looked_at_while_a_layer_is_traced():
    class Peeking(fastnn.layers.Layer):
        def call(self, inputs):
            return inputs if ops.sum(inputs) > 0 else -inputs

    class Numpy(fastnn.layers.Layer):
        def call(self, inputs):
            return np.tanh(np.asarray(inputs))

    for layer, message in ((Peeking(), r"ops\.where"), (Numpy(), r"fastnn\.ops in place of NumPy")):
        with pytest.raises(TypeError, match=message):
            fastnn.Sequential([fastnn.Input((3,)), layer])


def test_text_of_a_model_names_it():
    assert re.search(r"convnet", repr(convnet()))
