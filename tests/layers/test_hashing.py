"""Hashes to bins: the numbers are those of TensorFlow 2.21, and of Keras 3.15 on it."""

import numpy as np
import pytest

import fastnn
from fastnn import layers
from fastnn.data.fingerprints import farm_hash, sip_hash

LENGTHS = (0, 1, 3, 4, 7, 8, 16, 17, 32, 33, 64, 65, 127, 128, 129, 300)
BINS = 1 << 62
FARM = [
    1936946117179621455, 550085751958558782, 50737162503519588, 74291032824012392, 3398365883158499592,
    3403648104430010920, 663651183927826904, 3125010364355856015, 3992320350721670009, 3233698670931835597,
    1859692024977922284, 444801980686921533, 1314699078308480876, 2003798058489048521, 455335815384283847,
    3886849482814154722,
]  # fmt: skip
SIP = [
    316627932347062996, 1246092001935618091, 4465612182509319982, 4313699628098279849, 4165076685206575552,
    3467510397493464347, 3617722483314161877, 1438147602647927311, 298315724710939077, 2606956556251622679,
    2125122434426318257, 4542953117536996752, 3593732385426798407, 4594661251565990778, 923317567518497423,
    4125675418688396309,
]  # fmt: skip
WORDS = np.array([["A", "B", "longer words"], ["", "é", "A"]])
NUMBERS = np.array([[1, -2, 30000], [0, 1, 5]])
FIRST, SECOND = np.array(["A", "B", "A", "B", "A"]), np.array([101, 101, 101, 102, -102])


def test_fingerprints_of_all_lengths():
    texts = [bytes((7 * i + n) % 256 for i in range(n)) for n in LENGTHS]
    order = np.random.default_rng(0).permutation(len(texts))
    mixed = [texts[i] for i in order]
    assert (farm_hash(mixed) % np.uint64(BINS)).tolist() == [FARM[i] for i in order]
    assert (sip_hash(mixed, (133, 137)) % np.uint64(BINS)).tolist() == [SIP[i] for i in order]


def test_siphash_of_its_paper():
    """Appendix A of the paper."""
    key = tuple(int.from_bytes(bytes(range(i, i + 8)), "little") for i in (0, 8))
    assert sip_hash([bytes(range(15))], key)[0] == 0xA129CA6149BE45E5


@pytest.mark.parametrize(
    "options, inputs, expected",
    [
        ({}, WORDS, [[3, 6, 2], [6, 6, 3]]),
        ({"mask_value": ""}, WORDS, [[5, 1, 2], [0, 2, 5]]),
        ({"salt": 133}, WORDS, [[4, 5, 1], [6, 0, 4]]),
        ({"salt": (133, 137)}, WORDS, [[4, 3, 5], [6, 6, 4]]),
        ({"num_bins": 5}, NUMBERS, [[4, 0, 0], [0, 4, 1]]),
        ({"num_bins": 5}, NUMBERS.astype(np.float32) + 0.25 * np.sign(NUMBERS), [[4, 0, 0], [0, 4, 1]]),
        ({"num_bins": 5, "mask_value": 0}, NUMBERS, [[2, 2, 3], [0, 2, 4]]),
        ({"num_bins": 5, "output_mode": "one_hot"}, NUMBERS, np.eye(5)[[[4, 0, 0], [0, 4, 1]]]),
        ({"num_bins": 5, "output_mode": "multi_hot"}, NUMBERS, [[1, 0, 0, 0, 1], [1, 1, 0, 0, 1]]),
        ({"num_bins": 5, "output_mode": "count"}, NUMBERS, [[2, 0, 0, 0, 1], [1, 1, 0, 0, 1]]),
        ({"num_bins": 3, "output_mode": "one_hot"}, np.array([["A"], ["B"]]), [[0, 1, 0], [1, 0, 0]]),
    ],
)
def test_hashing(options, inputs, expected):
    layer = layers.Hashing(**{"num_bins": 7, **options})
    bins = layer(inputs)
    np.testing.assert_array_equal(bins, expected)
    assert bins.dtype == ("float32" if "output_mode" in options else "int64")
    again = layers.Hashing.from_config(layer.get_config())
    np.testing.assert_array_equal(again(inputs.tolist()), bins)


@pytest.mark.parametrize(
    "options, inputs, expected",
    [
        ({}, (FIRST, SECOND), [1, 4, 1, 1, 4]),
        ({"num_bins": 1000}, (FIRST[:, None], SECOND[:, None], FIRST[:, None]), [[795], [364], [795], [661], [294]]),
        ({"output_mode": "one_hot"}, (FIRST, SECOND), np.eye(5)[[1, 4, 1, 1, 4]]),
        ({}, (np.array("A"), np.array(7)), 0),
    ],
)
def test_hashed_crossing(options, inputs, expected):
    layer = layers.HashedCrossing(**{"num_bins": 5, **options})
    np.testing.assert_array_equal(layer(inputs), expected)
    assert layer(inputs).dtype == ("float32" if "output_mode" in options else "int64")
    np.testing.assert_array_equal(layers.HashedCrossing.from_config(layer.get_config())(list(inputs)), expected)


def test_configurations_are_keras():
    policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "int64"}, "registered_name": None}
    own = {"num_bins": 5, "salt": [3, 3], "mask_value": None, "output_mode": "int", "sparse": False}
    assert layers.Hashing(5, salt=3, name="h").get_config() == {"name": "h", "trainable": True, "dtype": policy, **own}
    expected = {"num_bins": 5, "output_mode": "one_hot", "sparse": False, "name": "c", "dtype": "float32"}
    assert layers.HashedCrossing(5, "one_hot", name="c").get_config() == expected


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: layers.Hashing(0), "num_bins"),
        (lambda: layers.Hashing(5, output_mode="tf_idf"), "output_mode"),
        (lambda: layers.Hashing(5, salt=(1, 2, 3)), "salt"),
        (lambda: layers.Hashing(5, sparse=True, output_mode="count"), "sparse"),
        (lambda: layers.Hashing(5, dtype="float32"), "integers"),
        (lambda: layers.HashedCrossing(5, "count"), "output_mode"),
        (lambda: layers.HashedCrossing(5)(FIRST), "list of two"),
        (lambda: layers.HashedCrossing(5)((FIRST, SECOND[:2])), "one shape"),
        (lambda: layers.HashedCrossing(5)((FIRST, SECOND * 0.5)), "integers or texts"),
    ],
)
def test_wrong_arguments(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_model_is_told_to_hash_before():
    with pytest.raises(TypeError, match="before they reach the model"):
        layers.Hashing(5)(fastnn.Input((3,), dtype="int32"))
