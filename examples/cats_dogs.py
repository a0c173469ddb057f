"""A conv-net learns to tell cats from dogs, and shows what it sees.

--data is a folder with train/ and validation/, each with one folder of photographs for every class:
train/cat, train/dog, validation/cat, validation/dog. Writes cats_dogs.png into the folder --out.
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np

import fastnn as keras
from fastnn import layers

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def build(size, steps):
    """Return the network: five blocks of convolution, batch norm and pooling, then one output, 1 for a dog."""
    model = keras.Sequential([keras.Input((size, size, 3)), layers.Rescaling(1 / 127.5, offset=-1)])
    for filters in (16, 32, 64, 128, 128):
        model.add(layers.Conv2D(filters, 3, padding="same", use_bias=False))
        model.add(layers.BatchNormalization())
        model.add(layers.ReLU())
        model.add(layers.MaxPooling2D())
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dropout(0.3))
    model.add(layers.Dense(1, activation="sigmoid"))
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(keras.optimizers.Adam(rate), loss="binary_crossentropy", metrics=["accuracy"])
    return model


def flip_some(images, labels, random=np.random.default_rng(0)):  # noqa: B008, one stream for all batches
    """Mirror every other picture: a cat is still a cat."""
    chosen = random.random(len(images)) < 0.5
    return np.where(chosen[:, None, None, None], images[:, :, ::-1], images), labels


def photographs(folder, args):
    """Return a folder's pictures as batches of (images, labels)."""
    return keras.utils.image_dataset_from_directory(
        folder, label_mode="binary", batch_size=args.batch, image_size=(args.size, args.size), seed=0
    ).cache()


def draw(path, model, picture):
    """Write the filters of the first layer, and what they find in one picture."""
    first = model.layers[1]
    maps = keras.Model(model.inputs, model.layers[3].output).predict(picture[None], verbose=0)[0]
    filters = first.get_weights()[0]
    filters = (filters - filters.min()) / (filters.max() - filters.min())
    figure, axes = plt.subplots(4, 9, figsize=(14, 6.5), layout="constrained")
    for axis in axes.flat:
        axis.axis("off")
    axes[0, 0].imshow(picture.astype("uint8"))
    axes[0, 0].set_title("the picture", fontsize=9)
    for i in range(16):
        row, column = 2 * (i // 8), 1 + i % 8
        axes[row, column].imshow(filters[..., i])
        axes[row, column].set_title(f"filter {i}", fontsize=9)
        axes[row + 1, column].imshow(maps[..., i], cmap="magma")
    figure.suptitle("Filters of the first layer; below each, where it finds its pattern in the picture")
    figure.savefig(path, dpi=100)


def main():
    """Train, report the accuracy on the validation folder, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("demo"))
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()

    keras.utils.set_random_seed(0)
    train, validation = (photographs(args.data / part, args) for part in ("train", "validation"))
    model = build(args.size, args.epochs * len(train))
    model.summary()
    model.fit(train.map(flip_some), epochs=args.epochs, validation_data=validation, verbose=2)
    print(f"{model.evaluate(validation, verbose=0)[1]:.1%} of the validation pictures recognised")
    args.out.mkdir(parents=True, exist_ok=True)
    draw(args.out / "cats_dogs.png", model, next(iter(validation))[0][0])
    print(f"Wrote {args.out / 'cats_dogs.png'}")


if __name__ == "__main__":
    main()
