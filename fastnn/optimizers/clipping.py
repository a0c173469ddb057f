"""Limits on the length of gradients."""

from fastnn import ops


def clip_by_norm(gradient, limit):
    """The gradient, scaled down to the Euclidean norm `limit` if it is longer."""
    norm = ops.sqrt(ops.sum(ops.square(gradient)))
    return gradient * (limit / ops.maximum(norm, limit))


def clip_by_global_norm(gradients, limit):
    """The gradients, scaled down together to the norm `limit` if all of them as one vector are longer.

    An infinite or NaN norm makes every element NaN, so that it is seen.
    """
    norm = ops.sqrt(sum(ops.sum(ops.square(g)) for g in gradients))
    scale = ops.minimum(limit / norm, 1.0) + (norm - norm)
    return [g * scale for g in gradients]
