"""A conv-net learns to tell cats from dogs by photographs, and shows what it sees in cats_dogs.png.

--data is a folder with train/ and validation/, each with one folder of pictures for every class, say cat and dog.
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
    """Return the network: five blocks of convolution, batch norm and pooling, then one output from 0 to 1."""
    model = keras.Sequential([keras.Input((size, size, 3)), layers.Rescaling(1 / 127.5, offset=-1)])
    for filters in (16, 32, 64, 128, 128):
        model.add(layers.Conv2D(filters, 3, padding="same", use_bias=False))
        model.add(layers.BatchNormalization(momentum=0.9))
        model.add(layers.ReLU())
        model.add(layers.MaxPooling2D())
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dropout(0.3))
    model.add(layers.Dense(1, activation="sigmoid"))
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(keras.optimizers.Adam(rate), loss="binary_crossentropy", metrics=["accuracy"])
    return model


def flip_some(images, labels):
    """Mirror about half of the pictures: a cat is still a cat."""
    chosen = np.random.random((len(images), 1, 1, 1)) < 0.5
    return np.where(chosen, images[:, :, ::-1], images), labels


def draw(path, model, picture):
    """Draw the picture, and for each filter of the first layer the filter and below it where it finds its pattern."""
    filters = model.layers[1].get_weights()[0]
    filters = (filters - filters.min()) / np.ptp(filters)
    maps = keras.Sequential(model.layers[:4]).predict(picture[None], verbose=0)[0]
    figure, axes = plt.subplots(4, 9, figsize=(14, 6.5), layout="constrained", subplot_kw={"xticks": [], "yticks": []})
    axes[0, 0].imshow(picture / 255)
    for axis in axes[1:, 0]:
        axis.remove()
    for i in range(16):
        row, column = divmod(i, 8)
        axes[2 * row, 1 + column].imshow(filters[..., i])
        axes[2 * row + 1, 1 + column].imshow(maps[..., i], cmap="magma")
    figure.savefig(path)


def main():
    """Train, report the accuracy on the validation folder, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("demo"))
    parser.add_argument("--size", type=int, default=96, help="pictures are resized to size x size")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    keras.utils.set_random_seed(0)
    options = {"label_mode": "binary", "batch_size": args.batch, "image_size": args.size, "seed": 0}
    photographs = keras.utils.image_dataset_from_directory
    train, validation = (photographs(args.data / part, **options).cache() for part in ("train", "validation"))
    model = build(args.size, steps=args.epochs * len(train))
    model.fit(train.map(flip_some), epochs=args.epochs, validation_data=validation, verbose=2)
    print(f"{model.evaluate(validation, verbose=0)[1]:.1%} of the validation pictures recognised")
    args.out.mkdir(parents=True, exist_ok=True)
    draw(args.out / "cats_dogs.png", model, next(iter(validation))[0][0])


if __name__ == "__main__":
    main()
