"""Weights in safetensors files."""

import json
import struct

import numpy as np
import pytest
from saving.hostile_safetensors import HOSTILE, made

import fastnn as keras
from fastnn.saving import ModelFormatError, safetensors


def trained():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8, "relu"), keras.layers.BatchNormalization()])
    model.compile("adam", "mse")
    model.train_on_batch(np.ones((4, 6), np.float32), np.ones((4, 8), np.float32))
    return model


def test_round_trip_keeps_every_bit(tmp_path):
    model, other = trained(), trained()
    model.save_weights(tmp_path / "m.safetensors")
    for variable in (*other.variables, *other.optimizer.variables):
        variable.assign(np.zeros(variable.shape, variable.dtype))
    other.load_weights(tmp_path / "m.safetensors")
    for a, b in zip(model.variables, other.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    for a, b in zip(model.optimizer.variables, other.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_the_file_is_as_the_format_says(tmp_path):
    model = trained()
    model.save_weights(tmp_path / "m.safetensors")
    data = (tmp_path / "m.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    assert length % 8 == 0 and header.pop("__metadata__")["format"] == "np"
    entry = header["layers/dense/vars/0"]
    begin, end = entry["data_offsets"]
    stored = np.frombuffer(data[8 + length + begin : 8 + length + end], "<f4").reshape(entry["shape"])
    np.testing.assert_array_equal(stored, model.layers[0].kernel.numpy())
    assert max(e["data_offsets"][1] for e in header.values()) == len(data) - 8 - length


def test_both_formats_hold_the_same_arrays(tmp_path):
    model = trained()
    model.save_weights(tmp_path / "m.safetensors")
    model.save_weights(tmp_path / "m.weights.h5")
    from fastnn.saving import hdf5

    ours = safetensors.SafetensorsFile((tmp_path / "m.safetensors").read_bytes(), "m")
    theirs = hdf5.WeightsFile((tmp_path / "m.weights.h5").read_bytes(), "m")
    assert ours.elements == theirs.elements
    assert {p: sorted(a) for p, a in ours.groups.items()} == {p: sorted(a) for p, a in theirs.groups.items()}


@pytest.mark.parametrize(
    "name, dtype", [("F64", "<f8"), ("F16", "<f2"), ("I64", "<i8"), ("I8", "i1"), ("U16", "<u2"), ("U64", "<u8")]
)
def test_dtypes_are_read_exactly(name, dtype):
    value = np.arange(6).astype(dtype).reshape(2, 3)
    data = made({"a/b": {"dtype": name, "shape": [2, 3], "data_offsets": [0, value.nbytes]}}, value.tobytes())
    found = safetensors.SafetensorsFile(data, "m").groups["a"]["b"]
    assert found.dtype == value.dtype
    np.testing.assert_array_equal(found, value)


def test_bfloat16_is_read_exactly():
    value = np.float32([1.0, -2.5, 1e30, 0.0])
    halves = (value.view(np.uint32) >> 16).astype("<u2")
    data = made({"a/b": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}}, halves.tobytes())
    found = safetensors.SafetensorsFile(data, "m").groups["a"]["b"]
    np.testing.assert_array_equal(found, (halves.astype(np.uint32) << 16).view(np.float32))
    np.testing.assert_array_equal(found[[0, 1, 3]], value[[0, 1, 3]])


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_and_change_nothing(name, tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_bytes(HOSTILE[name])
    model = trained()
    before = model.get_weights()
    with pytest.raises(ModelFormatError, match=r"m\.safetensors"):
        model.load_weights(path)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_every_flipped_bit_is_found():
    model = trained()
    data = b"".join(bytes(piece) for piece in safetensors.write(keras.saving.model_files.state.collect(model)))
    expected = safetensors.SafetensorsFile(data, "m").groups
    for bit in range(0, len(data) * 8, 7):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            found = safetensors.SafetensorsFile(bytes(changed), "m").groups
        except ModelFormatError:
            continue
        same = {(p, k): a.tobytes() for p, arrays in found.items() for k, a in arrays.items()}
        known = {a.tobytes() for arrays in expected.values() for a in arrays.values()}
        assert set(same.values()) <= known, f"bit {bit} changed a number"
