"""Configurations of Keras 2 to those of Keras 3: other names, settings that are gone, calls as nested lists.

What Keras 3 writes passes through as it is: every change looks for a spelling that only Keras 2 has.
"""

from fastnn.saving.errors import ModelFormatError
from fastnn.saving.table import find

ANYTHING = object()
_RENAMED = {
    "InputLayer": {"batch_input_shape": "batch_shape"},
    "LeakyReLU": {"alpha": "negative_slope"},
    "optimizer": {"lr": "learning_rate"},
}
# Settings that are gone, with the values at which they change nothing.
_GONE = {
    "layer": {
        "batch_input_shape": (ANYTHING,), "implementation": (ANYTHING,), "input_length": (ANYTHING,),
        "fused": (ANYTHING,), "query_shape": (ANYTHING,), "key_shape": (ANYTHING,), "value_shape": (ANYTHING,),
        "time_major": (False,), "virtual_batch_size": (None,), "adjustment": (None,), "ragged": (False, None),
        "sparse": (False, None), "softmax_robust_masking": (False,),
    },
    "DepthwiseConv1D": {"groups": (1,)},
    "DepthwiseConv2D": {"groups": (1,)},
    "SeparableConv1D": {
        "groups": (1,), "kernel_initializer": (ANYTHING,), "kernel_regularizer": (None,), "kernel_constraint": (None,),
    },
    "initializer": {"dtype": (ANYTHING,)},
    "optimizer": {"jit_compile": (ANYTHING,), "is_legacy_optimizer": (ANYTHING,)},
    "loss": {"fn": (ANYTHING,)},
}  # fmt: skip
_GONE["SeparableConv2D"] = _GONE["SeparableConv1D"]
_KINDS = ("layer", "model", "initializer", "optimizer", "loss", "metric")
_RECURRENT = ("RNN", "SimpleRNN", "LSTM", "GRU", "Bidirectional")
_MODELS = ("Functional", "Sequential")


