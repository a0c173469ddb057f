"""The closed table of classes and functions, and the way from objects to configurations and back.

A name in a file is looked up here and among the user's own registered objects, and nowhere else: no module is
imported, no attribute is fetched by a name, no code is decoded.  The ``module`` of a configuration is only
compared.
"""

import re
import threading

import numpy as np

from fastnn.saving import budget
from fastnn.saving import custom_objects as custom
from fastnn.saving.errors import ModelFormatError

MODULES = {
    "layer": "keras.layers",
    "model": "keras",
    "loss": "keras.losses",
    "metric": "keras.metrics",
    "optimizer": "keras.optimizers",
    "initializer": "keras.initializers",
    "regularizer": "keras.regularizers",
    "constraint": "keras.constraints",
    "activation": "keras.activations",
    "schedule": "keras.optimizers.schedules",
    "callback": "keras.callbacks",
}
HIDDEN_MODULES = {"Functional": "keras.src.models.functional"}  # has no public name in Keras

_FITS = {kind: (kind,) for kind in MODULES}  # what may stand where a kind is expected
_FITS |= {"layer": ("layer", "model"), "activation": ("activation", "layer")}
_INSTANTIATED = {"loss", "metric", "optimizer", "initializer", "regularizer", "constraint"}
_WORDS = {module.rsplit(".", 1)[-1]: (kind,) for kind, module in MODULES.items() if "." in module}
_WORDS |= {"models": ("model",), "optimizers": ("optimizer", "schedule")}
_COUNTS = {"num_thresholds": 1, "num_classes": 2}  # metrics make n, or n * n numbers of these
_DTYPES = ("float32", "float64", "int32", "int64", "uint8", "bool")

_tables = {kind: {} for kind in MODULES}  # names as registered: class, function, alias
_snake = {kind: {} for kind in MODULES}  # the same classes in snake_case, where no function has the name
_home = {}  # class or function -> (kind, name)
_sharing = threading.local()


def snake_case(name):
    """``"BatchNormalization"`` to ``"batch_normalization"``, as Keras does it.

    >>> [snake_case(name) for name in ("Conv2D", "ReLU", "L1L2", "AdamW")]
    ['conv2d', 're_lu', 'l1l2', 'adam_w']
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


# The table


def register(kind, aliases=(), name=None):
    """Decorator: put a class or function of fastnn's own into the closed table.

    Parameters
    ----------
    kind : {"layer", "model", "loss", "metric", "optimizer", "initializer", "regularizer", "constraint", \
            "activation", "schedule", "callback"}
    aliases : sequence of str
        Further names, such as ``"mse"``.
    name : str, optional
        The name in files, ``obj.__name__`` unless given.
    """
    table = _tables[kind]

    def decorator(obj):
        own = name or obj.__name__
        for key in (own, *aliases):
            if table.setdefault(key, obj) is not obj:
                raise ValueError(f"register: {kind} name {key!r} is taken by {table[key]!r}")
        if isinstance(obj, type):
            _snake[kind].setdefault(own.lower() if kind == "optimizer" else snake_case(own), obj)
        _home.setdefault(obj, (kind, own))
        return obj

    return decorator


def _fill(kind):
    """Import the module whose classes and functions register themselves under a kind."""
    match kind:
        case "layer":
            import fastnn.layers
        case "model":
            import fastnn.models
        case "loss":
            import fastnn.losses
        case "metric":
            import fastnn.metrics
        case "optimizer" | "schedule":
            import fastnn.optimizers
        case "initializer":
            import fastnn.initializers
        case "regularizer":
            import fastnn.regularizers
        case "constraint":
            import fastnn.constraints
        case "activation":
            import fastnn.activations
        case "callback":
            import fastnn.callbacks  # noqa: F401


def _table(kind):
    _fill(kind)
    return _tables[kind]


def names(kind):
    """All names of a kind that ``get`` understands, sorted."""
    _fill(kind)
    return sorted({*_tables[kind], *_snake[kind]})


def builtin_names(obj):
    """The registered names of an object's class and of those that it inherits from."""
    return [_home[cls][1] for cls in type(obj).__mro__ if cls in _home]


def _find(kinds, name):
    for kind in kinds:
        key = name.lower() if kind == "optimizer" else name
        found = _table(kind).get(name) or _snake[kind].get(key)
        if found is not None:
            return found
    return None


