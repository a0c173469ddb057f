"""Softmax and the cross-entropy that belongs to it."""

import math
import warnings

import numpy as np

from fastnn.graph.program import Arithmetic, Tensor, apply
from fastnn.ops import elementwise, reduce
from fastnn.ops.primitive import Primitive
from fastnn.ops.rows import one_hot
from fastnn.ops.shape import expand_dims, moveaxis, normalize_axis, reshape, squeeze, tensor_like, transpose
from fastnn.ops.shape import shape as shape_of


def _stable_softmax(x):
    e = np.exp(x - np.max(x, -1, keepdims=True, initial=-np.inf))
    return e / np.sum(e, -1, keepdims=True)


def _log_sum_exp(x):
    largest = np.max(x, -1, keepdims=True)
    return np.log(np.sum(np.exp(x - largest), -1)) + largest[..., 0]


class Softmax(Primitive):
    """y = exp(x) / sum(exp(x)) over the last axis."""

    def infer(self, x):
        return [(x.shape, x.dtype)]

    def reference(self, x):
        with np.errstate(invalid="ignore"):
            return _stable_softmax(np.asarray(x))

    def gradient(self, gradients, inputs, outputs):
        (dy,), (y,) = gradients, outputs
        return (y * (dy - reduce.sum(dy * y, -1, True)),)

    def lower(self, lowering, instruction):
        lowering.step("softmax", instruction.inputs, instruction.outputs, _rows_and_cols(instruction.inputs[0]))

    def flops(self, instruction):
        return 5 * math.prod(instruction.inputs[0].shape)


def _rows_and_cols(x):
    return {"rows": math.prod(x.shape[:-1]), "cols": x.shape[-1]}


class SoftmaxCrossentropy(Primitive):
    """loss[i] = sum_j t[i,j] * (logsumexp(x[i]) - x[i,j]); the second output is softmax(x)."""

    n_outputs = 2

    def infer(self, x, target):
        if x.shape != target.shape:
            raise ValueError(f"categorical cross-entropy: targets of shape {target.shape}, outputs of shape {x.shape}")
        return [(x.shape[:-1], x.dtype), (x.shape, x.dtype)]

    def reference(self, x, target):
        loss = np.sum(target * (_log_sum_exp(x)[..., None] - x), -1)
        return loss, _stable_softmax(x)

    def gradient(self, gradients, inputs, outputs):
        dloss, dprobability = gradients
        (x, target), probability = inputs, outputs[1]
        dloss = expand_dims(dloss, -1)
        d = (probability * reduce.sum(target, -1, True) - target) * dloss
        if dprobability is not None:
            d = d + probability * (dprobability - reduce.sum(dprobability * probability, -1, True))
        return d, -log_softmax(x) * dloss

    def lower(self, lowering, instruction):
        sizes = _rows_and_cols(instruction.inputs[0])
        lowering.step("softmax_crossentropy", instruction.inputs, instruction.outputs, sizes)

    def flops(self, instruction):
        return 8 * math.prod(instruction.inputs[0].shape)


class SparseSoftmaxCrossentropy(Primitive):
    """loss[i] = logsumexp(x[i]) - x[i, label[i]]; the second output is softmax(x)."""

    n_outputs = 2

    def infer(self, x, label):
        if x.shape[:-1] != label.shape:
            raise ValueError(
                f"sparse categorical cross-entropy: labels of shape {label.shape} for outputs of shape {x.shape}: one "
                "integer is needed for each row of outputs"
            )
        return [(label.shape, x.dtype), (x.shape, x.dtype)]

    def reference(self, x, label):
        label = check_labels(label, x.shape[-1])
        picked = np.take_along_axis(x, label[..., None], -1)[..., 0]
        return _log_sum_exp(x) - picked, _stable_softmax(x)

    def gradient(self, gradients, inputs, outputs):
        dloss, dprobability = gradients
        label, probability = inputs[1], outputs[1]
        d = apply(_sparse_gradient, probability, label, dloss)
        if dprobability is not None:
            d = d + probability * (dprobability - reduce.sum(dprobability * probability, -1, True))
        return d, None

    def lower(self, lowering, instruction):
        sizes = _rows_and_cols(instruction.inputs[0])
        lowering.step("sparse_softmax_crossentropy", instruction.inputs, instruction.outputs, sizes)

    def flops(self, instruction):
        return 6 * math.prod(instruction.inputs[0].shape)


