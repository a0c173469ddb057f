"""What users pass as data, in a form that C can read: checked, never written to, copied only if it must be."""

import math

import numpy as np

READABLE = frozenset(map(np.dtype, ("f4", "f8", "u1", "i1", "i2", "u2", "i4", "u4", "i8", "?")))


def as_rows(value, what):
    """An array with one row for each sample, C-contiguous, in a dtype that the engines read.

    Parameters
    ----------
    value : array-like
        NumPy arrays, lists, pandas objects, anything with ``__array__`` or ``__dlpack__``.
    what : str
        The argument's name, for messages.

    Raises
    ------
    TypeError, ValueError
        Objects, strings, complex numbers; ragged lists; no axis of samples.
    """
    array = _to_numpy(value, what)
    if array.ndim == 0:
        raise ValueError(f"{what}: expected an array with one row for each sample, received the single number {array}")
    if array.dtype not in READABLE:
        array = _converted(array, what)
    return array if array.flags.c_contiguous and array.flags.aligned else np.array(array, order="C")


def _converted(array, what):
    """The numbers in one of the dtypes that the engines read, in the machine's byte order."""
    if array.dtype.kind == "O":
        raise TypeError(
            f"{what}: the array holds Python objects, not numbers: convert it, for example with .astype('float32')"
        )
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{what}: dtype {array.dtype} is not numeric: encode it as numbers first")
    if array.dtype.name == "uint64":
        return _checked_uint64(array, what)
    if array.dtype.newbyteorder("=") in READABLE:
        return array.astype(array.dtype.newbyteorder("="))
    return array.astype(np.float64 if array.dtype.itemsize > 4 else np.float32)  # float16, longdouble


def _to_numpy(value, what):
    if value is None:
        raise ValueError(f"{what}: expected an array, received None")
    if isinstance(value, (str, bytes)):
        raise TypeError(f"{what}: expected an array, received the text {value[:40]!r}")
    if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
        return np.from_dlpack(value)
    try:
        return np.asarray(value)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{what}: the rows do not make one array ({error}): pad them to one length, or pass a list of batches"
        ) from None


def _checked_uint64(array, what):
    if array.size and array.max() >= 2**63:
        raise ValueError(f"{what}: a uint64 of {array.max()} is too large: use int64 or floats")
    return array.astype(np.int64)


def check_same_length(named):
    """The number of rows that all arrays share.

    Parameters
    ----------
    named : list of (str, array)
    """
    counts = [len(array) for _, array in named]
    if len(set(counts)) > 1:
        text = ", ".join(f"{name} has {n}" for (name, _), n in zip(named, counts, strict=True))
        raise ValueError(f"all arrays need the same number of rows: {text}")
    return counts[0]


def flatten(structure):
    """The leaves of a list, tuple or dict of arrays; a list of numbers is a leaf."""
    if structure is None:
        return []
    if isinstance(structure, dict):
        return [leaf for key in structure for leaf in flatten(structure[key])]
    if isinstance(structure, tuple) or (isinstance(structure, list) and structure and _holds_arrays(structure)):
        return [leaf for item in structure for leaf in flatten(item)]
    return [structure]


def _holds_arrays(items):
    return all(hasattr(item, "shape") and len(item.shape) > 0 for item in items)


def repack(structure, leaves):
    """`leaves` in the shape of `structure`, as `flatten` took it apart."""
    leaves = iter(leaves)

    def build(part):
        if part is None:
            return None
        if isinstance(part, dict):
            return {key: build(value) for key, value in part.items()}
        if isinstance(part, tuple) or (isinstance(part, list) and part and _holds_arrays(part)):
            return type(part)(map(build, part)) if type(part) in (list, tuple) else [build(p) for p in part]
        return next(leaves)

    return build(structure)


def program_dtype(array):
    """The dtype under which an array enters a program: integers as int32, everything else as floatx."""
    from fastnn import config

    return "int32" if array.dtype.kind in "iu" else config.floatx()


def check_int32(array, what):
    """Integers must fit into the 32 bits that programs compute with."""
    if array.dtype.name in ("int64", "uint32") and array.size:
        low, high = array.min(), array.max()
        if low < -(2**31) or high >= 2**31:
            worst = low if low < -(2**31) else high
            raise ValueError(f"{what}: the integer {worst} does not fit into 32 bits: use floats, or smaller numbers")


