"""Chunked HDF5 arrays: the three usual filters, undone with a bound on what comes out."""

import math
import zlib

import numpy as np

from fastnn.saving.errors import ModelFormatError

_DEFLATE, _SHUFFLE, _FLETCHER32 = 1, 2, 3


def join_chunks(chunks, lengths, filters, dtype, shape, path):
    """Put an array together.

    Parameters
    ----------
    chunks : dict of tuple of int to (int, memoryview)
        By the index of a chunk's first element: a bit for each filter that was left out, and the bytes.
    lengths : tuple of int
        Shape of a chunk.  Chunks at the upper ends of the array are stored whole.
    filters : list of int
        HDF5 filter numbers, keys of `UNDO`, in the order in which they were applied.
    dtype : dtype
    shape : tuple of int
    path : str
        For messages.

    Returns
    -------
    array of the shape
    """
    size = math.prod(lengths) * dtype.itemsize
    result, missing = np.zeros(shape, dtype), math.prod(shape)
    for start, (left_out, data) in chunks.items():
        for i, number in reversed(list(enumerate(filters))):
            if not left_out >> i & 1:
                data = UNDO[number](data, size, dtype.itemsize, path)
        if len(data) != size:
            raise ModelFormatError(f"{path}: a chunk of {len(data)} bytes, expected {size}")
        if len(start) != len(shape) or any(
            i < 0 or i >= n or i % c for i, n, c in zip(start, shape, lengths, strict=True)
        ):
            raise ModelFormatError(f"{path}: a chunk outside of the array")
        place = result[tuple(slice(i, i + n) for i, n in zip(start, lengths, strict=True))]
        chunk = np.frombuffer(data, dtype).reshape(lengths)
        place[...] = chunk[tuple(map(slice, place.shape))]
        missing -= place.size
    if missing:
        raise ModelFormatError(f"{path}: the chunks do not cover the array")
    return result


def _inflate(data, size, itemsize, path):
    inflate = zlib.decompressobj()
    result = inflate.decompress(data, size + 64)  # checksums of other filters may be inside
    if not inflate.eof:
        raise ModelFormatError(f"{path}: a chunk is larger than it should be")
    return result


def _unshuffle(data, size, itemsize, path):
    """The first bytes of all elements lie together, then all second bytes, and so on."""
    whole = len(data) // itemsize * itemsize
    planes = np.frombuffer(data, np.uint8, whole).reshape(itemsize, -1)
    return planes.T.tobytes() + bytes(data[whole:])


def _check_fletcher32(data, size, itemsize, path):
    data, stored = bytes(data[:-4]), bytes(data[-4:])
    if fletcher32(data) != int.from_bytes(stored, "little"):
        raise ModelFormatError(f"{path}: the checksum is wrong, the file is damaged")
    return data


def fletcher32(data):
    """The checksum of libhdf5: two sums of big-endian 16-bit words modulo 65535, 65535 standing for 0."""
    words = np.frombuffer(data + b"\0" * (len(data) % 2), ">u2").astype(np.uint64)
    first = int(words.sum())
    second = sum(  # blocks, so that the products cannot overflow
        int((block * np.arange(len(words) - i, len(words) - i - len(block), -1, dtype=np.uint64) % 65535).sum())
        for i, block in ((i, words[i : i + 65536]) for i in range(0, len(words), 65536))
    )
    first, second = ((total % 65535 or 65535) if first else 0 for total in (first, second))
    return second << 16 | first


UNDO = {_DEFLATE: _inflate, _SHUFFLE: _unshuffle, _FLETCHER32: _check_fletcher32}
