"""Configurations to objects.

A name is looked up in the closed table and among the user's own objects, and nowhere else: no module is imported, no
attribute is fetched by a name, no code is decoded.  The ``module`` of a configuration is only compared.
"""

import numpy as np

from fastnn.saving import budget
from fastnn.saving import custom_objects as custom
from fastnn.saving.errors import ModelFormatError
from fastnn.saving.table import FITS, MODULES, builtin_function, find, home, kinds_of, names, table
from fastnn.saving.to_config import sharing

_INSTANTIATED = {"loss", "metric", "optimizer", "initializer", "regularizer", "constraint"}
_COUNTS = {"num_thresholds": 1, "num_classes": 2}  # metrics make n, or n * n numbers of these
_DTYPES = ("float32", "float64", "int32", "int64", "uint8", "bool")


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
        found = find(FITS[kind][:1], name)
    if found is None:
        import difflib

        close = difflib.get_close_matches(name[:100], names(kind), n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
        raise ValueError(
            f"Unknown {kind} {name[:100]!r}.{hint} Names of your own need register_keras_serializable "
            "or custom_objects."
        )
    return found() if isinstance(found, type) else found


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
        found = builtin_function(FITS[kind] if kind else MODULES, name)
    if found is None or isinstance(found, type) or not callable(found):
        raise ModelFormatError(_unknown("function", name, kind))
    return found


def _unknown(what, name, kind):
    where = f" where a {kind} is expected" if kind else ""
    return (
        f"Unknown {what} {name[:100]!r}{where}. Names resolve only among fastnn's own classes and functions "
        "and those passed in custom_objects or registered with fastnn.saving.register_keras_serializable."
    )


def _deserialize_instance(config, kind, custom_objects):
    shared = config.get("shared_object_id")
    maps = getattr(sharing, "maps", None)
    if maps is not None and type(shared) is int and shared in maps[1]:
        return _check_kind(maps[1][shared], kind)
    cls = _find_class(config, kind, custom_objects)
    inner = config["config"] if config["config"] is not None else {}
    if not isinstance(inner, dict) or not all(isinstance(key, str) for key in inner):
        raise ModelFormatError(f"The config of {cls.__name__} must be a dict")
    for key, dimensions in _COUNTS.items():
        if type(inner.get(key)) is int:
            budget.charge((inner[key],) * dimensions)
    if home.get(cls, ("", ""))[1] == "Lambda":
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
        found = table("activation").get(value)
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
    if build and (not getattr(obj, "built", True) or getattr(obj, "_graph", None) is not None):
        obj.build_from_config(build)  # a model of declared inputs is built, but may have layers beside them
    if compiled and hasattr(obj, "compile_from_config"):
        obj.compile_from_config(compiled)


def _find_class(config, kind, custom_objects):
    name, registered = config["class_name"], config.get("registered_name")
    module = config.get("module", "")  # None is Keras' sign for a class outside of all modules
    found = None
    for key in (registered, name):
        if isinstance(key, str) and found is None and not (key is name and kinds_of(module)):
            found = custom.get_registered_object(key, custom_objects)
    if found is None:
        found = _find_builtin_class(name, registered, module, kind)
    if not isinstance(found, type) or not hasattr(found, "from_config"):
        raise ModelFormatError(_unknown("class", name, kind))
    if kind is not None and found in home and home[found][0] not in FITS[kind]:
        raise ModelFormatError(_unknown("class", name, kind))
    return found


def _find_builtin_class(name, registered, module, kind):
    if registered not in (None, name):
        return None
    kinds = kinds_of(module) if module != "" else tuple(MODULES)
    if kind is not None:
        kinds = tuple(k for k in FITS[kind] if k in kinds)
    found = {table(k)[name] for k in kinds if name in table(k)}
    return found.pop() if len(found) == 1 else None


def _check_kind(obj, kind):
    place = home.get(type(obj))
    if kind is not None and place is not None and place[0] not in FITS[kind]:
        raise ModelFormatError(f"Expected a {kind}, received the {place[0]} {place[1]}")
    return obj
