"""Whole models in one HDF5 file, and weights by layer: the formats of Keras 2, which Keras 3 still reads and writes.

The attributes `model_config` and `training_config` of the root are JSON; the group `model_weights` has a group for each
layer, with the names of its arrays in `weight_names`, trainable ones first; `optimizer_weights` likewise.
"""

import json
import warnings

from fastnn.saving import keras2_config, registry, strict_json
from fastnn.saving.errors import ModelFormatError

ENDINGS = (".h5", ".hdf5")
_TOP = "top_level_model_weights"
# What Keras 2 called the variables of optimizers, before and since 2.11.
_SLOTS = {
    "m": "momentum", "v": "velocity", "vhat": "velocity_hat", "momentum": "momentum", "velocity": "velocity",
    "rms": "velocity", "mg": "average_gradient", "average_gradient": "average_gradient", "u": "norm",
    "accumulator": "accumulator", "linear": "linear", "accum_grad": "accumulated_grad",
    "accum_var": "accumulated_delta_var", "accumulated_grad": "accumulated_grad",
    "accumulated_delta_var": "accumulated_delta_var",
}  # fmt: skip


class LegacyFile:
    """A file in one of the old formats.

    Parameters
    ----------
    file : WeightsFile

    Attributes
    ----------
    is_legacy : bool
        False for the weights files of Keras 3.
    """

    def __init__(self, file):
        self.file, self.where = file, file.where
        self._texts = file.texts()
        self._weights = "model_weights" if "model_weights" in self._texts else ""
        self.is_legacy = self._listed(self._weights, "layer_names") is not None

    def config(self, name):
        """A configuration among the attributes of the root, or None."""
        text = self._texts[""].get(name)
        if text is None:
            return None
        if not isinstance(text, str):
            raise ModelFormatError(f"{name} is not one text")
        return strict_json.parse(text.encode(), f"{self.where}: {name}")

    def build_model(self, custom_objects):
        """The model that the file describes, with fresh weights."""
        config = self.config("model_config")
        if config is None:
            raise ModelFormatError("no model_config, only weights: make the model and use its load_weights()")
        return registry.deserialize(keras2_config.model_config(config), "model", custom_objects)

    def compile(self, model):
        """Compile a model as the file says, with the state of its optimizer; a file may say nothing."""
        config = self.config("training_config")
        if config is None:
            return
        outputs = len(model.outputs) if model.built and hasattr(model, "outputs") else 1
        model.compile_from_config(keras2_config.compile_config(config, outputs))
        if "optimizer_weights" in self._texts and model.optimizer is not None:
            self._restore_optimizer(model.optimizer)

    def restore(self, model, by_name=False, skip_mismatch=False):
        """Give the layers of a model the values of the file.

        Parameters
        ----------
        model : Model
        by_name : bool
            Only to layers that the file has under their name; else to all layers with weights, in their order.
        skip_mismatch : bool
            Warn, instead of failing, about weights that have another shape in the file.
        """
        names = [name for name in self._listed(self._weights, "layer_names") or () if self._arrays(name)]
        layers = [layer for layer in model.layers if layer.weights]
        if by_name:
            pairs = [(layer, name) for name in names for layer in layers if layer.name == name]
        elif len(names) != len(layers):
            raise ModelFormatError(f"the file has {len(names)} layers with weights, the model {len(layers)}")
        else:
            pairs = list(zip(layers, names, strict=True))
        for layer, name in pairs:
            weights = [*layer.trainable_weights, *layer.non_trainable_weights]
            _assign(f"{layer}, in the file {name!r}", weights, self._arrays(name), skip_mismatch)
        own = [*model._own_trainable, *model._own_frozen]
        if own and (arrays := self._arrays(_TOP)):
            _assign(str(model), own, arrays, skip_mismatch)

    def _listed(self, path, name):
        """A list of names that is divided among several attributes if it is long."""
        texts = self._texts.get(path, {})
        found = texts.get(name)
        if found is None and f"{name}0" in texts:
            parts = [texts[f"{name}{i}"] for i in range(len(texts)) if f"{name}{i}" in texts]
            found = [text for part in parts for text in part]
        if found is not None and not isinstance(found, list):
            raise ModelFormatError(f"{path or '/'}: {name} is not a list of texts")
        return found

    def _arrays(self, layer):
        return self._named(f"{self._weights}/{layer}" if self._weights else layer)

    def _named(self, path):
        """The arrays of a group in the order of its list of names."""
        arrays = []
        for name in self._listed(path, "weight_names") or ():
            group, _, key = f"{path}/{name}".rpartition("/")
            if key not in self.file.groups.get(group, ()):
                raise ModelFormatError(f"{path}: the array {name!r:.200} is missing")
            arrays.append(self.file.groups[group][key])
        return arrays

    def _restore_optimizer(self, optimizer):
        names, arrays = self._listed("optimizer_weights", "weight_names"), self._named("optimizer_weights")
        if names and all(name.endswith(":0") for name in names):
            variables = _variables_of_keras2(optimizer, names)
        else:
            variables = optimizer.variables if len(optimizer.variables) == len(arrays) else None
        if variables is None or any(v.shape != a.shape for v, a in zip(variables, arrays, strict=True)):
            warnings.warn(
                f"{self.where}: the state of the optimizer does not fit {type(optimizer).__name__}: training goes on "
                "from a fresh one",
                stacklevel=5,
            )
            return
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)


