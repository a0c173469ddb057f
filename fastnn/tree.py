"""Nested lists, tuples, named tuples, deques and dicts, under the names of `keras.tree`.

Everything else is a leaf, None too. A dict is walked in the order of its sorted keys, an `OrderedDict` in its own.
"""

import warnings
from collections import OrderedDict, defaultdict, deque
from numbers import Integral

__all__ = [
    "MAP_TO_NONE",
    "assert_same_paths",
    "assert_same_structure",
    "flatten",
    "flatten_with_path",
    "is_nested",
    "lists_to_tuples",
    "map_shape_structure",
    "map_structure",
    "map_structure_up_to",
    "pack_sequence_as",
    "traverse",
]


class MAP_TO_NONE:  # noqa: N801, Keras' name
    """What a function returns to `traverse` where it means None."""


def is_nested(structure):
    """Whether a value is a collection, and not a leaf."""
    return isinstance(structure, (list, tuple, deque, dict))


def _keys(structure):
    if not isinstance(structure, dict):
        return range(len(structure))
    return list(structure) if isinstance(structure, OrderedDict) else sorted(structure)


def _rebuilt(structure, children):
    """A collection of the same kind with other children, which come in the order of `_keys`."""
    if isinstance(structure, dict):
        found = dict(zip(_keys(structure), children, strict=True))
        found = {key: found[key] for key in structure}
        if isinstance(structure, defaultdict):
            return defaultdict(structure.default_factory, found)
        return OrderedDict(found) if isinstance(structure, OrderedDict) else found
    if isinstance(structure, deque):
        return deque(children, structure.maxlen)
    return type(structure)(*children) if hasattr(structure, "_fields") else type(structure)(children)


def _check_alike(first, *others):
    """Raise ValueError unless all are collections of one kind and size; all dicts are of one kind."""
    kind = dict if isinstance(first, dict) else type(first)
    for other in others:
        same = isinstance(other, dict) if kind is dict else type(other) is kind
        if not same or len(first) != len(other) or (kind is dict and set(first) != set(other)):
            raise ValueError(f"The structures are not nested in the same way: {first!r:.200} and {other!r:.200}")


def traverse(func, structure, top_down=True):
    """Let a function replace parts of a structure.

    Parameters
    ----------
    func : callable
        Gets a part and returns what replaces it, None to leave it, `MAP_TO_NONE` to replace it by None.
    structure : nested
    top_down : bool
        Ask for a collection before its children, which are left out where it is replaced; else after them.
    """

    def inside(part):
        if not is_nested(part):
            return part
        return _rebuilt(part, [traverse(func, part[key], top_down) for key in _keys(part)])

    part = structure if top_down else inside(structure)
    found = func(part)
    if found is None:
        return inside(part) if top_down else part
    return None if found is MAP_TO_NONE else found


def flatten_with_path(structure):
    """The leaves as a list of (path, leaf); a path is the tuple of the indices and keys that lead to the leaf."""
    if not is_nested(structure):
        return [((), structure)]
    return [((key, *path), leaf) for key in _keys(structure) for path, leaf in flatten_with_path(structure[key])]


def flatten(structure):
    """The leaves as a list.

    >>> flatten({"b": [2, (3,)], "a": 1})
    [1, 2, 3]
    """
    return [leaf for _, leaf in flatten_with_path(structure)]


def pack_sequence_as(structure, flat_sequence):
    """The reverse of `flatten`: a structure with the leaves of a sequence.

    Raises
    ------
    ValueError
        Where there are more or fewer values than leaves.
    """
    values = list(flat_sequence)
    count = len(flatten(structure))
    if len(values) != count:
        raise ValueError(f"pack_sequence_as: the structure has {count} leaves, the sequence {len(values)} values")
    rest = iter(values)
    return map_structure(lambda _: next(rest), structure)


def map_structure(func, *structures, none_is_leaf=True):
    """A function applied to the leaves that stand at the same place in structures of the same nesting.

    Parameters
    ----------
    func : callable
        Takes as many arguments as there are structures.
    *structures : nested
    none_is_leaf : bool
        False leaves None as it is, without asking the function.

    Raises
    ------
    ValueError
        For structures that are nested in different ways.
    """
    if not structures:
        raise ValueError("map_structure: give at least one structure")
    first = structures[0]
    if not any(map(is_nested, structures)):
        return None if first is None and not none_is_leaf else func(*structures)
    _check_alike(*structures)
    parts = [map_structure(func, *(s[key] for s in structures), none_is_leaf=none_is_leaf) for key in _keys(first)]
    return _rebuilt(first, parts)


def map_structure_up_to(shallow_structure, func, *structures):
    """As `map_structure`, as deep as the first structure goes; what is below is one leaf.

    >>> map_structure_up_to([None, None], len, [[1, 1], [2, 2, 2]])
    [2, 3]
    """
    if not structures:
        raise ValueError("map_structure_up_to: give at least one structure")
    if not is_nested(shallow_structure):
        return func(*structures)
    _check_alike(shallow_structure, *structures)
    keys = _keys(shallow_structure)
    parts = [map_structure_up_to(shallow_structure[key], func, *(s[key] for s in structures)) for key in keys]
    return _rebuilt(shallow_structure, parts)


def assert_same_structure(a, b, check_types=None):
    """Raise ValueError unless two structures are nested in the same way, in collections of the same types.

    Parameters
    ----------
    a, b : nested
    check_types : optional
        Has no effect; `assert_same_paths` does not look at the types.
    """
    if check_types is not None:
        warnings.warn("assert_same_structure: check_types has no effect", DeprecationWarning, stacklevel=2)
    map_structure(lambda *_: None, a, b)


def assert_same_paths(a, b):
    """Raise ValueError unless the leaves of two structures have the same paths, see `flatten_with_path`."""
    paths = [{path for path, _ in flatten_with_path(structure)} for structure in (a, b)]
    for name, other, extra in (("a", "b", paths[0] - paths[1]), ("b", "a", paths[1] - paths[0])):
        if extra:
            raise ValueError(f"The structures do not have the same paths: {name} has {extra}, {other} has not")


def lists_to_tuples(structure):
    """The structure with tuples in the place of lists."""
    return traverse(lambda part: tuple(part) if isinstance(part, list) else None, structure, top_down=False)


def map_shape_structure(func, structure):
    """As `map_structure`, with shapes as leaves: lists and tuples that hold nothing but integers and None."""
    if isinstance(structure, (list, tuple)) and all(n is None or isinstance(n, Integral) for n in structure):
        return func(structure)
    if not is_nested(structure):
        return func(structure)
    return _rebuilt(structure, [map_shape_structure(func, structure[key]) for key in _keys(structure)])
