"""Write keras2/: models as Keras 2 saved them, and what they answer.

Needs TensorFlow and tf_keras (Keras 2 under its later name) in an environment of their own:

    cd tests
    python -m golden.make_keras2
"""

import numpy as np
import tf_keras as keras
from golden import store
from tf_keras import layers

FOLDER = store.FOLDER / "keras2"


def convnet():
    model = keras.Sequential(
        [
            layers.Conv2D(4, 3, activation="relu", input_shape=(8, 8, 3), kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.SeparableConv2D(5, 3),
            layers.LeakyReLU(0.2),
            layers.MaxPooling2D(2),
            layers.Dropout(0.0),
            layers.Flatten(),
            layers.Dense(3),
        ],
        name="convnet",
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    return model, [(8, 8, 3)]


def mlp():
    """Optimizers of before 2.11 keep their state in another order, and divide the rate themselves."""
    model = keras.Sequential(
        [layers.Dense(8, "tanh", input_shape=(6,), kernel_initializer="he_normal"), layers.Dense(3, "softmax")],
        name="mlp",
    )
    optimizer = keras.optimizers.legacy.Adam(0.01, decay=0.1, amsgrad=True)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=[keras.metrics.SparseCategoricalAccuracy()])
    return model, [(6,)]


def graph():
    """Shared layers, a nested model, a state that a recurrent layer begins with, tensors given by keyword."""
    first, second = layers.Input((5, 4), name="first"), layers.Input((4,), name="second")
    shared = layers.Dense(4, "relu", name="shared")
    nested = keras.Sequential(
        [layers.Input((4,)), layers.Dense(6, name="inner"), layers.BatchNormalization()], "nested"
    )
    nested.layers[0].trainable = False
    state = nested(shared(second))
    steps = layers.Masking()(shared(first))
    sequence, last, _ = layers.LSTM(6, return_sequences=True, return_state=True)(steps, initial_state=[state, state])
    attended = layers.MultiHeadAttention(2, 3, name="attention")(sequence, value=sequence)
    both = layers.Bidirectional(layers.GRU(3, name="gru"))(attended)
    joined = layers.Concatenate()([both, last, nested(shared(second))])
    outputs = [layers.Dense(1, name="score")(joined), layers.Dense(3, "softmax", name="kind")(layers.ReLU(3.0)(joined))]
    model = keras.Model([first, second], outputs, name="graph")
    losses = {"score": "mse", "kind": keras.losses.SparseCategoricalCrossentropy()}
    model.compile(keras.optimizers.RMSprop(0.01, momentum=0.9), losses, metrics={"kind": ["accuracy"]})
    return model, [(5, 4), (4,)]


def targets(model, rng, n):
    found = [
        rng.random((n, 1), np.float32) if s[-1] == 1 else rng.integers(0, 3, n) for s in shapes(model.output_shape)
    ]
    return found if len(found) > 1 else found[0]


def shapes(value):
    return value if isinstance(value, list) else [value]


def main():
    FOLDER.mkdir(exist_ok=True)
    answers = {}
    for make in (convnet, mlp, graph):
        keras.utils.set_random_seed(5)
        rng = np.random.default_rng(5)
        model, sizes = make()
        x = [rng.random((7, *size), np.float32) for size in sizes]
        y = targets(model, rng, 7)
        for _ in range(3):
            model.train_on_batch(x, y)
        model.save(FOLDER / f"{model.name}.h5")
        if make is mlp:
            model.save_weights(FOLDER / "mlp_weights.h5")
        entry = {"x": x, "y": y, "prediction": shapes(model.predict(x, verbose=0)), "weights": model.get_weights()}
        model.train_on_batch(x, y)
        answers[model.name] = {**entry, "next_weights": model.get_weights()}
    store.save("keras2/answers", answers)


main()
