"""MNIST: 70,000 handwritten digits (LeCun, Cortes and Burges, 1998; CC BY-SA 3.0)."""

from .idx import load_split
from .source import Remote

_SITE = "https://ossci-datasets.s3.amazonaws.com/mnist/"

FILES = {
    name: Remote("mnist", name, _SITE + name, size, sha256)
    for name, size, sha256 in (
        (
            "train-images-idx3-ubyte.gz",
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        (
            "train-labels-idx1-ubyte.gz",
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        (
            "t10k-images-idx3-ubyte.gz",
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    )
}


def load_data():
    """Load the digits 0 to 9, white on black.

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
    >>> (x_train, y_train), (x_test, y_test) = mnist.load_data()
    """
    return tuple(
        load_split(FILES[f"{part}-images-idx3-ubyte.gz"], FILES[f"{part}-labels-idx1-ubyte.gz"], count)
        for part, count in (("train", 60_000), ("t10k", 10_000))
    )
