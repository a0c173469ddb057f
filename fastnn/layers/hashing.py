"""Words and integers to numbered bins, by hashes that are the same everywhere.

These layers compute on arrays, before a model: programs know no text.
"""

import numpy as np

from fastnn import config
from fastnn.data.fingerprints import cross_hash, farm_hash, sip_hash
from fastnn.layers.core import positive_integer
from fastnn.layers.layer import Layer
from fastnn.layers.numeric_preprocessing import OUTPUT_MODES, check_mode, encode
from fastnn.saving import registry


class _Hashed(Layer):
    """What the two layers share: bins, the encoding, and that they are given arrays."""

    def __init__(self, num_bins, output_mode, sparse, modes, dtype, **kwargs):
        dtype = dtype or ("int64" if output_mode == "int" else config.floatx())
        super().__init__(dtype=dtype, **kwargs)
        self.num_bins = positive_integer(num_bins, f"{type(self).__name__}: num_bins")
        check_mode(self, output_mode, sparse, modes)
        if output_mode == "int" and not self.dtype.startswith("int"):
            raise ValueError(f'{self}: output_mode="int" gives integers, received dtype={dtype!r}')
        self.output_mode, self.sparse = output_mode, sparse

    def __call__(self, inputs, *args, **kwargs):
        parts = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        if any(hasattr(part, "program") for part in parts):
            raise TypeError(f"{self} works on arrays: apply it to the data, before they reach the model")
        return super().__call__(inputs, *args, **kwargs)

    def encoded(self, bins):
        if self.output_mode == "int":
            return bins.astype(self.dtype)
        return np.asarray(encode(bins, self.num_bins, self.output_mode, self.dtype))


@registry.register("layer")
class Hashing(_Hashed):
    """Texts or integers to one of `num_bins` bins each.

    The bin of a text is FarmHash64 modulo num_bins, with a salt SipHash-2-4; integers are hashed as their decimal text.

    Parameters
    ----------
    num_bins : int
    mask_value : str or int, optional
        Gets bin 0, which no other value gets then.
    salt : int or (int, int), optional
        The key of SipHash.
    output_mode : {"int", "one_hot", "multi_hot", "count"}
    sparse : bool
        Only False.
    """

    def __init__(self, num_bins, mask_value=None, salt=None, output_mode="int", sparse=False, dtype=None, **kwargs):
        super().__init__(num_bins, output_mode, sparse, OUTPUT_MODES, dtype, **kwargs)
        self.mask_value = mask_value
        pair = [salt, salt] if isinstance(salt, int) else salt
        if pair is not None and (not isinstance(pair, (list, tuple)) or len(pair) != 2):
            raise ValueError(f"{self}: salt must be an integer or two of them, received {salt!r}")
        self.salt = None if pair is None else list(pair)

    def call(self, inputs):
        values = np.asarray(inputs)
        values = values.astype(np.int64) if values.dtype.kind == "f" else values
        texts = as_texts(values)
        hashes = farm_hash(texts) if self.salt is None else sip_hash(texts, self.salt)
        masked = self.mask_value is not None and self.num_bins > 1
        bins = (hashes % np.uint64(self.num_bins - masked)).astype(np.int64).reshape(values.shape)
        if masked:
            bins = np.where(values == np.asarray(self.mask_value).astype(values.dtype), 0, bins + 1)
        return self.encoded(bins)

    def get_config(self):
        names = ("num_bins", "salt", "mask_value", "output_mode", "sparse")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@registry.register("layer")
class HashedCrossing(_Hashed):
    """Combinations of several texts or integers to one of `num_bins` bins each.

    Called with a list of arrays of one shape, () or (n,) or (n, 1).

    Parameters
    ----------
    num_bins : int
    output_mode : {"int", "one_hot"}
    sparse : bool
        Only False.
    """

    def __init__(self, num_bins, output_mode="int", sparse=False, name=None, dtype=None):
        super().__init__(num_bins, output_mode, sparse, ("int", "one_hot"), dtype, name=name)

    def __call__(self, inputs, *args, **kwargs):
        if isinstance(inputs, (list, tuple)):
            kinds = [np.asarray(column).dtype for column in inputs if not hasattr(column, "program")]
            if wrong := [kind for kind in kinds if kind.kind not in "iuSUO"]:
                raise ValueError(f"{self}: expected integers or texts, received arrays of {wrong[0]}")
        return super().__call__(inputs, *args, **kwargs)

    def call(self, inputs):
        if not isinstance(inputs, (list, tuple)) or len(inputs) < 2:
            raise ValueError(f"{self}: call it with a list of two or more arrays")
        columns = [np.asarray(column) for column in inputs]
        shapes = {column.shape for column in columns}
        (shape, *others) = shapes
        if others or len(shape) > 2 or shape[1:] not in ((), (1,)):
            raise ValueError(f"{self}: arrays must be of one shape, () or (n,) or (n, 1), received {sorted(shapes)}")
        hashes = cross_hash([_fingerprints(column) for column in columns])
        return self.encoded((hashes % np.uint64(self.num_bins)).astype(np.int64).reshape(shape))

    def get_config(self):
        names = ("num_bins", "output_mode", "sparse", "name", "dtype")
        return {name: getattr(self, name) for name in names}


def as_texts(values):
    """The byte strings of an array's texts, or of its integers' decimal digits, in a flat list."""
    return [v if isinstance(v, bytes) else str(v).encode() for v in values.reshape(-1).tolist()]


def _fingerprints(column):
    """Texts by their hash, integers as they are."""
    if column.dtype.kind in "iu":
        return column.reshape(-1).astype(np.int64).view(np.uint64)
    return farm_hash(as_texts(column))
