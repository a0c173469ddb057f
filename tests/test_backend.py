"""`keras.backend`, as programs for older versions of Keras use it."""

import numpy as np
import pytest

import fastnn
from fastnn import backend


def test_names_are_those_of_keras():
    assert sorted(backend.__all__) == [
        "backend", "clear_session", "epsilon", "floatx", "get_uid", "image_data_format", "is_float_dtype",
        "is_int_dtype", "is_keras_tensor", "result_type", "set_epsilon", "set_floatx", "set_image_data_format",
        "standardize_dtype",
    ]  # fmt: skip
    assert fastnn.backend is backend


def test_names_of_layers_begin_anew():
    backend.clear_session()
    assert (backend.get_uid("dense"), backend.get_uid("dense")) == (1, 2)
    assert fastnn.layers.Dense(1).name == "dense_2"
    backend.clear_session()
    assert fastnn.layers.Dense(1).name == "dense"


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        ((), "float32"), (("int32", "float32"), "float32"), (("int64", "float16"), "float16"),
        (("int8", "int32"), "int32"), (("bool", "uint8"), "uint8"), (("uint64", "int64"), "float32"),
        (("bfloat16", "float16"), "float32"), (("bfloat16", "int32"), "bfloat16"), (("float64", "bfloat16"), "float32"),
        ((np.float32, "float64"), "float32"), (("uint32", "int32"), "int32"), (("uint64",), "uint32"),
    ],
)  # fmt: skip
def test_result_type(dtypes, expected):
    assert backend.result_type(*dtypes) == expected


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", np.float64, float])
def test_floats(dtype):
    assert backend.is_float_dtype(dtype)
    assert not backend.is_int_dtype(dtype)


@pytest.mark.parametrize("dtype", ["int8", "uint32", np.int64, int])
def test_integers(dtype):
    assert backend.is_int_dtype(dtype)
    assert not backend.is_float_dtype(dtype)
