"""The base of all optimisers: variables, learning rate, and the order of operations of one step."""

import numbers
import re
import warnings

from fastnn import config as settings
from fastnn import ops
from fastnn.graph.program import current_program
from fastnn.naming import unique_name
from fastnn.optimizers.clipping import clip_by_global_norm, clip_by_norm
from fastnn.optimizers.schedules import LearningRateSchedule
from fastnn.optimizers.state import OptimizerVariables
from fastnn.saving import registry
from fastnn.variable import Storage, Variable, gather_storage, holds_exactly


class Optimizer(OptimizerVariables):
    """Changes variables so that a loss becomes smaller.

    A subclass writes `update_step`, and `build` if it keeps numbers for each variable.  In one step:
    unscale the gradients, accumulate, clip, decay the weights, `update_step`, average, constrain.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable without arguments
    weight_decay : float, optional
        Before each update a weight w becomes ``w - weight_decay * learning_rate * w``.
    clipnorm : float, optional
        Largest Euclidean norm of the gradient of one variable; longer ones are scaled down to it.
    clipvalue : float, optional
        Every element of a gradient is limited to [-clipvalue, clipvalue].
    global_clipnorm : float, optional
        Largest Euclidean norm of all gradients together.
    use_ema : bool
        Keep an exponential moving average of every weight; the weights become it when ``fit`` ends.
    ema_momentum : float in [0, 1]
        ``average = ema_momentum * average + (1 - ema_momentum) * weight``.
    ema_overwrite_frequency : int, optional
        Also overwrite the weights with their average every so many steps.
    loss_scale_factor : float, optional
        The loss is multiplied by it before, the gradients divided by it after differentiation.
    gradient_accumulation_steps : int of at least 2, optional
        Update once in so many steps, with the mean of their gradients.
    name : str, optional

    Attributes
    ----------
    elementwise : bool
        Class attribute: True promises that `update_step` changes each element by itself, whatever its
        variable.  All weights are then updated together, as one flat variable (see `slot`).
    """

    elementwise = False
    leaves_steps_out = False  # True: a step may turn out not to count, so that runs of a program cannot be counted

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "update_step" in vars(cls) and "elementwise" not in vars(cls):
            cls.elementwise = False  # the promise was made for another update_step

    def __init__(
        self, learning_rate, weight_decay=None, clipnorm=None, clipvalue=None, global_clipnorm=None,
        use_ema=False, ema_momentum=0.99, ema_overwrite_frequency=None, loss_scale_factor=None,
        gradient_accumulation_steps=None, name=None, **kwargs,
    ):  # fmt: skip
        if kwargs.pop("decay", None) is not None:
            warnings.warn("decay is ignored: pass schedules.InverseTimeDecay as learning_rate", stacklevel=3)
        if kwargs:
            raise ValueError(f"{type(self).__name__}: unknown arguments {', '.join(kwargs)}")
        self.name = name or unique_name(registry.snake_case(type(self).__name__))
        self.weight_decay = weight_decay
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self.use_ema, self.ema_momentum = use_ema, ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self._check_arguments()
        self.built = False
        self._trainable_variables, self._indices = [], {}
        self._slots = {}  # name -> one Variable for each trainable variable
        self._excluded, self._excluded_names = set(), None
        self._iterations = self.add_variable((), dtype="int32", name="iteration")
        self._learning_rate = self._checked_rate(learning_rate)

    def _check_arguments(self):
        def check(fits, argument, expected):
            if not fits:
                value = getattr(self, argument)
                raise ValueError(f"{type(self).__name__}: {argument} must be {expected}, received {value!r}")

        steps, frequency = self.gradient_accumulation_steps, self.ema_overwrite_frequency
        check(not steps or steps >= 2, "gradient_accumulation_steps", "an integer of at least 2")
        if self.use_ema:
            check(0 <= self.ema_momentum <= 1, "ema_momentum", "in [0, 1]")
            whole = not frequency or (isinstance(frequency, int) and frequency >= 1)
            check(whole, "ema_overwrite_frequency", "an integer of at least 1")
        given = [n for n in ("clipnorm", "clipvalue", "global_clipnorm") if getattr(self, n) is not None]
        if len(given) > 1:
            raise ValueError(f"{type(self).__name__}: only one of {', '.join(given)} can be set")

    def _checked_rate(self, learning_rate):
        """A schedule or callable as it is, a number as a Variable."""
        if callable(learning_rate):
            return learning_rate
        if isinstance(learning_rate, bool) or not isinstance(learning_rate, numbers.Real):
            raise ValueError(
                f"{type(self).__name__}: learning_rate must be a number, a LearningRateSchedule or a "
                f"callable, received {learning_rate!r}"
            )
        variable = self.add_variable((), name="learning_rate")
        variable.assign(float(learning_rate))
        return variable

    def parts(self):
        """The optimisers that have a learning rate and a state of their own: this one, or those that it is made of."""
        return [self]

    # --- steps ------------------------------------------------------------------------------------------
    @property
    def iterations(self):
        """The steps done: a Variable, or a scalar tensor while a program is traced."""
        steps = self._steps_done()
        if self.gradient_accumulation_steps:
            return ops.floor_divide(steps, self.gradient_accumulation_steps)
        return steps

    def _steps_done(self):
        program = current_program()
        if program is not None and self.leaves_steps_out:
            return ops.cast(self._iterations, settings.floatx())
        return self._iterations if program is None else program.count(self._iterations)

    def build(self, variables):
        """Make the optimiser's variables for these trainable variables."""
        self._trainable_variables = list(variables)
        self._indices = {variable: i for i, variable in enumerate(variables)}
        if self.use_ema:
            self.add_optimizer_variables(variables, "average")
        if self.gradient_accumulation_steps:
            self.add_optimizer_variables(variables, "gradient_accumulator")
        self.built = True

    # --- learning rate ----------------------------------------------------------------------------------
    @property
    def learning_rate(self):
        """The present learning rate: a Variable, or what the schedule gives for the present step.

        A number may be assigned unless it is a schedule.
        """
        rate = self._learning_rate
        if isinstance(rate, LearningRateSchedule):
            return rate(self._steps_done())
        return rate() if callable(rate) else rate

    @learning_rate.setter
    def learning_rate(self, learning_rate):
        if callable(learning_rate):
            self._variables.pop(self._learning_rate, None)
            self._learning_rate = learning_rate
        elif isinstance(self._learning_rate, Variable):
            self._learning_rate.assign(learning_rate)
        else:
            raise TypeError(
                f"{self.name}: the learning rate follows {self._learning_rate!r} and cannot be set: make the "
                "optimizer with a number to set it later"
            )

    # --- one step ---------------------------------------------------------------------------------------
    def update_step(self, gradient, variable, learning_rate):
        """Update one variable (or the flat storage of all) with its gradient.

        Parameters
        ----------
        gradient : tensor of the variable's shape
        variable : Variable or Storage
        learning_rate : scalar tensor
        """
        raise NotImplementedError(f"{type(self).__name__} must define update_step()")

    def apply_gradients(self, grads_and_vars):
        """`apply`, given pairs (gradient, variable).  Returns the step counter."""
        grads, trainable_variables = zip(*grads_and_vars, strict=True)
        self.apply(grads, trainable_variables)
        return self._iterations

    def apply(self, grads, trainable_variables=None):
        """One step.

        Parameters
        ----------
        grads : list of tensors
            None for a variable that the loss does not depend on: it stays as it is, with a warning.
        trainable_variables : list of Variable, optional
            Those of `build` unless given; the first call may build the optimiser.
        """
        grads = list(grads)
        if grads:
            self._apply_to(grads, self._variables_for(grads, trainable_variables))

    def _apply_to(self, grads, variables):
        """What `apply` does with one gradient or more."""
        grads, variables = self._prepare(grads, variables)
        targets = variables
        if flat := self._in_one_pass(variables):
            storage = gather_storage(variables, variables[0].dtype)
            grads, targets = [ops.pack(grads, storage.offsets, storage.size)], [storage]
        if self.gradient_accumulation_steps:
            self._accumulate(grads, targets)
        else:
            self._update(grads, targets)
        if self.use_ema:
            self._average(targets if flat else self._trainable_variables)
        for variable in variables:
            if variable.constraint is not None:
                self.assign(variable, variable.constraint(variable))
        self._count_step()

    def _variables_for(self, grads, variables):
        if variables is None and not self.built:
            raise ValueError(f"{self.name}: call build(trainable_variables) first, or pass them to apply()")
        variables = list(self._trainable_variables if variables is None else variables)
        if not self.built:
            self.build(variables)
        if len(grads) != len(variables):
            raise ValueError(f"{self.name}: received {len(grads)} gradients for {len(variables)} variables")
        for variable in variables:
            if variable not in self._indices:
                raise ValueError(
                    f"{self.name}: variable {variable.path!r} is not one that the optimizer was built for: "
                    "make a new optimizer for other variables"
                )
        return variables

    def _prepare(self, grads, variables):
        """The gradients that exist, unscaled and clipped one by one, and their variables."""
        missing = [v.path for g, v in zip(grads, variables, strict=True) if g is None]
        pairs = [(g, v) for g, v in zip(grads, variables, strict=True) if g is not None]
        if not pairs:
            raise ValueError(f"{self.name}: the loss depends on none of the variables {', '.join(missing)}")
        if missing:
            warnings.warn(
                f"The loss does not depend on the variables {', '.join(missing)}: they are not trained",
                stacklevel=4,
            )
        grads = [_checked_gradient(g, v) for g, v in pairs]
        if self.loss_scale_factor is not None:
            grads = [g / self.loss_scale_factor for g in grads]
        if self.clipnorm and not self.gradient_accumulation_steps:
            grads = [clip_by_norm(g, self.clipnorm) for g in grads]
        return grads, [v for _, v in pairs]

    def _in_one_pass(self, variables):
        """True if nothing distinguishes one variable from another, so that all are updated as one."""
        if not self.elementwise or self._excluded or self._excluded_names:
            return False
        if self.clipnorm and self.gradient_accumulation_steps:  # each sum has a norm of its own
            return False
        assigned = () if current_program() is None else current_program().updates
        if any(v.storage in assigned for v in variables) and not holds_exactly(variables[0].storage, variables):
            return False  # another optimizer has updated them in this step, where they lie
        return len(variables) == len(self._trainable_variables) and all(
            v is own and v.constraint is None and v.dtype == variables[0].dtype and v not in assigned
            for v, own in zip(variables, self._trainable_variables, strict=True)
        )

    def _accumulate(self, grads, variables):
        steps = self.gradient_accumulation_steps
        complete = ops.equal(ops.mod(self._steps_done() + 1.0, float(steps)), 0.0)
        sums = [g + self.slot("gradient_accumulator", v) for g, v in zip(grads, variables, strict=True)]
        only_when(complete, lambda: self._update([s / float(steps) for s in sums], variables))
        for total, variable in zip(sums, variables, strict=True):
            self.assign(self.slot("gradient_accumulator", variable), ops.where(complete, 0.0, total))

    def _update(self, grads, variables):
        if self.clipnorm and self.gradient_accumulation_steps:
            grads = [clip_by_norm(g, self.clipnorm) for g in grads]
        elif self.global_clipnorm:
            grads = clip_by_global_norm(grads, self.global_clipnorm)
        elif self.clipvalue:
            grads = [ops.clip(g, -self.clipvalue, self.clipvalue) for g in grads]
        rate = ops.cast(ops.convert_to_tensor(self.learning_rate), settings.floatx())
        for variable in variables:
            decay = self._weight_decay_of(variable)
            if decay is not None and self._use_weight_decay(variable):
                self.assign(variable, variable * (1.0 - decay * rate))
        self._update_steps(grads, variables, rate)

    def _update_steps(self, grads, variables, learning_rate):
        for gradient, variable in zip(grads, variables, strict=True):
            self.update_step(gradient, variable, learning_rate)

    def _count_step(self):
        program = current_program()
        if program is None or self.leaves_steps_out:
            self._iterations.assign_add(1)
        else:
            program.count_up(self._iterations)

    # --- weight decay and averages ----------------------------------------------------------------------
    def exclude_from_weight_decay(self, var_list=None, var_names=None):
        """Leave variables out of the weight decay; to be called before the optimiser is built.

        Parameters
        ----------
        var_list : list of Variable, optional
        var_names : list of str, optional
            Variables whose name contains one of these (regular expressions).
        """
        if self.built:
            raise ValueError(f"{self.name}: call exclude_from_weight_decay() before the optimizer is built")
        self._excluded = set(var_list or ())
        self._excluded_names = re.compile("|".join(var_names)) if var_names else None

    def _weight_decay_of(self, variable):
        """The decay of one variable, or the flat storage of all; None for none."""
        return self.weight_decay

    def _use_weight_decay(self, variable):
        if isinstance(variable, Storage):
            return True
        named = self._excluded_names is not None and self._excluded_names.search(variable.name)
        return variable not in self._excluded and not named

    def _average(self, variables):
        keep = ops.where(ops.equal(self.iterations, 0), 0.0, float(self.ema_momentum))
        for variable in variables:
            average = self.slot("average", variable)
            self.assign(average, ops.interpolate(average, variable, 1.0 - keep))
        if self.ema_overwrite_frequency:
            due = ops.equal(ops.mod(self.iterations + 1.0, float(self.ema_overwrite_frequency)), 0.0)
            only_when(due, lambda: self._overwrite_with_average(variables))

    def _overwrite_with_average(self, variables):
        for variable in variables:
            self.assign(variable, self.slot("average", variable))

    def finalize_variable_values(self, var_list):
        """What is left to do when training ends: with use_ema, the weights become their averages."""
        if not self.use_ema:
            return
        for variable in var_list:
            variable.assign(self.slot("average", variable).value)

    def scale_loss(self, loss):
        """The loss times loss_scale_factor."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    # --- configuration ----------------------------------------------------------------------------------
    def get_config(self):
        """The arguments of the constructor."""
        rate = self._learning_rate
        return {
            "name": self.name,
            "learning_rate": float(rate) if isinstance(rate, Variable) else registry.serialize(rate),
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "loss_scale_factor": self.loss_scale_factor,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """An optimiser from what `get_config` gave."""
        config = dict(config)
        if isinstance(config.get("learning_rate"), dict):
            schedule = registry.deserialize(config["learning_rate"], "schedule", custom_objects)
            config["learning_rate"] = schedule
        return cls(**config)


def _checked_gradient(gradient, variable):
    gradient = ops.convert_to_tensor(gradient)
    if tuple(gradient.shape) != tuple(variable.shape):
        raise ValueError(
            f"Variable {variable.path!r}: expected a gradient of shape {variable.shape}, received "
            f"{tuple(gradient.shape)}"
        )
    return gradient if gradient.dtype == variable.dtype else ops.cast(gradient, variable.dtype)


def only_when(condition, action):
    """Do what `action` assigns only if the condition holds.

    A traced program has no branches: it always computes the new values, and chooses between them and the old.
    """
    program = current_program()
    if program is None or program.computes:
        if condition:
            action()
        return
    before = dict(program.updates)
    action()
    after, program.updates = program.updates, before
    chosen = {}
    for variable, new in after.items():
        old = program.variable(variable)
        if new is not old:
            chosen[variable] = ops.where(condition, new, old)
    program.updates.update(chosen)
