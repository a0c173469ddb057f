"""The rows of tests/layers/test_preprocessing.py and golden/make_preprocessing.py: layers whose numbers are not drawn.

Layers that change images at random are built so that nothing is left to chance: both ends of a factor are equal.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cases
import numpy as np


@dataclass(frozen=True)
class PreprocessingCase:
    """A layer called once, with ``training=True`` if it changes images at random, on `inputs`."""

    name: str
    make: Callable[[Any], Any]
    shape: tuple[int, ...] = (2, 6, 5, 3)
    kind: str = "image"
    adapt: bool = False

    def inputs(self):
        """Pixels in 0..255, numbers around 0, or integers in 0..6."""
        rng = cases.random_of(self.name)
        if self.kind == "integer":
            return rng.integers(0, 7, self.shape).astype(np.int32)
        numbers = cases.ladder(rng, self.shape)
        return (numbers + 1) * np.float32(127.5) if self.kind == "image" else numbers * 4


def row(cls, *args, name=None, shape=(2, 6, 5, 3), kind="image", adapt=False, **kwargs):
    return PreprocessingCase(
        name or cls.lower(), lambda k: getattr(k.layers, cls)(*args, **kwargs), shape, kind, adapt
    )  # fmt: skip


ROWS = [
    row("Resizing", 4, 7),
    row("Resizing", 9, 8, name="resizing_larger"),
    row("Resizing", 3, 3, interpolation="nearest", name="resizing_nearest"),
    row("Resizing", 9, 4, interpolation="bicubic", name="resizing_bicubic"),
    row("Resizing", 3, 2, antialias=True, name="resizing_antialias"),
    row("Resizing", 3, 2, interpolation="bicubic", antialias=True, name="resizing_bicubic_antialias"),
    row("Resizing", 4, 4, crop_to_aspect_ratio=True, name="resizing_crop", shape=(2, 8, 5, 3)),
    row("Resizing", 4, 4, pad_to_aspect_ratio=True, fill_value=7.0, name="resizing_pad", shape=(2, 8, 4, 3)),
    row("Resizing", 4, 7, data_format="channels_first", name="resizing_first", shape=(2, 3, 6, 5)),
    row("Resizing", 4, 7, name="resizing_one", shape=(6, 5, 3)),
    row("CenterCrop", 4, 3),
    row("CenterCrop", 3, 3, name="centercrop_odd"),
    row("CenterCrop", 8, 8, name="centercrop_small"),
    row("RandomCrop", 6, 5, seed=3),
    row("RandomBrightness", (0.2, 0.2)),
    row("RandomBrightness", (-0.3, -0.3), value_range=(0, 300), name="randombrightness_range"),
    row("RandomContrast", (0.0, 0.0)),
    row("RandomColorDegeneration", (0.4, 0.4)),
    row("RandomSaturation", (0.5, 0.5), value_range=(0, 255), name="randomsaturation_none"),
    row("RandomHue", (0.0, 0.0)),
    row("RandomSharpness", (0.9, 0.9)),
    row("RandomSharpness", (0.1, 0.1), value_range=(10, 200), name="randomsharpness_smooth"),
    row("RandomGrayscale", 1.0),
    row("RandomInvert", (1.0, 1.0)),
    row("RandomPosterization", (3, 3)),
    row("RandomPosterization", (5, 5), value_range=(0, 256), name="randomposterization_range"),
    row("RandomColorJitter", brightness_factor=(0.1, 0.1), contrast_factor=(0.0, 0.0)),
    row("Solarization"),
    row("AutoContrast"),
    row("AutoContrast", value_range=(0, 300), name="autocontrast_range"),
    row("RandomGaussianBlur", (1.0, 1.0), sigma=(0.7, 0.7)),
    row("RandomGaussianBlur", (1.0, 1.0), (5, 3), (0.9, 0.9), (0, 150), name="randomgaussianblur_range"),
    row("RandomPerspective", (1.0, 1.0), scale=0.0),
    row("RandomElasticTransform", scale=0.0),
    row("Equalization"),
    row("Equalization", value_range=(0, 300), bins=64, name="equalization_range"),
    row("Equalization", data_format="channels_first", shape=(2, 3, 6, 5), name="equalization_first"),
    row("ContrastLimitedAdaptiveHistogramEqualization", tile_grid_size=(2, 3), name="clahe"),
    row("ContrastLimitedAdaptiveHistogramEqualization", (0.0, 300.0), 0.0, (2, 1), name="clahe_unlimited"),
    row("ContrastLimitedAdaptiveHistogramEqualization", clip_limit=40.0, tile_grid_size=(3, 2), shape=(2, 9, 8, 1),
        name="clahe_padded"),
    row("RandomErasing", (1.0, 1.0), scale=(1.0, 1.0), fill_value=9.0),
    row("RandomFlip", "horizontal", shape=(2, 6, 1, 3)),
    row("RandomShear", 0.0, 0.0),
    row("Normalization", kind="number", shape=(7, 3), adapt=True),
    row("Normalization", axis=None, kind="number", shape=(7, 3), adapt=True, name="normalization_all"),
    row("Normalization", axis=(1, 2), kind="number", shape=(7, 3, 2), adapt=True, name="normalization_two"),
    row("Normalization", invert=True, kind="number", shape=(7, 3), adapt=True, name="normalization_invert"),
    row("Normalization", mean=[1.0, 2.0, 3.0], variance=[4.0, 1.0, 0.0], kind="number", shape=(7, 3),
        name="normalization_given"),
    row("Normalization", axis=None, mean=1.0, variance=4.0, kind="number", shape=(7, 3), name="normalization_number"),
    row("CategoryEncoding", 7, kind="integer", shape=(4, 3)),
    row("CategoryEncoding", 7, "one_hot", kind="integer", shape=(4,), name="categoryencoding_one_hot"),
    row("CategoryEncoding", 7, "one_hot", kind="integer", shape=(4, 1), name="categoryencoding_one_hot_column"),
    row("CategoryEncoding", 7, "count", kind="integer", shape=(4, 3), name="categoryencoding_count"),
    row("Discretization", [-1.5, 0.0, 0.5], kind="number", shape=(5, 4)),
    row("Discretization", num_bins=4, kind="number", shape=(50, 4), adapt=True, name="discretization_adapted"),
    row("Discretization", num_bins=5, epsilon=0.05, kind="number", shape=(64,), adapt=True,
        name="discretization_coarse"),
    row("Discretization", [-1.5, 0.0, 0.5], output_mode="one_hot", kind="number", shape=(5,),
        name="discretization_one_hot"),
    row("Discretization", [-1.5, 0.0, 0.5], output_mode="count", kind="number", shape=(5, 3),
        name="discretization_count"),
]  # fmt: skip
for mode in ("constant", "nearest", "wrap", "reflect"):
    ROWS += [
        row("RandomRotation", (0.1, 0.1), fill_mode=mode, fill_value=3.0, name=f"randomrotation_{mode}"),
        row("RandomTranslation", (0.4, 0.4), (-0.7, -0.7), fill_mode=mode, name=f"randomtranslation_{mode}"),
        row("RandomZoom", (0.6, 0.6), (-0.3, -0.3), fill_mode=mode, name=f"randomzoom_{mode}"),
    ]
ROWS += [
    row("RandomRotation", (-0.2, -0.2), interpolation="nearest", name="randomrotation_nearest_pixel"),
    row("RandomZoom", (0.25, 0.25), name="randomzoom_both"),
    row("RandomRotation", (0.1, 0.1), data_format="channels_first", shape=(2, 3, 6, 5), name="randomrotation_first"),
]
