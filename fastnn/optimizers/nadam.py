"""Nadam: Adam with Nesterov momentum (Dozat 2016)."""

from fastnn import ops
from fastnn.optimizers.optimizer import Optimizer
from fastnn.saving import registry


@registry.register("optimizer")
class Nadam(Optimizer):
    """Adam whose step looks ahead along the momentum, with a momentum that grows over the first steps.

    ``mu(t) = beta_1 * (1 - 0.96**t / 2)`` takes the place of beta_1 in the bias corrections.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
    beta_1, beta_2 : float
        How much of the averages of g and g**2 is kept at each step.
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
        """Make a momentum and a velocity for each variable, and the product of all mu so far."""
        if self.built:
            return
        super().build(variables)
        self.add_optimizer_variables(variables, ["momentum", "velocity"])
        self._mu_product = self.add_variable((), ops.ones)

    def _mu(self, ahead):
        step = ops.cast(self.iterations + ahead, self._mu_product.dtype)
        return self.beta_1 * (1.0 - 0.5 * ops.power(0.96, step))

    def _update_steps(self, grads, variables, learning_rate):
        self.assign(self._mu_product, self._mu_product * self._mu(1))  # once a step, however many variables
        super()._update_steps(grads, variables, learning_rate)

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable, or the flat storage of all."""
        m, v = self.slot("momentum", variable), self.slot("velocity", variable)
        step = ops.cast(self.iterations + 1, variable.dtype)
        mu, next_mu = self._mu(1), self._mu(2)
        of_momentum = learning_rate * next_mu / (1.0 - self._mu_product * next_mu)
        of_gradient = learning_rate * (1.0 - mu) / (1.0 - self._mu_product)
        momentum = ops.interpolate(m, gradient, 1.0 - self.beta_1)
        velocity = ops.interpolate_square(v, gradient, 1.0 - self.beta_2)
        self.assign(m, momentum)
        self.assign(v, velocity)
        ahead = ops.multiply_add(momentum, of_momentum, gradient * of_gradient)
        unbiased = velocity * (1.0 / (1.0 - ops.power(self.beta_2, step)))
        self.assign_sub(variable, ops.divide_by_root(ahead, unbiased, self.epsilon))

    def get_config(self):
        """The arguments of the constructor."""
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }
