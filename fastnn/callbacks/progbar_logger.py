"""The progress bar as a callback."""

from fastnn.callbacks.callback import Callback, idle_when
from fastnn.progress import Progbar
from fastnn.saving import registry

# The trainer reports progress through `update` where it runs many steps at once.
_idle = idle_when(lambda callback: True)


@registry.register("callback")
class ProgbarLogger(Callback):
    """Shows the progress and the metrics of ``fit``, ``evaluate`` and ``predict``."""

    def __init__(self):
        self.progbar = None
        self.seen = 0
        self.target, self.epochs, self.verbose = None, 1, 1
        self._in_fit = False

    def set_params(self, params):
        """Take ``verbose``, ``epochs`` and ``steps`` of the run."""
        self.verbose, self.epochs = params.get("verbose", 1), params.get("epochs", 1)
        self.target = params.get("steps")

    def update(self, seen, logs=None):
        """Show that so many steps of the epoch are done."""
        self.seen = seen
        if self.progbar.redraws:
            self.progbar.update(seen, list((logs or {}).items()), finalize=False)

    def _begin(self, title=""):
        self.seen = 0
        self.progbar = Progbar(self.target, verbose=self.verbose, stateless_metrics=())
        if title and self.progbar.verbose == 1 and self.progbar.redraws:
            print(title, flush=True, file=self.progbar.stream)
        elif title:
            self.progbar.title = f"{title} - "

    def _end(self, logs):
        if self.target is None:
            self.target = self.progbar.target = self.seen
        self.progbar.update(self.target, list((logs or {}).items()), finalize=True)

    def on_train_begin(self, logs=None):
        """Leave the validation's batches unseen from now on."""
        self._in_fit = True

    def on_epoch_begin(self, epoch, logs=None):
        """Begin a bar."""
        self._begin(f"Epoch {epoch + 1}/{self.epochs}" if self.epochs > 1 else "")

    def on_epoch_end(self, epoch, logs=None):
        """End the bar with the metrics of the epoch."""
        self._end(logs)

    def on_test_begin(self, logs=None):
        """Begin a bar, unless this is the validation of ``fit``."""
        if not self._in_fit:
            self._begin()

    def on_test_end(self, logs=None):
        """End the bar."""
        if not self._in_fit:
            self._end(logs)

    def on_predict_begin(self, logs=None):
        """Begin a bar."""
        self._begin()

    def on_predict_end(self, logs=None):
        """End the bar."""
        self._end(None)

    @_idle
    def on_train_batch_end(self, batch, logs=None):
        """Show one more step."""
        self.update(batch + 1, logs)

    @_idle
    def on_test_batch_end(self, batch, logs=None):
        """Show one more batch."""
        if not self._in_fit:
            self.update(batch + 1, logs)

    @_idle
    def on_predict_batch_end(self, batch, logs=None):
        """Show one more batch."""
        self.update(batch + 1)
