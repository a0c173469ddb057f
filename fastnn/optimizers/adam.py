"""Adam (arXiv 1412.6980) and AdamW (arXiv 1711.05101)."""

from fastnn import ops
from fastnn.optimizers.optimizer import Optimizer
from fastnn.saving import registry


@registry.register("optimizer")
class Adam(Optimizer):
    """Adaptive moments: each weight moves by its average gradient over the root of the average square.

    At step t = 1, 2, ...::

        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        w = w - learning_rate * sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (sqrt(v) + epsilon)

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
    beta_1, beta_2 : float
        How much of the averages of g and g**2 is kept at each step.
    epsilon : float
    amsgrad : bool
        Divide by the largest v so far.

    Further arguments: see `Optimizer`.
    """

    elementwise = True

    def __init__(
        self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False, weight_decay=None,
        clipnorm=None, clipvalue=None, global_clipnorm=None, use_ema=False, ema_momentum=0.99,
        ema_overwrite_frequency=None, loss_scale_factor=None, gradient_accumulation_steps=None, name=None,
        **kwargs,
    ):  # fmt: skip
        super().__init__(
            learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name, **kwargs,
        )  # fmt: skip
        self.beta_1, self.beta_2, self.epsilon, self.amsgrad = beta_1, beta_2, epsilon, amsgrad

    def build(self, variables):
        """Make a momentum and a velocity for each variable."""
        if self.built:
            return
        super().build(variables)
        self.add_optimizer_variables(variables, ["momentum", "velocity"])
        if self.amsgrad:
            self.add_optimizer_variables(variables, "velocity_hat")

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable, or the flat storage of all."""
        m, v = self.slot("momentum", variable), self.slot("velocity", variable)
        t = ops.cast(self.iterations + 1, variable.dtype)
        bias_1, bias_2 = 1.0 - ops.power(self.beta_1, t), 1.0 - ops.power(self.beta_2, t)
        alpha = learning_rate * ops.sqrt(bias_2) / bias_1
        momentum = ops.interpolate(m, gradient, 1.0 - self.beta_1)
        velocity = ops.interpolate_square(v, gradient, 1.0 - self.beta_2)
        self.assign(m, momentum)
        self.assign(v, velocity)
        if self.amsgrad:
            largest = self.slot("velocity_hat", variable)
            velocity = ops.maximum(largest, velocity)
            self.assign(largest, velocity)
        step = ops.divide_by_root(momentum, velocity, self.epsilon)
        self.assign(variable, ops.multiply_add(step, -alpha, variable))

    def get_config(self):
        """The arguments of the constructor."""
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "amsgrad": self.amsgrad,
        }


@registry.register("optimizer")
class AdamW(Adam):
    """Adam with weight decay: before each step ``w = w - weight_decay * learning_rate * w``.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
    weight_decay : float

    Further arguments: see `Adam` and `Optimizer`.
    """

    def __init__(
        self, learning_rate=0.001, weight_decay=0.004, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False,
        clipnorm=None, clipvalue=None, global_clipnorm=None, use_ema=False, ema_momentum=0.99,
        ema_overwrite_frequency=None, loss_scale_factor=None, gradient_accumulation_steps=None, name=None,
        **kwargs,
    ):  # fmt: skip
        if weight_decay is None:
            raise ValueError("AdamW: weight_decay must be a number; without weight decay use Adam")
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay, clipnorm, clipvalue,
            global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency, loss_scale_factor,
            gradient_accumulation_steps, name, **kwargs,
        )  # fmt: skip
