"""Control flow: loops are written out while a program is traced; conditions on tensors compute both ways."""

import functools

import numpy as np

from fastnn.graph.program import Arithmetic
from fastnn.ops.elementwise import where
from fastnn.ops.shape import shape as shape_of
from fastnn.ops.shape import stack
from fastnn.tree import flatten, map_structure

_mapped = functools.partial(map_structure, none_is_leaf=False)


def cond(pred, true_fn, false_fn):
    """true_fn() if the condition holds, else false_fn(); of a symbolic condition both, and the result is chosen."""
    if not isinstance(pred, Arithmetic):
        return true_fn() if pred else false_fn()
    return _mapped(lambda a, b: where(pred, a, b), true_fn(), false_fn())


def switch(index, branches, *operands):
    """The branch of a number applied to the operands; a number outside counts as the nearest inside."""
    if not isinstance(index, Arithmetic):
        return branches[int(np.clip(index, 0, len(branches) - 1))](*operands)
    results = [branch(*operands) for branch in branches]
    chosen = results[-1]
    for i in range(len(branches) - 2, -1, -1):
        chosen = _mapped(lambda a, b, i=i: where(index <= i, a, b), results[i], chosen)
    return chosen


def fori_loop(lower, upper, body_fun, init_val):
    """value = body_fun(i, value) for i from lower to upper - 1."""
    value = init_val
    for i in range(int(lower), int(upper)):
        value = body_fun(i, value)
    return value


def while_loop(cond, body, loop_vars, maximum_iterations=None):
    """Repeat the body while the condition holds.

    Within a program give maximum_iterations: so many steps are traced, and those after the condition fails change
    nothing.
    """
    single = not isinstance(loop_vars, (list, tuple))
    values, steps = ((loop_vars,) if single else tuple(loop_vars)), 0
    while maximum_iterations is None or steps < maximum_iterations:
        going = cond(*values)
        if isinstance(going, Arithmetic) and maximum_iterations is None:
            raise ValueError("while_loop: within a program give maximum_iterations")
        if not isinstance(going, Arithmetic) and not going:
            break
        new = body(*values)
        new = tuple(new) if isinstance(new, (list, tuple)) else (new,)
        if isinstance(going, Arithmetic):
            new = _mapped(lambda a, b, going=going: where(going, a, b), new, values)
        values, steps = new, steps + 1
    return values[0] if single else type(loop_vars)(values)


def scan(f, init, xs=None, length=None, reverse=False, unroll=1):
    """carry, y = f(carry, x) along the first axis of xs; gives the last carry and all y stacked."""
    count = length if xs is None else shape_of(flatten(xs)[0])[0]
    ys, carry = [None] * count, init
    for i in range(count)[:: -1 if reverse else 1]:
        part = None if xs is None else _mapped(lambda x, i=i: x[i], xs)
        carry, ys[i] = f(carry, part)
    return carry, (_mapped(lambda *parts: stack(parts, 0), *ys) if count and ys[0] is not None else None)


def associative_scan(f, elems, reverse=False, axis=0):
    """Running results of an associative function along an axis."""
    from fastnn.ops.placing import unstack

    parts = unstack(elems, axis=axis)
    parts = parts[::-1] if reverse else parts
    total, results = None, []
    for part in parts:
        total = part if total is None else f(total, part)
        results.append(total)
    return stack(results[::-1] if reverse else results, axis)


def map(f, xs):
    """f of every part along the first axis, stacked."""
    count = shape_of(flatten(xs)[0])[0]
    results = [f(_mapped(lambda x, i=i: x[i], xs)) for i in range(count)]
    return _mapped(lambda *parts: stack(parts, 0), *results)


def vectorized_map(function, elements):
    """The function of every part along the first axis, stacked."""
    return map(function, elements)
