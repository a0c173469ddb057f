"""Which pictures a folder holds, of which class each one is, and which belong to training or validation.

The order depends on the names alone, never on the order in which the file system lists them.
"""

import os
import warnings
from collections import deque
from pathlib import Path

import numpy as np

from .image import PictureError

EXTENSIONS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")


def refuse(path, reason, on_error):
    """Warn of a folder entry which cannot be used, or raise PictureError if `on_error` is "raise"."""
    message = f"{path!r} is {reason}."
    if on_error == "raise":
        raise PictureError(message)
    warnings.warn(f"{message} It is skipped.", stacklevel=2)


def _leads_out(path, root):
    """Say whether `path`, with its links followed, lies outside the folder `root`."""
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


def _fault(entry, root, follow_links):
    """Return why a folder entry with a picture's name cannot be used, or None."""
    if entry.is_symlink() and not follow_links and _leads_out(entry.path, root):
        return "a link out of the folder (follow_links=True allows it)"
    return None if entry.is_file() else "not a regular file"


def find_pictures(folder, root, follow_links, on_error):
    """List the picture files in a folder and in the folders below it.

    Parameters
    ----------
    folder : str
    root : str
        The folder which links must not leave unless `follow_links`.
    follow_links : bool
        Also enter linked folders; every folder is read once, so that circles end.
    on_error : {"skip", "raise"}
        What to do with FIFOs, sockets, devices, links out of `root`, and folders which cannot be read.

    Returns
    -------
    list of str
        Sorted by folder, then by name.
    """
    found, visited, pending = [], set(), deque([folder])
    while pending:
        here = pending.popleft()
        if (real := os.path.realpath(here)) in visited:
            continue
        visited.add(real)
        try:
            with os.scandir(here) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError as error:
            refuse(here, f"a folder which cannot be read ({error})", on_error)
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=follow_links):
                pending.append(entry.path)
            elif entry.name.lower().endswith(EXTENSIONS):
                if fault := _fault(entry, root, follow_links):
                    refuse(entry.path, fault, on_error)
                else:
                    found.append(entry.path)
    return sorted(found, key=os.path.split)


def find_classes(directory, class_names, follow_links):
    """Return the names of the class folders: `class_names` if given, else all in alphanumeric order.

    Folders whose name starts with a dot are no classes. Raises ValueError if `class_names` has a name
    without a folder, or if a class folder is a link out of `directory` and `follow_links` is False.
    """
    with os.scandir(directory) as entries:
        found = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    names = found if class_names is None else list(class_names)
    unknown = [name for name in names if name not in found]
    if unknown or len(set(names)) < len(names) or not names:
        raise ValueError(
            f"class_names: expected different names out of the folders {found} in {directory!r}, received "
            f"{names}. For pictures without classes pass labels=None."
        )
    for name in names:
        path = os.path.join(directory, name)
        if not follow_links and _leads_out(path, directory):
            raise ValueError(f"class folder {path!r} is a link out of {directory!r}. Pass follow_links=True.")
    return names


def index_classes(directory, class_names, follow_links, on_error):
    """List the pictures of every class folder.

    Returns
    -------
    paths : list of str
    labels : ndarray of int32, shape (n,)
        Position of each picture's class in `names`.
    names : list of str
    """
    names = find_classes(directory, class_names, follow_links)
    paths, labels = [], []
    for label, name in enumerate(names):
        found = find_pictures(os.path.join(directory, name), directory, follow_links, on_error)
        if not found:
            warnings.warn(f"class folder {os.path.join(directory, name)!r} holds no picture.", stacklevel=2)
        paths += found
        labels += [label] * len(found)
    return paths, np.array(labels, np.int32), names


def index_directory(directory, labels, class_names, follow_links, on_error):
    """List the pictures of a folder with their labels.

    Parameters
    ----------
    directory : str
    labels : "inferred", None, or sequence of int
        From the class folders, none, or one for each picture in the order of the sorted paths.
    class_names : sequence of str, optional
        Order of the classes, for inferred labels only.
    follow_links : bool
    on_error : {"skip", "raise"}

    Returns
    -------
    paths, labels, names
        As `index_classes` has them; without labels the last two are None.
    """
    if isinstance(labels, str) and labels == "inferred":
        paths, labels, names = index_classes(directory, class_names, follow_links, on_error)
    elif class_names is not None:
        raise ValueError('class_names: only labels="inferred" takes them. Remove one of the two arguments.')
    else:
        paths = find_pictures(directory, directory, follow_links, on_error)
        labels, names = _check_labels(labels, len(paths))
    if not paths:
        raise ValueError(f"no picture found in {directory!r}: expected files named *{', *'.join(EXTENSIONS)}.")
    return paths, labels, names


def _check_labels(labels, count):
    """Return the user's own labels as int32 array with the names of the classes, or None and None."""
    if labels is None:
        return None, None
    labels = np.asarray(labels)
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise ValueError(
            f'labels: expected "inferred", None, or {count} integers, one for each picture found, received '
            f"{labels.dtype} of shape {labels.shape}."
        )
    return labels.astype(np.int32), [str(label) for label in np.unique(labels)]


def split_rows(rows, validation_split):
    """Cut off the last part of `rows` for validation.

    Parameters
    ----------
    rows : ndarray, shape (n,)
    validation_split : float
        Fraction v, between 0 and 1.

    Returns
    -------
    training, validation : ndarray
        The first n - ⌊v·n⌋ rows and the others. Neither is empty.
    """
    count = int(validation_split * len(rows))
    if not 0 < count < len(rows):
        raise ValueError(
            f"validation_split: {validation_split} of {len(rows)} pictures are {count}, which leaves a part "
            "empty. Choose another fraction or add pictures."
        )
    return rows[:-count], rows[-count:]
