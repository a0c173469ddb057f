"""Which object's variables stand where in a weights file: Keras 3's paths.

A path is made of attribute names, and in lists of numbered class names: ``layers/dense_1``, ``optimizer``.
"""

import functools
import warnings

from fastnn.saving import registry
from fastnn.saving.errors import ModelFormatError

_LISTED = {"Sequential", "Functional"}  # Keras takes the layers of these first, then other attributes


def walk(model, skip=()):
    """Yield ``(path, object)`` for the model and everything in it that has variables to save, each once.

    Parameters
    ----------
    model : Layer or Model
    skip : collection of objects
    """
    yield from _walk(model, "", {id(obj) for obj in skip})


def _walk(obj, path, seen):
    if id(obj) in seen:
        return
    seen.add(id(obj))
    yield path, obj
    for key, value in _attributes(obj):
        inner = f"{path}/{key}" if path else key
        if _is_saveable(value):
            yield from _walk(value, inner, seen)
        elif isinstance(value, (list, tuple, dict)):
            yield from _walk_container(value, inner, seen, set())


def _walk_container(container, path, seen, open_containers):
    if id(container) in open_containers:
        return
    open_containers.add(id(container))
    used = {}
    for value in list(container.values() if isinstance(container, dict) else container):
        if _is_saveable(value):
            name = _numbered(registry.snake_case(type(value).__name__), used)
            yield from _walk(value, f"{path}/{name}", seen)
        elif isinstance(value, (list, tuple, dict)):
            name = _numbered("container", used)
            yield from _walk_container(value, f"{path}/{name}", seen, open_containers)


def _numbered(name, used):
    used[name] = used.get(name, -1) + 1
    return f"{name}_{used[name]}" if used[name] else name


def _is_saveable(obj):
    return hasattr(obj, "save_own_variables") and not isinstance(obj, type)


def _attributes(obj):
    """The attributes that the base class has not, private ones last; a model's layers before all."""
    is_model = hasattr(type(obj), "layers")
    keys = set(vars(obj)) - _internal_attributes()
    if is_model and (_LISTED & set(registry.builtin_names(obj)) or getattr(obj, "_graph", None) is not None):
        yield "layers", obj.layers
    elif is_model:
        keys.add("layers")
    for key in sorted(keys, key=lambda key: f"~{key}" if key.startswith("_") else key):
        yield key, getattr(obj, key)


@functools.cache
def _internal_attributes():
    from fastnn.layers.layer import Layer

    return {*vars(Layer()), "_declared", "_graph"}


def collect(model, skip=()):
    """What a weights file of a model holds: a list of (path, attributes, arrays).

    Parameters
    ----------
    model : Layer or Model
    skip : collection of objects
        Left out, such as the optimizer.
    """
    groups = []
    for path, obj in walk(model, skip):
        arrays = {}
        obj.save_own_variables(arrays)
        name = getattr(obj, "name", None)
        attributes = {"name": name} if isinstance(name, str) else {}
        if arrays or attributes:
            groups.append((f"{path}/vars" if path else "vars", attributes, arrays))
    return groups


def restore(model, file, skip=(), skip_mismatch=False):
    """Give a model the values of a weights file.

    Parameters
    ----------
    model : Layer or Model
    file : WeightsFile or SafetensorsFile
    skip : collection of objects
        Keep their values, such as the optimizer.
    skip_mismatch : bool
        Warn instead of failing where the file has other variables than the model.

    Raises
    ------
    ModelFormatError
        When the file and the model do not have the same variables.  Some may then have changed already.
    """
    visited = set()
    for path, obj in walk(model, skip):
        group = f"{path}/vars" if path else "vars"
        visited.add(group)
        try:
            obj.load_own_variables(dict(file.groups.get(group, {})))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            if not skip_mismatch:
                raise ModelFormatError(f"{file.where}: {group}: {error}") from error
            warnings.warn(f"{file.where}: {group} is not loaded: {error}", stacklevel=4)
    extra = [path for path in file.groups if path not in visited and not _is_optional(path)]
    if extra and not skip_mismatch:
        raise ModelFormatError(f"{file.where}: {extra[0]}: the model has no object at this place")


def _is_optional(path):
    """Optimiser state that is not wanted, and the random states that other Keras versions keep in files."""
    return path == "optimizer/vars" or "seed_generator" in path.split("/")
