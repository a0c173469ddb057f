"""What models and steps give back: tensors, the input itself, variables, arrays and numbers."""

import numpy as np
import pytest

import fastnn
from fastnn import layers, ops

X = np.arange(15, dtype="float32").reshape(5, 3)
SUMS = X.sum(axis=1, keepdims=True)


def summing():
    return layers.Dense(1, kernel_initializer="ones")


class Giving(fastnn.Model):
    """A model whose output is what a function makes of the input and of its sums."""

    def __init__(self, give):
        super().__init__()
        self.give, self.dense = give, summing()

    def call(self, x):
        return self.give(x, self.dense(x))


def ways(model, x=X):
    """The prediction by each way there is; the model is called once compiled, once as the reference."""
    yield model.predict(x, verbose=0)
    yield model.predict_on_batch(x)
    yield model(x)
    yield model(x)  # the call that was made ready
    for options in ({"engine": "reference"}, {"run_eagerly": True}):
        model.compile(**options)
        yield model.predict(x, verbose=0)
        yield model(x)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda x: ops.full_like(x, 2.5), np.full((5, 3), 2.5, "float32")),
        (ops.zeros_like, np.zeros((5, 3), "float32")),
        (lambda x: x, X),
    ],
)
def test_functional_model_with_an_output_that_is_no_result(make, expected):
    x = layers.Input((3,))
    for first, second in ways(fastnn.Model(x, [make(x), summing()(x)])):
        np.testing.assert_array_equal(first, expected)
        np.testing.assert_array_equal(second, SUMS)
    alone = fastnn.Model(x, make(x))
    np.testing.assert_array_equal(alone.predict(X, batch_size=2, verbose=0), expected)


KEPT = fastnn.Variable(np.arange(10.0).reshape(5, 2), name="kept")


@pytest.mark.parametrize(
    ("give", "expected", "dtype"),
    [
        (lambda x, y: np.full((5, 2), 3.0), np.full((5, 2), 3.0), "float32"),
        (lambda x, y: np.arange(5), np.arange(5), "int32"),
        (lambda x, y: np.array([True, False, True, True, False]), [True, False, True, True, False], "bool"),
        (lambda x, y: x > 6, X > 6, "bool"),
        (lambda x, y: KEPT, np.arange(10.0).reshape(5, 2), "float32"),
        (lambda x, y: x, X, "float32"),
    ],
)
def test_outputs_beside_a_result(give, expected, dtype):
    model = Giving(lambda x, y: {"y": y, "given": give(x, y)})
    for prediction in ways(model):
        assert list(prediction) == ["y", "given"]
        assert prediction["given"].dtype == dtype
        np.testing.assert_array_equal(prediction["given"], expected)
        np.testing.assert_array_equal(prediction["y"], SUMS)


@pytest.mark.parametrize(("give", "value"), [(lambda x, y: 3, 3), (lambda x, y: 2.5, 2.5), (lambda x, y: True, True)])
def test_single_numbers_are_outputs_of_calls_and_not_of_predict(give, value):
    model = Giving(lambda x, y: [y, give(x, y)])
    y, number = model(X)
    assert y.shape == (5, 1)
    assert number.shape == ()
    assert number == value
    for batches in (X, iter([(X,)])):
        with pytest.raises(ValueError, match="output 1 of the model is a single number"):
            model.predict(batches, verbose=0)


def test_none_among_the_outputs_stays_none():
    y, nothing = Giving(lambda x, y: (y, None)).predict(X, batch_size=2, verbose=0)
    np.testing.assert_array_equal(y, SUMS)
    assert nothing is None


def test_text_as_an_output_is_refused():
    with pytest.raises(TypeError, match="give numbers"):
        Giving(lambda x, y: [y, "text"]).predict(X, verbose=0)


