"""Iterables of batches: PyDataset, generators, loaders; cut into epochs."""

import threading

import numpy as np
import pytest

import fastnn
from fastnn import layers

X = (np.arange(48).reshape(12, 4) % 7).astype(np.float32)
Y = (X.sum(1) > 10).astype(np.int64)
W = np.linspace(0.5, 2, 12).astype(np.float32)


def build():
    fastnn.utils.set_random_seed(3)
    model = fastnn.Sequential([fastnn.Input((4,)), layers.Dense(5, activation="tanh"), layers.Dense(2, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    return model


class Rows(fastnn.utils.PyDataset):
    """Batches of 4 rows, and a record of what was asked for."""

    def __init__(self, weights=False, **options):
        super().__init__(**options)
        self.weights, self.asked, self.threads, self.epochs = weights, [], set(), [0, 0]

    def __len__(self):
        return 3

    def __getitem__(self, i):
        self.asked.append(i)
        self.threads.add(threading.current_thread())
        rows = slice(4 * i, 4 * i + 4)
        return (X[rows], Y[rows], W[rows]) if self.weights else (X[rows], Y[rows])

    def on_epoch_begin(self):
        self.epochs[0] += 1

    def on_epoch_end(self):
        self.epochs[1] += 1


def same_weights(a, b):
    for one, other in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_py_dataset_is_as_good_as_its_arrays(weights, workers):
    arrays, model, data = build(), build(), Rows(weights, workers=workers)
    sample_weight = {"sample_weight": W} if weights else {}
    expected = arrays.fit(
        X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0, **sample_weight,
        validation_data=(X, Y, *sample_weight.values()), validation_batch_size=4,
    ).history  # fmt: skip
    found = model.fit(data, epochs=2, shuffle=False, verbose=0, validation_data=Rows(weights)).history
    assert found == expected
    same_weights(model, arrays)
    assert data.asked == [0, 1, 2] * 2 or (workers > 1 and sorted(data.asked) == [0, 0, 1, 1, 2, 2])
    assert data.epochs == [2, 2]
    assert (threading.main_thread() in data.threads) == (workers == 1)
    assert model.evaluate(data, verbose=0) == arrays.evaluate(X, Y, batch_size=4, verbose=0, **sample_weight)
    np.testing.assert_array_equal(model.predict(data, verbose=0), arrays.predict(X, batch_size=4, verbose=0))


def test_the_batches_of_a_py_dataset_are_shuffled():
    orders = []
    for _ in range(2):
        data = Rows()
        fastnn.utils.set_random_seed(1)
        build().fit(data, epochs=8, verbose=0)
        epochs = [tuple(data.asked[i : i + 3]) for i in range(0, 24, 3)]
        assert all(sorted(epoch) == [0, 1, 2] for epoch in epochs) and len(set(epochs)) > 1
        orders.append(epochs)
    assert orders[0] == orders[1]


def test_a_py_dataset_without_an_end():
    class Endless(Rows):
        num_batches = None
        __len__ = None

        def __getitem__(self, i):
            return super().__getitem__(i % 3)

    data, model, arrays = Endless(), build(), build()
    model.fit(data, steps_per_epoch=2, epochs=3, verbose=0)
    arrays.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    same_weights(model, arrays)


def test_what_looks_like_a_py_dataset_is_one():
    class Other:
        def __len__(self):
            return 3

        __getitem__ = Rows.__getitem__
        weights, asked, threads = False, [], set()

        def on_epoch_end(self):
            self.asked.append("end")

    build().fit(Other(), shuffle=False, epochs=2, verbose=0)
    assert Other.asked == [0, 1, 2, "end"] * 2


def test_missing_methods_have_names():
    class Nothing(fastnn.utils.Sequence):
        pass

    with pytest.raises(NotImplementedError, match="__len__"):
        build().fit(Nothing(), verbose=0)
    Nothing.__len__ = lambda self: 1
    with pytest.raises(NotImplementedError, match="__getitem__"):
        build().fit(Nothing(), verbose=0)


def test_an_error_in_a_worker_reaches_the_user():
    class Broken(Rows):
        def __getitem__(self, i):
            if i == 1:
                raise OSError("no such picture")
            return super().__getitem__(i)

    for workers in (1, 2):
        with pytest.raises(OSError, match="no such picture"):
            build().fit(Broken(workers=workers), shuffle=False, verbose=0)


# ---- generators --------------------------------------------------------------------------------------------


def batches(rounds=1, size=4):
    for _ in range(rounds):
        for start in range(0, 12, size):
            yield X[start : start + size], Y[start : start + size]


def test_no_batch_of_a_generator_is_lost():
    model = build()
    source = batches(2)
    expected = model.evaluate(X[:8], Y[:8], batch_size=4, verbose=0)
    assert model.evaluate(source, steps=2, verbose=0) == expected
    np.testing.assert_array_equal(next(source)[0], X[8:])
    source = (x for x, _ in batches(2))
    assert len(model.predict(source, steps=2, verbose=0)) == 8
    np.testing.assert_array_equal(next(source), X[8:])


def test_epochs_go_on_where_the_last_one_ended():
    model, arrays = build(), build()
    source = batches(4)
    model.fit(source, steps_per_epoch=4, epochs=3, verbose=0)
    arrays.fit(X, Y, batch_size=4, epochs=4, shuffle=False, verbose=0)
    same_weights(model, arrays)
    with pytest.raises(StopIteration):
        next(source)


def test_a_generator_that_runs_dry_says_so():
    model = build()
    with pytest.warns(UserWarning, match="ran out of batches after 1 of 2 steps") as found:
        history = model.fit(batches(), steps_per_epoch=2, epochs=4, verbose=0).history
    assert "gave none: it may be exhausted after 2 epochs" in str(found[-1].message)
    assert len(history["loss"]) == 2 and int(model.optimizer.iterations) == 3
    with pytest.warns(UserWarning, match="after 1 epochs"):
        history = model.fit(batches(), epochs=4, verbose=0).history
    assert len(history["loss"]) == 1
    for call in (model.evaluate, model.predict):
        with pytest.raises(ValueError, match="gave none"):
            call(iter(()), verbose=0)


def test_a_loader_shorter_than_the_epochs_is_begun_again():
    class Loader:
        passes = 0

        def __iter__(self):
            self.passes += 1
            return batches()

    loader, model, arrays = Loader(), build(), build()
    model.fit(loader, steps_per_epoch=3, epochs=2, verbose=0)
    arrays.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    same_weights(model, arrays)
    assert loader.passes == 2


def test_validation_with_generators():
    model = build()
    history = model.fit(X, Y, epochs=2, verbose=0, validation_data=batches(2), validation_steps=3).history
    assert len(history["val_loss"]) == 2
    with pytest.raises(ValueError, match="validation_steps"):
        model.fit(X, Y, epochs=2, verbose=0, validation_data=batches())
    model.fit(X, Y, epochs=1, verbose=0, validation_data=batches())


def test_class_weights_of_batches():
    model, arrays = build(), build()
    weight = {0: 1.0, 1: 4.0}
    found = model.fit(Rows(), shuffle=False, class_weight=weight, verbose=0).history
    assert found == arrays.fit(X, Y, batch_size=4, shuffle=False, class_weight=weight, verbose=0).history
    same_weights(model, arrays)
    with pytest.raises(ValueError, match="one of the two"):
        model.fit(Rows(weights=True), class_weight=weight, verbose=0)
    with pytest.raises(ValueError, match="must come with the batches"):
        model.fit(Rows(), sample_weight=W, verbose=0)


def test_dicts_of_inputs_targets_and_weights():
    def model():
        fastnn.utils.set_random_seed(3)
        a, b = fastnn.Input((4,), name="a"), fastnn.Input((4,), name="b")
        outputs = {"sum": layers.Dense(1, name="sum")(a + b), "label": layers.Dense(2, "softmax", name="label")(a)}
        made = fastnn.Model({"a": a, "b": b}, outputs)
        made.compile(
            "adam", {"sum": "mse", "label": "sparse_categorical_crossentropy"}, weighted_metrics={"sum": ["mae"]}
        )
        return made

    def cut(rows):
        x = {"a": X[rows], "b": X[rows] * 2}
        return x, {"label": Y[rows], "sum": X[rows].sum(1)}, {"sum": W[rows], "label": W[rows] ** 2}

    x, y, w = cut(slice(None))
    arrays, stream = model(), model()
    expected = arrays.fit(
        x, y, sample_weight=w, batch_size=4, epochs=2, shuffle=False, verbose=0, validation_data=(x, y, w)
    ).history
    source = [cut(slice(i, i + 4)) for i in (0, 4, 8)]
    found = stream.fit(
        iter(source * 2), steps_per_epoch=3, epochs=2, verbose=0, validation_data=iter([(x, y, w)] * 2),
        validation_steps=1,
    ).history  # fmt: skip
    assert list(found) == list(expected)
    for name, column in expected.items():
        np.testing.assert_allclose(found[name], column, rtol=1e-6)
    same_weights(stream, arrays)
    split = model().fit(x, y, sample_weight=w, validation_split=0.25, verbose=0).history
    assert set(split) == set(expected)


# ---- other libraries' loaders ------------------------------------------------------------------------------


def loader_of_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    return torch.utils.data.DataLoader(data, batch_size=4)


def dataset_of_tensorflow():
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)


@pytest.mark.parametrize("loader", [loader_of_torch, dataset_of_tensorflow])
def test_loaders_of_other_libraries(loader):
    source, model, arrays = loader(), build(), build()
    found = model.fit(source, epochs=2, verbose=0, validation_data=source).history
    expected = arrays.fit(
        X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0, validation_data=(X, Y), validation_batch_size=4
    ).history
    assert found == expected
    same_weights(model, arrays)
    assert model.evaluate(source, verbose=0) == arrays.evaluate(X, Y, batch_size=4, verbose=0)
    np.testing.assert_array_equal(model.predict(source, verbose=0), arrays.predict(X, batch_size=4, verbose=0))


def test_tensors_of_other_libraries():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    model, arrays = build(), build()
    model.fit(torch.from_numpy(X), torch.from_numpy(Y), shuffle=False, verbose=0)
    arrays.fit(X, Y, shuffle=False, verbose=0)
    same_weights(model, arrays)


def test_data_frames():
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pd.DataFrame(X.astype("float64"), columns=list("abcd"))
    frame["a"] = frame["a"].astype("int64")
    model, arrays = build(), build()
    weight = pd.Series(W)
    found = model.fit(frame, pd.Series(Y), sample_weight=weight, shuffle=False, epochs=2, verbose=0).history
    assert found == arrays.fit(X, Y, sample_weight=W, shuffle=False, epochs=2, verbose=0).history
    same_weights(model, arrays)
    np.testing.assert_array_equal(model.predict(frame, verbose=0), arrays.predict(X, verbose=0))
    with pytest.raises(TypeError, match="astype"):
        model.predict(frame.assign(a="text"), verbose=0)
