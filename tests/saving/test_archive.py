"""The archive: the plainest ZIP and no other."""

import io
import json
import mmap
import os
import struct
import sys
import time
import zipfile
import zlib

import numpy as np
import pytest

from fastnn.saving import ModelFormatError, archive

MEMBERS = {
    "metadata.json": b'{"keras_version": "3.0"}',
    "config.json": b"{}",
    "model.weights.h5": os.urandom(5000),
}


def pack(members=MEMBERS):
    return b"".join(bytes(piece) for piece in archive.pack(members))


def zipped(members=MEMBERS, compression=zipfile.ZIP_STORED, edit=None, **kwargs):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **kwargs) as file:
        for name, data in members.items() if isinstance(members, dict) else members:
            info = zipfile.ZipInfo(name)
            info.compress_type = compression
            if edit:
                edit(info)
            file.writestr(info, data)
    return buffer.getvalue()


def test_what_is_packed_unpacks():
    assert archive.unpack(pack(), "file") == MEMBERS


def test_other_programs_read_it():
    with zipfile.ZipFile(io.BytesIO(pack())) as file:
        assert file.testzip() is None
        assert {name: file.read(name) for name in file.namelist()} == MEMBERS


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_it_reads_what_other_programs_write(compression):
    assert archive.unpack(zipped(compression=compression), "file") == MEMBERS
    backwards = dict(reversed(MEMBERS.items()))
    assert archive.unpack(zipped(backwards, compression), "file") == MEMBERS


def patched(where, layout, value, data=None, entry=0):
    """Change one field of the n-th directory entry, local header or the end record."""
    data = bytearray(data or pack())
    if where == "end":
        position = len(data) - 22
    elif where == "directory":
        position = struct.unpack_from("<L", data, len(data) - 6)[0]
        for _ in range(entry):
            position += 46 + sum(struct.unpack_from("<3H", data, position + 28))
    else:
        position = 0
        for _ in range(entry):
            size, n_name, n_extra = struct.unpack_from("<L2H", data, position + 22)
            position += 30 + n_name + n_extra + size
    offset, code = layout
    struct.pack_into(code, data, position + offset, value)
    return bytes(data)


def both(local, directory, value, entry=0):
    return patched("directory", directory, value, patched("local", local, value, entry=entry), entry)


def bomb(size):
    """An archive with a member that expands a thousand times."""
    return zipped({**MEMBERS, "model.weights.h5": bytes(size)}, zipfile.ZIP_DEFLATED)


def lying_bomb():
    """The headers promise 5000 bytes, the compressed data hold 50 million."""
    data = {**MEMBERS, "model.weights.h5": bytes(5000)}
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    stream = raw.compress(bytes(50_000_000)) + raw.flush()
    result = zipped({**data, "model.weights.h5": stream})
    for where, method, size in (("local", 8, 22), ("directory", 10, 24)):
        result = patched(where, (method, "<H"), 8, result, 2)
        result = patched(where, (size, "<L"), 5000, result, 2)
    return result


def overlapping():
    """Two directory entries that name one local member."""
    data = pack({**MEMBERS, "config.json": MEMBERS["metadata.json"]})
    return patched("directory", (42, "<L"), 0, data, 1)


def before_the_directory():
    data = pack()
    start = struct.unpack_from("<L", data, len(data) - 6)[0]
    return patched("end", (16, "<L"), start + 4, data[:start] + b"evil" + data[start:])


