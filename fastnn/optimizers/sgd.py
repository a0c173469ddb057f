"""Gradient descent, with momentum."""

from fastnn.optimizers.optimizer import Optimizer
from fastnn.saving import registry


@registry.register("optimizer")
class SGD(Optimizer):
    """Gradient descent: ``w = w - learning_rate * g``.

    With momentum: ``m = momentum * m - learning_rate * g; w = w + m``; with nesterov also:
    ``w = w + momentum * m - learning_rate * g``, the step from where the momentum leads.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
    momentum : float in [0, 1]
    nesterov : bool

    Further arguments: see `Optimizer`.
    """

    elementwise = True

    def __init__(
        self, learning_rate=0.01, momentum=0.0, nesterov=False, weight_decay=None, clipnorm=None,
        clipvalue=None, global_clipnorm=None, use_ema=False, ema_momentum=0.99, ema_overwrite_frequency=None,
        loss_scale_factor=None, gradient_accumulation_steps=None, name=None, **kwargs,
    ):  # fmt: skip
        super().__init__(
            learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name, **kwargs,
        )  # fmt: skip
        if not 0 <= momentum <= 1:
            raise ValueError(f"SGD: momentum must be in [0, 1], received {momentum!r}")
        self.momentum, self.nesterov = momentum, nesterov

    def build(self, variables):
        """Make a momentum for each variable, if there is momentum."""
        if self.built:
            return
        super().build(variables)
        self.momentums = self.add_optimizer_variables(variables, "momentum") if self.momentum else []

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable, or the flat storage of all."""
        step = gradient * learning_rate
        if not self.momentum:
            self.assign_sub(variable, step)
            return
        slot = self.slot("momentum", variable)
        momentum = slot * self.momentum - step
        self.assign(slot, momentum)
        self.assign_add(variable, momentum * self.momentum - step if self.nesterov else momentum)

    def get_config(self):
        """The arguments of the constructor."""
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "nesterov": self.nesterov,
        }