class SparseSoftmaxCrossentropyGradient(Primitive):
    """dx[i,j] = (probability[i,j] - [j == label[i]]) * dloss[i]."""

    def infer(self, probability, label, dloss):
        return [(probability.shape, probability.dtype)]

    def reference(self, probability, label, dloss):
        d = np.array(probability)
        rows = d.reshape(-1, d.shape[-1])
        rows[np.arange(len(rows)), np.asarray(label).ravel()] -= 1
        return d * np.asarray(dloss)[..., None]

    def lower(self, lowering, instruction):
        sizes = _rows_and_cols(instruction.inputs[0])
        lowering.step("sparse_softmax_crossentropy_gradient", instruction.inputs, instruction.outputs, sizes)


def check_labels(label, classes):
    """Labels as int64, or an IndexError that names the first one outside 0..classes-1."""
    label = np.asarray(label)
    wrong = (label < 0) | (label >= classes)
    if np.any(wrong):
        raise IndexError(f"label {label[wrong].flat[0]} is outside 0..{classes - 1}")
    return label.astype(np.int64)


_softmax = Softmax("softmax")
_softmax_crossentropy = SoftmaxCrossentropy("softmax_crossentropy")
_sparse_softmax_crossentropy = SparseSoftmaxCrossentropy("sparse_softmax_crossentropy")
_sparse_gradient = SparseSoftmaxCrossentropyGradient("sparse_softmax_crossentropy_gradient")


def _last_axis(x, axis):
    x = x if isinstance(x, Arithmetic) else np.asarray(x)
    return x, normalize_axis(axis, x.ndim, "softmax") == x.ndim - 1


def softmax(x, axis=-1):
    """exp(x) / sum(exp(x)) along an axis (None: over all elements)."""
    if axis is None:
        return reshape(softmax(reshape(x, (1, -1))), shape_of(x))
    if isinstance(axis, (tuple, list)):
        return _softmax_over_axes(x, axis)
    if shape_of(x)[normalize_axis(axis, len(shape_of(x)))] == 1:
        warnings.warn(
            f"softmax over an axis of size 1 (shape {tuple(shape_of(x))}) is always 1: use sigmoid for one output",
            stacklevel=2,
        )
    x, last = _last_axis(x, axis)
    if last:
        return apply(_softmax, x)
    return moveaxis(apply(_softmax, moveaxis(x, axis, -1)), -1, axis)


def _softmax_over_axes(x, axes):
    sizes = shape_of(x)
    axes = [normalize_axis(a, len(sizes)) for a in axes]
    order = [i for i in range(len(sizes)) if i not in axes] + axes
    moved = transpose(x, order)
    lead = shape_of(moved)[: len(sizes) - len(axes)]
    y = reshape(apply(_softmax, reshape(moved, (*lead, -1))), shape_of(moved))
    return transpose(y, tuple(np.argsort(order)))


def sparsemax(x, axis=-1):
    """max(x - tau, 0) along an axis, zero for all but a few large elements, as Keras 3 computes it.

    S[i] is the sum of x[i] and all larger elements, and k[i] their number; i belongs to the support where
    1 + k[i] x[i] > S[i].  With one element in the support the result is the nearest point of the probability
    simplex (arXiv 1602.02068).  With more, Keras 3 adds up S over the support where the article takes the S
    of its smallest element, so a row does not sum to 1.
    """
    from fastnn import ops

    x = moveaxis(x, axis, -1)
    ordered = -ops.sort(-x, -1)
    sums, counts = ops.cumsum(ordered, -1), np.arange(1, x.shape[-1] + 1, dtype=str(x.dtype))
    support = ops.cast(1.0 + counts * ordered > sums, str(x.dtype))
    tau = (reduce.sum(support * sums, -1, True) - 1.0) / reduce.sum(support, -1, True)
    return moveaxis(elementwise.relu(x - tau), -1, axis)


