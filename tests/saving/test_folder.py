"""Models as folders: whole, old or new, and nothing else in them."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import fastnn
from fastnn.saving import ModelFormatError, folder, load_model

NAMES = ["config.json", "metadata.json", "model.weights.h5"]


def model(seed=0):
    fastnn.utils.set_random_seed(seed)
    made = fastnn.Sequential([fastnn.Input((3,)), fastnn.layers.Dense(2)])
    made.compile("adam", "mse")
    made.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    return made


@pytest.fixture
def saved(tmp_path):
    made = model()
    made.save(tmp_path / "net", zipped=False)
    return made, tmp_path / "net"


def same(first, second):
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_round_trip(saved):
    made, path = saved
    assert sorted(os.listdir(path)) == NAMES
    again = load_model(path)
    same(made, again)
    for one in (made, again):
        one.train_on_batch(np.ones((4, 3)), np.ones((4, 2)))
    same(made, again)


@pytest.mark.parametrize("exchange", [True, False])
def test_a_folder_is_replaced(saved, monkeypatch, exchange):
    _, path = saved
    if not exchange:
        monkeypatch.setattr(folder, "_exchange", lambda one, other: False)
    (path / "assets").mkdir()  # as Keras leaves it
    second = model(1)
    second.save(path, zipped=False)
    same(load_model(path), second)
    assert os.listdir(path.parent) == ["net"]
    assert sorted(os.listdir(path)) == NAMES


@pytest.mark.parametrize("exchange", [True, False])
@pytest.mark.parametrize("failing", ["fsync", "rename", "_put_in_place"])
def test_a_save_that_fails_leaves_the_old_folder(saved, monkeypatch, failing, exchange):
    made, path = saved
    if not exchange:
        monkeypatch.setattr(folder, "_exchange", lambda one, other: False)
    owner, calls = (folder, []) if failing.startswith("_") else (folder.os, [])
    original = getattr(owner, failing)

    def fails(*args):
        calls.append(args)
        if len(calls) == 2 or failing != "rename":
            raise OSError(28, "no space")
        return original(*args)

    monkeypatch.setattr(owner, failing, fails)
    if failing == "rename" and exchange:
        pytest.skip("nothing is renamed")
    with pytest.raises(OSError, match="no space"):
        model(1).save(path, zipped=False)
    monkeypatch.undo()
    if failing != "rename":
        same(load_model(path), made)
        assert os.listdir(path.parent) == ["net"]
    else:  # the old folder could not get its name back either: it is there, under another
        (kept,) = [name for name in os.listdir(path.parent) if name.endswith(".fastnn-old")] or ["net"]
        same(load_model(path.parent / kept), made)


@pytest.mark.parametrize("name", ["notes.txt", "assets/x"])
def test_other_files_are_not_touched(saved, name):
    _, path = saved
    (path / name).parent.mkdir(exist_ok=True)
    (path / name).write_text("mine")
    with pytest.raises(FileExistsError, match="other files"):
        model(1).save(path, zipped=False)
    assert (path / name).read_text() == "mine"
    with pytest.raises(ModelFormatError, match="and no others"):
        load_model(path)


def test_what_is_no_folder_of_a_model_is_not_replaced(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder" / "assets").mkdir(parents=True)
    for name in ("file", "folder"):
        with pytest.raises(FileExistsError):
            model().save(tmp_path / name, zipped=False)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        model().save(tmp_path / "folder", overwrite=False, zipped=False)
    (tmp_path / "empty").mkdir()
    model().save(tmp_path / "empty", zipped=False)


@pytest.mark.parametrize("name", ["net.keras", "net.h5", "net.weights.h5"])
def test_names_of_files_are_refused(tmp_path, name):
    with pytest.raises(ModelFormatError, match="the path is that of a folder"):
        model().save(tmp_path / name, zipped=False)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", NAMES)
def test_links_are_not_followed(saved, name):
    _, path = saved
    os.rename(path / name, path.parent / "elsewhere")
    os.symlink(path.parent / "elsewhere", path / name)
    with pytest.raises(ModelFormatError, match="links are not followed"):
        load_model(path)


@pytest.mark.parametrize("name", NAMES)
def test_missing_and_strange_files_are_refused(saved, name):
    _, path = saved
    (path / name).unlink()
    with pytest.raises(ModelFormatError, match="expected the files"):
        load_model(path)
    os.mkfifo(path / name)
    with pytest.raises(ModelFormatError, match="not a regular file"):
        load_model(path)


def test_sizes_are_limited_as_in_archives(saved):
    _, path = saved
    (path / "metadata.json").write_bytes(b" " * (1 << 17))
    with pytest.raises(ModelFormatError, match=r"131072 bytes; at most 65536"):
        load_model(path)


def temporaries(path):
    return [entry for entry in os.listdir(path) if entry.endswith(".fastnn-tmp")]


@pytest.mark.skipif(folder.fcntl is None, reason="no locks")
def test_stale_folders_of_killed_runs_are_removed(saved):
    made, path = saved
    program = (
        "import sys, os, signal; from fastnn.saving import folder\n"
        "folder.os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)\n"
        "folder.write(sys.argv[1], {'config.json': b'half', 'metadata.json': b''})\n"
    )
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", program, str(path)]).returncode == -signal.SIGKILL
        assert len(temporaries(path.parent)) == 1
    others = [".other.0123456789abcdef.fastnn-tmp", ".net.backup.fastnn-tmp", ".net.0123456789abcdef.fastnn-tmp"]
    for name in others:
        (path.parent / name).mkdir()
    (path.parent / others[-1] / "notes").write_text("not ours")
    same(load_model(path), made)
    made.save(path, zipped=False)
    assert set(os.listdir(path.parent)) == {"net", *others}


def test_a_running_save_is_not_stale(saved, monkeypatch):
    _, path = saved
    second, third, fsync = model(1), model(2), os.fsync

    def slow(handle):
        monkeypatch.setattr(folder.os, "fsync", fsync)
        second.save(path, zipped=False)
        same(load_model(path), second)
        fsync(handle)

    monkeypatch.setattr(folder.os, "fsync", slow)
    third.save(path, zipped=False)
    same(load_model(path), third)
    assert os.listdir(path.parent) == ["net"]
