"""Models of declared inputs and outputs, against what Keras answers and writes."""

import copy
import json
import pathlib
import pickle

import functional_models
import numpy as np
import pytest

import fastnn as keras
from fastnn import layers, ops

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "functional"
ANSWERS = np.load(GOLDEN / "answers.npz")
CONFIGS = json.loads((GOLDEN / "configs.json").read_text())
every_model = pytest.mark.parametrize("name", functional_models.MODELS)


def arrays(name, letter):
    count = sum(key.startswith(f"{name}/{letter}") for key in ANSWERS.files)
    return [ANSWERS[f"{name}/{letter}{i}"] for i in range(count)]


def given(name, model):
    """The golden inputs as the model takes them."""
    x = arrays(name, "x")
    if isinstance(model.input, dict):
        return dict(reversed(list(zip(model.input, x, strict=True))))  # another order: names tell
    return x if len(x) > 1 else x[0]


def answer(name, model):
    """The predictions as a list in Keras' order."""
    y = model.predict(given(name, model), verbose=0)
    if isinstance(y, dict):
        return [y[key] for key in sorted(y)]
    return y if isinstance(y, list) else [y]


def assert_answers(name, model):
    for ours, theirs in zip(answer(name, model), arrays(name, "y"), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)


@every_model
def test_configuration_is_keras(name):
    keras.utils.clear_session()
    ours = json.loads(functional_models.MODELS[name](keras).to_json())
    for mine, theirs in zip(ours["config"]["layers"], CONFIGS[name]["config"]["layers"], strict=True):
        if not set(theirs) & {"build_config"}:  # Keras writes none for some layers without weights; it reads both
            mine.pop("build_config", None)
    assert ours == CONFIGS[name]


@every_model
def test_reads_what_keras_saved(name):
    model = keras.models.load_model(GOLDEN / f"{name}.keras")
    assert_answers(name, model)


@every_model
def test_copies_answer_alike(name, tmp_path):
    model = keras.models.load_model(GOLDEN / f"{name}.keras")
    model.save(tmp_path / "m.keras")
    assert_answers(name, keras.models.load_model(tmp_path / "m.keras"))
    assert_answers(name, pickle.loads(pickle.dumps(model)))
    assert_answers(name, copy.deepcopy(model))
    clone = keras.models.clone_model(model)
    assert not {id(layer) for layer in clone.layers} & {id(layer) for layer in model.layers}
    model.save_weights(tmp_path / "m.weights.h5")
    clone.load_weights(tmp_path / "m.weights.h5")
    assert_answers(name, clone)
    again = keras.models.model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    assert_answers(name, again)


def test_what_keras_saved_trains_as_it_does():
    """Keras writes a `training` into every call, which fit() and predict() override."""
    model = keras.models.load_model(GOLDEN / "attentive.keras")
    x = arrays("attentive", "x")[0]
    np.testing.assert_array_equal(model(x), model(x))
    zeros = np.mean(model(x, training=True) - 0.2 * 255 == 0)
    assert 0.3 < zeros < 0.7


@pytest.mark.parametrize("asked", [True, False])
def test_a_training_that_was_asked_for_is_kept(asked):
    inputs = keras.Input((200,))
    model = keras.Model(inputs, layers.Dropout(0.5)(inputs, training=asked))
    again = keras.models.model_from_json(model.to_json())
    x = np.ones((1, 200), np.float32)
    for one in (model, again, keras.models.clone_model(model)):
        for training in (True, False):
            assert (0 in one(x, training=training)) is asked


def test_gradients_of_shared_layers():
    model = functional_models.shared(keras)
    model.compile("sgd", ["mse", "mse"], loss_weights=[1.0, 0.5])
    y = [np.ones((5, 2), "float32"), np.zeros((5, 1), "float32")]
    assert model.check_gradients(given("shared", model), y, verbose=0) < 1e-6


