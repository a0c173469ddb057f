"""CIFAR-10: 60,000 small colour photographs in ten classes (Krizhevsky, 2009).

The original archive is read in memory, member by member; nothing is unpacked to disk.
"""

import math
import tarfile
import zipfile

import numpy as np

from . import source

ARCHIVE = source.Remote(
    "cifar10",
    "cifar-10-binary.tar.gz",
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    170_052_171,
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)
TRAIN = tuple(f"cifar-10-batches-bin/data_batch_{i}.bin" for i in range(1, 6))
TEST = "cifar-10-batches-bin/test_batch.bin"
ROWS = 10_000  # pictures in one member of the archive
RECORD = 1 + 3 * 32 * 32  # label, then the red, the green and the blue plane
CLASSES = 10


def load_data():
    """Load the photographs.

    Classes: 0 airplane, 1 automobile, 2 bird, 3 cat, 4 deer, 5 dog, 6 frog, 7 horse, 8 ship, 9 truck.

    If the folder ``FASTNN_DATA`` holds ``cifar10/cifar10_train.npz`` and ``cifar10/cifar10_test.npz`` (arrays
    ``x`` and ``y``) but not the original archive, these are used: a subset, usually of 25,000 and 5,000
    pictures in the original order.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        Arrays of uint8. x: (50000, 32, 32, 3) and (10000, 32, 32, 3), values 0 to 255.
        y: (50000, 1) and (10000, 1).

    Raises
    ------
    OSError, ValueError
        As `source.open_verified` says: not found and no connection, or a file with a wrong SHA-256.
        ValueError also for a subset with other arrays than the ones above.

    Examples
    --------
    >>> (x_train, y_train), (x_test, y_test) = cifar10.load_data()
    """
    subset = [source.own_file(ARCHIVE.folder, f"cifar10_{part}.npz") for part in ("train", "test")]
    if all(subset) and not source.own_file(ARCHIVE.folder, ARCHIVE.name):
        return tuple(read_subset(path) for path in subset)
    with source.open_verified(ARCHIVE) as stream:
        return read_archive(stream)


def read_archive(stream):
    """Read the original archive, binary version.

    Parameters
    ----------
    stream : binary file
        ``cifar-10-binary.tar.gz``.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        As `load_data` has them.

    Raises
    ------
    ValueError
        If a member is missing or has another size, or a label is not in 0 to 9.
    """
    parts = {}
    with tarfile.open(fileobj=stream, mode="r:gz") as archive:
        for member in archive:
            if member.name not in (*TRAIN, TEST):
                continue
            if not member.isreg() or member.size != ROWS * RECORD:
                raise ValueError(
                    f"{ARCHIVE.name}: {member.name} has {member.size} bytes, expected a file of "
                    f"{ROWS * RECORD}. Get the original, {ARCHIVE.url}."
                )
            parts[member.name] = _records(archive.extractfile(member).read())
    missing = {*TRAIN, TEST} - parts.keys()
    if missing:
        raise ValueError(f"{ARCHIVE.name}: {min(missing)} is missing. Get the original, {ARCHIVE.url}.")
    train = zip(*(parts[name] for name in TRAIN), strict=True)
    return tuple(np.concatenate(arrays) for arrays in train), parts[TEST]


def _records(data):
    """Split the bytes of one member into pictures (n, 32, 32, 3) and labels (n, 1)."""
    table = np.frombuffer(data, np.uint8).reshape(-1, RECORD)
    pictures = table[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(pictures), _checked(table[:, :1].copy(), ARCHIVE.name)


def _checked(labels, name):
    """Return `labels` if they are class numbers."""
    if labels.size and labels.max() >= CLASSES:
        raise ValueError(f"{name}: label {labels.max()} found, expected 0 to {CLASSES - 1}.")
    return labels


def read_subset(path):
    """Read pictures (n, 32, 32, 3) and labels (n, 1) from the arrays ``x`` and ``y`` of an npz file."""
    try:
        with zipfile.ZipFile(path) as archive:
            x = _member(archive, "x", (32, 32, 3))
            y = _member(archive, "y", ())
    except Exception as error:  # a damaged zip file raises a dozen different types
        raise ValueError(
            f"{path}: not a subset of CIFAR-10 ({type(error).__name__}: {error}). Expected uint8 arrays x of "
            "shape (n, 32, 32, 3) and y of shape (n,)."
        ) from error
    if len(x) != len(y):
        raise ValueError(f"{path}: {len(x)} pictures but {len(y)} labels. Write both for the same rows.")
    return x, _checked(y.reshape(-1, 1), path)


def _member(archive, key, row):
    """Read one uint8 array of shape (n, *row) from an npz file; check its header before taking memory."""
    with archive.open(f"{key}.npy") as stream:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError(f"{key} has an unknown version of the npy format")
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(stream)
        limit = len(TRAIN) * ROWS
        if dtype != np.uint8 or by_columns or shape[1:] != row or not 0 < shape[0] <= limit:
            raise ValueError(f"{key} is {dtype} of shape {shape}")
        size = math.prod(shape)
        data = stream.read(size + 1)
        if len(data) != size:
            raise ValueError(f"{key} does not hold {size} bytes")
    return np.frombuffer(data, np.uint8).reshape(shape).copy()
