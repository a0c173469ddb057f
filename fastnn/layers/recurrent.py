"""Recurrent layers: a cell applied to one element of a sequence after the other.

What does not depend on the state (the product of all elements with the kernel) is computed once for the whole sequence.
The rest is one primitive for the cells as they are by default, `fastnn.ops.recurrent`; with other activations, with
recurrent dropout in training, with `unroll` and for cells of users, a traced program holds the steps one by one.
"""

from fastnn import activations, ops, random
from fastnn.layers.core import positive_integer
from fastnn.layers.layer import Layer
from fastnn.ops import recurrent
from fastnn.saving import registry


class _Cell(Layer):
    """What the cells share: `gates` blocks of units in kernel, recurrent_kernel and bias.

    Weights: kernel (k, gates * units), recurrent_kernel (units, gates * units), bias.
    """

    gates = 1
    states = 1

    def __init__(
        self, units, activation="tanh", use_bias=True, kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal", bias_initializer="zeros", kernel_regularizer=None,
        recurrent_regularizer=None, bias_regularizer=None, kernel_constraint=None, recurrent_constraint=None,
        bias_constraint=None, dropout=0.0, recurrent_dropout=0.0, seed=None, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.units = positive_integer(units, f"{type(self).__name__}: units")
        self.activation, self.use_bias = activations.get(activation), use_bias
        self.kernel_initializer = registry.get("initializer", kernel_initializer)
        self.recurrent_initializer = registry.get("initializer", recurrent_initializer)
        self.bias_initializer = registry.get("initializer", bias_initializer)
        self.kernel_regularizer = registry.get("regularizer", kernel_regularizer)
        self.recurrent_regularizer = registry.get("regularizer", recurrent_regularizer)
        self.bias_regularizer = registry.get("regularizer", bias_regularizer)
        self.kernel_constraint = registry.get("constraint", kernel_constraint)
        self.recurrent_constraint = registry.get("constraint", recurrent_constraint)
        self.bias_constraint = registry.get("constraint", bias_constraint)
        self.dropout, self.recurrent_dropout = min(1.0, max(0.0, dropout)), min(1.0, max(0.0, recurrent_dropout))
        self.seed, self.generator = seed, random.SeedGenerator(seed)
        self.bias = self._kept = None

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
        self.kernel = self.add_weight(
            (input_shape[-1], width), self.kernel_initializer, regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint, name="kernel",
        )  # fmt: skip
        self.recurrent_kernel = self.add_weight(
            (self.units, width), self.recurrent_initializer, regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint, name="recurrent_kernel",
        )  # fmt: skip
        if self.use_bias:
            self.bias = self.add_weight(
                self.bias_shape(), self.draw_bias(), regularizer=self.bias_regularizer,
                constraint=self.bias_constraint, name="bias",
            )  # fmt: skip

    def get_initial_state(self, batch_size=None):
        return [ops.zeros((batch_size, self.units), self.dtype) for _ in range(self.states)]

    def project(self, inputs, training=False):
        """The part of a step that does not depend on the state: inputs of shape (n, k) or (n, t, k)."""
        self._kept = None
        if training and self.dropout:
            shape = (inputs.shape[0], *(1,) * (len(inputs.shape) - 2), inputs.shape[-1])
            inputs = random.dropout(inputs, self.dropout, shape, self.generator)
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

    def along(self, projected, states, mask, reverse):
        """(h behind every element, states in the end) of whole sequences."""
        raise NotImplementedError

    def call(self, inputs, states, training=False):
        states = list(states) if isinstance(states, (list, tuple)) else [states]
        output, states = self.advance(self.project(inputs, training), states, training)
        return output, states if self.states > 1 else states[0]

    def get_config(self):
        return {**super().get_config(), **self.own_config()}

    def own_config(self):
        """The configuration without that of every layer."""
        config = {
            "units": self.units, "activation": registry.serialize(self.activation), "use_bias": self.use_bias,
            "dropout": self.dropout, "recurrent_dropout": self.recurrent_dropout, "seed": self.seed,
        }  # fmt: skip
        for name in ("kernel", "recurrent", "bias"):
            for what in ("initializer", "regularizer", "constraint"):
                config[f"{name}_{what}"] = registry.serialize(getattr(self, f"{name}_{what}"))
        return config


@registry.register("layer")
class SimpleRNNCell(_Cell):
    """h = activation(x . kernel + h . recurrent_kernel + bias)."""

    def advance(self, projected, states, training=False):
        h = self.activation(projected + ops.matmul(self.recurrent(states[0], training), self.recurrent_kernel))
        return h, [h]

    def along(self, projected, states, mask, reverse):
        return recurrent.simple_rnn(projected, self.recurrent_kernel, *states, mask, reverse)


class _GatedCell(_Cell):
    def __init__(self, units, activation="tanh", recurrent_activation="sigmoid", use_bias=True, *args, **kwargs):
        super().__init__(units, activation, use_bias, *args, **kwargs)
        self.recurrent_activation = activations.get(recurrent_activation)

    def whole(self, training):
        return super().whole(training) and self.recurrent_activation is activations.sigmoid

    def own_config(self):
        return {**super().own_config(), "recurrent_activation": registry.serialize(self.recurrent_activation)}


@registry.register("layer")
class LSTMCell(_GatedCell):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997) with forget gates.

    i, f, g, o = x . kernel + h . recurrent_kernel + bias;  c = s(f) c + s(i) tanh(g);  h = s(o) tanh(c).
    """

    gates, states = 4, 2

    def __init__(
        self, units, activation="tanh", recurrent_activation="sigmoid", use_bias=True,
        kernel_initializer="glorot_uniform", recurrent_initializer="orthogonal", bias_initializer="zeros",
        unit_forget_bias=True, kernel_regularizer=None, recurrent_regularizer=None, bias_regularizer=None,
        kernel_constraint=None, recurrent_constraint=None, bias_constraint=None, dropout=0.0, recurrent_dropout=0.0,
        seed=None, **kwargs,
    ):  # fmt: skip
        super().__init__(
            units, activation, recurrent_activation, use_bias, kernel_initializer, recurrent_initializer,
            bias_initializer, kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint,
            recurrent_constraint, bias_constraint, dropout, recurrent_dropout, seed, **kwargs,
        )  # fmt: skip
        self.unit_forget_bias = unit_forget_bias

    def draw_bias(self):
        if not self.unit_forget_bias:
            return self.bias_initializer
        parts = [(self.bias_initializer, 1), (registry.get("initializer", "ones"), 1), (self.bias_initializer, 2)]
        units = self.units
        return lambda shape, dtype=None: ops.concatenate([draw((n * units,), dtype) for draw, n in parts])

    def advance(self, projected, states, training=False):
        h, c = states
        z = projected + ops.matmul(self.recurrent(h, training), self.recurrent_kernel)
        i, f, g, o = ops.split(z, 4, -1)
        c = self.recurrent_activation(f) * c + self.recurrent_activation(i) * self.activation(g)
        h = self.recurrent_activation(o) * self.activation(c)
        return h, [h, c]

    def along(self, projected, states, mask, reverse):
        return recurrent.lstm(projected, self.recurrent_kernel, *states, mask, reverse)

    def own_config(self):
        return {**super().own_config(), "unit_forget_bias": self.unit_forget_bias}


@registry.register("layer")
class GRUCell(_GatedCell):
    """Gated recurrent unit (arXiv 1406.1078).

    z, r = s(x . kernel + h . recurrent_kernel + bias);  h = z h + (1 - z) activation(x . kernel + r (h . recurrent)).
    With reset_after=False, r is applied before the product: (r h) . recurrent.
    """

    gates = 3

    def __init__(
        self, units, activation="tanh", recurrent_activation="sigmoid", use_bias=True,
        kernel_initializer="glorot_uniform", recurrent_initializer="orthogonal", bias_initializer="zeros",
        kernel_regularizer=None, recurrent_regularizer=None, bias_regularizer=None, kernel_constraint=None,
        recurrent_constraint=None, bias_constraint=None, dropout=0.0, recurrent_dropout=0.0, reset_after=True,
        seed=None, **kwargs,
    ):  # fmt: skip
        super().__init__(
            units, activation, recurrent_activation, use_bias, kernel_initializer, recurrent_initializer,
            bias_initializer, kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint,
            recurrent_constraint, bias_constraint, dropout, recurrent_dropout, seed, **kwargs,
        )  # fmt: skip
        self.reset_after = reset_after

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

    def along(self, projected, states, mask, reverse):
        bias = ops.zeros(3 * self.units) if self.bias is None else self.bias[1]
        return recurrent.gru(projected, self.recurrent_kernel, bias, *states, mask, reverse)

    def own_config(self):
        return {**super().own_config(), "reset_after": self.reset_after}


@registry.register("layer")
class StackedRNNCells(Layer):
    """Cells one upon the other, as one cell.

    Parameters
    ----------
    cells : list of cells
    """

    def __init__(self, cells, **kwargs):
        super().__init__(**kwargs)
        self.cells = list(cells)

    @property
    def state_size(self):
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self):
        return self.cells[-1].output_size

    def build(self, input_shape):
        for cell in self.cells:
            cell._build(tuple(input_shape))
            input_shape = (input_shape[0], cell.output_size)

    def get_initial_state(self, batch_size=None):
        return [_initial_state(cell, batch_size) for cell in self.cells]

    def call(self, inputs, states, training=False):
        new = []
        for cell, state in zip(self.cells, states, strict=True):
            inputs, state = _call_cell(cell, inputs, state, training)
            new.append(state)
        return inputs, new

    def get_config(self):
        return {**super().get_config(), "cells": [registry.serialize(cell) for cell in self.cells]}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        cells = [registry.deserialize(cell, "layer", custom_objects) for cell in config["cells"]]
        return cls(**{**config, "cells": cells})


def _call_cell(cell, inputs, states, training):
    """(output, states as a list) of any cell; a state may be a tensor or a list."""
    given = states[0] if isinstance(states, list) and len(states) == 1 and not isinstance(states[0], list) else states
    if isinstance(cell, _Cell):
        output, new = cell(inputs, states, training=training)
    else:
        given = states if isinstance(cell.state_size, (list, tuple)) or isinstance(states, list) else given
        output, new = cell(inputs, given, training=training) if training else cell(inputs, given)
    return output, list(new) if isinstance(new, (list, tuple)) else [new]


def _initial_state(cell, batch):
    if hasattr(cell, "get_initial_state"):
        state = cell.get_initial_state(batch_size=batch)
        return list(state) if isinstance(state, (list, tuple)) else [state]
    sizes = cell.state_size if isinstance(cell.state_size, (list, tuple)) else [cell.state_size]
    return [ops.zeros((batch, *(n if isinstance(n, (list, tuple)) else (n,)))) for n in sizes]


def _where(keep, new, old):
    """New states where the element is present, the old ones elsewhere; states may be nested lists."""
    if isinstance(new, (list, tuple)):
        return [_where(keep, n, o) for n, o in zip(new, old, strict=True)]
    return ops.where(ops.reshape(keep, (*keep.shape, *(1,) * (len(new.shape) - len(keep.shape)))), new, old)


@registry.register("layer")
class RNN(Layer):
    """A cell applied along the sequence: (n, t, k) to the last output (n, units), or to all, (n, t, units).

    Parameters
    ----------
    cell : layer with ``call(inputs, states) -> output, states`` and ``state_size``, or a list of such
    return_sequences : bool
        All outputs instead of the last.
    return_state : bool
        The last states too, after the output.
    go_backwards : bool
        From the last element to the first.
    stateful : bool
        Only False: pass states on with ``return_state`` and ``initial_state``.
    unroll : bool
        The program holds the steps one by one, for layers that hold them in one: it is slower, and can be
        differentiated twice.
    zero_output_for_mask : bool
        Outputs of masked elements are zeros instead of the previous output.
    """

    def __init__(
        self, cell, return_sequences=False, return_state=False, go_backwards=False, stateful=False, unroll=False,
        zero_output_for_mask=False, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        if stateful:
            raise ValueError(
                f"{type(self).__name__}: stateful layers are not offered: ask for the states with return_state=True "
                "and give them to the next call as initial_state"
            )
        self.cell = StackedRNNCells(cell) if isinstance(cell, (list, tuple)) else cell
        for needed in ("call", "state_size"):
            if not hasattr(self.cell, needed):
                raise ValueError(f"{type(self).__name__}: the cell {cell!r} needs {needed}")
        self.return_sequences, self.return_state, self.go_backwards = return_sequences, return_state, go_backwards
        self.stateful, self.unroll, self.zero_output_for_mask = stateful, unroll, zero_output_for_mask

    def build(self, input_shape):
        self.cell._build((input_shape[0], *input_shape[2:]))

    def _check_input(self, x):
        if len(x.shape) < 3:
            raise self._wrong_input("sequences of shape (n, t, k)", x.shape, "Add an axis, e.g. x[..., None].")

    def call(self, sequences, initial_state=None, mask=None, training=False):
        if initial_state is None:
            states = _initial_state(self.cell, sequences.shape[0])
        else:
            states = list(initial_state) if isinstance(initial_state, (list, tuple)) else [initial_state]
        steps = self.cell.project(sequences, training) if isinstance(self.cell, _Cell) else sequences
        if isinstance(self.cell, _Cell) and self.cell.whole(training) and not self.unroll:
            result, states = self._at_once(steps, states, mask, started=initial_state is not None)
        else:
            result, states = self._step_by_step(steps, states, mask, training)
        return [result, *states] if self.return_state else result

    def _at_once(self, projected, states, mask, started):
        """(outputs, states) by one primitive; `started`: the states before the first element need not be zeros."""
        sequence, states = self.cell.along(projected, states, mask, self.go_backwards)
        result = sequence if self.return_sequences else states[0]
        if mask is not None and (started or self.zero_output_for_mask):
            shown = self._shown(mask) if self.return_sequences else self._shown(mask)[:, 0 if self.go_backwards else -1]
            result = _where(shown, result, ops.zeros_like(result))
        return ops.flip(result, 1) if self.return_sequences and self.go_backwards else result, states

    def _shown(self, mask):
        """Where outputs are those of a cell: at present elements or, if outputs are repeated, from the first one on."""
        if self.zero_output_for_mask:
            return mask
        ahead = ops.flip(mask, 1) if self.go_backwards else mask
        seen = ops.cumsum(ops.cast(ahead, "int32"), 1) > 0
        return ops.flip(seen, 1) if self.go_backwards else seen

    def _step_by_step(self, steps, states, mask, training):
        """(outputs, states) with an instruction for each operation of each step."""
        outputs, output = [], None
        for t in range(steps.shape[1])[:: -1 if self.go_backwards else 1]:
            step = steps[:, t]
            if isinstance(self.cell, _Cell):
                new, after = self.cell.advance(step, states, training)
            else:
                new, after = _call_cell(self.cell, step, states, training)
            if mask is not None:
                before = ops.zeros_like(new) if output is None or self.zero_output_for_mask else output
                new, after = _where(mask[:, t], new, before), _where(mask[:, t], after, states)
            output, states = new, after
            outputs.append(output)
        return ops.stack(outputs, 1) if self.return_sequences else output, states

    def compute_mask(self, inputs, mask=None):
        return mask if self.return_sequences else None

    def loop_config(self):
        names = ["return_sequences", "return_state", "go_backwards", "stateful", "unroll", "zero_output_for_mask"]
        return {name: getattr(self, name) for name in names}

    def get_config(self):
        return {**super().get_config(), **self.loop_config(), "cell": registry.serialize(self.cell)}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        if "cell" not in config:
            return cls(**config)
        cell = config["cell"]
        if isinstance(cell, dict):
            cell = registry.deserialize(cell, "layer", custom_objects)
        return cls(**{**config, "cell": cell})


class _Recurrent(RNN):
    """An RNN with a cell of ours: takes the arguments of both."""

    cell_class: type[Layer] = SimpleRNNCell
    left_out: tuple[str, ...] = ()

    def __init__(self, units, *args, **kwargs):
        loop = {
            k: kwargs.pop(k)
            for k in ("return_sequences", "return_state", "go_backwards", "stateful", "unroll", "zero_output_for_mask")
            if k in kwargs
        }
        base = {k: kwargs.pop(k) for k in ("name", "trainable", "activity_regularizer") if k in kwargs}
        cell = self.cell_class(units, *args, **kwargs)
        if "dtype" in kwargs:
            base["dtype"] = kwargs["dtype"]
        super().__init__(cell, **loop, **base)

    def __getattr__(self, name):
        """Arguments of the cell can be read from the layer, as in Keras."""
        cell = self.__dict__.get("cell")
        if cell is not None and not name.startswith("_") and name in cell.__dict__:
            return getattr(cell, name)
        return super().__getattr__(name)

    def get_config(self):
        own = {k: v for k, v in self.cell.own_config().items() if k not in self.left_out}
        regularizer = registry.serialize(self.activity_regularizer)
        return {**Layer.get_config(self), **self.loop_config(), **own, "activity_regularizer": regularizer}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)


@registry.register("layer")
class SimpleRNN(_Recurrent):
    """h = activation(x . kernel + h . recurrent_kernel + bias) along the sequence: (n, t, k) to (n, units).

    Parameters
    ----------
    units : int
    return_sequences, return_state, go_backwards : bool
        See `RNN`.
    dropout, recurrent_dropout : float
        In training, parts of the inputs and of the state that are left out, the same ones at every step.
    activation, use_bias, ... : as `Dense`
    """

    cell_class = SimpleRNNCell
    left_out = ("seed",)  # Keras leaves it out of this configuration

    def __init__(
        self, units, activation="tanh", use_bias=True, kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal", bias_initializer="zeros", kernel_regularizer=None,
        recurrent_regularizer=None, bias_regularizer=None, activity_regularizer=None,
        kernel_constraint=None, recurrent_constraint=None, bias_constraint=None, dropout=0.0,
        recurrent_dropout=0.0, return_sequences=False, return_state=False, go_backwards=False,
        stateful=False, unroll=False, seed=None, **kwargs,
    ):  # fmt: skip
        super().__init__(
            units, activation=activation, use_bias=use_bias, kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer, bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer, recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer, kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint, bias_constraint=bias_constraint, dropout=dropout,
            recurrent_dropout=recurrent_dropout, seed=seed, return_sequences=return_sequences,
            return_state=return_state, go_backwards=go_backwards, stateful=stateful, unroll=unroll,
            activity_regularizer=activity_regularizer, **kwargs,
        )  # fmt: skip


@registry.register("layer")
class LSTM(_Recurrent):
    """Long short-term memory along the sequence; see `LSTMCell`: (n, t, k) to (n, units).

    Parameters
    ----------
    units : int
    return_sequences, return_state, go_backwards : bool
        See `RNN`.
    dropout, recurrent_dropout : float
        In training, parts of the inputs and of the state that are left out, the same ones at every step.
    activation, use_bias, ... : as `Dense`
    """

    cell_class = LSTMCell

    def __init__(
        self, units, activation="tanh", recurrent_activation="sigmoid", use_bias=True,
        kernel_initializer="glorot_uniform", recurrent_initializer="orthogonal", bias_initializer="zeros",
        unit_forget_bias=True, kernel_regularizer=None, recurrent_regularizer=None, bias_regularizer=None,
        activity_regularizer=None, kernel_constraint=None, recurrent_constraint=None, bias_constraint=None,
        dropout=0.0, recurrent_dropout=0.0, seed=None, return_sequences=False, return_state=False,
        go_backwards=False, stateful=False, unroll=False, use_cudnn="auto", **kwargs,
    ):  # fmt: skip
        super().__init__(
            units, activation=activation, recurrent_activation=recurrent_activation, use_bias=use_bias,
            kernel_initializer=kernel_initializer, recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer, unit_forget_bias=unit_forget_bias,
            kernel_regularizer=kernel_regularizer, recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer, kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint, bias_constraint=bias_constraint, dropout=dropout,
            recurrent_dropout=recurrent_dropout, seed=seed, return_sequences=return_sequences,
            return_state=return_state, go_backwards=go_backwards, stateful=stateful, unroll=unroll,
            activity_regularizer=activity_regularizer, **kwargs,
        )  # fmt: skip


@registry.register("layer")
class GRU(_Recurrent):
    """Gated recurrent units along the sequence; see `GRUCell`: (n, t, k) to (n, units).

    Parameters
    ----------
    units : int
    return_sequences, return_state, go_backwards : bool
        See `RNN`.
    dropout, recurrent_dropout : float
        In training, parts of the inputs and of the state that are left out, the same ones at every step.
    activation, use_bias, ... : as `Dense`
    """

    cell_class = GRUCell

    def __init__(
        self, units, activation="tanh", recurrent_activation="sigmoid", use_bias=True,
        kernel_initializer="glorot_uniform", recurrent_initializer="orthogonal", bias_initializer="zeros",
        kernel_regularizer=None, recurrent_regularizer=None, bias_regularizer=None,
        activity_regularizer=None, kernel_constraint=None, recurrent_constraint=None, bias_constraint=None,
        dropout=0.0, recurrent_dropout=0.0, seed=None, return_sequences=False, return_state=False,
        go_backwards=False, stateful=False, unroll=False, reset_after=True, use_cudnn="auto", **kwargs,
    ):  # fmt: skip
        super().__init__(
            units, activation=activation, recurrent_activation=recurrent_activation, use_bias=use_bias,
            kernel_initializer=kernel_initializer, recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer, kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer, bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint, recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint, dropout=dropout, recurrent_dropout=recurrent_dropout,
            seed=seed, reset_after=reset_after, return_sequences=return_sequences,
            return_state=return_state, go_backwards=go_backwards, stateful=stateful, unroll=unroll,
            activity_regularizer=activity_regularizer, **kwargs,
        )  # fmt: skip
