"""Another optimiser, and a scale of the loss that is as large as the gradients allow."""

from fastnn import ops
from fastnn.graph.program import Tensor
from fastnn.optimizers.optimizer import Optimizer, only_when
from fastnn.optimizers.state import filled_with
from fastnn.saving import registry

_NOT_HERE = {  # base arguments that old files hold: they belong to the inner optimizer
    "weight_decay": None, "clipnorm": None, "global_clipnorm": None, "clipvalue": None, "use_ema": False,
    "ema_momentum": 0.99, "ema_overwrite_frequency": None, "loss_scale_factor": None,
    "gradient_accumulation_steps": None, "dynamic": True,
}  # fmt: skip


@registry.register("optimizer")
class LossScaleOptimizer(Optimizer):
    """Multiplies the loss before, and divides the gradients after differentiation by a scale that it finds itself.

    A step with a gradient that is infinite or NaN is left out, and halves the scale; after `dynamic_growth_steps` steps
    without one the scale is doubled.  Gradients of float32 rarely need it.

    Parameters
    ----------
    inner_optimizer : Optimizer
        What makes the steps.  Its own loss_scale_factor is set to None.
    initial_scale : float
    dynamic_growth_steps : int
    name : str, optional
    """

    def __init__(self, inner_optimizer, initial_scale=2.0**15, dynamic_growth_steps=2000, name=None, **kwargs):
        if not isinstance(inner_optimizer, Optimizer) or isinstance(inner_optimizer, LossScaleOptimizer):
            raise TypeError(f"LossScaleOptimizer: expected an optimizer to wrap, received {inner_optimizer!r:.100}")
        if wrong := [key for key, value in kwargs.items() if key not in _NOT_HERE or value != _NOT_HERE[key]]:
            raise ValueError(f"LossScaleOptimizer: give {', '.join(wrong)} to the inner optimizer")
        super().__init__(0.0, name=name)
        self.inner_optimizer = inner_optimizer
        self.initial_scale, self.dynamic_growth_steps = initial_scale, dynamic_growth_steps
        inner_optimizer.loss_scale_factor = None
        for part in (inner_optimizer, *inner_optimizer.parts()):
            part.leaves_steps_out = True

    def build(self, variables):
        """Make the scale, and the variables of the inner optimiser."""
        if self.built:
            return
        self.step_counter = self.add_variable((), dtype="int32", name="step_counter")
        self.dynamic_scale = self.add_variable((), filled_with(self.initial_scale), name="dynamic_scale")
        self.inner_optimizer.build(variables)
        super().build(variables)

    def parts(self):
        """Those of the inner optimiser."""
        return self.inner_optimizer.parts()

    @property
    def variables(self):
        """Iteration and learning rate, which are not used, counter and scale; then those of the inner optimiser."""
        return [*super().variables, *self.inner_optimizer.variables]

    @property
    def iterations(self):
        """The steps that were made."""
        return self.inner_optimizer.iterations

    @property
    def learning_rate(self):
        """That of the inner optimiser."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate):
        self.inner_optimizer.learning_rate = learning_rate

    def scale_loss(self, loss):
        """The loss times the present scale."""
        return loss * (self.dynamic_scale if self.built else self.initial_scale)

    def _apply_to(self, grads, variables):
        """One step with the gradients of a scaled loss, unless one of them is not finite."""
        finite = self.check_finite(grads)
        unscaled = [None if g is None else g / self.dynamic_scale for g in grads]
        only_when(finite, lambda: self.inner_optimizer.apply(unscaled, variables))
        grows = ops.logical_and(finite, ops.equal(self.step_counter, self.dynamic_growth_steps - 1))
        counts = ops.logical_and(finite, ops.logical_not(grows))
        change = ops.where(finite, ops.where(grows, 2.0, 1.0), 0.5)
        self.assign(self.step_counter, ops.where(counts, self.step_counter + 1, 0))
        self.assign(self.dynamic_scale, self.dynamic_scale * change)

    def check_finite(self, grads):
        """Whether all numbers of all gradients are finite."""
        finite = True
        for gradient in grads:
            if gradient is not None:
                finite = ops.logical_and(finite, ops.all(ops.isfinite(gradient)))
        return finite if isinstance(finite, Tensor) else bool(finite)

    def finalize_variable_values(self, var_list):
        """What the inner optimiser does when training ends."""
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self):
        """The arguments of the constructor."""
        return {
            "name": self.name, "inner_optimizer": registry.serialize(self.inner_optimizer),
            "initial_scale": self.initial_scale, "dynamic_growth_steps": self.dynamic_growth_steps,
        }  # fmt: skip

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """An optimiser from what `get_config` gave."""
        inner = registry.deserialize(config["inner_optimizer"], "optimizer", custom_objects)
        return cls(**{**config, "inner_optimizer": inner})
