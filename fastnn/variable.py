"""Variables: the arrays that training changes, and the storage that keeps many of them side by side."""

import threading

import numpy as np

from fastnn.engine import native
from fastnn.graph.program import Arithmetic, Tensor, current_program

ALIGNMENT = 64  # bytes: every variable starts on a cache line
_AGGREGATIONS = ("none", "mean", "sum", "only_first_replica")
_SYNCHRONIZATIONS = ("auto", "none", "on_write", "on_read")
MOST_LOOSE = 4  # storages of one kind in a program
_making = threading.Lock()  # of a storage: another thread may ask for it too


class Storage(Arithmetic):
    """One block of memory with several variables in it, each on a cache line of its own.

    It behaves as a variable itself, of shape (size,): an optimiser updates all weights of a model in one pass over it.

    Attributes
    ----------
    flat : float32, float64 or int32 array of shape (size,)
        The elements, the gaps between variables included (they stay zero).
    gathered : bool
        Whether these variables are needed side by side: then they are not moved for another reason.
    """

    def __init__(self, variables, dtype):
        self.dtype, self.gathered = dtype, False
        self.variables = list(variables)
        item = np.dtype(dtype).itemsize
        step = ALIGNMENT // item
        self.offsets, size = [], 0
        for variable in self.variables:
            self.offsets.append(size)
            size += -(-max(variable.size, 1) // step) * step
        self.flat = _aligned_zeros(size, dtype)
        self.shape = (size,)

    @property
    def value(self):
        return self.flat

    def adopt(self):
        """Move the variables in: they keep their values and live here from now on."""
        native.note_change()
        for variable, offset in zip(self.variables, self.offsets, strict=True):
            self._move(variable, offset)

    def _move(self, variable, offset):
        view = self.flat[offset : offset + variable.size].reshape(variable.shape)
        variable.move(self, offset, view)


def _aligned_zeros(size, dtype):
    raw = np.zeros(size * np.dtype(dtype).itemsize + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size * np.dtype(dtype).itemsize].view(dtype)


def holds_exactly(storage, variables):
    """Whether a storage holds these variables in this order, and no other."""
    held = storage.variables
    return len(held) == len(variables) and all(
        a is b and b.storage is storage for a, b in zip(held, variables, strict=True)
    )


def gather_storage(variables, dtype):
    """The storage that holds exactly these variables in this order, made if there is none yet."""
    variables = list(variables)
    storage = variables[0]._storage if variables else None
    if storage is not None and storage.dtype == dtype and holds_exactly(storage, variables):
        storage.gathered = True
        return storage
    storage = Storage(variables, dtype)
    storage.gathered = True
    storage.adopt()
    return storage


def gather_loose(variables):
    """Move the variables that lie alone, or in storages nobody asked for, into a few, as a program numbers them all.

    Trainable variables stay apart from others, as an optimiser may gather them later and their memory is then freed.
    """
    groups = {}
    for variable in variables:
        if variable._storage is None or not variable._storage.gathered:
            groups.setdefault((variable.dtype, variable.trainable), {})[variable] = None
    for (dtype, _), group in groups.items():
        if len({id(variable._storage or variable) for variable in group}) > MOST_LOOSE:
            Storage(group, dtype).adopt()


class Variable(Arithmetic):
    """An array that a program may change.

    Parameters
    ----------
    initializer : array-like or callable
        The first value, or a function ``(shape, dtype)`` that makes it; None for zeros.
    shape : tuple of int, optional
        Needed with a callable and with None.
    dtype : str, optional
        ``floatx()`` unless given.
    trainable : bool
    autocast : bool
        Accepted as in Keras.
    aggregation, synchronization : str
        Accepted as in Keras: how copies on several devices are joined, of which there is one.
    name : str
    layout : None
        There are no several devices to lay a variable out on.
    """

    def __init__(
        self, initializer, shape=None, dtype=None, trainable=True, autocast=True, aggregation="none",
        synchronization="auto", name="variable", layout=None,
    ):  # fmt: skip
        from fastnn import config

        _check_distribution(aggregation, synchronization, layout)
        self.dtype = dtype or config.floatx()
        self.trainable, self.name, self.path = bool(trainable), name, name
        self.regularizer = self.constraint = None
        if shape is None and (initializer is None or callable(initializer)):
            raise ValueError(f"Variable {name!r}: zeros and a callable initializer need a shape")
        if callable(initializer):
            initializer = initializer(tuple(shape), dtype=self.dtype)
        self._value = None if initializer is None else np.array(initializer, self.dtype)
        self.shape = tuple(map(int, shape)) if initializer is None else self._value.shape
        self._storage = None  # until someone asks for it or for the numbers, which then stay where they are

    def _make_storage(self):
        with _making:
            if self._storage is None:
                Storage([self], self.dtype).adopt()

    @property
    def storage(self):
        """The block of memory that the variable lies in: one of its own, unless it was gathered."""
        if self._storage is None:
            self._make_storage()
        return self._storage

    def move(self, storage, offset, view):
        """Lie from now on in a part of a storage."""
        view[...] = 0 if self._value is None else self._value  # zeros too: threads that touch it first do it slower
        self.offset, self._value, self._storage = offset, view, storage

    @property
    def value(self):
        """The numbers: a NumPy array that the next training step changes.  Copy it to keep it."""
        if self._storage is None:
            self._make_storage()
        return self._value

    def numpy(self):
        """A copy of the numbers."""
        return self.value.copy()

    def assign(self, value):
        """Replace the numbers; inside a traced program, when the program has run."""
        program = value.program if isinstance(value, Tensor) else current_program()
        shape = np.shape(value) if not hasattr(value, "shape") else tuple(value.shape)
        if shape != self.shape:
            raise ValueError(f"Variable {self.path!r}: expected a value of shape {self.shape}, received {shape}")
        if program is not None:
            tensor = program.tensor(value)
            if tensor.dtype != self.dtype:
                from fastnn import ops

                tensor = ops.cast(tensor, self.dtype)
            program.assign(self, tensor)
        else:
            self.value[...] = value.value if isinstance(value, Arithmetic) else value
        return self

    def assign_add(self, value):
        """``assign(self + value)``."""
        return self.assign(self + value)

    def assign_sub(self, value):
        """``assign(self - value)``."""
        return self.assign(self - value)

    def __array__(self, dtype=None, copy=None):
        return np.array(self.value, dtype or self.dtype)

    def __float__(self):
        return float(self.value)

    def __int__(self):
        return int(self.value)

    def __repr__(self):
        return f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}, value={self.value}>"

    def __reduce__(self):
        state = {"path": self.path, "regularizer": self.regularizer, "constraint": self.constraint}
        return _rebuild, (self.numpy(), self.dtype, self.trainable, self.name), state


def _check_distribution(aggregation, synchronization, layout):
    """Raise unless one device can do what is asked for."""
    known = {"aggregation": (None, *_AGGREGATIONS), "synchronization": (None, *_SYNCHRONIZATIONS)}
    for what, value in (("aggregation", aggregation), ("synchronization", synchronization)):
        if value not in known[what]:
            raise ValueError(f"Variable: {what} must be one of {known[what]}, received {value!r:.80}")
    if layout is not None:
        raise ValueError(f"Variable: layout={layout!r:.80} is for several devices, and there is one: leave it out")


def _rebuild(value, dtype, trainable, name):
    return Variable(value, dtype=dtype, trainable=trainable, name=name)
