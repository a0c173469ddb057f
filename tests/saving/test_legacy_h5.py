"""Whole models in one HDF5 file: Keras 2's, Keras 3's, ours."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from golden import store

import fastnn as keras
from fastnn import saving
from fastnn.layers import BatchNormalization, Dense, Input
from fastnn.saving import ModelFormatError, hdf5, keras2_config, legacy_h5

h5py = pytest.importorskip("h5py")
FOLDER = Path(store.FOLDER)
KERAS2 = store.load("keras2/answers")
KERAS3 = store.load("files/files")


def predicted(model, x):
    found = model.predict(x if len(x) > 1 else x[0], verbose=0)
    return found if isinstance(found, list) else [found]


# Keras' own files


@pytest.mark.parametrize("name", KERAS2)
@pytest.mark.parametrize("compiled", [True, False])
def test_models_of_keras2(name, compiled):
    golden = KERAS2[name]
    model = saving.load_model(FOLDER / "keras2" / f"{name}.h5", compile=compiled)
    assert model.compiled is compiled
    for own, expected in zip(predicted(model, golden["x"]), golden["prediction"], strict=True):
        np.testing.assert_allclose(own, expected, atol=1e-6)
    for own, expected in zip(model.get_weights(), golden["weights"], strict=True):
        np.testing.assert_array_equal(own, expected)


@pytest.mark.parametrize("name", KERAS2)
def test_training_goes_on_where_keras2_stopped(name):
    """Slots of three kinds of order, a rate divided by 1 + decay * steps, frozen layers in nested models."""
    golden = KERAS2[name]
    model = saving.load_model(FOLDER / "keras2" / f"{name}.h5")
    assert int(model.optimizer.iterations) == 3
    x, y = golden["x"], golden["y"]
    model.train_on_batch(x if len(x) > 1 else x[0], y)
    for weight, own, expected in zip(model.weights, model.get_weights(), golden["next_weights"], strict=True):
        # Keras 2 counts n - 1 in the moving variance of images; Adam enlarges the rounding of small gradients
        tolerance = 1e-4 if name == "convnet" and weight.name in ("moving_variance", "bias") else 1e-6
        np.testing.assert_allclose(own, expected, atol=tolerance, err_msg=weight.path)
    assert list(model.evaluate(x if len(x) > 1 else x[0], y, verbose=0, return_dict=True)) != ["loss"]


@pytest.mark.parametrize("name", ["mlp", "convnet"])
def test_models_of_keras3(name):
    golden = KERAS3[name]
    model = saving.load_model(FOLDER / "files" / f"{name}.h5")
    np.testing.assert_allclose(model.predict(golden["x"], verbose=0), golden["prediction"], atol=1e-6)
    stored = saving.load_model(FOLDER / "files" / f"{name}.keras")
    for own, expected in zip(model.optimizer.variables, stored.optimizer.variables, strict=True):
        np.testing.assert_array_equal(own, expected)
    with open(FOLDER / "files" / f"{name}.h5", "rb") as file:
        again = saving.load_model(file)
    np.testing.assert_array_equal(again.predict(golden["x"]), model.predict(golden["x"]))


# weights by layer


def like_mlp(width=8, first="dense_1", last="dense_2"):
    return keras.Sequential([Input((6,)), Dense(width, "tanh", name=first), Dense(3, "softmax", name=last)])


def test_weights_by_order_and_by_name():
    file, weights = FOLDER / "keras2" / "mlp_weights.h5", KERAS2["mlp"]["weights"]
    for path in (file, FOLDER / "keras2" / "mlp.h5"):
        model = like_mlp(first="a", last="b")
        model.load_weights(path)
        for own, expected in zip(model.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(own, expected)
    model = like_mlp(last="b")
    fresh = model.get_weights()
    model.load_weights(file, by_name=True)
    for own, expected in zip(model.get_weights(), [*weights[:2], *fresh[2:]], strict=True):
        np.testing.assert_array_equal(own, expected)


def test_weights_that_do_not_fit():
    file, model = FOLDER / "keras2" / "mlp_weights.h5", like_mlp(9)
    fresh = model.get_weights()
    for by_name in (False, True):
        with pytest.raises(ModelFormatError, match=r"mlp_weights.h5: Dense 'dense_1', .* shapes \[\(6, 9\), \(9,\)\]"):
            model.load_weights(file, by_name=by_name)
        with pytest.warns(UserWarning, match="what differs is not loaded"):
            model.load_weights(file, by_name=by_name, skip_mismatch=True)
    for own, expected in zip(model.get_weights()[:3], fresh[:3], strict=True):
        np.testing.assert_array_equal(own, expected)
    np.testing.assert_array_equal(model.get_weights()[3], KERAS2["mlp"]["weights"][3])
    with pytest.raises(ModelFormatError, match="2 layers with weights, the model 1"):
        keras.Sequential([Input((6,)), Dense(8)]).load_weights(file)
    with pytest.raises(ModelFormatError, match=r"by_name=True is for the old '\.h5' format"):
        like_mlp().load_weights(FOLDER / "files" / "mlp.weights.h5", by_name=True)
    with pytest.raises(ModelFormatError, match=r"only weights.*load_weights\(\)"):
        saving.load_model(file)


# our own files


def test_a_model_travels(tmp_path):
    model = keras.Sequential([Input((6,)), Dense(8, "relu", kernel_regularizer="l2"), BatchNormalization(), Dense(3)])
    model.layers[0].trainable = False
    model.compile(keras.optimizers.RMSprop(0.01, momentum=0.5), "mse", metrics=["mae"])
    x, y = np.random.default_rng(3).random((2, 16, 6), np.float32)
    model.fit(x, y[:, :3], verbose=0)
    with pytest.warns(UserWarning, match=r"save models in '\.keras' files"):
        model.save(tmp_path / "m.h5")
    again = saving.load_model(tmp_path / "m.h5")
    for one in (model, again):
        one.fit(x, y[:, :3], verbose=0, shuffle=False)
    for own, expected in zip(again.variables, model.variables, strict=True):
        np.testing.assert_array_equal(own, expected)
    for own, expected in zip(again.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(own, expected)
    with pytest.warns(UserWarning, match="keras"):
        model.save(tmp_path / "m.h5", include_optimizer=False)
    assert not saving.load_model(tmp_path / "m.h5").compiled


def test_what_keras_expects_to_find(tmp_path):
    """Names and order of Keras 3's `legacy_h5_format`."""
    model = like_mlp()
    model.compile("adam", "mse")
    with pytest.warns(UserWarning, match="format of Keras 2"):
        model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        assert set(file.attrs) == {"keras_version", "model_config", "training_config"}
        assert json.loads(file.attrs["training_config"])["optimizer_config"]["class_name"] == "Adam"
        group = file["model_weights"]
        assert list(group.attrs["layer_names"]) == ["dense_1", "dense_2"]
        names = group["dense_1"].attrs["weight_names"]
        assert [group["dense_1"][name].shape for name in names] == [(6, 8), (8,)]
        assert list(group["top_level_model_weights"].attrs["weight_names"]) == []


