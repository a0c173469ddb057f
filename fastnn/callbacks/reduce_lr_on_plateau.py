"""Lower the learning rate when a metric no longer improves."""

import warnings

from fastnn import progress
from fastnn.callbacks.learning_rate_scheduler import rates_for_logs
from fastnn.callbacks.monitor import MonitorCallback
from fastnn.saving import registry


@registry.register("callback")
class ReduceLROnPlateau(MonitorCallback):
    """Multiply the learning rate by a factor when a metric has not improved for some epochs.

    Of a `MultiOptimizer`, that of each optimizer.

    Parameters
    ----------
    monitor : str
    factor : float below 1
    patience : int
        Epochs without improvement after which the rate is lowered.
    verbose : {0, 1}
    mode : {"auto", "min", "max"}
    min_delta : float
        Least change that counts as an improvement.
    cooldown : int
        Epochs after a reduction in which nothing is counted.
    min_lr : float
        The rate is not lowered below it.
    """

    def __init__(
        self, monitor="val_loss", factor=0.1, patience=10, verbose=0, mode="auto", min_delta=0.0001,
        cooldown=0, min_lr=0.0, **kwargs,
    ):  # fmt: skip
        super().__init__(monitor, mode, min_delta=min_delta)
        if factor >= 1.0:
            raise ValueError(f"ReduceLROnPlateau: factor must be below 1, received {factor!r}")
        if kwargs:
            warnings.warn(f"ReduceLROnPlateau ignores the arguments {', '.join(kwargs)}", stacklevel=2)
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr
        self.wait = self.cooldown_counter = 0

    def on_train_begin(self, logs=None):
        """Forget what an earlier run has seen."""
        self.best = None
        self.wait = self.cooldown_counter = 0

    def in_cooldown(self):
        """True in the epochs after a reduction."""
        return self.cooldown_counter > 0

    def on_epoch_end(self, epoch, logs=None):
        """Compare, and lower the rate when the patience is over; the rate joins the logs."""
        self.settle_mode()
        logs = {} if logs is None else logs
        logs.update(rates_for_logs(self.model.optimizer))
        current = logs.get(self.monitor)
        if current is None:
            warnings.warn(
                f"ReduceLROnPlateau: {self.monitor!r} is not among the metrics {', '.join(logs)}",
                stacklevel=2,
            )
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self.is_improvement(current, self.best):
            self.best, self.wait = current, 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience:
                for optimizer in self.model.optimizer.parts():
                    self._reduce(optimizer, epoch)

    def _reduce(self, optimizer, epoch):
        rate = float(optimizer.learning_rate)
        if rate <= self.min_lr:
            return
        optimizer.learning_rate = max(rate * self.factor, self.min_lr)
        self.cooldown_counter, self.wait = self.cooldown, 0
        if self.verbose > 0:
            print(
                f"\nEpoch {epoch + 1}: the learning rate is lowered to {float(optimizer.learning_rate)}",
                file=progress.output(),
            )
