"""Graphs of layers to configurations and back, as Keras 3 writes its functional models."""

import inspect

from fastnn import ops
from fastnn.graph.declaration import FunctionOperation, is_declared, node_of
from fastnn.graph.program import Tensor
from fastnn.layers.calling import first_argument
from fastnn.layers.core import InputLayer
from fastnn.saving import budget, registry
from fastnn.saving.errors import ModelFormatError
from fastnn.tree import flatten, map_structure, traverse

_OPERANDS = ("x1", "x2", "key", "condition")  # Keras passes these in the call, other arguments in the configuration
_ALSO_IN_CALL = {"full_like": ("fill_value",)}
_VALUES = ("fill_value", "x_min", "x_max", "constant_values")  # numbers among numbers
_IN_CORE = (
    "associative_scan", "cast", "cond", "convert_to_tensor", "custom_gradient", "fori_loop", "map", "saturate_cast",
    "scan", "scatter", "scatter_update", "slice_tensor", "slice_update", "stop_gradient", "switch", "unstack",
    "vectorized_map", "while_loop",
)  # fmt: skip
_HOMES = {**dict.fromkeys(_IN_CORE, "core"), "rearrange": "einops"}
_NAMES = {
    "allclose": "AllClose", "batch_normalization": "BatchNorm", "cdist": "CDist", "ctc_decode": "CTCDecode",
    "ctc_loss": "CTCLoss", "fft": "FFT", "fft2": "FFT2", "hsv_to_rgb": "HSVToRGB",
    "ifft2": "IFFT2", "irfft": "IRFFT", "isin": "IsIn", "istft": "ISTFT", "jvp": "JVP",
    "layer_normalization": "LayerNorm", "psnr": "PSNR", "rfft": "RFFT", "rgb_to_grayscale": "RGBToGrayscale",
    "rgb_to_hsv": "RGBToHSV", "rms_normalization": "RMSNorm", "searchsorted": "SearchSorted", "slice_tensor": "Slice",
    "ssim": "SSIM", "stft": "STFT", "svd": "SVD",
}  # fmt: skip
_NOT_CONVERTING = ("Functional", "Pipeline", "RandomCrop", "RandomFlip")  # Keras' layers that take inputs as they are
_LOOPS = ("Vander", "Diff")  # with an instruction for each turn
# Keras writes a `training` for every layer that has the argument, asked for or not, and lets fit() and predict()
# override it. What was asked for stands beside the arguments in our configurations, where Keras does not look.
_TRAINING = "training"


def class_name(function):
    """What Keras calls the class of an operation: ``"ExpandDims"`` for ``expand_dims``."""
    name = function.__name__
    return _NAMES.get(name) or "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def _functions():
    return {class_name(f): f for name, f in vars(ops).items() if inspect.isfunction(f) and name[0] != "_"}


# --- to a configuration ----------------------------------------------------------------------------
def graph_config(graph):
    """The layers of a graph with their calls, and its inputs and outputs."""
    places = _places(graph)

    def history(tensor):
        name, index = places[id(node_of(tensor))]
        return [name, index, tensor.data.tensor_index]

    def end(tensor):
        name, index, tensor_index = history(tensor)
        return [name, index + _first_index(tensor.data.operation), tensor_index]

    nodes = {}
    for node in graph.nodes:
        nodes.setdefault(id(node.operation), []).append(node)
    return {
        "layers": [_entry(op, sorted(nodes[id(op)], key=_number), history) for op in graph.operations],
        "input_layers": map_structure(end, graph.inputs),
        "output_layers": map_structure(end, graph.outputs),
    }


def _number(node):
    """The how-manyth call of its operation a node is."""
    return flatten(node.outputs)[0].data.node_index


def _places(graph):
    """id of a node -> (name of its operation, number of the call within this graph)."""
    places, counts = {}, {}
    for node in sorted(graph.nodes, key=_number):
        name = node.operation.name
        index = counts.get(name, 0)
        counts[name] = index + 1
        places[id(node)] = (name, index)
    return places