HOSTILE = {
    "empty": lambda: b"",
    "text": lambda: b"not an archive",
    "yaml": lambda: b"!!python/object/new:os.system [true]\n" * 10,
    "hdf5": lambda: b"\x89HDF\r\n\x1a\n" + bytes(1000),
    "pickle": lambda: b"\x80\x04cos\nsystem\n",
    "prepended": lambda: b"x" * 7 + pack(),
    "appended": lambda: pack() + b"x",
    "comment": lambda: patched("end", (20, "<H"), 3) + b"abc",
    "member missing": lambda: pack({k: v for k, v in MEMBERS.items() if k != "config.json"}),
    "extra member": lambda: zipped({**MEMBERS, "assets/x": b"1"}),
    "other name": lambda: zipped({"metadata.json": b"", "config.json": b"", "evil.h5": b""}),
    "duplicate": lambda: zipped([*list(MEMBERS.items())[:2], ("config.json", b"{}")]),
    "a fourth, twice": lambda: zipped([*MEMBERS.items(), ("config.json", b"{}")]),
    "before the directory": lambda: before_the_directory(),
    "parent": lambda: zipped([*list(MEMBERS.items())[:2], ("../model.weights.h5", b"")]),
    "absolute": lambda: zipped([*list(MEMBERS.items())[:2], ("/model.weights.h5", b"")]),
    "backslash": lambda: zipped([*list(MEMBERS.items())[:2], ("a\\model.weights.h5", b"")]),
    "drive": lambda: zipped([*list(MEMBERS.items())[:2], ("C:model.weights.h5", b"")]),
    "trailing dot": lambda: zipped([*list(MEMBERS.items())[:2], ("model.weights.h5.", b"")]),
    "folder": lambda: zipped([*list(MEMBERS.items())[:2], ("model.weights.h5/", b"")]),
    "not ascii": lambda: zipped([*list(MEMBERS.items())[:2], ("mödel.weights.h5", b"")]),
    "nul": lambda: pack().replace(b"config.json", b"confi\0.json"),
    "names differ": lambda: pack().replace(b"config.json", b"confog.json", 1),
    "symbolic link": lambda: zipped(edit=lambda info: setattr(info, "external_attr", 0o120777 << 16)),
    "device": lambda: patched("directory", (38, "<L"), 0o060600 << 16),
    "bzip2": lambda: zipped(compression=zipfile.ZIP_BZIP2),
    "lzma": lambda: zipped(compression=zipfile.ZIP_LZMA),
    "encrypted": lambda: both((6, "<H"), (8, "<H"), 1),
    "strongly encrypted": lambda: both((6, "<H"), (8, "<H"), 0x41),
    "streamed": lambda: both((6, "<H"), (8, "<H"), 8),
    "masked": lambda: both((6, "<H"), (8, "<H"), 1 << 13),
    "method in one place": lambda: patched("directory", (10, "<H"), 8),
    "flags in one place": lambda: patched("local", (6, "<H"), 0x800),
    "size in one place": lambda: patched("directory", (24, "<L"), 5),
    "small size": lambda: both((22, "<L"), (24, "<L"), 5),
    "large size": lambda: both((22, "<L"), (24, "<L"), 1 << 31, 2),
    "packed size": lambda: both((18, "<L"), (20, "<L"), 1 << 30, 2),
    "zip64 sizes": lambda: both((22, "<L"), (24, "<L"), 0xFFFFFFFF, 2),
    "zip64 offset": lambda: patched("directory", (42, "<L"), 0xFFFFFFFF),
    "zip64 field twice": lambda: large().replace(EXTRA, EXTRA * 2),
    "zip64 field cut off": lambda: large().replace(EXTRA, EXTRA[:12]),
    "zip64 size beyond the file": lambda: large().replace(SIZE, struct.pack("<Q", 1 << 45)),
    "zip64 size of petabytes": lambda: large().replace(SIZE, struct.pack("<Q", 1 << 50)),
    "zip64 size negative": lambda: large().replace(SIZE, b"\xff" * 8),
    "zip64 sizes in one place": lambda: large().replace(SIZE, struct.pack("<Q", 5001), 1),
    "zip64 end missing": lambda: large()[:-98] + large()[-22:],
    "zip64 end elsewhere": lambda: large()[:-34] + struct.pack("<Q", 4) + large()[-26:],
    "zip64 end of another length": lambda: large()[:-94] + struct.pack("<Q", 45) + large()[-86:],
    "zip64 count": lambda: large()[:-66] + struct.pack("<Q", 4) + large()[-58:],
    "zip64 directory offset": lambda: large()[:-50] + struct.pack("<Q", 1 << 63) + large()[-42:],
    "checksum": lambda: both((14, "<L"), (16, "<L"), 1, 2),
    "second disk": lambda: patched("directory", (34, "<H"), 1),
    "end on another disk": lambda: patched("end", (4, "<H"), 1),
    "count": lambda: patched("end", (10, "<H"), 2),
    "many": lambda: patched("end", (8, "<L"), 0xFFFFFFFF),
    "directory offset": lambda: patched("end", (16, "<L"), 17),
    "directory size": lambda: patched("end", (12, "<L"), 1 << 31),
    "name length": lambda: patched("directory", (28, "<H"), 65535, entry=2),
    "extra length": lambda: patched("directory", (30, "<H"), 65535, entry=2),
    "local name length": lambda: patched("local", (26, "<H"), 65535, entry=2),
    "gap": lambda: patched("local", (28, "<H"), 3, entry=1),
    "offset past the end": lambda: patched("directory", (42, "<L"), 1 << 30),
    "overlap": overlapping,
    "bomb": lambda: bomb(100_000_000),
    "small bomb": lambda: bomb(2_000_000),
    "lying bomb": lying_bomb,
    "config too large": lambda: pack({**MEMBERS, "config.json": b" " * (9 << 20)}),
    "metadata too large": lambda: pack({**MEMBERS, "metadata.json": b" " * 70_000}),
}


