"""Axes taken apart, exchanged and put together by a pattern of names (Rogozhnikov, Einops, ICLR 2022)."""

import math
import re

from fastnn.ops.shape import reshape, tensor_like, transpose


def _axes(side, pattern):
    """[["b"], ["h", "w"], ["c"]] for "b (h w) c"."""
    groups = re.findall(r"\(([\w\s]*)\)|(\w+)|(\S)", side)
    if any(other for _, _, other in groups):
        raise ValueError(f"rearrange: the pattern {pattern!r} cannot be read: names, and names in parentheses")
    return [inside.split() if not name else [name] for inside, name, _ in groups]


def rearrange(tensor, pattern, **axes_lengths):
    """A tensor with its axes in another order, taken apart or put together.

    Parameters
    ----------
    tensor : tensor
    pattern : str
        ``"b h w c -> b c h w"``: a name for each axis, before and after; names in parentheses are one axis, as in
        ``"b (h w) c -> b h w c"``. The name 1 stands for axes of size 1.
    **axes_lengths : int
        Sizes of names; those that follow from the tensor may be left out.
    """
    tensor = tensor_like(tensor)
    if pattern.count("->") != 1:
        raise ValueError(f"rearrange: the pattern {pattern!r} must have one arrow, as in 'b h w c -> b c h w'")
    before, after = (_axes(side, pattern) for side in pattern.split("->"))
    if len(before) != tensor.ndim:
        raise ValueError(f"rearrange: {pattern!r} names {len(before)} axes, the tensor has shape {tuple(tensor.shape)}")
    sizes = dict(axes_lengths)
    for group, size in zip(before, tensor.shape, strict=True):
        _find_sizes(group, size, sizes, pattern)
    source, target = ([name for group in side for name in group if name != "1"] for side in (before, after))
    if sorted(source) != sorted(target) or len(set(source)) != len(source):
        raise ValueError(f"rearrange: each name of {pattern!r} must stand once on both sides")
    apart = reshape(tensor, [sizes[name] for name in source])
    moved = transpose(apart, [source.index(name) for name in target])
    return reshape(moved, [math.prod(sizes[name] for name in group if name != "1") for group in after])


def _find_sizes(group, size, sizes, pattern):
    """The sizes of the names of one axis; one may be missing."""
    group = [name for name in group if name != "1"]
    missing = [name for name in group if name not in sizes]
    known = math.prod(sizes[name] for name in group if name in sizes)
    if len(missing) > 1:
        raise ValueError(f"rearrange: {pattern!r} leaves the sizes of {missing} open: give all but one")
    if (known == 0 or size % known) if missing else known != size:
        raise ValueError(f"rearrange: an axis of size {size} does not divide into {group} of {pattern!r} with {sizes}")
    if missing:
        sizes[missing[0]] = size // known
