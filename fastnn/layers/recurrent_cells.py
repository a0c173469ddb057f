"""The cells of recurrent layers: what happens at one element of a sequence."""

import inspect
from collections.abc import Callable

from fastnn import activations, ops, random
from fastnn.layers.core import positive_integer
from fastnn.layers.layer import Layer
from fastnn.ops import recurrent
from fastnn.saving import registry

# ---- arguments, by groups in Keras' order ---------------------------------------------------------------------

REQUIRED = inspect.Parameter.empty
KINDS = ("initializer", "regularizer", "constraint")
INITIALIZERS = {
    "kernel_initializer": "glorot_uniform", "recurrent_initializer": "orthogonal", "bias_initializer": "zeros",
}  # fmt: skip
REGULARIZERS = {"kernel_regularizer": None, "recurrent_regularizer": None, "bias_regularizer": None}
CONSTRAINTS = {"kernel_constraint": None, "recurrent_constraint": None, "bias_constraint": None}
DROPOUT = {"dropout": 0.0, "recurrent_dropout": 0.0}
SIMPLE = {"units": REQUIRED, "activation": "tanh", "use_bias": True}
GATED = {"activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True}


def constructor(arguments):
    """An ``__init__`` that takes these arguments, {name: default}, and hands them to ``_construct`` by name.

    The rest, for `Layer`, is given to it as a second dictionary.
    """
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind, default=value) for name, value in arguments.items()]
    first, others = inspect.Parameter("self", kind), inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)
    signature = inspect.Signature([first, *parameters, others])

    def __init__(self, *args, **kwargs):  # noqa: N807
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        self._construct({name: bound.arguments[name] for name in arguments}, bound.arguments["kwargs"])

    __init__.__signature__ = signature
    return __init__


# ---- cells ----------------------------------------------------------------------------------------------------


class Cell(Layer):
    """What the cells share: `gates` blocks of units in kernel, recurrent_kernel and bias.

    Weights: kernel (k, gates * units), recurrent_kernel (units, gates * units), bias.
    """

    gates = states = 1
    whole_sequence: Callable  # the cell along a sequence at once

    def _construct(self, given, others):
        super().__init__(**others)
        for name, value in given.items():
            setattr(self, name, self._argument(name, value))
        self.argument_names = tuple(given)
        self.generator = random.SeedGenerator(self.seed)
        self.bias = self._kept = None

    def _argument(self, name, value):
        """An argument as the attribute of its name."""
        if name in ("units", "filters"):
            return positive_integer(value, f"{type(self).__name__}: {name}")
        if name.endswith("activation"):
            return activations.get(value)
        kind = name.rpartition("_")[2]
        if kind == "dropout":
            return min(1.0, max(0.0, value))
        return registry.get(kind, value) if kind in KINDS else value

    @property
    def state_size(self):
        return [self.units] * self.states if self.states > 1 else self.units

    @property
    def output_size(self):
        return self.units

    def bias_shape(self):
        return (self.gates * self.units,)

    def draw_bias(self):
        return self.bias_initializer

    def build(self, input_shape):
        width = self.gates * self.units
        self.make_weights((input_shape[-1], width), (self.units, width))

    def make_weights(self, kernel_shape, recurrent_shape):
        self.kernel = self._weight("kernel", kernel_shape, self.kernel_initializer)
        self.recurrent_kernel = self._weight("recurrent_kernel", recurrent_shape, self.recurrent_initializer)
        if self.use_bias:
            self.bias = self._weight("bias", self.bias_shape(), self.draw_bias())

    def _weight(self, name, shape, initializer):
        of = name.removesuffix("_kernel")
        regularizer, constraint = getattr(self, f"{of}_regularizer"), getattr(self, f"{of}_constraint")
        return self.add_weight(shape, initializer, regularizer=regularizer, constraint=constraint, name=name)

    def get_initial_state(self, batch_size=None):
        return [ops.zeros((batch_size, self.units), self.dtype) for _ in range(self.states)]

    def dropped(self, inputs, training):
        """Inputs of shape (n, k) or (n, t, k) with the dropout, the same at every step."""
        if not training or not self.dropout:
            return inputs
        shape = (inputs.shape[0], *(1,) * (len(inputs.shape) - 2), inputs.shape[-1])
        return random.dropout(inputs, self.dropout, shape, self.generator)

    def project(self, inputs, training=False):
        """The part of a step that does not depend on the state: inputs of shape (n, k) or (n, t, k)."""
        self._kept = None
        inputs = self.dropped(inputs, training)
        bias = self.input_bias()
        y = ops.matmul(ops.reshape(inputs, (-1, inputs.shape[-1])), self.kernel)
        y = y if bias is None else y + bias
        return ops.reshape(y, (*inputs.shape[:-1], self.kernel.shape[-1]))

    def input_bias(self):
        return self.bias

    def recurrent(self, state, training):
        """The state with the recurrent dropout, whose mask is kept for the whole sequence."""
        if not training or not self.recurrent_dropout:
            return state
        if self._kept is None:
            self._kept = random.dropout(ops.ones(state.shape), self.recurrent_dropout, None, self.generator)
        return state * self._kept

    def advance(self, projected, states, training=False):
        """(output, new states) of one step."""
        raise NotImplementedError

    def whole(self, training):
        """Whether `along` computes what `advance` does, step by step."""
        return self.activation is activations.tanh and not (training and self.recurrent_dropout)

    def along(self, inputs, states, mask, reverse):
        """(h behind every element, states in the end) of whole sequences."""
        bias = ops.zeros(self.bias_shape()) if self.bias is None else self.bias
        return self.whole_sequence(inputs, self.kernel, bias, self.recurrent_kernel, *states, mask, reverse)

    def call(self, inputs, states, training=False):
        states = list(states) if isinstance(states, (list, tuple)) else [states]
        output, states = self.advance(self.project(inputs, training), states, training)
        return output, states if self.states > 1 else states[0]

    def get_config(self):
        return {**super().get_config(), **self.own_config()}

    def own_config(self):
        """The configuration without that of every layer."""
        values = {name: getattr(self, name) for name in self.argument_names}
        objects = (*KINDS, "activation")
        return {k: registry.serialize(v) if k.rpartition("_")[2] in objects else v for k, v in values.items()}


