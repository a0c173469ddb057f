"""Models in which masks go from layer to layer; `k` is Keras or fastnn."""

from dataclasses import dataclass

import cases
import numpy as np


@dataclass(frozen=True)
class MaskedModel:
    """A model of sequences of different lengths, filled up with 0.

    inputs: (kind, shape) for each; "words" are integers in 0..6, "steps" are floats; the last elements of most samples
    are 0.  "plain" is not filled up.
    target: (kind, shape), see `cases.values`.
    weights: shape of the sample weights, if there are any.
    warns: the words of the warning that calls for attention, if Keras and fastnn give one.
    """

    name: str
    build: cases.Build
    inputs: tuple
    target: tuple
    loss: object = "mse"
    metrics: tuple = ("mae",)
    weighted_metrics: tuple = ()
    weights: tuple | None = None
    warns: str | None = None

    def data(self):
        """(inputs, targets, sample weights or None)."""
        rng = cases.random_of(f"masking/{self.name}")
        x = [_drawn(kind, rng, shape) for kind, shape in self.inputs]
        y = cases.values(self.target[0], rng, self.target[1], 3)
        return x, y, None if self.weights is None else cases.values("positive", rng, self.weights)

    def compiled(self, k, **options):
        """The model, ready for training with SGD."""
        model = self.build(k)
        loss = self.loss if isinstance(self.loss, str) else self.loss(k)
        metrics = [m if isinstance(m, str) else m(k) for m in self.metrics]
        weighted = list(self.weighted_metrics) or None
        model.compile(k.optimizers.SGD(0.1), loss, metrics=metrics, weighted_metrics=weighted, **options)
        return model


def _drawn(kind, rng, shape):
    if kind == "plain":
        return cases.ladder(rng, shape)
    x = rng.integers(1, 7, shape).astype(np.int32) if kind == "words" else cases.ladder(rng, shape)
    x[0, -2:] = 0
    x[1, -1:] = 0
    x[-1, 1:2] = 0
    return x


WORDS, STEPS, LABELS = ("words", (4, 5)), ("steps", (4, 5, 3)), ("label", (4, 5))


def _words(k, name="words"):
    return k.Input((5,), dtype="int32", name=name)


def _embedded(k, x, words=7):
    return k.layers.Embedding(words, 4, mask_zero=True)(x)


def _classes(k):
    """A class for each word."""
    L = k.layers
    return k.Sequential(
        [_words(k), L.Embedding(7, 4, mask_zero=True), L.Dense(5, "relu"), L.Dense(3), L.Activation("softmax")]
    )


def _recurrent(layer):
    def build(k):
        x = words = _words(k)
        x = layer(k.layers)(_embedded(k, x))
        return k.Model(words, k.layers.TimeDistributed(k.layers.Dense(2))(x))

    return build


def _pooled(k):
    """Of steps that are there."""
    x = steps = k.Input((5, 3))
    x = k.layers.Dense(4, "tanh")(k.layers.Masking()(x))
    return k.Model(steps, k.layers.Dense(2)(k.layers.GlobalAveragePooling1D(keepdims=True)(x)))


def _normalized(k):
    L = k.layers
    layers = [k.Input((5, 3)), L.Masking(), L.BatchNormalization(momentum=0.8), L.GRU(4, return_sequences=True)]
    return k.Sequential([*layers, L.BatchNormalization(), L.Dense(2)])


def _chain(k):
    """Layers that pass a mask on."""
    L = k.layers
    layers = [
        L.LayerNormalization(), L.Dropout(0.0), L.GaussianNoise(0.0), L.GaussianDropout(0.0), L.AlphaDropout(0.0),
        L.SpatialDropout1D(0.0), L.Activation("tanh"), L.UnitNormalization(), L.ELU(), L.LeakyReLU(0.2),
        L.PReLU("ones"), L.GroupNormalization(2), L.ActivityRegularization(0.01), L.Identity(), L.Rescaling(2.0),
        L.ReLU(negative_slope=0.5), L.Dense(2),
    ]  # fmt: skip
    x = words = _words(k)
    x = _embedded(k, x)
    for layer in layers:
        x = layer(x)
    return k.Model(words, x)


def _attention(k):
    query, value = _words(k, "query"), _words(k, "value")
    embedding = k.layers.Embedding(7, 4, mask_zero=True)
    x = k.layers.Attention(use_scale=True)([embedding(query), embedding(value)])
    y = k.layers.AdditiveAttention()([x, embedding(value)], use_causal_mask=True)
    return k.Model([query, value], k.layers.Dense(2)(y))


