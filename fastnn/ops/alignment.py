"""Connectionist temporal classification: sequences of labels whose places in time are not known."""

import math

import numpy as np

from fastnn.graph.program import apply
from fastnn.ops.elementwise import cast, equal, not_equal, where
from fastnn.ops.logic import logical_and, logical_or
from fastnn.ops.primitive import Primitive
from fastnn.ops.products import as_floats, matmul
from fastnn.ops.reduce import argmax, logsumexp
from fastnn.ops.reduce import max as _max
from fastnn.ops.reduce import sum as _sum
from fastnn.ops.rows import one_hot
from fastnn.ops.shape import concatenate, expand_dims, reshape, stack, tensor_like, transpose
from fastnn.ops.softmax import log_softmax
from fastnn.ops.sorting import argsort, take_along_axis

_NEVER = -1e30  # the logarithm of a probability 0, finite so that differences stay numbers


def ctc_loss(target, output, target_length, output_length, mask_index=0):
    """-log of the probability of the labels, summed over all alignments (Graves et al., 2006).

    Parameters
    ----------
    target : integer tensor of shape (n, longest)
    output : tensor of shape (n, time, classes)
        Logits. The recursion over time is unrolled: one group of operations a time step.
    target_length, output_length : integer tensors of shape (n,)
        How many labels and time steps of each row count.
    mask_index : int
        The class of the blank.

    Returns
    -------
    tensor of shape (n,), inf where the labels do not fit into the time
    """
    target, output = cast(tensor_like(target), "int32"), as_floats(tensor_like(output))
    if target.ndim != 2 or output.ndim != 3 or target.shape[0] != output.shape[0]:
        raise ValueError(
            "ctc: expected labels of shape (n, longest) and logits of shape (n, time, classes), received "
            f"{tuple(target.shape)} and {tuple(output.shape)}"
        )
    path = _with_blanks(target, mask_index)
    states = path.shape[1]
    choice = one_hot(path, output.shape[-1])
    emission = matmul(log_softmax(output), transpose(choice, (0, 2, 1)))  # (n, time, states)
    may_skip = logical_and(not_equal(path, mask_index), not_equal(path, _shifted(path, 2, mask_index)))
    skip = where(may_skip, 0.0, _NEVER)
    alpha = where(np.arange(states) < 2, emission[:, 0], _NEVER)
    for t in range(1, output.shape[1]):
        ways = [alpha, _shifted(alpha, 1, _NEVER), _shifted(alpha, 2, _NEVER) + skip]
        following = logsumexp(stack(ways), axis=0) + emission[:, t]
        if output_length is None:
            alpha = following
        else:
            alpha = where(expand_dims(tensor_like(output_length), -1) > t, following, alpha)
    last = expand_dims(cast(tensor_like(target_length), "int32"), -1) * 2
    ends = logical_or(equal(np.arange(states), last), equal(np.arange(states), last - 1))
    total = logsumexp(where(ends, alpha, _NEVER), axis=1)
    return where(total > 0.1 * _NEVER, -total, math.inf)


def _with_blanks(labels, blank):
    """(n, 2 * longest + 1): a blank before, between and after the labels."""
    blanks = labels * 0 + blank
    path = reshape(stack([blanks, labels], axis=2), (labels.shape[0], -1))
    return concatenate([path, blanks[:, :1]], axis=1)


def _shifted(x, steps, fill):
    """Columns moved to the right, `fill` before them."""
    empty = np.full((x.shape[0], min(steps, x.shape[1])), fill, str(x.dtype))
    return concatenate([empty, x[:, : max(0, x.shape[1] - steps)]], axis=1)


class BeamSearch(Primitive):
    """The most probable sequences of labels, and the logarithms of their probabilities (arXiv 1408.2873).

    log_probability (n, time, classes) -> paths (top_paths, n, time), filled with -1; scores (n, top_paths).
    """

    n_outputs = 2

    def infer(self, log_probability, lengths, blank, width, top_paths):
        n, time, _ = log_probability.shape
        return [((top_paths, n, time), "int32"), ((n, top_paths), log_probability.dtype)]

    def reference(self, log_probability, lengths, blank, width, top_paths):
        n, time, _ = log_probability.shape
        paths = np.full((top_paths, n, time), -1, np.int32)
        scores = np.full((n, top_paths), -np.inf, log_probability.dtype)
        for i, length in enumerate(np.asarray(lengths)):
            found = _best_paths(np.asarray(log_probability[i, : int(length)], np.float64), blank, width)
            for j, (score, path) in enumerate(found[:top_paths]):
                paths[j, i, : len(path)], scores[i, j] = path, score
        return paths, scores

    def gradient(self, gradients, inputs, outputs, **attributes):
        return None, None


