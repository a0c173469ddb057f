"""Batches that a user's class makes by number."""

import itertools

from fastnn.data.prefetch import prefetch


class PyDataset:
    """Base of data sets that are made batch by batch: override ``__getitem__`` and ``__len__``.

    Parameters
    ----------
    workers : int
        With more than one, so many threads make batches ahead.
    use_multiprocessing : bool
        Accepted as in Keras: threads are used, which share the memory.
    max_queue_size : int
        How many batches are made ahead at most.
    """

    def __init__(self, workers=1, use_multiprocessing=False, max_queue_size=10):
        self.workers, self.use_multiprocessing, self.max_queue_size = workers, use_multiprocessing, max_queue_size

    def __getitem__(self, index):
        """Batch `index`: ``x``, ``(x, y)`` or ``(x, y, sample_weight)``."""
        raise NotImplementedError(f"{type(self).__name__} needs __getitem__(index), which returns a batch")

    @property
    def num_batches(self):
        """Batches in an epoch; None for a data set without an end, for which `fit` needs steps_per_epoch."""
        if hasattr(self, "__len__"):
            return len(self)
        raise NotImplementedError(f"{type(self).__name__} needs __len__(), or num_batches as a property")

    def on_epoch_begin(self):
        """Called before the first batch of an epoch."""

    def on_epoch_end(self):
        """Called after the last batch of an epoch."""


def is_indexed(source):
    """True for a `PyDataset`, and for what only looks like one."""
    return isinstance(source, PyDataset) or (
        hasattr(source, "__getitem__") and hasattr(source, "on_epoch_end") and not hasattr(source, "shape")
    )


def count_batches(source):
    """Batches in an epoch of an indexed source, None for no end."""
    return source.num_batches if hasattr(source, "num_batches") else len(source)


def batches_by_number(source, generator=None):
    """One pass over an indexed source.

    Parameters
    ----------
    source : PyDataset
    generator : numpy.random.Generator, optional
        Puts the batches of a source with an end into random order.
    """
    count = count_batches(source)
    indices = itertools.count() if count is None else range(count)
    if generator is not None and count is not None:
        indices = generator.permutation(count).tolist()
    workers = getattr(source, "workers", 1)
    if workers > 1:
        return prefetch(source.__getitem__, indices, max(getattr(source, "max_queue_size", 10), 1), workers)
    return map(source.__getitem__, indices)
