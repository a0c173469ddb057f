"""Functions of functions: gradients of one's own, directional derivatives, functions of elements."""

import functools
import inspect
import itertools
import re

import numpy as np

from fastnn.graph.program import Arithmetic, Program, Tensor, apply
from fastnn.ops.primitive import Primitive
from fastnn.ops.shape import broadcast_to, concatenate, reshape, split, stack, tensor_like
from fastnn.ops.shape import shape as shape_of
from fastnn.tree import flatten, map_structure


class CustomGradient(Primitive):
    """The first input; the gradient goes to the others, as `pull` says."""

    def infer(self, y, *arguments, pull):
        return [(y.shape, y.dtype)]

    def reference(self, y, *arguments, pull):
        return y

    def gradient(self, gradients, inputs, outputs, pull):
        return None, *pull(gradients[0])

    def lower(self, lowering, instruction):
        lowering.alias(instruction.outputs[0], instruction.inputs[0])


_custom_gradient = CustomGradient("custom_gradient")


def custom_gradient(f):
    """A function with a gradient of its own.

    Parameters
    ----------
    f : callable
        ``f(*tensors) -> (outputs, gradient)``. ``gradient(upstream)``, or ``gradient(*tensors, upstream=...)`` if it
        demands that name, takes the gradients of the outputs and gives those of the tensors, in their order.

    Returns
    -------
    callable
        ``f(*tensors)[0]``, differentiated by ``f(*tensors)[1]``.
    """

    @functools.wraps(f)
    def called(*args, **kwargs):
        outputs, gradient = f(*args, **kwargs)
        parts = [tensor_like(part) for part in flatten(outputs)]
        arguments = flatten(args)
        if not any(isinstance(part, Arithmetic) for part in parts):
            return outputs
        upstream = inspect.signature(gradient).parameters.get("upstream")
        named = upstream is not None and upstream.kind == upstream.KEYWORD_ONLY and upstream.default is upstream.empty
        cuts = [int(n) for n in np.cumsum([part.size for part in parts])[:-1]]

        def shaped(flat):
            pieces = iter(split(flat, cuts)) if cuts else iter([flat])
            sizes = iter(part.shape for part in parts)
            return map_structure(lambda _: reshape(next(pieces), next(sizes)), outputs)

        def pull(dy):
            found = gradient(*args, upstream=shaped(dy)) if named else gradient(shaped(dy))
            found = tuple(found) if isinstance(found, (list, tuple)) else (found,)
            if len(found) != len(arguments):
                raise ValueError(f"custom_gradient: {len(arguments)} arguments, {len(found)} gradients")
            return found

        flat = concatenate([reshape(part, (-1,)) for part in parts])
        return shaped(apply(_custom_gradient, flat, *arguments, pull=pull))

    return called


def jvp(fun, primals, tangents, has_aux=False):
    """fun(*primals), and how it changes along the tangents: the product of its Jacobian with them.

    It is the gradient, for u, of the gradient of sum(u * fun(x)) for x, weighted by the tangents.

    Parameters
    ----------
    fun : callable
        Written with `fastnn.ops`.
    primals, tangents : list or tuple
        Arguments of fun, and tensors of the same shapes; floats.
    has_aux : bool
        Whether fun gives a pair, of which the second part is passed on.

    Returns
    -------
    (outputs, their change), and what was passed on
    """
    given = [tensor_like(x) for x in (*flatten(primals), *flatten(tangents))]
    if any(isinstance(x, Tensor) for x in given):
        return _change(fun, primals, tangents, has_aux)
    from fastnn.engine.reference import ReferenceProgram

    with Program() as program:
        arrays = [np.asarray(x.value if isinstance(x, Arithmetic) else x) for x in given]
        arrays = [a if a.dtype.kind == "f" else a.astype(np.float32) for a in arrays]
        symbols = [program.input(a.shape, a.dtype.name) for a in arrays]
        rest = iter(symbols)
        results = _change(fun, *(map_structure(lambda _: next(rest), tree) for tree in (primals, tangents)), has_aux)
        program.outputs = [program.tensor(y) for y in flatten(results)]
    outputs = iter(ReferenceProgram(program).run(arrays)[0])
    return map_structure(lambda _: next(outputs), results)


def _change(fun, primals, tangents, has_aux):
    from fastnn import ops
    from fastnn.graph.gradients import gradients

    outputs = fun(*primals)
    outputs, *aux = outputs if has_aux else (outputs,)
    sources, directions = flatten(primals), flatten(tangents)

    def change(y):
        seed = y * 0.0
        first = gradients(y, sources, seed)
        parts = [ops.sum(g * t) for g, t in zip(first, directions, strict=True) if g is not None]
        found = gradients(sum(parts[1:], parts[0]), [seed])[0] if parts else None
        return seed if found is None else found

    return (outputs, map_structure(change, outputs), *aux)


def vectorize(pyfunc, *, excluded=None, signature=None):
    """A function applied to every element, or to every part of the shape that the signature states.

    Within a program the calls are written out one after the other.

    Parameters
    ----------
    pyfunc : callable
    excluded : set of int, optional
        Positions of arguments that are passed on whole.
    signature : str, optional
        As NumPy's: ``"(m,n),(n)->(m)"``; axes before those named are run over, and broadcast.

    Returns
    -------
    callable
    """
    if not callable(pyfunc):
        raise ValueError(f"vectorize: expected a function, received {pyfunc!r}")
    if signature is not None and not re.fullmatch(r"(\([\w,\s]*\),?\s*)+->\s*(\([\w,\s]*\),?\s*)+", signature):
        raise ValueError(f'vectorize: the signature {signature!r} cannot be read: write it as "(m,n),(n)->(m)"')
    groups = re.findall(r"\(([^)]*)\)", (signature or "").split("->")[0])
    excluded = set(excluded or ())

    @functools.wraps(pyfunc)
    def called(*args, **kwargs):
        moving = [i for i in range(len(args)) if i not in excluded]
        if signature is not None and len(groups) != len(moving):
            raise ValueError(f"vectorize: {signature!r} has {len(groups)} arguments, received {len(moving)}")
        ranks = [len(g.replace(",", " ").split()) for g in groups] or [0] * len(moving)
        tensors = {i: tensor_like(args[i]) for i in moving}
        lead = {i: shape_of(tensors[i])[: tensors[i].ndim - r] for i, r in zip(moving, ranks, strict=True)}
        outside = np.broadcast_shapes(*lead.values())
        whole = {i: broadcast_to(x, (*outside, *shape_of(x)[len(lead[i]) :])) for i, x in tensors.items()}

        def at(place):
            return pyfunc(*(whole[i][place] if i in whole else a for i, a in enumerate(args)), **kwargs)

        results = [at(place) for place in itertools.product(*map(range, outside))]
        if not results:
            raise ValueError(f"vectorize: nothing to run over: the leading axes have shape {outside}")
        columns = zip(*results, strict=True) if isinstance(results[0], tuple) else [results]
        stacked = tuple(_stacked(column, outside) for column in columns)
        return stacked if isinstance(results[0], tuple) else stacked[0]

    return called


def _stacked(parts, outside):
    parts = [tensor_like(part) for part in parts]
    return reshape(stack(parts), (*outside, *parts[0].shape))
