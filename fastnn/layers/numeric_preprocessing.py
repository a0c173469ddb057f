"""Numbers made fit for a model: normalised, put into bins, encoded."""

import numpy as np

from fastnn import config, ops
from fastnn.layers.layer import Layer
from fastnn.ops.shape import normalize_axis
from fastnn.saving import registry

OUTPUT_MODES = ("int", "one_hot", "multi_hot", "count")


def batches_of(data, layer):
    """The batches of what `adapt` is given: one array, or an iterable of arrays or (x, y) pairs."""
    if hasattr(data, "shape"):
        data = [data]
    found = [np.asarray(batch[0] if isinstance(batch, tuple) else batch) for batch in data]
    if not found:
        raise ValueError(f"{layer}: adapt() received no data")
    return found


def encode(index, depth, mode, dtype, weights=None):
    """Indices in 0..depth-1 as one-hot rows, or as one row for each sample's last axis.

    Parameters
    ----------
    index : integer tensor
        Others give zeros.
    depth : int
    mode : {"int", "one_hot", "multi_hot", "count"}
    weights : tensor of the index's shape, optional
        What each counts, instead of 1.
    """
    if mode == "int":
        return ops.cast(index, "int32")
    index = ops.expand_dims(index, -1) if len(index.shape) == 0 else index
    if mode == "one_hot":
        single = len(index.shape) > 1 and index.shape[-1] == 1
        return ops.one_hot(ops.squeeze(index, -1) if single else index, depth, dtype=dtype)
    rows = ops.one_hot(index, depth, dtype=dtype)
    if mode == "multi_hot":
        return ops.max(rows, axis=-2)
    return ops.sum(rows if weights is None else rows * ops.expand_dims(weights, -1), axis=-2)


def check_mode(layer, mode, sparse, modes=OUTPUT_MODES):
    """Raise for an output mode that a layer has not, and for sparse outputs."""
    if mode not in modes:
        raise ValueError(f"{layer}: output_mode must be one of {modes}, received {mode!r}")
    if sparse:
        raise ValueError(f"{layer}: sparse outputs are not offered: leave sparse=False")


@registry.register("layer")
class Normalization(Layer):
    """``(x - mean) / max(sqrt(variance), epsilon)``, or back with invert.

    Parameters
    ----------
    axis : int, tuple of int or None
        Each index of these axes has a mean and variance of its own; None: one for all.
    mean, variance : float or array, optional
        Unless given, `adapt` takes them from data.
    invert : bool
    """

    supports_masking = True

    def __init__(self, axis=-1, mean=None, variance=None, invert=False, **kwargs):
        super().__init__(**kwargs)
        self.axis = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        if (mean is None) != (variance is None):
            raise ValueError(f"{self}: give mean and variance, both or none")
        if np.shape(mean) != np.shape(variance):
            raise ValueError(f"{self}: mean has shape {np.shape(mean)}, variance {np.shape(variance)}")
        self.input_mean, self.input_variance, self.invert = mean, variance, invert

    def build(self, input_shape):
        """Make variables for mean and variance, unless they were given."""
        self._kept = tuple(sorted(normalize_axis(a, len(input_shape), str(self)) for a in self.axis))
        shape = tuple(input_shape[a] for a in self._kept)
        if None in shape:
            raise ValueError(f"{self}: axis {self.axis} must have a known size, received shape {input_shape}")
        self._broadcast = tuple(n if i in self._kept else 1 for i, n in enumerate(input_shape))
        if self.input_mean is None:
            self.adapt_mean = self.add_weight(shape, "zeros", trainable=False, name="mean")
            self.adapt_variance = self.add_weight(shape, "ones", trainable=False, name="variance")
            self.count = self.add_weight((), "zeros", "int32", trainable=False, name="count")

    def adapt(self, data):
        """Take mean and variance from an array, or an iterable of batches."""
        if self.input_mean is not None:
            raise ValueError(f"{self}: mean and variance were given to the constructor: leave them out to adapt()")
        batches = [batch.astype(np.float64) for batch in batches_of(data, self)]
        if not self.built:
            self.build((None, *batches[0].shape[1:]))
        axes = tuple(i for i in range(batches[0].ndim) if i not in self._kept)
        counts = np.array([np.prod([batch.shape[i] for i in axes]) for batch in batches])
        shares = counts / counts.sum()
        mean = sum(share * batch.mean(axes) for share, batch in zip(shares, batches, strict=True))
        shape = [batches[0].shape[i] if i in self._kept else 1 for i in range(batches[0].ndim)]
        centred = [((batch - mean.reshape(shape)) ** 2).mean(axes) for batch in batches]
        self.adapt_mean.assign(mean)
        self.adapt_variance.assign(sum(share * part for share, part in zip(shares, centred, strict=True)))

    def _moment(self, given, variable):
        if given is None:
            return ops.reshape(variable + 0.0, self._broadcast)
        given = np.asarray(given, self.dtype)
        if given.ndim == 0:
            return np.broadcast_to(given, self._broadcast)
        shape = [1] * len(self._broadcast)
        for axis, size in zip(self._kept[-given.ndim :], given.shape, strict=True):
            shape[axis] = size
        return np.broadcast_to(given.reshape(shape), self._broadcast)

    @property
    def mean(self):
        """What is subtracted, in a shape that broadcasts with the input; None before the layer is built."""
        return self._moment(self.input_mean, getattr(self, "adapt_mean", None)) if self.built else None

    @property
    def variance(self):
        """The square of what is divided by, shaped as the mean; None before the layer is built."""
        return self._moment(self.input_variance, getattr(self, "adapt_variance", None)) if self.built else None

    def call(self, inputs):
        x, mean, variance = ops.cast(inputs, self.dtype), self.mean, self.variance
        deviation = ops.maximum(ops.sqrt(variance), config.epsilon())
        return mean + x * deviation if self.invert else (x - mean) / deviation

    def get_config(self):
        own = {"axis": self.axis, "invert": self.invert}
        own |= {"mean": _plain(self.input_mean), "variance": _plain(self.input_variance)}
        return {**super().get_config(), **own}


