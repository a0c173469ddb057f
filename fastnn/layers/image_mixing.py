"""Images mixed with others of the batch, and their labels with them."""

import numpy as np

from fastnn import ops, random
from fastnn.layers.image_augmentation import RandomImageLayer, factor_range
from fastnn.saving import registry


class _Mixing(RandomImageLayer):
    """Called with images, or with a dict of images and labels (n, classes), which are mixed in the same proportion.

    A subclass defines ``choose(n, h, w)``, which gives (order, share, mask): the partner of each image, the share of
    the image itself, and for ``blend(x, partner, share, mask)`` which pixels come from the partner.
    """

    def call(self, data, training=True):
        images = data["images"] if isinstance(data, dict) else data
        labels = data.get("labels") if isinstance(data, dict) else None
        if isinstance(data, dict):
            self._check_keys(data)
        chosen = []

        def change(x):
            if not training:
                return x
            chosen.append(self.choose(*x.shape[:3]))
            order, share, mask = chosen[0]
            return self.blend(x, ops.take(x, order, axis=0), ops.reshape(share, (-1, 1, 1, 1)), mask)

        mixed = self.on_batch(images, change)
        if not isinstance(data, dict):
            return mixed
        if labels is not None and chosen and len(images.shape) == 4:
            data = {**data, "labels": self._mixed_labels(labels, *chosen[0][:2])}
        return {**data, "images": mixed}

    def _mixed_labels(self, labels, order, share):
        if len(labels.shape) != 2:
            raise ValueError(
                f"{self}: labels must be of shape (n, classes), received {tuple(labels.shape)}: use ops.one_hot"
            )
        labels, share = ops.cast(labels, self.dtype), ops.reshape(share, (-1, 1))
        return share * labels + (1.0 - share) * ops.take(labels, order, axis=0)

    def order(self, n):
        return random.shuffle(np.arange(n, dtype=np.int32), seed=self.generator)


@registry.register("layer")
class MixUp(_Mixing):
    """In training, s x + (1 - s) x' with another image x' of the batch, s from Beta(alpha, alpha) (arXiv 1710.09412).

    Parameters
    ----------
    alpha : float
        Above 0; the smaller, the nearer is s to 0 or 1.
    seed : int, optional

    Called with images, or a dict of ``images`` and ``labels`` (n, classes).
    """

    def __init__(self, alpha=0.2, data_format=None, seed=None, **kwargs):
        super().__init__(seed, data_format, **kwargs)
        if not alpha > 0:
            raise ValueError(f"{self}: alpha must be above 0, received {alpha!r}")
        self.alpha = alpha

    def choose(self, n, h, w):
        return self.order(n), random.beta((n,), self.alpha, self.alpha, seed=self.generator), None

    def blend(self, x, partner, share, mask):
        return share * x + (1.0 - share) * partner

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha}


@registry.register("layer")
class CutMix(_Mixing):
    """In training, a rectangle of the image is that of another image of the batch (arXiv 1905.04899).

    Its sides are sqrt(1 - s) of the image's, s from Beta(a, a), a from `factor`.

    Parameters
    ----------
    factor : float or (float, float), from 0 to 1
        One number means from 0 to it.
    seed : int, optional

    Called with images, or a dict of ``images`` and ``labels`` (n, classes).
    """

    def __init__(self, factor=1.0, seed=None, data_format=None, **kwargs):
        super().__init__(seed, data_format, **kwargs)
        self.factor = factor_range(self, factor, 0, 1)

    def choose(self, n, h, w):
        low, high = self.factor
        alpha = random.uniform((1,), low, high, seed=self.generator) + 1e-6
        side = ops.sqrt(1.0 - random.beta((n,), alpha, alpha, seed=self.generator))
        rows, columns = self._stretch(n, h, side, 1), self._stretch(n, w, side, 2)
        return self.order(n), 1.0 - side * side, ops.logical_and(rows, columns)

    def _stretch(self, n, size, share, axis):
        """Which rows (axis 1) or columns (axis 2) lie in the rectangle."""
        length = share * float(size)
        start = random.uniform((n,), seed=self.generator) * (float(size) - length)
        place = np.arange(size, dtype=np.float32).reshape((1, size, 1, 1) if axis == 1 else (1, 1, size, 1))
        begin, end = (ops.reshape(edge, (n, 1, 1, 1)) for edge in (start, start + length))
        return ops.logical_and(begin <= place, place < end)

    def blend(self, x, partner, share, mask):
        return x if x.shape[0] == 1 else ops.where(mask, partner, x)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}
