"""Vocabularies: the expected numbers are those of Keras 3.15 on TensorFlow."""

import numpy as np
import pytest

import fastnn as keras
from fastnn.layers import IntegerLookup, StringLookup, TextVectorization

TEXTS = ["The cat, sat!", "the dog sat."]


def adapted(layer, data):
    layer.adapt(data if isinstance(data, list) else np.array(data))
    return layer


def test_string_lookup():
    layer = adapted(StringLookup(), ("b", "a", "c", "c", "d"))
    assert layer.get_vocabulary() == ["[UNK]", "c", "d", "b", "a"]
    out = layer(np.array([["a", "zz"], ["c", "d"]]))
    assert out.dtype == np.int64
    np.testing.assert_array_equal(out, [[4, 0], [1, 2]])
    np.testing.assert_array_equal(layer([["a", "zz"], ["c", "d"]]), out)
    np.testing.assert_array_equal(layer(np.array([b"a"])), [4])


def test_mask_and_limit():
    layer = adapted(StringLookup(mask_token=""), [np.array([["b", "a"], ["c", ""]]), np.array([["c", ""]])])
    assert layer.get_vocabulary() == ["", "[UNK]", "c", "b", "a"]
    np.testing.assert_array_equal(layer(np.array(["", "c", "q"])), [0, 2, 1])
    layer = adapted(StringLookup(max_tokens=3), ("b", "a", "a", "c", "c", "d"))
    assert layer.get_vocabulary() == ["[UNK]", "c", "a"] and layer.vocabulary_size() == 3


def test_inverse():
    layer = StringLookup(vocabulary=["x", "y"], invert=True)
    np.testing.assert_array_equal(layer(np.array([1, 2, 0, 7])), ["x", "y", "[UNK]", "[UNK]"])


def test_modes():
    pairs = np.array([["x", "y"], ["y", "y"]])
    layer = StringLookup(vocabulary=["x", "y"], output_mode="multi_hot", num_oov_indices=0)
    np.testing.assert_array_equal(layer(pairs), [[1, 1], [0, 1]])
    with pytest.raises(ValueError, match="'q' is not in the vocabulary"):
        layer(np.array(["q"]))
    layer = StringLookup(vocabulary=["x", "y"], max_tokens=5, pad_to_max_tokens=True, output_mode="count")
    np.testing.assert_array_equal(layer(np.array([["x", "y", "q"]])), [[1, 1, 1, 0, 0]])
    layer = StringLookup(vocabulary=["x", "y"], output_mode="one_hot")
    np.testing.assert_array_equal(layer(np.array([["y"], ["q"]])), [[0, 0, 1], [1, 0, 0]])


def test_tf_idf():
    layer = adapted(StringLookup(output_mode="tf_idf"), (["b", "a"], ["c", "c"], ["a", "a"]))
    out = layer(np.array([["a", "a", "c"], ["zz", "b", "b"]]))
    assert layer.get_vocabulary() == ["[UNK]", "a", "c", "b"]
    np.testing.assert_allclose(out, [[0, 1.3862944, 0.91629076, 0], [0.8419096, 0, 0, 1.8325815]], rtol=1e-6)


def test_integer_lookup():
    layer = adapted(IntegerLookup(), (5, 3, 3, 9))
    assert layer.get_vocabulary() == [-1, 3, 9, 5]
    np.testing.assert_array_equal(layer(np.array([3, 7])), [1, 0])
    with pytest.raises(ValueError, match="integers"):
        layer(np.array([1.5]))


def test_text_vectorization():
    layer = adapted(TextVectorization(), TEXTS_ARRAY)
    assert layer.get_vocabulary() == ["", "[UNK]", "the", "sat", "dog", "cat"]
    np.testing.assert_array_equal(layer(["the cat", "a dog sat there"]), [[2, 5, 0, 0], [1, 4, 3, 1]])
    np.testing.assert_array_equal(layer(np.array([["the cat"], ["sat"]])), [[2, 5], [3, 0]])


