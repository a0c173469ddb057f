"""Models of several outputs with losses, weights and metrics in every arrangement; `k` is Keras or fastnn.

`answers` gives what a model logs and what it becomes, so that both can be compared.
"""

from dataclasses import dataclass, field

import numpy as np

_rng = np.random.default_rng(0)
X = _rng.normal(size=(12, 4)).astype("float32")
A = _rng.normal(size=(12, 3)).astype("float32")
B = _rng.integers(0, 2, size=(12, 2)).astype("float32")
LABELS = _rng.integers(0, 3, 12)
W = np.arange(12).astype("float32")
BACK = W[::-1].copy()


def functional(arrange):
    """Dense layers zed (3) and bee (2) on one input, their outputs arranged by a function."""

    def build(k):
        x = k.Input((4,), name="in")
        a = k.layers.Dense(3, name="zed")(x)
        return k.Model(x, arrange(a, k.layers.Dense(2, activation="sigmoid", name="bee")(x)))

    return build


def subclass(arrange):
    """The same as a subclass of Model."""

    def build(k):
        class Two(k.Model):
            def __init__(self):
                super().__init__()
                self.a = k.layers.Dense(3, name="zed")
                self.b = k.layers.Dense(2, activation="sigmoid", name="bee")

            def call(self, x):
                return arrange(self.a(x), self.b(x))

        model = Two()
        model(X)
        return model

    return build


def classifier(k):
    return k.Sequential([k.Input((4,)), k.layers.Dense(3, activation="softmax", name="zed")])


def penalized(k):
    """Penalties of weights and outputs, by class and by function, and a loss that a layer adds."""

    class Small(k.layers.Layer):
        def call(self, x):
            self.add_loss(0.1 * k.ops.mean(k.ops.square(x)))
            return x

    x = k.Input((4,))
    y = k.layers.Dense(3, kernel_regularizer="l2", bias_regularizer=lambda b: 0.3 * k.ops.sum(k.ops.square(b - 1.0)))(x)
    y = k.layers.Dense(3, activity_regularizer=k.regularizers.L1(0.02))(Small()(y))
    return k.Model(x, y)


def frozen(k):
    """A layer that is not trained, and one whose weights were frozen inside."""
    x = k.Input((4,))
    y = k.layers.Dense(5, activation="tanh", trainable=False)(x)
    y = k.layers.BatchNormalization()(y)
    inner = k.Sequential([k.layers.Dense(4), k.layers.BatchNormalization()])
    y = inner(y)
    inner.trainable = False
    return k.Model(x, k.layers.Dense(3)(y))


def mean_abs(k):
    def my_metric(y_true, y_pred):
        return k.ops.mean(k.ops.abs(y_true - y_pred), axis=-1)

    return my_metric


