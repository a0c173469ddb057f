"""A conv-net learns to tell pictures apart: digits, clothes (Fashion-MNIST) or photographs (CIFAR-10).

The digits come with fastnn; the others are looked for in the folder FASTNN_DATA, then downloaded.
"""

import argparse

import numpy as np

import fastnn as keras


def build(shape, classes):
    """Return the network: two or three convolutions, each followed by pooling, then the classifier."""
    blocks = [32, 64] if shape[0] < 32 else [32, 64, 128]
    model = keras.Sequential([keras.Input(shape)])
    for filters in blocks:
        model.add(keras.layers.Conv2D(filters, 3, padding="same", activation="relu"))
        model.add(keras.layers.MaxPooling2D())
    model.add(keras.layers.Flatten())
    model.add(keras.layers.Dropout(0.5))
    model.add(keras.layers.Dense(classes, activation="softmax"))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def pictures(name, samples):
    """Return (x_train, y_train), (x_test, y_test), x as float32 (n, h, w, c) from 0 to 1."""
    train, test = getattr(keras.datasets, name).load_data()
    return prepare(*train, samples), prepare(*test, samples)


def prepare(x, y, samples):
    """Scale the first pictures and give grey ones a channel axis."""
    x = x[:samples] / np.float32(255)
    return (x if x.ndim == 4 else x[..., None]), y[:samples].ravel()


def main():
    """Train and test; print the accuracy for every class."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=["digits", "fashion_mnist", "cifar10"], default="digits")
    parser.add_argument("--samples", type=int, help="use only so many pictures, all by default")
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()

    keras.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = pictures(args.data, args.samples)
    model = build(x_train.shape[1:], classes=10)
    model.summary()
    model.fit(x_train, y_train, batch_size=64, epochs=args.epochs, validation_data=(x_test, y_test), verbose=2)
    guesses = model.predict(x_test, verbose=0).argmax(axis=1)
    for label in np.unique(y_test):
        of_class = y_test == label
        print(f"class {label}: {np.mean(guesses[of_class] == label):6.1%} of {of_class.sum()}")
    print(f"{args.data}: {np.mean(guesses == y_test):.1%} of {len(x_test)} test pictures recognised")


if __name__ == "__main__":
    main()
