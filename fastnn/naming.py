"""Automatic names: ``dense``, ``dense_1``, ... by class."""

import collections

_counts: collections.Counter = collections.Counter()


def unique_name(prefix):
    """The prefix, with a number from its second use on."""
    _counts[prefix] += 1
    used = _counts[prefix] - 1
    return prefix if used == 0 else f"{prefix}_{used}"


def reset_names():
    """Begin to count anew."""
    _counts.clear()
