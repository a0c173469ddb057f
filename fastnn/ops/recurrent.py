"""Recurrent layers as one primitive each: the states go along whole sequences, see ``csrc/recurrent.c``.

Sequences x (n, t, gates * units) are the inputs' share in the gates: the product of all elements with the kernel, and
the bias.  u (units, gates * units) is the recurrent kernel, h (and c) the states (n, units) before the first element.
A mask (n, t) leaves the states as they are where it is False.
"""

import math

import numpy as np

from fastnn.graph.program import apply
from fastnn.ops import creation, elementwise, reduce
from fastnn.ops.primitive import Primitive
from fastnn.ops.products import _matmul
from fastnn.ops.shape import reshape


class _Recurrent(Primitive):
    """A cell applied to one element after the other; from the last to the first with ``reverse``.

    Inputs x, u[, bias], states[, mask].  Outputs: the states in the end; h behind every element, (n, t, units); and for
    the gradient the states before every element, and what it reads of the cell, (n, t, kept * units).

    Attributes
    ----------
    gates, kept : int
        Blocks of units in x, and in what is kept of an element.
    states : int
    biased : bool
        Whether a bias (gates * units,) is added to h . u.
    """

    gates = kept = states = 1
    biased = False

    def __init__(self, name, backwards):
        super().__init__(name)
        self.n_outputs = 2 * self.states + 2
        self.backwards = backwards

    def operands(self, inputs):
        """(x, u, [bias], states, mask or None) of the inputs."""
        x, u, *rest = inputs
        bias = rest[: self.biased]
        states = rest[self.biased : self.biased + self.states]
        mask = rest[self.biased + self.states :]
        return x, u, bias, states, mask[0] if mask else None

    def infer(self, *inputs, reverse=False):
        x, u, bias, states, mask = self.operands(inputs)
        (n, t, width), units = x.shape, u.shape[0]
        shapes = [(units, width), *[(width,)] * len(bias), *[(n, units)] * self.states]
        given = [tensor.shape for tensor in (u, *bias, *states)]
        if width != self.gates * units or given != shapes or t == 0 or (mask is not None and mask.shape != (n, t)):
            raise ValueError(
                f"{self.name}: x of shape {x.shape} needs t >= 1 elements of {self.gates} * units, operands of shapes "
                f"{shapes} and perhaps a mask of shape {(n, t)}; received {[i.shape for i in inputs[1:]]}"
            )
        outputs = [(n, units)] * self.states + [(n, t, units)] * (1 + self.states) + [(n, t, self.kept * units)]
        return [(shape, x.dtype) for shape in outputs]

    def reference(self, *inputs, reverse=False):
        x, u, bias, states, mask = self.operands(inputs)
        (n, t, _), units, states = x.shape, u.shape[0], list(states)
        sequence, *before = (np.zeros((n, t, units), x.dtype) for _ in range(1 + self.states))
        kept = np.zeros((n, t, self.kept * units), x.dtype)
        for k in range(t)[:: -1 if reverse else 1]:
            new, kept[:, k] = self.cell(x[:, k], sum(bias, states[0] @ u), *states)
            for i, (old, fresh) in enumerate(zip(states, new, strict=True)):
                before[i][:, k] = old
                states[i] = fresh if mask is None else np.where(mask[:, k, None], fresh, old)
            sequence[:, k] = states[0]
        return *states, sequence, *before, kept

    def cell(self, x, product, *states):
        """(new states, what is kept) of one element; product: h . u, with the bias."""
        raise NotImplementedError

    def gradient(self, gradients, inputs, outputs, reverse=False):
        _, u, _, states, mask = self.operands(inputs)
        last, dsequence = gradients[: self.states], gradients[self.states]
        last = [creation.zeros_like(s) if d is None else d for d, s in zip(last, states, strict=True)]
        given = [*last, *([dsequence] if dsequence is not None else []), u, outputs[-1], *self.read(outputs)]
        dx, *rest = apply(
            self.backwards, *given, *([mask] if mask is not None else []),
            sequences=dsequence is not None, reverse=reverse,
        )  # fmt: skip
        dproduct = rest.pop(0) if self.biased else dx
        rows, h = (reshape(a, (-1, a.shape[-1])) for a in (dproduct, outputs[self.states + 1]))
        dbias = [reduce.sum(rows, 0)] if self.biased else []
        return dx, _matmul(h, rows, transpose_a=True), *dbias, *rest, *([None] if mask is not None else [])

    def read(self, outputs):
        """States before every element that the gradient reads."""
        return []

    def lower(self, lowering, instruction):
        x, u, bias, states, mask = self.operands(instruction.inputs)
        last, sequence = instruction.outputs[: self.states], instruction.outputs[self.states]
        memory = instruction.outputs[self.states + 1 :]
        sequences, keep = lowering.is_read(sequence), any(map(lowering.is_read, memory))
        unwanted = lambda t: lowering.temporary((1,))  # noqa: E731
        sequence = sequence if sequences else unwanted(sequence)
        memory = memory if keep else map(unwanted, memory)
        sizes = _sizes(x, u, mask, sequences, **instruction.attributes) | {"keep": int(keep)}
        reads = (x, u, *bias, *states, x if mask is None else mask)
        lowering.step(self.name, reads, (*last, sequence, *memory), sizes)

    def flops(self, instruction):
        x, u = instruction.inputs[:2]
        return 2 * math.prod(x.shape[:2]) * math.prod(u.shape)


