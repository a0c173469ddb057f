"""The closed table: names in, objects out, and nothing else."""

import sys
import threading

import numpy as np
import pytest

import fastnn.activations
import fastnn.initializers
import fastnn.layers
import fastnn.losses
import fastnn.optimizers
import fastnn.regularizers
from fastnn import ops, saving
from fastnn.layers import Dense
from fastnn.saving import ModelFormatError, custom_objects, registry

DENSE = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 3}, "registered_name": None}
MSE = {"module": "keras.losses", "class_name": "MeanSquaredError", "config": {}, "registered_name": None}


def function(name, module="builtins"):
    return {"module": module, "class_name": "function", "config": name, "registered_name": "function"}


@pytest.fixture(autouse=True)
def clean_custom_objects():
    before = dict(saving.get_custom_objects())
    yield
    saving.get_custom_objects().clear()
    saving.get_custom_objects().update(before)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Dense", "dense"),
        ("Conv2D", "conv2d"),
        ("MaxPooling2D", "max_pooling2d"),
        ("BatchNormalization", "batch_normalization"),
        ("LeakyReLU", "leaky_re_lu"),
        ("GRUCell", "gru_cell"),
        ("LSTM", "lstm"),
        ("L1L2", "l1l2"),
        ("GlobalAveragePooling1D", "global_average_pooling1d"),
        ("MyLayer_2", "my_layer_2"),
    ],
)
def test_snake_case_is_keras(name, expected):
    assert registry.snake_case(name) == expected


def test_get_takes_what_keras_takes():
    assert registry.get("loss", None) is None
    assert registry.get("loss", "mse") is fastnn.losses.mean_squared_error
    assert isinstance(registry.get("loss", "MeanSquaredError"), fastnn.losses.MeanSquaredError)
    assert isinstance(registry.get("optimizer", "adam"), fastnn.optimizers.Adam)
    assert isinstance(registry.get("optimizer", "RMSPROP"), fastnn.optimizers.RMSprop)
    assert isinstance(registry.get("initializer", "glorot_uniform"), fastnn.initializers.GlorotUniform)
    assert isinstance(registry.get("initializer", fastnn.initializers.Zeros), fastnn.initializers.Zeros)
    assert registry.get("activation", "relu") is fastnn.activations.relu
    loss = fastnn.losses.Huber()
    assert registry.get("loss", loss) is loss
    assert registry.get("activation", np.tanh) is np.tanh
    assert isinstance(registry.get("loss", MSE), fastnn.losses.MeanSquaredError)


def test_unknown_names_come_with_close_ones():
    with pytest.raises(ValueError, match=r"Did you mean 'relu' or 'relu6'|'elu'"):
        registry.get("activation", "rellu")
    with pytest.raises(ValueError, match="mean_squared_error"):
        registry.get("loss", "mean_square_error")
    with pytest.raises(ValueError, match="Could not interpret the loss 3"):
        registry.get("loss", 3)


def test_configurations_are_keras():
    assert registry.serialize(fastnn.regularizers.L2(0.5)) == {
        "module": "keras.regularizers",
        "class_name": "L2",
        "config": {"l2": 0.5},
        "registered_name": None,
    }
    config = registry.serialize(Dense(3, "relu", name="d"))
    assert (config["module"], config["class_name"], config["registered_name"]) == (
        "keras.layers",
        "Dense",
        None,
    )
    assert config["config"]["activation"] == "relu"
    assert config["config"]["kernel_initializer"]["module"] == "keras.initializers"


def test_values_travel():
    values = [None, True, 3, 2.5, "x", [1, [2]], {"a": {"b": 1}}]
    assert registry.deserialize(registry.serialize(values)) == values
    array = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(registry.deserialize(registry.serialize(array)), array)
    assert registry.serialize(np.float32(0.5)) == 0.5
    assert type(registry.serialize(np.float64(0.5))) is float
    assert registry.serialize((1, (2,))) == (1, (2,))


def test_an_object_without_get_config_cannot_be_written():
    with pytest.raises(TypeError, match="object has no get_config"):
        registry.serialize(object())


class Scaled(fastnn.layers.Layer):
    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        return x * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


def double(x):
    return x * 2.0


