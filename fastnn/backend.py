"""Names that programs for older versions of Keras use: settings, names of layers, and kinds of dtypes."""

import numpy as np

from fastnn.config import (
    backend,
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
    standardize_dtype,
)
from fastnn.graph.declaration import is_keras_tensor
from fastnn.naming import clear_session, count_use

__all__ = [
    "backend", "clear_session", "epsilon", "floatx", "get_uid", "image_data_format", "is_float_dtype", "is_int_dtype",
    "is_keras_tensor", "result_type", "set_epsilon", "set_floatx", "set_image_data_format", "standardize_dtype",
]  # fmt: skip


def get_uid(prefix=""):
    """How often a prefix has been used for a name, this time included."""
    return count_use(prefix)


def is_float_dtype(dtype):
    """Whether a dtype holds floating-point numbers."""
    return standardize_dtype(dtype).startswith(("float", "bfloat"))


def is_int_dtype(dtype):
    """Whether a dtype holds integers, with or without a sign."""
    return standardize_dtype(dtype).startswith(("int", "uint"))


def result_type(*dtypes):
    """The dtype of what is computed from values of these: floats decide alone, and 64 bits become 32, as in Keras."""
    names = {standardize_dtype(dtype) for dtype in dtypes} or {floatx()}
    names = {name for name in names if is_float_dtype(name)} or names
    if "bfloat16" in names:  # NumPy does not know it: it is as long as float16, and holds other numbers
        names = {"float32" if name == "float16" else name for name in names - {"bfloat16"}} or names
    found = names.pop() if len(names) == 1 else np.result_type(*names).name
    return found.replace("64", "32")