def _first_index(operation):
    """Where inputs and outputs are named, Keras counts the calls of a functional model from 1."""
    return int(getattr(operation, "_graph", None) is not None)


def _entry(operation, nodes, history):
    if isinstance(operation, FunctionOperation):
        calls = [_split_call(operation, node) for node in nodes]
        entry = _operation_entry(operation, calls[0][2])
        calls = [(args, kwargs) for args, kwargs, _ in calls]
    else:
        entry = registry.serialize(operation)
        calls = [(node.args, _call_arguments(operation, entry["class_name"], node.args, node.kwargs)) for node in nodes]
    inbound = [] if isinstance(operation, InputLayer) else [_inbound(*call, history) for call in calls]
    for node, written in zip(nodes, inbound, strict=False):
        if node.kwargs.get("training") is not None:
            written[_TRAINING] = node.kwargs["training"]
    return {**entry, "name": operation.name, "inbound_nodes": inbound}


def _call_arguments(operation, kind, args, kwargs):
    """The arguments by name as Keras 3.15 writes them: it fills in a mask and `training` where they were not given.

    Where something is to be converted, or may be, it fills them into a copy, which it does not write: only a call on
    one tensor of the layer's dtype has them.
    """
    alone = (
        not kwargs
        and len(args) == 1
        and isinstance(args[0], Tensor)
        and args[0].dtype == getattr(operation, "dtype", None)
    )
    if not alone and kind not in _NOT_CONVERTING:
        return kwargs
    parameters = inspect.signature(operation.call).parameters
    first = first_argument(operation, args, kwargs)
    unsaid = {"mask": map_structure(lambda _: None, _as_list(first))} if "mask" in parameters else {}
    if isinstance(getattr(parameters.get("training"), "default", None), bool):
        unsaid["training"] = parameters["training"].default
    return {**unsaid, **kwargs}


def _operation_entry(operation, settings):
    function = operation.function.__name__
    home = next((s for s in ("nn", "linalg", "image", "numpy") if hasattr(getattr(ops, s), function)), None)
    home = home or _HOMES.get(function, "math")
    name = class_name(operation.function)
    return {
        "module": f"keras.src.ops.{home}",
        "class_name": name,
        "config": {"name": operation.name, **registry.serialize(settings)},
        "registered_name": name,
    }


def _split_call(operation, node):
    """(args, kwargs, settings) of a call as Keras divides it between the call and the configuration."""
    bound = inspect.signature(operation.function).bind(*node.args, **{**operation.settings, **node.kwargs})
    bound.apply_defaults()
    in_call = (*_OPERANDS, *_ALSO_IN_CALL.get(operation.function.__name__, ()))
    operands = {k: v for k, v in bound.arguments.items() if k in in_call or is_declared(v)}
    settings = {k: v for k, v in bound.arguments.items() if k not in operands}
    return tuple(operands.values()), {}, settings


def _inbound(args, kwargs, history):
    def plain(value):
        if isinstance(value, Tensor):
            config = {"shape": list(value.shape), "dtype": value.dtype, "keras_history": history(value)}
            return {"class_name": "__keras_tensor__", "config": config}
        if isinstance(value, slice):
            config = {"start": value.start, "stop": value.stop, "step": value.step}
            return {"class_name": "__slice__", "config": config}
        if value is Ellipsis:
            return {"class_name": "__ellipsis__", "config": {}}
        return registry.serialize(value)

    return {"args": [map_structure(plain, _as_list(a)) for a in args], "kwargs": map_structure(plain, kwargs)}


def _as_list(value):
    return list(value) if isinstance(value, tuple) else value


