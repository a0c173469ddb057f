"""Several optimisers as one: each variable is trained by the one that a map of paths gives it."""

import re
from collections.abc import MutableMapping

from fastnn.optimizers.optimizer import Optimizer
from fastnn.saving import patterns, registry


@registry.register("optimizer")
class OptimizerMap(MutableMapping):
    """Which optimiser trains a variable, by its path such as ``"encoder/dense/kernel"``.

    A key is a path, or a regular expression that matches the whole of it.  A key that is the path itself goes before
    all expressions; a path that no key matches gets the default.

    Parameters
    ----------
    default_optimizer : Optimizer
    optimizer_map : dict of str to Optimizer, optional

    Raises
    ------
    ValueError
        When several expressions match a path, or a key is assigned a second time.
    """

    def __init__(self, default_optimizer, optimizer_map=None):
        if not isinstance(default_optimizer, Optimizer):
            raise TypeError(f"OptimizerMap: default_optimizer must be an Optimizer, received {default_optimizer!r}")
        if optimizer_map is not None and not isinstance(optimizer_map, dict):
            raise TypeError(f"OptimizerMap: optimizer_map must be a dict, received {optimizer_map!r}")
        self._default_optimizer = _one_optimizer(default_optimizer, "OptimizerMap: default_optimizer")
        self._optimizer_map = {}
        self.update(optimizer_map or {})

    @property
    def default_optimizer(self):
        """The optimiser of all variables that no key matches."""
        return self._default_optimizer

    def __getitem__(self, key):
        if key in self._optimizer_map:
            return self._optimizer_map[key]
        matching = [pattern for pattern in self._optimizer_map if _matches(pattern, key)]
        if len(matching) > 1:
            raise ValueError(f"OptimizerMap: {key!r} is matched by several keys, {matching}: leave it to one of them")
        return self._optimizer_map[matching[0]] if matching else self._default_optimizer

    def __setitem__(self, key, optimizer):
        if not isinstance(key, str):
            raise ValueError(f"OptimizerMap: a key must be a string, received {key!r}")
        if key in self._optimizer_map:
            raise ValueError(f"OptimizerMap: {key!r} already has the optimizer {self._optimizer_map[key].name!r}")
        self._optimizer_map[key] = _one_optimizer(optimizer, f"OptimizerMap: {key!r}")

    def __delitem__(self, key):
        del self._optimizer_map[key]

    def __len__(self):
        return len(self._optimizer_map)

    def __iter__(self):
        return iter(self._optimizer_map)

    def __call__(self, variable):
        """The optimiser of a variable."""
        return self[variable.path]

    def get_config(self):
        """The arguments of the constructor; ValueError for keys that a file may not hold."""
        patterns.from_file(self, "OptimizerMap")
        return {
            "default_optimizer": registry.serialize(self._default_optimizer),
            "optimizer_map": registry.serialize(self._optimizer_map),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """A map from what `get_config` gave."""
        default = registry.deserialize(config["default_optimizer"], "optimizer", custom_objects)
        optimizers = {
            key: registry.deserialize(value, "optimizer", custom_objects)
            for key, value in config["optimizer_map"].items()
        }
        keys = patterns.from_file(optimizers, "OptimizerMap")
        return cls(default, dict(zip(keys, optimizers.values(), strict=True)))


@registry.register("optimizer")
class MultiOptimizer(Optimizer):
    """Trains each variable with an optimiser of its own choice.

    There is no one learning rate: `learning_rate` raises AttributeError, those of `optimizers` can be read and set.

    Parameters
    ----------
    optimizer_map : OptimizerMap, or callable
        The callable gets a variable and returns its optimiser, the same object for variables of one optimiser.
    loss_scale_factor : float, optional
        Takes the place of those of the optimisers, also where it is None.
    name : str, optional

    Attributes
    ----------
    optimizers : list of Optimizer
        In the order of the map, then its default; those of a callable as `build` meets them.
    """

    def __init__(self, optimizer_map, loss_scale_factor=None, name=None):
        if not callable(optimizer_map):
            raise TypeError(
                "MultiOptimizer: optimizer_map must be an OptimizerMap or a callable that returns the optimizer of a "
                f"variable, received {optimizer_map!r}"
            )
        self.optimizers = []
        super().__init__(0.0, loss_scale_factor=loss_scale_factor, name=name)
        self._optimizer_map = optimizer_map
        self._optimizer_of = {}  # variable -> its optimizer
        if isinstance(optimizer_map, OptimizerMap):
            for optimizer in (*optimizer_map.values(), optimizer_map.default_optimizer):
                self._add(optimizer)

    def _add(self, optimizer):
        if optimizer not in self.optimizers:
            optimizer.loss_scale_factor = self.loss_scale_factor
            self.optimizers.append(optimizer)

    def build(self, variables):
        """Give each variable its optimiser, and make the variables of the optimisers."""
        if self.built:
            return
        for variable in variables:
            optimizer = self._optimizer_map(variable)
            self._optimizer_of[variable] = _one_optimizer(optimizer, f"{self.name}: the optimizer of {variable.path!r}")
            self._add(optimizer)
        for optimizer in self.optimizers:
            own = self._own(optimizer, variables)
            if own:
                optimizer.build(own)
        super().build(variables)

    def _own(self, optimizer, variables):
        return [variable for variable in variables if self._optimizer_of.get(variable) is optimizer]

    def parts(self):
        """The optimisers."""
        return list(self.optimizers)

    @property
    def variables(self):
        """Iteration and an unused learning rate, as Keras has them, then the variables of the optimisers."""
        return [*super().variables, *(v for optimizer in self.optimizers for v in optimizer.variables)]

    @property
    def learning_rate(self):
        """Not there: each of `optimizers` has its own."""
        raise AttributeError(f"{self.name}: a MultiOptimizer has no learning rate, read those of its optimizers")

    @learning_rate.setter
    def learning_rate(self, learning_rate):
        raise AttributeError(f"{self.name}: a MultiOptimizer has no learning rate, set those of its optimizers")

    @property
    def loss_scale_factor(self):
        """What the loss is multiplied by; assigning it assigns it to all optimisers."""
        return self._loss_scale_factor

    @loss_scale_factor.setter
    def loss_scale_factor(self, factor):
        self._loss_scale_factor = factor
        for optimizer in self.optimizers:
            optimizer.loss_scale_factor = factor

    def _apply_to(self, grads, variables):
        """One step of every optimiser, with the gradients of its variables."""
        if len(grads) != len(self._trainable_variables):
            raise ValueError(
                f"{self.name}: received {len(grads)} gradients, was built for {len(self._trainable_variables)} "
                "variables: pass a gradient for each, or use an optimizer for each part"
            )
        gradient_of = dict(zip(variables, grads, strict=True))
        for optimizer in self.optimizers:
            own = self._own(optimizer, variables)
            if own:
                optimizer.apply([gradient_of[variable] for variable in own], own)
        self._count_step()

    def finalize_variable_values(self, var_list):
        """What is left to do when training ends, done by every optimiser for its variables."""
        for optimizer in self.optimizers:
            optimizer.finalize_variable_values(self._own(optimizer, var_list))

    def get_config(self):
        """The arguments of the constructor."""
        return {
            "optimizer_map": registry.serialize(self._optimizer_map),
            "loss_scale_factor": self.loss_scale_factor,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """An optimiser from what `get_config` gave."""
        return cls(**{**config, "optimizer_map": registry.deserialize(config["optimizer_map"], None, custom_objects)})


def _matches(pattern, path):
    try:
        return patterns.fullmatch(pattern, path)
    except re.error as error:
        raise ValueError(f"OptimizerMap: the key {pattern!r} is not a regular expression: {error}") from error


def _one_optimizer(optimizer, what):
    """The optimiser, if it is one and not several."""
    if not isinstance(optimizer, Optimizer):
        raise ValueError(f"{what} must be an Optimizer, received {optimizer!r}")
    if isinstance(optimizer, MultiOptimizer):
        raise ValueError(f"{what} cannot be a MultiOptimizer: put its optimizers into one map")
    return optimizer
