"""Go on after an interruption as if there had been none."""

import contextlib
import os
import warnings

from fastnn.callbacks.callback import Callback, idle_when
from fastnn.saving import registry

_LATEST, _PREVIOUS = "training_state.h5", "training_state.previous.h5"


@registry.register("callback")
class BackupAndRestore(Callback):
    """Write the state of ``fit`` to a folder; the same program, run again, goes on from there.

    Weights, optimiser, learning rate, metrics, random numbers and the order of the samples are restored: the weights
    at the end are those of a run without interruption, bit for bit, if data and arguments are the same.  (An
    iterable of batches must give the same ones again.)  Other callbacks begin anew, and ``History`` has the epochs
    since.

    Parameters
    ----------
    backup_dir : str or path
        A folder for this run alone.
    save_freq : "epoch" or int
        An integer is a number of training steps.
    double_checkpoint : bool
        Keep the state before the last too; it is used if the last cannot be read.
    delete_checkpoint : bool
        Remove the files when ``fit`` has ended well.
    """

    def __init__(self, backup_dir, save_freq="epoch", double_checkpoint=False, delete_checkpoint=True):
        self.backup_dir = os.fspath(backup_dir)
        if not self.backup_dir:
            raise ValueError("BackupAndRestore: backup_dir must name a folder, received an empty text")
        if save_freq != "epoch" and (type(save_freq) is not int or save_freq < 1):
            raise ValueError(f'BackupAndRestore: save_freq must be "epoch" or an int above 0, received {save_freq!r}')
        self.save_freq, self.double_checkpoint = save_freq, double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self._steps, self._metrics = 0, None
        self._latest, self._previous = (os.path.join(self.backup_dir, name) for name in (_LATEST, _PREVIOUS))

    def on_train_begin(self, logs=None):
        """Go to where the interrupted run was, if there was one."""
        self._steps, self._metrics = 0, None
        found = [path for path in (self._latest, self._previous) if os.path.exists(path)]
        if found and not self.model.built:
            raise ValueError("BackupAndRestore: the model has no weights yet: give it an Input")
        for path in found:
            if self._restore(path, last=path == found[-1]):
                break

    def _restore(self, path, last):
        from fastnn.saving import ModelFormatError, training_state

        try:
            metrics = training_state.restore(self.model, path)
        except ModelFormatError as error:
            if last:
                raise
            warnings.warn(f"BackupAndRestore: the state before the last is used: {error}", stacklevel=4)
            return False
        self._metrics = metrics if self.model._place.batch else None
        return True

    @idle_when(lambda callback: callback._metrics is None and callback.save_freq == "epoch")
    def on_train_batch_begin(self, batch, logs=None):
        """Restore the metrics of an epoch that was begun, now that they are made; save if it is time."""
        if self._metrics is not None:
            from fastnn.saving import training_state

            training_state.restore_metrics(self.model, self._metrics)
            self._metrics = None
        if self._is_due():
            self._save()

    @idle_when(lambda callback: callback.save_freq == "epoch")
    def on_train_batch_end(self, batch, logs=None):
        """Count the step.  It is saved before the next one, or at the end of the epoch if it was the last."""
        self._steps += 1

    def on_epoch_end(self, epoch, logs=None):
        """Save if it is time."""
        if self.save_freq == "epoch" or self._is_due():
            self._save()

    def _is_due(self):
        return self.save_freq != "epoch" and self._steps >= self.save_freq

    def _save(self):
        from fastnn.saving import training_state

        self._steps = 0
        os.makedirs(self.backup_dir, exist_ok=True)
        if self.double_checkpoint and os.path.exists(self._latest):
            os.replace(self._latest, self._previous)
        training_state.save(self.model, self._latest)

    def on_train_end(self, logs=None):
        """Remove the files, and the folder if nothing else is in it."""
        if self.delete_checkpoint:
            for path in (self._latest, self._previous):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
            with contextlib.suppress(OSError):
                os.rmdir(self.backup_dir)
