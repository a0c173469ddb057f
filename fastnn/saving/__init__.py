"""Saving and loading, under the names of `keras.saving`."""

import importlib

from fastnn.saving.custom_objects import (  # noqa: F401
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from fastnn.saving.errors import ModelFormatError  # noqa: F401

_FILES = {
    **dict.fromkeys(("load_model", "load_weights", "save_model", "save_weights"), "model_files"),
    "KerasFileEditor": "file_editor",
}  # and the modules where they are


def serialize_keras_object(obj):
    """The configuration of an object, see `fastnn.saving.registry.serialize`."""
    from fastnn.saving import registry

    return registry.serialize(obj)


def deserialize_keras_object(config, custom_objects=None, safe_mode=True):
    """The object of a configuration, see `fastnn.saving.registry.deserialize`; there is no unsafe mode."""
    from fastnn.saving import registry

    return registry.deserialize(config, None, custom_objects)


def __getattr__(name):
    """All layers need this package, few programs need files: what files need is imported at first use."""
    if name in _FILES:
        return getattr(importlib.import_module(f"fastnn.saving.{_FILES[name]}"), name)
    raise AttributeError(f"module 'fastnn.saving' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_FILES])
