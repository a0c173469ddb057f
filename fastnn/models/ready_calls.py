"""Calls on single batches, made ready: what depends on the form of a batch alone is done once.

The first batch of a form takes the general path through `models/evaluation.py` and leaves its executable here as a
`native.BatchCall`.  Later batches of plain arrays of the same shapes and dtypes go straight to C.  Whatever is not just
so, down to a label out of range, takes the general path, which knows all conversions and all messages.
"""

import threading

import numpy as np

from fastnn import config
from fastnn.engine import native
from fastnn.engine.threads import get_num_threads
from fastnn.models.objective import label_classes


class ReadyCalls(native.BatchCalls):
    """The calls of one model by kind and form.

    Attributes
    ----------
    measuring : lock
        Held by a call that measures: metrics have one place in memory, however many threads call the model.
    """

    def __init__(self):
        super().__init__(get_num_threads)
        self.measuring = threading.RLock()  # a step of the user's own may measure another batch

    def __reduce__(self):
        return ReadyCalls, ()  # a copy of the model has none yet

    def keep(self, model, kind, executable, data, finish, measured=False):
        """Make ready the call that an executable has just done for these batches, if that can be.

        It holds while the model would choose the same executable: the float type, the schedules of the learning rates
        and the places of all variables are those of its first batch.

        Parameters
        ----------
        finish : callable or None
            Makes of the list of results what a call returns; None for the first of them.
        measured : bool
            The results are the loss and the metrics, by name; finish is not used.
        """
        arrays = tuple(data.x + data.y)
        given = [array for array in data.structure if array is not None]
        plain = all(a is b and type(a) is np.ndarray for a, b in zip(arrays, given, strict=True))
        if not plain or config.floatx() != "float32":
            return
        limits, quotients = None, {}
        if measured:
            limits, quotients = _limits(model.objective, executable.program, data.y), model._quotients()
            if limits is UNCHECKED or quotients is None:
                return
            names = list(quotients)

            def finish(results):
                return dict(zip(names, results, strict=True))

        call = executable.ready(arrays, limits, list(quotients.values()))
        if call is None:
            return
        optimizer = model.optimizer
        trains = kind == "train" and optimizer is not None
        rates = [(part, part._learning_rate) for part in optimizer.parts()] if trains else []

        def holds():
            if executable.stale() or config.floatx() != "float32":
                return False
            for part, rate in rates:
                if part._learning_rate is not rate:
                    return False
            return not trains or model.optimizer is optimizer

        self.add(kind, call, holds, not trains, finish)


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
