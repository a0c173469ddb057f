"""Images whose brightnesses are spread by their histogram."""

import numpy as np

from fastnn import ops
from fastnn.layers.core import positive_integer
from fastnn.layers.image_augmentation import ImageLayer, rescaled, value_range
from fastnn.saving import registry

_checked_range = value_range  # the layers have an argument of this name
_LARGEST = 1 << 24  # whole numbers that programs compute with


def histograms(index, count, bins):
    """How often each of the bins occurs in each of `count` groups: (count, bins).

    Parameters
    ----------
    index : integer tensor
        bins * group + bin, for each pixel.
    """
    if count * bins >= _LARGEST:
        raise ValueError(f"{count} histograms of {bins} bins: use smaller batches (2**24 bins)")
    index = ops.reshape(index, (-1,))
    found = ops.segment_sum(np.ones((*index.shape, 1), np.float32), index, count * bins)
    return ops.reshape(found, (count, bins))


@registry.register("layer")
class Equalization(ImageLayer):
    """In training, the values of each channel, over the batch, are moved so that all occur equally often.

    Parameters
    ----------
    value_range : (float, float)
    bins : int
        Of the histogram.
    """

    def __init__(self, value_range=(0, 255), bins=256, data_format=None, **kwargs):
        super().__init__(data_format, **kwargs)
        self.value_range = _checked_range(self, value_range)
        self.bins = positive_integer(bins, f"{self}: bins")

    def transform(self, images, training):
        return self.augment(images) if training else images

    def augment(self, images):
        x = rescaled(images, self.value_range, (0, 255))
        c, bins = x.shape[-1], self.bins
        channel = np.arange(c, dtype=np.int32) * bins
        index = ops.cast(ops.clip(x * ((bins - 1) / 255.0), 0.0, bins - 1.0), "int32") + channel
        counts = histograms(index, c, bins)
        total = ops.cumsum(counts, axis=1)
        first = ops.min(ops.where(total > 0.0, total, float(_LARGEST)), axis=1, keepdims=True)
        spread = total[:, -1:] - first
        table = (total - first) * 255.0 / ops.where(spread > 0.0, spread, 1.0)
        table = ops.clip(ops.round(table), 0.0, 255.0)
        flat = ops.take(ops.reshape(table, (c * bins,)), ops.reshape(index, (-1,)), axis=0)
        several = ops.sum(ops.cast(counts > 0.0, x.dtype), axis=1) > 1.0
        return rescaled(ops.where(several, ops.reshape(flat, x.shape), x), (0, 255), self.value_range)

    def get_config(self):
        return {**super().get_config(), "bins": self.bins, "value_range": self.value_range}


@registry.register("layer")
class ContrastLimitedAdaptiveHistogramEqualization(ImageLayer):
    """Equalization by the histograms of tiles, none of whose bins may hold too much (K. Zuiderveld, 1994).

    Between the middles of the tiles, their results are interpolated.

    Parameters
    ----------
    value_range : (float, float)
    clip_limit : float
        A bin holds at most this many times what it would hold were all equally full; the rest is given to all bins.
        0: no limit.
    tile_grid_size : (int, int)
        Tiles down and across.
    """

    def __init__(self, value_range=(0, 255), clip_limit=4.0, tile_grid_size=(8, 8), data_format=None, **kwargs):
        super().__init__(data_format, **kwargs)
        _checked_range(self, value_range)
        if len(tile_grid_size) != 2:
            raise ValueError(f"{self}: tile_grid_size must be two integers, received {tile_grid_size!r}")
        self.value_range, self.clip_limit = value_range, clip_limit
        self.tile_grid_size = tuple(positive_integer(n, f"{self}: tile_grid_size") for n in tile_grid_size)

    def transform(self, images, training):
        x = rescaled(images, self.value_range, (0, 255))
        h, w = x.shape[1:3]
        tiles = self.tile_grid_size
        sizes = [-(-length // count) for length, count in zip((h, w), tiles, strict=True)]
        down, right = (count * size - length for count, size, length in zip(tiles, sizes, (h, w), strict=True))
        if down or right:
            x = ops.pad(x, ((0, 0), (0, down), (0, right), (0, 0)), mode="symmetric")
        level = ops.cast(ops.clip(x, 0.0, 255.0), "int32")
        tables = self._tables(level, tiles, sizes)
        return rescaled(self._looked_up(level, tables, tiles, sizes)[:, :h, :w], (0, 255), self.value_range)

    def _tables(self, level, tiles, sizes):
        """New values for the 256 levels, by tile and channel: (n, tiles down, tiles across, c, 256)."""
        n, c, pixels = level.shape[0], level.shape[-1], sizes[0] * sizes[1]
        group = np.arange(n * tiles[0] * tiles[1] * c, dtype=np.int32).reshape(n, tiles[0], 1, tiles[1], 1, c)
        parts = ops.reshape(level, (n, tiles[0], sizes[0], tiles[1], sizes[1], c))
        counts = histograms(parts + group * 256, group.size, 256)
        if self.clip_limit > 0:
            kept = ops.minimum(counts, float(np.float32(self.clip_limit * pixels / 256.0)))
            counts = kept + ops.sum(counts - kept, axis=-1, keepdims=True) / 256.0
        total = ops.cumsum(counts, axis=-1)
        first = total[:, :1]
        spread = float(pixels) - first
        table = (total - first) * 255.0 / ops.where(ops.equal(spread, 0.0), 1.0, spread)
        return ops.reshape(ops.clip(table, 0.0, 255.0), (n, *tiles, c, 256))

    def _looked_up(self, level, tables, tiles, sizes):
        """Each level in the tables of the four tiles around it, weighted by their nearness."""
        n, c = level.shape[0], level.shape[-1]
        image = np.arange(n).reshape(n, 1, 1, 1)
        (rows, below), (columns, right) = (_neighbours(*pair) for pair in zip(tiles, sizes, strict=True))
        flat, result = ops.reshape(tables, (-1,)), 0.0
        for row, weight_y in zip(rows, (1.0 - below, below), strict=True):
            for column, weight_x in zip(columns, (1.0 - right, right), strict=True):
                tile = (image * tiles[0] + row.reshape(1, -1, 1, 1)) * tiles[1] + column.reshape(1, 1, -1, 1)
                index = level + ((tile * c + np.arange(c)) * 256).astype(np.int32)
                value = ops.reshape(ops.take(flat, ops.reshape(index, (-1,)), axis=0), level.shape)
                result = result + value * (weight_y.reshape(1, -1, 1, 1) * weight_x.reshape(1, 1, -1, 1))
        return result

    def get_config(self):
        names = ("value_range", "clip_limit", "tile_grid_size")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _neighbours(tiles, size):
    """((the tiles before and behind, for each pixel), the weight of the one behind); the outermost count twice."""
    place = (np.arange(tiles * size, dtype=np.float32) - size / 2) / np.float32(size)
    before = np.floor(place)
    inside = [np.clip(tile, 0, tiles - 1).astype(np.int64) for tile in (before, before + 1)]
    return inside, (place - before).astype(np.float32)
