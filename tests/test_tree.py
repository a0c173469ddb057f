"""Nested structures: the examples are those of Keras' documentation and of its tests."""

from collections import OrderedDict, defaultdict, deque, namedtuple

import pytest

from fastnn import tree

Point = namedtuple("Point", ["x", "y"])
NESTED = {"b": [1, (2, None)], "a": Point(3, deque([4], maxlen=2)), "c": OrderedDict([("z", 5), ("y", 6)])}


def test_leaves_and_paths():
    assert tree.flatten(NESTED) == [3, 4, 1, 2, None, 5, 6]
    assert tree.flatten_with_path(NESTED)[1] == (("a", 1, 0), 4)
    assert [path for path, _ in tree.flatten_with_path(NESTED["c"])] == [("z",), ("y",)]
    assert tree.flatten(None) == [None]
    assert tree.flatten_with_path(1) == [((), 1)]
    assert [tree.is_nested(x) for x in (1, None, "ab", [], {}, (), deque())] == [False] * 3 + [True] * 4


def test_packing_is_the_reverse_of_flattening():
    again = tree.pack_sequence_as(NESTED, tree.flatten(NESTED))
    assert again == NESTED
    assert list(again) == list(NESTED)
    assert type(again["a"]) is Point
    assert again["a"].y.maxlen == 2
    counted = tree.pack_sequence_as(defaultdict(list, a=0), [1])
    assert counted.default_factory is list
    for values in ([1], range(8)):
        with pytest.raises(ValueError, match="7 leaves"):
            tree.pack_sequence_as(NESTED, values)


def test_map_structure():
    assert tree.map_structure(lambda x, y: x * y, [[1], {"a": 2}], [[3], {"a": 4}]) == [[3], {"a": 8}]
    assert tree.map_structure(lambda v: v * 2, Point(1, 2)) == Point(2, 4)
    assert tree.map_structure(str, [None, 1], none_is_leaf=False) == [None, "1"]
    assert tree.map_structure(str, [None, 1]) == ["None", "1"]
    assert tree.map_structure(str, 1) == "1"
    assert tree.map_structure(lambda x, y: x + y, OrderedDict(b=1, a=2), {"a": 10, "b": 20}) == {"b": 21, "a": 12}
    for other in ([1, 2], (1,), [[1]], 1, {"a": 1}):
        with pytest.raises(ValueError, match="not nested in the same way"):
            tree.map_structure(lambda *_: 0, [1], other)


def test_map_structure_up_to():
    assert tree.map_structure_up_to([None, None], len, [[1, 1], [2, 2]]) == [2, 2]
    assert tree.map_structure_up_to([None, [None, None]], str, [[1, 1], [2, 2]]) == ["[1, 1]", ["2", "2"]]
    with pytest.raises(ValueError, match="same way"):
        tree.map_structure_up_to([[None]], str, [1])


def test_traverse():
    seen = []
    value = [(1, 2), [3], {"a": 4}]
    assert tree.traverse(seen.append, value) == value
    assert seen == [value, (1, 2), 1, 2, [3], 3, {"a": 4}, 4]
    seen.clear()
    tree.traverse(seen.append, value, top_down=False)
    assert seen == [1, 2, (1, 2), 3, [3], 4, {"a": 4}, value]
    assert tree.traverse(lambda x: tree.MAP_TO_NONE if x == 3 else None, value) == [(1, 2), [None], {"a": 4}]
    assert tree.traverse(lambda x: "pair" if isinstance(x, tuple) else None, value) == ["pair", [3], {"a": 4}]
    assert tree.lists_to_tuples([[1, {"a": [2]}]]) == ((1, {"a": (2,)}),)


def test_assertions():
    tree.assert_same_structure([(0, 1)], [(2, [3][0])])
    tree.assert_same_paths([0, 1], Point(2, 3))
    with pytest.raises(ValueError, match="same way"):
        tree.assert_same_structure(Point(0, 1), (2, 3))
    with pytest.raises(ValueError, match=r"same paths: b has \{\(1,\)\}"):
        tree.assert_same_paths([0], [1, 2])
    with pytest.warns(DeprecationWarning, match="no effect"):
        tree.assert_same_structure([1], [2], check_types=True)


def test_shapes_are_leaves():
    assert tree.map_shape_structure(tuple, {"a": [2, None], "b": ((1, 2), (3,))}) == {
        "a": (2, None),
        "b": ((1, 2), (3,)),
    }
