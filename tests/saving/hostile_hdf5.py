"""HDF5 files that a weights file must not be, each made by a function of an open file."""

import io
import zlib

import h5py
import numpy as np

from fastnn.saving import hdf5

KERNEL = np.random.default_rng(7).random((6, 5), np.float32)


def made(fill, **kwargs):
    """The bytes of an HDF5 file that a function fills."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", **kwargs) as file:
        fill(file)
    return buffer.getvalue()


def low_level(shape, dtype=None, plan=None, name=b"0"):
    """A dataset made with HDF5's own functions, filled by nobody."""

    def fill(file):
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        if plan:
            plan(plist)
        space = h5py.h5s.create_simple(shape) if shape is not None else h5py.h5s.create(h5py.h5s.NULL)
        h5py.h5d.create(file.id, name, dtype or h5py.h5t.IEEE_F32LE, space, plist)

    return fill


def chunked(*chunk, gzip=False):
    def plan(plist):
        plist.set_chunk(chunk)
        if gzip:
            plist.set_deflate(9)

    return plan


def external(plist):
    plist.set_external(b"/etc/passwd", 0, 120)


def virtual(name):
    def fill(file):
        layout = h5py.VirtualLayout((6, 5), np.float32)
        layout[:] = h5py.VirtualSource(name, "data", shape=(6, 5))
        file.create_virtual_dataset("vars/0", layout)

    return fill


def linked(link, depth):
    def fill(file):
        file.create_dataset("data", data=KERNEL)
        group = file
        for level in range(depth):
            group = group.create_group(f"g{level}")
        group["vars"] = link

    return fill


def two_names(file):
    file["a"] = KERNEL
    file["b"] = file["a"]


def cycle(file):
    inner = file.create_group("a/b")
    inner["c"] = file["a"]


def laughs(file):
    """Each group holds the next one twice: 2**30 paths."""
    groups = [file.create_group("0")]
    for level in range(1, 31):
        groups.append(file.create_group(str(level)))
        groups[-2]["x"], groups[-2]["y"] = groups[-1], groups[-1]


def deep(file):
    file.create_group("/".join("g" * 100))


def compound(file):
    file["0"] = np.zeros(3, [("a", "f4"), ("b", "i4")])


def expanding(file):
    """One chunk that says 120 bytes and inflates to 100 million."""
    dataset = file.create_dataset("0", (6, 5), "f4", chunks=(6, 5), compression="gzip")
    dataset.id.write_direct_chunk((0, 0), zlib.compress(bytes(100_000_000)))


def dense_zeros(file):
    """A megabyte of file for a gigabyte of zeros, honestly compressed."""
    file.create_dataset("0", (1 << 28,), "f4", chunks=(1 << 24,), compression="gzip", data=None)[0] = 1


def partly(file):
    file.create_dataset("0", (100, 100), "f4", chunks=(10, 10))[:10] = 1


def wrong_checksum_type(file):
    file["0"] = KERNEL
    file["0"].attrs[hdf5.CHECKSUM] = "x" * 1000


def named_type(file):
    file["t"] = np.dtype("f4")


HOSTILE = {
    "soft link": linked(h5py.SoftLink("/data"), 0),
    "soft link 1": linked(h5py.SoftLink("/data"), 1),
    "soft link 3": linked(h5py.SoftLink("/data"), 3),
    "dangling link": linked(h5py.SoftLink("/nowhere"), 0),
    "external link": linked(h5py.ExternalLink("/etc/passwd", "/"), 0),
    "external link 1": linked(h5py.ExternalLink("other.h5", "/data"), 1),
    "external link 4": linked(h5py.ExternalLink("other.h5", "/data"), 4),
    "external storage": low_level((30,), plan=external),
    "virtual": virtual("other.h5"),
    "virtual itself": virtual("."),
    "two names": two_names,
    "cycle": cycle,
    "laughs": laughs,
    "deep": deep,
    "petabyte": low_level((1 << 50,)),
    "petabyte in chunks": low_level((1 << 50,), plan=chunked(1 << 20, gzip=True)),
    "overflow": low_level((1 << 31, 1 << 31, 1 << 31), plan=chunked(1, 1, 1)),
    "no data": low_level((30,)),
    "no chunks": low_level((30,), plan=chunked(30)),
    "some chunks": partly,
    "compact": low_level((0,), plan=lambda p: p.set_layout(h5py.h5d.COMPACT)),
    "no shape": low_level(None),
    "may grow": lambda f: f.create_dataset("0", data=KERNEL, chunks=(6, 5), maxshape=(None, 5)),
    "expanding": expanding,
    "zeros": dense_zeros,
    "lzf": lambda f: f.create_dataset("0", data=KERNEL, chunks=(6, 5), compression="lzf"),
    "scale offset": lambda f: f.create_dataset("0", data=KERNEL, chunks=(6, 5), scaleoffset=2),
    "unknown filter": lambda f: f.create_dataset(
        "0", shape=(6, 5), dtype="f4", chunks=(6, 5), compression=32015, allow_unknown_filter=True
    ),
    "string": lambda f: f.create_dataset("0", data="text"),
    "bytes": lambda f: f.create_dataset("0", data=np.array([b"text"])),
    "vlen": lambda f: f.create_dataset("0", (3,), h5py.vlen_dtype(np.float32)),
    "reference": lambda f: f.create_dataset("0", data=f.ref, dtype=h5py.ref_dtype),
    "compound": compound,
    "opaque": lambda f: f.create_dataset("0", data=np.zeros(3, "V8")),
    "bool": lambda f: f.create_dataset("0", data=np.zeros(3, bool)),
    "complex": lambda f: f.create_dataset("0", data=np.zeros(3, complex)),
    "array type": lambda f: f.create_dataset("0", (2,), np.dtype(("f4", (3,)))),
    "long double": lambda f: f.create_dataset("0", data=np.zeros(3, np.longdouble)),
    "strange float": low_level((3,), dtype=h5py.h5t.IEEE_F32LE.copy()),
    "named type": named_type,
    "parent name": low_level((0,), name=b".."),
    "backslash": lambda f: f.create_group("a\\b"),
    "control sign": lambda f: f.create_group("a\nb"),
    "not utf-8": lambda f: f.create_group(b"\xff\xfe"),
    "checksum type": wrong_checksum_type,
}
HOSTILE["strange float"] = low_level(
    (3,), dtype=(lambda t: (t.set_fields(31, 20, 11, 0, 20), t)[1])(h5py.h5t.IEEE_F32LE.copy())
)
