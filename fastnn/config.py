"""Global settings: the float type, the fuzz factor, the layout of images."""

import numpy as np

_settings = {"floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last"}


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


def set_image_data_format(value):
    """Set the default layout of images, ``"channels_last"`` or ``"channels_first"``."""
    if value not in ("channels_last", "channels_first"):
        raise ValueError(f'set_image_data_format: expected "channels_last" or "channels_first", received {value!r}')
    _settings["image_data_format"] = value
