"""train_step, test_step and predict_step of a user's own, and value_and_grad."""

import numpy as np
import pytest

import fastnn as keras
from fastnn import layers, ops, value_and_grad

rng = np.random.default_rng(0)
X = rng.normal(size=(22, 4)).astype("float32")
Y = (X @ rng.normal(size=(4, 1))).astype("float32")
WAYS = {"native": {}, "reference": {"engine": "reference"}, "eager": {"run_eagerly": True}}
EVERY_WAY = pytest.mark.parametrize("way", WAYS)


def differentiated(model, x, y):
    def loss_of(variables):
        y_pred = model(x, training=True)
        return model.compute_loss(x, y, y_pred), y_pred

    return value_and_grad(loss_of, has_aux=True)(model.trainable_variables)


class Own(keras.Model):
    def train_step(self, data):
        x, y = data
        (loss, _), grads = differentiated(self, x, y)
        self.optimizer.apply(grads, self.trainable_variables)
        return {"loss": loss}


def mlp(cls=keras.Model, optimizer="adam", **options):
    keras.utils.set_random_seed(1)
    x = keras.Input((4,))
    y = layers.Dense(1)(layers.Dropout(0.3)(layers.BatchNormalization()(layers.Dense(8, activation="tanh")(x))))
    model = cls(x, y)
    model.compile(optimizer, "mse", **options)
    return model


def weights(model):
    return np.concatenate([w.ravel() for w in model.get_weights()])


def fitted(model, **options):
    keras.utils.set_random_seed(2)
    return model.fit(X, Y, **{"batch_size": 8, "epochs": 2, "verbose": 0, **options}).history


@EVERY_WAY
def test_an_own_step_trains_like_the_built_in_one(way):
    expected, model = mlp(**WAYS[way]), mlp(Own, **WAYS[way])
    fitted(expected)
    fitted(model)
    np.testing.assert_array_equal(weights(model), weights(expected))
    assert int(model.optimizer.iterations) == 6
    assert model.train_on_batch(X, Y) == expected.train_on_batch(X, Y)
    assert model.evaluate(X, Y, verbose=0) == expected.evaluate(X, Y, verbose=0)


def test_an_own_step_is_traced_once_for_each_form():
    class Counting(Own):
        traced = 0

        def train_step(self, data):
            self.traced += 1
            return super().train_step(data)

    model = mlp(Counting)
    fitted(model, epochs=3)
    assert model.traced == 2  # batches of 8 and of 6 rows
    eager = mlp(Counting, run_eagerly=True)
    fitted(eager, epochs=3)
    assert eager.traced == 9


def test_logs_are_those_of_the_last_batch_unless_they_are_the_metrics_results():
    class Means(Own):
        def train_step(self, data):
            x, y = data
            (loss, y_pred), grads = differentiated(self, x, y)
            self.optimizer.apply_gradients(zip(grads, self.trainable_variables, strict=True))
            for metric in self.metrics:
                if metric.name == "loss":
                    metric.update_state(loss, sample_weight=x.shape[0])
                else:
                    metric.update_state(y, y_pred)
            return {metric.name: metric.result() for metric in self.metrics}

    expected, means, last = mlp(metrics=["mae"]), mlp(Means, metrics=["mae"]), mlp(Own, metrics=["mae"])
    assert fitted(means) == fitted(expected)
    seen = []
    callback = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["loss"]))
    assert fitted(last, callbacks=[callback])["loss"] == [seen[2], seen[5]]
    assert list(last.history.history) == ["loss"]


def test_steps_can_add_to_the_results_of_the_built_in_one():
    class More(keras.Model):
        def train_step(self, data):
            logs = super().train_step(data)
            return {**logs, "rate": self.optimizer.learning_rate, "nested": {"double": 2.0 * logs["loss"]}}

    model = mlp(More, metrics=["mae"])
    history = fitted(model)
    assert list(history) == ["double", "loss", "mae", "rate"]
    expected = fitted(mlp(metrics=["mae"]))
    assert history["loss"] == expected["loss"] and history["mae"] == expected["mae"]
    assert history["double"][1] == pytest.approx(2 * history["loss"][1], rel=1e-6)
    assert history["rate"] == [pytest.approx(0.001)] * 2


@EVERY_WAY
def test_an_optimizer_may_be_applied_twice_in_a_step(way):
    class Twice(keras.Model):
        def train_step(self, data):
            super().train_step(data)
            return super().train_step(data)

    def plain(cls, **options):
        keras.utils.set_random_seed(1)
        schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
        model = cls(*ends())
        model.compile(keras.optimizers.Adam(schedule), "mse", **options)
        return model

    def ends():
        x = keras.Input((4,))
        return x, layers.Dense(1)(layers.Dense(3, activation="tanh")(x))

    twice, once = plain(Twice, **WAYS[way]), plain(keras.Model, **WAYS[way])
    twice.fit(X, Y, batch_size=11, shuffle=False, epochs=2, verbose=0)
    for part in (0, 0, 1, 1) * 2:
        rows = slice(11 * part, 11 * part + 11)
        once.train_on_batch(X[rows], Y[rows])
    np.testing.assert_allclose(weights(twice), weights(once), atol=1e-6)
    assert int(twice.optimizer.iterations) == int(once.optimizer.iterations) == 8


