"""Schedule-free AdamW (arXiv 2405.15682)."""

from fastnn import ops
from fastnn.optimizers.optimizer import Optimizer
from fastnn.saving import registry


@registry.register("optimizer")
class ScheduleFreeAdamW(Optimizer):
    """Adam without a schedule: the gradient moves one sequence of weights, and what is trained is near its average.

    At step t = 1, 2, ... with z = w at the beginning, and x the average of all z::

        v = beta_2 * v + (1 - beta_2) * g**2
        x = (w - (1 - beta_1) * z) / beta_1
        z = z - rate * g / (sqrt(v / (1 - beta_2**t)) + epsilon)
        x = (1 - 1 / t) * x + z / t
        w = (1 - beta_1) * z + beta_1 * x

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
    beta_1 : float
        How near the weights are to the average; more than 0.
    beta_2 : float
        How much of the average of g**2 is kept at each step.
    epsilon : float
    warmup_steps : int
        The rate grows from 0 to learning_rate in so many steps.

    Further arguments: see `Optimizer`.
    """

    elementwise = True

    def __init__(
        self, learning_rate=0.0025, beta_1=0.9, beta_2=0.999, epsilon=1e-8, warmup_steps=0, weight_decay=None,
        clipnorm=None, clipvalue=None, global_clipnorm=None, use_ema=False, ema_momentum=0.99,
        ema_overwrite_frequency=None, loss_scale_factor=None, gradient_accumulation_steps=None, name=None,
        **kwargs,
    ):  # fmt: skip
        super().__init__(
            learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name, **kwargs,
        )  # fmt: skip
        if not 0 < beta_1 <= 1:
            raise ValueError(f"ScheduleFreeAdamW: beta_1 must be in (0, 1], received {beta_1!r}")
        self.beta_1, self.beta_2, self.epsilon, self.warmup_steps = beta_1, beta_2, epsilon, warmup_steps

    def build(self, variables):
        """Make z, under the name momentum, and a velocity for each variable."""
        if self.built:
            return
        super().build(variables)
        momentums, _ = self.add_optimizer_variables(variables, ["momentum", "velocity"])
        for momentum, variable in zip(momentums, variables, strict=True):
            momentum.assign(variable.value)

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable, or the flat storage of all."""
        z, v = self.slot("momentum", variable), self.slot("velocity", variable)
        step = ops.cast(self.iterations + 1, variable.dtype)
        if self.warmup_steps > 0:
            learning_rate = learning_rate * ops.minimum(step / float(self.warmup_steps), 1.0)
        velocity = ops.interpolate_square(v, gradient, 1.0 - self.beta_2)
        size = ops.sqrt(velocity / (1.0 - ops.power(self.beta_2, step))) + self.epsilon
        moved = z - learning_rate * gradient / size
        average = (variable - (1.0 - self.beta_1) * z) / self.beta_1
        average = average + (moved - average) / step
        self.assign(v, velocity)
        self.assign(z, moved)
        self.assign(variable, (1.0 - self.beta_1) * moved + self.beta_1 * average)

    def get_config(self):
        """The arguments of the constructor."""
        names = ("beta_1", "beta_2", "epsilon", "warmup_steps")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
