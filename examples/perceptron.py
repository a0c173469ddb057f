"""One step of gradient descent for a perceptron with two inputs: by hand in NumPy, then with a model.

    output = w1 * input1 + w2 * input2        loss = label - output

The loss falls by input1 for every unit of w1, so a step is: new w1 = w1 - rate * (-input1); w2 likewise.
"""

import numpy as np

import fastnn as keras

INPUTS = np.array([[0.8, 0.4]], "float32")
LABEL = np.array([[1.0]], "float32")
WEIGHTS = np.array([[0.7], [-0.3]], "float32")
RATE = 0.1


def toy_loss(label, output):
    """Return label - output: it has no minimum, but one step shows which way the weights go."""
    return label - output


def step_by_hand():
    """Return the loss before the step, the new weights, and the loss after it."""
    before = LABEL - INPUTS @ WEIGHTS
    gradient = -INPUTS.T
    weights = WEIGHTS - RATE * gradient
    return before.item(), weights, (LABEL - INPUTS @ weights).item()


def step_with_a_model():
    """Return the same, computed by `fit`: one epoch of one batch of one example."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([WEIGHTS])
    model.compile(optimizer=keras.optimizers.SGD(learning_rate=RATE), loss=toy_loss)
    history = model.fit(INPUTS, LABEL, epochs=1, verbose=0)
    after = model.evaluate(INPUTS, LABEL, verbose=0)
    return history.history["loss"][0], model.get_weights()[0], after


def main():
    """Print both steps side by side and check them against the workshop's numbers."""
    for title, step in (("by hand", step_by_hand), ("with a model", step_with_a_model)):
        before, weights, after = step()
        print(
            f"{title:13} w1 {WEIGHTS[0, 0]:.2f} -> {weights[0, 0]:.2f}   w2 {WEIGHTS[1, 0]:.2f} -> "
            f"{weights[1, 0]:.2f}   loss {before:.2f} -> {after:.2f}"
        )
        np.testing.assert_allclose(weights, [[0.78], [-0.26]], atol=1e-6)
        np.testing.assert_allclose([before, after], [0.56, 0.48], atol=1e-6)
    print("Both give 0.78 and -0.26, and the loss falls from 0.56 to 0.48.")


if __name__ == "__main__":
    main()
