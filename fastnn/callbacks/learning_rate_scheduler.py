"""A learning rate for each epoch."""

import numpy as np

from fastnn import progress
from fastnn.callbacks.callback import Callback
from fastnn.saving import registry


@registry.register("callback")
class LearningRateScheduler(Callback):
    """Set the learning rate at the beginning of every epoch, of a `MultiOptimizer` that of each optimizer.

    Parameters
    ----------
    schedule : callable
        ``schedule(epoch, learning_rate)`` or ``schedule(epoch)``, epochs counted from 0; returns a float.
    verbose : {0, 1}
    """

    def __init__(self, schedule, verbose=0):
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch, logs=None):
        """Ask the schedule."""
        for optimizer in self.model.optimizer.parts():
            self._set_rate(optimizer, epoch)

    def _set_rate(self, optimizer, epoch):
        try:
            rate = self.schedule(epoch, float(optimizer.learning_rate))
        except TypeError:  # a schedule that wants the epoch only
            rate = self.schedule(epoch)
        if np.ndim(rate) or np.asarray(rate).dtype.kind != "f":
            raise ValueError(f"LearningRateScheduler: the schedule must return a float, it returned {rate!r}")
        optimizer.learning_rate = float(rate)
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: the learning rate is set to {float(rate)}", file=progress.output())

    def on_epoch_end(self, epoch, logs=None):
        """Add the learning rate to the logs."""
        if logs is not None:
            logs.update(rates_for_logs(self.model.optimizer))


def rates_for_logs(optimizer):
    """``{"learning_rate": rate}``, of several optimisers ``{"learning_rate_adam": rate, ...}`` by their names."""
    parts = optimizer.parts()
    if parts == [optimizer]:
        return {"learning_rate": float(optimizer.learning_rate)}
    return {f"learning_rate_{part.name}": float(part.learning_rate) for part in parts}
