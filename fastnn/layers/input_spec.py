"""What a layer expects of its input, checked whenever it is called."""

from fastnn import tree


class InputSpec:
    """Rank, shape and dtype of one input of a layer, for its attribute ``input_spec``.

    Parameters
    ----------
    dtype : str, optional
    shape : tuple of int or None, optional
        With the batch; None stands for any size.
    ndim, max_ndim, min_ndim : int, optional
        Number of axes; `shape` gives `ndim`.
    axes : dict of int to int, optional
        Sizes of some axes.
    allow_last_axis_squeeze : bool
        Whether a last axis of size 1 may be missing, here or in the input.
    name : str, optional
        The key of this input where inputs come as a dict.
    optional : bool
        Whether None may stand in the place of the input.
    """

    def __init__(
        self, dtype=None, shape=None, ndim=None, max_ndim=None, min_ndim=None, axes=None,
        allow_last_axis_squeeze=False, name=None, optional=False,
    ):  # fmt: skip
        self.dtype = None if dtype is None else str(dtype)
        self.shape = None if shape is None else tuple(shape)
        self.ndim = ndim if shape is None else len(self.shape)
        self.max_ndim, self.min_ndim, self.name, self.optional = max_ndim, min_ndim, name, optional
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        try:
            self.axes = {int(axis): size for axis, size in (axes or {}).items()}
        except (ValueError, TypeError, AttributeError):
            raise TypeError(f"InputSpec: axes must be a dict with integer keys, received {axes!r}") from None
        rank = self.ndim if self.ndim is not None else max_ndim
        if self.axes and rank is not None and max(self.axes) >= rank:
            raise ValueError(f"InputSpec: axis {max(self.axes)} is outside of an input with {rank} axes")

    def __repr__(self):
        names = ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes")
        return f"InputSpec({', '.join(f'{name}={getattr(self, name)}' for name in names if getattr(self, name))})"

    def get_config(self):
        """The arguments of the constructor."""
        names = ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes", "optional")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config):
        """A specification from what `get_config` gave."""
        return cls(**config)

    def mismatch(self, shape, dtype):
        """What is wrong with an input, as a text, or None."""
        rank = len(shape)
        if self.ndim not in (None, rank) and not self.allow_last_axis_squeeze:
            return f"expected ndim={self.ndim}, found ndim={rank}. Full shape received: {shape}"
        if self.max_ndim is not None and rank > self.max_ndim:
            return f"expected max_ndim={self.max_ndim}, found ndim={rank}. Full shape received: {shape}"
        if self.min_ndim is not None and rank < self.min_ndim:
            return f"expected min_ndim={self.min_ndim}, found ndim={rank}. Full shape received: {shape}"
        if self.dtype not in (None, dtype):
            return f"expected dtype={self.dtype}, found dtype={dtype}"
        for axis, size in self.axes.items():
            if size is not None and (not -rank <= axis < rank or shape[axis] not in (size, None)):
                return (
                    f"expected axis {axis} of input shape to have value {size}, but received input with shape {shape}"
                )
        if self.shape is not None and not self._fits(shape):
            return f"expected shape={self.shape}, found shape={shape}"
        return None

    def _fits(self, shape):
        expected = self.shape
        if self.allow_last_axis_squeeze:
            expected, shape = (s[:-1] if s[-1:] == (1,) else s for s in (expected, shape))
        known = [(m, n) for m, n in zip(expected, shape, strict=False) if m is not None and n is not None]
        return len(expected) == len(shape) and all(m == n for m, n in known)


def check(specs, inputs, layer):
    """Raise a ValueError unless the inputs of a layer fit what it expects.

    Parameters
    ----------
    specs : InputSpec, structure of them, or None
        None anywhere stands for any input.
    inputs : structure of tensors or arrays
    layer : str
        For messages.
    """
    specs = tree.flatten(specs)
    names = [spec.name for spec in specs if spec is not None]
    named = len(names) == len(specs) and all(names)
    if isinstance(inputs, dict) and named:
        if missing := [name for name in names if name not in inputs]:
            raise ValueError(
                f'Missing data for input "{missing[0]}". You passed a data dictionary with keys {list(inputs)}. '
                f"Expected the following keys: {names}"
            )
        inputs = [inputs[name] for name in names]
    inputs = tree.flatten(inputs)
    if len(inputs) != len(specs):
        expected = f"{len(specs)} named input(s) with keys {names}" if named else f"{len(specs)} input(s)"
        repair = (
            f" Pass inputs as a dict, e.g. `layer({{{', '.join(f'{n!r}: ...' for n in names)}}})`." if named else ""
        )
        raise ValueError(f'Layer "{layer}" expects {expected}, but it received {len(inputs)} input tensors.{repair}')
    for i, (x, spec) in enumerate(zip(inputs, specs, strict=True)):
        if spec is None or (x is None and spec.optional):
            continue
        if not hasattr(x, "shape"):
            raise ValueError(
                f"Inputs to a layer should be tensors. Got '{x}' (of type {type(x)}) as input for layer '{layer}'."
            )
        if wrong := spec.mismatch(tuple(x.shape), str(x.dtype)):
            raise ValueError(
                f"Input {i} with name '{spec.name}' of layer '{layer}' is incompatible with the layer: {wrong}"
            )
