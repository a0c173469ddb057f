"""Why a perceptron has a bias: points of the line  y = 2 a - 3 b + 0.5  learned with one and without.

In matrix form the bias is one more weight, for an input that is always 1:

    output = [input1 input2 1] @ [w1 w2 bias].T
"""

import argparse

import numpy as np

import fastnn as keras

TRUTH = np.array([[2.0], [-3.0], [0.5]], "float32")


def points(count):
    """Return inputs (count, 2) and labels (count, 1)."""
    inputs = np.random.default_rng(0).uniform(-1, 1, (count, 2)).astype("float32")
    return inputs, with_ones(inputs) @ TRUTH


def with_ones(inputs):
    """Append the input that is always 1."""
    return np.hstack([inputs, np.ones((len(inputs), 1), "float32")])


def train(inputs, labels, use_bias, epochs):
    """Return a trained perceptron and its mean squared error."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=use_bias)])
    model.compile(optimizer=keras.optimizers.SGD(learning_rate=0.1), loss="mean_squared_error")
    model.fit(inputs, labels, batch_size=32, epochs=epochs, verbose=0)
    return model, model.evaluate(inputs, labels, verbose=0)


def main():
    """Train both perceptrons, compare them, and compare the model with its matrix form."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=50)
    args = parser.parse_args()

    keras.utils.set_random_seed(0)
    inputs, labels = points(args.samples)
    without, loss_without = train(inputs, labels, False, args.epochs)
    model, loss = train(inputs, labels, True, args.epochs)
    kernel, bias = model.get_weights()
    print(f"without a bias: weights {without.get_weights()[0].ravel().round(3)}, loss {loss_without:.6f}")
    print(f"with a bias:    weights {kernel.ravel().round(3)}, bias {bias.round(3)}, loss {loss:.6f}")

    matrix_form = with_ones(inputs) @ np.vstack([kernel, bias])
    np.testing.assert_allclose(model.predict(inputs, verbose=0), matrix_form, atol=1e-5)
    print("The model's output is the matrix product [input1 input2 1] @ [w1 w2 bias].T")
    assert loss < loss_without


if __name__ == "__main__":
    main()
