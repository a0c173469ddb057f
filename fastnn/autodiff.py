"""value_and_grad: a function's value and its gradient, in a traced step or on arrays."""

import functools
import itertools
import warnings

import numpy as np

from fastnn import random
from fastnn.engine.eager import EagerProgram, EagerTensor
from fastnn.graph.gradients import gradients
from fastnn.graph.program import Arithmetic, current_program
from fastnn.ops.shape import leaf
from fastnn.tree import map_structure
from fastnn.variable import Variable

_numbers = itertools.count()


def value_and_grad(fn, argnums=0, has_aux=False):
    """A function that computes ``fn(...)`` and its gradient; the convention is that of ``jax.value_and_grad``.

    Parameters
    ----------
    fn : callable
        Written with `fastnn.ops`, layers and losses; returns a scalar.
    argnums : int or tuple of int
        The arguments to differentiate by, counted from 0: tensors, arrays or Variables, or lists, tuples and dicts of
        them.  ``model.trainable_variables`` may be one: the layers read the variables, fn need not.
    has_aux : bool
        True: fn returns ``(scalar, more)``, and ``more`` is handed on.

    Returns
    -------
    callable
        With the arguments of fn; returns ``(value, gradient)`` or, with `has_aux`, ``((value, more), gradient)``.  The
        gradient is arranged as the argument is; for several argnums it is a tuple of them.

    Notes
    -----
    In a traced step (`Model.train_step`) values and gradients are tensors, and may be differentiated again.  Elsewhere
    everything is computed at once by the NumPy reference, and they are arrays.  The gradient by something that the
    value does not depend on is zero; for Variables a warning names them.  By a Variable it counts every way from its
    present value to the result, also what was computed from it before fn was called.

    Examples
    --------
    >>> value_and_grad(lambda x: ops.sum(x * x))(np.array([1.0, 2.0]))
    (5.0, array([2., 4.]))
    """

    @functools.wraps(fn)
    def value_and_gradient(*args, **kwargs):
        if current_program() is not None:
            return _differentiate(current_program(), fn, argnums, has_aux, args, kwargs)
        with EagerProgram(seed=random.fresh_seed()) as program:
            return _numbers_of(_differentiate(program, fn, argnums, has_aux, args, kwargs))

    return value_and_gradient


def _differentiate(program, fn, argnums, has_aux, args, kwargs):
    args, several = list(args), isinstance(argnums, (tuple, list))
    leaves, chosen = [], [_position(i, args) for i in (argnums if several else (argnums,))]
    for i in chosen:
        args[i] = map_structure(lambda value: _as_leaf(program, value, leaves), args[i])
    result = fn(*args, **kwargs)
    value, aux = _split(result) if has_aux else (result, None)
    value = program.tensor(value)
    if value.shape != ():
        raise ValueError(
            f"value_and_grad: the function must return a scalar, received shape {value.shape}: return its sum or mean"
            + ("" if has_aux else ", and anything else with has_aux=True")
        )
    found = gradients(value, leaves)
    _warn_of_idle_variables(args, chosen, found)
    found = iter(_present(program, g, t) for g, t in zip(found, leaves, strict=True))
    grads = [map_structure(lambda _: next(found), args[i]) for i in chosen]
    return (value, aux) if has_aux else value, tuple(grads) if several else grads[0]


def _position(i, args):
    if not -len(args) <= i < len(args):
        raise ValueError(f"value_and_grad: there is no positional argument {i}, the function received {len(args)}")
    return i % len(args)


def _split(result):
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise ValueError("value_and_grad: with has_aux=True the function must return a pair (scalar, more)")
    return result


def _as_leaf(program, value, leaves):
    """What fn receives for a value; the tensor to differentiate by goes into `leaves`.

    A tensor is given a new name: what was computed from it before counts as constant.
    """
    if isinstance(value, Variable):
        leaves.append(program.variable(value))
        return value
    tensor = program.tensor(value if isinstance(value, Arithmetic) else _floats(value))
    if not tensor.dtype.startswith("float"):
        raise TypeError(f"value_and_grad: a gradient is by floats, received {tensor.dtype}")
    leaves.append(program.append(leaf, [tensor], {"number": next(_numbers)})[0])
    return leaves[-1]


def _floats(value):
    array = np.asarray(value)
    return array.astype("float32") if isinstance(value, (int, float)) and not isinstance(value, bool) else array


def _warn_of_idle_variables(args, chosen, found):
    leaves = []
    for i in chosen:
        map_structure(leaves.append, args[i])
    idle = [v.path for v, g in zip(leaves, found, strict=True) if g is None and isinstance(v, Variable)]
    if idle:
        warnings.warn(
            f"value_and_grad: the value does not depend on {', '.join(idle)}: their gradient is zero", stacklevel=4
        )


def _present(program, gradient, tensor):
    """The gradient as a tensor of its own; zeros for none."""
    return program.constant(np.zeros(tensor.shape, tensor.dtype)) if gradient is None else gradient


def _numbers_of(value):
    return map_structure(lambda v: v.value[()] if isinstance(v, EagerTensor) else v, value)
