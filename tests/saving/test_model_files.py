"""Whole models: ours, Keras', and across the two."""

import io
import json
import os
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from golden import store

import fastnn as keras
from fastnn import saving
from fastnn.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    Lambda,
    MaxPooling2D,
)
from fastnn.saving import ModelFormatError, archive, registry

FILES = Path(store.FOLDER) / "files"
GOLDEN = store.load("files/files")
rng = np.random.default_rng(1)
X, Y = rng.random((96, 6), np.float32), rng.integers(0, 3, 96)


def mlp(optimizer="adam", compiled=True):
    model = keras.Sequential(
        [Input((6,)), Dense(8, "relu", kernel_regularizer="l2"), Dropout(0.2), Dense(3, "softmax")],
        name="mlp",
    )
    if compiled:
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def fitted(optimizer="adam"):
    model = mlp(optimizer)
    model.fit(X, Y, batch_size=32, epochs=2, shuffle=False, verbose=0)
    return model


def same_weights(first, second):
    pairs = list(zip(first.get_weights(), second.get_weights(), strict=True))
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in pairs)


def members(path):
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


# Keras' own files


@pytest.mark.parametrize("name", ["mlp", "convnet", "mlp_jax", "convnet_jax"])
@pytest.mark.parametrize("compiled", [True, False])
def test_files_of_keras_load(name, compiled):
    golden = GOLDEN[name]
    model = saving.load_model(FILES / f"{name}.keras", compile=compiled)
    assert model.compiled is compiled
    np.testing.assert_allclose(model.predict(golden["x"], verbose=0), golden["prediction"], atol=1e-5)
    for own, weight in zip(model.get_weights(), golden["weights"], strict=True):
        np.testing.assert_array_equal(own, weight)


@pytest.mark.parametrize("name", ["mlp", "convnet"])
def test_weights_of_keras_load(name):
    model = saving.load_model(FILES / f"{name}.keras")
    expected, slots = model.get_weights(), [v.numpy() for v in model.optimizer.variables]
    for variable in (*model.variables, *model.optimizer.variables):
        variable.assign(np.zeros(variable.shape, variable.dtype))
    model.load_weights(FILES / f"{name}.weights.h5")
    for own, weight in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(own, weight)
    for own, slot in zip(model.optimizer.variables, slots, strict=True):
        np.testing.assert_array_equal(own, slot)


def test_files_of_keras_go_on_training():
    """The optimiser's state is there: the next step is Keras' next step."""
    golden = GOLDEN["mlp"]
    model = saving.load_model(FILES / "mlp.keras")
    model.train_on_batch(golden["x"], golden["y"])
    for own, weight in zip(model.get_weights(), golden["next_weights"], strict=True):
        np.testing.assert_allclose(own, weight, atol=1e-5)


def test_files_of_keras_survive_another_round(tmp_path):
    for name in ("mlp", "convnet"):
        model = saving.load_model(FILES / f"{name}.keras")
        model.save(tmp_path / "x.keras")
        again = saving.load_model(tmp_path / "x.keras")
        assert same_weights(model, again)
        before, after = (json.loads(members(p)["config.json"]) for p in (FILES / f"{name}.keras", tmp_path / "x.keras"))
        assert [c["class_name"] for c in before["config"]["layers"]] == [
            c["class_name"] for c in after["config"]["layers"]
        ]


def test_weights_files_are_no_models():
    with pytest.raises(ModelFormatError, match=r"name of a weights file.*load_weights"):
        saving.load_model(FILES / "mlp.weights.h5")
    with (
        pytest.raises(ModelFormatError, match="no model_config, only weights"),
        open(FILES / "mlp.weights.h5", "rb") as file,
    ):
        saving.load_model(file)


# Our own


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop", "adagrad", "nadam", "lion", "ftrl", "adafactor"])
def test_training_goes_on_bit_for_bit(tmp_path, optimizer):
    model = mlp(optimizer)
    model.layers[1].rate = 0.0  # the random step is not part of a file
    model.fit(X, Y, batch_size=32, epochs=2, shuffle=False, verbose=0)
    model.save(tmp_path / "m.keras")
    again = saving.load_model(tmp_path / "m.keras")
    assert same_weights(model, again)
    np.testing.assert_array_equal(model.predict(X, verbose=0), again.predict(X, verbose=0))
    for one in (model, again):
        one.fit(X, Y, batch_size=32, epochs=2, shuffle=False, verbose=0)
    assert same_weights(model, again)
    for a, b in zip(model.optimizer.variables, again.optimizer.variables, strict=True):
        assert a.numpy().tobytes() == b.numpy().tobytes()


