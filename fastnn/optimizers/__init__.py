"""Optimisers: how weights follow their gradients.  Each is written once, with `fastnn.ops`."""

from fastnn.optimizers import schedules
from fastnn.optimizers.adadelta import Adadelta
from fastnn.optimizers.adafactor import Adafactor
from fastnn.optimizers.adagrad import Adagrad
from fastnn.optimizers.adam import Adam, AdamW
from fastnn.optimizers.adamax import Adamax
from fastnn.optimizers.ftrl import Ftrl
from fastnn.optimizers.lamb import Lamb
from fastnn.optimizers.lion import Lion
from fastnn.optimizers.loss_scale_optimizer import LossScaleOptimizer
from fastnn.optimizers.multi_optimizer import MultiOptimizer, OptimizerMap
from fastnn.optimizers.muon import Muon
from fastnn.optimizers.nadam import Nadam
from fastnn.optimizers.optimizer import Optimizer
from fastnn.optimizers.rmsprop import RMSprop
from fastnn.optimizers.schedule_free_adamw import ScheduleFreeAdamW
from fastnn.optimizers.sgd import SGD
from fastnn.saving import registry

__all__ = [
    "SGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lamb", "Lion", "LossScaleOptimizer",
    "MultiOptimizer", "Muon", "Nadam", "Optimizer", "OptimizerMap", "RMSprop", "ScheduleFreeAdamW", "deserialize",
    "get", "schedules", "serialize",
]  # fmt: skip


def serialize(optimizer):
    """The configuration of an optimiser."""
    return registry.serialize(optimizer)


def deserialize(config, custom_objects=None):
    """The optimiser that a configuration describes."""
    return registry.deserialize(config, "optimizer", custom_objects)


def get(identifier):
    """The optimiser meant by a name ("adam"), a configuration or the optimiser itself; None gives None."""
    found = registry.get("optimizer", identifier)
    if found is None or isinstance(found, Optimizer):
        return found
    raise ValueError(f"Unknown optimizer {identifier!r}: pass a name, an Optimizer or a configuration")
