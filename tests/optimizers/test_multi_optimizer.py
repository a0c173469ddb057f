"""MultiOptimizer and OptimizerMap: Keras' numbers and files, both engines, own steps, and what is refused."""

import json
import zipfile

import multi_cases
import numpy as np
import pytest
from golden import store

import fastnn as keras
from fastnn import layers, value_and_grad
from fastnn.callbacks import LearningRateScheduler, ReduceLROnPlateau, SwapEMAWeights
from fastnn.optimizers import SGD, Adam, MultiOptimizer, OptimizerMap, RMSprop, schedules
from fastnn.variable import Variable

GOLDEN = store.load("multi")["two"]
FILE = store.FOLDER / "files" / "multi.keras"
X, Y = GOLDEN["x"], GOLDEN["y"]
CLOSE = {"rtol": 2e-5, "atol": 2e-6}  # a few float32 roundings, in another order than JAX'
WAYS = {"native": {}, "reference": {"engine": "reference"}, "eager": {"run_eagerly": True}}
EVERY_WAY = pytest.mark.parametrize("way", WAYS)


def check(arrays, expected):
    for array, value in zip(arrays, expected, strict=True):
        np.testing.assert_allclose(array, value, **CLOSE)


def check_variables(optimizer, expected):
    for variable, entry in zip(optimizer.variables, expected, strict=True):
        assert entry["path"].endswith(variable.path.split("/")[-1])  # without the model's name in a loaded one
        assert (variable.shape, variable.dtype) == (entry["value"].shape, str(entry["value"].dtype))
        np.testing.assert_allclose(variable.value, entry["value"], **CLOSE, err_msg=variable.path)


def two(optimizer, cls=keras.Sequential, **options):
    made = multi_cases.model(keras, optimizer, cls)
    made.compile(optimizer, "mse", **options)
    made.set_weights(GOLDEN["initial"])
    return made


class Own(keras.Sequential):
    def train_step(self, data):
        x, y = data

        def loss_of(variables):
            return self.optimizer.scale_loss(self.compute_loss(x, y, self(x, training=True)))

        loss, grads = value_and_grad(loss_of)(self.trainable_variables)
        self.optimizer.apply(grads, self.trainable_variables)
        return {"loss": loss / 4.0}


# --- against Keras ---------------------------------------------------------------------------------------


@EVERY_WAY
@pytest.mark.parametrize("cls", [keras.Sequential, Own])
def test_five_steps_are_those_of_keras(way, cls):
    model = two(multi_cases.optimizer(keras), cls, **WAYS[way])
    for loss, weights in zip(GOLDEN["losses"], GOLDEN["steps"], strict=True):
        np.testing.assert_allclose(model.train_on_batch(X, Y), loss, **CLOSE)
        check(model.get_weights(), weights)
    check_variables(model.optimizer, GOLDEN["optimizer_variables"])
    model.optimizer.finalize_variable_values(model.trainable_variables)
    check(model.get_weights(), GOLDEN["finalized"])


@EVERY_WAY
def test_fit_trains_with_every_optimizer(way):
    model = two(multi_cases.optimizer(keras), **WAYS[way])
    history = model.fit(X, Y, batch_size=6, epochs=5, shuffle=False, verbose=0).history
    np.testing.assert_allclose(history["loss"], GOLDEN["losses"], **CLOSE)
    check(model.get_weights(), GOLDEN["finalized"])
    assert [int(o.iterations) for o in (model.optimizer, *model.optimizer.optimizers)] == [5, 5, 5, 5]


def test_a_file_of_keras_goes_on_here():
    model = keras.saving.load_model(FILE)
    check_variables(model.optimizer, GOLDEN["file"]["optimizer_variables"])
    np.testing.assert_allclose(model.train_on_batch(X, Y), GOLDEN["file"]["next_loss"], **CLOSE)
    check(model.get_weights(), GOLDEN["file"]["next_weights"])


def test_the_file_and_its_configuration_are_those_of_keras(tmp_path):
    model = keras.saving.load_model(FILE)
    model.save(tmp_path / "ours.keras")

    def content(path):
        with zipfile.ZipFile(path) as archive:
            optimizer = json.loads(archive.read("config.json"))["compile_config"]["optimizer"]
            file = keras.saving.hdf5.WeightsFile(archive.read("model.weights.h5"), str(path))
        return optimizer, file.groups

    (config, ours), (expected, theirs) = content(tmp_path / "ours.keras"), content(FILE)
    assert config == expected
    assert ours.keys() == theirs.keys()
    for path, arrays in theirs.items():
        assert arrays.keys() == ours[path].keys()
        for key, array in arrays.items():
            np.testing.assert_array_equal(ours[path][key], array)


