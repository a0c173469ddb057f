"""Automatic names: ``dense``, ``dense_1``, ... by class."""

import collections

_counts: collections.Counter = collections.Counter()


def count_use(prefix):
    """How often a prefix has been used, this time included."""
    _counts[prefix] += 1
    return _counts[prefix]


def unique_name(prefix):
    """The prefix, with a number from its second use on."""
    used = count_use(prefix) - 1
    return prefix if used == 0 else f"{prefix}_{used}"


def clear_session(free_memory=True):
    """Begin to count automatic names anew; nothing else is kept between models.

    Parameters
    ----------
    free_memory : bool
        Accepted as in Keras: memory is freed with the models that use it.
    """
    _counts.clear()
