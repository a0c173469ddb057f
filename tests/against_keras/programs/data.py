"""What the programs train on: the digits of the fastnn package, and made-up texts, waves, sums and payments."""

import numpy as np

from fastnn.datasets.digits import load_data as digits  # noqa: F401


def reviews(rows, words, length, seed):
    """(numbers of words, labels): good reviews say more words of the upper half, bad ones more of the lower."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, rows)
    upper = rng.random((rows, length)) < np.where(labels, 0.6, 0.4)[:, None]
    numbers = rng.integers(1, words // 2, (rows, length)) + np.where(upper, words // 2, 0)
    return numbers.astype("int32"), labels.astype("int32")


def engines(rows, length, seed):
    """(waves (rows, length, 1), labels): a faulty engine has a second tone."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, rows)
    time = np.arange(length)
    tone, second = (np.sin(time * rng.uniform(*around, (rows, 1)) + rng.uniform(0, 6, (rows, 1)))
                    for around in ((0.1, 0.15), (0.5, 0.7)))  # fmt: skip
    waves = tone + 0.6 * labels[:, None] * second + rng.normal(0, 0.6, (rows, length))
    return waves[..., None].astype("float32"), labels.astype("int32")


def payments(rows, seed):
    """(features (rows, 30), labels (rows, 1)): one in thirty is fraud, and a little off in a third of its features."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((rows, 1)) < 1 / 30).astype("uint8")
    shift = np.where(np.arange(30) < 10, 1.0, 0.0)
    return (rng.normal(size=(rows, 30)) + labels * shift).astype("float32"), labels


def sums(rows, places, seed):
    """(questions, answers): texts such as "12+345 " and "357 "."""
    rng = np.random.default_rng(seed)
    pairs = 10 ** rng.uniform(0, places, (rows, 2))
    questions = [f"{int(a)}+{int(b)}".ljust(2 * places + 1) for a, b in pairs]
    return questions, [str(int(a) + int(b)).ljust(places + 1) for a, b in pairs]