def quartic(k):
    class Quartic(k.losses.Loss):
        def __init__(self, factor=1.0, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor

        def call(self, y_true, y_pred):
            return self.factor * k.ops.mean((y_true - y_pred) ** 4, axis=-1)

    return Quartic


def largest(k):
    class Largest(k.metrics.Metric):
        def __init__(self, name="largest", **kwargs):
            super().__init__(name=name, **kwargs)
            self.worst = self.add_variable((), "zeros", name="worst")

        def update_state(self, y_true, y_pred, sample_weight=None):
            error = k.ops.abs(y_true - y_pred)
            self.worst.assign(k.ops.maximum(self.worst, k.ops.max(error)))

        def result(self):
            return self.worst * 1.0

    return Largest()


def as_list(a, b):
    return [a, b]


def as_tuple(a, b):
    return (a, b)


def as_dict(a, b):
    return {"z_key": a, "b_key": b}


def first(a, b):
    return a


BOTH = {"z_key": A, "b_key": B}


@dataclass(frozen=True)
class Case:
    """A model, the arguments of `compile` (a function of k where they need it), targets, and what else `fit` gets."""

    name: str
    build: object
    compile: object
    y: object
    fit: dict = field(default_factory=dict)


CASES = [
    Case("list_one_loss", functional(as_list), {"loss": "mse"}, [A, B]),
    Case("list", functional(as_list), {"loss": ["mse", "mae"], "metrics": [["mae"], ["mse", "accuracy"]]}, [A, B]),
    Case("list_tuple_y", functional(as_list), {"loss": ["mse", "mae"], "metrics": ["mae", "mse"]}, (A, B)),
    Case(
        "list_dict_loss",
        functional(as_list),
        {
            "loss": {"zed": "mse", "bee": "binary_crossentropy"}, "loss_weights": {"zed": 2.0, "bee": 0.5},
            "metrics": {"bee": ["accuracy", "AUC"]},
        },
        [A, B],
    ),
    Case(
        "list_dict_y",
        functional(as_list),
        {"loss": {"zed": "mse", "bee": "binary_crossentropy"}, "metrics": {"zed": "mae", "bee": ["accuracy"]}},
        {"zed": A, "bee": B},
    ),
    Case(
        "list_weights",
        functional(as_list),
        {
            "loss": ["mse", "mae"], "loss_weights": [0.3, 0.7], "metrics": [["mae"], []],
            "weighted_metrics": [["mae"], ["mse"]],
        },
        [A, B],
    ),
    Case("list_none_loss", functional(as_list), {"loss": ["mse", None], "metrics": [["mae"], None]}, [A, B]),
    Case(
        "list_sample_weight",
        functional(as_list),
        {"loss": ["mse", "mae"], "weighted_metrics": [["mae"], ["mse"]]},
        [A, B],
        {"sample_weight": W},
    ),
    Case(
        "list_sample_weights",
        functional(as_list),
        {"loss": ["mse", "mae"], "weighted_metrics": [["mae"], ["mse"]]},
        [A, B],
        {"sample_weight": [W, BACK]},
    ),
    Case(
        "list_objects",
        functional(as_list),
        lambda k: {
            "loss": [k.losses.MeanSquaredError(name="alpha"), k.losses.Huber()],
            "metrics": [[k.metrics.MeanAbsoluteError(name="own")], [k.metrics.BinaryAccuracy()]],
        },
        [A, B],
    ),
    Case(
        "dict",
        functional(as_dict),
        {"loss": {"z_key": "mse", "b_key": "mae"}, "metrics": {"b_key": ["mse"], "z_key": ["mae"]}},
        BOTH,
    ),
    Case("dict_one_loss", functional(as_dict), {"loss": "mse"}, BOTH),
    Case("dict_partial", functional(as_dict), {"loss": {"z_key": "mse"}, "metrics": {"z_key": ["mae"]}}, BOTH),
    Case(
        "dict_weights",
        functional(as_dict),
        {"loss": {"z_key": "mse", "b_key": "mae"}, "loss_weights": {"z_key": 0.25, "b_key": 3.0}},
        BOTH,
    ),
    Case(
        "dict_sample_weights",
        functional(as_dict),
        {"loss": {"z_key": "mse", "b_key": "mae"}, "weighted_metrics": {"b_key": ["mse"], "z_key": ["mae"]}},
        BOTH,
        {"sample_weight": {"z_key": W, "b_key": BACK}},
    ),
    Case(
        "one",
        functional(first),
        lambda k: {"loss": "mse", "metrics": ["mae", mean_abs(k), k.metrics.MeanSquaredError(name="own"), largest(k)]},
        A,
    ),
    Case("one_dict_loss", functional(first), {"loss": {"zed": "mse"}, "metrics": {"zed": ["mae"]}}, A),
    Case("one_in_list", functional(lambda a, b: [a]), {"loss": ["mse"], "metrics": [["mae"]]}, [A]),
    Case(
        "one_in_dict",
        functional(lambda a, b: {"z_key": a}),
        {"loss": {"z_key": "mse"}, "metrics": {"z_key": ["mae"]}},
        {"z_key": A},
    ),
    Case("own_list", subclass(as_list), {"loss": ["mse", "mae"], "metrics": [["mae"], ["mse"]]}, [A, B]),
    Case(
        "own_tuple",
        subclass(as_tuple),
        lambda k: {"loss": ["mse", mean_abs(k)], "metrics": [["mae"], ["mse"]]},
        (A, B),
    ),
    Case(
        "own_dict",
        subclass(as_dict),
        lambda k: {
            "loss": {"z_key": "mse", "b_key": "mae"}, "metrics": {"z_key": ["mae"], "b_key": ["mse", mean_abs(k)]}
        },
        BOTH,
    ),
    Case(
        "own_one",
        subclass(first),
        lambda k: {"loss": mean_abs(k), "metrics": [mean_abs(k)], "weighted_metrics": ["mae"]},
        A,
        {"sample_weight": W},
    ),
    Case(
        "one_name_twice",
        functional(first),
        {"loss": "mse", "metrics": ["mae", "mse"], "weighted_metrics": ["mae"]},
        A,
        {"sample_weight": W},
    ),
    Case(
        "own_losses",
        functional(as_list),
        lambda k: {"loss": [quartic(k)(0.5), quartic(k)(reduction="sum", name="sums")], "loss_weights": [0.1, 0.2]},
        [A, B],
    ),
    Case(
        "class_weight",
        classifier,
        {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"], "weighted_metrics": ["accuracy"]},
        LABELS,
        {"class_weight": {0: 1.0, 1: 5.0, 2: 0.5}},
    ),
    Case("crossentropy", classifier, {"loss": "crossentropy", "metrics": ["acc"]}, LABELS),
    Case("penalties", penalized, {"loss": "mse", "metrics": ["mse"]}, A),
    Case("frozen", frozen, {"loss": "mse"}, A),
]  # fmt: skip


def answers(k, case):
    """What a model logs, and its weights, after an epoch and a batch more."""
    model = case.build(k)
    model.set_weights([np.linspace(-1, 1, max(w.size, 2), dtype="float32")[: w.size].reshape(w.shape)
                       for w in model.get_weights()])  # fmt: skip
    options = case.compile if isinstance(case.compile, dict) else case.compile(k)
    model.compile(k.optimizers.SGD(0.05), **options)
    weights = {name: value for name, value in case.fit.items() if name == "sample_weight"}
    history = model.fit(X, case.y, batch_size=4, shuffle=False, verbose=0, **case.fit).history
    return {
        "history": {name: float(column[0]) for name, column in history.items()},
        "metrics_names": list(model.metrics_names),
        "results": numbers(model.evaluate(X, case.y, batch_size=5, verbose=0, return_dict=True, **weights)),
        "listed": np.ravel(model.evaluate(X, case.y, batch_size=5, verbose=0, **weights)).tolist(),
        "batch": numbers(model.train_on_batch(X, case.y, return_dict=True, **weights)),
        "weights": [float(n) for w in model.get_weights() for n in np.ravel(w)],
    }


def numbers(logs):
    return {name: float(value) for name, value in logs.items()}
