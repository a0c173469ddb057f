"""Models put together from tensors that no program has yet: `Input`, layers called on it, operations between them.

A declared tensor is a `Tensor` without a program; None stands for sizes that only data tells.  Whoever is called on one
is remembered in a `Node`, and a trace of that call alone gives the shapes that come out.  A `Graph` is what lies
between some declared tensors; running it calls the same layers on the tensors of a program.
"""

import collections
import functools
import inspect

from fastnn import config
from fastnn.graph.program import Program, Tensor
from fastnn.naming import unique_name
from fastnn.tree import flatten, map_structure

UNKNOWN = (128, 256)  # sizes tried for None: an axis that differs between the two is unknown too

AT_ONCE = {"convert_to_numpy", "dtype", "is_tensor", "shape"}  # functions of what a tensor is, not of its numbers

History = collections.namedtuple("History", ["operation", "node_index", "tensor_index"])


def is_declared(value):
    """True for a declared tensor, and for a list, tuple or dict that holds one."""
    if isinstance(value, Tensor):
        return value.kind == "declared"
    if isinstance(value, (list, tuple)):
        return any(map(is_declared, value))
    return isinstance(value, dict) and any(map(is_declared, value.values()))


class Node:
    """One call of an operation (a layer, a model, a function of `fastnn.ops`) on declared tensors.

    Attributes
    ----------
    operation : Layer, Operation or FunctionOperation
    args, kwargs : what it was called with
    outputs : structure of declared tensors
    """

    def __init__(self, operation, args, kwargs, shapes):
        self.operation, self.args, self.kwargs = operation, args, kwargs
        count = iter(range(1 << 30))

        def output(leaf):
            history = History(operation, len(operation._inbound_nodes), next(count))
            tensor = Tensor(None, leaf.shape, leaf.dtype, "declared", history, operation.name)
            tensor.mask = leaf.mask
            return tensor

        self.outputs = map_structure(output, shapes)
        operation._inbound_nodes.append(self)

    @property
    def inputs(self):
        """The declared tensors among the arguments."""
        return [t for t in flatten((self.args, self.kwargs)) if is_declared(t)]


def node_of(tensor):
    """The node that made a declared tensor."""
    return tensor.data.operation._inbound_nodes[tensor.data.node_index]


def is_keras_tensor(x):
    """True for what `Input`, and layers called on it, give."""
    return isinstance(x, Tensor) and x.kind == "declared"


def get_source_inputs(tensor):
    """The tensors of `Input` that a declared tensor, or one of a structure of them, depends on."""
    found, seen, stack = [], set(), list(reversed(flatten(tensor)))
    while stack:
        current = stack.pop()
        if not is_keras_tensor(current):
            raise ValueError(
                f"get_source_inputs: expected what Input or a layer called on it gives, received {current!r:.80}"
            )
        node = node_of(current)
        if id(node) in seen:
            continue
        seen.add(id(node))
        if not node.inputs:
            found += flatten(node.outputs)
        stack += reversed(node.inputs)
    return found


class Sized:
    """Shape and dtype of an output not made yet, and of its mask, if it will carry one."""

    def __init__(self, shape, dtype, mask=None):
        self.shape, self.dtype, self.mask = shape, dtype, mask


def record(operation, args, kwargs):
    """Call an operation on declared tensors; returns those that come out."""
    return Node(operation, args, kwargs, inferred(operation, args, kwargs)).outputs


def inferred(operation, args, kwargs):
    """Shapes and dtypes of what a call gives, with None where a size follows from an unknown one."""
    first = _traced(operation, args, kwargs, UNKNOWN[0])
    if all(None not in t.shape for t in flatten((args, kwargs)) if is_declared(t)):
        return map_structure(lambda t: _merged(t, t), first)
    second = iter(flatten(_traced(operation, args, kwargs, UNKNOWN[1])))
    return map_structure(lambda t: _merged(t, next(second)), first)


def _merged(a, b):
    """What two traces with different sizes for None have in common."""
    sizes = zip(a.shape, b.shape, strict=True)
    mask = None if a.mask is None else _merged(a.mask, b.mask)
    return Sized(tuple(m if m == n else None for m, n in sizes), a.dtype, mask)


def _traced(operation, args, kwargs, unknown):
    with Program() as program:
        known = {}

        def traced(value):
            if not is_declared(value):
                return value
            if id(value) not in known:
                known[id(value)] = made(value, program_dtype(value.dtype))
            return known[id(value)]

        def made(value, dtype):
            tensor = program.input([unknown if n is None else n for n in value.shape], dtype)
            if value.mask is not None:
                tensor.mask = made(value.mask, "bool")
            return tensor

        outputs = operation(*map_structure(traced, args), **map_structure(traced, kwargs))
        return map_structure(lambda t: t if isinstance(t, Tensor) else program.tensor(t), outputs)


def program_dtype(dtype):
    """The dtype under which a declared input enters a program."""
    if dtype in ("bool", "float64"):
        return config.floatx() if dtype == "bool" else dtype
    return "int32" if "int" in dtype else "float32"


