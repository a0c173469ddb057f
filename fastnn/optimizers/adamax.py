"""Adamax (arXiv 1412.6980, section 7.1)."""

from fastnn import ops
from fastnn.optimizers.optimizer import Optimizer
from fastnn.saving import registry


@registry.register("optimizer")
class Adamax(Optimizer):
    """Adam with the largest recent gradient in place of the root of the average square.

    At step t = 1, 2, ...::

        m = beta_1 * m + (1 - beta_1) * g
        u = max(beta_2 * u, |g|)
        w = w - learning_rate / (1 - beta_1**t) * m / (u + epsilon)

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
    beta_1, beta_2 : float
        How much of m and u is kept at each step.
    epsilon : float

    Further arguments: see `Optimizer`.
    """

    elementwise = True

    def __init__(
        self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, weight_decay=None, clipnorm=None,
        clipvalue=None, global_clipnorm=None, use_ema=False, ema_momentum=0.99, ema_overwrite_frequency=None,
        loss_scale_factor=None, gradient_accumulation_steps=None, name=None, **kwargs,
    ):  # fmt: skip
        super().__init__(
            learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name, **kwargs,
        )  # fmt: skip
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def build(self, variables):
        """Make a momentum and a norm for each variable."""
        if self.built:
            return
        super().build(variables)
        self.add_optimizer_variables(variables, ["momentum", "norm"])

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable, or the flat storage of all."""
        m, u = self.slot("momentum", variable), self.slot("norm", variable)
        step = ops.cast(self.iterations + 1, variable.dtype)
        alpha = learning_rate / (1.0 - ops.power(self.beta_1, step))
        momentum = ops.interpolate(m, gradient, 1.0 - self.beta_1)
        norm = ops.maximum(u * self.beta_2, ops.absolute(gradient))
        self.assign(m, momentum)
        self.assign(u, norm)
        self.assign_sub(variable, momentum * alpha / (norm + self.epsilon))

    def get_config(self):
        """The arguments of the constructor."""
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }
