"""RMSprop (Tieleman and Hinton 2012)."""

from fastnn import ops
from fastnn.optimizers.optimizer import Optimizer
from fastnn.saving import registry


@registry.register("optimizer")
class RMSprop(Optimizer):
    """The gradient divided by the root of a moving average of its square.

    ``v = rho * v + (1 - rho) * g**2; w = w - learning_rate * g / sqrt(v + epsilon)``

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
    rho : float
    momentum : float
        Above 0, ``m = momentum * m + step; w = w - m``.
    epsilon : float
    centered : bool
        Divide by the estimated standard deviation: the square of a moving average of g is subtracted from v.

    Further arguments: see `Optimizer`.
    """

    elementwise = True

    def __init__(
        self, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False, weight_decay=None,
        clipnorm=None, clipvalue=None, global_clipnorm=None, use_ema=False, ema_momentum=0.99,
        ema_overwrite_frequency=None, loss_scale_factor=None, gradient_accumulation_steps=None, name=None,
        **kwargs,
    ):  # fmt: skip
        super().__init__(
            learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name, **kwargs,
        )  # fmt: skip
        self.rho, self.momentum, self.epsilon, self.centered = rho, momentum, epsilon, centered

    def build(self, variables):
        """Make a velocity for each variable, and momentum and average gradient if asked for."""
        if self.built:
            return
        super().build(variables)
        self.add_optimizer_variables(variables, "velocity")
        if self.momentum > 0:
            self.add_optimizer_variables(variables, "momentum")
        if self.centered:
            self.add_optimizer_variables(variables, "average_gradient")

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable, or the flat storage of all."""
        velocity = self._average_of("velocity", variable, ops.square(gradient))
        if self.centered:
            velocity = velocity - ops.square(self._average_of("average_gradient", variable, gradient))
        step = gradient * learning_rate / ops.sqrt(velocity + self.epsilon)
        if self.momentum > 0:
            slot = self.slot("momentum", variable)
            step = ops.multiply_add(slot, self.momentum, step)
            self.assign(slot, step)
        self.assign_sub(variable, step)

    def _average_of(self, name, variable, value):
        slot = self.slot(name, variable)
        average = ops.interpolate(slot, value, 1.0 - self.rho)
        self.assign(slot, average)
        return average

    def get_config(self):
        """The arguments of the constructor."""
        return {
            **super().get_config(),
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "centered": self.centered,
        }
