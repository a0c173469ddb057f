"""The metrics of every epoch in a table file."""

import os

import numpy as np

from fastnn.callbacks.callback import Callback
from fastnn.saving import registry


@registry.register("callback")
class CSVLogger(Callback):
    """Write the metrics of every epoch as one line of a CSV file.

    Parameters
    ----------
    filename : str or path
    separator : str
    append : bool
        Go on with a file that is there, in place of beginning a new one.
    """

    def __init__(self, filename, separator=",", append=False):
        self.filename, self.sep, self.append = os.fspath(filename), separator, append
        self.csv_file = self.writer = self.keys = None

    def on_train_begin(self, logs=None):
        """Open the file."""
        self._close()
        self.csv_file = open(self.filename, "a" if self.append else "w", newline="", encoding="utf-8")  # noqa: SIM115
        self.writer = self.keys = None

    def on_epoch_end(self, epoch, logs=None):
        """Write a line."""
        logs = logs or {}
        if self.writer is None:
            self._begin(logs)
        self.writer.writerow({"epoch": epoch, **{key: _cell(logs.get(key, "NA")) for key in self.keys}})
        self.csv_file.flush()

    def on_train_end(self, logs=None):
        """Close the file."""
        self._close()

    def _begin(self, logs):
        self.keys = sorted(logs)
        if not any(key.startswith("val_") for key in self.keys):
            self.keys += [f"val_{key}" for key in self.keys]  # epochs to come may have a validation
        import csv  # only where a file is written: it costs time at import

        self.writer = csv.DictWriter(self.csv_file, ["epoch", *self.keys], delimiter=self.sep)
        if self.csv_file.tell() == 0:
            self.writer.writeheader()

    def _close(self):
        if self.csv_file is not None:
            self.csv_file.close()
        self.csv_file = self.writer = None


def _cell(value):
    if isinstance(value, str) or np.ndim(value) == 0:
        return value
    return f'"[{", ".join(map(str, value))}]"'
