"""The base of all metrics."""

from fastnn import config, initializers, ops
from fastnn.graph.program import current_program, eager
from fastnn.naming import unique_name
from fastnn.ops.primitive import canonical_dtype
from fastnn.saving import registry
from fastnn.variable import Variable


class Metric:
    """A number gathered over batches: override ``update_state`` and ``result``.

    Both are written with `fastnn.ops`: ``update_state`` becomes a part of the training step, ``result``
    computes from the variables when asked.

    Parameters
    ----------
    dtype : str, optional
        Of the variables; ``floatx()`` unless given.
    name : str, optional

    Attributes
    ----------
    variables : list of Variable
        Those of the metric and of metrics among its attributes.
    """

    _direction = None  # "up" or "down": which way is better

    def __init__(self, dtype=None, name=None):
        self._variables, self._metrics = [], []
        self.name = name or unique_name(registry.snake_case(type(self).__name__))
        self.dtype = canonical_dtype(dtype or config.floatx())

    def __setattr__(self, name, value):
        if isinstance(value, (Variable, Metric)):
            self._check_super_called()
            known = self._variables if isinstance(value, Variable) else self._metrics
            if not any(value is other for other in known):
                known.append(value)
        super().__setattr__(name, value)

    def _check_super_called(self):
        if "_variables" not in self.__dict__:
            raise RuntimeError(f"{type(self).__name__}: call super().__init__() first in __init__()")

    def add_variable(self, shape, initializer, dtype=None, aggregation="sum", name=None):
        """A new variable of the metric's state.

        Parameters
        ----------
        shape : tuple of int
        initializer : str or initializer
        dtype : str, optional
        aggregation : str
            Accepted as in Keras; there is one device.
        name : str, optional
        """
        self._check_super_called()
        with eager():
            start = initializers.get(initializer or "zeros")
            variable = Variable(start, shape, dtype or config.floatx(), trainable=False, name=name or "variable")
        variable.path = f"{self.name}/{variable.name}"
        self._variables.append(variable)
        return variable

    def add_weight(self, shape=(), initializer=None, dtype=None, name=None):
        """See `add_variable`."""
        return self.add_variable(shape, initializer, dtype, name=name)

    @property
    def variables(self):
        return self._variables + [variable for metric in self._metrics for variable in metric.variables]

    def update_state(self, *args, **kwargs):
        """Take in a batch, mostly ``(y_true, y_pred, sample_weight=None)``."""
        raise NotImplementedError(f"{type(self).__name__} needs update_state(), which assigns to its variables")

    def result(self):
        """The metric of all batches since the last reset."""
        raise NotImplementedError(f"{type(self).__name__} needs result(), which computes from its variables")

    def quotient(self):
        """(dividend, divisor): the scalar float32 variables, its only ones, whose quotient the result is; else None."""
        return None

    def reset_state(self):
        """Forget all batches."""
        for variable in self.variables:
            if current_program() is None:
                variable.value.fill(0)
            else:
                variable.assign(ops.zeros(variable.shape, variable.dtype))

    def __call__(self, *args, **kwargs):
        """``update_state``, then ``result``."""
        self._check_super_called()
        self.update_state(*args, **kwargs)
        return self.result()

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __repr__(self):
        return f"<{type(self).__name__} name={self.name}>"
