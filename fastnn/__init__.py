"""fastnn: Keras' API on C kernels of its own, for CPUs.

>>> import fastnn as keras
>>> model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(10, activation="softmax")])
>>> model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
"""

import importlib
from typing import TYPE_CHECKING

from fastnn.version import __version__

if TYPE_CHECKING:
    from fastnn import (
        activations,
        backend,
        callbacks,
        config,
        constraints,
        datasets,
        initializers,
        layers,
        losses,
        metrics,
        models,
        ops,
        optimizers,
        preprocessing,
        random,
        regularizers,
        saving,
        tree,
        utils,
    )
    from fastnn.autodiff import value_and_grad
    from fastnn.build_facts import show_config
    from fastnn.engine.threads import get_num_threads, num_threads, set_num_threads
    from fastnn.graph.operation import Function, KerasTensor, Operation
    from fastnn.initializers import Initializer
    from fastnn.layers import Input, InputSpec, Layer
    from fastnn.losses import Loss
    from fastnn.metrics import Metric
    from fastnn.models import Model, Sequential
    from fastnn.optimizers import Optimizer
    from fastnn.regularizers import Regularizer
    from fastnn.saving.errors import ModelFormatError
    from fastnn.variable import Variable

_MODULES = (
    "activations", "backend", "callbacks", "config", "constraints", "datasets", "initializers", "layers", "losses",
    "metrics", "models", "ops", "optimizers", "preprocessing", "random", "regularizers", "saving", "tree", "utils",
)  # fmt: skip
_NAMES = {
    "Sequential": "fastnn.models", "Model": "fastnn.models", "Input": "fastnn.layers", "Layer": "fastnn.layers",
    "Variable": "fastnn.variable", "KerasTensor": "fastnn.graph.operation",
    "Operation": "fastnn.graph.operation", "Function": "fastnn.graph.operation", "InputSpec": "fastnn.layers",
    "Loss": "fastnn.losses", "Metric": "fastnn.metrics",
    "Optimizer": "fastnn.optimizers", "Initializer": "fastnn.initializers", "Regularizer": "fastnn.regularizers",
    "ModelFormatError": "fastnn.saving.errors", "show_config": "fastnn.build_facts",
    "set_num_threads": "fastnn.engine.threads", "get_num_threads": "fastnn.engine.threads",
    "num_threads": "fastnn.engine.threads", "value_and_grad": "fastnn.autodiff",
}  # fmt: skip

__all__ = [
    "Function",
    "Initializer",
    "Input",
    "InputSpec",
    "KerasTensor",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "ModelFormatError",
    "Operation",
    "Optimizer",
    "Regularizer",
    "Sequential",
    "Variable",
    "__version__",
    "activations",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "get_num_threads",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "num_threads",
    "ops",
    "optimizers",
    "preprocessing",
    "random",
    "regularizers",
    "saving",
    "set_num_threads",
    "show_config",
    "tree",
    "utils",
    "value_and_grad",
]


def __getattr__(name):
    """Modules and names are imported at first use: importing fastnn costs little."""
    if name in _MODULES:
        return importlib.import_module(f"fastnn.{name}")
    if name in _NAMES:
        value = getattr(importlib.import_module(_NAMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'fastnn' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