def test_a_conv_net_with_its_running_means(tmp_path):
    model = keras.Sequential(
        [
            Input((8, 8, 2)),
            Conv2D(3, 3),
            BatchNormalization(),
            Activation("relu"),
            MaxPooling2D(),
            Flatten(),
            Dense(2),
        ]
    )
    model.compile("adam", "mse")
    x, y = rng.random((16, 8, 8, 2), np.float32), rng.random((16, 2), np.float32)
    model.fit(x, y, epochs=2, verbose=0)
    model.save(tmp_path / "m.keras")
    again = saving.load_model(tmp_path / "m.keras")
    assert same_weights(model, again)
    np.testing.assert_array_equal(model.predict(x, verbose=0), again.predict(x, verbose=0))


def test_models_in_models_and_the_same_class_often(tmp_path):
    inner = keras.Sequential([Dense(4, "relu"), Dense(4)], name="inner")
    model = keras.Sequential([Input((6,)), Dense(5), inner, Dense(5), Dense(2)])
    before = model.predict(X, verbose=0)
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as file:
        weights = saving.model_files.hdf5.WeightsFile(file.read("model.weights.h5"), "m")
    assert sorted(weights.groups) == [
        "layers/dense/vars",
        "layers/dense_1/vars",
        "layers/dense_2/vars",
        "layers/sequential/layers/dense/vars",
        "layers/sequential/layers/dense_1/vars",
    ]
    np.testing.assert_array_equal(saving.load_model(tmp_path / "m.keras").predict(X, verbose=0), before)


def test_without_the_optimizer(tmp_path):
    model = fitted()
    model.save(tmp_path / "m.keras", include_optimizer=False)
    again = saving.load_model(tmp_path / "m.keras")
    assert not again.compiled
    assert same_weights(model, again)
    assert (
        "optimizer/vars"
        not in saving.model_files.hdf5.WeightsFile(members(tmp_path / "m.keras")["model.weights.h5"], "m").groups
    )


def test_without_compiling(tmp_path):
    model = fitted()
    model.save(tmp_path / "m.keras")
    again = saving.load_model(tmp_path / "m.keras", compile=False)
    assert not again.compiled
    assert same_weights(model, again)


def test_file_objects(tmp_path):
    model, buffer = fitted(), io.BytesIO()
    saving.save_model(model, buffer)
    buffer.seek(0)
    assert same_weights(saving.load_model(buffer), model)
    weights = io.BytesIO()
    saving.save_weights(model, weights)
    other = mlp()
    saving.load_weights(other, io.BytesIO(weights.getvalue()))
    assert same_weights(model, other)
    saving.load_weights(mlp(), io.BytesIO(buffer.getvalue()))


def test_weights_travel(tmp_path):
    model = fitted()
    model.save_weights(tmp_path / "m.weights.h5")
    model.save(tmp_path / "m.keras")
    for path in (tmp_path / "m.weights.h5", tmp_path / "m.keras"):
        other = mlp(compiled=False)
        other.load_weights(path)
        assert same_weights(model, other)
        same_optimizer = mlp()
        same_optimizer.optimizer.build(same_optimizer.trainable_variables)
        same_optimizer.load_weights(path)
        for a, b in zip(model.optimizer.variables, same_optimizer.optimizer.variables, strict=True):
            assert a.numpy().tobytes() == b.numpy().tobytes()


def test_extensions_come_with_the_repair(tmp_path):
    model = mlp()
    for path in ("m", "m.weights", "folder/"):
        with pytest.raises(ValueError, match=r"must end in '\.keras'.*save_weights"):
            model.save(tmp_path / path)
    with pytest.raises(ValueError, match=r"name of a weights file.*save_weights"):
        model.save(tmp_path / "m.weights.h5")
    for path in ("m.keras", "m.h5", "m.weights"):
        with pytest.raises(ValueError, match=r"must end in '\.weights\.h5'"):
            model.save_weights(tmp_path / path)
    assert os.listdir(tmp_path) == []


