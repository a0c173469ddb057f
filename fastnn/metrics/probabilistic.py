"""Cross-entropies and divergences as metrics."""

from fastnn import losses
from fastnn.metrics.reduction import NamedMean
from fastnn.saving import registry


@registry.register("metric")
class KLDivergence(NamedMean):
    """The mean of `losses.kl_divergence`.

    Parameters
    ----------
    name, dtype : str, optional
    """

    def __init__(self, name="kl_divergence", dtype=None):
        super().__init__(losses.kl_divergence, name, dtype)


@registry.register("metric")
class Poisson(NamedMean):
    """The mean of `losses.poisson`; arguments as KLDivergence."""

    def __init__(self, name="poisson", dtype=None):
        super().__init__(losses.poisson, name, dtype)


@registry.register("metric", aliases=("bce", "BCE"))
class BinaryCrossentropy(NamedMean):
    """The mean of `losses.binary_crossentropy`, which see for the last arguments."""

    def __init__(self, name="binary_crossentropy", dtype=None, from_logits=False, label_smoothing=0):
        super().__init__(
            losses.binary_crossentropy, name, dtype, from_logits=from_logits, label_smoothing=label_smoothing
        )


@registry.register("metric")
class CategoricalCrossentropy(NamedMean):
    """The mean of `losses.categorical_crossentropy`, which see for the last arguments."""

    def __init__(self, name="categorical_crossentropy", dtype=None, from_logits=False, label_smoothing=0, axis=-1):
        options = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(losses.categorical_crossentropy, name, dtype, **options)


@registry.register("metric")
class SparseCategoricalCrossentropy(NamedMean):
    """The mean of `losses.sparse_categorical_crossentropy`, which see for the last arguments."""

    def __init__(
        self,
        name="sparse_categorical_crossentropy",
        dtype=None,
        from_logits=False,
        ignore_class=None,
        axis=-1,
    ):
        options = {"from_logits": from_logits, "ignore_class": ignore_class, "axis": axis}
        super().__init__(losses.sparse_categorical_crossentropy, name, dtype, **options)
