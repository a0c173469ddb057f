"""Arguments of variables that are meant for several devices."""

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
