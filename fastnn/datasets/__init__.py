"""Ready-made data sets: ``digits`` is inside the package, the others are found or downloaded on first use."""

from . import boston_housing, california_housing, cifar10, digits, fashion_mnist, mnist

__all__ = ["boston_housing", "california_housing", "cifar10", "digits", "fashion_mnist", "mnist"]