# --- files -----------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:save_model:UserWarning")
@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_training_goes_on_from_a_file(ending, tmp_path):
    model = two(multi_cases.saved_optimizer(keras))
    model.train_on_batch(X, Y)
    model.save(tmp_path / f"m{ending}")
    loaded = keras.saving.load_model(tmp_path / f"m{ending}")
    assert loaded.train_on_batch(X, Y) == model.train_on_batch(X, Y)
    for a, b in zip(loaded.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a.value, b.value)


def by_layer(variable):
    return CHOSEN["encoder" if "encoder" in variable.path else "decoder"]


CHOSEN: dict = {}


def test_a_callable_chooses_and_is_saved_by_name(tmp_path):
    CHOSEN.update(encoder=Adam(0.1), decoder=SGD(0.1))
    model = two(MultiOptimizer(by_layer))
    assert model.optimizer.optimizers == []
    model.train_on_batch(X, Y)
    assert model.optimizer.optimizers == list(CHOSEN.values())
    model.save(tmp_path / "m.keras")
    CHOSEN.update(encoder=Adam(0.1), decoder=SGD(0.1))
    loaded = keras.saving.load_model(tmp_path / "m.keras", {"by_layer": by_layer})
    assert loaded.train_on_batch(X, Y) == model.train_on_batch(X, Y)
    check(loaded.get_weights(), model.get_weights())


def test_weights_can_be_set():
    model, other = two(multi_cases.optimizer(keras)), two(multi_cases.optimizer(keras))
    model.train_on_batch(X, Y)
    values = [variable.numpy() for variable in model.optimizer.variables]
    other.optimizer.build(other.trainable_variables)
    other.optimizer.set_weights(values)
    for variable, value in zip(other.optimizer.variables, values, strict=True):
        np.testing.assert_array_equal(variable.value, value)
    with pytest.raises(ValueError, match="before set_weights"):
        multi_cases.optimizer(keras).set_weights(values)


# --- the map ---------------------------------------------------------------------------------------------


def test_a_path_goes_before_expressions_and_those_match_the_whole():
    default, exact, pattern = RMSprop(), Adam(), SGD()
    chosen = OptimizerMap(default, {"encoder/a/kernel": exact})
    chosen["encoder/.*"] = pattern
    assert chosen["encoder/a/kernel"] is exact
    assert chosen["encoder/b/kernel"] is pattern
    assert chosen["my/encoder/b"] is chosen["encoder"] is default
    assert chosen.default_optimizer is default
    assert (len(chosen), list(chosen)) == (2, ["encoder/a/kernel", "encoder/.*"])
    del chosen["encoder/.*"]
    assert chosen["encoder/b/kernel"] is default
    copy = OptimizerMap.from_config(chosen.get_config())
    assert copy.get_config() == chosen.get_config()


def test_a_map_refuses_what_does_not_fit():
    chosen = OptimizerMap(SGD(), {".*a": Adam(), "b.*": Adam(), "(": SGD()})
    with pytest.raises(ValueError, match="is not a regular expression"):
        chosen["c"]
    del chosen["("]
    with pytest.raises(ValueError, match=r"'ba' is matched by several keys, \['\.\*a', 'b\.\*'\]"):
        chosen["ba"]
    with pytest.raises(ValueError, match="already has the optimizer"):
        chosen[".*a"] = SGD()
    with pytest.raises(ValueError, match="a key must be a string"):
        chosen[1] = SGD()
    with pytest.raises(ValueError, match="'d' must be an Optimizer, received 'sgd'"):
        chosen["d"] = "sgd"
    with pytest.raises(ValueError, match="cannot be a MultiOptimizer"):
        chosen["d"] = MultiOptimizer(chosen)
    with pytest.raises(TypeError, match="default_optimizer must be an Optimizer"):
        OptimizerMap("sgd")
    with pytest.raises(TypeError, match="optimizer_map must be a dict"):
        OptimizerMap(SGD(), [SGD()])


# --- the optimizer ---------------------------------------------------------------------------------------


def test_it_has_no_learning_rate():
    optimizer = multi_cases.optimizer(keras)
    with pytest.raises(AttributeError, match="has no learning rate"):
        optimizer.learning_rate  # noqa: B018
    with pytest.raises(AttributeError, match="has no learning rate"):
        optimizer.learning_rate = 0.1
    assert [round(float(o.learning_rate), 3) for o in optimizer.optimizers] == [0.05, 0.02, 0.1]


