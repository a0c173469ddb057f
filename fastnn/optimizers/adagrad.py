"""Adagrad (Duchi et al. 2011)."""

from fastnn import ops
from fastnn.optimizers.optimizer import Optimizer
from fastnn.optimizers.state import filled_with
from fastnn.saving import registry


@registry.register("optimizer")
class Adagrad(Optimizer):
    """The gradient divided by the root of the sum of all its squares so far.

    ``a = a + g**2; w = w - learning_rate * g / sqrt(a + epsilon)``

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
    initial_accumulator_value : float
        First value of a.
    epsilon : float

    Further arguments: see `Optimizer`.
    """

    elementwise = True

    def __init__(
        self, learning_rate=0.001, initial_accumulator_value=0.1, epsilon=1e-7, weight_decay=None,
        clipnorm=None, clipvalue=None, global_clipnorm=None, use_ema=False, ema_momentum=0.99,
        ema_overwrite_frequency=None, loss_scale_factor=None, gradient_accumulation_steps=None, name=None,
        **kwargs,
    ):  # fmt: skip
        super().__init__(
            learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name, **kwargs,
        )  # fmt: skip
        self.initial_accumulator_value, self.epsilon = initial_accumulator_value, epsilon

    def build(self, variables):
        """Make an accumulator for each variable."""
        if self.built:
            return
        super().build(variables)
        self.add_optimizer_variables(variables, "accumulator", filled_with(self.initial_accumulator_value))

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable, or the flat storage of all."""
        slot = self.slot("accumulator", variable)
        accumulator = ops.multiply_add(gradient, gradient, slot)
        self.assign(slot, accumulator)
        self.assign_sub(variable, gradient * learning_rate / ops.sqrt(accumulator + self.epsilon))

    def get_config(self):
        """The arguments of the constructor."""
        return {
            **super().get_config(),
            "initial_accumulator_value": self.initial_accumulator_value,
            "epsilon": self.epsilon,
        }
