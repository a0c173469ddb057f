"""Models: a layer that can be compiled, trained, evaluated and saved."""

import inspect

import numpy as np

from fastnn.graph.declaration import Graph, is_declared, program_dtype
from fastnn.graph.masks import carrying
from fastnn.graph.program import Tensor, current_program, eager
from fastnn.layers.core import InputLayer
from fastnn.layers.layer import Layer
from fastnn.models.inspection import Inspection
from fastnn.models.training import Training
from fastnn.saving import registry
from fastnn.tree import flatten, map_shape_structure, map_structure


@registry.register("model")
class Model(Training, Inspection):
    """A layer with `compile`, `fit`, `evaluate`, `predict`, `save`.

    ``Model(inputs, outputs)`` is what lies between declared tensors, which begin with `Input`.  A model of your own
    makes its layers in ``__init__`` and uses them in ``call(inputs, training=None)``.

    Parameters
    ----------
    inputs, outputs : tensor, or list, tuple or dict of tensors, optional
        What `Input` and the layers called on it gave.
    trainable : bool
    name : str, optional
    """

    def __new__(cls, *args, **kwargs):
        if cls is Model and (args or "inputs" in kwargs):
            from fastnn.models.functional import Functional

            cls = Functional
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, inputs=None, outputs=None, **kwargs):
        if (inputs is None) != (outputs is None):
            raise TypeError(f"{type(self).__name__}: give inputs and outputs, both of them or neither")
        super().__init__(**kwargs)
        self._start_training_state()
        self._graph = None if inputs is None else graph_between(inputs, outputs)
        if self._graph is not None:
            self.built = True
            self._built_with = {"input_shape": map_structure(lambda t: t.shape, self._graph.inputs)}

    @property
    def layers(self):
        """The layers of the model, in order."""
        return list(self._layers)

    @property
    def _layers(self):
        own = super()._layers
        if self._graph is None:
            return own
        found = [operation for operation in self._graph.operations if isinstance(operation, Layer)]
        return found + [layer for layer in own if all(layer is not known for known in found)]

    def _declared_graph(self, what):
        if self._graph is None:
            raise AttributeError(f"{self} has no {what}: only models made as Model(inputs, outputs) and Sequential do")
        return self._graph

    @property
    def _output_names(self):
        return None if self._graph is None else [t.data.operation.name for t in self.outputs]

    @property
    def inputs(self):
        """The declared inputs as a list."""
        return flatten(self._declared_graph("inputs").inputs)

    @property
    def outputs(self):
        """The declared outputs as a list."""
        return flatten(self._declared_graph("outputs").outputs)

    @property
    def input(self):
        """The declared inputs as they were given."""
        return super().input if self._graph is None else self._graph.inputs

    @property
    def output(self):
        """The declared outputs as they were given."""
        return super().output if self._graph is None else self._graph.outputs

    @property
    def input_shape(self):
        """The shapes of the inputs, None for unknown sizes."""
        return map_structure(lambda t: t.shape, self.input)

    @property
    def output_shape(self):
        """The shapes of the outputs, None for unknown sizes."""
        return map_structure(lambda t: t.shape, self.output)

    def call(self, inputs, training=None, mask=None):
        """The outputs; a subclass without inputs and outputs defines its own."""
        if self._graph is None:
            raise NotImplementedError(f"{type(self).__name__} defines no call()")
        given = self._in_order(inputs)
        if mask is not None:
            given = [carrying(x, m) for x, m in zip(given, flatten(mask), strict=True)]
        return self._graph.run([_checked(t, value) for t, value in zip(self.inputs, given, strict=True)])

    def compute_mask(self, inputs, mask=None):
        """None: the outputs carry the masks that the layers inside gave them."""

    def _in_order(self, structure):
        """The values for the inputs in their order: a dict by name, else by position."""
        expected, tensors = self._graph.inputs, self.inputs
        if isinstance(structure, dict):
            names = sorted(expected) if isinstance(expected, dict) else [t.name for t in tensors]
            if missing := [name for name in names if name not in structure]:
                raise ValueError(f"{self}: the inputs {missing} are missing, received {list(structure)}")
            return flatten([structure[name] for name in names])
        given = flatten(structure)
        if len(given) != len(tensors):
            raise ValueError(f"{self}: expected {len(tensors)} inputs, received {len(given)}")
        return given

    def _input_dtypes(self, structure, count):
        """The dtype under which each array of the user's structure enters a program; None leaves it as it is."""
        if self._graph is None:
            return [self.input_dtype()] * count
        if isinstance(structure, dict):
            expected = self._graph.inputs
            names = sorted(expected) if isinstance(expected, dict) else [t.name for t in self.inputs]
            by_name = dict(zip(names, self.inputs, strict=False))
            return [program_dtype(by_name[k].dtype) if k in by_name else None for k in structure]
        found = [program_dtype(t.dtype) for t in self.inputs]
        return found if len(found) == count else [None] * count

    def get_layer(self, name=None, index=None):
        """The layer with a name, or at an index."""
        if (name is None) == (index is None):
            raise ValueError("get_layer: give a name or an index, one of the two")
        if index is not None:
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(f"get_layer: no layer is called {name!r}; there are {[layer.name for layer in self.layers]}")

    def __call__(self, *args, **kwargs):
        """On arrays: the prediction for one batch, by the compiled program; on tensors: part of a larger program."""
        if len(args) == 1 and not kwargs:  # the usual case, without further questions
            done = self._ready_calls.results(False, args, self._seed, self._random_step)
            if done is not None:
                return done
        if current_program() is not None:
            return super().__call__(*args, **kwargs)
        if len(args) == 1 and not _symbolic(args[0]) and set(kwargs) <= {"training"}:
            return self._call_on_batch(args[0], training=bool(kwargs.get("training")))
        return super().__call__(*args, **kwargs)

    def input_dtype(self):
        """The dtype of the model's input; None leaves integers as they are."""
        return "float32" if self.dtype == "float32" else self.dtype

    def build(self, input_shape):
        """Make all weights by tracing the model once; sizes of None become 1."""
        from fastnn.engine.eager import EagerProgram
        from fastnn.graph.program import Program

        zeros = []
        shapes = map_shape_structure(lambda s: tuple(1 if n is None else n for n in s), input_shape)
        map_shape_structure(lambda s: zeros.append(np.zeros(s)), shapes)
        with EagerProgram(zeros) if self.run_eagerly else Program() as program:
            self.call(map_shape_structure(lambda s: program.input(s, self.input_dtype()), shapes))

    # --- configuration -----------------------------------------------------------------------------
    @classmethod
    def _takes_graph(cls):
        """Whether the constructor is that of Model(inputs, outputs), or hands all arguments on to it."""
        kinds = {parameter.kind for parameter in inspect.signature(cls.__init__).parameters.values()}
        return (
            cls.__init__ is Model.__init__ or {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} <= kinds
        )

    def get_config(self):
        """The layers between inputs and outputs or, of a class with arguments of its own, the arguments."""
        from fastnn.models.graph_config import graph_config

        if self._graph is not None and self._takes_graph():
            return {"name": self.name, "trainable": self.trainable, **graph_config(self._graph)}
        base = super().get_config()
        return base | self._plain_arguments(base) if type(self).get_config is Model.get_config else base

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The model that a configuration describes, with new weights."""
        from fastnn.models.graph_config import graph_from_config

        if cls._takes_graph() and {"layers", "input_layers", "output_layers"} <= set(config):
            inputs, outputs = graph_from_config(config, None, custom_objects)
            return cls(inputs, outputs, name=config.get("name"), trainable=config.get("trainable", True))
        parameters = inspect.signature(cls.__init__).parameters
        if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
            return cls(**config)
        inherited = {
            key: config[key] for key in ("name", "trainable", "dtype") if key in config and key not in parameters
        }
        model = cls(**{key: value for key, value in config.items() if key not in inherited})
        model.name = inherited.get("name", model.name)
        if not inherited.get("trainable", True):
            model.trainable = False
        return model

    def get_build_config(self):
        """What `build_from_config` needs: nothing where the declared inputs say all."""
        return (
            {"input_shape": None}
            if self._graph is not None and not self._adds_to_graph()
            else super().get_build_config()
        )

    def build_from_config(self, config):
        """Make the weights that the declared inputs and outputs do not make."""
        if self._graph is None:
            super().build_from_config(config)
        elif self._adds_to_graph() and config and config.get("input_shape") is not None:
            with eager():
                self.build(map_shape_structure(tuple, config["input_shape"]))

    def _adds_to_graph(self):
        return type(self).call is not Model.call

    # --- files -------------------------------------------------------------------------------------
    def to_json(self, **kwargs):
        """The architecture as JSON, for `fastnn.models.model_from_json`; arguments go to ``json.dumps``."""
        from fastnn.saving import model_json

        return model_json.to_json(self, **kwargs)

    def save(self, filepath, overwrite=True, zipped=None, include_optimizer=True):
        """Write architecture, weights and training state to a ``.keras`` file; see `fastnn.saving.save_model`."""
        from fastnn import saving

        saving.save_model(self, filepath, overwrite, zipped, include_optimizer=include_optimizer)

    def save_weights(self, filepath, overwrite=True, max_shard_size=None):
        """Write the weights to a ``.weights.h5`` or ``.safetensors`` file; see `fastnn.saving.save_weights`."""
        from fastnn import saving

        saving.save_weights(self, filepath, overwrite, max_shard_size)

    def load_weights(self, filepath, skip_mismatch=False, by_name=False):
        """Read the weights from a ``.weights.h5``, ``.safetensors``, ``.keras`` or old ``.h5`` file.

        See `fastnn.saving.load_weights`.
        """
        from fastnn import saving

        saving.load_weights(self, filepath, skip_mismatch=skip_mismatch, by_name=by_name)


def graph_between(inputs, outputs):
    """The graph from inputs to outputs; inputs that layers made are replaced by an `Input` of their shape."""
    graph = Graph(inputs, outputs)
    if all(isinstance(t.data.operation, InputLayer) for t in flatten(inputs)):
        return graph
    inputs = map_structure(_as_input, inputs)
    return Graph(inputs, graph.run(flatten(inputs)))


def _as_input(tensor):
    if isinstance(tensor.data.operation, InputLayer):
        return tensor
    return InputLayer(batch_shape=tensor.shape, dtype=tensor.dtype).output


def _checked(tensor, value):
    """The value of an input, once it has the declared shape."""
    return value if is_declared(value) else tensor.data.operation(value)


def _symbolic(value):
    if isinstance(value, (list, tuple)):
        return any(map(_symbolic, value))
    if isinstance(value, dict):
        return any(map(_symbolic, value.values()))
    return isinstance(value, Tensor)
