"""Evaluate with the averaged weights."""

from fastnn.callbacks.callback import Callback
from fastnn.saving import registry


@registry.register("callback")
class SwapEMAWeights(Callback):
    """Exchange the weights and their moving averages for evaluations and predictions, and back afterwards.

    The optimizer must have been made with ``use_ema=True``, of a `MultiOptimizer` at least one.

    Parameters
    ----------
    swap_on_epoch : bool
        Exchange them at the end of every epoch already, so that checkpoints hold the averages; with the last
        epoch the averages stay.
    """

    def __init__(self, swap_on_epoch=False):
        self.swap_on_epoch = swap_on_epoch
        self._swapped = False

    def _pairs(self):
        averaging = [optimizer for optimizer in self.model.optimizer.parts() if optimizer.use_ema]
        if not averaging:
            raise ValueError("SwapEMAWeights: the optimizer keeps no averages: make it with use_ema=True")
        return [(v, o.slot("average", v)) for o in averaging if o.built for v in o._trainable_variables]

    def _swap(self, averages_in_use):
        if self._swapped == averages_in_use:
            return
        self._swapped = averages_in_use
        for variable, average in self._pairs():
            weight = variable.numpy()
            variable.assign(average)
            average.assign(weight)

    def on_epoch_begin(self, epoch, logs=None):
        """Train with the weights."""
        if self.swap_on_epoch:
            self._swap(False)

    def on_epoch_end(self, epoch, logs=None):
        """Show the averages to the callbacks that follow."""
        if self.swap_on_epoch:
            self._swap(True)
            if epoch == self.params["epochs"] - 1:
                for variable, average in self._pairs():
                    average.assign(variable)

    def on_test_begin(self, logs=None):
        """Evaluate with the averages."""
        self._swap(True)

    def on_test_end(self, logs=None):
        """Go back to the weights."""
        self._swap(False)

    def on_predict_begin(self, logs=None):
        """Predict with the averages."""
        self._swap(True)

    def on_predict_end(self, logs=None):
        """Go back to the weights."""
        self._swap(False)
