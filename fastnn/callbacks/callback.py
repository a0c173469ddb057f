"""What a callback is: hooks that ``fit``, ``evaluate`` and ``predict`` call."""


def idle_when(condition):
    """Decorator: the hook does nothing for a callback of which the condition holds, and need not be called.

    ``fit`` runs many steps in one call into C unless a callback wants to see each of them.
    """

    def decorator(hook):
        hook.is_idle = condition
        return hook

    return decorator


def is_idle(callback, hook):
    """True if calling this hook (a name) of this callback has no effect."""
    condition = getattr(getattr(callback, hook), "is_idle", None)
    return condition is not None and condition(callback)


_idle = idle_when(lambda callback: True)


class Callback:
    """Base of callbacks: override the hooks that you need.

    Each is given ``logs``, a dict of the metrics so far; epochs and batches count from 0.

    Attributes
    ----------
    model : Model
    params : dict
        ``epochs``, ``steps`` and ``verbose`` of the run.
    """

    params = None
    _model = None

    def set_params(self, params):
        """Called with ``{"epochs", "steps", "verbose"}`` before a run."""
        self.params = params

    def set_model(self, model):
        """Called with the model before a run."""
        self._model = model

    @property
    def model(self):
        """The model that is trained, evaluated or used."""
        return self._model

    @_idle
    def on_batch_begin(self, batch, logs=None):
        """Another name for `on_train_batch_begin`."""

    @_idle
    def on_batch_end(self, batch, logs=None):
        """Another name for `on_train_batch_end`."""

    @_idle
    def on_train_batch_begin(self, batch, logs=None):
        """Called before a training step."""
        self.on_batch_begin(batch, logs)

    @_idle
    def on_train_batch_end(self, batch, logs=None):
        """Called after a training step, with the metrics of the epoch so far."""
        self.on_batch_end(batch, logs)

    @_idle
    def on_test_batch_begin(self, batch, logs=None):
        """Called before a batch of ``evaluate`` or of the validation in ``fit``."""

    @_idle
    def on_test_batch_end(self, batch, logs=None):
        """Called after a batch of ``evaluate`` or of the validation in ``fit``."""

    @_idle
    def on_predict_batch_begin(self, batch, logs=None):
        """Called before a batch of ``predict``."""

    @_idle
    def on_predict_batch_end(self, batch, logs=None):
        """Called after a batch of ``predict``, with its outputs."""

    def on_epoch_begin(self, epoch, logs=None):
        """Called before an epoch of ``fit``."""

    def on_epoch_end(self, epoch, logs=None):
        """Called after an epoch of ``fit`` and its validation, whose metrics are named ``val_...``."""

    def on_train_begin(self, logs=None):
        """Called when ``fit`` begins."""

    def on_train_end(self, logs=None):
        """Called when ``fit`` ends."""

    def on_test_begin(self, logs=None):
        """Called when ``evaluate`` or a validation begins."""

    def on_test_end(self, logs=None):
        """Called when ``evaluate`` or a validation ends."""

    def on_predict_begin(self, logs=None):
        """Called when ``predict`` begins."""

    def on_predict_end(self, logs=None):
        """Called when ``predict`` ends."""
