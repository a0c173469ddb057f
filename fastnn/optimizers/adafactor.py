"""Adafactor (arXiv 1804.04235)."""

from fastnn import ops
from fastnn.optimizers.optimizer import Optimizer
from fastnn.saving import registry


def _root_mean_square(x):
    return ops.sqrt(ops.mean(ops.square(x)))


@registry.register("optimizer")
class Adafactor(Optimizer):
    """Adam without momentum; the squared gradients of a matrix are kept as a row times a column.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
        The step is at most ``min(learning_rate, 1 / sqrt(t))`` times the root mean square of the variable.
    beta_2_decay : float
        At step t the averages keep ``1 - t**beta_2_decay`` of themselves.
    epsilon_1, epsilon_2 : float
        Added to the squared gradient; least root mean square of a variable.
    clip_threshold : float
        Largest root mean square of an update.
    relative_step : bool
        Kept for Keras: the learning rate is limited by ``1 / sqrt(t)`` in either case.

    Further arguments: see `Optimizer`.
    """

    def __init__(
        self, learning_rate=0.001, beta_2_decay=-0.8, epsilon_1=1e-30, epsilon_2=0.001, clip_threshold=1.0,
        relative_step=True, weight_decay=None, clipnorm=None, clipvalue=None, global_clipnorm=None,
        use_ema=False, ema_momentum=0.99, ema_overwrite_frequency=None, loss_scale_factor=None,
        gradient_accumulation_steps=None, name=None, **kwargs,
    ):  # fmt: skip
        super().__init__(
            learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name, **kwargs,
        )  # fmt: skip
        self.beta_2_decay, self.epsilon_1, self.epsilon_2 = beta_2_decay, epsilon_1, epsilon_2
        self.clip_threshold, self.relative_step = clip_threshold, relative_step

    def build(self, variables):
        """Make row and column averages for each variable with two axes or more, and a velocity."""
        if self.built:
            return
        super().build(variables)
        self._slots |= {"row": [], "column": [], "velocity": []}
        for variable in variables:
            shape, dtype = variable.shape, variable.dtype
            if len(shape) < 2:  # Keras keeps two integers in their places
                shapes, dtype = [(), ()], "int32"
            else:
                shapes = [shape[:-1], (*shape[:-2], shape[-1])]
            for name, part in zip(("row", "column"), shapes, strict=True):
                self._slots[name].append(self.add_variable(part, dtype=dtype, name=variable.name))
            self._slots["velocity"].append(self.add_variable_from_reference(variable, "velocity"))

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable, or the flat storage of all."""
        step = ops.cast(self.iterations + 1, variable.dtype)
        rate = ops.minimum(learning_rate, 1.0 / ops.sqrt(step))
        alpha = ops.maximum(_root_mean_square(variable), self.epsilon_2) * rate
        keep = 1.0 - ops.power(step, self.beta_2_decay)
        squares = ops.square(gradient) + self.epsilon_1
        if len(variable.shape) >= 2:
            row = self._average_of("row", variable, ops.mean(squares, axis=-1), keep)
            column = self._average_of("column", variable, ops.mean(squares, axis=-2), keep)
            row = row / ops.mean(row, axis=-1, keepdims=True)
            velocity = ops.expand_dims(row, -1) * ops.expand_dims(column, -2)
            self.assign(self.slot("velocity", variable), velocity)
        else:
            velocity = self._average_of("velocity", variable, squares, keep)
        update = gradient / ops.sqrt(velocity)
        scale = ops.maximum(_root_mean_square(update) / self.clip_threshold, 1.0)
        self.assign_sub(variable, update * (alpha / scale))

    def _average_of(self, name, variable, value, keep):
        slot = self.slot(name, variable)
        average = slot * keep + value * (1.0 - keep)
        self.assign(slot, average)
        return average

    def get_config(self):
        """The arguments of the constructor."""
        return {
            **super().get_config(),
            "beta_2_decay": self.beta_2_decay,
            "epsilon_1": self.epsilon_1,
            "epsilon_2": self.epsilon_2,
            "clip_threshold": self.clip_threshold,
            "relative_step": self.relative_step,
        }
