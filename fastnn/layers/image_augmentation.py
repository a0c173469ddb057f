"""What the layers that change images have in common: layouts, factors, ranges of values."""

from fastnn import config, ops, random
from fastnn.layers.layer import Layer

_PLACES = {"channels_last": (-3, -2), "channels_first": (-2, -1)}


class ImageLayer(Layer):
    """Images (n, h, w, c), or one image (h, w, c), to images: a subclass defines ``transform(images, training)``.

    There the images are floats of shape (n, h, w, c), whatever the layout outside.

    Parameters
    ----------
    data_format : {"channels_last", "channels_first"}, optional
    """

    def __init__(self, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.data_format = data_format or config.image_data_format()
        if self.data_format not in _PLACES:
            raise ValueError(f"{self}: data_format must be one of {sorted(_PLACES)}, received {data_format!r}")

    def call(self, data, training=True):
        def change(x):
            return self.transform(x, training)

        if isinstance(data, dict):
            self._check_keys(data)
            return {**data, "images": self.on_batch(data["images"], change)}
        return self.on_batch(data, change)

    def _check_keys(self, data):
        if unknown := set(data) - {"images", "labels"}:
            raise ValueError(f"{self}: only images and labels are changed, received {sorted(unknown)} too")

    def on_batch(self, images, change):
        """A function of float images (n, h, w, c) applied to images of any layout and dtype."""
        rank = len(images.shape)
        if rank not in (3, 4):
            raise self._wrong_input("images of shape (n, h, w, c) or (h, w, c)", images.shape, "")
        x = ops.cast(images, self.dtype)
        x = ops.expand_dims(x, 0) if rank == 3 else x
        first = self.data_format == "channels_first"
        x = ops.transpose(x, (0, 2, 3, 1)) if first else x
        x = change(x)
        x = ops.transpose(x, (0, 3, 1, 2)) if first else x
        return ops.squeeze(x, 0) if rank == 3 else x

    def get_config(self):
        return {**super().get_config(), "data_format": self.data_format}


class RandomImageLayer(ImageLayer):
    """Images changed at random in training only: a subclass defines ``augment(images)``.

    Parameters
    ----------
    seed : int, optional
        Of calls on arrays; in a model the numbers come from the run's seed.
    """

    def __init__(self, seed=None, data_format=None, **kwargs):
        super().__init__(data_format, **kwargs)
        self.seed, self.generator = seed, random.SeedGenerator(seed)

    def transform(self, images, training):
        return self.augment(images) if training else images

    def draw(self, images, low=0.0, high=1.0):
        """A uniform number for each image, of shape (n, 1, 1, 1)."""
        if low == high:
            return ops.full((images.shape[0], 1, 1, 1), float(low))
        return random.uniform((images.shape[0], 1, 1, 1), low, high, seed=self.generator)

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


def factor_range(layer, factor, low=-1.0, high=1.0, name="factor"):
    """(lower, upper) of a factor: a pair is sorted, one number f means -f to f, as far as `low` allows.

    Raises
    ------
    ValueError
        Outside [low, high].
    """
    pair = factor if isinstance(factor, (tuple, list)) else None
    numbers = pair if pair is not None else [factor]
    plain = all(isinstance(n, (int, float)) and not isinstance(n, bool) for n in numbers)
    if not plain or (pair is not None and len(pair) != 2) or not all(low <= n <= high for n in numbers):
        raise ValueError(
            f"{layer}: {name} must be a number, or a pair of numbers, from {low} to {high}, received {factor!r}"
        )
    return tuple(sorted(pair)) if pair is not None else (max(low, -abs(factor)), abs(factor))


def value_range(layer, pair):
    """[lowest, highest] that the values of pixels may have."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2 or pair[0] == pair[1]:
        raise ValueError(f"{layer}: value_range must be a pair of two different numbers, received {pair!r}")
    return sorted(pair)


def rescaled(x, source, target):
    """x, whose values lie in the range `source`, moved to the range `target`."""
    if tuple(source) == tuple(target):
        return x
    return (x - source[0]) / (source[1] - source[0]) * (target[1] - target[0]) + target[0]
