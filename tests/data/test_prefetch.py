"""Reading ahead: order, bound, exceptions, and threads which end when they should."""

import threading
import time

import pytest

from fastnn.data.prefetch import prefetch


def workers():
    """Return the background threads of prefetch which are alive."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("fastnn-prefetch")]


@pytest.fixture(autouse=True)
def no_thread_stays():
    yield
    assert workers() == []


def slow_square(x):
    time.sleep(0.001 * (x % 3))
    return x * x


@pytest.mark.parametrize("ahead", [1, 2, 7, 100])
def test_results_are_in_order(ahead):
    assert list(prefetch(slow_square, range(30), ahead)) == [x * x for x in range(30)]


def test_nothing_to_do():
    assert list(prefetch(slow_square, [], 3)) == []


def test_at_most_so_many_ahead():
    begun = []
    for result in prefetch(lambda x: begun.append(x) or x, range(50), 4):
        assert len(begun) <= result + 1 + 4


def test_works_while_the_consumer_does():
    begun = threading.Semaphore(0)
    results = prefetch(lambda x: begun.release() or x, range(10), 3)
    next(results)
    for _ in range(4):  # the first result, and three while nobody asks for them
        assert begun.acquire(timeout=5)
    results.close()


def test_early_stop_drops_what_waits():
    begun = []
    for _ in prefetch(lambda x: begun.append(x) or time.sleep(0.02), range(1000), 100):
        break
    assert workers() == [] and len(begun) < 20


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt()])
def test_exception_of_the_consumer(error):
    results = prefetch(slow_square, range(1000), 5)
    next(results)
    with pytest.raises(type(error)):
        results.throw(error)
    assert workers() == []


def test_exception_of_the_function_arrives_in_its_place():
    def fail_at_five(x):
        if x == 5:
            raise OSError("the fifth")
        return x

    results = prefetch(fail_at_five, range(1000), 8)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(OSError, match="the fifth"):
        next(results)


def test_forgotten_generator():
    results = prefetch(slow_square, range(1000), 5)
    next(results)
    del results
    assert workers() == []