# attributes


def attributes_of(fill, **kwargs):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", **kwargs) as file:
        fill(file)
    return hdf5.WeightsFile(buffer.getvalue(), "f").texts()


def test_all_kinds_of_texts():
    many = [f"layer_{i}" for i in range(5000)]

    def fill(file):
        group = file.create_group("g")
        group.attrs["text"] = "grüße"
        group.attrs["bytes"] = np.bytes_(b"fixed")
        group.attrs["list"] = ["a", "", "ccc"]
        group.attrs["fixed"] = np.array([b"ab", b"c"])
        group.attrs["none"] = []
        group.attrs["number"] = 3
        group.attrs.create("long", "x" * 200_000, dtype=h5py.string_dtype())
        for i in range(30):  # more than the first block of the header holds
            group.attrs[f"more{i}"] = f"value {i}"
        file.attrs["layer_names"] = np.array(many[:10], "S10")

    texts = attributes_of(fill)
    assert texts["g"].pop("long") == "x" * 200_000
    assert {k: v for k, v in texts["g"].items() if not k.startswith("more")} == {
        "text": "grüße", "bytes": "fixed", "list": ["a", "", "ccc"], "fixed": ["ab", "c"], "none": [],
    }  # fmt: skip
    assert [texts["g"][f"more{i}"] for i in range(30)] == [f"value {i}" for i in range(30)]
    assert texts[""]["layer_names"] == many[:10]