class GAN(keras.Model):
    """As in Keras' guide on custom training steps."""

    def __init__(self, critic_steps=1, clip=None):
        super().__init__()
        self.discriminator = keras.Sequential([keras.Input((4,)), layers.Dense(8, activation="relu"), layers.Dense(1)])
        self.generator = keras.Sequential([keras.Input((3,)), layers.Dense(8, activation="relu"), layers.Dense(4)])
        self.seed_generator = keras.random.SeedGenerator(1337)
        self.critic_steps, self.clip = critic_steps, clip
        self.built = True

    def compile(self, d_optimizer, g_optimizer, loss_fn, **options):
        super().compile(optimizer=None, **options)
        self.d_optimizer, self.g_optimizer, self.loss_fn = d_optimizer, g_optimizer, loss_fn
        self.d_loss_metric = keras.metrics.Mean(name="d_loss")
        self.g_loss_metric = keras.metrics.Mean(name="g_loss")

    @property
    def metrics(self):
        return [self.d_loss_metric, self.g_loss_metric]

    def train_step(self, real):
        n = ops.shape(real)[0]
        for _ in range(self.critic_steps):
            d_loss = self.train_discriminator(real, n)
        misleading = ops.zeros((n, 1))

        def g_loss_of(variables):
            made = self.generator(keras.random.normal((n, 3), seed=self.seed_generator))
            return self.loss_fn(misleading, self.discriminator(made))

        g_loss, grads = value_and_grad(g_loss_of)(self.generator.trainable_variables)
        self.g_optimizer.apply(grads, self.generator.trainable_variables)
        self.d_loss_metric.update_state(d_loss)
        self.g_loss_metric.update_state(g_loss)
        return {"d_loss": self.d_loss_metric.result(), "g_loss": self.g_loss_metric.result()}

    def train_discriminator(self, real, n):
        made = self.generator(keras.random.normal((n, 3), seed=self.seed_generator))
        both = ops.concatenate([made, real], axis=0)
        labels = ops.concatenate([ops.ones((n, 1)), ops.zeros((n, 1))], axis=0)
        labels += 0.05 * keras.random.uniform(labels.shape)
        variables = self.discriminator.trainable_variables
        loss, grads = value_and_grad(lambda v: self.loss_fn(labels, self.discriminator(both)))(variables)
        self.d_optimizer.apply(grads, variables)
        if self.clip:
            for variable in variables:
                variable.assign(ops.clip(variable, -self.clip, self.clip))
        return loss


def gan(d_rate=3e-3, critic_steps=1, clip=None, **options):
    keras.utils.set_random_seed(3)
    model = GAN(critic_steps, clip)
    g_rate = keras.optimizers.schedules.InverseTimeDecay(3e-3, 1, 0.5)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(d_rate), keras.optimizers.Adam(g_rate), loss, **options)
    return model


@pytest.mark.parametrize("critic_steps, clip", [(1, None), (1, 0.2), (3, None), (3, 0.2)])
def test_two_optimizers_in_one_step(critic_steps, clip):
    histories, ends = [], []
    for options in WAYS.values():
        model = gan(critic_steps=critic_steps, clip=clip, **options)
        before = model.get_weights()
        model.g_optimizer.build(model.generator.trainable_variables)
        model.g_optimizer.iterations.assign(5)  # ahead of the other
        histories.append(fitted_on_x(model))
        ends.append(model.get_weights())
        assert all(not np.array_equal(a, b) for a, b in zip(before, ends[-1], strict=True))
        assert int(model.d_optimizer.iterations) == 6 * critic_steps
        assert int(model.g_optimizer.iterations) == 5 + 6
        if clip:
            assert max(np.abs(w).max() for w in model.discriminator.get_weights()) <= np.float32(clip)
    assert list(histories[0]) == ["d_loss", "g_loss"]
    for history, end in zip(histories, ends, strict=True):
        for name, column in history.items():
            np.testing.assert_allclose(column, histories[0][name], rtol=1e-4)
        for a, b in zip(end, ends[0], strict=True):
            np.testing.assert_allclose(a, b, atol=2e-5)
    for a, b in zip(ends[1], ends[2], strict=True):
        np.testing.assert_array_equal(a, b)  # the reference engine and eager steps


def fitted_on_x(model):
    keras.utils.set_random_seed(2)
    return model.fit(X, batch_size=8, epochs=2, verbose=0).history