def test_the_scale_of_the_loss_is_that_of_all():
    inner = SGD(loss_scale_factor=8.0)
    optimizer = MultiOptimizer(OptimizerMap(inner), loss_scale_factor=2.0)
    assert (optimizer.scale_loss(3.0), inner.loss_scale_factor) == (6.0, 2.0)
    optimizer.loss_scale_factor = 4.0
    assert inner.loss_scale_factor == 4.0
    assert MultiOptimizer(OptimizerMap(SGD(loss_scale_factor=8.0))).optimizers[0].loss_scale_factor is None


def test_errors_say_what_does_not_fit():
    with pytest.raises(TypeError, match="must be an OptimizerMap or a callable"):
        MultiOptimizer({"a": SGD()})
    variables = [Variable(np.ones(2, np.float32), name=name) for name in ("a", "b")]
    with pytest.raises(ValueError, match="the optimizer of 'a' must be an Optimizer, received None"):
        MultiOptimizer(lambda variable: None).build(variables)
    with pytest.raises(ValueError, match="cannot be a MultiOptimizer"):
        MultiOptimizer(lambda variable: multi_cases.optimizer(keras)).build(variables)
    optimizer = MultiOptimizer(OptimizerMap(SGD()))
    with pytest.raises(ValueError, match=r"call build\(trainable_variables\) first"):
        optimizer.apply([np.ones(2)])
    optimizer.apply([], variables)
    assert not optimizer.built
    optimizer.build(variables)
    with pytest.raises(ValueError, match="received 1 gradients, was built for 2"):
        optimizer.apply([np.ones(2)], variables[:1])
    optimizer.apply([np.ones(2), np.ones(2)])
    assert int(optimizer.iterations) == 1


def test_an_optimizer_without_variables_stays_unbuilt():
    unused = Adam()
    model = two(MultiOptimizer(OptimizerMap(SGD(0.1), {"nothing": unused})))
    model.train_on_batch(X, Y)
    assert not unused.built and int(unused.iterations) == 0


@EVERY_WAY
def test_a_new_schedule_of_one_optimizer_is_used(way):
    model, expected = (two(multi_cases.optimizer(keras), **WAYS[way]) for _ in range(2))
    for _ in range(2):
        model.train_on_batch(X, Y)
        expected.train_on_batch(X, Y)
    model.optimizer.optimizers[2].learning_rate = schedules.ExponentialDecay(0.5, 1, 1.0)
    expected.optimizer.optimizers[2].learning_rate = 0.5
    model.train_on_batch(X, Y)
    expected.train_on_batch(X, Y)
    check(model.get_weights(), expected.get_weights())


# --- callbacks -------------------------------------------------------------------------------------------


def test_callbacks_set_every_rate():
    model = two(MultiOptimizer(OptimizerMap(SGD(0.4, name="a"), {".*bias": Adam(0.2, name="b")})))
    halve = LearningRateScheduler(lambda epoch, rate: rate / 2)
    logs = model.fit(X, Y, epochs=2, verbose=0, callbacks=[halve]).history
    np.testing.assert_allclose([logs["learning_rate_a"], logs["learning_rate_b"]], [[0.2, 0.1], [0.1, 0.05]])
    reduce = ReduceLROnPlateau("loss", 0.1, patience=1, min_delta=100.0)
    logs = model.fit(X, Y, epochs=3, verbose=0, callbacks=[reduce]).history
    np.testing.assert_allclose(logs["learning_rate_b"], [0.05, 0.05, 0.005], rtol=1e-6)
    assert float(model.optimizer.optimizers[1].learning_rate) == pytest.approx(0.001)


def test_averages_are_swapped_where_an_optimizer_keeps_them():
    model = two(multi_cases.optimizer(keras))
    for _ in range(5):
        model.train_on_batch(X, Y)
    before = model.get_weights()
    expected = two(SGD())
    expected.set_weights(GOLDEN["finalized"])
    swapped = model.evaluate(X, Y, verbose=0, callbacks=[SwapEMAWeights()])
    np.testing.assert_allclose(swapped, expected.evaluate(X, Y, verbose=0), rtol=1e-5)
    check(model.get_weights(), before)
    with pytest.raises(ValueError, match="keeps no averages"):
        two(MultiOptimizer(OptimizerMap(SGD()))).evaluate(X, Y, verbose=0, callbacks=[SwapEMAWeights()])


def test_layers_may_be_frozen():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(8, name="encoder"), layers.Dense(3, name="decoder")])
    model.layers[0].trainable = False
    model.compile(multi_cases.optimizer(keras), "mse")
    frozen = model.layers[0].get_weights()
    model.fit(X, Y, verbose=0)
    for a, b in zip(model.layers[0].get_weights(), frozen, strict=True):
        np.testing.assert_array_equal(a, b)
