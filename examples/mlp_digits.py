"""A multilayer perceptron learns to read handwritten digits (the 6,000 that come with fastnn).

A layer is one matrix product: each column of its kernel is a neuron, and

    layer(x) = activation(x @ kernel + bias)
"""

import argparse

import numpy as np

import fastnn as keras


def build():
    """Return the network: 784 inputs, 128 hidden neurons, 10 classes."""
    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def by_hand(model, x):
    """Return the model's output computed with its weights in NumPy (dropout is off when predicting)."""
    kernel1, bias1, kernel2, bias2 = model.get_weights()
    hidden = np.maximum(x.reshape(len(x), -1) @ kernel1 + bias1, 0)
    scores = np.exp(hidden @ kernel2 + bias2)
    return scores / scores.sum(axis=1, keepdims=True)


def main():
    """Train, test, and look inside."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=5000, help="digits to train on")
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()

    keras.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = keras.datasets.digits.load_data()
    x_train, y_train = x_train[: args.samples] / np.float32(255), y_train[: args.samples]
    x_test = x_test / np.float32(255)

    model = build()
    model.summary()
    model.fit(x_train, y_train, batch_size=32, epochs=args.epochs, validation_split=0.1, verbose=2)
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"{accuracy:.1%} of {len(x_test)} test digits read correctly, loss {loss:.3f}")

    difference = np.abs(model.predict(x_test, verbose=0) - by_hand(model, x_test)).max()
    print(f"Largest difference from the same network written in NumPy: {difference:.1e}")
    assert difference < 1e-5


if __name__ == "__main__":
    main()