def test_both_optimizers_are_saved(tmp_path):
    model = gan()
    fitted_on_x(model)
    model.save_weights(tmp_path / "gan.weights.h5")
    other = gan()
    for optimizer, part in ((other.d_optimizer, other.discriminator), (other.g_optimizer, other.generator)):
        optimizer.build(part.trainable_variables)
    other.load_weights(tmp_path / "gan.weights.h5")
    np.testing.assert_array_equal(weights(other), weights(model))
    assert int(other.d_optimizer.iterations) == int(other.g_optimizer.iterations) == 6


def test_optimizers_that_share_variables():
    """One updates all weights at once, the other some of them, in the same step."""

    class Shared(keras.Model):
        def train_step(self, data):
            logs = super().train_step(data)
            last = self.layers[-1].trainable_variables
            (_, _), grads = differentiated(self, *data)
            _, grads = value_and_grad(lambda v: self.compute_loss(*data, self(data[0], training=True)))(last)
            self.other.apply(grads, last)
            return logs

    found = []
    for options in WAYS.values():
        model = mlp(Shared, **options)
        model.other = keras.optimizers.SGD(0.1)
        fitted(model)
        found.append(weights(model))
        assert int(model.other.iterations) == int(model.optimizer.iterations) == 6
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)
    np.testing.assert_array_equal(found[1], found[2])
    assert not np.array_equal(found[1], weights(mlp()))


class Penalized(keras.Model):
    """A penalty on the gradient of the output by the input, as in a WGAN-GP."""

    def train_step(self, data):
        x, y = data

        def loss_of(variables):
            _, slopes = value_and_grad(lambda x: ops.sum(self(x, training=False)))(x)
            return self.compute_loss(x, y, self(x, training=True)) + ops.mean(ops.square(slopes))

        loss, grads = value_and_grad(loss_of)(self.trainable_variables)
        self.optimizer.apply(grads, self.trainable_variables)
        return {"loss": loss}


@EVERY_WAY
def test_gradients_of_gradients(way):
    keras.utils.set_random_seed(0)
    model = Penalized(*(lambda x: (x, layers.Dense(1)(x)))(keras.Input((4,))))
    model.compile(keras.optimizers.SGD(0.1), "mse", **WAYS[way])
    w, b = (v.astype("float64") for v in model.get_weights())
    model.train_on_batch(X, Y)
    error = X @ w + b - Y
    step = 2 * X.T @ error / len(X) + 2 * w / w.size  # of the mean square of w over samples and inputs
    np.testing.assert_allclose(model.get_weights()[0], w - 0.1 * step, atol=1e-5)


@EVERY_WAY
def test_own_test_and_predict_steps(way):
    class Tester(keras.Model):
        def test_step(self, data):
            x, y = data
            return {"worst": ops.max(ops.abs(y - self(x, training=False)))}

        def predict_step(self, data):
            x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
            return {"y": self(x, training=False), "double": 2.0 * self(x, training=False)}

    model = mlp(Tester, **WAYS[way])
    y = model(X)
    prediction = model.predict(X, batch_size=5, verbose=0)
    np.testing.assert_allclose(prediction["y"], y, atol=1e-6)
    np.testing.assert_array_equal(prediction["double"], 2 * prediction["y"])
    np.testing.assert_array_equal(model.predict_on_batch(X)["y"], y)
    assert model.predict(X[:0], verbose=0)["y"].shape == (0, 1)
    assert model.test_on_batch(X, Y) == pytest.approx(np.abs(y - Y).max(), rel=1e-5)
    assert list(fitted(model, validation_data=(X, Y))) == ["loss", "val_worst"]


def test_metrics_among_attributes_are_reset_and_shown():
    class Spread(layers.Layer):
        def __init__(self):
            super().__init__()
            self.seen = keras.metrics.Mean(name="spread")

        def call(self, x):
            self.seen.update_state(ops.max(x) - ops.min(x))
            return x

    class Tracking(keras.Model):
        def __init__(self, *args):
            super().__init__(*args)
            self.largest = keras.metrics.Mean(name="largest")

        def train_step(self, data):
            self.largest.update_state(ops.max(data[0]))
            return super().train_step(data)

    x = keras.Input((4,))
    model = Tracking(x, layers.Dense(1)(Spread()(x)))
    model.compile("sgd", "mse")
    assert [m.name for m in model.metrics] == ["loss", "largest", "spread"]
    history = model.fit(X, Y, batch_size=22, epochs=2, verbose=0).history
    assert list(history) == ["largest", "loss", "spread"]
    assert history["largest"] == [X.max()] * 2 and history["spread"] == [pytest.approx(X.max() - X.min())] * 2