# --- from a configuration --------------------------------------------------------------------------
def graph_from_config(config, make=None, custom_objects=None):
    """(inputs, outputs) of the graph that a configuration describes.

    Parameters
    ----------
    config : dict
        As `graph_config` or Keras writes it.
    make : callable, optional
        Gives the layer for an entry; its configuration decides unless given.
    custom_objects : dict, optional
    """
    known, waiting, first = {}, [], {}
    for entry in config["layers"]:
        operation = _operation(entry, make, custom_objects)
        if isinstance(operation, InputLayer):
            known[entry["name"], 0, 0] = operation.output
        for i, call in enumerate(entry["inbound_nodes"]):
            waiting.append((entry["name"], i, operation, call, _places_in(call)))
        first[entry["name"]] = _first_index(operation)
    while waiting:
        left = [item for item in waiting if not _called(*item, known)]
        if len(left) == len(waiting):
            raise ModelFormatError(f"the layer {left[0][0]!r:.100} is called on tensors that no layer makes")
        waiting = left

    def found(value):
        """The tensor of a place in the file; None for a list or dict of such."""
        if not (isinstance(value, (list, tuple)) and len(value) == 3 and isinstance(value[0], str)):
            return None
        name, index, tensor_index = place = value
        if (name, index - first.get(name, 0), tensor_index) not in known:
            raise ModelFormatError(f"no layer makes the tensor {place!r:.100}")
        return known[name, index - first[name], tensor_index]

    return tuple(traverse(found, config[key]) for key in ("input_layers", "output_layers"))


def _operation(entry, make, custom_objects):
    module, name = entry.get("module"), entry.get("class_name")
    if isinstance(module, str) and module.startswith("keras.") and ".ops." in f"{module}.":
        function = _functions().get(name) if isinstance(name, str) else None
        if function is None:
            raise ModelFormatError(f"Unknown operation {name!r:.100}")
        no_settings = {"name", "dtype"} - set(inspect.signature(function).parameters)
        settings = {k: v for k, v in entry["config"].items() if k not in no_settings}
        _charge_counts(name, settings)
        return FunctionOperation(function, entry["config"].get("name"), **settings)
    return make(entry) if make else registry.deserialize(entry, "layer", custom_objects)


def _charge_counts(name, arguments):
    """Integers may be sizes, or say how often something is done, unless they are operands beside a tensor."""
    for value in flatten({key: value for key, value in arguments.items() if key not in (*_OPERANDS, *_VALUES)}):
        if isinstance(value, int) and not isinstance(value, bool):
            if name in _LOOPS and abs(value) > 1000:
                raise ModelFormatError(f"{name} of {value} turns is refused: at most 1000")
            budget.charge((abs(value),))


def _called(name, index, operation, call, places, known):
    """Whether all tensors of a call, which have places, are known; then it is made."""
    if not isinstance(operation, InputLayer):
        if not places:  # it would be computed at once
            raise ModelFormatError(f"{name!r:.100} is called on no tensor")
        if any(place not in known for place in places):
            return False
        args, kwargs = (_with_tensors(call[part], known) for part in ("args", "kwargs"))
        if isinstance(operation, FunctionOperation):
            given = inspect.signature(operation.function).bind_partial(*args, **kwargs).arguments
            _charge_counts(class_name(operation.function), given)
        kwargs.pop("training", None)
        if isinstance(call.get(_TRAINING), bool):
            kwargs["training"] = call[_TRAINING]
        if not any(mask is not None for mask in flatten(kwargs.get("mask"))):
            kwargs.pop("mask", None)
        outputs = operation(*args, **kwargs)
        for i, tensor in enumerate(flatten(outputs)):
            known[name, index, i] = tensor
    return True


def _places_in(call):
    """The places of the tensors in the arguments of a call, as a file has them."""
    places = []

    def look(part):
        if isinstance(part, dict) and part.get("class_name") == "__keras_tensor__":
            places.append(tuple(part["config"]["keras_history"]))
            return part
        return None

    traverse(look, call)
    return places


def _with_tensors(value, known):
    if isinstance(value, dict):
        kind, inner = value.get("class_name"), value.get("config")
        if kind == "__keras_tensor__":
            return known[tuple(inner["keras_history"])]
        if kind == "__slice__":
            return slice(inner["start"], inner["stop"], inner["step"])
        if kind == "__ellipsis__":
            return Ellipsis
        if kind is not None:
            return registry.deserialize(value)
        return {k: _with_tensors(v, known) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        inner = [_with_tensors(v, known) for v in value]
        return tuple(inner) if any(v is Ellipsis or isinstance(v, slice) for v in inner) else inner
    return value
