"""Calls of layers: which shapes they give to build(); inside each other, what the outermost one says holds for all.

Weights are named by the way in.
"""

import contextlib
import functools
import inspect
import threading

import numpy as np

from fastnn import tree
from fastnn.graph.program import Arithmetic, Tensor, current_program

_context = threading.local()  # .inside: whether a call is running; .training: what it says; .path: names of its layers


@functools.cache
def call_signature(cls):
    """The signature of call(), as a function of the layer too."""
    return inspect.signature(cls.call)


@functools.cache
def default_training(cls):
    """What `training` is if nobody says: True only where call() says so; None where it takes no such argument."""
    parameter = call_signature(cls).parameters.get("training")
    return None if parameter is None else parameter.default is True


@functools.cache
def build_parameters(cls):
    """The names of what build() takes: the shape of the input, or those of several arguments of call()."""
    parameters = list(inspect.signature(cls.build).parameters.values())[1:]
    return tuple(p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD))


def first_argument(layer, args, kwargs):
    """What a layer is called on: the first argument of call(), or any that is given if that one is not."""
    if args:
        return args[0]
    name = next(iter(list(call_signature(type(layer)).parameters)[1:]), None)
    return kwargs[name] if name in kwargs else next(iter(kwargs.values()), None)


def shapes_for_build(layer, args, kwargs):
    """The shapes, by the names of build()'s arguments, that a layer is built for when it is called so.

    As in Keras: ``build(input_shape)`` gets that of what the layer is called on; ``build(a_shape, b_shape)`` those of
    the arguments ``a`` and ``b`` of call(), as far as they are tensors or structures of them.
    """
    names = build_parameters(type(layer))
    if len(names) < 2:
        shape = tree.map_structure(shape_for_build, first_argument(layer, args, kwargs))
        return dict.fromkeys(names, shape)
    signature = call_signature(type(layer))
    for name in names:
        if not name.endswith("_shape") or name.removesuffix("_shape") not in signature.parameters:
            raise ValueError(
                f"{layer}: build() with several arguments gets the shapes of arguments of call(), `x_shape` that of "
                f"`x`, and {name!r} is no such name"
            )
    known = {key: value for key, value in kwargs.items() if key in signature.parameters}
    given = signature.bind(layer, *args, **known).arguments
    given = {f"{name}_shape": value for name, value in given.items() if holds_tensors(value)}
    return {name: tree.map_structure(_shape_or_none, given[name]) for name in names if name in given}


def shape_for_build(x):
    """The shape that build() sees: that of a declared tensor; of one that is traced, the batch size is left open."""
    shape = tuple(getattr(x, "shape", ()))
    return (None, *shape[1:]) if isinstance(x, Tensor) and x.kind != "declared" and shape else shape


def _shape_or_none(x):
    return None if x is None else shape_for_build(x)


def holds_tensors(value):
    """Whether an argument is a tensor or array, or a structure of such."""
    found = tree.flatten(value)
    return any(isinstance(x, (Arithmetic, np.ndarray)) for x in found) and all(
        x is None or isinstance(x, (Arithmetic, np.ndarray)) for x in found
    )


@contextlib.contextmanager
def running(training):
    """The time of a call; gives whether it is the outermost.

    Parameters
    ----------
    training : bool or None
        Holds for the calls inside, unless they say otherwise; None leaves it as it is.
    """
    inside, outer = getattr(_context, "inside", False), outer_training()
    _context.inside, _context.training = True, outer if training is None else training
    try:
        yield not inside
    finally:
        _context.inside, _context.training = inside, outer


def outer_training():
    """What the calls that are running say of training; None if nothing."""
    return getattr(_context, "training", None)


@contextlib.contextmanager
def path_scope(name):
    """Weights made inside have the names of the layers around them in their path."""
    outer = weight_path()
    _context.path = outer if f"/{outer}".endswith(f"/{name}/") else f"{outer}{name}/"
    try:
        yield
    finally:
        _context.path = outer


def weight_path():
    """What goes before the name of a weight made now: ``"model/block/"``."""
    return getattr(_context, "path", "")


def program_of(args):
    """The program being traced, or that of the first tensor among the arguments; None if there is none."""
    return current_program() or next((x.program for x in tree.flatten(args) if isinstance(x, Tensor)), None)
