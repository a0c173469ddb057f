"""The whole way once: train a conv-net on handwritten digits, compare the engines, save, load, draw.

Writes digits.png and digits.keras into the folder --out and ends with exit code 1 if a check fails:

- at least 98 % of the 1,000 test digits are read correctly,
- the NumPy reference walks the same loss curve,
- the model loaded from its file predicts the same bits.
"""

import argparse
import sys
import time
from pathlib import Path

import matplotlib
import numpy as np

import fastnn as keras

matplotlib.use("Agg")
import matplotlib.pyplot as plt

SEED = 1
BATCH = 64
WANTED_ACCURACY = 0.98
SAME_CURVE = 0.01  # of the loss: both round, in another order, and the difference grows from step to step


def load_digits(samples=None):
    """Return (x_train, y_train), (x_test, y_test), x as float32 (n, 28, 28, 1) from 0 to 1."""
    train, test = keras.datasets.digits.load_data()
    return tuple((x[:samples, :, :, None] / np.float32(255), y[:samples]) for x, y in (train, test))


def with_shifted_copies(x, y, copies, random):
    """Return the digits and copies of them, each shifted by at most two pixels in both directions."""
    padded = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)))
    places = np.lib.stride_tricks.sliding_window_view(padded[..., 0], x.shape[1:3], axis=(1, 2))
    rows = np.arange(len(x))
    shifted = [places[rows, *random.integers(0, 5, (2, len(x)))][..., None] for _ in range(copies)]
    return np.concatenate([x, *shifted]), np.tile(y, 1 + copies)


def build(steps, engine="native"):
    """Return the compiled conv-net; the same seed gives the same weights to every engine."""
    keras.utils.set_random_seed(SEED)
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(32, 5, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(64, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.4),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(0.4),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        engine=engine,
    )
    return model


