"""Whatever users pass as data: taken, or refused with the repair in the message, and never written to."""

import numpy as np
import pytest

import fastnn

X = (np.arange(48).reshape(12, 4) % 7).astype(np.float32)
Y = (X.sum(1) > 10).astype(np.int64)


class Frame:
    """What pandas objects look like from here."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)

    def __len__(self):
        return len(self.values)

    def __getitem__(self, name):
        raise KeyError(name)


class Capsule:
    """An array of another library that knows DLPack alone."""

    def __init__(self, values):
        self.values = values

    def __dlpack__(self, **options):
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


def misaligned(x):
    return np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape)


def strided(x):
    wide = np.full((2 * x.shape[0], 3 * x.shape[1]), 99, x.dtype)
    wide[::2, ::3] = x
    return wide[::2, ::3]


KINDS = {
    "strided": strided,
    "reversed": lambda x: np.ascontiguousarray(x[::-1])[::-1],
    "fortran": np.asfortranarray,
    "repeated": lambda x: np.broadcast_to(x[:1], x.shape),
    "read_only": read_only,
    "byte_swapped": lambda x: x.astype(x.dtype.newbyteorder()),
    "misaligned": misaligned,
    "float16": lambda x: x.astype(np.float16),
    "float64": lambda x: x.astype(np.float64),
    "longdouble": lambda x: x.astype(np.longdouble),
    **{t: (lambda x, t=t: x.astype(t)) for t in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "?")},
    "list": lambda x: x.tolist(),
    "subclass": lambda x: x.view(type("Own", (np.ndarray,), {})),
    "memoryview": memoryview,
    "pandas": lambda x: Frame(x),
    "dlpack": lambda x: Capsule(x.copy()),
}


def build(seed=3, units=2, loss="sparse_categorical_crossentropy", activation="softmax"):
    fastnn.utils.set_random_seed(seed)
    model = fastnn.Sequential([
        fastnn.Input((4,)), fastnn.layers.Dense(5, activation="tanh"), fastnn.layers.Dense(units, activation=activation)
    ])  # fmt: skip
    model.compile("adam", loss, metrics=["accuracy"])
    return model


def plain(value):
    """The same numbers as an ordinary array."""
    if isinstance(value, (Frame, Capsule)):
        value = value.values
    return np.ascontiguousarray(np.asarray(value), np.float32)


def bytes_of(value):
    value = value.values if isinstance(value, (Frame, Capsule)) else value
    base = value
    while isinstance(getattr(base, "base", None), np.ndarray):
        base = base.base
    return np.asarray(base).tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_arrays(kind):
    value = KINDS[kind](X)
    before = bytes_of(value)
    expected, model = build(), build()
    np.testing.assert_array_equal(model.predict(value, verbose=0), expected.predict(plain(value), verbose=0))
    histories = []
    for each, x in ((model, value), (expected, plain(value))):
        fastnn.utils.set_random_seed(5)
        histories.append(each.fit(x, Y, epochs=2, batch_size=5, verbose=0).history)
        each.evaluate(x, Y, verbose=0)
        each.train_on_batch(x, Y)
        each.test_on_batch(x, Y)
        each.predict_on_batch(x)
    assert histories[0] == histories[1]
    for a, b in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert bytes_of(value) == before


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("repeated", "dlpack")])
def test_kinds_of_labels(kind):
    y = KINDS[kind](Y.reshape(-1, 1).astype(np.float32))
    before = bytes_of(y)
    expected, model = build(), build()
    for each, labels in ((model, y), (expected, Y)):
        fastnn.utils.set_random_seed(5)
        each.fit(X, labels, epochs=2, batch_size=5, verbose=0)
    for a, b in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert bytes_of(y) == before


REFUSED = {
    "object": (X.astype(object), "astype"),
    "text": (np.full((12, 4), "7"), "not numeric"),
    "string": ("seven", "received the text"),
    "complex": (X.astype(np.complex64), "not numeric"),
    "dates": (np.zeros((12, 4), "M8[s]"), "not numeric"),
    "structured": (np.zeros(12, [("a", "f4"), ("b", "f4")]), "not numeric"),
    "number": (7.0, "one row for each sample"),
    "zero_axes": (np.float32(7), "one row for each sample"),
    "ragged": ([[1.0, 2.0, 3.0, 4.0], [1.0]], "pad them to one length"),
    "list_of_rows": (list(X), r"one input, received 12|shape"),
    "one_sample": (X[0], r"x\[None\]"),
    "empty_list": ([], r"empty|received|shape"),
    "wrong_width": (X[:, :3], r"expected.*4.*received"),
    "wrong_rank": (X[None], r"expected an input of shape \(n, 4\)"),
    "uint64": (np.full((12, 4), 2**64 - 1, np.uint64), "too large"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_inputs(kind):
    value, message = REFUSED[kind]
    model = build()
    before = model.get_weights()
    with pytest.raises((TypeError, ValueError), match=message):
        model.predict(value, verbose=0)
    with pytest.raises((TypeError, ValueError), match=rf"{message}|same number of rows"):
        model.fit(value, Y, verbose=0)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert int(model.optimizer.iterations) == 0


def test_no_data_is_refused():
    model = build()
    for call in (model.predict, model.fit, model.evaluate):
        with pytest.raises((TypeError, ValueError), match=r"None|missing|required"):
            call(None)
    with pytest.raises(ValueError, match="y is missing"):
        model.fit(X, verbose=0)


WRONG_LABELS = {
    "minus_one": (np.where(Y == 1, -1, 0), r"label -1 is outside 0\.\.1"),
    "classes": (np.where(Y == 1, 2, 0), r"label 2 is outside 0\.\.1"),
    "large": (np.where(Y == 1, 2**31 - 1, 0), r"outside 0\.\.1"),
    "too_large": (np.where(Y == 1, 2**31, 0), r"32 bits|outside 0\.\.1"),
    "huge": (np.where(Y == 1, 2**62, 0), r"32 bits|outside 0\.\.1"),
    "large_float": (np.where(Y == 1, 2.0**31, 0), r"outside 0\.\.1"),
    "nan": (np.where(Y == 1, np.nan, 0), r"label nan is no integer"),
    "infinite": (np.where(Y == 1, np.inf, 0), r"label inf is no integer"),
    "half": (np.where(Y == 1, 1.5, 0), r"label 1\.5 is no integer"),
    "one_hot": (np.eye(2)[Y], r"shape|one integer"),
    "one_hot_float": (np.eye(2, dtype=np.float32)[Y], r"shape|one integer"),
    "too_few": (Y[:-1], "same number of rows"),
}


@pytest.mark.parametrize("kind", WRONG_LABELS)
@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch", "profile", "gradients"])
def test_wrong_labels_are_refused(kind, method):
    labels, message = WRONG_LABELS[kind]
    model = build()
    before = model.get_weights()
    options = {"verbose": 0} if method in ("fit", "evaluate") else {}
    with pytest.raises((ValueError, IndexError), match=message):
        getattr(model, method)(X, labels, **options)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert int(model.optimizer.iterations) == 0
    model.fit(X, Y, verbose=0)  # the model is as usable as before


@pytest.mark.parametrize("loss", ["sparse", "function", "from_logits", "stream", "second_fit"])
def test_wrong_labels_are_refused_whatever_the_way(loss):
    wrong = np.where(Y == 1, 7, 0)
    if loss == "function":
        model = build(loss=fastnn.losses.sparse_categorical_crossentropy)
    elif loss == "from_logits":
        model = build(loss=fastnn.losses.SparseCategoricalCrossentropy(from_logits=True), activation=None)
    else:
        model = build()
    if loss == "second_fit":
        model.fit(X, Y, verbose=0)
    before = model.get_weights()
    arguments = (iter([(X, wrong)]),) if loss == "stream" else (X, wrong)
    with pytest.raises((ValueError, IndexError), match=r"7 is outside 0\.\.1"):
        model.fit(*arguments, verbose=0)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_wrong_labels_of_the_second_batch_are_refused_before_the_first():
    """Weights do not move before all labels are known to be right."""
    labels = Y.copy()
    labels[-1] = 9
    model = build()
    before = model.get_weights()
    with pytest.raises(ValueError, match="9 is outside"):
        model.fit(X, labels, batch_size=4, shuffle=False, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_no_rows():
    model = build()
    assert model.predict(X[:0], verbose=0).shape == (0, 2)
    assert model(X[:0]).shape == (0, 2)
    with pytest.raises(ValueError, match=r"rows|empty"):
        model.fit(X[:0], Y[:0], verbose=0)
    with pytest.raises(ValueError, match=r"rows|empty"):
        model.evaluate(X[:0], Y[:0], verbose=0)
    with pytest.raises(ValueError, match="no rows"):
        model.train_on_batch(X[:0], Y[:0])


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, "4", True])
def test_wrong_batch_sizes_are_refused(batch_size):
    with pytest.raises((TypeError, ValueError), match="batch_size"):
        build().fit(X, Y, batch_size=batch_size, verbose=0)


def test_an_axis_of_size_one_may_be_left_out():
    fastnn.utils.set_random_seed(0)
    model = fastnn.Sequential([fastnn.Input((1,)), fastnn.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.linspace(-1, 1, 8)
    np.testing.assert_array_equal(model.predict(x, verbose=0), model.predict(x[:, None], verbose=0))
    np.testing.assert_array_equal(build().predict(X[..., None], verbose=0), build().predict(X, verbose=0))
    model.fit(x, 2 * x, verbose=0)


def test_a_batch_larger_than_the_data():
    model = build()
    model.fit(X, Y, batch_size=10**9, verbose=0)
    assert int(model.optimizer.iterations) == 1


# ---- iterables ---------------------------------------------------------------------------------------------


class Loader:
    """An iterable with a length, as data loaders of other libraries are."""

    def __init__(self, weights=False):
        self.weights = weights

    def __len__(self):
        return 3

    def __iter__(self):
        for i in range(3):
            rows = slice(4 * i, 4 * i + 4)
            yield (X[rows], Y[rows], np.ones(4)) if self.weights else (X[rows], Y[rows])


@pytest.mark.parametrize("source", [Loader(), Loader(True), list(Loader())], ids=["loader", "weights", "list"])
def test_iterables_of_batches(source):
    arrays, stream = build(), build()
    arrays.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    stream.fit(iter([*source, *source]) if isinstance(source, list) else source,
               **({"steps_per_epoch": 3} if isinstance(source, list) else {}), epochs=2, verbose=0)  # fmt: skip
    for a, b in zip(arrays.get_weights(), stream.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    if not isinstance(source, list):
        np.testing.assert_allclose(stream.evaluate(source, verbose=0), arrays.evaluate(X, Y, batch_size=4, verbose=0))
    predicted = stream.predict(iter([b[0] for b in source]), verbose=0)
    np.testing.assert_array_equal(predicted, arrays.predict(X, batch_size=4, verbose=0))


def test_a_generator_that_ends_early_says_so():
    def batches():
        yield X, Y

    model = build()
    used = batches()
    model.fit(used, verbose=0)
    with pytest.raises(ValueError, match="exhausted"):
        model.fit(used, verbose=0)


def test_validation_split_takes_the_last_rows():
    model, other = build(), build()
    for each, options in ((model, {"validation_split": 0.25}), (other, {"validation_data": (X[9:], Y[9:])})):
        fastnn.utils.set_random_seed(4)
        x, y = (X, Y) if each is model else (X[:9], Y[:9])
        history = each.fit(x, y, epochs=2, verbose=0, **options).history
        assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert history == model.history.history
    for fraction in (-0.1, 1.0, 1.5):
        with pytest.raises(ValueError, match="validation_split"):
            model.fit(X, Y, validation_split=fraction, verbose=0)


def test_sample_weights_are_checked():
    model = build()
    with pytest.raises(ValueError, match="same number of rows"):
        model.fit(X, Y, sample_weight=np.ones(5), verbose=0)
    with pytest.raises(ValueError, match="one of the two"):
        model.fit(X, Y, sample_weight=np.ones(12), class_weight={0: 1.0, 1: 2.0}, verbose=0)
