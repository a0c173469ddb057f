"""Models of declared inputs and outputs: ``Model(inputs, outputs)``."""

from fastnn.models.model import Model
from fastnn.saving import registry


@registry.register("model")
class Functional(Model):
    """What ``Model(inputs, outputs)`` makes: the layers between declared tensors.

    Layers may be shared, nested models are layers, and functions of `fastnn.ops` may stand between them.
    """

    def __reduce__(self):
        from fastnn.models.cloning import unpickled

        state = {k: v for k, v in self.__getstate__().items() if k not in ("_graph", "_arguments")}
        return unpickled, (registry.serialize(self), self.get_weights(), state)