def first_steps(engine, x, y):
    """Train a new model on these rows in their order; return the running loss at each step, and seconds."""
    losses = []
    record = keras.callbacks.LambdaCallback(on_train_batch_end=lambda step, logs: losses.append(logs["loss"]))
    model = build(len(x) // BATCH, engine)
    start = time.perf_counter()
    model.fit(x, y, batch_size=BATCH, epochs=1, shuffle=False, verbose=0, callbacks=[record])
    return np.array(losses), time.perf_counter() - start


def compare_engines(x, y, steps):
    """Run an epoch, or its first steps, on both engines; return both losses, ratio, and if they agree."""
    whole = -(-len(x) // BATCH)
    steps = min(steps or whole, whole)
    rows = slice(steps * BATCH)
    print(f"\n{steps} of an epoch's {whole} steps from the same weights, on both engines:")
    runs = {engine: first_steps(engine, x[rows], y[rows]) for engine in ("native", "reference")}
    for engine, (losses, seconds) in runs.items():
        print(f"  {engine:10} loss {losses[0]:.6f} -> {losses[-1]:.6f}   {seconds:8.3f} s")
    (ours, fast), (theirs, slow) = runs.values()
    difference = np.max(np.abs(ours - theirs) / theirs)
    print(f"  largest difference of the losses: {difference:.1e} of the loss")
    print(f"  the native engine took 1/{slow / fast:.0f} of the time of the NumPy reference")
    return ours, theirs, slow / fast, difference < SAME_CURVE


def draw_curves(axes, history):
    """Draw the accuracy on the training and the test digits, epoch by epoch."""
    epochs = np.arange(1, len(history["accuracy"]) + 1)
    axes.plot(epochs, history["accuracy"], "o-", label="training (with dropout)")
    axes.plot(epochs, history["val_accuracy"], "o-", label="test digits")
    axes.axhline(WANTED_ACCURACY, color="grey", linestyle=":", linewidth=1)
    axes.set(title="Learning curves", xlabel="epoch", ylabel="accuracy", xticks=epochs)
    axes.legend(loc="lower right", frameon=False)


def draw_engines(axes, native, reference, ratio):
    """Draw both loss curves: the second lies on the first."""
    steps = np.arange(1, len(native) + 1)
    axes.plot(steps, native, color="tab:orange", linewidth=5, alpha=0.5, label="native")
    axes.plot(steps, reference, color="black", linewidth=1, label="NumPy reference")
    axes.set(title=f"Same loss, the native engine {ratio:.0f} times as fast", xlabel="step", ylabel="mean loss")
    axes.locator_params(axis="x", integer=True)
    axes.legend(frameon=False)


def draw_confusion(axes, labels, guesses):
    """Draw how often each digit was read as each digit; the diagonal is right."""
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (labels, guesses), 1)
    axes.imshow(np.sqrt(counts), cmap="Blues")
    for row, column in np.argwhere(counts):
        colour = "white" if row == column else "black"
        axes.text(column, row, counts[row, column], ha="center", va="center", color=colour, fontsize=9)
    axes.set(title="Confusion matrix", xlabel="read as", ylabel="digit", xticks=range(10), yticks=range(10))


def draw_filters(axes, kernel):
    """Draw the 5x5 filters of the first layer side by side: blue negative, red positive."""
    tiles = np.pad(kernel[:, :, 0], ((0, 1), (0, 1), (0, 0)), constant_values=np.nan)
    height, width, count = tiles.shape
    sheet = tiles.reshape(height, width, 4, count // 4).transpose(2, 0, 3, 1).reshape(4 * height, -1)
    limit = np.abs(kernel).max()
    axes.imshow(sheet[:-1, :-1], cmap="RdBu_r", vmin=-limit, vmax=limit)
    axes.set_title("Filters of the first layer")
    axes.axis("off")


def draw_mistakes(figure, x, labels, guesses):
    """Draw ten digits that were misread, the label first."""
    wrong = np.flatnonzero(labels != guesses)[:10]
    figure.suptitle("The first ten mistakes")
    for i, axes in enumerate(figure.subplots(2, 5).flat):
        axes.axis("off")
        if i < len(wrong):
            axes.imshow(x[wrong[i], :, :, 0], cmap="gray_r")
            axes.set_title(f"{labels[wrong[i]]} read as {guesses[wrong[i]]}", fontsize=10)


def draw(path, model, history, engines, x, labels, guesses):
    """Write the picture."""
    figure = plt.figure(figsize=(15, 9.5), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[1.2, 1])
    left, right = bottom.subfigures(1, 2, width_ratios=[1, 1.6])
    curves, confusion, losses = top.subplots(1, 3)
    draw_curves(curves, history)
    draw_confusion(confusion, labels, guesses)
    draw_engines(losses, *engines)
    draw_filters(left.subplots(), model.get_weights()[0])
    draw_mistakes(right, x, labels, guesses)
    figure.suptitle(
        f"fastnn read {np.sum(labels == guesses)} of {len(labels)} handwritten digits correctly", fontsize=15
    )
    figure.savefig(path, dpi=100)


def main():
    """Do the job and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for the files")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--samples", type=int, help="use only so many digits, all by default")
    parser.add_argument("--reference-steps", type=int, help="steps to compare the engines on, an epoch by default")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    (x, y), (x_test, y_test) = load_digits(args.samples)
    x, y = with_shifted_copies(x, y, copies=2, random=np.random.default_rng(SEED))
    print(f"Training on {len(x)} digits (5,000 of MNIST at most, and shifted copies), batches of {BATCH}")
    model = build(args.epochs * -(-len(x) // BATCH))
    model.summary()
    start = time.perf_counter()
    history = model.fit(x, y, batch_size=BATCH, epochs=args.epochs, validation_data=(x_test, y_test)).history
    print(f"Trained in {time.perf_counter() - start:.1f} s")
    *engines, same_curve = compare_engines(x, y, args.reference_steps)

    saved = args.out / "digits.keras"
    model.save(saved)
    probabilities = model.predict(x_test, verbose=0)
    again = keras.models.load_model(saved).predict(x_test, verbose=0)
    guesses = probabilities.argmax(axis=1)
    draw(args.out / "digits.png", model, history, engines, x_test, y_test, guesses)
    print(f"\nWrote {saved} and {args.out / 'digits.png'}")

    accuracy = np.mean(guesses == y_test)
    enough = accuracy >= WANTED_ACCURACY
    checks = {
        f"{accuracy:.1%} of the test digits read correctly, {WANTED_ACCURACY:.0%} wanted": enough,
        "the NumPy reference walks the same loss curve": same_curve,
        "the loaded model predicts the same bits": np.array_equal(probabilities, again),
    }
    for name, passed in checks.items():
        print(f"{'ok    ' if passed else 'FAILED'}  {name}")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
