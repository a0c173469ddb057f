"""Calls of layers inside each other: what the outermost one says holds for all; weights are named by the way in."""

import contextlib
import functools
import inspect
import threading

from fastnn import tree
from fastnn.graph.program import Tensor, current_program

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
