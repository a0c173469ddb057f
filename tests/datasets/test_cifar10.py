"""CIFAR-10: the original archive, built small here, and subsets as npz files."""

import hashlib
import io
import tarfile
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from fastnn.datasets import cifar10

NAMES = (*cifar10.TRAIN, cifar10.TEST)


@pytest.fixture
def small(monkeypatch):
    """Ten pictures a member instead of ten thousand."""
    monkeypatch.setattr(cifar10, "ROWS", 10)


def records(seed):
    """Return pictures, labels, and their bytes in the format of the archive."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (10, 32, 32, 3), np.uint8)
    y = rng.integers(0, 10, (10, 1), np.uint8)
    return x, y, np.hstack([y, x.transpose(0, 3, 1, 2).reshape(10, -1)]).tobytes()


def archive(members):
    """Return a gzip-compressed tar file of (name, bytes) pairs; None makes a link."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data or b"")
            if data is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(info, io.BytesIO(data or b""))
    packed.seek(0)
    return packed


def good_members():
    """Return all members, in another order than the one wanted, and one which is of no use."""
    members = [(name, records(seed)[2]) for seed, name in enumerate(NAMES)]
    return [("../../etc/evil", b"x"), *reversed(members)]


def test_archive(small):
    (x_train, y_train), (x_test, y_test) = cifar10.read_archive(archive(good_members()))
    assert x_train.shape == (50, 32, 32, 3) and y_train.shape == (50, 1)
    for seed in range(5):
        np.testing.assert_array_equal(x_train[10 * seed : 10 * seed + 10], records(seed)[0])
        np.testing.assert_array_equal(y_train[10 * seed : 10 * seed + 10], records(seed)[1])
    np.testing.assert_array_equal(x_test, records(5)[0])
    np.testing.assert_array_equal(y_test, records(5)[1])
    assert x_train.dtype == y_train.dtype == np.uint8


@pytest.mark.parametrize("data", [b"", b"x", bytes(10 * 3073 - 1), bytes(10 * 3073 + 1), None, b"\x0a" * 30730])
def test_wrong_member(small, data):
    members = [(name, data if name == NAMES[2] else old) for name, old in good_members()]
    with pytest.raises(ValueError, match=r"data_batch_3|label 10"):
        cifar10.read_archive(archive(members))


def test_missing_member(small):
    with pytest.raises(ValueError, match=r"test_batch\.bin is missing"):
        cifar10.read_archive(archive([m for m in good_members() if m[0] != cifar10.TEST]))


def test_verified_archive_in_the_own_folder_wins(small, tmp_path, monkeypatch):
    packed = archive(good_members()).getvalue()
    remote = replace(cifar10.ARCHIVE, size=len(packed), sha256=hashlib.sha256(packed).hexdigest())
    monkeypatch.setattr(cifar10, "ARCHIVE", remote)
    monkeypatch.setenv("FASTNN_DATA", str(tmp_path))
    (tmp_path / "cifar10").mkdir()
    for part, count in (("train", 4), ("test", 2)):
        path = tmp_path / "cifar10" / f"cifar10_{part}.npz"
        np.savez(path, x=np.zeros((count, 32, 32, 3), np.uint8), y=np.zeros(count, np.uint8))
    assert [len(x) for x, _ in cifar10.load_data()] == [4, 2]
    (tmp_path / "cifar10" / remote.name).write_bytes(packed)
    assert [len(x) for x, _ in cifar10.load_data()] == [50, 10]
    (tmp_path / "cifar10" / remote.name).write_bytes(packed[:-1])
    with pytest.raises(ValueError, match="SHA-256"):
        cifar10.load_data()


X, Y = np.zeros((3, 32, 32, 3), np.uint8), np.zeros(3, np.uint8)


@pytest.mark.parametrize(
    "arrays",
    [
        {"x": X},
        {"x": X.astype(np.float32), "y": Y},
        {"x": X.astype(object), "y": Y},
        {"x": X, "y": Y.astype(object)},
        {"x": X[:, :, :, 0], "y": Y},
        {"x": X[0], "y": Y},
        {"x": np.asfortranarray(X), "y": Y},
        {"x": X, "y": Y[:2]},
        {"x": X, "y": Y + 10},
        {"x": X[:0], "y": Y[:0]},
    ],
)
def test_wrong_subset(tmp_path, arrays):
    np.savez(tmp_path / "wrong.npz", **arrays)
    with pytest.raises(ValueError, match=r"wrong\.npz"):
        cifar10.read_subset(tmp_path / "wrong.npz")


def npy(shape, size):
    """Return an npy file which announces `shape` and holds `size` bytes."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return stream.getvalue() + bytes(size)


@pytest.mark.parametrize(
    "member",
    [npy((10**15, 32, 32, 3), 10), npy((3, 32, 32, 3), 10), npy((3, 32, 32, 3), 10**6), b"", b"garbage"],
)
def test_hostile_subset(tmp_path, member):
    with zipfile.ZipFile(tmp_path / "hostile.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", member)
        archive.writestr("y.npy", npy((3,), 3))
    with pytest.raises(ValueError, match=r"hostile\.npz: not a subset of CIFAR-10"):
        cifar10.read_subset(tmp_path / "hostile.npz")


def test_subset_which_is_no_zip(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"\x80\x04K\x01.")  # a pickle
    with pytest.raises(ValueError, match="not a subset"):
        cifar10.read_subset(tmp_path / "x.npz")


def test_real_subset(real_data):
    (x_train, y_train), (x_test, y_test) = cifar10.load_data()
    assert x_train.shape[1:] == x_test.shape[1:] == (32, 32, 3)
    assert y_train.shape == (len(x_train), 1) and y_test.shape == (len(x_test), 1)
    assert y_train[:5, 0].tolist() == [6, 9, 9, 4, 1]
