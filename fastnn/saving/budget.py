"""How much a model file may make us allocate: not much more than it stores.

A configuration of a hundred bytes can ask for petabytes.  While a file is being loaded, every weight is
charged to the load's budget before its memory is asked for.
"""

import contextlib
import threading

from fastnn.saving.errors import ModelFormatError

FACTOR = 4  # weights, and two or three optimiser slots for each, of which a file may store none
SLACK = 1 << 20  # elements: metrics, counters

_loads = threading.local()


@contextlib.contextmanager
def limit(stored, what):
    """Inside, `charge` refuses when this thread's charges pass ``FACTOR * stored + SLACK`` elements.

    Parameters
    ----------
    stored : int
        Elements of all the arrays in the file.
    what : str
        The file, for the message.
    """
    before = getattr(_loads, "open", None)
    _loads.open = [FACTOR * stored + SLACK, stored, what]
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
        Whether a load is under way, so that the values will be overwritten and any will do.

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
            raise ModelFormatError(f"{load[2]}: a weight of shape {tuple(shape)} is impossible")
        size *= length  # a Python int: it cannot overflow
    load[0] -= size
    if load[0] < 0:
        raise ModelFormatError(
            f"{load[2]}: the configuration asks for a weight of shape {tuple(shape)}, but the file stores "
            f"only {load[1]} numbers in all"
        )
    return True
