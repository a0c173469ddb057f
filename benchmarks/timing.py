"""Timing with pytest-benchmark: rounds fitted into a time, the two engines alike, results beside the machine's best."""

import contextlib
import gc
import time

from fastnn.engine import threads
from threadpoolctl import threadpool_limits

SHORTEST = 200e-6  # seconds: a round repeats a call until it takes about so long
MOST_REPEATS = 5000


@contextlib.contextmanager
def thread_limit(n):
    """fastnn and NumPy's BLAS alike on n threads."""
    with threads.num_threads(n), threadpool_limits(n, user_api="blas"):
        yield


def elapsed(function, *arguments):
    """Seconds of one call."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def repeats_for(seconds):
    """How often a call of so many seconds is repeated in one round."""
    return int(min(max(SHORTEST / max(seconds, 1e-9), 1), MOST_REPEATS))


def measure(benchmark, function, seconds, repeat=1, most_rounds=50, warm=True, setup=None):
    """Time ``function()``, which does its work `repeat` times, in rounds that take `seconds` together.

    A function slower than `seconds` gets one round.  `extra_info` notes the repeat: times there are for all of them.
    """
    if warm:
        if setup is not None:
            setup()
        took = elapsed(function)
        rounds = int(min(max(seconds / took, 1), most_rounds))
    else:
        rounds = 1
    gc.collect()
    benchmark.pedantic(function, rounds=rounds, setup=setup)
    benchmark.extra_info["repeat"] = repeat
    return benchmark.stats.stats


def repeated(function, count):
    """A function that calls another `count` times."""

    def run():
        for _ in range(count):
            function()

    return run
