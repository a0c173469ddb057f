"""LAMB (arXiv 1904.00962)."""

from fastnn import ops
from fastnn.optimizers.optimizer import Optimizer
from fastnn.saving import registry


@registry.register("optimizer")
class Lamb(Optimizer):
    """Adam for large batches: the step of each variable is scaled to the norm of the variable.

    With Adam's bias-corrected m and v: ``s = m / (sqrt(v) + epsilon)`` and
    ``w = w - learning_rate * norm(w) / norm(s) * s``, where the ratio is 1 if either norm is 0.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
    beta_1, beta_2 : float
        How much of the averages of g and g**2 is kept at each step.
    epsilon : float

    Further arguments: see `Optimizer`.
    """

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
        """Make a momentum and a velocity for each variable."""
        if self.built:
            return
        super().build(variables)
        self.add_optimizer_variables(variables, ["momentum", "velocity"])

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable, or the flat storage of all."""
        m, v = self.slot("momentum", variable), self.slot("velocity", variable)
        step = ops.cast(self.iterations + 1, variable.dtype)
        bias_1, bias_2 = 1.0 - ops.power(self.beta_1, step), 1.0 - ops.power(self.beta_2, step)
        momentum = ops.interpolate(m, gradient, 1.0 - self.beta_1)
        velocity = ops.interpolate_square(v, gradient, 1.0 - self.beta_2)
        self.assign(m, momentum)
        self.assign(v, velocity)
        update = ops.divide_by_root(momentum / bias_1, velocity / bias_2, self.epsilon)
        size, length = ops.norm(variable), ops.norm(update)
        ratio = ops.where(size * length > 0.0, size / length, 1.0)
        self.assign_sub(variable, update * (ratio * learning_rate))

    def get_config(self):
        """The arguments of the constructor."""
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }
