"""Which files of a folder are pictures: order, classes, links and everything that is no file."""

import os
import socket

import numpy as np
import pytest

from fastnn.data import listing
from fastnn.data.image import PictureError


def touch(root, *names):
    """Make empty files, and the folders they are in."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def find(root, follow_links=False, on_error="raise"):
    """Return the paths of the pictures, relative to `root`."""
    found = listing.find_pictures(str(root), str(root), follow_links, on_error)
    return [os.path.relpath(path, root) for path in found]


def test_order_depends_on_the_names_only(tmp_path, monkeypatch):
    touch(tmp_path, "b.png", "a/z.jpg", "a.b/c.gif", "B.PNG", "10.bmp", "9.bmp", "a/b/c.jpeg", "a/notes.txt")
    expected = ["10.bmp", "9.bmp", "B.PNG", "b.png", "a/z.jpg", "a/b/c.jpeg", "a.b/c.gif"]
    expected.sort(key=lambda name: os.path.split(os.path.join(tmp_path, name)))
    assert find(tmp_path) == expected
    scandir = os.scandir

    class Reversed:
        """scandir of a file system with another order."""

        def __init__(self, path):
            self.entries = scandir(path)

        def __enter__(self):
            return reversed(list(self.entries))

        def __exit__(self, *_):
            self.entries.close()

    monkeypatch.setattr(os, "scandir", Reversed)
    assert find(tmp_path) == expected


def test_name_which_is_not_utf8(tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff\xfe.png"
    try:
        open(name, "wb").close()
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    assert find(tmp_path) == ["\udcff\udcfe.png"]
    with pytest.warns(UserWarning, match=r"\\udcff"):
        listing.refuse(find(tmp_path)[0], "bad", "skip")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_what_is_no_regular_file_is_refused(tmp_path):
    touch(tmp_path, "good.png", "folder.png/inner.png")
    os.mkfifo(tmp_path / "fifo.png")
    (tmp_path / "broken.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "to_folder.png").symlink_to(tmp_path / "folder.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.png"))
        with pytest.warns(UserWarning, match="is not a regular file. It is skipped") as warned:
            assert find(tmp_path, on_error="skip") == ["good.png", "folder.png/inner.png"]
        assert len(warned) == 4
        with pytest.raises(PictureError, match=r"broken\.png' is not a regular file"):
            find(tmp_path)


def test_links(tmp_path):
    touch(tmp_path, "in/a.png", "out/b.png", "out/sub/c.png")
    (tmp_path / "in" / "inside.png").symlink_to("a.png")
    (tmp_path / "in" / "outside.png").symlink_to(tmp_path / "out" / "b.png")
    (tmp_path / "in" / "folder").symlink_to(tmp_path / "out" / "sub")
    with pytest.warns(UserWarning, match=r"outside\.png' is a link out of the folder \(follow_links=True"):
        assert find(tmp_path / "in", on_error="skip") == ["a.png", "inside.png"]
    assert find(tmp_path / "in", follow_links=True) == ["a.png", "inside.png", "outside.png", "folder/c.png"]


def test_circle_of_links_ends(tmp_path):
    touch(tmp_path, "a/x.png")
    for i in range(8):
        (tmp_path / "a" / f"up{i}").symlink_to(tmp_path, target_is_directory=True)
    assert find(tmp_path, follow_links=True) == ["a/x.png"]


def test_deep_folders(tmp_path):
    deep = tmp_path.joinpath(*["d"] * 1500)
    try:
        deep.mkdir(parents=True)
    except (OSError, RecursionError):
        pytest.skip("paths of this length are not possible here")
    touch(deep, "x.png")
    assert len(find(tmp_path)) == 1


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_unreadable_folder(tmp_path):
    touch(tmp_path, "a/x.png", "b/y.png")
    (tmp_path / "a").chmod(0)
    with pytest.warns(UserWarning, match="cannot be read"):
        assert find(tmp_path, on_error="skip") == ["b/y.png"]
    (tmp_path / "a").chmod(0o700)


def test_folder_which_vanishes(tmp_path):
    with pytest.warns(UserWarning, match="cannot be read"):
        assert find(tmp_path / "gone", on_error="skip") == []


def test_classes(tmp_path):
    touch(tmp_path, "b/1.png", "a/2.png", "c/3.png", ".hidden/4.png", "loose.png")
    paths, labels, names = listing.index_directory(str(tmp_path), "inferred", None, False, "raise")
    assert names == ["a", "b", "c"] and labels.tolist() == [0, 1, 2] and labels.dtype == np.int32
    assert [os.path.relpath(path, tmp_path) for path in paths] == ["a/2.png", "b/1.png", "c/3.png"]
    paths, labels, names = listing.index_directory(str(tmp_path), "inferred", ["c", "a"], False, "raise")
    assert names == ["c", "a"] and [os.path.basename(path) for path in paths] == ["3.png", "2.png"]


@pytest.mark.parametrize("class_names", [["a", "x"], ["a", "a"], [], ["../a"]])
def test_wrong_class_names(tmp_path, class_names):
    touch(tmp_path, "a/1.png")
    with pytest.raises(ValueError, match="class_names"):
        listing.find_classes(str(tmp_path), class_names, False)


def test_class_folder_which_is_a_link(tmp_path):
    touch(tmp_path, "pictures/a/1.png", "elsewhere/2.png")
    (tmp_path / "pictures" / "b").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="follow_links=True"):
        listing.find_classes(str(tmp_path / "pictures"), None, False)
    assert listing.find_classes(str(tmp_path / "pictures"), None, True) == ["a", "b"]


def test_empty_class_is_named(tmp_path):
    touch(tmp_path, "a/1.png", "b/readme.txt")
    with pytest.warns(UserWarning, match="b' holds no picture"):
        listing.index_directory(str(tmp_path), "inferred", None, False, "raise")


def test_own_labels(tmp_path):
    touch(tmp_path, "b.png", "a.png", "x/c.png")
    paths, labels, names = listing.index_directory(str(tmp_path), [7, 3, 7], None, False, "raise")
    assert [os.path.basename(path) for path in paths] == ["a.png", "b.png", "c.png"]
    assert labels.tolist() == [7, 3, 7] and names == ["3", "7"]
    assert listing.index_directory(str(tmp_path), None, None, False, "raise") == (paths, None, None)
    for wrong in ([1, 2], [1.0, 2.0, 3.0], "auto", [[1], [2], [3]]):
        with pytest.raises(ValueError, match=r"labels: expected .* 3 integers"):
            listing.index_directory(str(tmp_path), wrong, None, False, "raise")
    with pytest.raises(ValueError, match="class_names"):
        listing.index_directory(str(tmp_path), None, ["a"], False, "raise")


def test_no_picture(tmp_path):
    with pytest.raises(ValueError, match=r"no picture found.*\*\.jpg"):
        listing.index_directory(str(tmp_path), None, None, False, "raise")


@pytest.mark.parametrize(("fraction", "count"), [(0.25, 2), (0.3, 3), (0.99, 9)])
def test_split(fraction, count):
    training, validation = listing.split_rows(np.arange(10), fraction)
    assert validation.tolist() == list(range(10 - count, 10)) and len(training) == 10 - count


def test_split_which_leaves_nothing():
    with pytest.raises(ValueError, match="validation_split"):
        listing.split_rows(np.arange(10), 0.01)
