"""Connectionist temporal classification, for sequences of labels without alignment."""

import math

import numpy as np

from fastnn import ops
from fastnn.losses.loss import NamedLoss, takes_labels
from fastnn.saving import registry

_NEVER = -1e30  # the logarithm of a probability 0, finite so that differences stay numbers


@registry.register("loss")
@takes_labels
def ctc(y_true, y_pred):
    """-log of the probability of the labels, summed over all alignments (Graves et al., 2006).

    Parameters
    ----------
    y_true : integer tensor of shape (n, longest)
        Labels; 0 is padding.
    y_pred : tensor of shape (n, time, classes)
        Logits; class 0 is the blank. The recursion over time is unrolled: one group of operations a time
        step.

    Returns
    -------
    tensor of shape (n,), inf where the labels do not fit into the time
    """
    y_true, y_pred = ops.cast(ops.convert_to_tensor(y_true), "int32"), ops.convert_to_tensor(y_pred)
    if y_true.ndim != 2 or y_pred.ndim != 3:
        raise ValueError(
            "ctc: expected labels of shape (n, longest) and logits of shape (n, time, classes), received "
            f"{tuple(y_true.shape)} and {tuple(y_pred.shape)}"
        )
    path = _with_blanks(y_true)
    states = path.shape[1]
    choice = ops.one_hot(path, y_pred.shape[-1])
    emission = ops.matmul(ops.log_softmax(y_pred), ops.transpose(choice, (0, 2, 1)))  # (n, time, states)
    before = _shifted(path, 2, 0)
    may_skip = ops.logical_and(ops.not_equal(path, 0), ops.not_equal(path, before))
    skip = ops.where(may_skip, 0.0, _NEVER)
    alpha = ops.where(np.arange(states) < 2, emission[:, 0], _NEVER)
    for t in range(1, y_pred.shape[1]):
        ways = [alpha, _shifted(alpha, 1, _NEVER), _shifted(alpha, 2, _NEVER) + skip]
        alpha = ops.logsumexp(ops.stack(ways), axis=0) + emission[:, t]
    last = 2 * ops.expand_dims(ops.count_nonzero(y_true, axis=1), -1)
    ends = ops.logical_or(ops.equal(np.arange(states), last), ops.equal(np.arange(states), last - 1))
    total = ops.logsumexp(ops.where(ends, alpha, _NEVER), axis=1)
    return ops.where(total > 0.1 * _NEVER, -total, math.inf)


def _with_blanks(labels):
    """(n, 2 * longest + 1): a blank before, between and after the labels."""
    blanks = labels * 0
    path = ops.reshape(ops.stack([blanks, labels], axis=2), (labels.shape[0], -1))
    return ops.concatenate([path, blanks[:, :1]], axis=1)


def _shifted(x, steps, fill):
    """Columns moved to the right, `fill` before them."""
    empty = ops.full((x.shape[0], min(steps, x.shape[1])), fill, str(x.dtype))
    return ops.concatenate([empty, x[:, : max(0, x.shape[1] - steps)]], axis=1)


@registry.register("loss")
class CTC(NamedLoss):
    """See `ctc`; arguments as `Loss`."""

    def __init__(self, reduction="sum_over_batch_size", name="ctc", dtype=None):
        super().__init__(ctc, reduction, name, dtype)
