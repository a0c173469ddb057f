"""Folders of pictures as batches for training."""

import copy
import math
import os
import warnings
from contextlib import closing
from itertools import compress, islice

import numpy as np

from . import resize
from .image import MODES, PictureError, check_choice, is_channels_first, open_picture
from .listing import index_directory, split_rows
from .prefetch import prefetch

BATCHES_AHEAD = 2


def image_dataset_from_directory(
    directory,
    labels="inferred",
    label_mode="int",
    class_names=None,
    color_mode="rgb",
    batch_size=32,
    image_size=(256, 256),
    shuffle=True,
    seed=None,
    validation_split=None,
    subset=None,
    interpolation="bilinear",
    follow_links=False,
    crop_to_aspect_ratio=False,
    pad_to_aspect_ratio=False,
    data_format=None,
    format="tf",
    verbose=True,
    on_error="skip",
):
    """Make a dataset from a folder of PNG, JPEG, BMP and GIF files, with one folder in it for every class.

    Parameters
    ----------
    directory : str or os.PathLike
    labels : "inferred", None, or sequence of int
        "inferred": the position of a picture's class folder among all class folders, sorted by name. A
        sequence has one label for each file, in the order of the sorted paths.
    label_mode : {"int", "categorical", "binary", None}
        Labels as int32 (n,), one-hot float32 (n, classes), float32 (n, 1) of two classes, or none at all.
    class_names : sequence of str, optional
        Names of class folders: fixes the order of the classes, and which ones are read.
    color_mode : {"rgb", "rgba", "grayscale"}
        3, 4 or 1 channels.
    batch_size : int
    image_size : (int, int) or int
        Height and width every picture is resized to.
    shuffle : bool
        False keeps the order of the sorted paths.
    seed : int, optional
        Fixes the order in every epoch, and the split; the split is the one Keras makes with this seed.
    validation_split : float, optional
        Fraction of the files, after shuffling, for validation.
    subset : {"training", "validation", "both"}, optional
        Which part to return if there is a `validation_split`.
    interpolation : {"bilinear", "nearest", "bicubic"}
    follow_links : bool
        Follow links to folders, and links which lead out of `directory`.
    crop_to_aspect_ratio, pad_to_aspect_ratio : bool
        Keep proportions: cut off what does not fit, or fill up with black.
    data_format : {"channels_last", "channels_first"}, optional
    format : "tf"
        Accepted as in Keras: batches are NumPy arrays.
    verbose : bool
        Print the number of files.
    on_error : {"skip", "raise"}
        Name a file which is not a usable picture in a warning and leave it out, or raise PictureError.

    Returns
    -------
    ImageFolder
        Two of them for ``subset="both"``, of which the second, for validation, is not shuffled.

    Raises
    ------
    ValueError
        If an argument has no meaning, or no picture is found.
    ImportError
        If Pillow is not installed, as soon as a picture is read.

    Examples
    --------
    >>> train = image_dataset_from_directory("cats_dogs/train", label_mode="binary", image_size=150)
    >>> for images, labels in train.cache(): ...
    """
    check_choice("format", format, ("tf",))
    _check_batches(batch_size, label_mode, on_error)
    _check_split(validation_split, subset, shuffle, seed)
    read = _reader(color_mode, image_size, interpolation, crop_to_aspect_ratio, pad_to_aspect_ratio, data_format)
    labels = None if label_mode is None else labels
    paths, labels, names = index_directory(os.fspath(directory), labels, class_names, follow_links, on_error)
    encode = _encoder(labels, label_mode, names)
    seed = np.random.randint(1_000_000) if seed is None else seed
    rows = np.random.RandomState(seed).permutation(len(paths)) if shuffle else np.arange(len(paths))
    order = seed if shuffle else None
    if verbose:
        print(f"Found {len(paths)} files" + (f" belonging to {len(names)} classes." if names else "."))

    def part(rows, order, purpose):
        if verbose and purpose:
            print(f"Using {len(rows)} files for {purpose}.")
        chosen = [paths[row] for row in rows]
        targets = None if labels is None else labels[rows]
        return ImageFolder(chosen, targets, names, read, encode, batch_size, order, on_error)

    if subset is None:
        return part(rows, order, None)
    training, validation = split_rows(rows, validation_split)
    if subset == "both":
        return part(training, order, "training"), part(validation, None, "validation")
    return part(training if subset == "training" else validation, order, subset)


def _check_batches(batch_size, label_mode, on_error):
    """Check the arguments which say what a batch is."""
    check_choice("label_mode", label_mode, ("int", "categorical", "binary", None))
    check_choice("on_error", on_error, ("skip", "raise"))
    if not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
        raise ValueError(f"batch_size: expected a positive integer, received {batch_size!r}.")


def _check_split(validation_split, subset, shuffle, seed):
    """Check the arguments which divide the files into training and validation."""
    check_choice("subset", subset, ("training", "validation", "both", None))
    if (validation_split is None) != (subset is None):
        raise ValueError("validation_split and subset belong together. Set both, or none of them.")
    if validation_split is not None and not 0 < validation_split < 1:
        raise ValueError(f"validation_split: expected a fraction between 0 and 1, received {validation_split}.")
    if subset in ("training", "validation") and shuffle and seed is None:
        raise ValueError(
            "seed: without one, the training and the validation part are cut from different orders and share "
            "pictures. Set the same seed for both, or shuffle=False."
        )


