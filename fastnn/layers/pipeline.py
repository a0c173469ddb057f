"""Layers that prepare data, one after the other."""

from fastnn.layers.layer import Layer
from fastnn.saving import registry


@registry.register("layer")
class Pipeline(Layer):
    """Layers one after the other as one layer; unlike `Sequential`, it is no model.

    Called on its own, it works as in training: random layers change their inputs.

    Parameters
    ----------
    layers : list of Layer
    name : str, optional
    """

    supports_masking = True

    def __init__(self, layers, name=None):
        super().__init__(name=name)
        self._steps = list(layers)
        if wrong := [layer for layer in self._steps if not isinstance(layer, Layer)]:
            raise TypeError(f"{self}: expected layers, received {wrong[0]!r:.100}")

    @property
    def layers(self):
        """The layers in their order."""
        return list(self._steps)

    def call(self, inputs, training=True, mask=None):
        for layer in self._steps:
            inputs = layer(inputs, training=training)
        return inputs

    def compute_mask(self, inputs, mask=None):
        """None: the output carries the mask that the last layer gave it."""

    def get_config(self):
        return {"layers": [registry.serialize(layer) for layer in self._steps], "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        layers = [registry.deserialize(layer, "layer", custom_objects) for layer in config["layers"]]
        return cls(layers, config.get("name"))
