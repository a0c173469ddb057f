"""Iterables of batches, epoch by epoch."""

import warnings

import numpy as np

from fastnn import config, random
from fastnn.data.arrays import class_weights, unpack_x_y_sample_weight
from fastnn.data.py_dataset import batches_by_number, count_batches, is_indexed

RAN_OUT = (
    "the iterable ran out of batches after {done} of {steps} steps: let it give at least steps_per_epoch * epochs of "
    "them, or leave the number of steps out"
)


class NoBatchesError(ValueError):
    """An epoch without a single batch."""


def is_stream(x, y):
    """True for an iterable of batches rather than arrays."""
    if y is not None or x is None or isinstance(x, (list, tuple, dict, str, bytes)):
        return False
    if hasattr(x, "__array__") or hasattr(x, "shape"):  # a memoryview has the latter alone
        return False
    return is_indexed(x) or (hasattr(x, "__iter__") and not hasattr(x, "__dlpack__"))


class Stream:
    """What a user's iterable gives, cut into epochs.

    Parameters
    ----------
    source : PyDataset or iterable
        Of batches ``x``, ``(x, y)`` or ``(x, y, sample_weight)``: a generator, a data loader of another library, ...
    steps : int, optional
        Batches in an epoch; the next one goes on where it ended.  Else an epoch is a pass over the source.
    shuffle : bool
        A new order of the batches of a PyDataset in every pass.
    class_weight : dict of int to float, optional
        Gives each batch its sample weights.
    """

    def __init__(self, source, steps=None, shuffle=False, class_weight=None):
        self.source, self.limit, self.class_weight = source, steps, class_weight
        self.generator, self.iterator = None, None
        if shuffle and is_indexed(source):
            self.generator = np.random.Generator(np.random.Philox(key=random.fresh_seed()))
        if config.max_steps_per_epoch() is not None:
            self.limit = config.within(self.steps, config.max_steps_per_epoch())

    @property
    def once(self):
        """True for a generator or another iterator: there is no second pass."""
        return hasattr(self.source, "__next__")

    @property
    def steps(self):
        """Batches in an epoch, None if nobody knows."""
        if self.limit is not None:
            return self.limit
        if is_indexed(self.source):
            return count_batches(self.source)
        try:
            return len(self.source)
        except TypeError:
            return None

    def _begin(self):
        if is_indexed(self.source):
            return iter(batches_by_number(self.source, self.generator))
        return iter(self.source)

    def epoch(self, skip=0):
        """Yield (x, y, sample_weight) of each batch of the next epoch, after leaving out the first `skip`."""
        getattr(self.source, "on_epoch_begin", _nothing)()
        continued, done = self.iterator is not None, 0
        self.iterator = self.iterator or self._begin()
        while self.limit is None or done < self.limit:
            try:
                batch = next(self.iterator)
            except StopIteration:
                if done == 0 and continued and not self.once:  # the last epoch ended with the last batch
                    self.iterator, continued = self._begin(), False
                    continue
                self.iterator = None
                if done == 0:
                    raise NoBatchesError("the iterable of batches gave none: it may be exhausted") from None
                if self.limit is not None:
                    warnings.warn(RAN_OUT.format(done=done, steps=self.limit), stacklevel=3)
                break
            done += 1
            if done > skip:
                yield self._weighted(*unpack_x_y_sample_weight(batch))
        getattr(self.source, "on_epoch_end", _nothing)()

    def _weighted(self, x, y, sample_weight):
        if self.class_weight is not None:
            if sample_weight is not None:
                raise ValueError("give class_weight, or sample weights with the batches, one of the two")
            sample_weight = class_weights(np.asarray(y), self.class_weight)
        return x, y, sample_weight


def _nothing():
    pass
