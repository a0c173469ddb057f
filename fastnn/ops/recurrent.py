"""Recurrent layers as one primitive each: the states go along whole sequences, see ``csrc/recurrent.c``.

Sequences x are (n, t, k), w (k, gates * units) is the kernel, u (units, gates * units) the recurrent kernel, h (and c)
the states (n, units) before the first element.  A mask (n, t) leaves the states as they are where it is False.
"""

import math

import numpy as np

from fastnn.graph.program import apply
from fastnn.ops import creation, elementwise, reduce
from fastnn.ops.primitive import Primitive
from fastnn.ops.products import _matmul, as_floats, matmul_sizes
from fastnn.ops.shape import reshape, stack

FEW_ROWS = 16  # of fewer sequences a chunk has too few rows for the product of the inputs: whole sequences have more
LARGE = 1 << 16  # elements of w: no more stay in the second-level cache from one element of a sequence to the next


class _Recurrent(Primitive):
    """A cell applied to one element after the other; from the last to the first with ``reverse``.

    Inputs x, w, bias, u, states[, mask].  Outputs: the states in the end; h behind every element, (n, t, units); and
    for the gradient the states before every element, and what it reads of the cell, (n, t, kept * units).

    Attributes
    ----------
    gates, kept : int
        Blocks of units in x . w and h . u, and in what is kept of an element.
    states : int
    biases : int
        1: bias (gates * units,) is added to x . w; 2: of bias (2, gates * units), the second row to h . u.
    """

    gates = kept = states = biases = 1

    def __init__(self, name, backwards):
        super().__init__(name)
        self.n_outputs = 2 * self.states + 2
        self.backwards = backwards

    def operands(self, inputs):
        """(x, w, bias, u, states, mask or None) of the inputs."""
        x, w, bias, u, *rest = inputs
        states, mask = rest[: self.states], rest[self.states :]
        return x, w, bias, u, states, mask[0] if mask else None

    def infer(self, *inputs, reverse=False):
        x, w, bias, u, states, mask = self.operands(inputs)
        (n, t, k), units = x.shape, u.shape[0]
        width = self.gates * units
        shapes = [(k, width), (width,) if self.biases == 1 else (2, width), (units, width)]
        shapes += [(n, units)] * self.states
        given = [tensor.shape for tensor in (w, bias, u, *states)]
        if given != shapes or t == 0 or (mask is not None and mask.shape != (n, t)):
            raise ValueError(
                f"{self.name}: x of shape {x.shape} needs t >= 1 elements, operands of shapes {shapes} and perhaps a "
                f"mask of shape {(n, t)}; received {[i.shape for i in inputs[1:]]}"
            )
        outputs = [(n, units)] * self.states + [(n, t, units)] * (1 + self.states) + [(n, t, self.kept * units)]
        return [(shape, x.dtype) for shape in outputs]

    def reference(self, *inputs, reverse=False):
        x, w, bias, u, states, mask = self.operands(inputs)
        (n, t, _), units, states = x.shape, u.shape[0], list(states)
        bias, *inner = bias.reshape(self.biases, -1)
        x = x @ w + bias
        sequence, *before = (np.zeros((n, t, units), x.dtype) for _ in range(1 + self.states))
        kept = np.zeros((n, t, self.kept * units), x.dtype)
        for k in range(t)[:: -1 if reverse else 1]:
            new, kept[:, k] = self.cell(x[:, k], sum(inner, states[0] @ u), *states)
            for i, (old, fresh) in enumerate(zip(states, new, strict=True)):
                before[i][:, k] = old
                states[i] = fresh if mask is None else np.where(mask[:, k, None], fresh, old)
            sequence[:, k] = states[0]
        return *states, sequence, *before, kept

    def cell(self, x, product, *states):
        """(new states, what is kept) of one element; x: x . w with its bias, product: h . u with one of its own."""
        raise NotImplementedError

    def gradient(self, gradients, inputs, outputs, reverse=False):
        x, w, _, u, states, mask = self.operands(inputs)
        last, dsequence = gradients[: self.states], gradients[self.states]
        last = [creation.zeros_like(s) if d is None else d for d, s in zip(last, states, strict=True)]
        given = [*last, *([dsequence] if dsequence is not None else []), u, outputs[-1], *self.read(outputs)]
        results = apply(
            self.backwards, *given, *([mask] if mask is not None else []),
            sequences=dsequence is not None, reverse=reverse,
        )  # fmt: skip
        inner, dstates = [_rows(d) for d in results[: self.biases]], results[self.biases :]
        dbias = [reduce.sum(d, 0) for d in inner]
        return (
            reshape(_matmul(inner[0], w, transpose_b=True), x.shape),
            _matmul(_rows(x), inner[0], transpose_a=True),
            dbias[0] if self.biases == 1 else stack(dbias),
            _matmul(_rows(outputs[self.states + 1]), inner[-1], transpose_a=True),
            *dstates,
            *([None] if mask is not None else []),
        )

    def read(self, outputs):
        """States before every element that the gradient reads."""
        return []

    def lower(self, lowering, instruction):
        x, w, bias, u, states, mask = self.operands(instruction.inputs)
        last, sequence = instruction.outputs[: self.states], instruction.outputs[self.states]
        memory = instruction.outputs[self.states + 1 :]
        sequences, keep = lowering.is_read(sequence), any(map(lowering.is_read, memory))
        unwanted = lambda t: lowering.temporary((1,))  # noqa: E731
        sequence = sequence if sequences else unwanted(sequence)
        memory = memory if keep else map(unwanted, memory)
        (n, t, k), width, flops = x.shape, w.shape[1], self.flops(instruction)
        if n < FEW_ROWS or t == 1 or k == 0 or k * width > LARGE:
            product = lowering.temporary((n, t, width))
            before = 2 * n * t * k * width
            lowering.step("matmul", (x, w), (product,), matmul_sizes(n * t, width, k), flops=before)
            x, k, flops = product, 0, flops - before
        sizes = _sizes(n, t, u, mask, sequences, **instruction.attributes) | {"keep": int(keep), "k": k}
        reads = (x, w, bias, u, *states, x if mask is None else mask)
        lowering.step(self.name, reads, (*last, sequence, *memory), sizes, flops=flops)

    def flops(self, instruction):
        x, w, _, u = instruction.inputs[:4]
        return 2 * math.prod(x.shape[:2]) * (math.prod(w.shape) + math.prod(u.shape))


