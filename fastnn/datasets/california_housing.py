"""House prices in California by the census of 1990 (Pace and Barry, 1997), as Keras distributes them.

The features: median income, median age of the houses, rooms and bedrooms per household, inhabitants, inhabitants per
household, latitude, longitude of a block group.
"""

from . import housing

_ARCHIVE = housing.remote("california_housing", "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f")


def load_data(version="large", test_split=0.2, seed=113):
    """20,640 samples of 8 features, and median prices in dollars.

    Parameters
    ----------
    version : {"large", "small"}
        All samples, or the first 600.
    test_split : float
        Fraction for the test part.
    seed : int
        Fixes the order, which is that of Keras.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        Arrays of shape (n, 8) and (n,).
    """
    if version not in ("large", "small"):
        raise ValueError(f'version: expected "large" or "small", received {version!r}')
    return housing.load(_ARCHIVE, test_split, seed, 600 if version == "small" else None)
