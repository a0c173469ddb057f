"""Rebuild fastnn/datasets/data/digits.npz from the four idx files of MNIST.

    python tools/make_digits.py FOLDER [OUTPUT]

FOLDER holds train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
t10k-labels-idx1-ubyte, each either as it is or with the ending .gz. The same files give the same bytes.
"""

import argparse
import gzip
from pathlib import Path

import numpy as np

from fastnn.datasets.idx import read_idx

CLASSES = 10
OUTPUT = Path(__file__).parents[1] / "fastnn" / "datasets" / "data" / "digits.npz"


def read(folder, name, shape):
    """Read ``folder/name`` or ``folder/name.gz``."""
    packed = folder / f"{name}.gz"
    with gzip.open(packed) if packed.is_file() else open(folder / name, "rb") as stream:
        return read_idx(stream, shape)


def select(labels, count):
    """Return the rows of `count` pictures of every class, evenly spaced over the set, in ascending order."""
    chosen = []
    for label in range(CLASSES):
        rows = np.flatnonzero(labels == label)
        chosen.append(rows[np.arange(count) * len(rows) // count])
    return np.sort(np.concatenate(chosen))


def main():
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path, nargs="?", default=OUTPUT)
    arguments = parser.parse_args()
    arrays = {}
    for part, prefix, total, count in (("train", "train", 60_000, 500), ("test", "t10k", 10_000, 100)):
        labels = read(arguments.folder, f"{prefix}-labels-idx1-ubyte", (total,))
        rows = select(labels, count)
        images = read(arguments.folder, f"{prefix}-images-idx3-ubyte", (total, 28, 28))
        arrays[f"x_{part}"] = images[rows]
        arrays[f"y_{part}"] = labels[rows]
    np.savez_compressed(arguments.output, **arrays)


if __name__ == "__main__":
    main()
