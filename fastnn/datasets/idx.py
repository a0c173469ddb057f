"""The idx format of MNIST: four bytes (0, 0, type, rank), the sizes as big-endian integers, the values."""

import gzip
import math
import struct
import zlib

import numpy as np

from . import source

UNSIGNED_BYTE = 8


def read_idx(stream, shape):
    """Read an array of unsigned bytes whose shape is known beforehand.

    Parameters
    ----------
    stream : binary file
        The idx data, not compressed or decompressing itself. No more than one byte above the expected size
        is read from it, so that a compressed file cannot fill the memory.
    shape : tuple of int
        The shape it must have.

    Returns
    -------
    ndarray of uint8, shape `shape`

    Raises
    ------
    ValueError
        If the header or the number of bytes differs, or if the compressed data are damaged.
    """
    header = struct.pack(f">4B{len(shape)}I", 0, 0, UNSIGNED_BYTE, len(shape), *shape)
    size = len(header) + math.prod(shape)
    try:
        data = stream.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"idx file is damaged ({error}). Get the original file again.") from error
    if data[: len(header)] != header:
        raise ValueError(
            f"idx file starts with {data[: len(header)].hex()}, expected {header.hex()}, the header of a "
            f"uint8 array of shape {shape}. Get the original file again."
        )
    if len(data) != size:
        relation = "more" if len(data) > size else "fewer"
        raise ValueError(f"idx file holds {relation} than {size} bytes. Get the original file again.")
    return np.frombuffer(data, np.uint8, offset=len(header)).reshape(shape).copy()


def load_split(images, labels, count, system_folders=()):
    """Load `count` pictures of 28×28 pixels and their labels.

    Parameters
    ----------
    images, labels : source.Remote
        The two gzip-compressed idx files.
    count : int
        Number of pictures n.
    system_folders : sequence of Path
        As in `source.open_verified`.

    Returns
    -------
    ndarray of uint8, shape (n, 28, 28), and ndarray of uint8, shape (n,)
    """
    arrays = []
    for remote, shape in ((images, (count, 28, 28)), (labels, (count,))):
        with source.open_verified(remote, system_folders) as packed, gzip.GzipFile(fileobj=packed) as stream:
            arrays.append(read_idx(stream, shape))
    return tuple(arrays)
