"""Automatic names: ``dense``, ``dense_1``, ... by class."""

import collections

_counts: collections.Counter = collections.Counter()


def unique_name(prefix):
    """The prefix, with a number from its second use on."""
    _counts[prefix] += 1
    used = _counts[prefix] - 1
    return prefix if used == 0 else f"{prefix}_{used}"


def clear_session(free_memory=True):
    """Begin to count automatic names anew; nothing else is kept between models.

    Parameters
    ----------
    free_memory : bool
        Accepted as in Keras: memory is freed with the models that use it.
    """
    _counts.clear()