def _plain(value):
    return None if value is None else np.asarray(value).tolist()


@registry.register("layer")
class CategoryEncoding(Layer):
    """Integers in 0..num_tokens-1 as rows of zeros and ones.

    Parameters
    ----------
    num_tokens : int
    output_mode : {"multi_hot", "one_hot", "count"}
        "one_hot": a row for each integer; the others: one row for each sample, with ones, or with counts.
    sparse : bool
        Only False.
    """

    def __init__(self, num_tokens=None, output_mode="multi_hot", sparse=False, **kwargs):
        super().__init__(**kwargs)
        if type(num_tokens) is not int or num_tokens < 1:
            raise ValueError(f"{self}: num_tokens must be an integer above 0, received {num_tokens!r}")
        self.num_tokens, self.sparse = num_tokens, sparse
        self.output_mode = "multi_hot" if output_mode == "binary" else output_mode
        check_mode(self, self.output_mode, sparse, OUTPUT_MODES[1:])

    def call(self, inputs, count_weights=None):
        if count_weights is not None and self.output_mode != "count":
            raise ValueError(f'{self}: count_weights need output_mode="count", not {self.output_mode!r}')
        return encode(ops.cast(inputs, "int32"), self.num_tokens, self.output_mode, self.dtype, count_weights)

    def get_config(self):
        return {**super().get_config(), "num_tokens": self.num_tokens, "output_mode": self.output_mode}


@registry.register("layer")
class Discretization(Layer):
    """Numbers to the index of the bin they fall into: how many boundaries are not above them.

    Parameters
    ----------
    bin_boundaries : list of float, optional
        Ascending.
    num_bins : int, optional
        Without boundaries: `adapt` finds so many bins with equally many samples.
    epsilon : float
        How finely `adapt` keeps the quantiles of the data.
    output_mode : {"int", "one_hot", "multi_hot", "count"}
    sparse : bool
        Only False.
    """

    def __init__(
        self, bin_boundaries=None, num_bins=None, epsilon=0.01, output_mode="int", sparse=False, dtype=None, name=None
    ):
        super().__init__(name=name, dtype=dtype)
        check_mode(self, output_mode, sparse)
        if (bin_boundaries is None) == (num_bins is None):
            raise ValueError(f"{self}: give bin_boundaries or num_bins, one of the two")
        self.bin_boundaries, self.num_bins, self.epsilon = bin_boundaries, num_bins, epsilon
        self.output_mode, self.sparse = output_mode, sparse

    def adapt(self, data, steps=None):
        """Find the boundaries that cut an array, or an iterable of batches, into bins of equal count."""
        if self.num_bins is None:
            raise ValueError(f"{self}: bin_boundaries were given to the constructor: give num_bins to adapt()")
        summary = np.zeros((2, 0), np.float32)
        for batch in batches_of(data, self)[:steps]:
            summary = _compressed(np.concatenate([_summary(batch, self.epsilon), summary], axis=1), self.epsilon)
        self.bin_boundaries = _compressed(summary, 1.0 / self.num_bins)[0, :-1].tolist()

    def call(self, inputs):
        if self.bin_boundaries is None:
            raise ValueError(f"{self}: call adapt(data) first, or give bin_boundaries")
        x = ops.expand_dims(ops.cast(inputs, "float32"), -1)
        above = ops.cast(x >= np.float32(self.bin_boundaries), "int32")
        index = ops.sum(above, axis=-1)
        return encode(index, len(self.bin_boundaries) + 1, self.output_mode, self.dtype)

    def get_config(self):
        names = ("bin_boundaries", "num_bins", "epsilon", "output_mode", "sparse", "name", "dtype")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config):
        """The layer, with the boundaries that it was adapted to."""
        config = dict(config)
        boundaries = config.pop("bin_boundaries") if config.get("num_bins") is not None else None
        layer = cls(**config)
        layer.bin_boundaries = layer.bin_boundaries if boundaries is None else boundaries
        return layer


def _summary(values, epsilon):
    """Every so many sorted values, with how many each stands for: an array of shape (2, n)."""
    values = np.sort(np.asarray(values, np.float32), axis=None)
    step = max(values.size * epsilon, 1)
    kept = values[int(step - 1) :: int(step)]
    return np.stack([kept, np.full(kept.shape, step, np.float32)])


def _compressed(summary, epsilon):
    """A summary with one value for each share epsilon of the weights, interpolated."""
    summary = summary[:, np.argsort(summary[0], kind="stable")]
    if summary.shape[1] * epsilon < 1:
        return summary
    shares = epsilon + np.arange(0.0, 1.0, epsilon)
    weights = summary[1].cumsum()
    values = np.interp(shares, weights / weights[-1], summary[0])
    weights = np.interp(shares, weights / weights[-1], weights)
    return np.stack([values, np.diff(weights, prepend=0.0)]).astype(np.float32)