def test_trains():
    model = functional_models.residual(keras)
    model.compile("adam", {"label": "mse", "pooled": "mse"})
    x = np.random.default_rng(0).normal(size=(32, 6, 6, 2)).astype("float32")
    y = {"pooled": np.ones((32, 2)), "label": np.zeros((32, 3))}
    losses = model.fit(x, y, batch_size=4, epochs=12, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * losses[0]


def test_intermediate_outputs():
    a = keras.Input((4,), name="a")
    x = layers.Dense(3, name="first")(a)
    model = keras.Model(a, layers.Dense(2, name="second")(x))
    assert model.get_layer("first").output is x
    assert model.get_layer("first").input is a
    assert (model.input, model.inputs, model.output) == (a, [a], model.outputs[0])
    assert model.input_shape == (None, 4) and model.output_shape == (None, 2)
    data = np.arange(8, dtype="float32").reshape(2, 4)
    features = keras.Model(model.input, model.get_layer("first").output)
    head = keras.Model(x, model.output)
    np.testing.assert_array_equal(
        head.predict(features.predict(data, verbose=0), verbose=0), model.predict(data, verbose=0)
    )
    assert all(v is w for v, w in zip(features.weights + head.weights, model.weights, strict=True))


def test_sequential_has_tensors():
    stack = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="one")])
    stack.add(layers.Dense(2))
    assert stack.inputs[0].shape == (None, 4) and stack.outputs == [stack.output]
    features = keras.Model(stack.inputs, stack.get_layer("one").output)
    data = np.ones((2, 4), "float32")
    expected = data @ stack.layers[0].kernel.numpy()
    np.testing.assert_allclose(features.predict(data, verbose=0), expected, rtol=1e-5)
    stack.pop()
    assert stack.output.shape == (None, 3)
    deferred = keras.Sequential([layers.Dense(3)])
    with pytest.raises(AttributeError, match="not built"):
        _ = deferred.outputs
    deferred(data)
    assert deferred.output.shape == (None, 3)


def test_sizes_that_only_data_tells():
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3)(image)
    assert x.shape == (None, None, None, 4)
    model = keras.Model(image, layers.GlobalAveragePooling2D()(x))
    for size in (5, 9):
        assert model.predict(np.ones((2, size, size + 1, 3)), verbose=0).shape == (2, 4)


def test_integers_and_positions():
    """Integer inputs stay integers; a subclass may be made of inputs and outputs too."""
    i, x = keras.Input((), dtype="int32", name="i"), keras.Input((2,), name="x")
    table = np.arange(10, dtype="float32").reshape(5, 2)

    class Mine(keras.Model):
        pass

    model = Mine([i, x], ops.take(table, i, axis=0) + x)
    rows = np.array([3, 0], "int64")
    np.testing.assert_array_equal(model.predict([rows, np.ones((2, 2))], verbose=0), table[rows] + 1)


def test_summary_says_what_is_connected():
    lines = []
    keras.utils.clear_session()
    functional_models.shared(keras).summary(print_fn=lines.append)
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines[0].splitlines() if line[0] == "│"]
    assert ["sum (Add)", "(None, 3)", "0", "shared[0][0],"] in rows and ["", "", "", "shared[1][0]"] in rows
    assert ["relu (Relu)", "(None, 3)", "0", "add[0][0]"] in rows and "Connected to" in lines[0]
    lines.clear()
    functional_models.nested(keras).summary(print_fn=lines.append, expand_nested=True)
    assert "└ inner_dense" in lines[0] and "inner[1][0]" in lines[0]
    a = keras.Input((4,))
    keras.Model(a, layers.Dense(2)(a)).summary(print_fn=lines.append)
    assert "Connected" not in lines[1]  # one after the other, as in Keras