def _heads(layer):
    """A block of a transformer."""

    def build(k):
        L = k.layers
        words = _words(k)
        x = _embedded(k, words)
        x = L.LayerNormalization()(L.Add()([x, layer(L)(x, x)]))
        x = L.LayerNormalization()(L.Add()([x, L.Dense(4)(L.Dense(6, "gelu")(x))]))
        return k.Model(words, L.Dense(2)(x))

    return build


def _crossed(k):
    """Queries of one sequence for the values of another, causal, with the scores as an output of the layer."""
    query, value = _words(k, "query"), _words(k, "value")
    embedding = k.layers.Embedding(7, 4, mask_zero=True)
    attention = k.layers.MultiHeadAttention(2, 3)
    x, scores = attention(embedding(query), embedding(value), use_causal_mask=True, return_attention_scores=True)
    x = k.layers.Add()([x, k.layers.Dense(4)(k.layers.Dense(5)(k.ops.mean(scores, 1)))])
    return k.Model([query, value], k.layers.Dense(2)(k.layers.Masking(-100.0)(x)))


def _merged(k):
    """Every merging layer on two masked sequences; tables of different sizes have no equal numbers."""
    a, b = _words(k, "a"), _words(k, "b")
    x, y = _embedded(k, a), _embedded(k, b, 9)
    kinds = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
    merged = [getattr(k.layers, kind)()([x, y]) for kind in kinds]
    return k.Model([a, b], k.layers.Dense(2)(k.layers.Concatenate()(merged)))


def _half_masked(k):
    """Every merging layer on a masked sequence and one without a mask."""
    a, b = _words(k, "a"), k.Input((5, 4), name="b")
    x, y = _embedded(k, a), k.layers.Dense(4)(b)
    kinds = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
    merged = [getattr(k.layers, kind)()([x, y]) for kind in kinds] + [k.layers.Maximum()([y, x])]
    return k.Model([a, b], k.layers.Dense(2)(k.layers.Concatenate()(merged)))


def _behind(k):
    """A sequence behind another, with and without a mask."""
    a, b = _words(k, "a"), k.Input((5, 4), name="b")
    x, y = _embedded(k, a), k.layers.Dense(4)(b)
    x = k.layers.Concatenate(axis=1)([x, y, k.layers.Masking(9.0)(x)])
    return k.Model([a, b], k.layers.Dense(2)(k.layers.LSTM(3, return_sequences=True)(x)))


def _convolved(k):
    """The mask ends at the convolution."""
    x = words = _words(k)
    x = k.layers.Conv1D(4, 3, padding="same")(_embedded(k, x))
    return k.Model(words, k.layers.Dense(2)(k.layers.LSTM(3, return_sequences=True)(x)))


def _nested(k):
    """Masks made inside of a model and used outside, and the other way round."""
    L = k.layers
    inside, outside = k.Input((5,), dtype="int32"), _words(k)
    encoder = k.Model(inside, L.Dense(4)(_embedded(k, inside)))
    stack = k.Sequential([k.Input((5, 4)), L.Dense(3, "tanh"), L.GRU(3, return_sequences=True)])
    state = k.Input((5, 3))
    head = k.Model(state, L.Dense(2)(L.LSTM(3, return_sequences=True)(state)))
    return k.Model(outside, head(stack(encoder(outside))))


def _inner(k):
    """Sentences of words: the inner axis has the mask."""
    L = k.layers
    words = k.Input((3, 5), dtype="int32")
    x = L.TimeDistributed(L.LSTM(3))(_embedded(k, words))
    y = L.TimeDistributed(L.GlobalAveragePooling1D())(_embedded(k, words))
    return k.Model(words, L.Dense(2)(L.Flatten()(k.ops.concatenate([x, y], -1))))


def _translation(k):
    """Encoder and decoder: Keras uses no mask where an initial state is given, but the output carries it."""
    L = k.layers
    source, target = _words(k, "source"), _words(k, "target")
    _, h, c = L.LSTM(3, return_state=True)(_embedded(k, source))
    x, *_ = L.LSTM(3, return_sequences=True, return_state=True)(_embedded(k, target), initial_state=[h, c])
    return k.Model([source, target], L.Dense(2)(x))


def _explicit(k):
    """Masks as arguments."""
    L = k.layers
    x = words = _words(k)
    embedding = L.Embedding(7, 4)
    mask = k.ops.not_equal(words, 0)
    x = L.LSTM(3, return_sequences=True)(embedding(x), mask=mask)
    x = L.Lambda(lambda x: x * 2.0, mask=lambda x, mask: mask)(x)
    return k.Model(words, L.Dense(2)(x))


