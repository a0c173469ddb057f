"""The closed table: fastnn's own classes and functions under the names that Keras gives them."""

import re

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

# What may stand where a kind is expected.
FITS: dict[str, tuple[str, ...]] = {kind: (kind,) for kind in MODULES}
FITS |= {"layer": ("layer", "model"), "activation": ("activation", "layer")}
_WORDS: dict[str, tuple[str, ...]]
_WORDS = {module.rsplit(".", 1)[-1]: (kind,) for kind, module in MODULES.items() if "." in module}
_WORDS |= {"models": ("model",), "optimizers": ("optimizer", "schedule")}

_tables: dict[str, dict] = {kind: {} for kind in MODULES}  # names as registered: class, function, alias
# The same classes in snake_case, where no function has the name.
_snake: dict[str, dict] = {kind: {} for kind in MODULES}
home = {}  # class or function -> (kind, name)


def snake_case(name):
    """``"BatchNormalization"`` to ``"batch_normalization"``, as Keras does it.

    >>> [snake_case(name) for name in ("Conv2D", "ReLU", "L1L2", "AdamW")]
    ['conv2d', 're_lu', 'l1l2', 'adam_w']
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


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
    entries = _tables[kind]

    def decorator(obj):
        own = name or obj.__name__
        for key in (own, *aliases):
            if entries.setdefault(key, obj) is not obj:
                raise ValueError(f"register: {kind} name {key!r} is taken by {entries[key]!r}")
        if isinstance(obj, type):
            _snake[kind].setdefault(own.lower() if kind == "optimizer" else snake_case(own), obj)
        home.setdefault(obj, (kind, own))
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


def table(kind):
    """Names of a kind, as registered, to classes and functions."""
    _fill(kind)
    return _tables[kind]


def names(kind):
    """All names of a kind that ``get`` understands, sorted."""
    _fill(kind)
    return sorted({*_tables[kind], *_snake[kind]})


def builtin_names(obj):
    """The registered names of an object's class and of those that it inherits from."""
    return [home[cls][1] for cls in type(obj).__mro__ if cls in home]


def find(kinds, name):
    """The class or function of a name in any of its spellings, or None."""
    for kind in kinds:
        key = name.lower() if kind == "optimizer" else name
        found = table(kind).get(name) or _snake[kind].get(key)
        if found is not None:
            return found
    return None


def builtin_function(kinds, name):
    """The function, not class, of a name, or None."""
    found = (table(kind).get(name) for kind in kinds)
    return next((obj for obj in found if obj is not None and not isinstance(obj, type)), None)


def kinds_of(module):
    """The kinds that live in a module of Keras' or ours; none for every other module."""
    parts = module.split(".") if isinstance(module, str) else [""]
    if parts[0] not in ("keras", "fastnn"):
        return ()
    if len(parts) == 1:
        return ("model",)
    return next((_WORDS[part] for part in parts if part in _WORDS), ())
