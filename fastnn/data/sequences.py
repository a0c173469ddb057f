"""Sequences: padded to one length, and windows of a time series."""

import math

import numpy as np

from fastnn import random
from fastnn.data.image import check_choice


def pad_sequences(sequences, maxlen=None, dtype="int32", padding="pre", truncating="pre", value=0.0):
    """Sequences of many lengths as one array.

    Parameters
    ----------
    sequences : list of sequences, of numbers or of arrays of one shape
    maxlen : int, optional
        The length of all; that of the longest unless given.
    dtype : dtype
    padding, truncating : {"pre", "post"}
        Where values are added, or removed.
    value : number or str
        What is added.

    Returns
    -------
    array of shape (n, maxlen, ...)
    """
    for name, side in (("padding", padding), ("truncating", truncating)):
        if side not in ("pre", "post"):
            raise ValueError(f'pad_sequences: {name} must be "pre" or "post", received {side!r}')
    lengths = [_length(entry) for entry in sequences]
    maxlen = max(lengths, default=0) if maxlen is None else maxlen
    inner = next((np.shape(entry)[1:] for entry in sequences if len(entry)), ())
    dtype = np.dtype(object if isinstance(value, str) and np.dtype(dtype).kind not in "OUS" else dtype)
    out = np.full((len(lengths), maxlen, *inner), value, dtype)
    for row, entry in zip(out, sequences, strict=True):
        if not len(entry) or not maxlen:
            continue
        part = np.asarray(entry[-maxlen:] if truncating == "pre" else entry[:maxlen], dtype)
        if part.shape[1:] != inner:
            raise ValueError(f"pad_sequences: elements of shape {part.shape[1:]} and {inner}: they must be the same")
        row[slice(len(part)) if padding == "post" else slice(maxlen - len(part), None)] = part
    return out


def _length(entry):
    if not hasattr(entry, "__len__"):
        raise ValueError(f"pad_sequences: expected a list of sequences, received {entry!r:.60} in it")
    return len(entry)


def timeseries_dataset_from_array(
    data, targets, sequence_length, sequence_stride=1, sampling_rate=1, batch_size=128, shuffle=False, seed=None,
    start_index=None, end_index=None, format="tf",
):  # fmt: skip
    """Windows of a time series as an iterable of batches, for `fit`.

    Window i holds ``data[i * sequence_stride + k * sampling_rate]`` for k = 0 .. sequence_length - 1; its target is
    ``targets[i * sequence_stride]``.

    Parameters
    ----------
    data : array of shape (steps, ...)
    targets : array of shape (steps, ...) or None
        ``targets[j]`` belongs to the window that begins with step j.  None: batches of windows alone.
    sequence_length, sequence_stride, sampling_rate : int
    batch_size : int or None
        None gives single windows.
    shuffle : bool
        A new order at every pass.
    seed : int, optional
        Of the orders.
    start_index, end_index : int, optional
        Steps before and from here on are not used.
    format : "tf"
        Accepted as in Keras: batches are NumPy arrays.

    Returns
    -------
    TimeSeries
    """
    for name, number in (
        ("sequence_length", sequence_length), ("sequence_stride", sequence_stride), ("sampling_rate", sampling_rate),
    ):  # fmt: skip
        if type(number) is not int or number < 1:
            raise ValueError(f"timeseries_dataset_from_array: {name} must be an integer above 0, received {number!r}")
    check_choice("format", format, ("tf",))
    used = slice(start_index, end_index)
    data = np.asarray(data)[used]
    targets = None if targets is None else np.asarray(targets)[used]
    count = len(data) - (sequence_length - 1) * sampling_rate
    count = count if targets is None else min(count, len(targets))
    if count < 1:
        raise ValueError(
            f"timeseries_dataset_from_array: {len(data)} steps are fewer than one window of {sequence_length} with "
            f"sampling_rate={sampling_rate} needs"
        )
    starts = np.arange(0, count, sequence_stride)
    offsets = np.arange(sequence_length) * sampling_rate
    return TimeSeries(data, targets, starts, offsets, batch_size, random.SeedGenerator(seed) if shuffle else None)


class TimeSeries:
    """Batches of windows, see `timeseries_dataset_from_array`; every ``for`` begins a new pass."""

    def __init__(self, data, targets, starts, offsets, batch_size, generator):
        self.data, self.targets, self.starts, self.offsets = data, targets, starts, offsets
        self.batch_size, self.generator = batch_size, generator

    def __len__(self):
        return math.ceil(len(self.starts) / (self.batch_size or 1))

    def __iter__(self):
        starts = self.starts
        if self.generator is not None:
            starts = np.asarray(random.shuffle(starts, seed=self.generator))
        for i in range(0, len(starts), self.batch_size or 1):
            chosen = starts[i : i + self.batch_size] if self.batch_size else starts[i]
            x = self.data[chosen[..., None] + self.offsets]
            yield x if self.targets is None else (x, self.targets[chosen])
