"""Lion (arXiv 2302.06675)."""

from fastnn import ops
from fastnn.optimizers.optimizer import Optimizer
from fastnn.saving import registry


@registry.register("optimizer")
class Lion(Optimizer):
    """Every weight moves by the learning rate, in the direction of a momentum's sign.

    ``w = w - learning_rate * sign(beta_1 * m + (1 - beta_1) * g); m = beta_2 * m + (1 - beta_2) * g``

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
        A third to a tenth of Adam's.
    beta_1 : float in (0, 1]
    beta_2 : float

    Further arguments: see `Optimizer`.
    """

    elementwise = True

    def __init__(
        self, learning_rate=0.001, beta_1=0.9, beta_2=0.99, weight_decay=None, clipnorm=None, clipvalue=None,
        global_clipnorm=None, use_ema=False, ema_momentum=0.99, ema_overwrite_frequency=None,
        loss_scale_factor=None, gradient_accumulation_steps=None, name=None, **kwargs,
    ):  # fmt: skip
        super().__init__(
            learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name, **kwargs,
        )  # fmt: skip
        if not 0 < beta_1 <= 1:
            raise ValueError(f"Lion: beta_1 must be in (0, 1], received {beta_1!r}")
        self.beta_1, self.beta_2 = beta_1, beta_2

    def build(self, variables):
        """Make a momentum for each variable."""
        if self.built:
            return
        super().build(variables)
        self.add_optimizer_variables(variables, "momentum")

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable, or the flat storage of all."""
        m = self.slot("momentum", variable)
        direction = ops.sign(ops.multiply_add(m, self.beta_1, gradient * (1.0 - self.beta_1)))
        self.assign_sub(variable, direction * learning_rate)
        self.assign(m, ops.interpolate(m, gradient, 1.0 - self.beta_2))

    def get_config(self):
        """The arguments of the constructor."""
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
        }
