"""Sequential: how it is put together, built, taken apart and copied."""

import numpy as np
import pytest

import fastnn

X = np.random.default_rng(1).standard_normal((6, 4)).astype(np.float32)


def layers():
    return [
        fastnn.layers.Dense(5, activation="relu", name="first"), fastnn.layers.BatchNormalization(name="norm"),
        fastnn.layers.Dense(3, name="last"),
    ]  # fmt: skip


def test_list_and_add_give_the_same_model():
    fastnn.utils.set_random_seed(1)
    a = fastnn.Sequential([fastnn.Input((4,), name="in"), *layers()], name="net")
    fastnn.utils.set_random_seed(1)
    b = fastnn.Sequential(name="net")
    b.add(fastnn.Input((4,), name="in"))
    for layer in layers():
        b.add(layer)
    assert [layer.name for layer in a.layers] == ["first", "norm", "last"]
    assert a.input_shape == b.input_shape == (None, 4)
    assert a.output_shape == b.output_shape == (None, 3)
    np.testing.assert_array_equal(a.predict(X, verbose=0), b.predict(X, verbose=0))
    assert a.get_config() == b.get_config()


@pytest.mark.parametrize("way", ["__call__", "predict", "fit", "build", "evaluate"])
def test_a_model_without_input_is_built_at_first_use(way):
    model = fastnn.Sequential(layers())
    model.compile("sgd", "mse")
    assert not model.built
    assert model.weights == []
    with pytest.raises(ValueError, match="not built"):
        model.set_weights([X])
    with pytest.raises(AttributeError, match="not built"):
        _ = model.input_shape
    if way == "build":
        model.build((None, 4))
    elif way in ("fit", "evaluate"):
        getattr(model, way)(X, X[:, :3], verbose=0)
    else:
        getattr(model, way)(X)
    assert model.built
    assert [v.shape for v in model.weights] == [(4, 5), (5,), (5,), (5,), (5,), (5,), (5, 3), (3,)]
    assert model.predict(X, verbose=0).shape == (6, 3)


def test_build_says_what_is_missing():
    with pytest.raises(ValueError, match="no layers"):
        fastnn.Sequential().build((None, 4))
    with pytest.raises(ValueError, match=r"needs the input's shape"):
        fastnn.Sequential(layers()).build()


def test_add_after_use_and_pop():
    model = fastnn.Sequential([fastnn.Input((4,)), fastnn.layers.Dense(5, name="a")])
    first = model.predict(X, verbose=0)
    model.add(fastnn.layers.Dense(2, name="b"))
    assert model.predict(X, verbose=0).shape == (6, 2)
    assert model.pop().name == "b"
    np.testing.assert_array_equal(model.predict(X, verbose=0), first)
    model.pop()
    assert model.layers == []
    model.pop()
    with pytest.raises(ValueError, match="no layer to pop"):
        model.pop()


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda m: m.add("dense"), TypeError, "only layers can be added"),
        (lambda m: m.add(fastnn.layers.Dense), TypeError, "only layers can be added"),
        (lambda m: m.add(fastnn.Input((3,))), ValueError, "Input must come first"),
        (lambda m: m.add(m.layers[0]), ValueError, "names must differ"),
        (lambda m: m.add(fastnn.layers.Dense(2, name="first")), ValueError, "names must differ"),
        (lambda m: m.get_layer("nowhere"), ValueError, "first"),
        (lambda m: m.get_layer(), ValueError, "a name or an index"),
        (lambda m: m.set_weights([]), ValueError, "expects 8 arrays, received 0"),
        (lambda m: m.set_weights([w.T for w in m.get_weights()]), ValueError, r"first/kernel has shape \(4, 5\)"),
        (lambda m: m.fit(X, X), ValueError, "compile"),
        (lambda m: m.evaluate(X, X), ValueError, "compile"),
        (lambda m: m.train_on_batch(X, X), ValueError, "compile"),
    ],
)
def test_mistakes(wrong, error, message):
    model = fastnn.Sequential([fastnn.Input((4,)), *layers()])
    before = model.get_weights()
    with pytest.raises(error, match=message):
        wrong(model)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_are_copies_both_ways():
    model = fastnn.Sequential([fastnn.Input((4,)), *layers()])
    weights = model.get_weights()
    weights[0][...] = 7
    assert not (model.get_weights()[0] == 7).any()
    model.set_weights(weights)
    weights[0][...] = 8
    assert (model.get_weights()[0] == 7).all()


def test_nested_models():
    deep = fastnn.layers.Dense(5, name="deep")
    inner = fastnn.Sequential([fastnn.Input((4,)), deep, fastnn.layers.Dropout(0.5)], name="in")
    model = fastnn.Sequential([fastnn.Input((4,)), inner, fastnn.layers.Dense(2, name="top")])
    assert len(model.weights) == 4
    assert model.get_layer("in") is inner
    expected = inner.predict(X, verbose=0) @ model.weights[2].value + model.weights[3].value
    np.testing.assert_allclose(model.predict(X, verbose=0), expected, rtol=1e-5, atol=1e-6)
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(X, X[:, :2], verbose=0)
    assert all((a != b).any() for a, b in zip(model.get_weights()[::2], before[::2], strict=True))
    inner.trainable = False
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(X, X[:, :2], verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    assert (model.get_weights()[2] != before[2]).any()


@pytest.mark.parametrize("built", [True, False])
def test_configuration_round_trip(built):
    first = [fastnn.Input((4,))] if built else []
    inner = fastnn.Sequential([fastnn.layers.Dense(4), fastnn.layers.Activation("tanh")], name="inner")
    model = fastnn.Sequential([*first, inner, *layers()], name="net")
    copy = fastnn.Sequential.from_config(model.get_config())
    assert copy.name == "net"
    assert copy.built is model.built
    if not built:
        model(X)
        copy(X)
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy.predict(X, verbose=0), model.predict(X, verbose=0))
    assert copy.get_config() == model.get_config()


def test_training_argument_reaches_the_layers():
    model = fastnn.Sequential([fastnn.Input((4,)), fastnn.layers.Dropout(0.5)])
    x = np.ones((50, 4), np.float32)
    np.testing.assert_array_equal(model(x), x)
    np.testing.assert_array_equal(model(x, training=False), x)
    once, again = model(x, training=True), model(x, training=True)
    assert set(np.unique(once)) == {0, 2}
    assert (once != again).any()


def test_frozen_batch_normalization_uses_its_averages():
    model = fastnn.Sequential([fastnn.Input((4,)), fastnn.layers.BatchNormalization()])
    model.layers[0].trainable = False
    before = model.get_weights()
    np.testing.assert_allclose(model(X, training=True), model(X, training=False))
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_one_layer_twice_in_two_models_shares_its_weights():
    shared = fastnn.layers.Dense(3)
    a = fastnn.Sequential([fastnn.Input((4,)), shared])
    b = fastnn.Sequential([fastnn.Input((4,)), shared, fastnn.layers.Activation("relu")])
    a.compile("sgd", "mse")
    a.fit(X, X[:, :3], verbose=0)
    np.testing.assert_array_equal(b.predict(X, verbose=0), np.maximum(a.predict(X, verbose=0), 0))
    b.compile("sgd", "mse")
    b.fit(X, X[:, :3], verbose=0)
    np.testing.assert_array_equal(b.predict(X, verbose=0), np.maximum(a.predict(X, verbose=0), 0))
