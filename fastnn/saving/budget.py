"""How much a model file may make us allocate and trace: not much more than it stores.

A configuration of a hundred bytes can ask for petabytes, or for a layer that is unrolled a billion times.  While a
file is being loaded, every weight is charged to the load's budget before its memory is asked for, and every operation
is counted.
"""

import contextlib
import math
import threading

from fastnn.saving.errors import ModelFormatError

FACTOR = 4  # weights, and two or three optimiser slots for each, of which a file may store none
SLACK = 1 << 20  # elements: metrics, counters
MAX_FRESH = 1 << 29  # elements of a model that is made from a text alone, which stores no weights
MAX_CONSTANT = 1 << 26  # elements of one array that an operation makes of its settings, such as a table of weights
MAX_OPERATIONS = 200_000  # some 30 microseconds each

_loads = threading.local()


class _Load:
    """What the load under way may still ask for."""

    def __init__(self, what, room, stored):
        self.what, self.room, self.stored, self.operations = what, room, stored, MAX_OPERATIONS


@contextlib.contextmanager
def limit(stored, what):
    """Inside, `charge` refuses when this thread's charges pass ``FACTOR * stored + SLACK`` elements.

    `count_operation` refuses after ``MAX_OPERATIONS``.

    Parameters
    ----------
    stored : int or None
        Elements of all the arrays in the file; None for a text, whose models may have ``MAX_FRESH``.
    what : str
        The file, for the message.
    """
    before = getattr(_loads, "open", None)
    _loads.open = _Load(what, MAX_FRESH if stored is None else FACTOR * stored + SLACK, stored)
    try:
        yield
    finally:
        _loads.open = before


def charge(shape, dtype=None):
    """Ask for the memory of an array that is about to be allocated.

    Parameters
    ----------
    shape : tuple of int
    dtype : str, optional
        Elements are counted, not bytes: files may store half of a variable's precision.

    Returns
    -------
    bool
        Whether the values will be overwritten with those of a file, so that any will do.

    Raises
    ------
    ModelFormatError
        When the file being loaded stores too little for what its configuration asks for.
    """
    load = getattr(_loads, "open", None)
    if load is None:
        return False
    size = 1
    for length in shape:
        if not isinstance(length, int) or length < 0:
            raise ModelFormatError(f"{load.what}: a weight of shape {tuple(shape)} is impossible")
        size *= length  # a Python int: it cannot overflow
    load.room -= size
    if load.room < 0:
        held = f"the file stores only {load.stored} numbers in all"
        if load.stored is None:
            held = f"{MAX_FRESH} numbers are the most of a model from a text: make larger ones in code"
        raise ModelFormatError(f"{load.what}: the configuration asks for a weight of shape {tuple(shape)}, but {held}")
    return load.stored is not None


def count_operation():
    """Count an operation that is traced, or computed, against what a load may do."""
    load = getattr(_loads, "open", None)
    if load is None:
        return
    load.operations -= 1
    if load.operations < 0:
        raise ModelFormatError(
            f"{load.what}: the model takes more than {MAX_OPERATIONS} operations, as a recurrent layer does that is "
            "unrolled over a long sequence: make it in code and use load_weights()"
        )


def check_constant(shape):
    """Refuse, during a load, an array that follows from a configuration and has more than ``MAX_CONSTANT`` elements."""
    load = getattr(_loads, "open", None)
    if load is not None and math.prod(shape) > max(MAX_CONSTANT, FACTOR * (load.stored or 0)):
        raise ModelFormatError(f"{load.what}: the configuration asks for a constant of shape {tuple(shape)}")
