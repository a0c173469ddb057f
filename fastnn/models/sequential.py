"""Layers one after the other."""

from fastnn.graph.masks import carrying
from fastnn.graph.program import Tensor
from fastnn.layers.core import InputLayer
from fastnn.layers.layer import Layer
from fastnn.models.model import Model
from fastnn.saving import registry


@registry.register("model")
class Sequential(Model):
    """A stack of layers, each fed with the output of the one before.

    Parameters
    ----------
    layers : list of Layer, optional
        May begin with `Input`; else the weights are made when the model first sees data.
    trainable : bool
    name : str, optional
    """

    _untracked = Model._untracked | {"_stack", "_declared"}

    def __init__(self, layers=None, trainable=True, name=None):
        super().__init__(trainable=trainable, name=name)
        self._stack = []
        self._declared = []  # (layer, its output), the input first
        if layers is not None and not isinstance(layers, (list, tuple)):
            raise TypeError(f"Sequential: expected a list of layers, received {layers!r}: write Sequential([...])")
        for layer in layers or []:
            self._append(layer)
        self._rebuild()

    @property
    def _layers(self):
        return self._stack

    @property
    def layers(self):
        """The layers without the input."""
        return [layer for layer in self._stack if not isinstance(layer, InputLayer)]

    def add(self, layer, rebuild=True):
        """Put a layer on top."""
        self._append(layer)
        if rebuild:
            self._rebuild()

    def _append(self, layer):
        if isinstance(layer, Tensor) and layer.kind == "declared":
            layer = layer.data.operation  # Input(...)
        if not isinstance(layer, Layer):
            call = f": write {layer.__name__}(...)" if isinstance(layer, type) else ""
            raise TypeError(f"Sequential: only layers can be added, received {layer!r}{call}")
        if isinstance(layer, InputLayer) and self._stack:
            raise ValueError("Sequential: Input must come first")
        if any(layer is known or layer.name == known.name for known in self._stack):
            raise ValueError(f"Sequential: there is a layer called {layer.name!r} already: names must differ")
        if not self._stack and layer._declared_shape is not None:
            self._stack.append(InputLayer(layer._declared_shape))
        self._stack.append(layer)

    def pop(self, rebuild=True):
        """Take the last layer away and return it."""
        if not self._stack:
            raise ValueError("Sequential: there is no layer to pop")
        layer = self._stack.pop()
        del self._declared[len(self.layers) + 1 :]
        self.built = False
        self._forget_programs()
        if rebuild:
            self._rebuild()
        return layer

    def _rebuild(self):
        """Make the weights as far as the input's shape is known."""
        self.built = False
        self._forget_programs()
        if self._stack and isinstance(self._stack[0], InputLayer):
            if len(self._stack) > 1:
                self._build(self._stack[0].batch_shape)
        elif self._stack and getattr(self._stack[0], "built", False) and self._stack[0]._build_shapes:
            self._build(self._stack[0]._build_shapes)

    def build(self, input_shape=None):
        """Make all weights for inputs of a shape; None for the batch size."""
        if not self._stack:
            raise ValueError(f"Sequential '{self.name}' has no layers: add some first")
        if input_shape is None:
            raise ValueError(f"Sequential '{self.name}': build() needs the input's shape, e.g. (None, 784)")
        input_shape = self._only(input_shape, (list, tuple, dict))
        if any(n is None for n in input_shape[1:]):
            return  # sizes unknown: the weights come with the first data
        self._declare_stack(tuple(input_shape))

    def __getstate__(self):
        return {**super().__getstate__(), "_declared": []}

    def __setstate__(self, state):
        vars(self).update(state)
        if self.built:
            self.build(self._build_shapes)

    def _declare_stack(self, input_shape):
        """Call the layers not called yet on the output of the one before, as tensors that no data has."""
        if not self._declared or self._declared[0][1].shape != input_shape:
            first = self._stack[0]
            if not isinstance(first, InputLayer):
                first = InputLayer(batch_shape=input_shape, dtype=self.input_dtype())
            self._declared = [(first, first.output)]
        for layer in self.layers[len(self._declared) - 1 :]:
            self._declared.append((layer, layer(self._declared[-1][1])))

    @property
    def _shapes(self):
        """[(layer, output shape)], once known."""
        return [(layer, output.shape) for layer, output in self._declared]

    def _ends(self):
        if not self._declared:
            raise AttributeError(f"Sequential '{self.name}' is not built yet: put Input first, or call it on data")
        return self._declared[0][1], self._declared[-1][1]

    @property
    def inputs(self):
        """The declared input, in a list."""
        return [self._ends()[0]]

    @property
    def outputs(self):
        """The declared output, in a list."""
        return [self._ends()[1]]

    @property
    def input(self):
        """The declared input."""
        return self._ends()[0]

    @property
    def output(self):
        """The declared output."""
        return self._ends()[1]

    def _only(self, inputs, of=object):
        """The input itself where it comes in a list or dict of one."""
        if isinstance(inputs, dict) or (isinstance(inputs, (list, tuple)) and all(isinstance(i, of) for i in inputs)):
            if len(inputs) != 1:
                raise ValueError(f"{self}: expected one input, received {len(inputs)}: use a subclass of Model")
            (inputs,) = inputs.values() if isinstance(inputs, dict) else inputs
        return inputs

    def call(self, inputs, training=None, mask=None):
        inputs = carrying(self._only(inputs), self._only(mask))
        for layer in self._stack:
            inputs = layer(inputs, training=training) if training is not None else layer(inputs)
        return inputs

    @property
    def input_shape(self):
        """The shape of the input, None for the batch size."""
        if self._build_shapes is None:
            raise AttributeError(f"Sequential '{self.name}' is not built yet: put Input first, or call it on data")
        return tuple(self._only(self._build_shapes, (list, tuple, dict)))

    @property
    def output_shape(self):
        """The shape of the output, None for the batch size."""
        return self.compute_output_shape(self.input_shape)

    def get_config(self):
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": Layer.get_config(self)["dtype"],
            "layers": [registry.serialize(layer) for layer in self._stack],
            **({"build_input_shape": self._build_shapes} if self._build_shapes else {}),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The model that a configuration describes, with new weights."""
        layers = [registry.deserialize(c, "layer", custom_objects) for c in config["layers"]]
        model = cls(layers, config.get("trainable", True), config.get("name"))
        shape = config.get("build_input_shape")
        if shape and not model.built:
            model._build(tuple(shape))
        return model
