"""Weights files: HDF5, of which only the plainest part is accepted.

libhdf5 reads the structure and nothing else.  Every link and every dataset is checked before anything is
read, and the numbers are taken by ourselves from the bytes in memory: no filter of libhdf5's runs, no plugin
is loaded, and no other file can be reached.
"""

import io
import math
import zlib

import numpy as np

from fastnn.saving.errors import ModelFormatError
from fastnn.saving.hdf5_attributes import Attributes
from fastnn.saving.hdf5_chunks import UNDO, join_chunks

MAGIC = b"\x89HDF\r\n\x1a\n"
CHECKSUM = "fastnn_crc32"  # an attribute of the datasets that we write
MAX_DEPTH = 50
MAX_RATIO = 100
MAX_NAME = 1000


def write(groups):
    """A weights file.

    Parameters
    ----------
    groups : list of (path, attributes, arrays)
        Two dicts: str to str or list of str, and str to array.

    Returns
    -------
    memoryview
    """
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for path, attributes, arrays in groups:
            group = file.require_group(path or "/")
            for key, value in attributes.items():
                group.attrs.create(key, value, dtype=h5py.string_dtype())
            for key, value in arrays.items():
                value = np.ascontiguousarray(value).reshape(np.shape(value))
                dataset = group.create_dataset(key, data=value)
                dataset.attrs.create(CHECKSUM, zlib.crc32(value), dtype="<u4")
    return buffer.getbuffer()


