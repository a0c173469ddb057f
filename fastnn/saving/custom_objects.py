"""Classes and functions of the user's own: the only names that a file may use beyond the closed table."""

import threading

_GLOBAL = {}  # "package>name" -> class or function
_NAMES = {}  # class or function -> "package>name"
_scopes = threading.local()


def get_custom_objects():
    """The dictionary of all registered objects.  Names put into it by hand count as registered."""
    return _GLOBAL


def register_keras_serializable(package="Custom", name=None):
    """Decorator: let model files name this class or function.

    Parameters
    ----------
    package : str
        Kept in files as ``"package>name"``, so that two libraries may use one name.
    name : str, optional
        The object's own name unless given.

    Raises
    ------
    ValueError
        For a class without ``get_config``.
    """

    def decorator(obj):
        if isinstance(obj, type) and not hasattr(obj, "get_config"):
            raise ValueError(f"register_keras_serializable: class {obj.__name__} needs a get_config() method")
        registered = f"{package}>{name if name is not None else obj.__name__}"
        _GLOBAL[registered] = obj
        _NAMES[obj] = registered
        return obj

    return decorator


class CustomObjectScope:
    """``with CustomObjectScope({"MyLayer": MyLayer}):`` names resolve to these objects inside.

    Parameters
    ----------
    custom_objects : dict of str to class or function
    """

    def __init__(self, custom_objects):
        self.custom_objects = dict(custom_objects or {})

    def __enter__(self):
        _scopes.stack = (*_stack(), self.custom_objects)
        return self

    def __exit__(self, *error):
        _scopes.stack = _stack()[:-1]


custom_object_scope = CustomObjectScope


def _stack():
    return getattr(_scopes, "stack", ())


def get_registered_name(obj):
    """``"package>name"`` of a registered class or function, else its plain name."""
    return _NAMES.get(obj, getattr(obj, "__name__", None))


def is_registered(obj):
    """Whether ``register_keras_serializable`` has seen the class or function."""
    return obj in _NAMES


def get_registered_object(name, custom_objects=None, module_objects=None):
    """The class or function that a name stands for: scopes first, then registered, then the arguments.

    Returns
    -------
    object or None
    """
    tables = (*reversed(_stack()), _GLOBAL, custom_objects or {}, module_objects or {})
    return next((table[name] for table in tables if name in table), None)