def test_overwriting(tmp_path):
    path = tmp_path / "m.keras"
    model = fitted()
    model.save(path)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        model.save(path, overwrite=False)
    model.save(path)
    with pytest.raises(FileNotFoundError):
        saving.load_model(tmp_path / "missing.keras")


def test_unbuilt_models_have_no_weights(tmp_path):
    model = keras.Sequential([Dense(3)])
    with pytest.raises(ValueError, match="no weights yet"):
        model.save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(ValueError, match="no weights yet"):
        model.load_weights(FILES / "mlp.weights.h5")


def test_metadata(tmp_path):
    mlp().save(tmp_path / "m.keras")
    metadata = json.loads(members(tmp_path / "m.keras")["metadata.json"])
    assert set(metadata) == {"keras_version", "fastnn_version", "date_saved"}
    assert metadata["fastnn_version"] == keras.__version__


def test_files_differ_only_in_their_date(tmp_path):
    model = fitted()
    for name in "ab":
        model.save(tmp_path / f"{name}.keras")
    first, second = (members(tmp_path / f"{name}.keras") for name in "ab")
    assert first["config.json"] == second["config.json"]
    assert first["model.weights.h5"] == second["model.weights.h5"]


# The user's own


class Residual(keras.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.blocks = [Dense(units, "relu"), [Dense(units)]]
        self._gate = Dense(units)

    def call(self, x):
        return x + self.blocks[1][0](self.blocks[0](x)) * self._gate(x)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class Own(keras.Model):
    def __init__(self, units=6, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.residual = Residual(units)
        self.heads = {"a": Dense(2), "b": Dense(2)}

    def call(self, x):
        x = self.residual(x)
        return self.heads["a"](x) + self.heads["b"](x)

    def get_config(self):
        return {"units": self.units, "name": self.name}


def triple(x):
    return x * 3.0


def test_a_model_of_ones_own(tmp_path):
    """Keras walks through attributes by name, and "layers" is one of them."""
    model = Own()
    model.compile("adam", "mse")
    model.fit(X, X[:, :2], verbose=0)
    model.save(tmp_path / "m.keras")
    paths = saving.model_files.hdf5.WeightsFile(members(tmp_path / "m.keras")["model.weights.h5"], "m").groups
    assert sorted(paths) == [
        "heads/dense/vars",
        "heads/dense_1/vars",
        "layers/residual/_gate/vars",
        "layers/residual/blocks/container/dense/vars",
        "layers/residual/blocks/dense/vars",
        "optimizer/vars",
    ]
    with pytest.raises(ModelFormatError, match="Unknown class 'Own'"):
        saving.load_model(tmp_path / "m.keras")
    again = saving.load_model(tmp_path / "m.keras", custom_objects={"Own": Own})
    np.testing.assert_array_equal(model.predict(X, verbose=0), again.predict(X, verbose=0))


def test_a_layer_and_a_function_of_ones_own(tmp_path):
    model = keras.Sequential([Input((6,)), Residual(6), Lambda(triple), Dense(2, activation=triple)])
    model.save(tmp_path / "m.keras")
    own = {"Residual": Residual, "triple": triple}
    for missing in own:
        with pytest.raises(ModelFormatError, match=r"Unknown|refused"):
            saving.load_model(tmp_path / "m.keras", {k: v for k, v in own.items() if k != missing})
    again = saving.load_model(tmp_path / "m.keras", own)
    np.testing.assert_array_equal(model.predict(X, verbose=0), again.predict(X, verbose=0))
    with saving.custom_object_scope(own):
        saving.load_model(tmp_path / "m.keras")


def test_a_lambda_cannot_be_saved(tmp_path):
    path = tmp_path / "m.keras"
    fitted().save(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="register_keras_serializable"):
        keras.Sequential([Input((6,)), Lambda(lambda x: x + 1.0)]).save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["m.keras"]


# When it does not fit


def test_weights_of_another_model_change_nothing(tmp_path):
    other = keras.Sequential([Input((6,)), Dense(8, "relu"), Dropout(0.2), Dense(4, "softmax")])
    other.save_weights(tmp_path / "other.weights.h5")
    model = fitted()
    before = [v.numpy() for v in (*model.variables, *model.optimizer.variables)]
    with pytest.raises(ModelFormatError, match="layers/dense_1/vars"):
        model.load_weights(tmp_path / "other.weights.h5")
    after = [v.numpy() for v in (*model.variables, *model.optimizer.variables)]
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.warns(UserWarning, match="dense_1"):
        model.load_weights(tmp_path / "other.weights.h5", skip_mismatch=True)
    np.testing.assert_array_equal(model.get_weights()[0], other.get_weights()[0])
    np.testing.assert_array_equal(model.get_weights()[2], before[2])


def test_more_or_fewer_layers_than_the_model(tmp_path):
    model = mlp()
    for layers in ([Dense(8)], [Dense(8), Dense(3), Dense(3)]):
        other = keras.Sequential([Input((6,)), *layers])
        other.save_weights(tmp_path / "other.weights.h5")
        with pytest.raises(ModelFormatError, match="dense_"):
            model.load_weights(tmp_path / "other.weights.h5")


def test_loads_leave_nothing_behind(tmp_path):
    names = dict(saving.get_custom_objects())
    fitted().save(tmp_path / "m.keras")
    data = (tmp_path / "m.keras").read_bytes()
    (tmp_path / "bad.keras").write_bytes(data[:-100])
    settings = dict(keras.config._settings)
    with pytest.raises(ModelFormatError):
        saving.load_model(tmp_path / "bad.keras", custom_objects={"x": triple})
    saving.load_model(tmp_path / "m.keras", custom_objects={"x": triple})
    assert saving.get_custom_objects() == names
    assert keras.config._settings == settings
    assert saving.get_registered_object("x") is None
    assert saving.model_files.budget.charge((10**12,)) is False


def test_many_threads_load_at_once(tmp_path):
    model = fitted()
    model.save(tmp_path / "m.keras")
    results = []

    def load():
        for _ in range(5):
            results.append(same_weights(saving.load_model(tmp_path / "m.keras"), model))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 20


def test_every_layer_of_the_golden_set_makes_the_journey():
    """The configurations that Keras wrote build our layers, and come back with the same values."""
    configs = json.loads((Path(store.FOLDER) / "configs.json").read_text())
    known = {name for kind in registry.MODULES for name in registry.names(kind)}
    seen = 0
    for config in _objects(configs):
        if config["class_name"] in known:
            seen += 1
            obj = registry.deserialize(config)
            again = registry.serialize(obj)
            assert (again["module"], again["class_name"]) == (config["module"], config["class_name"])
            assert json.loads(json.dumps(registry.serialize(registry.deserialize(again)))) == json.loads(
                json.dumps(again)
            )
    assert seen > 20


def _objects(node):
    if isinstance(node, list):
        for entry in node:
            yield from _objects(entry)
    elif isinstance(node, dict):
        if {"class_name", "config", "module"} <= set(node) and isinstance(node["config"], dict):
            if node["class_name"] != "DTypePolicy":
                yield node
        else:
            for entry in node.values():
                yield from _objects(entry)


def test_archives_that_others_have_packed(tmp_path):
    """A .keras file that was unpacked and packed again, compressed."""
    parts = members(FILES / "mlp.keras")
    with zipfile.ZipFile(tmp_path / "m.keras", "w", zipfile.ZIP_DEFLATED) as file:
        for name in reversed(archive.CAPS):
            file.writestr(name, parts[name])
    assert same_weights(saving.load_model(tmp_path / "m.keras"), saving.load_model(FILES / "mlp.keras"))


def test_a_lambda_loss_is_left_out_on_request(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", lambda y, p: keras.ops.mean(keras.ops.square(y - p), -1))
    with pytest.raises(ValueError, match="include_optimizer=False"):
        model.save(tmp_path / "a.keras")
    model.save(tmp_path / "a.keras", include_optimizer=False)
    again = keras.saving.load_model(tmp_path / "a.keras")
    assert not again.compiled
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])
