"""A model is a program of primitives: tensors, instructions, and the flat list that holds them.

`apply` is the single door through which every primitive is used.  Given arrays only, it computes at once with the
primitive's NumPy reference.  Given a `Tensor` (or, while a program is being traced, a `Variable`), it appends an
instruction to the program and returns symbolic tensors.
"""

import contextlib
import math
import threading
from collections import Counter

import numpy as np

from fastnn import config
from fastnn.engine import native
from fastnn.saving import budget

_OPERATORS = frozenset((
    "add", "subtract", "multiply", "divide", "power", "matmul", "less", "less_equal", "greater", "greater_equal",
    "equal", "not_equal",
))  # fmt: skip


class Arithmetic:
    """Python's operators, spelled with `fastnn.ops`; shared by tensors and variables."""

    __hash__ = object.__hash__

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        """``array + tensor`` and ``array += tensor``, which leaves the array as it is and binds the name anew."""
        name = "divide" if ufunc.__name__ == "true_divide" else ufunc.__name__
        if method != "__call__" or options or name not in _OPERATORS:
            raise TypeError(f"numpy.{ufunc.__name__} takes no {type(self).__name__}: use fastnn.ops in place of NumPy")
        return getattr(_ops(), name)(*inputs)

    def __add__(self, other):
        return _ops().add(self, other)

    def __radd__(self, other):
        return _ops().add(other, self)

    def __sub__(self, other):
        return _ops().subtract(self, other)

    def __rsub__(self, other):
        return _ops().subtract(other, self)

    def __mul__(self, other):
        return _ops().multiply(self, other)

    def __rmul__(self, other):
        return _ops().multiply(other, self)

    def __truediv__(self, other):
        return _ops().true_divide(self, other)

    def __rtruediv__(self, other):
        return _ops().true_divide(other, self)

    def __floordiv__(self, other):
        return _ops().floor_divide(self, other)

    def __rfloordiv__(self, other):
        return _ops().floor_divide(other, self)

    def __mod__(self, other):
        return _ops().mod(self, other)

    def __rmod__(self, other):
        return _ops().mod(other, self)

    def __pow__(self, other):
        return _ops().power(self, other)

    def __rpow__(self, other):
        return _ops().power(other, self)

    def __matmul__(self, other):
        return _ops().matmul(self, other)

    def __rmatmul__(self, other):
        return _ops().matmul(other, self)

    def __neg__(self):
        return _ops().negative(self)

    def __abs__(self):
        return _ops().absolute(self)

    def __round__(self, ndigits=None):
        return _ops().round(self, decimals=ndigits or 0)

    def __invert__(self):
        return _ops().logical_not(self)

    def __and__(self, other):
        return _ops().logical_and(self, other)

    def __rand__(self, other):
        return _ops().logical_and(other, self)

    def __or__(self, other):
        return _ops().logical_or(self, other)

    def __ror__(self, other):
        return _ops().logical_or(other, self)

    def __xor__(self, other):
        return _ops().logical_xor(self, other)

    def __rxor__(self, other):
        return _ops().logical_xor(other, self)

    def __lt__(self, other):
        return _ops().less(self, other)

    def __le__(self, other):
        return _ops().less_equal(self, other)

    def __gt__(self, other):
        return _ops().greater(self, other)

    def __ge__(self, other):
        return _ops().greater_equal(self, other)

    def __eq__(self, other):
        return _ops().equal(self, other)

    def __ne__(self, other):
        return _ops().not_equal(self, other)

    def __getitem__(self, key):
        return _ops().get_item(self, key)

    @property
    def ndim(self):
        return len(self.shape)

    @property
    def size(self):
        return math.prod(self.shape)

    def __len__(self):
        if not self.shape:
            raise TypeError("len() of a tensor without axes")
        return self.shape[0]


def _ops():
    from fastnn import ops

    return ops


