"""Layers around another layer."""

from fastnn import ops
from fastnn.layers.calling import call_signature
from fastnn.layers.layer import Layer
from fastnn.saving import registry


@registry.register("layer")
class Wrapper(Layer):
    """A layer that holds another one: the base of `TimeDistributed` and `SpectralNormalization`.

    Parameters
    ----------
    layer : Layer
    """

    def __init__(self, layer, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(layer, Layer):
            raise ValueError(f"{type(self).__name__}: expected a layer, received {layer!r}")
        self.layer = layer

    def build(self, input_shape=None):
        self.layer._build(tuple(input_shape))

    def get_config(self):
        return {**super().get_config(), "layer": registry.serialize(self.layer)}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        layer = registry.deserialize(config["layer"], "layer", custom_objects)
        return cls(**{**config, "layer": layer})


@registry.register("layer")
class TimeDistributed(Wrapper):
    """A layer applied to every element of a sequence: (n, t, ...) to (n, t, ...).

    All elements go through the layer as one batch of n * t; in training, its statistics and its dropout see them so.
    A mask of shape (n, t, ...) goes along, if the layer takes masks.
    """

    supports_masking = True

    def build(self, input_shape=None):
        self.layer._build((input_shape[0], *input_shape[2:]))

    def _check_input(self, x):
        if len(x.shape) < 3:
            raise self._wrong_input("sequences of shape (n, t, ...)", x.shape, "")

    def call(self, inputs, training=None, mask=None):
        n, t, *rest = inputs.shape
        masks = {}
        if mask is not None and "mask" in call_signature(type(self.layer)).parameters:
            if tuple(mask.shape[:2]) != (n, t):
                raise ValueError(f"{self}: a mask of shape {tuple(mask.shape)} does not begin with {(n, t)}")
            masks["mask"] = ops.reshape(mask, (n * t, *mask.shape[2:]))
        y = self.layer(ops.reshape(inputs, (n * t, *rest)), training=training, **masks)
        return ops.reshape(y, (n, t, *y.shape[1:]))


@registry.register("layer")
class SpectralNormalization(Wrapper):
    """Divides the layer's kernel by its largest singular value before each call in training (arXiv 1802.05957).

    Parameters
    ----------
    layer : layer with a ``kernel`` or ``embeddings``
    power_iterations : int
        Steps of the power method towards that value, from where the last call ended.

    Weights: the layer's kernel, vector_u (1, last axis of the kernel), the layer's others.
    """

    def __init__(self, layer, power_iterations=1, **kwargs):
        super().__init__(layer, **kwargs)
        if power_iterations <= 0:
            raise ValueError(f"SpectralNormalization: power_iterations must be above 0, received {power_iterations}")
        self.power_iterations = power_iterations

    def build(self, input_shape=None):
        from fastnn import initializers

        super().build(input_shape)
        name = next((n for n in ("kernel", "embeddings") if hasattr(self.layer, n)), None)
        if name is None:
            raise ValueError(f"{self}: {self.layer} has neither kernel nor embeddings")
        self.kernel = getattr(self.layer, name)
        self._own_trainable.append(self.kernel)  # Keras lists it here too: the order of weights in its files
        self.vector_u = self.add_weight(
            (1, self.kernel.shape[-1]), initializers.TruncatedNormal(stddev=0.02), trainable=False,
            name="vector_u",
        )  # fmt: skip

    def call(self, inputs, training=False):
        if training:
            self._normalize(self.kernel)
        return self.layer(inputs)

    def _normalize(self, kernel):
        weights = ops.reshape(kernel * 1.0, (-1, kernel.shape[-1]))
        u = self.vector_u * 1.0
        for _ in range(self.power_iterations):
            v = ops.normalize(ops.matmul(u, ops.transpose(weights)))
            u = ops.normalize(ops.matmul(v, weights))
        u, v = ops.stop_gradient(u), ops.stop_gradient(v)
        sigma = ops.matmul(ops.matmul(v, weights), ops.transpose(u))
        sigma = ops.where(ops.all(ops.equal(weights, 0.0)), 1.0, sigma)  # a kernel of zeros stays as it is
        self.vector_u.assign(u)
        kernel.assign(ops.reshape(weights / sigma, kernel.shape))

    def get_config(self):
        return {**super().get_config(), "power_iterations": self.power_iterations}


_MERGES = {
    "concat": lambda y, z: ops.concatenate([y, z], -1),
    "sum": lambda y, z: y + z,
    "ave": lambda y, z: (y + z) * 0.5,
    "mul": lambda y, z: y * z,
    None: lambda y, z: [y, z],
}


@registry.register("layer")
class Bidirectional(Layer):
    """A recurrent layer forwards and a copy of it backwards along the sequence.

    Parameters
    ----------
    layer : recurrent layer
    merge_mode : {"concat", "sum", "ave", "mul", None}
        How the two outputs become one; None gives both.
    backward_layer : recurrent layer, optional
        With go_backwards=True; a copy of `layer` unless given.
    """

    def __init__(self, layer, merge_mode="concat", weights=None, backward_layer=None, **kwargs):
        if merge_mode not in _MERGES:
            raise ValueError(f"Bidirectional: merge_mode must be one of {list(_MERGES)}, received {merge_mode!r}")
        super().__init__(**kwargs)
        self.merge_mode = merge_mode
        self.forward_layer = _renamed(layer, "forward", layer.go_backwards)
        self.backward_layer = backward_layer or _renamed(layer, "backward", not layer.go_backwards)
        if self.forward_layer.go_backwards == self.backward_layer.go_backwards:
            raise ValueError("Bidirectional: one of the two layers must have go_backwards=True")
        for one in (self.forward_layer, self.backward_layer):
            one.zero_output_for_mask = one.return_sequences  # as Keras does
        self.return_sequences, self.return_state = layer.return_sequences, layer.return_state
        if weights:
            raise ValueError("Bidirectional: use set_weights() once the layer is built")

    def build(self, sequences_shape, initial_state_shape=None):
        self.forward_layer._build(sequences_shape)
        self.backward_layer._build(sequences_shape)

    def call(self, sequences, initial_state=None, mask=None, training=None):
        half = len(initial_state) // 2 if initial_state is not None else 0
        states = (initial_state[:half], initial_state[half:]) if half else (None, None)
        ahead = self.forward_layer(sequences, initial_state=states[0], mask=mask, training=training)
        back = self.backward_layer(sequences, initial_state=states[1], mask=mask, training=training)
        rest = []
        if self.return_state:
            (ahead, *rest), (back, *more) = ahead, back
            rest += more
        if self.return_sequences:
            back = ops.flip(back, 1)
        y = _MERGES[self.merge_mode](ahead, back)
        if not self.return_state:
            return y
        return [*(y if isinstance(y, list) else [y]), *rest]

    def compute_mask(self, inputs, mask=None):
        mask = mask if self.return_sequences else None
        return mask if self.merge_mode else [mask, mask]

    def reset_state(self):
        """Begin anew, in both directions; see `RNN.reset_state`."""
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    reset_states = reset_state

    def get_config(self):
        return {
            **super().get_config(), "merge_mode": self.merge_mode, "layer": registry.serialize(self.forward_layer),
            "backward_layer": registry.serialize(self.backward_layer),
        }  # fmt: skip

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        for name in ("layer", "backward_layer"):
            if config.get(name) is not None:
                config[name] = registry.deserialize(config[name], "layer", custom_objects)
        return cls(**config)


def _renamed(layer, direction, go_backwards):
    """A copy of a recurrent layer under a name that tells its direction."""
    config = layer.get_config()
    for prefix in ("forward_", "backward_"):
        config["name"] = config["name"].removeprefix(prefix)
    return type(layer).from_config({**config, "name": f"{direction}_{config['name']}", "go_backwards": go_backwards})