class FunctionOperation:
    """A function of `fastnn.ops` in a model.

    Parameters
    ----------
    function : callable
    name : str, optional
    settings : dict
        Arguments by name which a configuration holds.
    """

    def __init__(self, function, name=None, **settings):
        self.function, self.settings = function, settings
        self.name = name or unique_name(function.__name__)
        self._inbound_nodes = []

    def __call__(self, *args, **kwargs):
        if is_declared(args) or is_declared(kwargs):
            return record(self, args, kwargs)
        return self.function(*args, **self.settings, **kwargs)

    def __str__(self):
        return f"operation '{self.name}'"


def recordable(function):
    """A function that becomes a `FunctionOperation` of a model when it meets a declared tensor."""

    @functools.wraps(function)
    def called(*args, **kwargs):
        if is_declared(args) or (kwargs and is_declared(kwargs)):
            return FunctionOperation(called)(*args, **kwargs)
        return function(*args, **kwargs)

    return called


def record_calls(names):
    """Make all public functions of a namespace `recordable`; those of `AT_ONCE` answer at once."""
    for name, value in list(names.items()):
        public = inspect.isfunction(value) and not name.startswith("_")
        if public and name not in AT_ONCE and not hasattr(value, "__wrapped__"):
            names[name] = recordable(value)


class Graph:
    """What lies between the inputs and outputs of a model or function.

    Parameters
    ----------
    inputs, outputs : structure of declared tensors
    owner : str
        For messages.

    Attributes
    ----------
    nodes : list of Node
        In an order in which they can run.
    operations : list
        Layers and operations, far from the outputs first, as Keras orders them.
    """

    def __init__(self, inputs, outputs, owner="Model"):
        self.owner = owner
        for what, structure in (("inputs", inputs), ("outputs", outputs)):
            for tensor in flatten(structure):
                if not isinstance(tensor, Tensor) or tensor.kind != "declared":
                    raise ValueError(
                        f"{self.owner}: {what} must be tensors that begin with Input(...), received {tensor!r:.80}"
                    )
        self.inputs, self.outputs = inputs, outputs
        if len(set(map(id, flatten(inputs)))) != len(flatten(inputs)):
            raise ValueError(f"{owner}: the same tensor stands twice among the inputs")
        self.nodes, order = self._walk()
        self.operations = self._arranged(order)
        names = [operation.name for operation in self.operations]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"{self.owner}: several layers are called {sorted(twice)}: names must differ")

    def _walk(self):
        """(nodes in running order, operations as first seen from the outputs)."""
        stops = {id(t) for t in flatten(self.inputs)}
        done, nodes, order = set(), [], {}
        stack = [(t, False) for t in reversed(flatten(self.outputs))]
        while stack:
            tensor, finished = stack.pop()
            node = node_of(tensor)
            if finished:
                nodes.append(node)
                continue
            if id(node) in done or (id(tensor) in stops and node.inputs):
                continue
            done.add(id(node))
            order.setdefault(id(node.operation), len(order))
            if not node.inputs and id(tensor) not in stops:
                raise ValueError(
                    f"{self.owner}: the outputs depend on the input '{node.operation.name}', which is not among inputs"
                )
            stack.append((tensor, True))
            stack += [(t, False) for t in reversed(node.inputs)]
        for tensor in flatten(self.inputs):  # those that no output depends on
            if id(node_of(tensor)) not in done and not node_of(tensor).inputs:
                order.setdefault(id(node_of(tensor).operation), -1)
                nodes.append(node_of(tensor))
        return nodes, order

    def _arranged(self, order):
        """The operations by their distance from the outputs, the farthest first."""
        node_depth, depth, operations = {}, {}, {}
        for node in reversed(self.nodes):
            own = max(node_depth.get(id(node), 0), depth.get(id(node.operation), 0))
            depth[id(node.operation)] = node_depth[id(node)] = own
            operations[id(node.operation)] = node.operation
            for tensor in node.inputs:
                before = id(node_of(tensor))
                node_depth[before] = max(node_depth.get(before, 0), own + 1)
        return [operations[key] for key in sorted(operations, key=lambda key: (-depth[key], order[key]))]

    def run(self, given):
        """The outputs for the values of the inputs.

        Parameters
        ----------
        given : list
            A tensor or declared tensor for each input, in the order of the leaves of `inputs`.
        """
        values = {id(t): v for t, v in zip(flatten(self.inputs), given, strict=True)}

        def value_of(leaf):
            return values[id(leaf)] if isinstance(leaf, Tensor) and leaf.kind == "declared" else leaf

        for node in self.nodes:
            if not node.inputs:
                continue
            results = node.operation(*map_structure(value_of, node.args), **map_structure(value_of, node.kwargs))
            for tensor, result in zip(flatten(node.outputs), flatten(results), strict=True):
                values.setdefault(id(tensor), result)
        return map_structure(value_of, self.outputs)