TEXTS_ARRAY = tuple(TEXTS)


def test_text_modes():
    layer = adapted(TextVectorization(output_mode="tf_idf"), TEXTS_ARRAY)
    expected = [[0, 1.0216513, 0, 0, 0.6931472], [1.2039728, 0, 0.51082563, 0.6931472, 0]]
    np.testing.assert_allclose(layer(["the the cat", "a dog sat there"]), expected, rtol=1e-6)
    layer = adapted(TextVectorization(output_mode="multi_hot", max_tokens=9, pad_to_max_tokens=True), TEXTS_ARRAY[:1])
    np.testing.assert_array_equal(layer(["the cat sat", "dog", ""])[:, :5], [[0, 1, 1, 1, 0], [1, 0, 0, 0, 0], [0] * 5])
    assert layer(["dog"]).shape == (1, 9)


def test_ngrams_characters_and_length():
    layer = adapted(TextVectorization(ngrams=2, output_sequence_length=4), TEXTS_ARRAY)
    expected = ["", "[UNK]", "the", "sat", "the dog", "the cat", "dog sat", "dog", "cat sat", "cat"]
    assert layer.get_vocabulary() == expected
    np.testing.assert_array_equal(layer(["the cat sat", "dog"]), [[2, 9, 3, 5], [7, 0, 0, 0]])
    layer = adapted(TextVectorization(max_tokens=4, split="character"), ("abca",))
    np.testing.assert_array_equal(layer(["abz"]), [[2, 1, 1]])
    layer = TextVectorization(standardize=str.upper, split=lambda text: text.split("-"), vocabulary=["A", "B"])
    np.testing.assert_array_equal(layer(["b-a-c"]), [[3, 2, 1]])


@pytest.mark.parametrize(
    "layer",
    [StringLookup(vocabulary=["x", "y"]), IntegerLookup(vocabulary=[4, 2]), TextVectorization(vocabulary=["x"])],
)
def test_the_vocabulary_is_part_of_the_configuration(layer):
    config = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(layer) and again.get_vocabulary() == layer.get_vocabulary()
    assert again.get_config() == layer.get_config()


def test_train_on_texts():
    texts = np.array(["good film", "bad film", "very good", "very bad"] * 8)
    layer = adapted(TextVectorization(output_mode="multi_hot"), tuple(texts))
    model = keras.Sequential([keras.Input((layer.vocabulary_size(),)), keras.layers.Dense(1, "sigmoid")])
    model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(layer(texts), np.array([1, 0, 1, 0] * 8), epochs=20, verbose=0)
    assert history.history["accuracy"][-1] == 1.0


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: StringLookup(vocabulary="/etc/passwd"), "must be a list"),
        (lambda: TextVectorization(vocabulary="http://127.0.0.1"), "must be a list"),
        (lambda: StringLookup(vocabulary=["a", "a"]), "twice"),
        (lambda: StringLookup(vocabulary=["a", "[UNK]"]), "special"),
        (lambda: StringLookup(max_tokens=2, vocabulary=["a", "b"]), "max_tokens"),
        (lambda: StringLookup(num_oov_indices=2), "num_oov_indices"),
        (lambda: StringLookup(invert=True, output_mode="count"), "invert"),
        (lambda: StringLookup(sparse=True, output_mode="count"), "sparse"),
        (lambda: StringLookup(vocabulary=["a"], output_mode="tf_idf"), "idf_weights"),
        (lambda: StringLookup()(np.array(["a"])), "adapt"),
        (lambda: TextVectorization(split="words"), "split"),
        (lambda: TextVectorization(vocabulary=["a"])(np.array([["a", "b"]])), "texts of shape"),
    ],
)
def test_wrong_arguments(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_inside_a_model_it_says_where_it_belongs():
    with pytest.raises(TypeError, match="before they reach the model"):
        keras.Sequential([keras.Input((1,), dtype="int32"), IntegerLookup(vocabulary=[1])])
