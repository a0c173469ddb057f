"""Save the model while it is trained."""

import os
import warnings

import numpy as np

from fastnn import progress
from fastnn.callbacks.callback import idle_when
from fastnn.callbacks.monitor import MonitorCallback
from fastnn.saving import registry


@registry.register("callback")
class ModelCheckpoint(MonitorCallback):
    """Save the model, or its weights, at every epoch or every so many steps.

    Parameters
    ----------
    filepath : str or path
        Ends in ``.keras`` (or ``.h5``), with save_weights_only in ``.weights.h5``.  May hold fields such as
        ``{epoch:02d}`` and ``{val_loss:.2f}``.
    monitor : str
        The metric that save_best_only watches.
    verbose : {0, 1}
    save_best_only : bool
        Save only when the metric has improved.
    save_weights_only : bool
    mode : {"auto", "min", "max"}
    save_freq : "epoch" or int
        An integer is a number of training steps.
    initial_value_threshold : float, optional
        The best value so far, for save_best_only.
    """

    def __init__(
        self, filepath, monitor="val_loss", verbose=0, save_best_only=False, save_weights_only=False,
        mode="auto", save_freq="epoch", initial_value_threshold=None,
    ):  # fmt: skip
        super().__init__(monitor, mode, initial_value_threshold)
        self.filepath, self.verbose, self.save_freq = os.fspath(filepath), verbose, save_freq
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self._steps, self._last_batch, self._epoch = 0, -1, 0
        if save_freq != "epoch" and not isinstance(save_freq, int):
            raise ValueError(f'ModelCheckpoint: save_freq must be "epoch" or an int, received {save_freq!r}')
        endings = (".weights.h5",) if save_weights_only else (".keras", ".h5")
        if not self.filepath.endswith(endings):
            raise ValueError(
                f"ModelCheckpoint: with save_weights_only={save_weights_only} filepath must end in "
                f"{' or '.join(endings)}, received {self.filepath!r}"
            )

    def on_epoch_begin(self, epoch, logs=None):
        """Remember the epoch."""
        self._epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        """Save if it is time."""
        if self.save_freq == "epoch":
            self._save(epoch, None, logs or {})

    @idle_when(lambda callback: callback.save_freq == "epoch")
    def on_train_batch_end(self, batch, logs=None):
        """Save if it is time."""
        if self.save_freq == "epoch":
            return
        self._steps += batch + 1 if batch <= self._last_batch else batch - self._last_batch
        self._last_batch = batch
        if self._steps >= self.save_freq:
            self._steps = 0
            self._save(self._epoch, batch, logs or {})

    def _save(self, epoch, batch, logs):
        path = self._path(epoch, batch, logs)
        if not self._is_wanted(epoch, path, logs):
            return
        if os.path.isdir(path):
            raise IsADirectoryError(f"ModelCheckpoint: {path!r} is a folder: name a file in filepath")
        if folder := os.path.dirname(path):
            os.makedirs(folder, exist_ok=True)
        save = self.model.save_weights if self.save_weights_only else self.model.save
        save(path, overwrite=True)

    def _path(self, epoch, batch, logs):
        fields = {"epoch": epoch + 1, **({} if batch is None else {"batch": batch + 1}), **logs}
        try:
            return self.filepath.format(**fields)
        except KeyError as error:
            raise KeyError(
                f"ModelCheckpoint: filepath {self.filepath!r} asks for {error}, which is not among {', '.join(fields)}"
            ) from None

    def _is_wanted(self, epoch, path, logs):
        current, best = logs.get(self.monitor), "None" if self.best is None else f"{self.best:.5f}"
        if not self.save_best_only:
            self._say(epoch, f"saving the model to {path}")
            return True
        self.settle_mode()
        if current is None or np.ndim(current) > 0:
            warnings.warn(
                f"ModelCheckpoint: the metrics have no number {self.monitor!r}, so the model is saved, be it "
                "the best or not",
                stacklevel=2,
            )
            return True
        if not self.is_improvement(current, self.best):
            self._say(epoch, f"{self.monitor} did not improve from {best}")
            return False
        self.best = current
        self._say(epoch, f"{self.monitor} improved from {best} to {current:.5f}, saving the model to {path}")
        return True

    def _say(self, epoch, text):
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: {text}", file=progress.output())
