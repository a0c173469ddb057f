"""Compute results ahead of their consumer, in background threads."""

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

MAX_THREADS = 4


def thread_count():
    """Return how many threads read ahead: one for each processor this process may use, at most four."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MAX_THREADS, usable)


def prefetch(function, items, ahead, threads=None):
    """Yield ``function(item)`` for every item, in the order of the items.

    Parameters
    ----------
    function : callable
        Called in background threads; it should release the GIL for most of its time.
    items : iterable
        Read in the consumer's thread.
    ahead : int
        How many results are at most computed or under way before the consumer asks for them.
    threads : int, optional
        `thread_count()` unless given.

    Yields
    ------
    object
        The results. An exception of `function` is raised where its result was due.

    Notes
    -----
    The threads live exactly as long as the generator: when it ends, is closed, or an exception such as
    KeyboardInterrupt passes through it, waiting calls are dropped and running ones are awaited.
    """
    items = iter(items)
    executor = ThreadPoolExecutor(threads or thread_count(), thread_name_prefix="fastnn-prefetch")
    try:
        pending = deque(executor.submit(function, item) for item in islice(items, ahead))
        while pending:
            result = pending.popleft().result()
            pending.extend(executor.submit(function, item) for item in islice(items, 1))
            yield result
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
