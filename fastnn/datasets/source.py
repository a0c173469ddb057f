"""Where the files of a data set come from: folders of this machine first, then one verified download.

Order of search for a file:

1. the folder named by the environment variable ``FASTNN_DATA``,
2. folders where the system's packages put it,
3. the cache, ``$XDG_CACHE_HOME/fastnn`` or ``~/.cache/fastnn``,
4. the internet, from where it goes into the cache.

No file is used whose SHA-256 differs from the one pinned in the source code.
"""

import hashlib
import http.client
import os
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

BLOCK = 1 << 20
TIMEOUT = 30  # seconds without a single byte


@dataclass(frozen=True)
class Remote:
    """One file of a data set.

    Attributes
    ----------
    folder : str
        Name of the data set's folder in ``FASTNN_DATA`` and in the cache.
    name : str
        Name of the file.
    url : str
        Where to download it.
    size : int
        Its size in bytes.
    sha256 : str
        Its SHA-256, in hexadecimal.
    """

    folder: str
    name: str
    url: str
    size: int
    sha256: str


def own_file(folder, name):
    """Return the path of a file in the user's ``FASTNN_DATA`` folder, or None if there is no such file."""
    root = os.environ.get("FASTNN_DATA")
    path = Path(root or "", folder, name)
    return path if root and path.is_file() else None


def open_verified(remote, system_folders=()):
    """Open one file of a data set, wherever it is found first.

    Parameters
    ----------
    remote : Remote
        The file.
    system_folders : sequence of Path
        Folders outside the user's control where a package of the system may have put it.

    Returns
    -------
    binary file
        At its first byte; size and SHA-256 are the pinned ones.

    Raises
    ------
    ValueError
        If the file in ``FASTNN_DATA`` or the downloaded one is not the pinned one.
    OSError
        If the file is nowhere on this machine and cannot be downloaded.
    """
    own = own_file(remote.folder, remote.name)
    if own:
        stream = _open_intact(own, remote)
        if stream is None:
            raise ValueError(
                f"{own}: SHA-256 is not {remote.sha256}. Replace the file by the original, {remote.url}, or remove it."
            )
        return stream
    cached = _cache_folder() / remote.folder / remote.name
    for path in (*(folder / remote.name for folder in system_folders), cached):
        stream = _open_intact(path, remote)
        if stream:
            return stream
    _download(remote, cached)
    return open(cached, "rb")


def _cache_folder():
    """Return the cache's path; it need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "fastnn")


def _open_intact(path, remote):
    """Open `path` if it is readable and has the pinned SHA-256, else return None."""
    try:
        stream = open(path, "rb")  # noqa: SIM115, returned open
    except OSError:
        return None
    if hashlib.file_digest(stream, "sha256").hexdigest() == remote.sha256:
        stream.seek(0)
        return stream
    stream.close()
    return None


def _download(remote, path):
    """Download to `path`, which appears whole and verified or not at all."""
    print(f"Downloading {remote.url} ({remote.size / 1e6:.1f} MB)")
    part = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
        with os.fdopen(handle, "wb") as file:
            _fetch(remote, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except (OSError, http.client.HTTPException) as error:
        raise OSError(
            f"{remote.url}: cannot be downloaded to {path} ({type(error).__name__}: {error}). Connect to the "
            f"internet and try again, or set FASTNN_DATA to a folder with {remote.folder}/{remote.name}."
        ) from error
    finally:
        if part:
            Path(part).unlink(missing_ok=True)


def _fetch(remote, file):
    """Copy the bytes of ``remote.url`` into `file`, at most one block more than expected."""
    digest = hashlib.sha256()
    received = 0
    with urllib.request.urlopen(remote.url, timeout=TIMEOUT) as response:
        while received <= remote.size and (block := response.read(BLOCK)):
            received += len(block)
            digest.update(block)
            file.write(block)
    if received != remote.size or digest.hexdigest() != remote.sha256:
        raise ValueError(
            f"{remote.url}: expected {remote.size} bytes with SHA-256 {remote.sha256}, received "
            f"{received} bytes with SHA-256 {digest.hexdigest()}; they were thrown away. Try again, or set "
            f"FASTNN_DATA to a folder which holds {remote.folder}/{remote.name}."
        )
