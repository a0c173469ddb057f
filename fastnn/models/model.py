"""Models: a layer that can be compiled, trained, evaluated and saved."""

from fastnn.graph.program import Tensor
from fastnn.models.inspection import Inspection
from fastnn.models.training import Training
from fastnn.saving import registry


@registry.register("model")
class Model(Training, Inspection):
    """A layer with `compile`, `fit`, `evaluate`, `predict`, `save`.

    A model of your own makes its layers in ``__init__`` and uses them in ``call(inputs, training=None)``.
    """

    def __init__(self, *args, **kwargs):
        if args or {"inputs", "outputs"} & set(kwargs):
            raise TypeError(
                f"{type(self).__name__}: models of inputs and outputs are not offered yet: use Sequential, or a "
                "subclass with call()"
            )
        super().__init__(**kwargs)
        self._start_training_state()

    @property
    def layers(self):
        """The layers of the model, in order."""
        return list(self._layers)

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
        if len(args) == 1 and not _symbolic(args[0]) and set(kwargs) <= {"training"}:
            return self._call_on_batch(args[0], training=kwargs.get("training"))
        return super().__call__(*args, **kwargs)

    def input_dtype(self):
        """The dtype of the model's input; None leaves integers as they are."""
        return "float32" if self.dtype == "float32" else self.dtype

    def build(self, input_shape):
        """Make all weights by tracing the model once; sizes of None become 1."""
        from fastnn.graph.program import Program
        from fastnn.layers.layer import _map_shape

        with Program() as program:
            x = _map_shape(lambda s: program.input([1 if n is None else n for n in s], self.input_dtype()), input_shape)
            self.call(x)

    # --- files -------------------------------------------------------------------------------------
    def to_json(self, **kwargs):
        """The architecture as JSON, for `fastnn.models.model_from_json`; arguments go to ``json.dumps``."""
        from fastnn.saving import model_json

        return model_json.to_json(self, **kwargs)

    def save(self, filepath, overwrite=True, include_optimizer=True):
        """Write architecture, weights and training state to a ``.keras`` file; see `fastnn.saving.save_model`."""
        from fastnn import saving

        saving.save_model(self, filepath, overwrite=overwrite, include_optimizer=include_optimizer)

    def save_weights(self, filepath, overwrite=True):
        """Write the weights to a ``.weights.h5`` or ``.safetensors`` file."""
        from fastnn import saving

        saving.save_weights(self, filepath, overwrite=overwrite)

    def load_weights(self, filepath, skip_mismatch=False):
        """Read the weights from a ``.weights.h5``, ``.safetensors`` or ``.keras`` file."""
        from fastnn import saving

        saving.load_weights(self, filepath, skip_mismatch=skip_mismatch)


def _symbolic(value):
    if isinstance(value, (list, tuple)):
        return any(map(_symbolic, value))
    if isinstance(value, dict):
        return any(map(_symbolic, value.values()))
    return isinstance(value, Tensor)
