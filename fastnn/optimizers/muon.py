"""Muon: matrices move by the orthogonal part of their momentum (K. Jordan, 2024; arXiv 2502.16982)."""

from fastnn import ops
from fastnn.optimizers.optimizer import Optimizer
from fastnn.saving import patterns, registry


@registry.register("optimizer")
class Muon(Optimizer):
    """Every weight that is a matrix moves by the orthogonal matrix nearest to its momentum, others as in Adam.

    For a gradient g of shape (n, m)::

        M = momentum * M + g
        X = g + momentum * M (nesterov), or M
        X = X / (norm(X) + 1e-7), then ns_steps times, of the wide one of X and its transpose:
            A = X X';  X = muon_a X + (muon_b A + muon_c A A) X
        w = w - learning_rate * rms_rate * sqrt(max(n, m)) * X

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
    adam_beta_1, adam_beta_2, epsilon : float
        Of Adam, for weights that are no matrices.
    adam_weight_decay, weight_decay : float, optional
        Weight decay of Adam's weights, and of the others.
    exclude_layers : list of str, optional
        Adam for the weights whose path contains one of these (regular expressions).
    exclude_embeddings : bool
        Adam for the weights with "embedding" in their path.
    muon_a, muon_b, muon_c : float
    adam_lr_ratio : float
        Adam's learning rate is this times learning_rate.
    momentum : float
    ns_steps : int
    nesterov : bool
    rms_rate : float, optional
        None: without it and the root.

    Further arguments: see `Optimizer`.
    """

    def __init__(
        self, learning_rate=0.001, adam_beta_1=0.9, adam_beta_2=0.999, adam_weight_decay=0.004, epsilon=1e-7,
        weight_decay=0.004, clipnorm=None, clipvalue=None, global_clipnorm=None, use_ema=False, ema_momentum=0.99,
        ema_overwrite_frequency=None, loss_scale_factor=None, gradient_accumulation_steps=None, name=None,
        exclude_layers=None, exclude_embeddings=True, muon_a=3.4445, muon_b=-4.775, muon_c=2.0315, adam_lr_ratio=1,
        momentum=0.95, ns_steps=5, nesterov=True, rms_rate=0.2, **kwargs,
    ):  # fmt: skip
        super().__init__(
            learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name, **kwargs,
        )  # fmt: skip
        self.adam_beta_1, self.adam_beta_2, self.epsilon = adam_beta_1, adam_beta_2, epsilon
        self.adam_weight_decay, self.adam_lr_ratio = adam_weight_decay, adam_lr_ratio
        self.exclude_layers, self.exclude_embeddings = exclude_layers or [], exclude_embeddings
        self.muon_a, self.muon_b, self.muon_c = muon_a, muon_b, muon_c
        self.momentum, self.ns_steps, self.nesterov, self.rms_rate = momentum, ns_steps, nesterov, rms_rate

    def build(self, variables):
        """Make a momentum for each variable, and a velocity for Adam's."""
        if self.built:
            return
        super().build(variables)
        self._momentums, self._velocities = {}, {}
        for variable in variables:
            self._momentums[variable] = self.add_variable_from_reference(variable, "momentum")
            if self._uses_adam(variable):
                self._velocities[variable] = self.add_variable_from_reference(variable, "velocity")

    def _uses_adam(self, variable):
        excluded = self.exclude_embeddings and "embedding" in variable.path.lower()
        named = any(patterns.search(pattern, variable.path) for pattern in self.exclude_layers)
        return len(variable.shape) != 2 or excluded or named

    def _weight_decay_of(self, variable):
        return self.adam_weight_decay if self._uses_adam(variable) else self.weight_decay

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable."""
        m, v = self._momentums[variable], self._velocities.get(variable)
        if v is not None:
            self._adam_step(gradient, variable, learning_rate * float(self.adam_lr_ratio), m, v)
            return
        momentum = m * self.momentum + gradient
        self.assign(m, momentum)
        direction = self._orthogonal(gradient + self.momentum * momentum if self.nesterov else momentum)
        if self.rms_rate is not None:
            direction = direction * (self.rms_rate * max(variable.shape) ** 0.5)
        self.assign_sub(variable, direction * learning_rate)

    def _orthogonal(self, x):
        """About the orthogonal factor of the polar decomposition, by iterations of Newton and Schulz."""
        tall = x.shape[0] > x.shape[1]
        x = ops.transpose(x) if tall else x
        x = x / (ops.norm(x) + 1e-7)
        for _ in range(self.ns_steps):
            a = ops.matmul(x, ops.transpose(x))
            x = self.muon_a * x + ops.matmul(self.muon_b * a + self.muon_c * ops.matmul(a, a), x)
        return ops.transpose(x) if tall else x

    def _adam_step(self, gradient, variable, learning_rate, m, v):
        step = ops.cast(self.iterations + 1, variable.dtype)
        bias_1, bias_2 = 1.0 - ops.power(self.adam_beta_1, step), 1.0 - ops.power(self.adam_beta_2, step)
        momentum = ops.interpolate(m, gradient, 1.0 - self.adam_beta_1)
        velocity = ops.interpolate_square(v, gradient, 1.0 - self.adam_beta_2)
        self.assign(m, momentum)
        self.assign(v, velocity)
        alpha = learning_rate * ops.sqrt(bias_2) / bias_1
        self.assign_sub(variable, ops.divide_by_root(momentum, velocity, self.epsilon) * alpha)

    def get_config(self):
        """The arguments of the constructor; ValueError for patterns that a file may not hold."""
        patterns.from_file(self.exclude_layers, "Muon: exclude_layers")
        names = (
            "adam_beta_1", "adam_beta_2", "epsilon", "exclude_layers", "muon_a", "muon_b", "muon_c", "adam_lr_ratio",
            "momentum", "ns_steps", "nesterov", "exclude_embeddings", "adam_weight_decay", "rms_rate",
        )  # fmt: skip
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """An optimiser from what `get_config` gave."""
        excluded = patterns.from_file(config.get("exclude_layers") or (), "Muon: exclude_layers")
        return super().from_config({**config, "exclude_layers": excluded}, custom_objects)