def log_softmax(x, axis=-1):
    """log(softmax(x)) along an axis, without overflow."""
    return x - reduce.logsumexp(x, axis, True)


def logits_of(output, activation):
    """The input of the softmax (or sigmoid) that made a symbolic tensor, or None.

    With it a loss on probabilities is computed from the logits: stable, and the gradient is p - y.
    """
    producer = output.producer if isinstance(output, Tensor) else None
    return producer.inputs[0] if producer is not None and producer.primitive is activation else None


def categorical_crossentropy(target, output, from_logits=False, axis=-1):
    """-sum(target * log(output)) along an axis; the output is normalised to probabilities first.

    Parameters
    ----------
    target, output : tensors of one shape
        target: probabilities. output: probabilities, or logits with from_logits.

    Returns
    -------
    tensor without the axis
    """
    target, output = tensor_like(target), tensor_like(output)
    if shape_of(target) != shape_of(output):
        raise ValueError(
            f"categorical_crossentropy: target has shape {shape_of(target)}, output {shape_of(output)}: give "
            "one-hot targets (utils.to_categorical), or use sparse_categorical_crossentropy for integer labels"
        )
    last = normalize_axis(axis, output.ndim) == output.ndim - 1
    logits = output if from_logits else (logits_of(output, _softmax) if last else None)
    if logits is not None:
        if not last:
            logits, target = moveaxis(logits, axis, -1), moveaxis(target, axis, -1)
        return _loss_of(_softmax_crossentropy, logits, target, output)
    return -reduce.sum(target * elementwise.log(_probabilities(output, axis)), axis)


def _loss_of(primitive, logits, target, output):
    """The loss; where `output` is the softmax of the logits, the loss's own probabilities take its place."""
    loss, probability = apply(primitive, logits, target)
    if isinstance(output, Tensor) and logits_of(output, _softmax) is logits:
        output.program.replace(output, probability)
    return loss


def _probabilities(output, axis):
    from fastnn import config

    output = output / reduce.sum(output, axis, True)
    return elementwise.clip(output, config.epsilon(), 1.0 - config.epsilon())


def sparse_categorical_crossentropy(target, output, from_logits=False, axis=-1):
    """-log(output[target]) along an axis, for integer labels.

    Parameters
    ----------
    target : integer tensor with the shape of output without the axis (or with size 1 there)
    output : tensor
        Probabilities, or logits with from_logits.
    """
    target, output = tensor_like(target), tensor_like(output)
    axis = normalize_axis(axis, output.ndim)
    if target.ndim == output.ndim and target.shape[axis] == 1:
        target = squeeze(target, axis)
    target = elementwise.cast(target, "int32")
    last = axis == output.ndim - 1
    logits = output if from_logits else (logits_of(output, _softmax) if last else None)
    if logits is None:  # no gradient passes a label's probability below epsilon, as for one-hot targets
        if not isinstance(target, Arithmetic):
            check_labels(target, output.shape[axis])
        chosen = one_hot(target, output.shape[axis], axis if not last else -1)
        return -reduce.sum(chosen * elementwise.log(_probabilities(output, axis)), axis)
    if not last:
        logits = moveaxis(logits, axis, -1)
    return _loss_of(_sparse_softmax_crossentropy, logits, target, output)


def binary_crossentropy(target, output, from_logits=False):
    """-(t log(p) + (1 - t) log(1 - p)), element by element; from logits as max(z, 0) - z t + log(1 + exp(-|z|))."""
    from fastnn import config

    z = output if from_logits else logits_of(output, elementwise._sigmoid)
    if z is not None:
        return elementwise.relu(z) - z * target + elementwise.log1p(elementwise.exp(-elementwise.absolute(z)))
    p = elementwise.clip(output, config.epsilon(), 1.0 - config.epsilon())
    return -(target * elementwise.log(p) + (1.0 - target) * elementwise.log(1.0 - p))
