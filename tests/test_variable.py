"""Variables: arguments that are meant for several devices, and the memory that a variable lies in."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fastnn


def test_arguments_in_the_order_of_keras():
    variable = fastnn.Variable(np.ones, (2,), "float32", False, True, "mean", "on_read", "ones")
    assert (variable.name, variable.trainable, variable.numpy().tolist()) == ("ones", False, [1, 1])


@pytest.mark.parametrize("aggregation", [None, "none", "mean", "sum", "only_first_replica"])
def test_what_several_devices_would_do_changes_nothing_on_one(aggregation):
    class Scaled(fastnn.layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight(shape=(), initializer="ones", aggregation=aggregation)

        def call(self, x):
            return x * self.scale

    np.testing.assert_array_equal(Scaled()(np.arange(3.0)), np.arange(3.0))


@pytest.mark.parametrize("wrong", [{"aggregation": "max"}, {"synchronization": "never"}, {"layout": object()}])
def test_what_one_device_cannot_do_is_refused(wrong):
    with pytest.raises(ValueError, match=f"Variable: {next(iter(wrong))}"):
        fastnn.Variable(1.0, **wrong)


def test_numbers_that_someone_holds_stay_where_they_are():
    variable = fastnn.Variable([1.0, 2.0])
    held = variable.value
    assert np.shares_memory(variable.storage.flat, held)
    variable.assign([3.0, 4.0])
    assert held.tolist() == [3.0, 4.0]


def test_the_array_that_a_variable_begins_with_is_left_alone():
    first = np.ones(3, np.float32)
    variable = fastnn.Variable(lambda shape, dtype: first, (3,))
    first[:] = 2.0
    variable.assign_add(np.ones(3))
    assert (first.tolist(), variable.numpy().tolist()) == ([2.0] * 3, [2.0] * 3)


def test_threads_that_ask_at_once_are_given_one_storage():
    variable = fastnn.Variable(np.arange(1e5))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: variable.storage, range(4)))
    assert len(set(map(id, found))) == 1


def test_zeros_need_a_shape():
    assert fastnn.Variable(None, (2,)).numpy().tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="Variable 'w': zeros and a callable initializer need a shape"):
        fastnn.Variable(None, name="w")