def _reader(color_mode, image_size, interpolation, crop, pad, data_format):
    """Return a function which makes a uint8 array, (h, w, c) or (c, h, w), from the path of a picture."""
    check_choice("color_mode", color_mode, MODES)
    check_choice("interpolation", interpolation, resize.INTERPOLATIONS)
    size = tuple(image_size) if isinstance(image_size, (tuple, list)) else (image_size, image_size)
    if len(size) != 2 or not all(isinstance(n, (int, np.integer)) and n > 0 for n in size):
        raise ValueError(f"image_size: expected two positive integers (height, width), received {image_size!r}.")
    if crop and pad:
        raise ValueError("crop_to_aspect_ratio and pad_to_aspect_ratio exclude each other. Set one of them.")
    fit = resize.crop if crop else resize.pad if pad else resize.stretch
    channels_first = is_channels_first(data_format)

    def read(path):
        picture = np.asarray(open_picture(path, MODES[color_mode]))
        picture = fit(picture.reshape(*picture.shape[:2], -1), size, interpolation)
        return picture.transpose(2, 0, 1) if channels_first else picture

    return read


def _encoder(labels, label_mode, names):
    """Return a function which encodes class numbers, int32 (n,), as `label_mode` says."""
    if labels is None:
        return None
    if label_mode == "int":
        return np.asarray
    if label_mode == "binary" and len(names) != 2:
        raise ValueError(f'label_mode="binary" needs two classes, found {names}. Use label_mode="int".')
    if not np.all((labels >= 0) & (labels < len(names))):
        raise ValueError(
            f"labels: expected 0 to {len(names) - 1} for label_mode={label_mode!r}, received {labels.min()} "
            f'to {labels.max()}. Number the classes from 0, or use label_mode="int".'
        )
    classes = np.arange(1, 2) if label_mode == "binary" else np.arange(len(names))
    return lambda labels: (labels[:, None] == classes).astype(np.float32)


class ImageFolder:
    """Pictures on disk, as batches; made by `image_dataset_from_directory`.

    Every loop over it is an epoch, shuffled anew; all epochs follow from the seed. Background threads decode
    and resize the next batches while the caller works on one; they end when the loop does.

    Yields float32 pictures (n, h, w, c), values 0 to 255, and their labels, or the pictures alone if there
    are no labels. Pictures which cannot be used are left out, with their labels: a batch then has fewer rows,
    and one without any good picture is not yielded.

    Parameters
    ----------
    file_paths : list of str
    labels : ndarray of int32, shape (n,), or None
    class_names : list of str or None
    read : callable
        Makes a uint8 array from a path, or raises PictureError.
    encode : callable or None
        Makes what a batch has as labels from the int32 labels.
    batch_size : int
    seed : int or None
        None keeps the order of `file_paths`.
    on_error : {"skip", "raise"}

    Attributes
    ----------
    file_paths : list of str
    class_names : list of str or None
    """

    def __init__(self, file_paths, labels, class_names, read, encode, batch_size, seed, on_error):
        self.file_paths = file_paths
        self.class_names = class_names
        self._labels = labels
        self._read = read
        self._encode = encode
        self._batch_size = batch_size
        self._seed = seed
        self._on_error = on_error
        self._epoch = 0
        self._functions = ()
        self._cache = None
        self._reported = set()

    def __len__(self):
        """Return the number of batches in an epoch."""
        return math.ceil(len(self.file_paths) / self._batch_size)

    def __iter__(self):
        """Begin the next epoch."""
        rows = np.arange(len(self.file_paths))
        if self._seed is not None:
            rows = np.random.default_rng([self._seed, self._epoch]).permutation(rows)
        self._epoch += 1
        return self._batches(rows.tolist())

    def cache(self):
        """Keep every decoded picture in memory, as uint8, from its first use on.

        Returns
        -------
        ImageFolder
            This dataset itself. It will hold n·h·w·c bytes.
        """
        if self._cache is None:
            self._cache = {}
        return self

    def map(self, function):
        """Return this dataset with `function` applied to every batch.

        Parameters
        ----------
        function : callable
            Called as ``function(images, labels)``, or ``function(images)`` if there are no labels, after the
            cache; what it returns is the batch.
        """
        mapped = copy.copy(self)
        mapped._functions = (*self._functions, function)
        return mapped

    def _load(self, row):
        """Return a picture as uint8 array, or the PictureError which says why there is none."""
        if self._cache is not None and row in self._cache:
            return self._cache[row]
        try:
            picture = self._read(self.file_paths[row])
        except PictureError as error:
            if self._on_error == "raise":
                raise
            picture = error
        if self._cache is not None:
            self._cache[row] = picture
        return picture

    def _batches(self, rows):
        """Yield the batches of one epoch."""
        if self._cache is not None and len(self._cache) == len(rows):
            pictures = (self._load(row) for row in rows)
        else:
            pictures = prefetch(self._load, rows, BATCHES_AHEAD * self._batch_size)
        with closing(pictures):
            for start in range(0, len(rows), self._batch_size):
                taken = rows[start : start + self._batch_size]
                batch = self._assemble(taken, list(islice(pictures, len(taken))))
                if batch is not None:
                    yield batch

    def _assemble(self, rows, pictures):
        """Return the batch of those rows which have a picture; None if there are none."""
        good = [not isinstance(picture, PictureError) for picture in pictures]
        for row, picture, usable in zip(rows, pictures, good, strict=True):
            if not usable and row not in self._reported:
                self._reported.add(row)
                warnings.warn(f"{picture} It is skipped.", stacklevel=3)
        if not any(good):
            return None
        batch = np.stack(list(compress(pictures, good))).astype(np.float32)
        if self._encode:
            batch = (batch, self._encode(self._labels[list(compress(rows, good))]))
        for function in self._functions:
            batch = function(*batch) if isinstance(batch, tuple) else function(batch)
        return batch
