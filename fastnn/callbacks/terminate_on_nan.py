"""Stop when the loss is no longer a number."""

import math

from fastnn import progress
from fastnn.callbacks.callback import Callback
from fastnn.saving import registry


@registry.register("callback")
class TerminateOnNaN(Callback):
    """Stop training when the loss is NaN or infinite.

    Parameters
    ----------
    raise_error : bool
        Raise RuntimeError in place of stopping.
    """

    def __init__(self, raise_error=False):
        self.raise_error = raise_error

    def on_batch_end(self, batch, logs=None):
        """Look at the loss."""
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(f"The loss is {loss} at batch {batch}: lower the learning rate")
        print(f"Batch {batch}: the loss is {loss}, training stops", file=progress.output())
        self.model.stop_training = True