class Tensor(Arithmetic):
    """A value of a program: its shape and dtype are known, its numbers only when the program runs.

    Attributes
    ----------
    program : Program
        None where `kind` is ``"declared"``.
    shape : tuple of int
        A declared tensor has None for unknown sizes.
    dtype : str
        ``"float32"``, ``"float64"``, ``"int32"`` or ``"bool"``.
    kind : str
        ``"input"``, ``"variable"`` (data is the Variable), ``"constant"`` (data is an array), ``"counter"`` (data is
        the Variable that counts the runs), ``"result"`` (data is the Instruction that makes it) or ``"declared"`` (part
        of a model being put together, see graph/declaration.py; data tells where it comes from).
    mask : Tensor or None
        Which elements of a sequence are there, see graph/masks.py.
    """

    __slots__ = ("data", "dtype", "kind", "mask", "name", "program", "shape")

    def __init__(self, program, shape, dtype, kind, data=None, name=""):
        self.program, self.shape, self.dtype = program, tuple([None if n is None else int(n) for n in shape]), dtype
        self.kind, self.data, self.name, self.mask = kind, data, name, None

    @property
    def producer(self):
        return self.data if self.kind == "result" else None

    @property
    def _keras_history(self):
        return self.data if self.kind == "declared" else None

    @property
    def _keras_mask(self):
        return None if self.kind == "declared" else self.mask  # there only its shape is known

    def __repr__(self):
        return f"<Tensor {self.name or self.kind} shape={self.shape} dtype={self.dtype}>"

    def __bool__(self):
        raise TypeError(
            "a symbolic tensor has no truth value while the program is traced: use ops.where(condition, a, b) "
            "instead of if, or compile(run_eagerly=True) to look at numbers"
        )

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            f"{self!r} has no numbers while the program is traced: use fastnn.ops in place of NumPy functions, or "
            "compile(run_eagerly=True) to look at numbers"
        )

    def __iter__(self):
        return (self[i] for i in range(len(self)))


class Instruction:
    """One primitive applied to tensors."""

    __slots__ = ("attributes", "inputs", "outputs", "primitive", "scope")

    def __init__(self, primitive, inputs, attributes, scope=""):
        self.primitive, self.inputs, self.attributes, self.scope = primitive, tuple(inputs), attributes, scope
        self.outputs = ()

    def __repr__(self):
        shapes = ", ".join(str(t.shape) for t in self.inputs)
        results = ", ".join(str(t.shape) for t in self.outputs)
        return f"{self.primitive.name}({shapes}) -> {results}"


