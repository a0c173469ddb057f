"""Files that are either the old one or the new one, whole, whenever the machine stops."""

import contextlib
import os
import re
import stat

try:
    import fcntl
except ImportError:  # Windows, where a file that somebody writes cannot be removed
    fcntl = None  # type: ignore[assignment]

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def write(path, pieces):
    """Put a file in place at once.

    The pieces go to a temporary file beside it, which is synchronised and renamed; what killed runs left of
    such files is removed.

    Parameters
    ----------
    path : str or os.PathLike
        A symbolic link is followed.
    pieces : iterable of bytes-like

    Raises
    ------
    OSError
        With the path.  The old file is then untouched, and no temporary file is left.
    """
    path = os.path.realpath(os.fspath(path))
    folder, name = os.path.split(path)
    try:
        mode = _mode_of_old(path)
        for stale in temporaries(folder, name):
            with contextlib.suppress(OSError):
                _remove_unlocked(stale)
        handle = None
        try:  # Ctrl-C may come at once
            while handle is None:
                temporary = temporary_for(folder, name)
                handle = _create(temporary)
            if mode is not None and hasattr(os, "fchmod"):
                os.fchmod(handle, mode)
            for piece in pieces:
                _write_all(handle, memoryview(piece).cast("B"))
            os.fsync(handle)
            if fcntl is None:  # an open file cannot be renamed there
                os.close(handle)
                handle = None
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        finally:
            if handle is not None:
                os.close(handle)
        sync_folder(folder)
    except OSError as error:
        if error.filename in (path, folder) and error.filename2 is None:
            raise
        raise OSError(error.errno, f"Could not save: {error.strerror}", path) from error


def _mode_of_old(path):
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(21, "Could not save: this is a folder", path)
    if not stat.S_ISREG(mode):
        raise OSError(22, "Could not save: not a regular file", path)
    return stat.S_IMODE(mode)


def _create(path):
    """A handle of a new file, locked for as long as it is open, or None."""
    handle = os.open(path, _FLAGS, 0o666)
    if fcntl is None:
        return handle
    try:
        with contextlib.suppress(OSError):  # file systems without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)  # another process took it for a stale one before it was locked
    return None


def temporary_for(folder, name):
    """A new path for what will get a name in a folder."""
    return os.path.join(folder, f".{name[:150]}.{os.urandom(8).hex()}.fastnn-tmp")


def temporaries(folder, name):
    """Such paths that exist: those that nobody has locked are what killed runs left."""
    pattern = re.compile(re.escape(f".{name[:150]}.") + r"[0-9a-f]{16}\.fastnn-tmp")
    return [os.path.join(folder, entry) for entry in os.listdir(folder) if pattern.fullmatch(entry)]


def _remove_unlocked(path):
    if fcntl is None:
        os.unlink(path)
        return
    handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    finally:
        os.close(handle)


def _write_all(handle, data):
    while data.nbytes:
        data = data[os.write(handle, data[: 1 << 26]) :]


def sync_folder(folder):
    """Let what has changed in a folder reach the disk."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
