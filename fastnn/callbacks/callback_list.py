"""All callbacks of one run, called one after the other."""

from fastnn.callbacks.callback import Callback, is_idle
from fastnn.callbacks.history import History
from fastnn.callbacks.progbar_logger import ProgbarLogger
from fastnn.tree import flatten

_BATCHES = {
    "train": ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end"),
    "test": ("on_test_batch_begin", "on_test_batch_end"),
    "predict": ("on_predict_batch_begin", "on_predict_batch_end"),
}


class CallbackList(Callback):
    """Calls every hook of a list of callbacks in order.

    Parameters
    ----------
    callbacks : list of Callback, nested or not, or one Callback, optional
    add_history, add_progbar : bool
        Append a `History`, a `ProgbarLogger`, unless there is one.
    model : Model, optional
    **params
        ``epochs``, ``steps`` and ``verbose``, for `set_params`.

    Attributes
    ----------
    history : History or None
    progbar : ProgbarLogger or None
    """

    def __init__(self, callbacks=None, add_history=False, add_progbar=False, model=None, **params):
        self.callbacks = [_checked(callback) for callback in flatten(callbacks) if callback is not None]
        self.history = self._find_or_add(History, add_history)
        self.progbar = self._find_or_add(ProgbarLogger, add_progbar)
        if model is not None:
            self.set_model(model)
        self.set_params(params)

    def _find_or_add(self, kind, add):
        found = [c for c in self.callbacks if isinstance(c, kind)]
        if not found and add:
            found = [kind()]
            self.callbacks += found
        return found[-1] if found else None

    def set_model(self, model):
        """Hand the model to every callback, and the history to the model."""
        super().set_model(model)
        if self.history is not None:
            model.history = self.history
        for callback in self.callbacks:
            callback.set_model(model)

    def set_params(self, params):
        """Hand the parameters to every callback."""
        self.params = params
        if params:
            for callback in self.callbacks:
                callback.set_params(params)

    @property
    def needs_batches(self):
        """True if a callback must be called at every training step."""
        return self._needs("train")

    @property
    def needs_test_batches(self):
        """True if a callback must be called at every batch of an evaluation."""
        return self._needs("test")

    @property
    def needs_predict_batches(self):
        """True if a callback must be called at every batch of a prediction."""
        return self._needs("predict")

    def _needs(self, run):
        return any(not is_idle(callback, hook) for callback in self.callbacks for hook in _BATCHES[run])

    def _call(self, hook, *args):
        *place, logs = args
        logs = plain_logs(logs)  # one dict for all: a callback may add to it for the later ones
        for callback in self.callbacks:
            getattr(callback, hook)(*place, logs)


def _checked(callback):
    if isinstance(callback, type) or not hasattr(callback, "set_model"):
        name = callback.__name__ if isinstance(callback, type) else "EarlyStopping"
        raise TypeError(f"callbacks: expected objects, received {callback!r}: write {name}()")
    return callback


def plain_logs(logs):
    """The logs by name in alphabetical order, nested ones spread out, scalars as Python floats."""
    result = {}
    for name, value in sorted((logs or {}).items()):
        if isinstance(value, dict):
            result.update(plain_logs(value))
            continue
        try:
            result[name] = float(value)
        except (TypeError, ValueError):
            result[name] = value
    return result


def _forward_with_place(hook):
    def call(self, place, logs=None):
        self._call(hook, place, logs)

    return call


def _forward(hook):
    def call(self, logs=None):
        self._call(hook, logs)

    return call


for _hook in [name for name in vars(Callback) if name.startswith("on_")]:
    _method = (_forward_with_place if "batch" in _hook or "epoch" in _hook else _forward)(_hook)
    _method.__name__, _method.__doc__ = _hook, f"Call ``{_hook}`` of every callback."
    setattr(CallbackList, _hook, _method)
