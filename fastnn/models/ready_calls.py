"""Calls on single batches, made ready: what depends on the form of a batch alone is done once.

The first batch of a form takes the general path through `models/evaluation.py` and leaves its executable here as a
`native.BatchCall`.  Later batches of plain arrays of the same shapes and dtypes go straight to C.  Whatever is not just
so, down to a label out of range, takes the general path, which knows all conversions and all messages.
"""

import threading

import numpy as np

from fastnn import config
from fastnn.engine.threads import get_num_threads
from fastnn.models.objective import label_classes


def form_of(kind, *arrays):
    """The key of a call: its kind, shapes and dtypes; None unless all are plain NumPy arrays."""
    form = [kind]
    for array in arrays:
        if type(array) is not np.ndarray:
            return None
        form += array.shape, array.dtype
    return tuple(form)


def learning_rates(model):
    """The rates of the optimisers, each a schedule or a Variable: another one is another program."""
    return () if model.optimizer is None else tuple(part._learning_rate for part in model.optimizer.parts())


class ReadyCalls:
    """The calls of one model by form.

    Attributes
    ----------
    measuring : lock
        Held by a call that measures: metrics have one place in memory, however many threads call the model.
    """

    def __init__(self):
        self._calls = {}
        self.measuring = threading.RLock()  # a step of the user's own may measure another batch
        self.names = []  # of the results of calls that measure

    def __reduce__(self):
        return ReadyCalls, ()  # a copy of the model has none yet

    def clear(self):
        self._calls.clear()

    def results(self, model, form, arrays, step):
        """(program, what it gives for these arrays), or None: then nothing was done.

        A call holds while the model would choose the same executable: the float type, the learning rate's schedule and
        the places of all variables are those of its first batch.
        """
        entry = self._calls.get(form)
        if entry is None:
            return None
        executable, optimizer, rates, call = entry
        if executable.stale() or model.optimizer is not optimizer or config.floatx() != "float32":
            return None
        for part, rate in rates:
            if part._learning_rate is not rate:
                return None
        results = call(arrays, model._draw_seed(), step, get_num_threads() if call.shared else 1)
        return None if results is None else (executable.program, results)

    def keep(self, model, form, executable, data, measured):
        """Make ready the call that an executable has just done for these batches, if that can be.

        Parameters
        ----------
        measured : bool
            The results are the loss and the metrics.
        """
        arrays = tuple(data.x + data.y)
        given = [array for array in data.structure if array is not None]
        if form is None or config.floatx() != "float32" or any(a is not b for a, b in zip(arrays, given, strict=True)):
            return
        limits, quotients = None, {}
        if measured:
            limits, quotients = _limits(model.objective, executable.program, data.y), model._quotients()
            if limits is UNCHECKED or quotients is None:
                return
            self.names = list(quotients)
        call = executable.ready(arrays, limits, list(quotients.values()))
        if call is not None:
            optimizer = model.optimizer
            parts = optimizer.parts() if measured and optimizer is not None else ()
            self._calls[form] = executable, optimizer, [(part, part._learning_rate) for part in parts], call


UNCHECKED = object()  # targets that C cannot check


def _limits(objective, program, targets):
    """(low, high) between which the integers of the targets must lie; None where nothing is to be checked."""
    if not targets:
        return None
    if program.prediction_shapes is None:
        return UNCHECKED
    (y,), parts = targets, objective.parts or [None]
    if len(parts) > 1:
        return UNCHECKED
    loss = parts[0] and parts[0].loss
    classes = label_classes(loss, program.prediction_shapes[0])
    kind = y.dtype.name
    if classes is not None:
        plain = kind in ("uint8", "int32", "int64") and loss.get_config().get("ignore_class") is None
        return (0, classes) if plain else UNCHECKED
    return {"int64": (-(2**31), 2**31), "uint32": UNCHECKED}.get(kind)
