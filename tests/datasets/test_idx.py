"""idx files: only exactly the announced array is accepted."""

import gzip
import io
import struct

import numpy as np
import pytest

from fastnn.datasets.idx import read_idx

VALUES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
HEADER = struct.pack(">4B3I", 0, 0, 8, 3, 2, 3, 4)
GOOD = HEADER + VALUES.tobytes()


def test_plain_and_compressed():
    for stream in (io.BytesIO(GOOD), gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(GOOD)))):
        array = read_idx(stream, (2, 3, 4))
        assert array.dtype == np.uint8 and array.flags.writeable
        np.testing.assert_array_equal(array, VALUES)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "starts with"),
        (GOOD[:10], "starts with"),
        (b"\1" + GOOD[1:], "starts with"),
        (GOOD.replace(b"\0\0\x08\3", b"\0\0\x0d\3"), "starts with"),
        (struct.pack(">4B3I", 0, 0, 8, 3, 2, 3, 2**31) + VALUES.tobytes(), "starts with"),
        (GOOD[:-1], "fewer"),
        (GOOD + b"\0", "more"),
    ],
)
def test_other_bytes_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        read_idx(io.BytesIO(data), (2, 3, 4))


@pytest.mark.parametrize("damage", ["cut", "checksum", "no gzip"])
def test_damaged_gzip_is_refused(damage):
    packed = gzip.compress(GOOD)
    data = {"cut": packed[:-9], "checksum": packed[:-8] + bytes(8), "no gzip": GOOD}[damage]
    with pytest.raises(ValueError, match="damaged"):
        read_idx(gzip.GzipFile(fileobj=io.BytesIO(data)), (2, 3, 4))


def test_gzip_bomb_is_not_unpacked():
    bomb = gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(GOOD + bytes(50_000_000))))
    with pytest.raises(ValueError, match="more than 40 bytes"):
        read_idx(bomb, (2, 3, 4))
    assert bomb.tell() == len(GOOD) + 1
