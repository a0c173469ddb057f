"""Models as folders, which Keras calls unzipped: the three members of an archive as files side by side."""

import contextlib
import ctypes
import os
import stat

from fastnn.saving import atomic
from fastnn.saving.archive import CAPS
from fastnn.saving.errors import ModelFormatError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_ASSETS = "assets"  # a folder that Keras makes, and leaves empty for all models that we have
_EXCHANGE, _HERE = 2, -100  # of renameat2(2)


def write(path, members):
    """Put a folder in place at once.

    The files go to a temporary folder beside it, which then changes places with the old one; what killed runs left of
    such folders is removed.  Where the system cannot do that in one step (it is not Linux), a program that is killed
    between two renamings leaves the old folder whole, under a name that begins with a dot and ends in ``.fastnn-old``.

    Parameters
    ----------
    path : str or os.PathLike
        A symbolic link is followed.
    members : dict of str to bytes-like

    Raises
    ------
    FileExistsError
        When something else is there: a file, or a folder that holds more than a model.
    """
    path = os.path.realpath(os.fspath(path))
    _check_old(path)
    parent, name = os.path.split(path)
    for stale in atomic.temporaries(parent, name):
        with contextlib.suppress(OSError):
            _remove_unlocked(stale)
    temporary, lock = _make_locked(parent, name)
    try:
        for member, data in members.items():
            with open(os.path.join(temporary, member), "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        atomic.sync_folder(temporary)
        old = _put_in_place(temporary, path)
    except BaseException:
        _remove(temporary)
        raise
    finally:
        if lock is not None:
            os.close(lock)
    atomic.sync_folder(parent)
    if old is not None:
        _remove(old)


def _make_locked(parent, name):
    """(a new temporary folder, a handle of it that locks it for as long as it is open, or None without locks)."""
    while True:
        path = atomic.temporary_for(parent, name)
        os.mkdir(path)
        if fcntl is None:
            return path, None
        with contextlib.suppress(FileNotFoundError):  # another process took it for a stale one before it was locked
            handle = os.open(path, os.O_RDONLY)
            with contextlib.suppress(OSError):  # file systems without locks
                fcntl.flock(handle, fcntl.LOCK_EX)
            if os.path.isdir(path):
                return path, handle
            os.close(handle)


def _remove_unlocked(path):
    """Remove a temporary folder that no process is writing; without locks that is not known, and it stays."""
    if fcntl is None:
        return
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(path)
    finally:
        os.close(handle)


def _check_old(path):
    if not os.path.lexists(path):
        return
    if not os.path.isdir(path):
        raise FileExistsError(17, "Could not save: a file is where the folder of the model is to be", path)
    held = set(os.listdir(path))
    if held - {*CAPS, _ASSETS} or (held and not held & CAPS.keys()) or (_ASSETS in held and _listed(path, _ASSETS)):
        raise FileExistsError(17, "Could not save: the folder holds other files than those of a model", path)


def _listed(path, name):
    inner = os.path.join(path, name)
    return not os.path.isdir(inner) or os.path.islink(inner) or os.listdir(inner)


def _put_in_place(new, path):
    """Give the new folder its name; where the old one is now, or None."""
    if not os.path.lexists(path):
        os.rename(new, path)
        return None
    if _exchange(new, path):
        return new
    old = f"{new.removesuffix('.fastnn-tmp')}.fastnn-old"
    os.rename(path, old)
    try:
        os.rename(new, path)
    except BaseException:
        os.rename(old, path)
        raise
    return old


def _exchange(one, other):
    """Let two folders change places, if the system can; whether it has."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    return rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0


def _remove(path):
    """Remove a folder of ours, and nothing that is not known in it."""
    for name in CAPS:
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(path, name))
    for inner in (os.path.join(path, _ASSETS), path):
        with contextlib.suppress(OSError):
            os.rmdir(inner)


def read(path):
    """The members of a folder.

    Parameters
    ----------
    path : str or os.PathLike

    Returns
    -------
    dict of str to bytes

    Raises
    ------
    ModelFormatError
        For everything but exactly these three regular files; no link is followed.
    """
    where = os.fsdecode(path)
    held = set(os.listdir(path))
    if held - {_ASSETS} != set(CAPS) or (_ASSETS in held and _listed(where, _ASSETS)):
        raise ModelFormatError(f"{where}: expected the files {', '.join(CAPS)} and no others")
    return {name: read_file(os.path.join(where, name), cap) for name, cap in CAPS.items()}


def read_file(path, cap):
    """The bytes of a regular file that is not behind a link."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    if os.path.islink(path):
        raise ModelFormatError(f"{path}: links are not followed")
    with open(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ModelFormatError(f"{path}: not a regular file")
        if status.st_size > cap:
            raise ModelFormatError(f"{path}: {status.st_size} bytes; at most {cap} are allowed")
        return file.read()
