"""The circle loss, for embeddings."""

import math

from fastnn import ops
from fastnn.losses.loss import NamedLoss, takes_labels
from fastnn.saving import registry


@registry.register("loss")
@takes_labels
def circle(y_true, y_pred, ref_labels=None, ref_embeddings=None, remove_diagonal=True, gamma=80, margin=0.4):
    """The circle loss of each sample: log(1 + sum(exp(a)) * sum(exp(b))) (arXiv 2002.10857).

    d is the cosine distance to a reference, a = gamma * (margin + d) * (d - margin) over those of the label,
    b = gamma * max(1 + margin - d, 0) * (1 - margin - d) over the others.

    Parameters
    ----------
    y_true : integer tensor of shape (n,)
    y_pred : tensor of shape (n, features)
        Embeddings of length 1.
    ref_labels, ref_embeddings : tensors, optional
        References; the batch itself unless given.
    remove_diagonal : bool
        A sample is no reference for itself.
    gamma, margin : float
    """
    y_pred = ops.convert_to_tensor(y_pred)
    label = ops.reshape(ops.cast(ops.convert_to_tensor(y_true), "int32"), (-1, 1))
    references = y_pred if ref_embeddings is None else ops.convert_to_tensor(ref_embeddings)
    ref_label = label if ref_labels is None else ops.cast(ops.convert_to_tensor(ref_labels), "int32")
    distance = ops.relu(1.0 - ops.matmul(y_pred, ops.transpose(references)))
    same = ops.equal(label, ops.reshape(ref_label, (1, -1)))
    positive = ops.logical_and(same, 1 - ops.eye(*distance.shape)) if remove_diagonal else same
    attract = gamma * (margin + distance) * (distance - margin)
    repel = gamma * ops.relu(1.0 + margin - distance) * (1.0 - margin - distance)
    near = ops.logsumexp(ops.where(positive, attract, -math.inf), axis=1)
    far = ops.logsumexp(ops.where(same, -math.inf, repel), axis=1)
    return ops.softplus(near + far)


circle.mask = lambda y_true, values, **_: ops.stop_gradient(values) > 0


@registry.register("loss")
class Circle(NamedLoss):
    """See `circle`; the mean is over samples whose loss is not 0. Other arguments as `Loss`.

    Parameters
    ----------
    gamma, margin : float
    remove_diagonal : bool
    """

    def __init__(
        self,
        gamma=80.0,
        margin=0.4,
        remove_diagonal=True,
        reduction="sum_over_batch_size",
        name="circle",
        dtype=None,
    ):
        super().__init__(circle, reduction, name, dtype, gamma=gamma, margin=margin, remove_diagonal=remove_diagonal)