def test_registered_objects_carry_their_package():
    saving.register_keras_serializable("mine")(Scaled)
    saving.register_keras_serializable("mine", "twice")(double)
    try:
        config = saving.serialize_keras_object(Scaled(2.0, name="s"))
        assert config["registered_name"] == "mine>Scaled"
        assert saving.deserialize_keras_object(config).factor == 2.0
        assert saving.serialize_keras_object(double) == function("mine>twice")
        assert registry.get("activation", function("mine>twice")) is double
        assert saving.get_registered_name(Scaled) == "mine>Scaled"
        assert saving.get_registered_object("mine>Scaled") is Scaled
    finally:
        for obj in (Scaled, double):
            custom_objects._NAMES.pop(obj)


def test_unregistered_objects_need_custom_objects():
    config = registry.serialize(Scaled(2.0, name="s"))
    assert config["registered_name"] == "Scaled"
    with pytest.raises(ModelFormatError, match="Unknown class 'Scaled'"):
        registry.deserialize(config)
    assert registry.deserialize(config, custom_objects={"Scaled": Scaled}).factor == 2.0
    with saving.custom_object_scope({"Scaled": Scaled, "double": double}):
        assert registry.deserialize(config).factor == 2.0
        assert registry.get("activation", "double") is double
    with pytest.raises(ModelFormatError):
        registry.deserialize(config)


def test_scopes_belong_to_their_thread():
    seen = []
    with saving.custom_object_scope({"double": double}):
        thread = threading.Thread(target=lambda: seen.append(saving.get_registered_object("double")))
        thread.start()
        thread.join()
        assert saving.get_registered_object("double") is double
    assert seen == [None]


def test_scopes_reach_nested_configurations():
    config = {**DENSE, "config": {"units": 2, "activation": function("double")}}
    assert registry.deserialize(config, custom_objects={"double": double}).activation is double
    assert saving.get_registered_object("double") is None


def test_a_class_of_the_users_own_does_not_become_ours_by_its_name():
    dense = type("Dense", (Scaled,), {})
    config = registry.serialize(dense(1.0))
    with pytest.raises(ModelFormatError, match="Unknown class 'Dense'"):
        registry.deserialize(config)
    assert isinstance(registry.deserialize(config, custom_objects={"Dense": dense}), dense)
    assert type(registry.deserialize(DENSE, custom_objects={"Dense": dense})) is Dense


def test_a_function_with_one_of_our_names_cannot_be_written():
    def relu(x):
        return x

    with pytest.raises(ValueError, match="'relu' has the name of one of fastnn's own"):
        registry.serialize(relu)
    assert registry.serialize(ops.relu) == "relu"


def test_lambdas_cannot_be_written():
    with pytest.raises(ValueError, match="register_keras_serializable"):
        registry.serialize(lambda x: x)
    with pytest.raises(ValueError, match="no name"):
        registry.serialize(fastnn.layers.Lambda(lambda x: x))


def test_a_lambda_layer_of_a_named_function_needs_it_back():
    config = registry.serialize(fastnn.layers.Lambda(double, name="l"))
    with pytest.raises(ModelFormatError, match="Lambda layer is refused"):
        registry.deserialize(config)
    assert registry.deserialize(config, custom_objects={"double": double}).function is double
    config["config"]["function"] = {"class_name": "__lambda__", "config": {"value": ["4wEAAA==", None, None]}}
    with pytest.raises(ModelFormatError, match="Lambda layer is refused"):
        registry.deserialize(config, custom_objects={"__lambda__": double, "double": double})


