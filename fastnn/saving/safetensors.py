"""Weights in `.safetensors` files: eight bytes with the length of a JSON header, the header, the numbers.

The format: https://github.com/huggingface/safetensors.  An array's name is its place in the model, as in
`.weights.h5` files, and its key there: ``layers/dense/vars/0``.
"""

import json
import math
import zlib

import numpy as np

from fastnn.saving import strict_json
from fastnn.saving.errors import ModelFormatError

CHECKSUM = "fastnn_crc32"  # of all the numbers, in the metadata of the files that we write
_NAMES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip
_DTYPES = {name: np.dtype(dtype) for name, dtype in _NAMES.items()} | {"BF16": np.dtype("<u2")}
_MAX_AXES = 32


def write(groups):
    """A weights file.

    Parameters
    ----------
    groups : list of (path, attributes, arrays)
        As for `fastnn.saving.hdf5.write`; the attributes are left out.

    Returns
    -------
    list of bytes-like
    """
    names = {np.dtype(dtype): name for name, dtype in _NAMES.items()}
    arrays = {f"{path}/{key}": np.asarray(value) for path, _, values in groups for key, value in values.items()}
    header, pieces, offset, checksum = {}, [], 0, 0
    for name, array in sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])):
        data = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        end = offset + data.nbytes
        header[name] = {"dtype": names[data.dtype], "shape": list(array.shape), "data_offsets": [offset, end]}
        pieces.append(data.reshape(-1).view(np.uint8).data)
        checksum, offset = zlib.crc32(pieces[-1], checksum), end
    text = json.dumps({"__metadata__": {"format": "np", CHECKSUM: f"{checksum:08x}"}, **header}).encode()
    text += b" " * (-len(text) % 8)  # the numbers begin at a multiple of eight
    return [len(text).to_bytes(8, "little"), text, *pieces]


class SafetensorsFile:
    """The arrays of a weights file; attributes as of `fastnn.saving.hdf5.WeightsFile`.

    Parameters
    ----------
    data : bytes
        The whole file.
    where : str
        The file, for messages.

    Raises
    ------
    ModelFormatError
        Unless the arrays lie one after the other from the end of the header to the end of the file.
    """

    def __init__(self, data, where):
        self.where, self.groups, self.elements = where, {}, 0
        length = int.from_bytes(data[:8], "little")
        _require(len(data) >= 8 and length <= len(data) - 8, where, "the header is longer than the file")
        header = strict_json.parse(data[8 : 8 + length], where)
        numbers = memoryview(data)[8 + length :]
        _check_metadata(header.pop("__metadata__", {}), numbers, where)
        entries = {name: _entry(entry, f"{where}: {name[:100]}") for name, entry in header.items()}
        position = 0
        for name, (dtype, shape, begin, end) in sorted(entries.items(), key=lambda item: item[1][2:]):
            _require(begin == position, f"{where}: {name[:100]}", "overlaps with another array, or a gap before it")
            position = end
            _require(end <= len(numbers), f"{where}: {name[:100]}", "lies outside of the file")
            self._add(name, np.frombuffer(numbers[begin:end], _DTYPES[dtype]).reshape(shape), dtype)
        _require(position == len(numbers), where, "data that no array owns")

    def _add(self, name, array, dtype):
        path, _, key = name.rpartition("/")
        plain = key and name.isprintable() and not {"", ".", ".."} & set(name.split("/")) and "\\" not in name
        _require(plain, self.where, f"the name {name[:100]!r} is not allowed")
        if dtype == "BF16":  # the upper half of a float32
            array = (array.astype(np.uint32) << 16).view(np.float32)
        elif dtype == "BOOL":
            _require(not np.any(array.view(np.uint8) > 1), f"{self.where}: {name[:100]}", "truth values beside 0 and 1")
        self.groups.setdefault(path, {})[key] = array
        self.elements += array.size


def _check_metadata(metadata, numbers, where):
    plain = isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values())
    _require(plain, where, "the metadata must be texts by name")
    expected = metadata.get(CHECKSUM)
    found = f"{zlib.crc32(numbers):08x}" if expected is not None else None
    _require(expected == found, where, "the checksum is wrong, the file is damaged")


def _entry(entry, what):
    """(dtype, shape, begin, end) of an array's entry in the header, checked against each other."""
    complete = isinstance(entry, dict) and set(entry) == {"dtype", "shape", "data_offsets"}
    _require(complete, what, "expected dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    _require(isinstance(dtype, str) and dtype in _DTYPES, what, f"the dtype {dtype!r:.50} is not read")
    _require(_are_sizes(shape) and len(shape) <= _MAX_AXES, what, f"the shape {shape!r:.100} is impossible")
    _require(_are_sizes(offsets) and len(offsets) == 2, what, f"the offsets {offsets!r:.100} are impossible")
    size = math.prod(shape) * _DTYPES[dtype].itemsize  # Python integers: they cannot overflow
    _require(offsets[1] - offsets[0] == size, what, f"the shape {shape} needs {size} bytes, the offsets give others")
    _require(size or max(shape, default=0) < 1 << 31, what, f"the shape {shape!r:.100} is impossible")
    return dtype, tuple(shape), *offsets


def _are_sizes(values):
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def _require(condition, where, message):
    if not condition:
        raise ModelFormatError(f"{where}: {message}")