def _own(k):
    """Layers of one's own."""

    class Halved(k.layers.Layer):
        """Every second element."""

        def call(self, inputs):
            return inputs[:, ::2]

        def compute_mask(self, inputs, mask=None):
            return None if mask is None else mask[:, ::2]

    class Centred(k.layers.Layer):
        """Minus the mean of the elements that are there."""

        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.supports_masking = True

        def call(self, inputs, mask=None):
            there = k.ops.expand_dims(k.ops.cast(mask, "float32"), -1)
            mean = k.ops.sum(inputs * there, 1, keepdims=True) / k.ops.sum(there, 1, keepdims=True)
            return inputs - mean

    x = words = _words(k)
    x = Centred()(_embedded(k, x))
    return k.Model(words, k.layers.Dense(2)(k.layers.GRU(3, return_sequences=True)(Halved()(x))))


def _ends(k, units=1, activation="sigmoid"):
    L = k.layers
    recurrent = L.LSTM(4, return_sequences=True)
    return k.Sequential([_words(k), L.Embedding(7, 4, mask_zero=True), recurrent, L.Dense(units, activation)])


def _squared(y_true, y_pred):
    return ((y_true - y_pred) ** 2)[..., 0] + 0.5


PAIR = ("real", (4, 5, 2))
MODELS = (
    MaskedModel("classes", _classes, (WORDS,), LABELS, "sparse_categorical_crossentropy", ("accuracy",)),
    MaskedModel("lstm", _recurrent(lambda L: L.LSTM(3, return_sequences=True)), (WORDS,), PAIR),
    MaskedModel("gru", _recurrent(lambda L: L.GRU(3, return_sequences=True, go_backwards=True)), (WORDS,), PAIR),
    MaskedModel(
        "stacked", _recurrent(lambda L: L.RNN([L.GRUCell(3), L.SimpleRNNCell(2)], return_sequences=True)), (WORDS,),
        PAIR,
    ),
    MaskedModel(
        "bidirectional", _recurrent(lambda L: L.Bidirectional(L.LSTM(3, return_sequences=True), "sum")), (WORDS,),
        PAIR,
    ),
    MaskedModel("pooled", _pooled, (STEPS,), ("real", (4, 1, 2))),
    MaskedModel("normalized", _normalized, (STEPS,), PAIR),
    MaskedModel("chain", _chain, (WORDS,), PAIR),
    MaskedModel("attention", _attention, (WORDS, WORDS), PAIR),
    MaskedModel("multi_head", _heads(lambda L: L.MultiHeadAttention(2, 3)), (WORDS,), PAIR),
    MaskedModel("group_query", _heads(lambda L: L.GroupQueryAttention(2, 4, 2)), (WORDS,), PAIR),
    MaskedModel("crossed", _crossed, (WORDS, WORDS), PAIR),
    MaskedModel("merged", _merged, (WORDS, WORDS), PAIR),
    MaskedModel("half_masked", _half_masked, (WORDS, ("plain", (4, 5, 4))), PAIR),
    MaskedModel("behind", _behind, (WORDS, ("plain", (4, 5, 4))), ("real", (4, 15, 2))),
    MaskedModel("convolved", _convolved, (WORDS,), PAIR, warns="masking"),
    MaskedModel("nested", _nested, (WORDS,), PAIR),
    MaskedModel("inner", _inner, (("words", (4, 3, 5)),), ("real", (4, 2))),
    MaskedModel("translation", _translation, (WORDS, WORDS), PAIR, warns="initial_state"),
    MaskedModel("explicit", _explicit, (WORDS,), PAIR),
    MaskedModel("own", _own, (WORDS,), ("real", (4, 3, 2))),
    MaskedModel("binary", _ends, (WORDS,), ("binary", (4, 5, 1)), "binary_crossentropy", ("accuracy", "AUC", "mse")),
    MaskedModel("weighted", lambda k: _ends(k, 2), (WORDS,), PAIR, "mae", ("mse",), ("mse", "mape"), (4, 5)),
    MaskedModel("weighted_rows", lambda k: _ends(k, 2), (WORDS,), PAIR, "mae", ("mse",), (), (4, 1)),
    MaskedModel("function", lambda k: _ends(k, 2), (WORDS,), PAIR, lambda k: _squared, (lambda k: _squared,)),
    MaskedModel("sum", lambda k: _ends(k, 2), (WORDS,), PAIR, lambda k: k.losses.Huber(reduction="sum")),
    MaskedModel(
        "mean_of_weights", lambda k: _ends(k, 2), (WORDS,), PAIR,
        lambda k: k.losses.MeanSquaredError(reduction="mean_with_sample_weight"), (), (), (4, 5),
    ),
    MaskedModel(
        "ignored_class", lambda k: _ends(k, 3, "softmax"), (WORDS,), LABELS,
        lambda k: k.losses.SparseCategoricalCrossentropy(ignore_class=1), ("accuracy",),
    ),
)  # fmt: skip
