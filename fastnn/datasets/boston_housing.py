"""House prices in Boston in the 1970s (Harrison and Rubinfeld, 1978), as Keras distributes them.

One of the 13 features counts inhabitants by the colour of their skin: take `california_housing` for anything but
comparisons.
"""

from . import housing

_ARCHIVE = housing.remote("boston_housing", "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5")


def load_data(test_split=0.2, seed=113):
    """506 samples of 13 features, and prices in thousands of dollars.

    Parameters
    ----------
    test_split : float
        Fraction for the test part.
    seed : int
        Fixes the order, which is that of Keras.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        Arrays of shape (n, 13) and (n,).
    """
    return housing.load(_ARCHIVE, test_split, seed)
