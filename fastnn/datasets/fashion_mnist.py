"""Fashion-MNIST: 70,000 photographs of clothes (Xiao, Rasul and Vollgraf, 2017; MIT licence)."""

from pathlib import Path

from .idx import load_split
from .source import Remote

_SITE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"

FILES = {
    name: Remote("fashion_mnist", name, _SITE + name, size, sha256)
    for name, size, sha256 in (
        (
            "train-images-idx3-ubyte.gz",
            26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        (
            "train-labels-idx1-ubyte.gz",
            29_515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        (
            "t10k-images-idx3-ubyte.gz",
            4_422_102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            5_148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    )
}

# Debian's package dataset-fashion-mnist
SYSTEM_FOLDERS = (Path("/usr/share/datasets/fashion-mnist"),)


def load_data():
    """Load the clothes, light on black.

    Classes: 0 T-shirt, 1 trousers, 2 pullover, 3 dress, 4 coat, 5 sandal, 6 shirt, 7 sneaker, 8 bag, 9 boot.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        Arrays of uint8. x: (60000, 28, 28) and (10000, 28, 28), values 0 to 255. y: (60000,) and (10000,).

    Raises
    ------
    OSError, ValueError
        As `source.open_verified` says: not found and no connection, or a file with a wrong SHA-256.

    Examples
    --------
    >>> (x_train, y_train), (x_test, y_test) = fashion_mnist.load_data()
    """
    return tuple(
        load_split(
            FILES[f"{part}-images-idx3-ubyte.gz"],
            FILES[f"{part}-labels-idx1-ubyte.gz"],
            count,
            SYSTEM_FOLDERS,
        )
        for part, count in (("train", 60_000), ("t10k", 10_000))
    )
