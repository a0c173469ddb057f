"""Six thousand digits of MNIST which come with the package: no file to find, no connection needed."""

from pathlib import Path

import numpy as np

_FILE = Path(__file__).with_name("data") / "digits.npz"


def load_data():
    """Load 6,000 handwritten digits, white on black, each of the ten classes equally often.

    The training pictures are taken from MNIST's training set, the test pictures from its test set;
    ``data/digits.txt`` states origin and licence.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        Arrays of uint8. x: (5000, 28, 28) and (1000, 28, 28), values 0 to 255. y: (5000,) and (1000,).

    Examples
    --------
    >>> (x_train, y_train), (x_test, y_test) = digits.load_data()
    """
    with np.load(_FILE, allow_pickle=False) as arrays:
        return tuple((arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in ("train", "test"))
