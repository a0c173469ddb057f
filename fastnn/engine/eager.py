"""Programs that compute while they are traced: every tensor has its numbers at once.

The instructions and their order are those of a traced program, and the arithmetic is the reference's, so the results
are those of the reference engine, bit for bit; but a debugger or ``print`` in a user's `call` or `train_step` shows
real values, and Python may branch on them.
"""

import numpy as np

from fastnn import config
from fastnn.engine.reference import compute
from fastnn.graph.program import Program, Tensor
from fastnn.variable import Storage


class EagerTensor(Tensor):
    """A tensor with its numbers.

    Attributes
    ----------
    value : array
    """

    __slots__ = ("value",)

    def __repr__(self):
        return f"<Tensor {self.name or self.kind} shape={self.shape} dtype={self.dtype} value={self.value}>"

    def __format__(self, spec):
        return format(self.value[()] if self.shape == () else self.value, spec)

    def __array__(self, dtype=None, copy=None):
        return np.array(self.value, dtype or self.value.dtype)

    def __bool__(self):
        return bool(self.value)

    def __float__(self):
        return float(self.value)

    def __int__(self):
        return int(self.value)

    def numpy(self):
        """A copy of the numbers."""
        return self.value.copy()


class EagerProgram(Program):
    """A program whose instructions are computed when they are appended, and whose updates are written at once.

    Parameters
    ----------
    arrays : iterable of arrays, optional
        The numbers of the inputs, in order.
    seed, step : int
        Key and counter of the random numbers.
    """

    tensor_type = EagerTensor
    computes = True

    def __init__(self, arrays=(), seed=0, step=0):
        super().__init__()
        self.arrays, self.seed, self.step = iter(arrays), seed, step

    def input(self, shape, dtype="float32", name=""):
        tensor = super().input(shape, dtype, name)
        _fill(tensor, next(self.arrays))
        return tensor

    def variable(self, variable):
        known = variable in self._variables
        tensor = super().variable(variable)
        if tensor.kind == "variable" and not known:
            _fill(tensor, variable.value.copy())  # an update of the variable leaves the tensor as it is
        return tensor

    def constant(self, value):
        tensor = super().constant(value)
        tensor.value = tensor.data
        return tensor

    def append(self, primitive, inputs, attributes):
        outputs = super().append(primitive, inputs, attributes)
        if not hasattr(outputs[0], "value"):
            results = compute(outputs[0].data, [t.value for t in inputs], self.seed, self.step)
            for tensor, array in zip(outputs, results, strict=True):
                _fill(tensor, array)
        return outputs

    def assign(self, variable, value):
        super().assign(variable, value)
        target = variable.flat if isinstance(variable, Storage) else variable.value
        target[...] = self.updates[variable].value

    def count(self, counter):
        tensor = EagerTensor(self, (), config.floatx(), "counter", counter, "iteration")
        _fill(tensor, np.asarray(counter.value))
        return tensor

    def count_up(self, counter):
        counter.value[...] += 1


def _fill(tensor, array):
    array = np.asarray(array)
    tensor.value = array if array.dtype == tensor.dtype else array.astype(tensor.dtype)


class EagerExecutable:
    """A step that is traced anew, and computed meanwhile, for every batch.

    Parameters
    ----------
    trace : callable
        Traces the step into the program that it is given, and returns it.

    Attributes
    ----------
    program : EagerProgram or None
        The last batch's.
    """

    engine = "eager"

    def __init__(self, trace):
        self.trace, self.program = trace, None

    def run(self, rows, batch=1, first=0, seed=0, step=0, **_):
        """The first of the iterations that `NativeExecutable.run` would do; the results are in `program`."""
        self.program = self.trace(EagerProgram([r.batch(first, batch) for r in rows], seed, step))
        return 1
