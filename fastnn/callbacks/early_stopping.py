"""Stop when a metric no longer improves."""

import warnings

from fastnn import progress
from fastnn.callbacks.monitor import MonitorCallback
from fastnn.saving import registry


@registry.register("callback")
class EarlyStopping(MonitorCallback):
    """Stop training when a metric has not improved for some epochs.

    Parameters
    ----------
    monitor : str
    min_delta : float
        Least change that counts as an improvement.
    patience : int
        Epochs without improvement after which training stops.
    verbose : {0, 1}
    mode : {"auto", "min", "max"}
    baseline : float, optional
        Only values better than this one reset the patience.
    restore_best_weights : bool
        When training ends, early or not, give the model the weights of the best epoch.
    start_from_epoch : int
        Epochs before this one are not watched.
    """

    def __init__(
        self, monitor="val_loss", min_delta=0, patience=0, verbose=0, mode="auto", baseline=None,
        restore_best_weights=False, start_from_epoch=0,
    ):  # fmt: skip
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best_weights = None

    def on_train_begin(self, logs=None):
        """Forget what an earlier run has seen."""
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = self.best_weights = None

    def on_epoch_end(self, epoch, logs=None):
        """Compare, and stop the model when the patience is over."""
        self.settle_mode()  # of a metric that there is not, "auto" says nothing
        current = self._value(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:  # better any epoch than none
            self._keep(epoch)
        self.wait += 1
        if self.is_improvement(current, self.best):
            self.best = current
            self._keep(epoch)
            if self.baseline is None or self.is_improvement(current, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:  # the first epoch has nothing to compare with
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        """Restore the best weights."""
        if self.stopped_epoch > 0 and self.verbose > 0:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping", file=progress.output())
        if self.best_weights is not None:
            if self.verbose > 0:
                print(f"Restoring the weights of the best epoch, {self.best_epoch + 1}", file=progress.output())
            self.model.set_weights(self.best_weights)

    def _keep(self, epoch):
        self.best_epoch = epoch
        if self.restore_best_weights:
            self.best_weights = self.model.get_weights()

    def _value(self, logs):
        value = (logs or {}).get(self.monitor)
        if value is None:
            warnings.warn(
                f"EarlyStopping: {self.monitor!r} is not among the metrics {', '.join(logs or ())}",
                stacklevel=2,
            )
        return value