def large(members=MEMBERS):
    """An archive with every number of more than 100 in a ZIP64 field, as one above 4 GiB has them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "_LIMIT", 100)
        return pack(members)


SIZE = struct.pack("<Q", 5000)
EXTRA = struct.pack("<2H2Q", 1, 16, 5000, 5000)


REASONS = {
    "text": "does not start as a ZIP",
    "prepended": "does not start as a ZIP",
    "empty": "does not start",
    "appended": "after its end",
    "comment": "after its end",
    "extra member": "and no other",
    "duplicate": "expected the members",
    "a fourth, twice": "and no other",
    "before the directory": "before the directory",
    "symbolic link": "not a regular file",
    "device": "not a regular file",
    "bzip2": "compression method 12",
    "lzma": "compression method 14",
    "encrypted": "encrypted or streamed",
    "streamed": "encrypted or streamed",
    "zip64 sizes": "ZIP64",
    "zip64 offset": "ZIP64 field is missing",
    "zip64 size of petabytes": "at most",
    "zip64 end missing": "does not end where",
    "zip64 count": "contradict",
    "checksum": "checksum is wrong",
    "second disk": "several parts",
    "size in one place": "two different sizes",
    "overlap": "overlaps",
    "gap": "differs|overlaps",
    "bomb": "compressed more than",
    "small bomb": "compressed more than",
    "lying bomb": "another length",
    "config too large": "at most",
    "metadata too large": "at most",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_structures_are_refused(name):
    data = HOSTILE[name]()
    start = time.perf_counter()
    with pytest.raises(ModelFormatError, match="^file: .*" + REASONS.get(name, "")):
        archive.unpack(data, "file")
    assert time.perf_counter() - start < 1


def test_every_truncation_is_refused():
    data = pack()
    for length in range(0, len(data), 7):
        with pytest.raises(ModelFormatError):
            archive.unpack(data[:length], "file")


def test_every_flipped_bit_is_refused_or_harmless():
    """Dates, version numbers and attributes mean nothing to us; all else is checked."""
    data = pack({**MEMBERS, "model.weights.h5": b"weights" * 10})
    expected = archive.unpack(data, "file")
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1 << position % 8
        try:
            assert archive.unpack(bytes(changed), "file") == expected
        except ModelFormatError:
            continue


def test_a_compressed_configuration_is_fine():
    config = json.dumps({"layers": [{"class_name": "Dense", "units": i} for i in range(1000)]}).encode()
    members = {**MEMBERS, "config.json": config}
    assert archive.unpack(zipped(members, zipfile.ZIP_DEFLATED), "file") == members


def test_large_numbers_stand_in_zip64_fields():
    data = large()
    assert EXTRA in data
    assert archive.unpack(data, "file") == MEMBERS
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert file.testzip() is None
        assert {name: file.read(name) for name in file.namelist()} == MEMBERS


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("limit", [100, zipfile.ZIP64_LIMIT])
def test_zip64_of_other_programs(monkeypatch, compression, limit):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", limit)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, data in MEMBERS.items():
            with file.open(name, "w", force_zip64=True) as member:
                member.write(data)
    assert archive.unpack(buffer.getvalue(), "file") == MEMBERS


@pytest.mark.slow
@pytest.mark.skipif(sys.maxsize < 1 << 32, reason="needs 64-bit addresses")
def test_more_than_four_gigabytes(tmp_path):
    """A file with a hole in the place of the weights takes no room on the disk."""
    weights = np.zeros((1 << 32) + 5, np.uint8)  # never written to: takes no memory
    path = tmp_path / "m.keras"
    with open(path, "wb") as file:
        for piece in archive.pack({**MEMBERS, "model.weights.h5": weights}):
            if piece is weights:
                file.seek(weights.nbytes, io.SEEK_CUR)
            else:
                file.write(piece)
    with (
        open(path, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        memoryview(data) as view,
    ):
        members = archive.unpack(view, "file")
        assert len(members["model.weights.h5"]) == weights.nbytes
        members.pop("model.weights.h5").release()
        assert {name: bytes(data) for name, data in members.items()} == {k: MEMBERS[k] for k in members}
        for member in members.values():
            member.release()
    with zipfile.ZipFile(path) as file:
        assert file.getinfo("model.weights.h5").file_size == weights.nbytes
        assert file.read("config.json") == MEMBERS["config.json"]
