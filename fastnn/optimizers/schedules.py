"""Learning rates that depend on the step: plain functions of the step's number, written with `fastnn.ops`.

Given a number they compute at once; given the step tensor of a program they become part of it.
"""

import math

from fastnn import config, ops
from fastnn.saving import registry


class LearningRateSchedule:
    """A learning rate that depends on the step; a subclass writes ``__call__(step)`` and ``get_config()``."""

    def __call__(self, step):
        """The learning rate (scalar) at a step (number or scalar tensor, from 0 on)."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(step)")

    def get_config(self):
        """The arguments of the constructor."""
        raise NotImplementedError(f"{type(self).__name__} must define get_config() to be saved")

    @classmethod
    def from_config(cls, config):
        """A schedule from what `get_config` gave."""
        return cls(**config)


def _positive(schedule, argument, value):
    if value <= 0:
        raise ValueError(f"{type(schedule).__name__}: {argument} must be positive, received {value}")
    return value


def _floating(step):
    return ops.cast(step, config.floatx())


class _Decay(LearningRateSchedule):
    """What exponential and inverse time decay share: the fraction step / decay_steps, whole if staircase."""

    def __init__(self, initial_learning_rate, decay_steps, decay_rate, staircase, name):
        self.initial_learning_rate, self.decay_rate = initial_learning_rate, decay_rate
        self.decay_steps = _positive(self, "decay_steps", decay_steps)
        self.staircase, self.name = staircase, name

    def _periods(self, step):
        periods = _floating(step) / float(self.decay_steps)
        return ops.floor(periods) if self.staircase else periods

    def get_config(self):
        """Return the arguments of the constructor."""
        keys = ("initial_learning_rate", "decay_steps", "decay_rate", "staircase", "name")
        return {key: getattr(self, key) for key in keys}


@registry.register("schedule")
class ExponentialDecay(_Decay):
    """``initial_learning_rate * decay_rate ** (step / decay_steps)``, the quotient whole if staircase."""

    def __init__(
        self, initial_learning_rate, decay_steps, decay_rate, staircase=False, name="ExponentialDecay"
    ):  # fmt: skip
        super().__init__(initial_learning_rate, decay_steps, decay_rate, staircase, name)

    def __call__(self, step):
        """Return the learning rate at a step."""
        return self.initial_learning_rate * ops.power(float(self.decay_rate), self._periods(step))


@registry.register("schedule")
class InverseTimeDecay(_Decay):
    """``initial_learning_rate / (1 + decay_rate * step / decay_steps)``, the quotient whole if staircase."""

    def __init__(
        self, initial_learning_rate, decay_steps, decay_rate, staircase=False, name="InverseTimeDecay"
    ):  # fmt: skip
        super().__init__(initial_learning_rate, decay_steps, decay_rate, staircase, name)

    def __call__(self, step):
        """Return the learning rate at a step."""
        return self.initial_learning_rate / (1.0 + self.decay_rate * self._periods(step))


@registry.register("schedule")
class PiecewiseConstantDecay(LearningRateSchedule):
    """values[0] up to and with step boundaries[0], values[1] up to boundaries[1], ..., then values[-1]."""

    def __init__(self, boundaries, values, name="PiecewiseConstant"):
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                f"PiecewiseConstantDecay: {len(values)} values need {len(values) - 1} boundaries between "
                f"them, received {len(boundaries)}"
            )
        self.boundaries, self.values, self.name = boundaries, values, name

    def __call__(self, step):
        """Return the learning rate at a step."""
        step = _floating(step)
        rate = self.values[-1]
        for boundary, value in zip(self.boundaries[::-1], self.values[-2::-1], strict=True):
            rate = ops.where(step <= float(boundary), float(value), rate)
        return rate

    def get_config(self):
        """Return the arguments of the constructor."""
        return {"boundaries": self.boundaries, "values": self.values, "name": self.name}


@registry.register("schedule")
class PolynomialDecay(LearningRateSchedule):
    """``(initial - end_learning_rate) * (1 - step / decay_steps) ** power + end_learning_rate``.

    From decay_steps on it stays at the end; with cycle, decay_steps is multiplied until it covers the step.
    """

    def __init__(
        self, initial_learning_rate, decay_steps, end_learning_rate=0.0001, power=1.0, cycle=False,
        name="PolynomialDecay",
    ):  # fmt: skip
        self.initial_learning_rate, self.end_learning_rate = initial_learning_rate, end_learning_rate
        self.decay_steps = _positive(self, "decay_steps", decay_steps)
        self.power, self.cycle, self.name = power, cycle, name

    def __call__(self, step):
        """Return the learning rate at a step."""
        fraction = _floating(step) / float(self.decay_steps)
        cycles = ops.maximum(ops.ceil(fraction), 1.0)
        fraction = fraction / cycles if self.cycle else ops.minimum(fraction, 1.0)
        span = self.initial_learning_rate - self.end_learning_rate
        return span * ops.power(1.0 - fraction, float(self.power)) + self.end_learning_rate

    def get_config(self):
        """Return the arguments of the constructor."""
        keys = ("initial_learning_rate", "decay_steps", "end_learning_rate", "power", "cycle", "name")
        return {key: getattr(self, key) for key in keys}


@registry.register("schedule")
class CosineDecay(LearningRateSchedule):
    """Half a cosine from the initial rate down to alpha times it (arXiv 1608.03983).

    ``rate * ((1 - alpha) * (1 + cos(pi * step / decay_steps)) / 2 + alpha)``, constant from decay_steps on.
    With warmup_target the rate first rises linearly to it over warmup_steps, and decays from there.
    """

    def __init__(
        self, initial_learning_rate, decay_steps, alpha=0.0, name="CosineDecay", warmup_target=None,
        warmup_steps=0,
    ):  # fmt: skip
        self.initial_learning_rate, self.alpha, self.name = initial_learning_rate, alpha, name
        self.decay_steps = _positive(self, "decay_steps", decay_steps)
        self.warmup_target, self.warmup_steps = warmup_target, warmup_steps

    def __call__(self, step):
        """Return the learning rate at a step."""
        step = _floating(step)
        if self.warmup_target is None:
            return self._decayed(step, self.initial_learning_rate)
        decayed = self._decayed(step - float(self.warmup_steps), self.warmup_target)
        if not self.warmup_steps:
            return decayed
        slope = (self.warmup_target - self.initial_learning_rate) / self.warmup_steps
        return ops.where(step < float(self.warmup_steps), slope * step + self.initial_learning_rate, decayed)

    def _decayed(self, step, rate):
        fraction = ops.minimum(step / float(self.decay_steps), 1.0)
        cosine = 0.5 * (1.0 + ops.cos(math.pi * fraction))
        return rate * ((1.0 - self.alpha) * cosine + self.alpha)

    def get_config(self):
        """Return the arguments of the constructor."""
        keys = ("initial_learning_rate", "decay_steps", "alpha", "name", "warmup_target", "warmup_steps")
        return {key: getattr(self, key) for key in keys}


@registry.register("schedule")
class CosineDecayRestarts(LearningRateSchedule):
    """Cosine decays one after the other (arXiv 1608.03983).

    The first takes first_decay_steps, each later one t_mul times as many and begins at m_mul times the rate;
    every one ends at alpha times the initial rate.
    """

    def __init__(self, initial_learning_rate, first_decay_steps, t_mul=2.0, m_mul=1.0, alpha=0.0, name="SGDRDecay"):
        self.initial_learning_rate, self.alpha, self.name = initial_learning_rate, alpha, name
        self.first_decay_steps = _positive(self, "first_decay_steps", first_decay_steps)
        self.t_mul, self.m_mul = t_mul, m_mul

    def __call__(self, step):
        """Return the learning rate at a step."""
        restarts, fraction = self._period(_floating(step) / float(self.first_decay_steps))
        cosine = 0.5 * (1.0 + ops.cos(math.pi * fraction))
        scale = ops.power(float(self.m_mul), restarts)
        return self.initial_learning_rate * ((1.0 - self.alpha) * (scale * cosine) + self.alpha)

    def _period(self, periods):
        """How many decays are over, and the fraction done of the present one."""
        if self.t_mul == 1.0:
            restarts = ops.floor(periods)
            return restarts, periods - restarts
        growth = float(self.t_mul)
        restarts = ops.floor(ops.log(1.0 - periods * (1.0 - growth)) * (1.0 / math.log(growth)))
        length = ops.power(growth, restarts)
        return restarts, (periods - (1.0 - length) / (1.0 - growth)) / length

    def get_config(self):
        """Return the arguments of the constructor."""
        keys = ("initial_learning_rate", "first_decay_steps", "t_mul", "m_mul", "alpha", "name")
        return {key: getattr(self, key) for key in keys}


def serialize(learning_rate_schedule):
    """The configuration of a schedule."""
    return registry.serialize(learning_rate_schedule)


def deserialize(config, custom_objects=None):
    """The schedule that a configuration describes."""
    return registry.deserialize(config, "schedule", custom_objects)
