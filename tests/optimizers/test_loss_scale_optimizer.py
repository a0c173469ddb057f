"""Scaling by powers of two is exact: finite steps are those of the inner optimizer, bit for bit."""

import io

import numpy as np
import pytest

import fastnn
from fastnn import layers, optimizers
from fastnn.optimizers import schedules

INNER = {
    "sgd": lambda: optimizers.SGD(0.05, momentum=0.9),
    "adam": lambda: optimizers.Adam(schedules.ExponentialDecay(0.05, 3, 0.5), global_clipnorm=0.5, use_ema=True),
    "accumulating": lambda: optimizers.SGD(0.05, gradient_accumulation_steps=2),
    "nadam": lambda: optimizers.Nadam(0.01),
    "two": lambda: optimizers.MultiOptimizer(
        optimizers.OptimizerMap(optimizers.Adam(0.01), {".*bias": optimizers.SGD(0.1)})
    ),
}
WAYS = {"native": {}, "reference": {"engine": "reference"}, "eager": {"run_eagerly": True}}
X = np.random.default_rng(0).normal(size=(24, 3)).astype("float32")
Y = X[:, :1] * 2


def model(optimizer, **options):
    fastnn.utils.set_random_seed(1)
    made = fastnn.Sequential([layers.Input((3,)), layers.Dense(4, "tanh"), layers.Dense(1)])
    made.compile(optimizer, "mse", **options)
    return made


def scaled(inner, steps=3, **options):
    return model(optimizers.LossScaleOptimizer(inner, dynamic_growth_steps=steps), **options)


def same(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", INNER)
def test_steps_are_those_of_the_inner_optimizer(name, way):
    plain, wrapped = model(INNER[name](), **WAYS[way]), scaled(INNER[name](), **WAYS[way])
    for made in (plain, wrapped):
        made.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    same(plain.get_weights(), wrapped.get_weights())
    same([v.numpy() for v in plain.optimizer.variables], [v.numpy() for v in wrapped.optimizer.variables[4:]])
    assert float(wrapped.optimizer.dynamic_scale) == 2.0 ** (15 + 12 // 3)
    assert int(wrapped.optimizer.iterations) == int(plain.optimizer.iterations)


@pytest.mark.filterwarnings("ignore:invalid value encountered")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", INNER)
@pytest.mark.parametrize("wrong", [np.inf, np.nan])
def test_a_step_that_is_not_finite_is_left_out(name, way, wrong):
    made = scaled(INNER[name](), **WAYS[way])
    made.train_on_batch(X, Y)
    before = [v.numpy() for v in (*made.variables, *made.optimizer.inner_optimizer.variables)]
    targets = Y.copy()
    targets[5] = wrong
    made.train_on_batch(X, targets)
    weights = len(made.trainable_variables)
    same(before[:weights], [v.numpy() for v in made.trainable_variables])
    same(before[len(made.variables) :], [v.numpy() for v in made.optimizer.inner_optimizer.variables])
    assert (int(made.optimizer.step_counter), float(made.optimizer.dynamic_scale)) == (0, 2.0**14)


def test_the_scale_grows_after_so_many_finite_steps():
    made, seen = scaled(INNER["sgd"](), steps=2), []
    for targets in (Y, Y, Y, Y * np.inf, Y, Y):
        made.train_on_batch(X, targets)
        seen.append((int(made.optimizer.step_counter), float(made.optimizer.dynamic_scale) / 2**15))
    assert seen == [(1, 1), (0, 2), (1, 2), (0, 1), (1, 1), (0, 2)]


def test_a_scale_that_overflows_becomes_smaller_until_it_does_not():
    made = scaled(INNER["sgd"]())
    made.optimizer.build(made.trainable_variables)
    made.optimizer.dynamic_scale.assign(2.0**127)
    made.fit(X, Y, batch_size=4, epochs=2, verbose=0)
    assert 0 < int(made.optimizer.iterations) < 12
    assert all(np.isfinite(w).all() for w in made.get_weights())


def test_configuration_has_the_keys_of_keras():
    optimizer = optimizers.LossScaleOptimizer(optimizers.SGD(0.5), 8.0, 10, name="scaled")
    config = optimizer.get_config()
    assert list(config) == ["name", "inner_optimizer", "initial_scale", "dynamic_growth_steps"]
    assert optimizers.deserialize(optimizers.serialize(optimizer)).get_config() == config
    old = {**config, "weight_decay": None, "use_ema": False, "loss_scale_factor": None}
    assert optimizers.LossScaleOptimizer.from_config(old).get_config() == config


@pytest.mark.parametrize("name", INNER)
def test_training_goes_on_from_a_file(name):
    made, file = scaled(INNER[name]()), io.BytesIO()
    made.fit(X, Y, batch_size=4, verbose=0)
    fastnn.saving.save_model(made, file)
    again = fastnn.saving.load_model(io.BytesIO(file.getvalue()))
    for one in (made, again):
        one.fit(X, Y, batch_size=4, shuffle=False, verbose=0)
    same(made.get_weights(), again.get_weights())
    same([v.numpy() for v in made.optimizer.variables], [v.numpy() for v in again.optimizer.variables])


def test_the_learning_rate_is_that_of_the_inner_optimizer():
    made = scaled(optimizers.SGD(0.5, loss_scale_factor=4.0))
    assert made.optimizer.inner_optimizer.loss_scale_factor is None
    made.fit(X, Y, verbose=0, callbacks=[fastnn.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)])
    assert float(made.optimizer.learning_rate) == float(made.optimizer.inner_optimizer.learning_rate) == 0.25
    made.optimizer.learning_rate = 0.125
    assert float(made.optimizer.inner_optimizer.learning_rate) == 0.125


def test_what_is_refused():
    with pytest.raises(TypeError, match="expected an optimizer to wrap"):
        optimizers.LossScaleOptimizer("sgd")
    with pytest.raises(TypeError, match="expected an optimizer to wrap"):
        optimizers.LossScaleOptimizer(optimizers.LossScaleOptimizer(optimizers.SGD()))
    with pytest.raises(ValueError, match="give clipnorm to the inner optimizer"):
        optimizers.LossScaleOptimizer(optimizers.SGD(), clipnorm=1.0)