class Program:
    """A flat list of instructions with its inputs, outputs and variable updates.

    Use it as a context manager to trace: within it, reading a `Variable` gives a tensor and assigning one is recorded.
    """

    tensor_type = Tensor
    computes = False  # True where tensors have their numbers at once, see engine/eager.py

    def __init__(self):
        self.inputs = []
        self.outputs = []
        self.instructions = []
        self.updates = {}  # Variable or Storage -> Tensor: written back when a run of the program ends
        self.counter = None  # the tensor of the counter that was asked for first
        self.counted = {}  # integer Variable -> how many a run of the program adds to it
        self.leads = {}  # integer Variable -> float Variable: how far it is ahead of the first counter before a run
        self.random_streams = 0
        self.losses = []  # (layer, scalar tensor) from add_loss and activity regularizers
        self.prediction_shapes = None  # of the outputs that a loss compared with targets
        self.logs = None  # name -> Variable that holds what a step of the user's own returned
        self.scopes = []
        self._variables = {}
        self._constants = {}
        self._equals = {}  # id of a tensor -> the tensor that later instructions read in its place
        self._known = {}  # what has been computed already: (primitive, inputs, attributes) -> outputs

    def __enter__(self):
        native.note_trace(1)
        _state.stack.append(self)
        return self

    def __exit__(self, *_):
        _state.stack.pop()
        native.note_trace(-1)

    def input(self, shape, dtype="float32", name=""):
        """A new symbolic input of the program."""
        tensor = self.tensor_type(self, shape, dtype, "input", name=name or f"input_{len(self.inputs)}")
        self.inputs.append(tensor)
        return tensor

    def variable(self, variable):
        """The present value of a variable: what was assigned in this program, or what it held before."""
        if variable in self.updates:
            return self.updates[variable]
        if getattr(variable, "storage", None) in self.updates:
            start, flat = variable.offset, self.updates[variable.storage]
            return _ops().reshape(flat[start : start + variable.size], variable.shape)
        if variable not in self._variables:
            self._variables[variable] = self.tensor_type(
                self, variable.shape, variable.dtype, "variable", variable, getattr(variable, "path", "")
            )
        return self._variables[variable]

    def stored(self):
        """The Variables and Storages that a run reads or writes; one that it does both with stands twice."""
        return [*self._variables, *self.updates]

    def replace(self, tensor, equal):
        """From here on, read `equal` where `tensor` is asked for: both hold the same numbers."""
        self._equals[id(tensor)] = equal

    def assign(self, variable, value):
        """Give a Variable or Storage a value when a run of the program ends."""
        self.updates[variable] = self.tensor(value)

    def count(self, counter):
        """What the integer Variable `counter` holds, as a float scalar."""
        if self.counter is None:
            self.counter = self.tensor_type(self, (), config.floatx(), "counter", counter, "iteration")
        steps = self.counter
        if counter is not steps.data:
            steps = steps + self.variable(self._lead(counter))
        done = self.counted.get(counter, 0)
        return steps + float(done) if done else steps

    def count_up(self, counter):
        """Add one to the integer Variable `counter` in each run."""
        self.count(counter)
        self.counted[counter] = self.counted.get(counter, 0) + 1

    def _lead(self, counter):
        if counter not in self.leads:
            from fastnn.variable import Variable

            self.leads[counter] = Variable(0.0, name="lead")
        return self.leads[counter]

    @property
    def counts_evenly(self):
        """True if a run adds one to each counter, so that their distances stay."""
        return self.counter is None or all(self.counted.get(c) == 1 for c in (self.counter.data, *self.leads))

    def set_leads(self):
        """Before a run: say how far the counters are apart."""
        for counter, lead in self.leads.items():
            lead.value[...] = int(counter.value) - int(self.counter.data.value)

    def count_runs(self, runs):
        """After so many runs: move the counters on."""
        for counter, each in self.counted.items():
            counter.value[...] += runs * each

    def constant(self, value):
        array = np.asarray(value)
        budget.check_constant(array.shape)
        if array.dtype.kind == "f":
            dtype = "float64" if array.dtype == np.float64 and config.floatx() == "float64" else "float32"
        else:
            dtype = {"b": "bool", "i": "int32", "u": "int32"}.get(array.dtype.kind)
        if dtype is None:
            raise TypeError(f"a constant of dtype {array.dtype} cannot enter a program: give numbers or booleans")
        array = np.ascontiguousarray(array, dtype).reshape(array.shape)
        if array.size > 16:
            return self.tensor_type(self, array.shape, dtype, "constant", array)
        key = (dtype, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self.tensor_type(self, array.shape, dtype, "constant", array)
        return self._constants[key]

    def tensor(self, value):
        """Any operand as a tensor of this program."""
        if isinstance(value, Tensor):
            if value.program is not self:
                raise ValueError(
                    f"{value!r} belongs to another program: a tensor made while one function was traced cannot be kept "
                    "and used in another; return it from the function, or assign it to a Variable"
                )
            return self._equals.get(id(value), value)
        if isinstance(value, Arithmetic):
            return self.variable(value)
        return self.constant(value)

    def append(self, primitive, inputs, attributes):
        """The outputs of a primitive applied to tensors; the same primitive on the same tensors is computed once."""
        key = (primitive.name, tuple(map(id, inputs)), tuple(attributes.items()))
        if key in self._known:
            return self._known[key]
        instruction = Instruction(primitive, inputs, attributes, self.scopes[-1] if self.scopes else "")
        results = primitive.infer(*instruction.inputs, **attributes)
        instruction.outputs = tuple(
            self.tensor_type(self, shape, dtype, "result", instruction) for shape, dtype in results
        )
        self.instructions.append(instruction)
        self._known[key] = instruction.outputs
        return instruction.outputs

    def readers(self):
        """How many instructions, outputs and updates read the tensor with an id."""
        read = Counter(id(t) for i in self.instructions for t in i.inputs)
        read.update(id(t) for t in (*self.outputs, *self.updates.values()))
        return read

    @contextlib.contextmanager
    def inserting(self, place):
        """Instructions that are appended inside stand from this place of the list on, and are new ones."""
        rest, known = self.instructions[place:], self._known
        del self.instructions[place:]
        self._known = {}
        try:
            yield
        finally:
            self.instructions += rest
            self._known = known

    @contextlib.contextmanager
    def scope(self, name):
        """Label the instructions traced inside with the layer they belong to."""
        self.scopes.append(name)
        try:
            yield
        finally:
            self.scopes.pop()

    def next_stream(self):
        """A number that no other random primitive of this program uses."""
        self.random_streams += 1
        return self.random_streams - 1


class _State(threading.local):
    def __init__(self):
        self.stack = [None]


_state = _State()


def current_program():
    """The program being traced in this thread, or None."""
    return _state.stack[-1]


@contextlib.contextmanager
def eager():
    """Compute at once inside, even while a program is being traced (layers create their weights so)."""
    _state.stack.append(None)
    try:
        yield
    finally:
        _state.stack.pop()


def apply(primitive, *inputs, **attributes):
    """Use a primitive: append it to a program, or compute it now.

    Returns one tensor or array, or a tuple where the primitive has several outputs.
    """
    budget.count_operation()
    program = _program_of(inputs)
    if program is None:
        results = primitive.reference(*(as_array(x) for x in inputs), **attributes)
        return results
    tensors = [program.tensor(x) for x in _adopt(inputs)]
    if all(t.kind == "constant" for t in tensors) and primitive.name != "broadcast_to":
        results = primitive.reference(*(t.data for t in tensors), **attributes)
        results = tuple(map(program.constant, results if primitive.n_outputs > 1 else (results,)))
    else:
        results = program.append(primitive, tensors, attributes)
    return results if primitive.n_outputs > 1 else results[0]


def _program_of(inputs):
    for value in inputs:
        if isinstance(value, Tensor):
            return value.program
    if current_program() is not None and any(isinstance(value, Arithmetic) for value in inputs):
        return current_program()
    return None


def _adopt(inputs):
    """Python numbers take the dtype of the tensors beside them, as in NumPy."""
    if not any(isinstance(value, (int, float)) for value in inputs):
        return inputs
    dtypes = {v.dtype for v in inputs if isinstance(v, Arithmetic)}
    floating = next((d for d in dtypes if d.startswith("float")), None)

    def adopted(value):
        if floating and isinstance(value, (int, float)) and not isinstance(value, bool):
            return np.asarray(value, floating)
        return np.asarray(value, config.floatx()) if isinstance(value, float) else value

    return map(adopted, inputs)


def as_array(value):
    """An operand of an eager computation as a NumPy array.

    Arrays keep their dtype; Python numbers stay Python numbers (they are weak); lists become floatx or int32.
    """
    if isinstance(value, (np.ndarray, np.generic, bool, int, float)):
        return value
    if isinstance(value, Arithmetic):
        return value.value
    array = np.asarray(value)
    if hasattr(value, "__array__"):
        return array
    if array.dtype.kind == "f":
        return array.astype(config.floatx())
    return array.astype("int32") if array.dtype.kind in "iu" else array