def _sizes(x, u, mask, sequences, reverse=False):
    """Those of csrc/steps.def."""
    n, t = x.shape[:2]
    flags = {"reverse": int(reverse), "masked": int(mask is not None), "sequences": int(sequences)}
    return {"n": n, "t": t, "units": u.shape[0], **flags}


class _RecurrentGradient(Primitive):
    """The gradients of x and the first states; with a bias, that of h . u behind the one of x.

    Inputs: gradients of the states in the end[, of the sequence, with ``sequences``], u, what was kept[, states before
    every element][, mask].
    """

    gates = states = 1
    reads_before = biased = False

    def __init__(self, name):
        super().__init__(name)
        self.n_outputs = 1 + self.biased + self.states

    def operands(self, inputs, sequences):
        """([gradients of the states], of the sequence or None, u, kept, [before], mask or None) of the inputs."""
        last, rest = inputs[: self.states], list(inputs[self.states :])
        dsequence = rest.pop(0) if sequences else None
        u, kept = rest.pop(0), rest.pop(0)
        before = [rest.pop(0)] if self.reads_before else []
        return last, dsequence, u, kept, before, rest[0] if rest else None

    def infer(self, *inputs, sequences=False, reverse=False):
        last, _, u, kept, _, _ = self.operands(inputs, sequences)
        wide = (*kept.shape[:2], self.gates * u.shape[0])
        return [(shape, kept.dtype) for shape in [wide] * (1 + self.biased) + [d.shape for d in last]]

    def reference(self, *inputs, sequences=False, reverse=False):
        last, dsequence, u, kept, before, mask = self.operands(inputs, sequences)
        (n, t, _), d = kept.shape, list(last)
        wide = [np.zeros((n, t, self.gates * u.shape[0]), kept.dtype) for _ in range(1 + self.biased)]
        for k in range(t)[:: 1 if reverse else -1]:
            if dsequence is not None:
                d[0] = d[0] + dsequence[:, k]
            blocks = np.split(kept[:, k], kept.shape[-1] // u.shape[0], -1)
            inner, direct = self.cell(*d, *blocks, *(b[:, k] for b in before))
            present = np.ones((n, 1), bool) if mask is None else np.asarray(mask, bool)[:, k, None]
            for array, values in zip(wide, inner, strict=True):
                array[:, k] = np.where(present, np.concatenate(values, -1), 0)
            d = [np.where(present, new, old) for new, old in zip(direct, d, strict=True)]
            d[0] = d[0] + wide[-1][:, k] @ u.T
        return *wide, *d

    def cell(self, dh, *others):
        """(gradients of the gates of x and, with a bias, of h . u; of the states but for that by h . u)."""
        raise NotImplementedError

    def lower(self, lowering, instruction):
        sequences, reverse = (instruction.attributes[name] for name in ("sequences", "reverse"))
        last, dsequence, u, kept, before, mask = self.operands(instruction.inputs, sequences)
        unread = last[0]
        reads = (*last, dsequence if sequences else unread, u, kept, *before, unread if mask is None else mask)
        lowering.step(self.name, reads, instruction.outputs, _sizes(kept, u, mask, sequences, reverse))

    def flops(self, instruction):
        _, _, u, kept, _, _ = self.operands(instruction.inputs, instruction.attributes["sequences"])
        return 2 * math.prod(kept.shape[:2]) * math.prod(u.shape)


class SimpleRNN(_Recurrent):
    """h = tanh(x + h . u)."""

    def cell(self, x, product, h):
        y = np.tanh(x + product)
        return [y], y


class SimpleRNNGradient(_RecurrentGradient):
    """Of h = tanh(x + h . u)."""

    def cell(self, dh, y):
        return [[dh * (1 - y * y)]], [np.zeros_like(dh)]


class LSTM(_Recurrent):
    """i, f, g, o = x + h . u;  c = s(f) c + s(i) tanh(g);  h = s(o) tanh(c)  (Hochreiter and Schmidhuber, 1997)."""

    gates, kept, states = 4, 5, 2

    def cell(self, x, product, h, c):
        i, f, g, o = np.split(x + product, 4, -1)
        i, f, g, o = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)
        c = f * c + i * g
        y = np.tanh(c)
        return [o * y, c], np.concatenate([i, f, g, o, y], -1)

    def read(self, outputs):
        return [outputs[-2]]


