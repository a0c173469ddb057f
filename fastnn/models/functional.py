"""Models of declared inputs and outputs: ``Model(inputs, outputs)``."""

from fastnn.models.graph_config import graph_config, graph_from_config
from fastnn.models.model import Model
from fastnn.saving import registry


@registry.register("model")
class Functional(Model):
    """What ``Model(inputs, outputs)`` makes: the layers between declared tensors.

    Layers may be shared, nested models are layers, and functions of `fastnn.ops` may stand between them.
    """

    def get_config(self):
        return {"name": self.name, "trainable": self.trainable, **graph_config(self._graph)}

    def get_build_config(self):
        return {"input_shape": None}

    def build_from_config(self, config):
        """Nothing is left to do: the inputs say all."""

    def __reduce__(self):
        from fastnn.models.cloning import unpickled

        state = {k: v for k, v in self.__getstate__().items() if k not in ("_graph", "_arguments")}
        return unpickled, (registry.serialize(self), self.get_weights(), state)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The model that a configuration describes, with new weights."""
        inputs, outputs = graph_from_config(config, None, custom_objects)
        return cls(inputs, outputs, name=config.get("name"), trainable=config.get("trainable", True))
