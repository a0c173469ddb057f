"""Metrics: numbers gathered over batches."""

from fastnn.losses import (  # noqa: F401
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from fastnn.metrics.auc import AUC  # noqa: F401
from fastnn.metrics.base import Metric  # noqa: F401
from fastnn.metrics.classification import (  # noqa: F401
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from fastnn.metrics.confusion import (  # noqa: F401
    FalseNegatives,
    FalsePositives,
    Precision,
    PrecisionAtRecall,
    Recall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
    TrueNegatives,
    TruePositives,
)
from fastnn.metrics.correlation import (  # noqa: F401
    ConcordanceCorrelation,
    PearsonCorrelation,
    concordance_correlation,
    pearson_correlation,
)
from fastnn.metrics.fscore import F1Score, FBetaScore  # noqa: F401
from fastnn.metrics.iou import BinaryIoU, IoU, MeanIoU, OneHotIoU, OneHotMeanIoU  # noqa: F401
from fastnn.metrics.margin import CategoricalHinge, Hinge, SquaredHinge  # noqa: F401
from fastnn.metrics.probabilistic import (  # noqa: F401
    BinaryCrossentropy,
    CategoricalCrossentropy,
    KLDivergence,
    Poisson,
    SparseCategoricalCrossentropy,
)
from fastnn.metrics.reduction import Mean, MeanMetricWrapper, Sum  # noqa: F401
from fastnn.metrics.regression import (  # noqa: F401
    CosineSimilarity,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    R2Score,
    RootMeanSquaredError,
)
from fastnn.metrics.resolve import resolve_accuracy  # noqa: F401
from fastnn.saving import registry as _registry


def get(identifier):
    """The metric that a name, configuration, class or callable stands for; None stays None.

    "accuracy" depends on shapes: see `resolve_accuracy`.
    """
    return _registry.get("metric", identifier)


def serialize(metric):
    """The configuration of a metric."""
    return _registry.serialize(metric)


def deserialize(config, custom_objects=None):
    """The metric that a configuration describes."""
    return _registry.get("metric", config, custom_objects)