MISTAKES = {
    "not among inputs": lambda a, b: keras.Model(a, layers.add([a, b])),
    "both of them": lambda a, b: keras.Model(a),
    "names must differ": lambda a, b: keras.Model(
        [a, b], [layers.Dense(1, name="same")(a), layers.Dense(1, name="same")(b)]
    ),
    "stands twice": lambda a, b: keras.Model([a, a], a),
    "expected 2 inputs, received 1": lambda a, b: keras.Model([a, b], layers.add([a, b])).predict(np.ones((2, 3))),
    r"\['right'\] are missing": lambda a, b: keras.Model([a, b], layers.add([a, b]))({"left": np.ones((2, 3))}),
    "list of 1 or more": lambda a, b: layers.Add()(a),
    "two inputs": lambda a, b: layers.Subtract()([a, b, a]),
    "shapes must agree": lambda a, b: layers.Concatenate(axis=1)([a, keras.Input((3, 4))]),
    "one size": lambda a, b: layers.Dot(axes=1)([a, keras.Input((4,))]),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_mistakes_have_a_repair(message):
    a, b = keras.Input((3,), name="left"), keras.Input((3,), name="right")
    with pytest.raises((TypeError, ValueError), match=message):
        MISTAKES[message](a, b)


def test_merging_functions():
    left, right = np.arange(6, dtype="float32").reshape(2, 3), np.ones((2, 3), "float32")
    expected = {
        "add": left + right, "subtract": left - right, "multiply": left * right, "average": (left + right) / 2,
        "maximum": np.maximum(left, right), "minimum": np.minimum(left, right),
        "concatenate": np.concatenate([left, right], -1),
    }  # fmt: skip
    for name, value in expected.items():
        np.testing.assert_array_equal(getattr(layers, name)([left, right]), value)
    np.testing.assert_array_equal(layers.dot([left, right], axes=1), (left * right).sum(1, keepdims=True))
    cubes = np.arange(24, dtype="float32").reshape(2, 3, 4)
    np.testing.assert_array_equal(layers.dot([cubes, cubes], axes=(1, 1)), np.einsum("nka,nkb->nab", cubes, cubes))
    np.testing.assert_array_equal(layers.add([cubes, np.ones((2, 4), "float32")]), cubes + 1)


def test_a_file_cannot_loop_or_point_nowhere():
    config = copy.deepcopy(CONFIGS["shared"])
    config["config"]["layers"][2]["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = ["out", 0, 0]
    with pytest.raises(keras.ModelFormatError, match="no layer makes"):
        keras.models.model_from_json(json.dumps(config))
    config = copy.deepcopy(CONFIGS["shared"])
    config["config"]["layers"][4]["class_name"] = "Eval"
    with pytest.raises(keras.ModelFormatError, match="Unknown operation 'Eval'"):
        keras.models.model_from_json(json.dumps(config))


def rounded(x, *digits):
    return np.round(x, *digits) if isinstance(x, np.ndarray) else round(x, *digits)


# The class that Keras 3.15 writes into model files for each of Python's operators.
OPERATORS = {
    "TrueDivide": [lambda x, y: x / 3.0, lambda x, y: 3.0 / x, lambda x, y: x / y],
    "FloorDivide": [lambda x, y: x // y, lambda x, y: 2 // x],
    "Mod": [lambda x, y: x % y, lambda x, y: 2 % x, lambda x, y: x % -1.5],
    "Power": [lambda x, y: x**2, lambda x, y: 2**x],
    "Absolute": [lambda x, y: abs(-x)],
    "Negative": [lambda x, y: -x],
    "Matmul": [lambda x, y: x @ y],
    "Round": [lambda x, y: rounded(x), lambda x, y: rounded(x, 1)],
    "LessEqual": [lambda x, y: x <= y],
    "NotEqual": [lambda x, y: x != 2.0],
    "GetItem": [lambda x, y: x[:, 1:3, ::2], lambda x, y: x[..., None], lambda x, y: x[:, -1]],
    "LogicalAnd": [lambda x, y: (x > y) & (x > 1)],
    "LogicalOr": [lambda x, y: (x > y) | (x > 1)],
    "LogicalXor": [lambda x, y: (x > y) ^ (x > 1)],
    "LogicalNot": [lambda x, y: ~(x > y)],
}


@pytest.mark.parametrize(("name", "function"), [(name, f) for name, fs in OPERATORS.items() for f in fs])
def test_operators(name, function, tmp_path):
    """They give of tensors, of variables and in files what they give of arrays; files name them as Keras does."""
    model = keras.Model([x := keras.Input((4, 4)), y := keras.Input((4, 4))], function(x, y))
    assert model.get_config()["layers"][-1]["class_name"] == name
    model.save(tmp_path / "model.keras")
    values = np.random.default_rng(0).uniform(0.5, 2.5, (2, 3, 4, 4)).astype(np.float32)
    for net in (model, keras.models.load_model(tmp_path / "model.keras")):
        np.testing.assert_allclose(net.predict([*values], verbose=0), function(*values), rtol=1e-5, atol=1e-6)
    variables = [keras.Variable(value) for value in values]
    np.testing.assert_allclose(np.asarray(function(*variables)), function(*values), rtol=1e-5, atol=1e-6)


def pair_model():
    a, b = keras.Input((4, 8)), keras.Input((4, 8))
    return keras.Model([a, b], a + b)


NOT_SAID = {"mask": None, "training": False}
CALLS = {  # a call, and the keyword arguments that Keras 3.15 writes of it into model files
    "attention": (lambda q, v: layers.Attention()([q, v]), {}),
    "causal": (lambda q, v: layers.Attention()([q, v], use_causal_mask=True), {"use_causal_mask": True}),
    "additive": (lambda q, v: layers.AdditiveAttention(dropout=0.5)([q, v], training=True), {"training": True}),
    "heads": (lambda q, v: layers.MultiHeadAttention(2, 3)(q, v), {}),
    "dropout": (lambda q, v: layers.Dropout(0.5)(q), {"training": False}),
    "dropout asked for": (lambda q, v: layers.Dropout(0.5)(q, training=True), {"training": True}),
    "dropout of integers": (lambda q, v: layers.Dropout(0.5)(ops.cast(q, "int32")), {}),
    "lstm": (lambda q, v: layers.LSTM(2)(q), NOT_SAID),
    "lstm asked": (lambda q, v: layers.LSTM(8)(q, training=False), {"training": False}),
    "bidirectional": (lambda q, v: layers.Bidirectional(layers.GRU(2))(q), {"mask": None}),
    "batch normalization": (lambda q, v: layers.BatchNormalization()(q), {"mask": None}),
    "batch normalization asked": (lambda q, v: layers.BatchNormalization()(q, training=True), {"training": True}),
    "model of two": (lambda q, v: pair_model()([q, v]), {"mask": [None, None]}),
    "model of two asked": (lambda q, v: pair_model()([q, v], training=True), {"mask": [None, None], "training": True}),
    "flip of integers": (lambda q, v: layers.RandomFlip()(ops.cast(q[..., None], "int32")), {"training": True}),
    "brightness of integers": (lambda q, v: layers.RandomBrightness(0.1)(ops.cast(q[..., None], "int32")), {}),
}


@pytest.mark.parametrize("name", CALLS)
def test_arguments_of_calls_as_keras_writes_them(name):
    call, expected = CALLS[name]
    model = keras.Model([q := keras.Input((4, 8)), v := keras.Input((4, 8))], call(q, v))
    assert model.get_config()["layers"][-1]["inbound_nodes"][0]["kwargs"] == expected
    again = keras.models.model_from_json(model.to_json())
    assert again.get_config() == model.get_config()
    again.set_weights(model.get_weights())
    x = list(np.random.default_rng(0).uniform(0, 2, (2, 3, 4, 8)).astype(np.float32))
    if "additive" not in name and "dropout asked" not in name:
        np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_cells_have_no_number():
    """As in Keras: the layer's name tells them apart, and a cell that the user makes counts alone."""
    keras.utils.clear_session()
    made = [layers.GRU(2), layers.GRU(2), layers.RNN(layers.GRUCell(2)), layers.Bidirectional(layers.GRU(2))]
    for layer in made:
        layer.build((None, 3, 4))
    assert [layer.weights[0].path for layer in made] == [
        "gru/gru_cell/kernel", "gru_1/gru_cell/kernel", "rnn/gru_cell/kernel",
        "bidirectional/forward_gru_2/gru_cell/kernel",
    ]  # fmt: skip


def test_a_dtype_that_an_operation_takes_is_kept():
    x = keras.Input((4,))
    model = keras.Model(
        x, [ops.cast(x, "int32"), ops.cumsum(x, axis=1, dtype="float64"), ops.one_hot(ops.cast(x, "int32"), 3)]
    )
    again = keras.models.model_from_json(model.to_json())
    assert [y.dtype for y in again.outputs] == [y.dtype for y in model.outputs]
    assert again.outputs[0].dtype == "int32"


def test_inputs_of_a_dict_come_in_the_order_of_their_names():
    """As in Keras, which goes through a dict by its sorted keys."""
    b, a = keras.Input((2,), name="b"), keras.Input((3,), name="a")
    model = keras.Model({"b": b, "a": a}, {"z": keras.layers.Dense(1)(a), "y": keras.layers.Dense(4)(b)})
    assert [t.name for t in model.inputs] == ["a", "b"]
    assert [t.shape for t in model.outputs] == [(None, 4), (None, 1)]
    x = {"b": np.ones((5, 2), np.float32), "a": np.zeros((5, 3), np.float32)}
    by_name, by_place = model.predict(x, verbose=0), model.predict([x["a"], x["b"]], verbose=0)
    assert by_name["y"].shape == (5, 4)
    for name, value in by_name.items():
        np.testing.assert_array_equal(value, by_place[name])


def test_a_hundred_inputs_and_outputs():
    inputs = [keras.Input((2,)) for _ in range(100)]
    model = keras.Model(inputs, [layers.Dense(1)(x) for x in inputs])
    model.compile("sgd", ["mse"] * 100)
    x = [np.full((4, 2), i, np.float32) for i in range(100)]
    before = [x[i] @ model.get_weights()[2 * i] for i in range(100)]
    for ours, expected in zip(model.predict(x, verbose=0), before, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-6)
    loss = model.fit(x, [np.zeros((4, 1), np.float32)] * 100, verbose=0).history["loss"][0]
    np.testing.assert_allclose(loss, sum(np.mean(np.square(y)) for y in before), rtol=1e-5)


def test_what_is_too_much_says_what_to_do():
    inputs = [keras.Input((2,)) for _ in range(150)]
    model = keras.Model(inputs, [layers.Dense(1)(x) for x in inputs])
    with pytest.raises(ValueError, match="one for each input and output among them: at most 256 are possible"):
        model.predict([np.ones((4, 2), np.float32)] * 150, verbose=0)


def test_large_integers_beside_tensors_are_no_sizes(tmp_path):
    inputs = keras.Input((2,))
    x = ops.clip((inputs * 1_000_003 + 10_000_000) % 2_000_000_000, 0, 1_500_000_000)
    model = keras.Model(inputs, ops.add(x, ops.full_like(x, 70_000_000)))
    model.save(tmp_path / "m.keras")
    data = np.ones((1, 2), np.float32)
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.predict(data, verbose=0), model.predict(data, verbose=0))


def test_the_value_of_full_like_stands_in_the_call_as_in_keras():
    x = keras.Input((3,))
    model = keras.Model(x, x + ops.full_like(x, 2.5))
    config = model.get_config()
    entry = next(layer for layer in config["layers"] if layer["class_name"] == "FullLike")
    assert entry["config"] == {"name": entry["name"], "dtype": None}
    assert entry["inbound_nodes"][0]["args"][1:] == [2.5]
    again = keras.Model.from_config(config)
    np.testing.assert_array_equal(again.predict(np.ones((2, 3), np.float32), verbose=0), np.full((2, 3), 3.5))