def test_added_losses_belong_to_the_last_call():
    class Penalty(layers.Layer):
        def call(self, x):
            self.add_loss([ops.mean(x * x), ops.mean(ops.abs(x))])
            return x

    class Twice(keras.Model):
        def train_step(self, data):
            self(data[0] * 100.0, training=True)
            y_pred = self(data[0], training=True)
            assert len(self.losses) == 2
            return {"penalty": sum(self.losses), "loss": self.compute_loss(*data, y_pred)}

    x = keras.Input((4,))
    model = Twice(x, layers.Dense(1)(Penalty()(x)))
    model.compile("sgd", "mse")
    logs = model.train_on_batch(X, Y, return_dict=True)
    penalty = np.mean(X * X) + np.mean(np.abs(X))
    assert logs["penalty"] == pytest.approx(penalty, rel=1e-5)
    assert logs["loss"] == pytest.approx(np.mean((model(X) - Y) ** 2) + penalty, rel=1e-5)


WRONG = {
    "expected a dict of results": lambda self, data: None,
    "must return a scalar": lambda self, data: value_and_grad(lambda v: self(data[0]))(self.trainable_variables),
    "no positional argument 1": lambda self, data: value_and_grad(lambda v: 0.0, argnums=1)(self.trainable_variables),
    r"a pair \(scalar, more\)": lambda self, data: value_and_grad(lambda v: 0.0, has_aux=True)(data[0]),
}


@pytest.mark.parametrize("message", WRONG)
def test_mistakes_have_a_repair(message):
    model = mlp(type("Wrong", (keras.Model,), {"train_step": WRONG[message]}))
    before = weights(model)
    with pytest.raises((TypeError, ValueError), match=message):
        fitted(model)
    np.testing.assert_array_equal(weights(model), before)


# ---- value_and_grad on arrays ------------------------------------------------------------------------------


def test_value_and_grad_on_arrays():
    x = np.array([1.0, -2.0, 3.0], "float32")
    value, grad = value_and_grad(lambda x: ops.sum(x**3))(x)
    assert isinstance(grad, np.ndarray) and value == 20.0
    np.testing.assert_allclose(grad, 3 * x * x)
    np.testing.assert_array_equal(x, [1, -2, 3])


def test_value_and_grad_keeps_the_arrangement_of_arguments():
    def fn(a, scale, b, *, shift):
        return scale * ops.sum(a["u"] * a["v"][0]) + ops.sum(b) + shift, {"twice": 2.0 * b}

    a = {"u": np.array([1.0, 2.0]), "v": (np.array([3.0, 4.0]), np.array([5.0]))}
    (value, aux), (of_b, of_a) = value_and_grad(fn, argnums=(2, 0), has_aux=True)(a, 10.0, np.ones(2), shift=1.0)
    assert value == 113.0
    np.testing.assert_array_equal(aux["twice"], [2, 2])
    np.testing.assert_array_equal(of_b, [1, 1])
    np.testing.assert_array_equal(of_a["u"], [30, 40])
    np.testing.assert_array_equal(of_a["v"][0], [10, 20])
    np.testing.assert_array_equal(of_a["v"][1], [0])  # the value does not depend on it
    assert value_and_grad(lambda s: s * 2.0)(3.0) == (6.0, 2.0)


def test_value_and_grad_of_variables_outside_of_steps():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    variables = model.trainable_variables
    loss, grads = value_and_grad(lambda v: ops.mean(ops.square(model(X) - Y)))(variables)
    model.compile("sgd", "mse")
    expected = model.gradients(X, Y)
    assert loss == pytest.approx(model.test_on_batch(X, Y), rel=1e-6)
    for variable, grad in zip(variables, grads, strict=True):
        np.testing.assert_allclose(grad, expected[variable.path], rtol=1e-5, atol=1e-6)
    unused = keras.Variable(np.ones(2), name="unused")
    with pytest.warns(UserWarning, match="does not depend on unused"):
        assert list(value_and_grad(lambda v: ops.sum(v[0]))([variables[1], unused])[1][1]) == [0, 0]


def test_what_was_computed_before_is_constant():
    def outer(x):
        before = x * x
        return value_and_grad(lambda x: ops.sum(x * before))(x)[1]

    x = np.array([2.0, 3.0], "float32")
    np.testing.assert_array_equal(value_and_grad(lambda x: ops.sum(outer(x)))(x)[1], [4, 6])
    np.testing.assert_array_equal(outer_on_tensors(x), [4, 9])


def outer_on_tensors(x):
    def fn(x):
        before = x * x
        return ops.sum(x), value_and_grad(lambda x: ops.sum(x * before))(x)[1]

    return value_and_grad(fn, has_aux=True)(x)[0][1]


def test_integers_have_no_gradient():
    with pytest.raises(TypeError, match="a gradient is by floats"):
        value_and_grad(lambda i: ops.sum(i))(np.arange(3))
