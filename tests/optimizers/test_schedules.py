"""Schedules: configurations, errors, and the shape of the curves where no golden number looks."""

import cases
import numpy as np
import pytest

import fastnn
import fastnn.optimizers
from fastnn.optimizers import schedules


@pytest.mark.parametrize(("name", "make"), cases.SCHEDULES)
def test_config_round_trip(name, make):
    schedule = make(fastnn)
    again = schedules.deserialize(schedules.serialize(schedule))
    assert again.get_config() == schedule.get_config()
    assert float(again(3)) == float(schedule(3))


@pytest.mark.parametrize(("name", "make"), cases.SCHEDULES)
def test_gives_float32_scalars(name, make):
    for step in (0, 7, np.float32(7), np.array(7)):
        rate = make(fastnn)(step)
        assert np.shape(rate) == ()
        assert np.isfinite(rate)


def test_warmup_meets_the_decay():
    schedule = schedules.CosineDecay(0.0, 10, warmup_target=0.5, warmup_steps=4)
    rates = [schedule(s) for s in (0, 2, 4, 9, 14, 99)]
    np.testing.assert_allclose(rates, [0, 0.25, 0.5, 0.25, 0, 0], atol=1e-7)


def test_restarts():
    schedule = schedules.CosineDecayRestarts(1.0, 2, t_mul=2.0, m_mul=0.5)
    np.testing.assert_allclose([schedule(s) for s in (0, 1, 2, 4)], [1, 0.5, 0.5, 0.25], atol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.5), "decay_steps must be positive"),
        (lambda: schedules.PolynomialDecay(0.1, -1), "decay_steps must be positive"),
        (lambda: schedules.CosineDecayRestarts(0.1, 0), "first_decay_steps must be positive"),
        (lambda: schedules.PiecewiseConstantDecay([1, 2], [0.1, 0.2]), "2 values need 1 boundaries"),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_base_class_asks_for_its_methods():
    with pytest.raises(NotImplementedError, match="__call__"):
        schedules.LearningRateSchedule()(0)
    with pytest.raises(NotImplementedError, match="get_config"):
        schedules.LearningRateSchedule().get_config()