class LSTMGradient(_RecurrentGradient):
    """Of an `LSTM`; reads c before every element."""

    gates, states, reads_before = 4, 2, True

    def cell(self, dh, dc, i, f, g, o, y, c_before):
        dc = dc + dh * o * (1 - y * y)
        inner = dc * g * i * (1 - i), dc * c_before * f * (1 - f), dc * i * (1 - g * g), dh * y * o * (1 - o)
        return [inner], [np.zeros_like(dh), dc * f]


class GRU(_Recurrent):
    """z, r, q = h . u + bias;  h = s(xz + z) h + (1 - s(xz + z)) tanh(xy + s(xr + r) q)  (arXiv 1406.1078)."""

    gates, kept, biased = 3, 4, True

    def cell(self, x, product, h):
        (xz, xr, xy), (z, r, q) = np.split(x, 3, -1), np.split(product, 3, -1)
        z, r = _sigmoid(xz + z), _sigmoid(xr + r)
        y = np.tanh(xy + r * q)
        return [z * h + (1 - z) * y], np.concatenate([z, r, y, q], -1)

    def read(self, outputs):
        return [outputs[2]]


class GRUGradient(_RecurrentGradient):
    """Of a `GRU`; reads h before every element."""

    gates, reads_before, biased = 3, True, True

    def cell(self, dh, z, r, y, q, h_before):
        dy = dh * (1 - z) * (1 - y * y)
        dz, dr = dh * (h_before - y) * z * (1 - z), dy * q * r * (1 - r)
        return [[dz, dr, dy], [dz, dr, dy * r]], [dh * z]


def _sigmoid(x):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


_simple_rnn = SimpleRNN("simple_rnn", SimpleRNNGradient("simple_rnn_gradient"))
_lstm = LSTM("lstm", LSTMGradient("lstm_gradient"))
_gru = GRU("gru", GRUGradient("gru_gradient"))


def _along(primitive, x, u, given, mask, reverse):
    """(sequence, [states in the end])."""
    masks = [] if mask is None else [elementwise.cast(mask, "bool")]
    results = apply(primitive, x, u, *given, *masks, reverse=reverse)
    return results[primitive.states], list(results[: primitive.states])


def simple_rnn(x, u, h, mask=None, reverse=False):
    """h = tanh(x + h . u) along sequences.

    Parameters
    ----------
    x : tensor of shape (n, t, units)
    u : tensor of shape (units, units)
    h : tensor of shape (n, units)
        Before the first element.
    mask : bool tensor of shape (n, t), optional
        Where it is False the state stays as it is.
    reverse : bool
        From the last element to the first.

    Returns
    -------
    sequence : tensor of shape (n, t, units)
        h behind every element, in the order of x.
    states : list
        [h] in the end.
    """
    return _along(_simple_rnn, x, u, [h], mask, reverse)


def lstm(x, u, h, c, mask=None, reverse=False):
    """i, f, g, o = x + h . u;  c = s(f) c + s(i) tanh(g);  h = s(o) tanh(c) along sequences, s the sigmoid.

    As `simple_rnn`, with x (n, t, 4 * units), u (units, 4 * units), the states h and c (n, units); gives
    (sequence, [h, c]).
    """
    return _along(_lstm, x, u, [h, c], mask, reverse)


def gru(x, u, bias, h, mask=None, reverse=False):
    """z, r, q = h . u + bias;  z = s(xz + z), r = s(xr + r);  h = z h + (1 - z) tanh(xy + r q) along sequences.

    As `simple_rnn`, with x = [xz, xr, xy] (n, t, 3 * units), u (units, 3 * units), bias (3 * units,); gives
    (sequence, [h]).
    """
    return _along(_gru, x, u, [bias, h], mask, reverse)