def get(kind, identifier, custom_objects=None):
    """What a user means by a name, a configuration, a class or an object, as Keras' ``get`` functions.

    Parameters
    ----------
    kind : str
        See `register`.
    identifier : None, str, dict, class, callable or object
        None gives None.  A string names a class (made without arguments) or a function of this kind.  A dict
        is a configuration.  A class is made without arguments; anything else is returned as it is.

    Raises
    ------
    ValueError
        For an unknown name, with the names close to it.
    """
    if identifier is None:
        return None
    if isinstance(identifier, dict):
        return deserialize(identifier, kind, custom_objects)
    if isinstance(identifier, str):
        return _get_by_name(kind, identifier, custom_objects)
    if isinstance(identifier, type) and kind in _INSTANTIATED:
        return identifier()
    if callable(identifier) or hasattr(identifier, "get_config"):
        return identifier
    raise ValueError(f"Could not interpret the {kind} {identifier!r}: pass a name, an object or a configuration.")


def _get_by_name(kind, name, custom_objects):
    found = custom.get_registered_object(name, custom_objects)
    if found is None:
        found = _find(_FITS[kind][:1], name)
    if found is None:
        import difflib

        close = difflib.get_close_matches(name[:100], names(kind), n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
        raise ValueError(
            f"Unknown {kind} {name[:100]!r}.{hint} Names of your own need register_keras_serializable "
            "or custom_objects."
        )
    return found() if isinstance(found, type) else found


# Objects to configurations


class sharing_scope:  # noqa: N801, a context manager
    """Inside, an object met twice is written with a ``shared_object_id``, and read back as one object."""

    def __enter__(self):
        self.before = getattr(_sharing, "maps", None)
        _sharing.maps = ({}, {}, [])
        return self

    def __exit__(self, *error):
        _sharing.maps = self.before


def serialize(obj):
    """The Keras configuration of an object: only strings, numbers, lists, tuples and dicts.

    Parameters
    ----------
    obj : None, str, number, list, tuple, dict, array, function, or an object with ``get_config()``

    Returns
    -------
    dict, list, str, number or None
        An object gives ``{"module", "class_name", "config", "registered_name"}``; one of fastnn's functions
        its name; a function of the user's own a dict with ``class_name`` ``"function"``.

    Raises
    ------
    ValueError
        For a lambda, which has no name to be found by.
    TypeError
        For an object without ``get_config()``.
    """
    if obj is None or isinstance(obj, (str, bool, int, float)):
        return obj.item() if isinstance(obj, np.generic) else obj
    if isinstance(obj, (list, tuple)):
        return type(obj)(map(serialize, obj)) if type(obj) in (list, tuple) else [serialize(x) for x in obj]
    if isinstance(obj, dict):
        return {key: serialize(value) for key, value in obj.items()}
    if isinstance(obj, np.generic) or (isinstance(obj, np.ndarray) and obj.ndim == 0):
        return obj.item()
    if isinstance(obj, np.ndarray):
        return {"class_name": "__numpy__", "config": {"value": obj.tolist(), "dtype": obj.dtype.name}}
    if hasattr(obj, "get_config") and not isinstance(obj, type):
        return _serialize_instance(obj)
    if callable(obj) and hasattr(obj, "__name__"):
        return _serialize_function(obj)
    raise TypeError(f"Cannot write {obj!r} into a configuration: class {type(obj).__name__} has no get_config().")


def _serialize_instance(obj):
    cls = type(obj)
    kind, name = _home.get(cls, (None, cls.__name__))
    if custom.is_registered(cls) or kind is None:
        module = None if cls.__module__ == "__main__" else cls.__module__
        registered = custom.get_registered_name(cls)
    else:
        module, registered = HIDDEN_MODULES.get(name, MODULES[kind]), None
    config = {
        "module": module,
        "class_name": cls.__name__ if kind is None else name,
        "config": serialize(obj.get_config()),
        "registered_name": registered if name not in HIDDEN_MODULES else name,
    }
    for key in ("build_config", "compile_config"):
        more = getattr(obj, f"get_{key}", lambda: None)()
        if more is not None:
            config[key] = serialize(more)
    _share_written(obj, config)
    return config


def _share_written(obj, config):
    maps = getattr(_sharing, "maps", None)
    if maps is None:
        return
    written, _, alive = maps
    number, first = written.setdefault(id(obj), (len(written) + 1, config))
    alive.append(obj)  # an id is only unique among living objects
    if first is not config:
        first["shared_object_id"] = config["shared_object_id"] = number


def _serialize_function(obj):
    name = obj.__name__
    if obj in _home and not custom.is_registered(obj):
        return _home[obj][1]
    if name == "<lambda>":
        raise ValueError(
            "A lambda cannot be written into a configuration: it has no name to be found by. Define it with "
            "def and decorate it with fastnn.saving.register_keras_serializable, or write a Layer subclass."
        )
    registered = custom.get_registered_name(obj)
    if registered == name and _builtin_function(MODULES, name) not in (None, obj):
        if getattr(obj, "__module__", "").startswith("fastnn.ops"):
            return name  # ops.relu is what the activation "relu" computes
        raise ValueError(
            f"Function {name!r} has the name of one of fastnn's own, which would be read in its place. Name "
            "it differently, or decorate it with fastnn.saving.register_keras_serializable."
        )
    return {
        "module": "builtins",
        "class_name": "function",
        "config": registered,
        "registered_name": "function",
    }


# Configurations to objects


def deserialize(config, kind=None, custom_objects=None):
    """The object that a configuration describes.

    Parameters
    ----------
    config : dict, list, str, number or None
        As `serialize` or Keras 3 writes it.  Without a kind, strings and numbers stay what they are.
    kind : str, optional
        What must come out, see `register`.
    custom_objects : dict, optional
        Classes and functions of your own, by name.

    Raises
    ------
    ModelFormatError
        For names outside the closed table and the user's own, wrong kinds, lambdas, malformed configurations.
    """
    if kind is not None and isinstance(config, str):
        return get(kind, config, custom_objects)
    if config is None or (kind is None and isinstance(config, (str, bool, int, float))):
        return config
    if isinstance(config, (list, tuple)):
        return [deserialize(entry, kind, custom_objects) for entry in config]
    if not isinstance(config, dict):
        raise ModelFormatError(f"Expected a configuration, received {type(config).__name__}")
    if "class_name" not in config or "config" not in config:
        if kind is not None:
            raise ModelFormatError(f"Expected the configuration of a {kind}, with class_name and config")
        return {key: deserialize(value, None, custom_objects) for key, value in config.items()}
    class_name = config["class_name"]
    if not isinstance(class_name, str):
        raise ModelFormatError(f"class_name must be a string, received {type(class_name).__name__}")
    if class_name.startswith("__") or class_name == "DTypePolicy":
        return _deserialize_value(class_name, config, kind)
    if class_name == "function":
        return _find_function(config, kind, custom_objects)
    return _deserialize_instance(config, kind, custom_objects)


def _deserialize_value(class_name, config, kind):
    inner = config["config"]
    if kind is None and isinstance(inner, dict):
        if class_name == "DTypePolicy":
            return dtype_name(config)
        if class_name == "__numpy__" and set(inner) == {"value", "dtype"}:
            return _deserialize_array(inner)
        if class_name == "__keras_tensor__":
            return config  # a functional model finds its own tensors
    raise ModelFormatError(f"{class_name[:100]!r} is refused: model files hold no code and no foreign objects.")


def _deserialize_array(inner):
    if inner["dtype"] not in ("float16", "float32", "float64", "int8", "uint8", "int32", "int64", "bool"):
        raise ModelFormatError(f"Array dtype {inner['dtype']!r:.100} is not supported")
    try:
        return np.array(inner["value"], inner["dtype"])
    except (ValueError, TypeError, OverflowError) as error:
        raise ModelFormatError(f"Malformed array in a configuration: {error}") from None


def dtype_name(dtype):
    """The float type that a layer's ``dtype`` names: a string, or the dict of a Keras ``DTypePolicy``."""
    if isinstance(dtype, dict):
        inner = dtype.get("config")
        dtype = inner.get("name") if isinstance(inner, dict) else None
        if dtype not in _DTYPES:
            raise ModelFormatError(f"dtype policy {dtype!r:.100} is not supported: fastnn computes in float32")
    return dtype


def _find_function(config, kind, custom_objects):
    name = config["config"]
    if not isinstance(name, str):
        raise ModelFormatError("The config of a function must be its name")
    found = custom.get_registered_object(name, custom_objects)
    if found is None and config.get("module", "builtins") == "builtins":
        found = _builtin_function(_FITS[kind] if kind else MODULES, name)
    if found is None or isinstance(found, type) or not callable(found):
        raise ModelFormatError(_unknown("function", name, kind))
    return found


def _builtin_function(kinds, name):
    found = (_table(kind).get(name) for kind in kinds)
    return next((obj for obj in found if obj is not None and not isinstance(obj, type)), None)


def _unknown(what, name, kind):
    where = f" where a {kind} is expected" if kind else ""
    return (
        f"Unknown {what} {name[:100]!r}{where}. Names resolve only among fastnn's own classes and functions "
        "and those passed in custom_objects or registered with fastnn.saving.register_keras_serializable."
    )


def _deserialize_instance(config, kind, custom_objects):
    shared = config.get("shared_object_id")
    maps = getattr(_sharing, "maps", None)
    if maps is not None and type(shared) is int and shared in maps[1]:
        return _check_kind(maps[1][shared], kind)
    cls = _find_class(config, kind, custom_objects)
    inner = config["config"] if config["config"] is not None else {}
    if not isinstance(inner, dict) or not all(isinstance(key, str) for key in inner):
        raise ModelFormatError(f"The config of {cls.__name__} must be a dict")
    for key, dimensions in _COUNTS.items():
        if type(inner.get(key)) is int:
            budget.charge((inner[key],) * dimensions)
    if _home.get(cls, ("", ""))[1] == "Lambda":
        inner = _lambda_settings(inner, custom_objects)
    try:
        with custom.CustomObjectScope(custom_objects):
            obj = cls.from_config(_settings(inner))
            _finish(obj, config)
    except (ModelFormatError, MemoryError):
        raise
    except Exception as error:  # arguments of wrong types and values fail in every way there is
        raise ModelFormatError(f"{cls.__name__}: {type(error).__name__}: {error}") from error
    if maps is not None and type(shared) is int:
        maps[1][shared] = obj
    return obj


def _settings(inner):
    """The arguments of a class, without what only Keras' own machinery reads."""
    inner = dict(inner)
    if isinstance(inner.get("dtype"), dict):
        inner["dtype"] = dtype_name(inner["dtype"])
    if inner.get("quantization_config", 0) is None:
        del inner["quantization_config"]
    return inner


def _lambda_settings(inner, custom_objects):
    """A Lambda may hold functions of the user's own and activations, found by name, and no others."""
    inner = dict(inner)
    for key in ("function", "output_shape", "mask"):
        value = inner.get(key)
        if key == "function" or isinstance(value, (dict, str)):  # else a shape
            inner[key] = _lambda_function(value, custom_objects)
    return inner


def _lambda_function(value, custom_objects):
    found = None
    if isinstance(value, str):
        found = _table("activation").get(value)
    elif isinstance(value, dict) and value.get("class_name") == "function" and isinstance(value.get("config"), str):
        found = custom.get_registered_object(value["config"], custom_objects)
    if found is None or isinstance(found, type) or not callable(found):
        raise ModelFormatError(
            "A Lambda layer is refused: its function must be one of your own, passed in custom_objects or "
            "registered with fastnn.saving.register_keras_serializable, and not code in the file."
        )
    return found


def _finish(obj, config):
    build, compiled = config.get("build_config"), config.get("compile_config")
    if build and not getattr(obj, "built", True):
        obj.build_from_config(build)
    if compiled and hasattr(obj, "compile_from_config"):
        obj.compile_from_config(compiled)


def _find_class(config, kind, custom_objects):
    name, registered = config["class_name"], config.get("registered_name")
    module = config.get("module", "")  # None is Keras' sign for a class outside of all modules
    found = None
    for key in (registered, name):
        if isinstance(key, str) and found is None and not (key is name and _kinds_of(module)):
            found = custom.get_registered_object(key, custom_objects)
    if found is None:
        found = _find_builtin_class(name, registered, module, kind)
    if not isinstance(found, type) or not hasattr(found, "from_config"):
        raise ModelFormatError(_unknown("class", name, kind))
    if kind is not None and found in _home and _home[found][0] not in _FITS[kind]:
        raise ModelFormatError(_unknown("class", name, kind))
    return found


def _find_builtin_class(name, registered, module, kind):
    if registered not in (None, name):
        return None
    kinds = _kinds_of(module) if module != "" else tuple(MODULES)
    if kind is not None:
        kinds = tuple(k for k in _FITS[kind] if k in kinds)
    found = {_table(k)[name] for k in kinds if name in _table(k)}
    return found.pop() if len(found) == 1 else None


def _kinds_of(module):
    """The kinds that live in a module of Keras' or ours; none for every other module."""
    parts = module.split(".") if isinstance(module, str) else [""]
    if parts[0] not in ("keras", "fastnn"):
        return ()
    if len(parts) == 1:
        return ("model",)
    return next((_WORDS[part] for part in parts if part in _WORDS), ())


def _check_kind(obj, kind):
    home = _home.get(type(obj))
    if kind is not None and home is not None and home[0] not in _FITS[kind]:
        raise ModelFormatError(f"Expected a {kind}, received the {home[0]} {home[1]}")
    return obj
