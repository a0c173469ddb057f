"""FTRL-proximal (McMahan et al. 2013)."""

from fastnn import ops
from fastnn.optimizers.optimizer import Optimizer
from fastnn.optimizers.state import filled_with
from fastnn.saving import registry

NOT_NEGATIVE = (
    "initial_accumulator_value",
    "l1_regularization_strength",
    "l2_regularization_strength",
    "l2_shrinkage_regularization_strength",
)
TINY = 1e-30  # where accumulator and gradient are 0 (as between variables in a storage) 0 / 0 is to be 0


@registry.register("optimizer")
class Ftrl(Optimizer):
    """Follow the regularised leader: for large sparse linear models, many weights become exactly 0 under L1.

    With p = -learning_rate_power and ``h = g + 2 * l2_shrinkage * w``::

        b = a + g**2
        z = z + h - (b**p - a**p) / learning_rate * w
        w = (clip(z, -l1, l1) - z) / ((b**p + beta) / learning_rate + 2 * l2)
        a = b

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
    learning_rate_power : float, at most 0
    initial_accumulator_value : float, at least 0
        First value of a.
    l1_regularization_strength, l2_regularization_strength : float, at least 0
    l2_shrinkage_regularization_strength : float, at least 0
    beta : float

    Further arguments: see `Optimizer`.
    """

    elementwise = True

    def __init__(
        self, learning_rate=0.001, learning_rate_power=-0.5, initial_accumulator_value=0.1,
        l1_regularization_strength=0.0, l2_regularization_strength=0.0,
        l2_shrinkage_regularization_strength=0.0, beta=0.0, weight_decay=None, clipnorm=None, clipvalue=None,
        global_clipnorm=None, use_ema=False, ema_momentum=0.99, ema_overwrite_frequency=None,
        loss_scale_factor=None, gradient_accumulation_steps=None, name=None, **kwargs,
    ):  # fmt: skip
        super().__init__(
            learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name, **kwargs,
        )  # fmt: skip
        self.learning_rate_power = learning_rate_power
        self.initial_accumulator_value = initial_accumulator_value
        self.l1_regularization_strength = l1_regularization_strength
        self.l2_regularization_strength = l2_regularization_strength
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self.beta = beta
        if learning_rate_power > 0:
            raise ValueError(f"Ftrl: learning_rate_power must be at most 0, received {learning_rate_power!r}")
        for name in NOT_NEGATIVE:
            if getattr(self, name) < 0:
                raise ValueError(f"Ftrl: {name} must be at least 0, received {getattr(self, name)!r}")

    def build(self, variables):
        """Make an accumulator and a linear term for each variable."""
        if self.built:
            return
        super().build(variables)
        first = filled_with(self.initial_accumulator_value)
        self.add_optimizer_variables(variables, ["accumulator", "linear"], [first, "zeros"])

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable, or the flat storage of all."""
        accumulator, linear = self.slot("accumulator", variable), self.slot("linear", variable)
        l1 = self.l1_regularization_strength
        twice_l2 = 2.0 * self.l2_regularization_strength + self.beta / learning_rate
        squares = ops.multiply_add(gradient, gradient, accumulator)
        before = ops.power(accumulator, -self.learning_rate_power) / learning_rate
        after = ops.power(squares, -self.learning_rate_power) / learning_rate
        if self.l2_shrinkage_regularization_strength:
            gradient = gradient + variable * (2.0 * self.l2_shrinkage_regularization_strength)
        z = linear + (gradient - (after - before) * variable)
        self.assign(linear, z)
        self.assign(accumulator, squares)
        divisor = ops.maximum(after + twice_l2, TINY)
        self.assign(variable, (ops.clip(z, -l1, l1) - z) / divisor)

    def get_config(self):
        """The arguments of the constructor."""
        return {
            **super().get_config(),
            "learning_rate_power": self.learning_rate_power,
            "initial_accumulator_value": self.initial_accumulator_value,
            "l1_regularization_strength": self.l1_regularization_strength,
            "l2_regularization_strength": self.l2_regularization_strength,
            "l2_shrinkage_regularization_strength": self.l2_shrinkage_regularization_strength,
            "beta": self.beta,
        }
