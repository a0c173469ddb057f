"""Connectionist temporal classification, for sequences of labels without alignment."""

from fastnn import ops
from fastnn.losses.loss import NamedLoss, takes_labels
from fastnn.saving import registry


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
    y_true = ops.cast(ops.convert_to_tensor(y_true), "int32")
    return ops.ctc_loss(y_true, y_pred, ops.count_nonzero(y_true, axis=-1), None)


@registry.register("loss")
class CTC(NamedLoss):
    """See `ctc`; arguments as `Loss`."""

    def __init__(self, reduction="sum_over_batch_size", name="ctc", dtype=None):
        super().__init__(ctc, reduction, name, dtype)