@pytest.mark.parametrize("follow", [False, True])
@pytest.mark.parametrize(("rows", "batch_size"), [(5, 5), (4, 2), (5, 2), (1, 2)])
def test_outputs_of_other_lengths_than_the_batch_stand_one_after_the_other(rows, batch_size, follow):
    seen = []
    follower = fastnn.callbacks.LambdaCallback()
    follower.on_predict_batch_end = lambda batch, logs: seen.append(logs["outputs"])
    model = Giving(lambda x, y: [ops.sum(x, axis=0), y])
    sums, y = model.predict(X[:rows], batch_size=batch_size, verbose=0, callbacks=[follower] if follow else None)
    expected = [X[i : min(i + batch_size, rows)].sum(axis=0) for i in range(0, rows, batch_size)]
    np.testing.assert_array_equal(sums, np.concatenate(expected))
    np.testing.assert_array_equal(y, SUMS[:rows])
    for (batch, _), part in zip(seen, expected, strict=follow):
        np.testing.assert_array_equal(batch, part)


def test_outputs_whose_shape_follows_the_batch_size_need_even_batches():
    model = Giving(lambda x, y: x @ ops.transpose(x))
    np.testing.assert_array_equal(model.predict(X[:4], batch_size=2, verbose=0)[2:], X[2:4] @ X[2:4].T)
    with pytest.raises(ValueError, match="choose a batch_size that divides"):
        model.predict(X, batch_size=2, verbose=0)


def test_predict_step_may_give_arrays_and_numbers():
    class Own(Giving):
        def predict_step(self, data):
            return self(data), np.ones(5), data

    y, ones, x = Own(lambda x, y: y).predict(X, verbose=0)
    np.testing.assert_array_equal(y, SUMS)
    np.testing.assert_array_equal(ones, np.ones(5))
    np.testing.assert_array_equal(x, X)


@pytest.mark.parametrize("options", [{}, {"engine": "reference"}, {"run_eagerly": True}])
def test_steps_may_give_arrays_and_numbers(options):
    class Own(Giving):
        def train_step(self, data):
            return {"number": 3, "array": np.float32(2.5), "computed": ops.sum(ops.full((2,), 2.0))}

        test_step = train_step

    model = Own(lambda x, y: y)
    model.compile("sgd", "mse", **options)
    expected = {"number": 3.0, "array": 2.5, "computed": 4.0}
    assert model.fit(X, SUMS, verbose=0).history == {name: [value] for name, value in expected.items()}
    assert model.evaluate(X, SUMS, verbose=0, return_dict=True) == expected


@pytest.mark.parametrize("make", [lambda x: ops.full_like(x, 2.5), lambda x: x])
def test_training_with_a_loss_for_an_output_that_is_no_result(make):
    x = layers.Input((3,))
    model = fastnn.Model(x, {"same": make(x), "y": summing()(x)})
    model.compile("sgd", {"same": "mse", "y": "mse"})
    logs = model.evaluate(X, {"same": X, "y": SUMS + 1}, verbose=0, return_dict=True)
    error = np.mean((model.predict(X, verbose=0)["same"] - X) ** 2)
    assert logs["loss"] == pytest.approx(error + 1, rel=1e-6)
    model.fit(X, {"same": X, "y": SUMS + 1}, verbose=0)


@pytest.mark.parametrize("loss", [lambda y, y_pred: 3.0, lambda y, y_pred: ops.zeros(5)])
def test_a_loss_that_is_a_number_cannot_be_trained_on(loss):
    model = fastnn.Sequential([layers.Input((3,)), summing()])
    model.compile("sgd", loss)
    with pytest.raises(ValueError, match="the loss depends on none of the variables"):
        model.fit(X, SUMS, verbose=0)


def test_compute_loss_may_give_a_number():
    class Own(Giving):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return 0.5

    model = Own(lambda x, y: y)
    model.compile("sgd", "mse")
    assert model.evaluate(X, SUMS, verbose=0) == 0.5


def test_batches_without_numbers_reach_callbacks():
    shapes = []
    follower = fastnn.callbacks.LambdaCallback()
    follower.on_predict_batch_end = lambda batch, logs: shapes.append(logs["outputs"].shape)
    model = fastnn.Sequential([layers.Input((0, 3)), layers.ReLU()])
    model.predict(np.zeros((4, 0, 3)), batch_size=2, verbose=0, callbacks=[follower])
    assert shapes == [(2, 0, 3)] * 2
