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
    size : int, optional
        Its size in bytes, where it is known.
    sha256 : str
        Its SHA-256, in hexadecimal.
    """

    folder: str
    name: str
    url: str
    size: int | None
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


def get_file(
    fname=None, origin=None, untar=False, md5_hash=None, file_hash=None, cache_subdir="datasets", hash_algorithm="auto",
    extract=False, archive_format="auto", cache_dir=None, force_download=False,
):  # fmt: skip
    """Download a file into the cache, unless it is there, and check it.

    Parameters
    ----------
    fname : str, optional
        Name of the file; the last part of the address unless given.
    origin : str
        The address, http or https.
    file_hash : str
        The SHA-256 of the file, 64 hexadecimal digits.  There is no download without it.
    cache_subdir : str
        Folder within the cache.
    hash_algorithm : {"auto", "sha256"}
    cache_dir : str or os.PathLike, optional
        The cache, ``~/.cache/fastnn`` unless given.
    force_download : bool
        Download even if the file is there.
    untar, md5_hash, extract, archive_format
        Of Keras; refused, as archives are not unpacked and MD5 proves nothing.

    Returns
    -------
    str
        The path of the file.

    Raises
    ------
    ValueError
        Without a SHA-256, for a file of another one, for names that leave the cache.
    OSError
        If the file cannot be downloaded.
    """
    if untar or extract or archive_format != "auto":
        raise ValueError("get_file: archives are not unpacked; read their members with Python's zipfile or tarfile")
    if hash_algorithm not in ("auto", "sha256") or md5_hash is not None or not _is_sha256(file_hash):
        raise ValueError(
            "get_file: give the SHA-256 of the file as file_hash, 64 hexadecimal digits (sha256sum FILE prints it): "
            "what comes from an address may change, and MD5 does not tell"
        )
    if not isinstance(origin, str) or not origin.startswith(("http://", "https://")):
        raise ValueError(f"get_file: origin must be an http or https address, received {origin!r}")
    name = os.fspath(fname) if fname is not None else origin.split("?")[0].rsplit("/", 1)[-1]
    folder = os.fspath(cache_subdir)
    inside = not os.path.isabs(folder) and ".." not in Path(folder).parts
    if Path(name).name != name or name in ("", ".", "..") or not inside:
        raise ValueError(f"get_file: fname {name!r} and cache_subdir {folder!r} must not lead out of the cache")
    remote = Remote(folder, name, origin, None, file_hash.lower())
    path = Path(_cache_folder() if cache_dir is None else cache_dir, folder, name)
    stream = None if force_download else _open_intact(path, remote)
    if stream is None:
        _download(remote, path)
    else:
        stream.close()
    return str(path)


def _is_sha256(text):
    return isinstance(text, str) and len(text) == 64 and set(text.lower()) <= set("0123456789abcdef")


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
    print(f"Downloading {remote.url}" + (f" ({remote.size / 1e6:.1f} MB)" if remote.size else ""))
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
        while (remote.size is None or received <= remote.size) and (block := response.read(BLOCK)):
            received += len(block)
            digest.update(block)
            file.write(block)
    if remote.size not in (None, received) or digest.hexdigest() != remote.sha256:
        size = "" if remote.size is None else f"{remote.size} bytes with "
        raise ValueError(
            f"{remote.url}: expected {size}SHA-256 {remote.sha256}, received "
            f"{received} bytes with SHA-256 {digest.hexdigest()}; they were thrown away. Try again, or set "
            f"FASTNN_DATA to a folder which holds {remote.folder}/{remote.name}."
        )