def model_config(config):
    """The configuration of a model, as it stands in the `model_config` of an ``.h5`` file, in Keras 3's words.

    Parameters
    ----------
    config : dict, list, str, number or None

    Raises
    ------
    ModelFormatError
        For settings that have no counterpart.
    """
    if isinstance(config, (list, tuple)):
        return [model_config(entry) for entry in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "Sequential" and "config" in config:
        config = {**config, "config": _sequential(config["config"])}
    config = {key: model_config(value) for key, value in config.items()}
    return _object(config) if isinstance(config.get("class_name"), str) and "config" in config else config


def compile_config(config, outputs):
    """The `training_config` of an ``.h5`` file as the `compile_config` of a ``.keras`` file.

    Parameters
    ----------
    config : dict
    outputs : int
        How many outputs the model has: Keras 2 writes the metrics of one as a list in a list.
    """
    config = model_config(config)
    found = {key: config.get(key) for key in ("loss", "loss_weights", "metrics", "weighted_metrics")}
    for key in ("metrics", "weighted_metrics"):
        value = found[key]
        if outputs == 1 and isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
            found[key] = value[0]
    if isinstance(found["metrics"], list):
        found["metrics"] = [_without_none(entry) for entry in found["metrics"]]
    return {**found, "optimizer": config.get("optimizer_config")}


def _without_none(value):
    return [entry for entry in value if entry is not None] if isinstance(value, list) else value


def _object(entry):
    name, inner = entry["class_name"], entry["config"]
    if name == "MeanMetricWrapper" and isinstance(inner, dict):
        return _metric_function(inner)
    name = _plain_name(name, inner)
    kind = next((kind for kind in _KINDS if find((kind,), name) is not None), None)
    if name == "Functional" and isinstance(inner, dict):
        inner = _graph(inner)
    if kind is not None and isinstance(inner, dict):
        inner = _settings(name, kind, inner)
    return {**entry, "class_name": name, "config": inner}


def _plain_name(name, inner):
    if name == "Model" and isinstance(inner, dict) and "layers" in inner:
        return "Functional"
    package, _, rest = name.rpartition(">")
    return rest if package in ("Custom", "Keras") and find(("optimizer",), rest) is not None else name


def _settings(name, kind, inner):
    """The arguments of a class of Keras 3."""
    inner = dict(inner)
    for group in (kind, name):
        for old, new in _RENAMED.get(group, {}).items():
            if old in inner:
                inner[new] = inner.pop(old)
    for group in (kind, name):
        for key, harmless in _GONE.get(group, {}).items():
            if key in inner:
                value = inner.pop(key)
                if ANYTHING not in harmless and value not in harmless:
                    raise ModelFormatError(f"{name}: {key}={value!r:.50} is a setting that Keras 3 no longer has")
    axis = inner.get("axis")
    if kind == "layer" and isinstance(axis, list) and len(axis) == 1:
        inner["axis"] = axis[0]
    if kind == "loss" and inner.get("reduction") == "auto":
        inner["reduction"] = "sum_over_batch_size"
    if kind == "optimizer" and (decay := inner.pop("decay", 0)):
        inner["learning_rate"] = _divided(inner.get("learning_rate"), decay)
    return inner


def _divided(rate, decay):
    """Optimizers of before 2.11 divide their rate by 1 + decay * steps."""
    settings = {"initial_learning_rate": rate, "decay_steps": 1, "decay_rate": decay}
    return {"module": "keras.optimizers.schedules", "class_name": "InverseTimeDecay", "config": settings}


def _metric_function(inner):
    function, name = inner.get("fn"), inner.get("name")
    if isinstance(function, str) and isinstance(name, str) and function.endswith("accuracy"):
        short = name.rsplit("_", 1)[-1]  # an output's name may stand before it
        return short if short in ("accuracy", "acc") else function
    return function


def _sequential(inner):
    """The shape of the input stood in the first layer, and the oldest files have nothing but a list of layers."""
    inner = dict(inner) if isinstance(inner, dict) else {"layers": inner}
    layers = inner.get("layers")
    if isinstance(layers, list) and layers and isinstance(layers[0], dict):
        first = layers[0].get("config")
        if layers[0].get("class_name") != "InputLayer" and isinstance(first, dict) and "batch_input_shape" in first:
            settings = {"batch_shape": first["batch_input_shape"], "dtype": first.get("dtype", "float32")}
            layers = [{"class_name": "InputLayer", "config": settings}, *layers]
    return {**inner, "layers": layers}


# --- calls -----------------------------------------------------------------------------------------
def _graph(inner):
    """Calls were ``[[layer, call, tensor, arguments], ...]``, where nested models count their calls from 1."""
    layers = inner.get("layers")
    calls = [call for entry in layers for call in entry["inbound_nodes"]] if isinstance(layers, list) else []
    if all(isinstance(call, dict) for call in calls):
        return inner
    models = {entry["name"] for entry in layers if entry["class_name"] in _MODELS}
    layers = [{**entry, "inbound_nodes": [_call(entry, c, models) for c in entry["inbound_nodes"]]} for entry in layers]
    ends = {key: _ends(inner[key]) for key in ("input_layers", "output_layers")}
    return {**inner, **ends, "layers": layers}


def _ends(places):
    return places[0] if isinstance(places, list) and len(places) == 1 and isinstance(places[0], list) else places


def _call(entry, call, models):
    tensors = [_tensor(place, models) for place in call]
    arguments = call[0][3] if len(call[0]) > 3 else {}
    kwargs = {key: _argument(value, models) for key, value in arguments.items()}
    if entry["class_name"] in _RECURRENT and len(tensors) > 1:
        return {"args": [tensors[0]], "kwargs": {**kwargs, "initial_state": tensors[1:]}}
    return {"args": [tensors[0] if len(tensors) == 1 else tensors], "kwargs": kwargs}


def _argument(value, models):
    if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
        return _tensor(value, models)
    return [_argument(inner, models) for inner in value] if isinstance(value, list) else value


def _tensor(place, models):
    name, index, tensor = place[:3]
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, index - (name in models), tensor]}}