def test_lists_in_parts():
    """Keras divides lists of names that are longer than an attribute may be."""

    def fill(file):
        file.attrs["layer_names0"] = np.array([b"a", b"b"])
        file.attrs["layer_names1"] = np.array([b"c"])

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        fill(file)
    legacy = legacy_h5.LegacyFile(hdf5.WeightsFile(buffer.getvalue(), "f"))
    assert legacy._listed("", "layer_names") == ["a", "b", "c"]


def test_newer_object_headers_are_refused():
    with pytest.raises(ModelFormatError, match="which Keras does not write"):
        attributes_of(lambda f: f.attrs.create("a", "text"), libver="latest")


# configurations


def test_configurations_of_keras3_stay_as_they_are():
    configs = json.loads((FOLDER / "functional" / "configs.json").read_text())
    for config in configs.values():
        assert keras2_config.model_config(config)["config"].keys() == config["config"].keys()
    with h5py.File(FOLDER / "files" / "convnet.h5") as file:
        config = json.loads(file.attrs["model_config"])
    first = config["config"]["layers"][0]["config"]
    del first["sparse"], first["ragged"]
    assert keras2_config.model_config(config) == config


def layer(name, /, **config):
    return {"class_name": name, "config": config}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (layer("LeakyReLU", alpha=0.3), layer("LeakyReLU", negative_slope=0.3)),
        (layer("GRU", units=2, implementation=1, time_major=False), layer("GRU", units=2)),
        (layer("BatchNormalization", axis=[3]), layer("BatchNormalization", axis=3)),
        (layer("Dense", units=1, kernel_initializer=layer("Zeros", dtype="float32")),
         layer("Dense", units=1, kernel_initializer=layer("Zeros"))),
        (layer("Model", layers=[], input_layers=[], output_layers=[]),
         layer("Functional", layers=[], input_layers=[], output_layers=[])),
        ({"class_name": "Sequential", "config": [layer("Dense", units=1, batch_input_shape=[None, 2])]},
         layer("Sequential", layers=[layer("InputLayer", batch_shape=[None, 2], dtype="float32"),
                                     layer("Dense", units=1)])),
        (layer("Custom>SGD", lr=0.1, decay=0.0), layer("SGD", learning_rate=0.1)),
        (layer("Custom>Thing", a=1), layer("Custom>Thing", a=1)),
        (layer("MeanSquaredError", reduction="auto", fn="mse"),
         layer("MeanSquaredError", reduction="sum_over_batch_size")),
        (layer("MeanMetricWrapper", name="a_acc", fn="binary_accuracy"), "acc"),
        (layer("MeanMetricWrapper", name="error", fn="mean_squared_error"), "mean_squared_error"),
    ],
)  # fmt: skip
def test_spellings_of_keras2(old, new):
    assert keras2_config.model_config(old) == new


def test_settings_without_a_counterpart_are_refused():
    with pytest.raises(ModelFormatError, match="GRU: time_major=True"):
        keras2_config.model_config(layer("GRU", units=2, time_major=True))


def test_an_optimizer_of_unknown_names_starts_afresh(tmp_path):
    model = like_mlp()
    model.compile("adam", "mse")
    model.train_on_batch(np.ones((2, 6), np.float32), np.ones((2, 3), np.float32))
    groups = [
        (path, {"weight_names": [f"training/V_{i}:0" for i in range(10)]} if path == "optimizer_weights" else a, arrays)
        for path, a, arrays in legacy_h5.groups(model, "2.2.4", include_optimizer=True)
    ]
    groups += [("optimizer_weights/training", {}, {f"V_{i}:0": np.zeros(3, np.float32)}) for i in range(10)]
    with pytest.warns(UserWarning, match="goes on from a fresh one"):
        again = saving.load_model(io.BytesIO(hdf5.write(groups)))
    assert int(again.optimizer.iterations) == 0
