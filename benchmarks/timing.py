"""How everything here is timed: pytest-benchmark's rounds, fitted into a given time."""

import contextlib
import gc
import time

from threadpoolctl import threadpool_limits

from fastnn.engine import threads

SHORTEST = 200e-6  # seconds: a round repeats a call until it takes about so long
MOST_REPEATS, MOST_ROUNDS = 2000, 50
THREADS = sorted({1, threads.get_num_threads()})


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


def measure(benchmark, run, seconds, warm=True):
    """Time ``run(count)``, which does its work `count` times, in rounds that take about `seconds` together.

    Parameters
    ----------
    warm : bool
        False for work so slow that it is done a single time, with no round before it.

    Returns
    -------
    float
        Seconds of one piece of work in the fastest round; ``extra_info["repeat"]`` is the count of a round.
    """
    count = rounds = 1
    if warm:
        run(1)
        took = elapsed(run, 1)
        count = int(min(max(SHORTEST / took, 1), MOST_REPEATS))
        rounds = int(min(max(seconds / (took * count), 2), MOST_ROUNDS))
    gc.collect()
    benchmark.pedantic(run, args=(count,), rounds=rounds)
    benchmark.extra_info["repeat"] = count
    return benchmark.stats.stats.min / count if benchmark.stats else 0.0


def repeated(function):
    """``run(count)`` for a function without arguments."""

    def run(count):
        for _ in range(count):
            function()

    return run
