"""Objects to configurations: what Keras 3 writes, so that its files and ours are the same."""

import threading

import numpy as np

from fastnn.saving import custom_objects as custom
from fastnn.saving.table import HIDDEN_MODULES, MODULES, builtin_function, home

PARTS = ("build_config", "compile_config")
sharing = threading.local()  # .maps: what this thread has written and read in one file


class sharing_scope:  # noqa: N801, a context manager
    """Inside, an object met twice is written with a ``shared_object_id``, and read back as one object.

    Parameters
    ----------
    parts : tuple of str
        What is written beside the configuration of an object that has it.
    """

    def __init__(self, parts=PARTS):
        self.parts = parts

    def __enter__(self):
        self.before = getattr(sharing, "maps", None), getattr(sharing, "parts", PARTS)
        sharing.maps, sharing.parts = ({}, {}, []), self.parts
        return self

    def __exit__(self, *error):
        sharing.maps, sharing.parts = self.before


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
    kind, name = home.get(cls, (None, cls.__name__))
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
    for key in getattr(sharing, "parts", PARTS):
        more = getattr(obj, f"get_{key}", lambda: None)()
        if more is not None:
            config[key] = serialize(more)
    _share_written(obj, config)
    return config


def _share_written(obj, config):
    maps = getattr(sharing, "maps", None)
    if maps is None:
        return
    written, _, alive = maps
    number, first = written.setdefault(id(obj), (len(written) + 1, config))
    alive.append(obj)  # an id is only unique among living objects
    if first is not config:
        first["shared_object_id"] = config["shared_object_id"] = number


def _serialize_function(obj):
    name = obj.__name__
    if obj in home and not custom.is_registered(obj):
        return home[obj][1]
    if name == "<lambda>":
        raise ValueError(
            "A lambda cannot be written into a configuration: it has no name to be found by. Define it with "
            "def and decorate it with fastnn.saving.register_keras_serializable, or write a Layer subclass. A loss or "
            "metric is left out by save(include_optimizer=False)."
        )
    registered = custom.get_registered_name(obj)
    if registered == name and builtin_function(MODULES, name) not in (None, obj):
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
