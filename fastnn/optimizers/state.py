"""The variables of an optimiser: made after the trainable variables, found by name, saved by position."""

import warnings

from fastnn import ops
from fastnn.graph.program import as_array, current_program, eager
from fastnn.variable import Storage, Variable, gather_storage


class OptimizerVariables:
    """The part of an optimiser that keeps its variables.

    Attributes
    ----------
    name : str
    built : bool
    """

    built = False

    def __setattr__(self, name, value):
        if isinstance(value, Variable):
            self._track(value)
        super().__setattr__(name, value)

    def _track(self, variable):
        vars(self).setdefault("_variables", {})[variable] = None  # an ordered set

    @property
    def variables(self):
        """The optimiser's own variables in Keras' order: iteration, learning rate, then those of `build`."""
        return list(self._variables)

    def add_variable(
        self, shape, initializer="zeros", dtype=None, aggregation="none", layout=None, name=None
    ):  # fmt: skip
        """A new variable of the optimiser; aggregation and layout are accepted for Keras programs."""
        if initializer == "zeros":
            initializer = None
        elif not callable(initializer):
            from fastnn import initializers

            initializer = initializers.get(initializer)
        with eager():
            variable = Variable(initializer, shape, dtype, trainable=False, name=name or "variable")
        variable.path = f"{self.name}/{variable.name}"
        self._track(variable)
        return variable

    def add_variable_from_reference(self, reference_variable, name=None, initializer="zeros"):
        """A new variable with the shape and dtype of another, named after it: ``dense_kernel_momentum``."""
        name = f"{reference_variable.path.replace('/', '_')}_{name or 'var'}"
        return self.add_variable(reference_variable.shape, initializer, reference_variable.dtype, name=name)

    def add_optimizer_variables(self, trainable_variables, name, initializer="zeros"):
        """One new variable for each trainable variable; `slot` finds it under the name.

        Parameters
        ----------
        trainable_variables : list of Variable
        name : str or list of str
            Several names make the variables alternate: momentum, velocity, momentum, velocity, ...
        initializer : str or callable, or a list of them

        Returns
        -------
        list of Variable, or one list for each name
        """
        names = [name] if isinstance(name, str) else list(name)
        listed = isinstance(initializer, (list, tuple))
        initializers = list(initializer) if listed else [initializer] * len(names)
        made = [[] for _ in names]
        for variable in trainable_variables:
            for slots, slot_name, first in zip(made, names, initializers, strict=True):
                slots.append(self.add_variable_from_reference(variable, slot_name, first))
        for slots in made:
            for dtype in {slot.dtype for slot in slots}:
                gather_storage([slot for slot in slots if slot.dtype == dtype], dtype)
        self._slots.update(zip(names, made, strict=True))
        return made[0] if isinstance(name, str) else made

    def slot(self, name, variable):
        """The variable made under a name for a trainable variable.

        For the flat `Storage` of all weights it is the storage of all slots of this name, laid out likewise.
        """
        if isinstance(variable, Storage):
            return gather_storage([self.slot(name, v) for v in variable.variables], variable.dtype)
        return self._slots[name][self._get_variable_index(variable)]

    def _get_variable_index(self, variable):
        return self._indices[variable]

    def assign(self, variable, value):
        """Give a variable a value, now or when the traced program has run."""
        program = current_program()
        if not isinstance(variable, Storage):
            variable.assign(value)
        elif program is not None:
            program.assign(variable, value)
        else:
            variable.flat[...] = as_array(value)

    def assign_add(self, variable, value):
        """``assign(variable, variable + value)``."""
        self.assign(variable, variable + value)

    def assign_sub(self, variable, value):
        """``assign(variable, variable - value)``."""
        self.assign(variable, variable - value)

    def set_weights(self, weights):
        """Give the optimiser's variables the values of a list of arrays."""
        if not self.built:
            raise ValueError(f"{self.name}: call build(trainable_variables) before set_weights()")
        for variable, weight in zip(self.variables, weights, strict=True):
            variable.assign(weight)

    def save_own_variables(self, store):
        """Write the variables into a mapping, by position."""
        for i, variable in enumerate(self.variables):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store):
        """Read the variables from a mapping; one with another number of them is left out with a warning."""
        if len(store.keys()) != len(self.variables):
            warnings.warn(
                f"{self.name}: the file has {len(store.keys())} optimiser variables, the optimiser has "
                f"{len(self.variables)}: they are not loaded, training goes on from fresh ones",
                stacklevel=2,
            )
            return
        for i, variable in enumerate(self.variables):
            variable.assign(store[str(i)])


def filled_with(value):
    """An initializer that gives every element one value."""
    return lambda shape, dtype: ops.full(shape, value, dtype)
