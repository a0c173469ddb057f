"""Weights files: plain arrays pass, whatever else HDF5 can do is refused."""

import io
import os
import time

import numpy as np
import pytest
from saving.hostile_hdf5 import HOSTILE, KERNEL, made

from fastnn.saving import ModelFormatError, hdf5, hdf5_chunks

h5py = pytest.importorskip("h5py")

rng = np.random.default_rng(7)


def read(data):
    return hdf5.WeightsFile(data, "file").groups


def test_what_is_written_reads_back():
    arrays = {
        "0": KERNEL,
        "1": np.int32(3),
        "2": np.zeros((0, 3), np.float32),
        "3": KERNEL.T,
        "4": np.float32(0.25),
    }
    data = bytes(hdf5.write([("layers/dense/vars", {"name": "dense"}, arrays), ("vars", {"name": "m"}, {})]))
    file = hdf5.WeightsFile(data, "file")
    assert list(file.groups) == ["layers/dense/vars"]
    assert file.elements == 62
    for key, value in arrays.items():
        result = file.groups["layers/dense/vars"][key]
        assert (result.dtype, result.shape) == (np.asarray(value).dtype, np.shape(value))
        np.testing.assert_array_equal(result, value)


def test_the_layout_is_keras():
    data = bytes(hdf5.write([("layers/dense/vars", {"name": "d"}, {"0": KERNEL})]))
    with h5py.File(io.BytesIO(data)) as file:
        assert file["layers/dense/vars"].attrs["name"] == "d"
        assert file["layers/dense/vars/0"].dtype == np.float32
        assert file["layers/dense/vars/0"].chunks is None


def test_files_are_the_same_every_time():
    assert len({bytes(hdf5.write([("vars", {}, {"0": KERNEL})])) for _ in range(2)}) == 1


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8", "<f2", ">f2", "u1", "<i4", ">i8", "<u4"])
def test_plain_dtypes(dtype):
    value = (KERNEL * 100).astype(dtype)
    result = read(made(lambda f: f.create_dataset("vars/0", data=value)))["vars"]["0"]
    np.testing.assert_array_equal(result, value)


FILTERS = [
    {},
    {"compression": "gzip"},
    {"compression": "gzip", "shuffle": True},
    {"shuffle": True},
    {"fletcher32": True},
    {"compression": "gzip", "shuffle": True, "fletcher32": True},
]


@pytest.mark.parametrize("options", FILTERS)
@pytest.mark.parametrize("chunks", [(6, 5), (2, 3), (1, 5), (6, 1), (5, 5)])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2"])
def test_chunks(options, chunks, dtype):
    value = KERNEL.astype(dtype)
    result = read(made(lambda f: f.create_dataset("vars/0", data=value, chunks=chunks, **options)))["vars"]["0"]
    np.testing.assert_array_equal(result, value)


def test_a_chunk_that_would_not_become_smaller_is_stored_as_it_is():
    def fill(file):
        dataset = file.create_dataset("0", (12, 5), "f4", chunks=(6, 5), compression="gzip", shuffle=True)
        dataset[:6] = KERNEL
        dataset.id.write_direct_chunk((6, 0), KERNEL.tobytes(), filter_mask=3)

    np.testing.assert_array_equal(read(made(fill))[""]["0"], np.concatenate([KERNEL, KERNEL]))


@pytest.mark.parametrize("length", [0, 1, 2, 3, 719, 720, 721, 100_000, 300_001])
@pytest.mark.parametrize("value", ["random", 0, 255])
def test_fletcher32_is_libhdf5s(length, value):
    data = rng.integers(0, 256, length) if value == "random" else np.full(length, value)
    data = data.astype(np.uint8)
    if length == 0:
        assert hdf5_chunks.fletcher32(b"") == 0
        return
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        dataset = file.create_dataset("0", data=data, chunks=(length,), fletcher32=True)
        _, raw = dataset.id.read_direct_chunk((0,))
    assert hdf5_chunks.fletcher32(raw[:-4]) == int.from_bytes(raw[-4:], "little")


def test_flipped_bits_are_found():
    """Our own files carry checksums; those of other programs cannot show it."""
    data = bytes(hdf5.write([("vars", {}, {"0": KERNEL, "1": KERNEL[0]})]))
    begin = data.index(KERNEL.tobytes())
    for position in range(begin, begin + KERNEL.nbytes):
        changed = bytearray(data)
        changed[position] ^= 1 << position % 8
        with pytest.raises(ModelFormatError, match="checksum"):
            read(bytes(changed))


