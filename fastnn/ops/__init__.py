"""Tensor operations under Keras' names.

On NumPy arrays they compute at once; on symbolic tensors they add to the program being traced.  Each family is one
file, where a primitive states its formula, shape rule, NumPy reference, gradient and C kernels side by side.
"""

from fastnn.graph.program import Tensor as KerasTensor  # noqa: F401
from fastnn.ops import activation, conv, elementwise, linalg, logic, pool, reduce, shape, softmax
from fastnn.ops.primitive import PRIMITIVES, Primitive  # noqa: F401

_MODULES = (elementwise, logic, linalg, reduce, shape, conv, pool, softmax, activation)


def _export(modules):
    """The public functions of each family."""
    for module in modules:
        for name, value in vars(module).items():
            if not name.startswith("_") and getattr(value, "__module__", "").startswith("fastnn.ops"):
                if callable(value) and not isinstance(value, (type, Primitive)):
                    yield name, value


globals().update(_export(_MODULES))
