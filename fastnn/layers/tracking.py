"""What a layer holds: the layers, metrics and variables among its attributes, in lists, tuples and dicts too.

Most attributes are settings. Those that may hold something are noted when they are set: every `fit` looks for the
metrics of all layers, and that must not take longer than a step of a small model.
"""

import numpy as np

from fastnn.metrics.base import Metric
from fastnn.variable import Variable


class Tracking:
    """The part of `Layer` that knows what the layer holds."""

    _untracked = frozenset(  # what is in these attributes is not held, or known otherwise; a subclass adds its own
        ("_arguments", "_inbound_nodes", "_own_trainable", "_own_frozen", "_losses", "_built_with")
    )

    def __new__(cls, *args, **kwargs):
        made = super().__new__(cls)
        vars(made)["_holding"] = {kind: {} for kind in (Tracking, Metric, Variable)}  # names of attributes, in order
        return made

    def __setattr__(self, name, value):
        if name not in self._untracked:
            for kind, names in self._holding.items():
                if _may_hold(kind, value):
                    names[name] = None
        super().__setattr__(name, value)

    def _held(self, kind):
        """The objects of a kind, in the order in which their attributes first held something."""
        found = []
        for name in self._holding[kind]:
            _collect(kind, vars(self).get(name), found)
        return found

    @property
    def _layers(self):
        """The layers among the attributes."""
        return self._held(Tracking)

    def _flatten_layers(self, seen=None):
        """This layer and those it holds, outer ones first, each once: a layer may hold the model that it is in."""
        seen = set() if seen is None else seen
        if id(self) not in seen:
            seen.add(id(self))
            yield self
            for layer in self._layers:
                yield from layer._flatten_layers(seen)

    @property
    def metrics(self):
        """The metrics among the attributes of the layer and of those it holds."""
        return _unique(metric for layer in self._flatten_layers() for metric in layer._held(Metric))

    def _own_weights(self):
        held = self._held(Variable)
        trained, others = [v for v in held if v.trainable], [v for v in held if not v.trainable]
        return _unique([*self._own_trainable, *trained, *self._own_frozen, *others])

    @property
    def weights(self):
        """All variables: the layer's own, then those of the layers it holds."""
        return _unique(v for layer in self._flatten_layers() for v in layer._own_weights())

    variables = weights

    @property
    def trainable_weights(self):
        """The variables that training changes."""
        return _unique(v for layer in self._trained_layers(set()) for v in layer._own_weights() if v.trainable)

    trainable_variables = trainable_weights

    def _trained_layers(self, seen):
        if self._trainable and id(self) not in seen:
            seen.add(id(self))
            yield self
            for layer in self._layers:
                yield from layer._trained_layers(seen)

    @property
    def non_trainable_weights(self):
        """The variables that training leaves alone, or changes without a gradient."""
        trained = {id(v) for v in self.trainable_weights}
        return [v for v in self.weights if id(v) not in trained]

    non_trainable_variables = non_trainable_weights

    @property
    def trainable(self):
        """False freezes the layer and all in it; takes effect with the next compile()."""
        return self._trainable

    @trainable.setter
    def trainable(self, value):
        for layer in list(self._flatten_layers()):
            layer._trainable = bool(value)

    def get_weights(self):
        """Copies of all variables, as a list of arrays."""
        return [v.numpy() for v in self.weights]

    def set_weights(self, weights):
        """Replace all variables by a list of arrays of their shapes."""
        variables = self.weights
        if len(weights) != len(variables):
            raise ValueError(
                f"{self}: set_weights() expects {len(variables)} arrays, received {len(weights)}"
                + ("" if self.built else "; the layer is not built yet: call it once, or give the model an Input")
            )
        for variable, value in zip(variables, weights, strict=True):
            if np.shape(value) != variable.shape:
                raise ValueError(
                    f"{self}: weight {variable.path} has shape {variable.shape}, the array {np.shape(value)}"
                )
        for variable, value in zip(variables, weights, strict=True):
            variable.assign(np.asarray(value))

    def count_params(self):
        """How many numbers the variables hold."""
        if not self.built:
            raise ValueError(
                f"{self}: count_params() before the layer is built: call it once, or give the model an Input"
            )
        return sum(v.size for v in self.weights)


def _may_hold(kind, value):
    """Whether a value is or holds an object of a kind, or may hold one when a list or dict has changed."""
    if isinstance(value, tuple):
        return any(_may_hold(kind, item) for item in value)
    return isinstance(value, (kind, list, dict))


def _collect(kind, value, found):
    """Put the objects of a kind in nested lists and dicts into `found`, each once."""
    if isinstance(value, kind):
        if all(value is not known for known in found):
            found.append(value)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _collect(kind, item, found)
    elif isinstance(value, dict):
        for item in value.values():
            _collect(kind, item, found)


def _unique(objects):
    """Each object once, where it comes first."""
    return list({id(each): each for each in objects}.values())
