"""Adadelta (arXiv 1212.5701)."""

from fastnn import ops
from fastnn.optimizers.optimizer import Optimizer
from fastnn.saving import registry


@registry.register("optimizer")
class Adadelta(Optimizer):
    """Steps scaled by the ratio of the average past step to the average gradient.

    ::

        a = rho * a + (1 - rho) * g**2
        d = g * sqrt((b + epsilon) / (a + epsilon))
        b = rho * b + (1 - rho) * d**2
        w = w - learning_rate * d

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
        The paper's is 1.
    rho : float
    epsilon : float

    Further arguments: see `Optimizer`.
    """

    elementwise = True

    def __init__(
        self, learning_rate=0.001, rho=0.95, epsilon=1e-7, weight_decay=None, clipnorm=None, clipvalue=None,
        global_clipnorm=None, use_ema=False, ema_momentum=0.99, ema_overwrite_frequency=None,
        loss_scale_factor=None, gradient_accumulation_steps=None, name=None, **kwargs,
    ):  # fmt: skip
        super().__init__(
            learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name, **kwargs,
        )  # fmt: skip
        self.rho, self.epsilon = rho, epsilon

    def build(self, variables):
        """Make averages of the squared gradients and steps of each variable."""
        if self.built:
            return
        super().build(variables)
        self.add_optimizer_variables(variables, ["accumulated_grad", "accumulated_delta_var"])

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable, or the flat storage of all."""
        a, b = self.slot("accumulated_grad", variable), self.slot("accumulated_delta_var", variable)
        squares = ops.interpolate_square(a, gradient, 1.0 - self.rho)
        step = gradient * ops.sqrt((b + self.epsilon) / (squares + self.epsilon))
        self.assign(a, squares)
        self.assign(b, ops.interpolate_square(b, step, 1.0 - self.rho))
        self.assign_sub(variable, step * learning_rate)

    def get_config(self):
        """The arguments of the constructor."""
        return {
            **super().get_config(),
            "rho": self.rho,
            "epsilon": self.epsilon,
        }