class WeightsFile:
    """The arrays of a weights file.

    Parameters
    ----------
    data : bytes
        The whole file.
    where : str
        The file, for messages.

    Attributes
    ----------
    groups : dict of str to dict of str to array
        By the path of the group.  Arrays that are not compressed are read-only views of the data.
    elements : int
        Numbers in all arrays.

    Raises
    ------
    ModelFormatError
        For anything but groups and plain numeric datasets, hard-linked once and fully stored.
    """

    def __init__(self, data, where):
        self.data, self.where = data, where
        self.groups, self.elements = {}, 0
        self._addresses, self._stored, self._logical = {}, 0, 0  # of the objects: address to path
        try:
            self._read()
        except ModelFormatError as error:
            raise ModelFormatError(f"{where}: {error}") from None
        except (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError, zlib.error) as error:
            raise ModelFormatError(f"{where}: damaged HDF5 file ({error})") from error

    def _read(self):
        import h5py

        self._h5 = h5py
        if self.data[: len(MAGIC)] != MAGIC:
            raise ModelFormatError("not an HDF5 file")
        with h5py.File(io.BytesIO(self.data), "r") as file:
            _require(file.id.get_create_plist().get_sizes() == (8, 8), "", "offsets are not of eight bytes")
            self._read_group(h5py.h5g.open(file.id, b"/"), "", 0)

    def texts(self):
        """The attributes that are texts.

        Returns
        -------
        dict of str to dict of str to str or list of str
            By the path of the group or dataset; "" is the root.
        """
        attributes = Attributes(self.data)
        try:
            return {path: attributes.read(address) for address, path in self._addresses.items()}
        except ModelFormatError as error:
            raise ModelFormatError(f"{self.where}: {error}") from None

    def _read_group(self, group, path, depth):
        _require(depth <= MAX_DEPTH, path, "groups are nested too deep")
        self._meet(group, path)
        arrays = {}
        for label in group:
            name = _checked_name(label, path)
            inner = f"{path}/{name}" if path else name
            link = group.links.get_info(label)
            _require(link.type == self._h5.h5l.TYPE_HARD, inner, "links to other places are not followed")
            child = self._h5.h5o.open(group, label)
            if isinstance(child, self._h5.h5g.GroupID):
                self._read_group(child, inner, depth + 1)
            elif isinstance(child, self._h5.h5d.DatasetID):
                self._meet(child, inner)
                arrays[name] = self._read_dataset(child, inner)
            else:
                raise ModelFormatError(f"{inner}: neither a group nor a dataset")
        if arrays:
            self.groups[path] = arrays

    def _meet(self, thing, path):
        address = self._h5.h5o.get_info(thing).addr
        _require(address not in self._addresses, path, "reached by two links")
        self._addresses[address] = path
        # a group or dataset takes more than this, and so the time is bounded by the length of the file
        _require(len(self._addresses) < 100 + len(self.data) / 64, path, "more objects than the file can hold")

    def _read_dataset(self, dataset, path):
        plan = dataset.get_create_plist()
        layout = plan.get_layout()
        _require(
            layout in (self._h5.h5d.CONTIGUOUS, self._h5.h5d.CHUNKED),
            path,
            "stored in another way than plainly",
        )
        _require(plan.get_external_count() == 0, path, "external storage is not read")
        dtype = self._dtype(dataset, path)
        shape = self._shape(dataset, path)
        size = math.prod(shape) * dtype.itemsize  # Python integers: they cannot overflow
        self._logical += size
        _require(
            self._logical <= MAX_RATIO * len(self.data),
            path,
            f"shape {shape} is larger than the file can hold",
        )
        if layout == self._h5.h5d.CONTIGUOUS:
            array = self._view(dataset, dtype, shape, size, path)
        else:
            array = self._join(dataset, plan, dtype, shape, path)
        self._verify(dataset, array, path)
        self.elements += array.size
        return array

    def _dtype(self, dataset, path):
        kind, h5t = dataset.get_type(), self._h5.h5t
        floats = ("IEEE_F32LE", "IEEE_F32BE", "IEEE_F64LE", "IEEE_F64BE", "IEEE_F16LE", "IEEE_F16BE")
        integers = (f"STD_{sign}{bits}{order}" for bits in (32, 64, 8, 16) for sign in "IU" for order in ("LE", "BE"))
        for group in (floats, integers):
            if any(kind.equal(vars(h5t)[name]) for name in group):
                return dataset.dtype
        raise ModelFormatError(f"{path}: not plain floating-point or integer numbers")

    def _shape(self, dataset, path):
        space = dataset.get_space()
        kinds = (self._h5.h5s.SCALAR, self._h5.h5s.SIMPLE)
        _require(space.get_simple_extent_type() in kinds, path, "has no shape")
        shape = tuple(map(int, space.get_simple_extent_dims()))
        limits = tuple(space.get_simple_extent_dims(True))
        _require(shape == limits, path, "arrays that may grow are not read")
        return shape

    def _view(self, dataset, dtype, shape, size, path):
        if size == 0:
            return np.zeros(shape, dtype)
        offset = dataset.get_offset()
        stored = offset is not None and dataset.get_storage_size() == size and offset + size <= len(self.data)
        _require(stored, path, f"declares {size} bytes that the file does not hold")
        self._account(size, path)
        return np.frombuffer(self.data, dtype, math.prod(shape), offset).reshape(shape)

    def _join(self, dataset, plan, dtype, shape, path):
        filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
        _require(set(filters) <= UNDO.keys(), path, "compressed in another way than gzip, shuffle and fletcher32")
        lengths = tuple(map(int, plan.get_chunk()))
        whole = all(0 < n <= m for n, m in zip(lengths, shape, strict=True))
        _require(whole, path, "chunks larger than the array")
        expected = math.prod(-(-m // n) for n, m in zip(lengths, shape, strict=True))
        _require(expected <= len(self.data), path, "more chunks than the file can hold")
        _require(
            dataset.get_num_chunks() == expected,
            path,
            f"shape {shape} is declared, but not all of it is stored",
        )
        chunks = {}
        for i in range(expected):
            info = dataset.get_chunk_info(i)
            begin, end = info.byte_offset, info.byte_offset + info.size
            _require(begin is not None and end <= len(self.data), path, "a chunk lies outside of the file")
            self._account(info.size, path)
            chunks[tuple(map(int, info.chunk_offset))] = info.filter_mask, memoryview(self.data)[begin:end]
        return join_chunks(chunks, lengths, filters, dtype, shape, path)

    def _account(self, size, path):
        self._stored += size
        _require(self._stored <= len(self.data), path, "arrays overlap")

    def _verify(self, dataset, array, path):
        """Compare with the checksum that our own files have."""
        h5a, h5t = self._h5.h5a, self._h5.h5t
        label = CHECKSUM.encode()
        if not h5a.exists(dataset, label):
            return
        attribute = h5a.open(dataset, label)
        plain = attribute.get_type().equal(h5t.STD_U32LE) and attribute.shape == ()
        _require(plain, path, "the checksum is not a number")
        expected = np.zeros((), "<u4")
        attribute.read(expected)
        _require(zlib.crc32(array) == int(expected), path, "the checksum is wrong, the file is damaged")


def _require(condition, path, message):
    if not condition:
        raise ModelFormatError(f"{path or '/'}: {message}")


def _checked_name(label, path):
    name = label.decode("utf-8")
    plain = name not in (".", "..") and "\\" not in name and len(name) <= MAX_NAME and name.isprintable()
    _require(plain, path, f"the name {name[:100]!r} is not allowed")
    return name
