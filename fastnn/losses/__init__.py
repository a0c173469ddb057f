"""Losses: functions of targets and outputs, and classes that weight and reduce them."""

from fastnn.losses.alignment import CTC, ctc  # noqa: F401
from fastnn.losses.embedding import Circle, circle  # noqa: F401
from fastnn.losses.loss import Loss, LossFunctionWrapper  # noqa: F401
from fastnn.losses.margin import (  # noqa: F401
    CategoricalHinge,
    Hinge,
    SquaredHinge,
    categorical_hinge,
    hinge,
    squared_hinge,
)
from fastnn.losses.overlap import Dice, Tversky, dice, tversky  # noqa: F401
from fastnn.losses.probabilistic import (  # noqa: F401
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    KLDivergence,
    Poisson,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_generalized_cross_entropy,
    crossentropy_kind,
    kl_divergence,
    poisson,
    sparse_categorical_crossentropy,
)
from fastnn.losses.regression import (  # noqa: F401
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    cosine_similarity,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
)
from fastnn.saving import registry as _registry

_registry.register("loss")(LossFunctionWrapper)


def get(identifier):
    """The loss that a name, configuration, class or callable stands for; None stays None.

    A name in lower case is a function, that of a class an object.
    """
    return _registry.get("loss", identifier)


def serialize(loss):
    """The configuration of a loss: its name for one of our functions."""
    return _registry.serialize(loss)


def deserialize(name, custom_objects=None):
    """The loss that a configuration describes."""
    return _registry.get("loss", name, custom_objects)
