"""The metrics of every epoch."""

from fastnn.callbacks.callback import Callback
from fastnn.saving import registry


@registry.register("callback")
class History(Callback):
    """Keeps the metrics of every epoch; ``fit`` returns it.

    Attributes
    ----------
    history : dict of str to list of float
        One value for each epoch.
    epoch : list of int
    """

    def __init__(self):
        self.history = {}
        self.epoch = []

    def on_train_begin(self, logs=None):
        """Begin a new list of epochs."""
        self.epoch = []

    def on_epoch_end(self, epoch, logs=None):
        """Append the metrics of the epoch."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        self.model.history = self
