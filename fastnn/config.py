"""Global settings: the float type, the fuzz factor, the layout of images, limits for trial runs, where text goes.

What Keras can set and fastnn has no choice about raises an error that says so.
"""

import os

import numpy as np

from fastnn.engine import native

_settings = {
    "floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last", "interactive_logging": True,
    "max_epochs": None, "max_steps_per_epoch": None,
}  # fmt: skip


_DTYPES = (
    "float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
    "uint64", "bool", "string", "float8_e4m3fn", "float8_e5m2", "complex64", "complex128",
)  # fmt: skip


def floatx():
    """The default float type, ``"float32"`` unless set otherwise."""
    return _settings["floatx"]


def set_floatx(value):
    """Set the default float type.

    Parameters
    ----------
    value : {"float32", "float64"}
        float64 programs run on the reference engine.
    """
    if value not in ("float32", "float64"):
        raise ValueError(f'set_floatx: expected "float32" or "float64", received {value!r}')
    _settings["floatx"] = value
    native.note_change()


def epsilon():
    """The small number that keeps divisions and logarithms finite."""
    return _settings["epsilon"]


def set_epsilon(value):
    """Set the fuzz factor, a positive number."""
    if not (np.isreal(value) and value > 0):
        raise ValueError(f"set_epsilon: expected a positive number, received {value!r}")
    _settings["epsilon"] = float(value)


def image_data_format():
    """``"channels_last"``, the layout (batch, height, width, channels)."""
    return _settings["image_data_format"]


def set_image_data_format(data_format):
    """Set the default layout of images, ``"channels_last"`` or ``"channels_first"``."""
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(
            f'set_image_data_format: expected "channels_last" or "channels_first", received {data_format!r}'
        )
    _settings["image_data_format"] = data_format


def standardize_dtype(dtype):
    """The name of a dtype: of a name, a type of Python or NumPy, or of what has a dtype's name; floatx for None."""
    if dtype is None:
        return floatx()
    if dtype in (bool, int, float, str):
        return {bool: "bool", int: "int32", float: floatx(), str: "string"}[dtype]
    name = getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or dtype
    if name not in _DTYPES:
        raise ValueError(f"standardize_dtype: {dtype!r} is not a dtype: expected one of {', '.join(_DTYPES)}")
    return name


class DTypePolicy:
    """The float types of computations and of weights, which are one and the same here.

    Attributes
    ----------
    name, compute_dtype, variable_dtype : {"float32", "float64"}
    """

    def __init__(self, name):
        self.name = self.compute_dtype = self.variable_dtype = name

    def __eq__(self, other):
        return isinstance(other, DTypePolicy) and other.name == self.name

    def __hash__(self):
        return hash(self.name)

    def __repr__(self):
        return f'<DTypePolicy "{self.name}">'


def dtype_policy():
    """The `DTypePolicy` of new layers: that of `floatx`."""
    return DTypePolicy(floatx())


def set_dtype_policy(policy):
    """Set the float type of new layers, as `set_floatx`.

    Parameters
    ----------
    policy : {"float32", "float64"} or DTypePolicy
    """
    name = getattr(policy, "name", policy)
    if name not in ("float32", "float64"):
        raise ValueError(
            f'set_dtype_policy: expected "float32" or "float64", received {name!r}: lower precision is not offered'
        )
    set_floatx(name)


# --- trial runs ------------------------------------------------------------------------------------
def max_epochs():
    """The most epochs that a `fit` runs, or None."""
    return _settings["max_epochs"]


def set_max_epochs(max_epochs):
    """Let no `fit` run more epochs than this, to try a program quickly; None sets no limit.

    The environment variable ``KERAS_MAX_EPOCHS`` does the same.
    """
    _settings["max_epochs"] = _checked_limit("set_max_epochs", max_epochs)


def max_steps_per_epoch():
    """The most batches that an epoch of `fit`, an `evaluate` or a `predict` runs, or None."""
    return _settings["max_steps_per_epoch"]


def set_max_steps_per_epoch(max_steps_per_epoch):
    """Let no epoch, `evaluate` or `predict` run more batches than this; None sets no limit.

    The environment variable ``KERAS_MAX_STEPS_PER_EPOCH`` does the same.
    """
    _settings["max_steps_per_epoch"] = _checked_limit("set_max_steps_per_epoch", max_steps_per_epoch)


def _checked_limit(what, value):
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1):
        raise ValueError(f"{what}: expected a positive integer or None, received {value!r}")
    return value


def within(count, limit):
    """The lesser of two numbers, where None means that there is no bound."""
    return count if limit is None else limit if count is None else min(count, limit)


for _name, _set in (("KERAS_MAX_EPOCHS", set_max_epochs), ("KERAS_MAX_STEPS_PER_EPOCH", set_max_steps_per_epoch)):
    if _name in os.environ:
        _set(int(os.environ[_name]))


# --- where text goes -------------------------------------------------------------------------------
def is_interactive_logging_enabled():
    """Whether progress and messages of callbacks are printed; else they go to the logger ``"fastnn"``."""
    return _settings["interactive_logging"]


def enable_interactive_logging():
    """Print progress and messages of callbacks, as it is from the start."""
    _settings["interactive_logging"] = True


def disable_interactive_logging():
    """Send progress and messages of callbacks to ``logging.getLogger("fastnn")``, at level INFO."""
    _settings["interactive_logging"] = False


# --- what there is no choice about -----------------------------------------------------------------
def backend():
    """``"fastnn"``: there is one."""
    return "fastnn"


def set_backend(backend):
    """There is one backend: every other name is an error."""
    if backend != "fastnn":
        raise ValueError(f'set_backend: the backend is "fastnn", received {backend!r}')


def is_flash_attention_enabled():
    """False."""
    return False


def disable_flash_attention():
    """Nothing changes: there is none."""


def enable_flash_attention():
    """An error: attention has one way of computing."""
    raise NotImplementedError("enable_flash_attention: attention is computed in one way only; leave the call out")


def is_nnx_enabled():
    """False: NNX is a part of Flax."""
    return False


def is_traceback_filtering_enabled():
    """False: tracebacks are whole."""
    return False


def disable_traceback_filtering():
    """Nothing changes: tracebacks are whole."""


def enable_traceback_filtering():
    """An error: tracebacks are whole."""
    raise NotImplementedError("enable_traceback_filtering: tracebacks are never shortened; leave the call out")


def enable_unsafe_deserialization():
    """An error: nothing in a file is executed."""
    raise NotImplementedError(
        "enable_unsafe_deserialization: nothing in a file is executed. Pass your own functions in custom_objects"
    )
