"""Steps of a graph that a user writes: `Operation`, `Function`, and the `KerasTensor` with which they may begin."""

import inspect

from fastnn import tree
from fastnn.graph import declaration
from fastnn.graph.program import Tensor
from fastnn.naming import unique_name


class Operation:
    """A function of tensors without weights that may stand in a model; the base of layers too.

    An operation of your own defines ``call``, written with `fastnn.ops`, and may define ``compute_output_spec``.

    Parameters
    ----------
    name : str, optional
    """

    def __new__(cls, *args, **kwargs):
        made = super().__new__(cls)
        made._arguments = bound_arguments(cls, args, kwargs)
        return made

    def __init__(self, name=None):
        from fastnn.saving.table import snake_case

        if name is not None and (not isinstance(name, str) or "/" in name):
            raise ValueError(f"{type(self).__name__}: name must be a string without '/', received {name!r}")
        self.name = name or unique_name(snake_case(type(self).__name__))
        self._inbound_nodes = []  # calls on declared tensors

    def __getstate__(self):
        return {**vars(self), "_inbound_nodes": []}  # calls belong to the models that they were made for

    def __call__(self, *args, **kwargs):
        if declaration.is_declared(args) or declaration.is_declared(kwargs):
            return self.symbolic_call(*args, **kwargs)
        return self.call(*args, **kwargs)

    def __str__(self):
        return f"{type(self).__name__} '{self.name}'"

    def __repr__(self):
        return f"<Operation name={self.name}>"

    def call(self, *args, **kwargs):
        """The computation; defined by each class."""
        raise NotImplementedError(f"{type(self).__name__} defines no call()")

    def symbolic_call(self, *args, **kwargs):
        """Become part of a graph: called on what `Input` or `KerasTensor` gives, or on what follows from it."""
        if type(self).compute_output_spec is Operation.compute_output_spec:
            return declaration.record(self, args, kwargs)
        return declaration.Node(self, args, kwargs, self.compute_output_spec(*args, **kwargs)).outputs

    def compute_output_spec(self, *args, **kwargs):
        """A `KerasTensor` for each output of a call on such tensors; found by tracing the call."""
        found = declaration.inferred(self, args, kwargs)
        return tree.map_structure(lambda sized: KerasTensor(sized.shape, sized.dtype), found)

    def _only_node(self, what):
        if not self._inbound_nodes:
            raise AttributeError(f"{self} has no {what}: it was not called on Input or what follows from it yet")
        return self._inbound_nodes[0]

    @property
    def input(self):
        """The declared tensors of the first call in a model."""
        tensors = self._only_node("input").inputs
        return tensors[0] if len(tensors) == 1 else tensors

    @property
    def output(self):
        """What came out of the first call in a model, as declared tensors."""
        return self._only_node("output").outputs

    def get_config(self):
        """The arguments that make this operation again."""
        base = {"name": self.name}
        if type(self).get_config is not Operation.get_config:
            return base
        config = base | self._plain_arguments(base)
        parameters = inspect.signature(type(self).__init__).parameters.values()
        takes_name = any(p.name == "name" or p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
        return config if takes_name else {key: value for key, value in config.items() if key != "name"}

    def _plain_arguments(self, known):
        """The arguments of the constructor that are not known yet: the configuration of a class that defines none."""
        own = {k: v for k, v in self._arguments.items() if k not in known}
        if unserializable := [k for k, v in own.items() if not _is_plain(v)]:
            raise NotImplementedError(
                f"{type(self).__name__}: arguments {unserializable} are no plain data: define get_config()"
            )
        return own

    @classmethod
    def from_config(cls, config):
        """What a configuration describes."""
        return cls(**config)


def bound_arguments(cls, args, kwargs):
    """The arguments of a constructor by name, defaults among them."""
    try:
        bound = inspect.signature(cls.__init__).bind_partial(None, *args, **kwargs)
    except (TypeError, ValueError):
        return {}
    bound.apply_defaults()
    found = {}
    for parameter in list(bound.signature.parameters.values())[1:]:  # without self, whatever its name
        if parameter.kind is parameter.VAR_KEYWORD:
            found.update(bound.arguments[parameter.name])
        elif parameter.kind is parameter.VAR_POSITIONAL:
            if bound.arguments[parameter.name]:
                found[f"*{parameter.name}"] = parameter  # no plain data: these cannot be given by name
        elif parameter.name in bound.arguments:
            found[parameter.name] = bound.arguments[parameter.name]
    return found


def _is_plain(value):
    return all(leaf is None or isinstance(leaf, (bool, int, float, str)) for leaf in tree.flatten(value))


class Function(Operation):
    """What lies between some tensors of a graph, to be called on others.

    Parameters
    ----------
    inputs, outputs : tensor, or structure of them
        Made by `Input` or `KerasTensor`, or what follows from those.
    name : str, optional

    Attributes
    ----------
    inputs, outputs : list of tensors
    operations : list
        Layers and operations, far from the outputs first.
    """

    def __init__(self, inputs, outputs, name=None):
        super().__init__(name)
        for what, structure in (("inputs", inputs), ("outputs", outputs)):
            if not tree.flatten(structure):
                raise ValueError(f"Function: {what} cannot be empty")
        self._between = declaration.Graph(inputs, outputs, "Function")

    @property
    def inputs(self):
        """The tensors that it begins with, as a list."""
        return tree.flatten(self._between.inputs)

    @property
    def outputs(self):
        """The tensors that it ends with, as a list."""
        return tree.flatten(self._between.outputs)

    @property
    def operations(self):
        """Layers and operations between inputs and outputs."""
        return list(self._between.operations)

    def call(self, inputs):
        """The outputs, in their structure, for inputs in theirs."""
        expected = self._between.inputs
        try:
            tree.assert_same_structure(expected, inputs)
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{self} was called with an invalid input structure. Expected input structure: {expected}. "
                f"Received input structure: {inputs!r:.200}"
            ) from error
        return self._between.run(tree.flatten(inputs))

    def compute_output_shape(self, input_shape):
        """The shape that comes out for a shape with None for unknown sizes."""
        shapes = tree.map_shape_structure(tuple, input_shape)
        inputs = self._between.inputs
        tensors = tree.map_structure_up_to(
            inputs, lambda old, shape: Tensor(None, shape, old.dtype, "declared"), inputs, shapes
        )
        return tree.map_structure(lambda sized: sized.shape, declaration.inferred(self, (tensors,), {}))


class _AnyTensor(type):
    def __instancecheck__(cls, x):
        return isinstance(x, Tensor)


class KerasTensor(Tensor, metaclass=_AnyTensor):
    """A tensor without numbers; all tensors of graphs and of traced programs count as such.

    Parameters
    ----------
    shape : tuple of int or None
        None stands for unknown sizes.
    dtype : str
    sparse, ragged : bool
        False: there are no such tensors.
    record_history : bool
        Accepted as in Keras.
    name : str, optional
    """

    __slots__ = ()

    def __init__(self, shape, dtype="float32", sparse=False, ragged=False, record_history=True, name=None):
        if sparse or ragged:
            raise ValueError("KerasTensor: there are no sparse or ragged tensors here, use dense ones")
        source = Operation(name or unique_name("keras_tensor"))
        super().__init__(None, shape, str(dtype), "declared", declaration.History(source, 0, 0), source.name)
        declaration.Node(source, (), {}, []).outputs = self