def test_damaged_chunks_are_found():
    data = made(lambda f: f.create_dataset("0", data=KERNEL, chunks=(6, 5), fletcher32=True))
    changed = bytearray(data)
    changed[data.index(KERNEL.tobytes()) + 3] ^= 1
    with pytest.raises(ModelFormatError, match="checksum"):
        read(bytes(changed))


def test_truncations_are_refused():
    data = bytes(hdf5.write([("layers/dense/vars", {"name": "dense"}, {"0": KERNEL, "1": KERNEL[0]})]))
    for length in range(0, len(data), 13):
        with pytest.raises(ModelFormatError):
            read(data[:length])


REASONS = {
    "soft link": "links to other places",
    "external link": "links to other places",
    "external storage": "external storage",
    "virtual": "another way than plainly",
    "compact": "another way than plainly",
    "two names": "two links",
    "laughs": "two links",
    "deep": "nested too deep",
    "petabyte": "larger than the file",
    "overflow": "larger than the file",
    "no data": "does not hold",
    "no chunks": "not all of it",
    "some chunks": "not all of it",
    "no shape": "has no shape",
    "may grow": "may grow",
    "expanding": "larger than it should be",
    "lzf": "compressed in another way",
    "unknown filter": "compressed in another way",
    "compound": "not plain",
    "strange float": "not plain",
    "named type": "neither a group nor a dataset",
    "backslash": "is not allowed",
    "checksum type": "not a number",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_structures_are_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with h5py.File("other.h5", "w") as other:
        other["data"] = KERNEL
    data = made(HOSTILE[name])
    start = time.perf_counter()
    with pytest.raises(ModelFormatError, match="^file: .*" + REASONS.get(name.rstrip(" 0123456789"), "")):
        read(data)
    assert time.perf_counter() - start < 1
    assert os.listdir() == ["other.h5"]


def test_other_files_are_refused():
    for data in (b"", b"x" * 100, b"PK\x03\x04" + bytes(100), made(lambda f: None, userblock_size=512)):
        with pytest.raises(ModelFormatError, match="not an HDF5 file"):
            read(data)


def test_a_shape_changed_by_hand_is_refused():
    """The dataspace message says other lengths than the data have."""
    data = made(lambda f: f.create_dataset("0", data=KERNEL))
    position = data.index(np.array([6, 5], "<u8").tobytes())
    for shape in ((7, 5), (6, 1 << 40), (1 << 63, 2), (3, 5), (5, 5)):
        changed = data[:position] + np.array([*shape], "<u8").tobytes() + data[position + 16 :]
        with pytest.raises(ModelFormatError):
            read(changed)


def test_two_datasets_on_the_same_bytes_are_refused():
    data = made(lambda f: (f.create_dataset("0", data=KERNEL), f.create_dataset("1", data=KERNEL + 1)))
    first, second = (data.index(value.tobytes()) for value in (KERNEL, KERNEL + 1))
    assert len(data) > 2 * KERNEL.nbytes
    changed = data.replace(np.array([second], "<u8").tobytes(), np.array([first], "<u8").tobytes())
    file = hdf5.WeightsFile(changed, "file")  # harmless: what counts is that the sum stays below the file's length
    assert file.elements == 60
    large = np.zeros(10_000, np.float32)
    data = made(lambda f: [f.create_dataset(str(i), data=large + i) for i in range(3)])
    starts = [data.index((large + i).tobytes()) for i in range(3)]
    changed = bytes(data[: starts[0] + large.nbytes])
    for start in starts[1:]:
        changed = changed.replace(np.array([start], "<u8").tobytes(), np.array([starts[0]], "<u8").tobytes())
    with pytest.raises(ModelFormatError):
        read(changed)


def test_random_damage_never_gets_through_as_another_error():
    """In this process, so only bytes that libhdf5 is known to survive: flips in small files."""
    data = bytes(hdf5.write([("layers/dense/vars", {"name": "dense"}, {"0": KERNEL, "1": KERNEL[0]})]))
    draw = np.random.default_rng(3)
    for _ in range(500):
        changed = bytearray(data)
        for position in draw.integers(0, len(data), draw.integers(1, 5)):
            changed[position] = draw.integers(256)
        try:
            for arrays in read(bytes(changed)).values():
                assert all(array.size <= len(data) for array in arrays.values())
        except ModelFormatError:
            continue
