"""What a step gives back: results of the metrics, or numbers of the user's own."""

from collections.abc import MutableMapping

from fastnn import ops
from fastnn.graph.program import current_program, eager
from fastnn.variable import Variable


class MetricsResult(MutableMapping):
    """The results of all metrics after a traced step, by name; computed in the step only if it looks at them.

    A step that returns them untouched leaves them to Python, which computes them when somebody asks.
    """

    def __init__(self, compute):
        self._compute, self._results = compute, None

    @property
    def _computed(self):
        if self._results is None:
            self._results = self._compute()
        return self._results

    @property
    def untouched(self):
        """True if nobody has looked."""
        return self._results is None

    def __getitem__(self, name):
        return self._computed[name]

    def __setitem__(self, name, value):
        self._computed[name] = value

    def __delitem__(self, name):
        del self._computed[name]

    def __iter__(self):
        return iter(self._computed)

    def __len__(self):
        return len(self._computed)

    def __repr__(self):
        return repr(self._computed)


def as_scalar(loss):
    """A loss as a tensor of the program: the sum of its values where it was not reduced."""
    loss = current_program().tensor(loss)
    return loss if loss.shape == () else ops.sum(loss)


def keep_logs(program, model, logs, step):
    """Arrange that the numbers which a step returns can be read after a run of its program.

    Where they are the results of all metrics, under their names, nothing is to be done: Python reads the metrics.
    """
    if isinstance(logs, MetricsResult) and logs.untouched:
        return
    if not hasattr(logs, "items"):
        raise TypeError(f"{step}: expected a dict of results by name, received {type(logs).__name__}: return one")
    logs = _spread(logs)
    with eager():
        names = set(model.get_metrics_result())
    updated = all(v in program.updates for metric in model.metrics for v in metric.variables)
    if names == set(logs) and updated:
        return
    program.logs = {name: _kept(program, name, value) for name, value in logs.items()}


def _kept(program, name, value):
    """Something with a value, once the program has run."""
    tensor = program.tensor(value)
    if program.computes:
        return tensor
    with eager():
        variable = Variable(ops.zeros(tensor.shape, tensor.dtype), dtype=tensor.dtype, trainable=False, name=name)
    program.assign(variable, tensor)
    return variable


def _spread(logs):
    """Logs with the entries of nested dicts among them."""
    result = {}
    for name, value in logs.items():
        result.update(_spread(value) if hasattr(value, "items") else {name: value})
    return result
