"""Recurrent layers: a cell applied to one element of a sequence after the other.

Cells as they are by default go along the whole sequence in one primitive, `fastnn.ops.recurrent`; with other
activations, with recurrent dropout in training, with `unroll` and for cells of users, a traced program holds the steps
one by one, behind one product of all elements with the kernel.
"""

from collections.abc import Mapping
from types import MappingProxyType

from fastnn import ops, tree
from fastnn.layers.layer import Layer
from fastnn.layers.recurrent_cells import (
    CONSTRAINTS,
    DROPOUT,
    GATED,
    INITIALIZERS,
    REGULARIZERS,
    REQUIRED,
    SIMPLE,
    Cell,
    GRUCell,
    LSTMCell,
    SimpleRNNCell,
    constructor,
)  # fmt: skip
from fastnn.saving import registry
from fastnn.variable import Variable


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
        return _output_size(self.cells[-1])

    def build(self, input_shape):
        for cell in self.cells:
            cell._build(tuple(input_shape))
            size = _output_size(cell)
            input_shape = (input_shape[0], *(size if isinstance(size, (list, tuple)) else (size,)))

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


def _output_size(cell):
    """What a cell says of its output or, if it says nothing, the size of its first state, as in Keras."""
    size = getattr(cell, "output_size", None)
    if size is None:
        return cell.state_size[0] if isinstance(cell.state_size, (list, tuple)) else cell.state_size
    return size


