"""Optimizers, regularizers, constraints, callbacks and models of one's own, with the numbers of Keras 3.15 on JAX."""

import numpy as np
import pytest

import fastnn as keras
from fastnn import layers, ops

rng = np.random.default_rng(0)
X = rng.normal(size=(12, 4)).astype("float32")
Y = rng.normal(size=(12, 2)).astype("float32")
INTEGERS = rng.integers(0, 5, size=(12, 3))


def with_known_weights(model):
    ramps = (
        np.linspace(-1, 1, max(w.size, 2), dtype="float32")[: w.size].reshape(w.shape) for w in model.get_weights()
    )
    model.set_weights(list(ramps))
    return model


def dense(**options):
    return with_known_weights(keras.Sequential([keras.Input((4,)), layers.Dense(2, **options)]))


def losses(model, x=X, epochs=2):
    return model.fit(x, Y, batch_size=4, epochs=epochs, shuffle=False, verbose=0).history["loss"]


class Momentum(keras.optimizers.Optimizer):
    def __init__(self, learning_rate=0.1, beta=0.9, name="momentum", **options):
        super().__init__(learning_rate=learning_rate, name=name, **options)
        self.beta = beta

    def build(self, variables):
        super().build(variables)
        self.moments = [self.add_variable_from_reference(v, name="moment") for v in variables]

    def update_step(self, gradient, variable, learning_rate):
        moment = self.moments[self._get_variable_index(variable)]
        self.assign(moment, ops.add(ops.multiply(moment, self.beta), gradient))
        self.assign_sub(variable, ops.multiply(moment, ops.cast(learning_rate, variable.dtype)))

    def get_config(self):
        return {**super().get_config(), "beta": self.beta}


@pytest.mark.parametrize("options", [{}, {"engine": "reference"}, {"run_eagerly": True}])
def test_an_own_optimizer(options):
    model = dense()
    model.compile(Momentum(0.05), "mse", **options)
    np.testing.assert_allclose(losses(model), [3.44519, 1.47254], atol=2e-5)
    np.testing.assert_allclose(model.get_weights()[0].ravel()[:3], [-0.55722, 0.05727, -0.27793], atol=2e-5)


class Small(keras.regularizers.Regularizer):
    def __call__(self, x):
        return 0.1 * ops.sum(ops.square(x))


class Positive(keras.constraints.Constraint):
    def __call__(self, w):
        return w * ops.cast(ops.greater(w, 0.0), w.dtype)


def test_own_regularizers_constraints_and_initializers():
    model = dense(
        kernel_regularizer=Small(), kernel_constraint=Positive(), bias_constraint=lambda b: ops.clip(b, -0.5, 0.5),
        kernel_initializer=lambda shape, dtype=None: np.ones(shape),
    )  # fmt: skip
    model.compile("sgd", "mse")
    np.testing.assert_allclose(losses(model), [3.00761, 2.28074], atol=2e-5)
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(kernel.ravel(), [0, 0.02481, 0.00265, 0, 0.14116, 0.35909, 0.7025, 0.92007], atol=2e-5)
    np.testing.assert_allclose(bias, [-0.476708, 0.440715], atol=2e-6)


class OnIntegers(keras.Model):
    def __init__(self, encode):
        super().__init__()
        self.encode, self.dense = encode, layers.Dense(2)

    def call(self, x):
        return self.dense(self.encode(x))


ENCODINGS = {
    "one_hot": (lambda: lambda x: ops.reshape(ops.one_hot(x, 5), (-1, 15)), 2.82648),
    "halves": (lambda: lambda x: ops.cast(ops.floor_divide(x, 2), "float32"), 4.34751),
    "embedding": (lambda: keras.Sequential([layers.Embedding(5, 3), layers.GlobalAveragePooling1D()]), 2.57857),
}


@pytest.mark.parametrize("kind", ENCODINGS)
def test_integers_reach_an_own_model(kind):
    encode, loss = ENCODINGS[kind]
    model = OnIntegers(encode())
    model(INTEGERS)
    with_known_weights(model)
    model.compile("sgd", "mse")
    assert losses(model, INTEGERS, epochs=1) == [pytest.approx(loss, abs=2e-5)]


def test_several_losses_of_one_output_are_added():
    model = dense()
    expected = model(X)
    model.compile("sgd", ["mse", "mae"], loss_weights=[1.0, 0.5])
    results = model.evaluate(X, Y, verbose=0, return_dict=True)
    mse, mae = np.mean((expected - Y) ** 2), np.mean(np.abs(expected - Y))
    assert results == pytest.approx({"loss": mse + mae / 2, "mse_loss": mse, "mae_loss": mae}, rel=1e-5)


def test_own_callbacks_hear_everything_in_order():
    heard = []

    class Listening(keras.callbacks.Callback):
        pass

    for name in [name for name in dir(keras.callbacks.Callback) if name.startswith("on_") and "predict" not in name]:
        if name not in ("on_batch_begin", "on_batch_end"):  # called by on_train_batch_begin and _end
            setattr(Listening, name, lambda self, *args, name=name, **kw: heard.append((name, *map(_plain, args), *kw)))
    model = dense()
    model.compile("sgd", "mse", metrics=["mae"])
    data = (X, Y)
    model.fit(X, Y, batch_size=6, validation_data=data, validation_batch_size=12, verbose=0, callbacks=[Listening()])
    logs, more = ["loss", "mae"], ["loss", "mae", "val_loss", "val_mae"]
    assert [(event[0], event[-1] if isinstance(event[-1], list) and event[-1] else None) for event in heard] == [
        ("on_train_begin", None), ("on_epoch_begin", None),
        ("on_train_batch_begin", None), ("on_train_batch_end", logs),
        ("on_train_batch_begin", None), ("on_train_batch_end", logs),
        ("on_test_begin", None), ("on_test_batch_begin", None), ("on_test_batch_end", logs), ("on_test_end", logs),
        ("on_epoch_end", more), ("on_train_end", more),
    ]  # fmt: skip


def _plain(value):
    return sorted(value) if isinstance(value, dict) else value