HOSTILE = {
    "popen": {
        "module": "subprocess",
        "class_name": "Popen",
        "config": {"args": "true"},
        "registered_name": None,
    },
    "eval": {"module": "builtins", "class_name": "eval", "config": {}, "registered_name": None},
    "system": {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"},
    "builtin eval": function("eval"),
    "keras function": function("get_file", "keras.utils"),
    "keras class": {"module": "keras.utils", "class_name": "get_file", "config": {}},
    "keras private": {"module": "keras.src.utils.file_utils", "class_name": "get_file", "config": {}},
    "our loader": {"module": "fastnn.saving", "class_name": "load_model", "config": {}},
    "unsafe mode": {"module": "keras.config", "class_name": "enable_unsafe_deserialization", "config": {}},
    "setter": function("set_floatx", "fastnn.config"),
    "lambda": {"class_name": "__lambda__", "config": {"value": ["4wEAAA==", None, None]}},
    "typespec": {
        "class_name": "__typespec__",
        "spec_name": "x",
        "module": "os",
        "config": [],
        "registered_name": None,
    },
    "torch": {"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {"module": "gASV"}},
    "tfsm": {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/tmp"}},
    "lookup": {
        "module": "keras.layers",
        "class_name": "StringLookup",
        "config": {"vocabulary": "/etc/passwd"},
    },
    "wrong module": {**DENSE, "module": "subprocess"},
    "near module": {**DENSE, "module": "kerasx.layers"},
    "no module": {**DENSE, "module": None},
    "number as module": {**DENSE, "module": 3},
    "registered name": {**DENSE, "registered_name": "os>system"},
    "number as class": {**DENSE, "class_name": 7},
    "list as class": {**DENSE, "class_name": ["Dense"]},
    "dunder": {**DENSE, "class_name": "__class__"},
    "dotted": {**DENSE, "class_name": "Dense.from_config.__func__.__globals__"},
    "list as config": {**DENSE, "config": [1]},
    "string as config": {**DENSE, "config": "units"},
    "function without a name": {**function("relu"), "config": {"name": "relu"}},
    "class as function": function("Dense"),
    "strange dtype": {
        **DENSE,
        "config": {"units": 1, "dtype": {"class_name": "DTypePolicy", "config": {"name": "x"}}},
    },
    "half precision": {
        **DENSE,
        "config": {"units": 1, "dtype": {"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}}},
    },
    "object array": {"class_name": "__numpy__", "config": {"value": [[]], "dtype": "O"}},
    "ragged array": {"class_name": "__numpy__", "config": {"value": [[1], [2, 3]], "dtype": "float32"}},
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("kind", [None, "layer", "activation", "loss", "model"])
def test_hostile_names_are_refused(name, kind):
    modules = set(sys.modules)
    with pytest.raises(ModelFormatError):
        registry.deserialize(HOSTILE[name], kind)
    assert set(sys.modules) - modules <= {"difflib"}


@pytest.mark.parametrize("name", [n for n in HOSTILE if n not in ("class as function",)])
def test_hostile_names_are_refused_inside_a_layer(name):
    config = {**DENSE, "config": {"units": 2, "kernel_initializer": HOSTILE[name]}}
    with pytest.raises(ValueError):  # noqa: PT011, a ModelFormatError is one
        registry.deserialize(config)


def test_every_public_callable_is_refused_unless_it_is_in_the_table():
    import fastnn.random

    for module in (saving, fastnn.random, fastnn.config, fastnn.layers, ops):
        for name in dir(module):
            if not any(name in registry.table(kind) for kind in registry.MODULES):
                for config in (function(name), {"module": module.__name__, "class_name": name, "config": {}}):
                    with pytest.raises(ModelFormatError):
                        registry.deserialize(config)


@pytest.mark.parametrize(("kind", "config"), [("activation", MSE), ("loss", DENSE), ("layer", MSE), ("model", DENSE)])
def test_the_kind_must_fit(kind, config):
    with pytest.raises(ModelFormatError, match="expected"):
        registry.deserialize(config, kind)


def test_a_shared_object_must_fit_where_it_is_used_again():
    config = registry.serialize([Dense(2)] * 2)
    config[0]["shared_object_id"] = config[1]["shared_object_id"] = 1
    with registry.sharing_scope():
        registry.deserialize(config[0])
        with pytest.raises(ModelFormatError, match="Expected a loss, received the layer Dense"):
            registry.deserialize(config[1], "loss")


def test_custom_objects_do_not_lift_the_kind():
    config = {**MSE, "module": "mine", "registered_name": "mine"}
    with pytest.raises(ModelFormatError, match="where a layer is expected"):
        registry.deserialize(config, "layer", {"mine": fastnn.losses.MeanSquaredError})


@pytest.mark.parametrize("config", [3, {"units": 3}, {"class_name": "Dense"}, object(), {1, 2}])
def test_what_is_no_configuration_is_refused(config):
    with pytest.raises(ModelFormatError, match="Expected"):
        registry.deserialize(config, "layer")


def test_a_loss_function_is_no_activation():
    with pytest.raises(ModelFormatError):
        registry.deserialize(function("mean_squared_error"), "activation")
    assert registry.deserialize(function("mean_squared_error"), "loss") is fastnn.losses.mean_squared_error
    with pytest.raises(ValueError, match="Unknown activation"):
        registry.get("activation", "mean_squared_error")


def test_shared_objects_stay_one():
    layer = Dense(2, name="shared")
    with registry.sharing_scope():
        config = registry.serialize([layer, layer, Dense(2, name="other")])
    assert config[0]["shared_object_id"] == config[1]["shared_object_id"]
    with registry.sharing_scope():
        first, second, other = registry.deserialize(config)
    assert first is second
    assert other is not first


def test_names_cannot_be_taken_twice():
    with pytest.raises(ValueError, match="is taken"):
        registry.register("activation", name="relu")(double)