def _call_cell(cell, inputs, states, training):
    """(output, states as a list) of any cell; a state may be a tensor or a list."""
    given = states[0] if isinstance(states, list) and len(states) == 1 and not isinstance(states[0], list) else states
    if isinstance(cell, Cell):
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
    """New states, of any nesting, where the element is present, the old ones elsewhere."""

    def chosen(n, o):
        return ops.where(ops.reshape(keep, (*keep.shape, *(1,) * (len(n.shape) - len(keep.shape)))), n, o)

    return tree.pack_sequence_as(new, map(chosen, tree.flatten(new), tree.flatten(old)))


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
        The states behind a batch are those before the next one, row by row, until `reset_states`; all batches have the
        same number of rows, which ``Input(batch_size=...)`` states.
    unroll : bool
        The program holds the steps one by one, for layers that hold them in one: it is slower, and can be
        differentiated twice.
    zero_output_for_mask : bool
        Outputs of masked elements are zeros instead of the previous output.
    """

    _untracked = Layer._untracked | {"states"}  # as in Keras, no weights

    def __init__(
        self, cell, return_sequences=False, return_state=False, go_backwards=False, stateful=False, unroll=False,
        zero_output_for_mask=False, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.cell = StackedRNNCells(cell) if isinstance(cell, (list, tuple)) else cell
        for needed in ("call", "state_size"):
            if not hasattr(self.cell, needed):
                raise ValueError(f"{type(self).__name__}: the cell {cell!r} needs {needed}")
        self.return_sequences, self.return_state, self.go_backwards = return_sequences, return_state, go_backwards
        self.stateful, self.unroll, self.zero_output_for_mask = stateful, unroll, zero_output_for_mask
        self.states = None

    def build(self, sequences_shape, initial_state_shape=None):
        rows, _, *features = sequences_shape
        self.cell._build((rows, *features))
        if self.stateful:
            if rows is None:
                raise ValueError(f"{self}: a stateful layer keeps a state for each row: give Input(batch_size=...)")
            zeros = tree.flatten(_initial_state(self.cell, rows))
            self.states = [Variable(state, dtype=self.dtype, trainable=False, name="rnn_state") for state in zeros]

    def reset_state(self):
        """Begin anew: zeros are the states before the next batch."""
        for state in self.states or []:
            state.assign(ops.zeros(state.shape, state.dtype))

    reset_states = reset_state

    def _check_input(self, x):
        if len(x.shape) < 3:
            raise self._wrong_input("sequences of shape (n, t, k)", x.shape, "Add an axis, e.g. x[..., None].")

    def call(self, sequences, initial_state=None, mask=None, training=False):
        rows = sequences.shape[0]
        if self.states and rows != self.states[0].shape[0]:
            raise self._wrong_input(
                f"{self.states[0].shape[0]} rows, as many as it keeps states of", sequences.shape,
                "Give batches of one size.",
            )  # fmt: skip
        if initial_state is None:
            states = _initial_state(self.cell, rows)
            states = tree.pack_sequence_as(states, self.states) if self.states else states
        else:
            states = list(initial_state) if isinstance(initial_state, (list, tuple)) else [initial_state]
        ours = isinstance(self.cell, Cell)
        if ours and self.cell.whole(training) and not self.unroll:
            inputs, started = self.cell.dropped(sequences, training), initial_state is not None or bool(self.states)
            result, states = self._at_once(inputs, states, mask, started)
        else:
            steps = self.cell.project(sequences, training) if ours else sequences
            result, states = self._step_by_step(steps, states, mask, training)
        for kept, state in zip(self.states or [], tree.flatten(states), strict=False):
            kept.assign(state)
        return [result, *states] if self.return_state else result

    def _at_once(self, inputs, states, mask, started):
        """(outputs, states) by one primitive; `started`: the states before the first element need not be zeros."""
        sequence, states = self.cell.along(inputs, states, mask, self.go_backwards)
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
            if isinstance(self.cell, Cell):
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


LOOP = {"return_sequences": False, "return_state": False, "go_backwards": False, "stateful": False}


class RecurrentOf(RNN):
    """An RNN with a cell of ours: takes the arguments of both."""

    cell_class: type[Cell] = SimpleRNNCell
    cell_options: Mapping = MappingProxyType({})  # what the cell takes besides the arguments
    left_out: tuple[str, ...] = ()  # of the configuration

    def _construct(self, given, others):
        loop = {name: given.pop(name) for name in (*LOOP, "unroll") if name in given}
        given.pop("use_cudnn", None)
        others["activity_regularizer"] = given.pop("activity_regularizer")
        dtype = {"dtype": others["dtype"]} if "dtype" in others else {}
        name = registry.snake_case(self.cell_class.__name__)  # without a number: the layer's name tells cells apart
        super().__init__(self.cell_class(**self.cell_options, **given, **dtype, name=name), **loop, **others)

    def __getattr__(self, name):
        """Arguments of the cell can be read from the layer, as in Keras."""
        cell = self.__dict__.get("cell")
        if cell is not None and not name.startswith("_") and name in cell.__dict__:
            return getattr(cell, name)
        return super().__getattr__(name)

    def get_config(self):
        left_out = (*self.cell_options, *self.left_out)
        own = {k: v for k, v in self.cell.own_config().items() if k not in left_out}
        regularizer = registry.serialize(self.activity_regularizer)
        return {**Layer.get_config(self), **self.loop_config(), **own, "activity_regularizer": regularizer}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)


@registry.register("layer")
class SimpleRNN(RecurrentOf):
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

    __init__ = constructor({
        **SIMPLE, **INITIALIZERS, **REGULARIZERS, "activity_regularizer": None, **CONSTRAINTS, **DROPOUT, **LOOP,
        "unroll": False, "seed": None,
    })  # fmt: skip


@registry.register("layer")
class LSTM(RecurrentOf):
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

    __init__ = constructor({
        "units": REQUIRED, **GATED, **INITIALIZERS, "unit_forget_bias": True, **REGULARIZERS,
        "activity_regularizer": None, **CONSTRAINTS, **DROPOUT, "seed": None, **LOOP, "unroll": False,
        "use_cudnn": "auto",
    })  # fmt: skip


@registry.register("layer")
class GRU(RecurrentOf):
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

    __init__ = constructor({
        "units": REQUIRED, **GATED, **INITIALIZERS, **REGULARIZERS, "activity_regularizer": None, **CONSTRAINTS,
        **DROPOUT, "seed": None, **LOOP, "unroll": False, "reset_after": True, "use_cudnn": "auto",
    })  # fmt: skip