class Batches:
    """Arrays cut into batches: what `fit`, `evaluate` and `predict` walk over.

    Parameters
    ----------
    x, y : structure of arrays; y may be None
    sample_weight : array of shape (n,), or structure of them, optional
    batch_size : int
    """

    def __init__(self, x, y=None, sample_weight=None, batch_size=32):
        self.structure = (x, y, sample_weight)
        self.x = [as_rows(a, _numbered("x", i, x)) for i, a in enumerate(flatten(x))]
        self.y = [as_rows(a, _numbered("y", i, y)) for i, a in enumerate(flatten(y))]
        weights = [as_rows(a, "sample_weight") for a in flatten(sample_weight)]
        self.weights = [a.astype(np.float32) for a in weights]
        if not self.x:
            received = "None" if x is None else "an empty list"
            raise ValueError(f"x: expected an array or a list of arrays, received {received}")
        for array in self.y:
            check_int32(array, "y")
        named = [(_numbered("x", i, x), a) for i, a in enumerate(self.x)]
        named += [(_numbered("y", i, y), a) for i, a in enumerate(self.y)]
        self.rows = check_same_length(named + [("sample_weight", a) for a in self.weights])
        if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
            raise ValueError(f"batch_size must be a positive integer, received {batch_size!r:.60}")
        self.batch_size = int(min(batch_size, max(self.rows, 1)))
        self.labels_checked = None  # the shapes of the outputs for which the labels were found to be right

    @classmethod
    def whole(cls, x, y=None, sample_weight=None):
        """All rows as one batch."""
        data = cls(x, y, sample_weight)
        data.batch_size = max(data.rows, 1)
        return data

    @property
    def arrays(self):
        return [*self.x, *self.y, *self.weights]

    @property
    def steps(self):
        return math.ceil(self.rows / self.batch_size)

    def one_by_one(self):
        """The x of each batch, arranged as the user's."""
        for start in range(0, self.rows, self.batch_size):
            yield (repack(self.structure[0], [a[start : start + self.batch_size] for a in self.x]),)

    def split(self, fraction):
        """(the first rows, the last `fraction` of the rows)."""
        if not 0 < fraction < 1:
            raise ValueError(f"validation_split must lie between 0 and 1, received {fraction!r}")
        at = math.floor(self.rows * (1 - fraction))
        if at == 0 or at == self.rows:
            raise ValueError(f"validation_split={fraction} leaves one part of the {self.rows} samples empty")
        return self._part(slice(None, at)), self._part(slice(at, None))

    def _part(self, rows):
        part = object.__new__(Batches)
        part.structure = self.structure
        part.x, part.y, part.weights = ([a[rows] for a in arrays] for arrays in (self.x, self.y, self.weights))
        part.rows = len(part.x[0])
        part.batch_size = min(self.batch_size, max(part.rows, 1))
        part.labels_checked = self.labels_checked
        return part


def _numbered(name, i, structure):
    return name if not isinstance(structure, (list, tuple, dict)) else f"{name}[{i}]"


def class_weights(y, class_weight):
    """The weight of each sample by its class.

    Parameters
    ----------
    y : array of labels (n,) or (n, 1), or one-hot rows (n, classes)
    class_weight : dict of int to float
    """
    if not isinstance(class_weight, dict):
        raise ValueError(f"class_weight: expected a dict such as {{0: 1.0, 1: 5.0}}, received {class_weight!r:.60}")
    labels = y.argmax(-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(len(y))
    labels = labels.astype(np.int64)
    if len(labels) and set(class_weight).isdisjoint(labels.tolist()):
        raise ValueError(f"class_weight: none of its classes {sorted(class_weight)} occurs among the labels")
    weights = np.ones(len(labels), np.float32)
    for label, weight in class_weight.items():
        weights[labels == label] = weight
    return weights


def first_batch_size(*given):
    """The first batch size that is given, or Keras' 32."""
    return next((size for size in given if size is not None), 32)


def pack_x_y_sample_weight(x, y=None, sample_weight=None):
    """What `Model.train_step` receives: x, ``(x, y)`` or ``(x, y, sample_weight)``; ``(x,)`` if x is a structure."""
    if y is None and sample_weight is None:
        return (x,) if isinstance(x, (list, tuple, dict)) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def unpack_x_y_sample_weight(data):
    """(x, y, sample_weight) of a batch; None for what it has not."""
    if isinstance(data, (tuple, list)) and 1 <= len(data) <= 3:
        return (*data, *(None,) * (3 - len(data)))
    return data, None, None