def _variables_of_keras2(optimizer, names):
    """The variables that the names ``iteration``, ``Adam/m/dense/kernel`` or ``Adam/dense/kernel/m`` mean, or None."""
    found, used = [], {}
    for name in names:
        parts = name.removesuffix(":0").split("/")
        slot = next((_SLOTS[part] for part in (parts[-1], parts[min(1, len(parts) - 1)]) if part in _SLOTS), None)
        slots = optimizer._slots.get(slot, ())
        number = used[slot] = used.get(slot, -1) + 1
        if parts[-1] in ("iter", "iteration", "iterations"):
            found.append(optimizer._iterations)
        elif parts[-1] == "learning_rate":
            found.append(optimizer._learning_rate)
        elif number < len(slots):
            found.append(slots[number])
        else:
            return None
    return found if len({id(v) for v in found}) == len(found) else None


def _assign(what, variables, arrays, skip_mismatch):
    shapes = [v.shape for v in variables], [a.shape for a in arrays]
    if shapes[0] != shapes[1]:
        message = f"{what}: expected weights of the shapes {shapes[0]}, received {shapes[1]}"
        if not skip_mismatch:
            raise ModelFormatError(message)
        warnings.warn(f"{message}: what differs is not loaded", stacklevel=5)
    for variable, array in zip(variables, arrays, strict=not skip_mismatch):
        if variable.shape == array.shape:
            variable.assign(array)


# --- writing ---------------------------------------------------------------------------------------
def groups(model, version, include_optimizer):
    """What the file of a model holds, for `hdf5.write`."""
    with registry.sharing_scope(()):
        config = registry.serialize(model)
        training = _training_config(model) if include_optimizer and model.compiled else None
    root = {"keras_version": version, "model_config": _json(config)}
    if training is not None:
        root["training_config"] = _json(training)
    found = [("", root, {})]
    layers = {layer.name: [*layer.trainable_weights, *layer.non_trainable_weights] for layer in model.layers}
    attributes = {"layer_names": list(layers), "keras_version": version}
    found.append(("model_weights", attributes, {}))
    layers[_TOP] = [*model._own_trainable, *model._own_frozen]
    for name, variables in layers.items():
        found += _list_of_arrays(f"model_weights/{name}", variables)
    if training is not None and model.optimizer.variables:
        found += _list_of_arrays("optimizer_weights", model.optimizer.variables)
    return found


def _json(config):
    strict_json.check(config)
    return json.dumps(config, allow_nan=False)


def _training_config(model):
    config = model.get_compile_config()
    optimizer = config.pop("optimizer")
    return {**config, "optimizer_config": optimizer}


def _list_of_arrays(path, variables):
    names, taken = [], set()
    for variable in variables:
        name = variable.path
        while name in taken:
            name += "_"
        taken.add(name)
        names.append(name)
    yield path, {"weight_names": names}, {}
    for name, variable in zip(names, variables, strict=True):
        group, _, key = f"{path}/{name}".rpartition("/")
        yield group, {}, {key: variable.numpy()}