_beam_search = BeamSearch("beam_search")


def _best_paths(log_probability, blank, width):
    """[(log-probability, labels)], the best first: paths are kept apart by whether they end in a blank."""
    paths, in_blank, in_label = [()], np.zeros(1), np.full(1, -np.inf)
    for step in log_probability:
        total = np.logaddexp(in_blank, in_label)
        longer = total[:, None] + step
        longer[:, blank] = -np.inf
        repeats = np.full(len(paths), -np.inf)
        number = {path: i for i, path in enumerate(paths)}
        for i, path in enumerate(paths):
            if path:
                repeats[i] = in_label[i] + step[path[-1]]
                longer[i, path[-1]] = in_blank[i] + step[path[-1]]
        for i, path in enumerate(paths):  # a path that also comes of a shorter one, which was kept
            before = number.get(path[:-1]) if path else None
            if before is not None:
                repeats[i] = np.logaddexp(repeats[i], longer[before, path[-1]])
                longer[before, path[-1]] = -np.inf
        stays = total + step[blank]
        candidates = np.concatenate([np.logaddexp(stays, repeats), longer.ravel()])
        best = np.argsort(-candidates, kind="stable")[:width]
        best = best[candidates[best] > -np.inf]
        count, classes = len(paths), len(step)
        old = best < count
        paths = [paths[k] if k < count else (*paths[(k - count) // classes], int((k - count) % classes)) for k in best]
        in_blank = np.where(old, stays[np.where(old, best, 0)], -np.inf)
        in_label = np.where(old, repeats[np.where(old, best, 0)], candidates[best])
    return list(zip(np.logaddexp(in_blank, in_label), paths, strict=True))


def ctc_decode(
    inputs, sequence_lengths, strategy="greedy", beam_width=100, top_paths=1, merge_repeated=True, mask_index=0
):
    """The labels in the output of a model trained with `ctc_loss`.

    Parameters
    ----------
    inputs : tensor of shape (n, time, classes)
        Logits.
    sequence_lengths : integer tensor of shape (n,)
        How many time steps of each row count.
    strategy : {"greedy", "beam_search"}
        The likeliest class at each step, or the likeliest sequences, summed over their alignments.
    beam_width, top_paths : int
        For "beam_search": how many sequences are kept at each step, and how many come out.
    merge_repeated : bool
        For "greedy": a class that follows itself counts once.
    mask_index : int
        The class of the blank.

    Returns
    -------
    paths : int32 tensor of shape (1 or top_paths, n, time)
        Labels, then -1.
    scores : tensor
        (n, 1), minus the sum of the largest logits; of "beam_search" (n, top_paths), logarithms of probabilities.
    """
    inputs, lengths = as_floats(tensor_like(inputs)), cast(tensor_like(sequence_lengths), "int32")
    mask_index = inputs.shape[-1] - 1 if mask_index is None else mask_index
    if strategy == "beam_search":
        options = {"blank": mask_index, "width": beam_width, "top_paths": top_paths}
        return apply(_beam_search, log_softmax(inputs), lengths, **options)
    if strategy != "greedy":
        raise ValueError(f'ctc_decode: strategy must be "greedy" or "beam_search", received {strategy!r}')
    time = inputs.shape[1]
    within = np.arange(time, dtype=np.int32) < expand_dims(lengths, -1)
    labels = where(within, argmax(inputs, -1), mask_index)
    scores = -_sum(where(within, _max(inputs, -1), 0.0), 1, True)
    blank = equal(labels, mask_index)
    if merge_repeated:
        again = equal(labels[:, 1:], labels[:, :-1])
        blank = concatenate([blank[:, :1], logical_or(blank[:, 1:], again)], 1)
    order = argsort(where(blank, time, np.arange(time, dtype=np.int32)), -1)
    return expand_dims(take_along_axis(where(blank, -1, labels), order, -1), 0), scores
