"""Saving: whole old file or whole new file, at every moment and after every error."""

import errno
import os
import resource
import signal
import stat
import subprocess
import sys
import time

import numpy as np
import pytest

from fastnn.saving import atomic

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals, limits and modes of POSIX")


def temporaries(folder):
    return [name for name in os.listdir(folder) if name.endswith(".fastnn-tmp")]


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "x.keras"
    atomic.write(path, [b"ab", memoryview(b"cd"), np.arange(2, dtype="<i4").data])
    assert path.read_bytes() == b"abcd" + np.arange(2, dtype="<i4").tobytes()
    atomic.write(str(path), [b"new"])
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["x.keras"]


def test_the_order_of_events(tmp_path, monkeypatch):
    events = []
    for name in ("open", "write", "fsync", "replace"):
        original = getattr(os, name)

        def recorded(*args, _name=name, _original=original, **kwargs):
            result = _original(*args, **kwargs)
            folder = _name == "open" and os.path.isdir(args[0])
            events.append("open folder" if folder else _name)
            return result

        monkeypatch.setattr(os, name, recorded)
    atomic.write(tmp_path / "x.keras", [b"abc"])
    assert events == ["open", "write", "fsync", "replace", "open folder", "fsync"]


def test_modes(tmp_path):
    path = tmp_path / "x"
    before = os.umask(0o027)
    try:
        atomic.write(path, [b"a"])
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o600)
        atomic.write(path, [b"b"])
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_a_symbolic_link_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "x"
    target.write_bytes(b"old")
    link = tmp_path / "link"
    link.symlink_to(target)
    atomic.write(link, [b"new"])
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_folders_pipes_and_devices_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", "/dev/full", "/dev/null"):
        with pytest.raises(OSError, match="Could not save") as caught:
            atomic.write(path, [b"x"])
        assert str(path) in str(caught.value)
    with pytest.raises(OSError, match="nowhere"):
        atomic.write(tmp_path / "nowhere" / "x", [b"x"])


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_errors_leave_the_old_file(tmp_path, monkeypatch, call, code):
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def fail(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(OSError, match=r"Could not save.*x'") as caught:
            atomic.write(path, [b"new", b"er"])
        assert caught.value.errno == code
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x"]


def test_short_writes_go_on(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:3]))
    atomic.write(tmp_path / "x", [b"0123456789"])
    assert (tmp_path / "x").read_bytes() == b"0123456789"


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, ValueError])
def test_other_exceptions_clean_up(tmp_path, error):
    def pieces():
        yield b"half"
        raise error

    (tmp_path / "x").write_bytes(b"old")
    with pytest.raises(error):
        atomic.write(tmp_path / "x", pieces())
    assert (tmp_path / "x").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("call", ["open", "flock", "fstat"])
def test_an_interrupt_just_when_the_file_is_made(tmp_path, monkeypatch, call):
    """Its lock would keep later saves from removing it."""
    (tmp_path / "x").write_bytes(b"old")
    place = atomic.fcntl if call == "flock" else os
    original = getattr(place, call)

    def interrupted(*args, **kwargs):
        original(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(place, call, interrupted)
        with pytest.raises(KeyboardInterrupt):
            atomic.write(tmp_path / "x", [b"new"])
    assert os.listdir(tmp_path) == ["x"]


def test_a_file_size_limit(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(OSError, match="Could not save") as caught:
            atomic.write(path, [bytes(50_000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.errno == errno.EFBIG
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x"]


def test_a_read_only_folder(tmp_path):
    folder = tmp_path / "read_only"
    folder.mkdir()
    (folder / "x").write_bytes(b"old")
    program = (
        "import os, sys; from fastnn.saving import atomic\n"
        "if os.getuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        "try: atomic.write(sys.argv[1], [b'new'])\n"
        "except PermissionError as error: print(error.filename)\n"
    )
    folder.chmod(0o555)
    for part in (tmp_path, *tmp_path.parents):
        if part.stat().st_uid == os.getuid() and part != tmp_path.anchor:
            part.chmod(part.stat().st_mode | 0o005)
        if part.name.startswith("pytest-of"):
            break
    try:
        run = subprocess.run(
            [sys.executable, "-c", program, str(folder / "x")], capture_output=True, text=True, check=True
        )
    finally:
        folder.chmod(0o755)
    assert run.stdout.strip() == str(folder / "x")
    assert os.listdir(folder) == ["x"]


def test_stale_files_of_killed_runs_are_removed(tmp_path):
    path = tmp_path / "x.keras"
    program = (
        "import sys, os, signal; from fastnn.saving import atomic\n"
        "def pieces():\n    yield b'half'\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        "atomic.write(sys.argv[1], pieces())\n"
    )
    for _ in range(2):
        run = subprocess.run([sys.executable, "-c", program, str(path)])
        assert run.returncode == -signal.SIGKILL
        assert len(temporaries(tmp_path)) == 1
    other = tmp_path / ".y.keras.0123456789abcdef.fastnn-tmp"
    other.write_bytes(b"of another file")
    unlike = tmp_path / ".x.keras.backup.fastnn-tmp"
    unlike.write_bytes(b"not ours")
    atomic.write(path, [b"whole"])
    assert path.read_bytes() == b"whole"
    assert set(os.listdir(tmp_path)) == {"x.keras", other.name, unlike.name}


def test_a_running_save_is_not_stale(tmp_path):
    path = tmp_path / "x"

    def slow():
        yield b"first "
        assert len(temporaries(tmp_path)) == 1
        atomic.write(path, [b"in between"])
        assert path.read_bytes() == b"in between"
        assert len(temporaries(tmp_path)) == 1
        yield b"last"

    atomic.write(path, slow())
    assert path.read_bytes() == b"first last"
    assert os.listdir(tmp_path) == ["x"]


def test_two_writers_and_a_reader(tmp_path):
    """Every read sees a complete version."""
    path = tmp_path / "x"
    atomic.write(path, [b"a" * 100_000])
    program = (
        "import sys; from fastnn.saving import atomic\n"
        "for _ in range(200): atomic.write(sys.argv[1], [sys.argv[2].encode() * 50_000] * 2)\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(path), letter]) for letter in "ab"]
    reads, deadline = 0, time.monotonic() + 30
    while any(writer.poll() is None for writer in writers) and time.monotonic() < deadline:
        data = path.read_bytes()
        assert data in (b"a" * 100_000, b"b" * 100_000)
        reads += 1
    assert [writer.wait(30) for writer in writers] == [0, 0]
    assert reads > 10
    assert os.listdir(tmp_path) == ["x"]