@registry.register("layer")
class SimpleRNNCell(Cell):
    """h = activation(x . kernel + h . recurrent_kernel + bias)."""

    whole_sequence = staticmethod(recurrent.simple_rnn)

    __init__ = constructor({**SIMPLE, **INITIALIZERS, **REGULARIZERS, **CONSTRAINTS, **DROPOUT, "seed": None})

    def advance(self, projected, states, training=False):
        h = self.activation(projected + ops.matmul(self.recurrent(states[0], training), self.recurrent_kernel))
        return h, [h]


class _GatedCell(Cell):
    def whole(self, training):
        return super().whole(training) and self.recurrent_activation is activations.sigmoid


@registry.register("layer")
class LSTMCell(_GatedCell):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997) with forget gates.

    i, f, g, o = x . kernel + h . recurrent_kernel + bias;  c = s(f) c + s(i) tanh(g);  h = s(o) tanh(c).
    """

    gates, states = 4, 2
    whole_sequence = staticmethod(recurrent.lstm)

    __init__ = constructor({
        "units": REQUIRED, **GATED, **INITIALIZERS, "unit_forget_bias": True, **REGULARIZERS, **CONSTRAINTS, **DROPOUT,
        "seed": None,
    })  # fmt: skip

    def draw_bias(self):
        if not self.unit_forget_bias:
            return self.bias_initializer
        parts = [(self.bias_initializer, 1), (registry.get("initializer", "ones"), 1), (self.bias_initializer, 2)]
        return lambda shape, dtype=None: ops.concatenate([draw((n * shape[0] // 4,), dtype) for draw, n in parts])

    def advance(self, projected, states, training=False):
        h, c = states
        z = projected + ops.matmul(self.recurrent(h, training), self.recurrent_kernel)
        i, f, g, o = ops.split(z, 4, -1)
        c = self.recurrent_activation(f) * c + self.recurrent_activation(i) * self.activation(g)
        h = self.recurrent_activation(o) * self.activation(c)
        return h, [h, c]


@registry.register("layer")
class GRUCell(_GatedCell):
    """Gated recurrent unit (arXiv 1406.1078).

    z, r = s(x . kernel + h . recurrent_kernel + bias);  h = z h + (1 - z) activation(x . kernel + r (h . recurrent)).
    With reset_after=False, r is applied before the product: (r h) . recurrent.
    """

    gates = 3
    whole_sequence = staticmethod(recurrent.gru)

    __init__ = constructor({
        "units": REQUIRED, **GATED, **INITIALIZERS, **REGULARIZERS, **CONSTRAINTS, **DROPOUT, "reset_after": True,
        "seed": None,
    })  # fmt: skip

    def bias_shape(self):
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def input_bias(self):
        return self.bias[0] if self.bias is not None and self.reset_after else self.bias

    def advance(self, projected, states, training=False):
        h, units = self.recurrent(states[0], training), self.units
        xz, xr, xh = ops.split(projected, 3, -1)
        if self.reset_after:
            inner = ops.matmul(h, self.recurrent_kernel)
            inner = inner if self.bias is None else inner + self.bias[1]
        else:
            inner = ops.matmul(h, self.recurrent_kernel[:, : 2 * units])
        z = self.recurrent_activation(xz + inner[:, :units])
        r = self.recurrent_activation(xr + inner[:, units : 2 * units])
        if self.reset_after:
            proposed = r * inner[:, 2 * units :]
        else:
            proposed = ops.matmul(r * h, self.recurrent_kernel[:, 2 * units :])
        h = z * h + (1.0 - z) * self.activation(xh + proposed)
        return h, [h]

    def whole(self, training):
        return super().whole(training) and self.reset_after