def _rows(x):
    """Elements of sequences as the rows of a matrix."""
    return reshape(x, (math.prod(x.shape[:2]), x.shape[2]))


def _sizes(n, t, u, mask, sequences, reverse=False):
    """Those of csrc/steps.def."""
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
        lowering.step(self.name, reads, instruction.outputs, _sizes(*kept.shape[:2], u, mask, sequences, reverse))

    def flops(self, instruction):
        _, _, u, kept, _, _ = self.operands(instruction.inputs, instruction.attributes["sequences"])
        return 2 * math.prod(kept.shape[:2]) * math.prod(u.shape)


class SimpleRNN(_Recurrent):
    """h = tanh(x . w + bias + h . u)."""

    def cell(self, x, product, h):
        y = np.tanh(x + product)
        return [y], y


class SimpleRNNGradient(_RecurrentGradient):
    """Of h = tanh(x + h . u)."""

    def cell(self, dh, y):
        return [[dh * (1 - y * y)]], [np.zeros_like(dh)]


class LSTM(_Recurrent):
    """i, f, g, o = x . w + bias + h . u;  c = s(f) c + s(i) tanh(g);  h = s(o) tanh(c).

    Hochreiter and Schmidhuber, Long short-term memory, 1997, with forget gates.
    """

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
    """xz, xr, xy = x . w + bias[0];  z, r, q = h . u + bias[1];  z = s(xz + z), r = s(xr + r).

    h = z h + (1 - z) tanh(xy + r q)  (arXiv 1406.1078).
    """

    gates, kept, biases = 3, 4, 2

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


def _along(primitive, given, mask, reverse):
    """(sequence, [states in the end])."""
    masks = [] if mask is None else [elementwise.cast(mask, "bool")]
    results = apply(primitive, *map(as_floats, given), *masks, reverse=reverse)
    return results[primitive.states], list(results[: primitive.states])


def simple_rnn(x, w, bias, u, h, mask=None, reverse=False):
    """h = tanh(x . w + bias + h . u) along sequences.

    Parameters
    ----------
    x : tensor of shape (n, t, k)
    w : tensor of shape (k, units)
    bias : tensor of shape (units,)
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
    return _along(_simple_rnn, (x, w, bias, u, h), mask, reverse)


def lstm(x, w, bias, u, h, c, mask=None, reverse=False):
    """i, f, g, o = x . w + bias + h . u;  c = s(f) c + s(i) tanh(g);  h = s(o) tanh(c), s the sigmoid.

    As `simple_rnn`, with w (k, 4 * units), bias (4 * units,), u (units, 4 * units), the states h and c (n, units);
    gives (sequence, [h, c]).
    """
    return _along(_lstm, (x, w, bias, u, h, c), mask, reverse)


def gru(x, w, bias, u, h, mask=None, reverse=False):
    """xz, xr, xy = x . w + bias[0];  z, r, q = h . u + bias[1];  z = s(xz + z), r = s(xr + r);  h = z h + (1 - z) y.

    y = tanh(xy + r q).  As `simple_rnn`, with w (k, 3 * units), bias (2, 3 * units), u (units, 3 * units).
    """
    return _along(_gru, (x, w, bias, u, h), mask, reverse)
