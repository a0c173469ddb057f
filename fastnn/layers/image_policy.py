"""Random choices among the layers that augment images.

On arrays only the chosen layers compute; a program has no branches and computes all of them.
"""

from fastnn import ops, random
from fastnn.layers.core import positive_integer
from fastnn.layers.image_affine import RandomRotation, RandomShear, RandomTranslation
from fastnn.layers.image_augmentation import RandomImageLayer, factor_range, value_range
from fastnn.layers.image_color import (
    AutoContrast,
    RandomBrightness,
    RandomColorDegeneration,
    RandomContrast,
    RandomPosterization,
    RandomSharpness,
    Solarization,
)
from fastnn.layers.image_histogram import Equalization
from fastnn.saving import registry


class _Policy(RandomImageLayer):
    """A subclass sets ``_choices``, functions of images, with `_functions`, and calls `one`."""

    def __init__(self, value_range, factor, interpolation, seed, data_format, **kwargs):
        super().__init__(seed, data_format, **kwargs)
        _checked_range(self, value_range)
        self.value_range, self.interpolation = value_range, interpolation
        self.factor = factor_range(self, factor, 0, 1)

    def _functions(self, *, colors):
        """What may be chosen; `colors` takes those along that change brightness, colour, contrast, sharpness."""
        seeds = iter(range(20) if self.seed is None else range(self.seed + 1, self.seed + 21))

        def made(kind, **options):
            return kind(seed=next(seeds) if self.seed is not None else None, dtype=self.dtype, **options).augment

        factor, pixels = self.factor, {"value_range": self.value_range}
        moved = {"interpolation": self.interpolation}
        contrast = AutoContrast(**pixels)
        functions = [
            made(RandomShear, x_factor=factor, y_factor=factor, **moved),
            made(RandomTranslation, height_factor=factor, width_factor=factor, **moved),
            made(RandomRotation, factor=factor, **moved),
            made(RandomPosterization, factor=max(1, int(8 * factor[1])), **pixels),
            made(Solarization, addition_factor=factor, threshold_factor=factor, **pixels),
            lambda images: contrast.transform(images, True),
            Equalization(**pixels).augment,
        ]
        if colors:
            kinds = (RandomBrightness, RandomColorDegeneration, RandomContrast, RandomSharpness)
            functions += [made(kind, factor=factor, **pixels) for kind in kinds]
        return functions

    def one(self, functions, images):
        """The images changed by a random one of the functions."""
        index = random.randint((), 0, len(functions), seed=self.generator)
        return ops.switch(index, functions, images)

    def get_config(self):
        names = ("value_range", "factor", "interpolation")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


_checked_range = value_range  # the layers have an argument of this name


@registry.register("layer")
class RandAugment(_Policy):
    """In training, random changes one after the other, the same ones for a batch (arXiv 1909.13719).

    Parameters
    ----------
    value_range : (float, float)
    num_ops : int
        How many.
    factor : float or (float, float), from 0 to 1
        Their strength.
    interpolation : {"bilinear", "nearest"}
    seed : int, optional
    """

    def __init__(
        self, value_range=(0, 255), num_ops=2, factor=0.5, interpolation="bilinear", seed=None, data_format=None,
        **kwargs,
    ):  # fmt: skip
        super().__init__(value_range, factor, interpolation, seed, data_format, **kwargs)
        self.num_ops = positive_integer(num_ops, f"{self}: num_ops")
        self._choices = self._functions(colors=True)

    def augment(self, images):
        for _ in range(self.num_ops):
            images = self.one(self._choices, images)
        return images

    def get_config(self):
        return {**super().get_config(), "num_ops": self.num_ops}


@registry.register("layer")
class AugMix(_Policy):
    """In training, images mixed with a mixture of chains of random changes (arXiv 1912.02781).

    ``m x + (1 - m) sum_i w_i chain_i(x)``, m from Beta(alpha, alpha), w from the Dirichlet distribution of alpha.

    Parameters
    ----------
    value_range : (float, float)
    num_chains, chain_depth : int
        Chains, and the most changes in each.
    factor : float or (float, float), from 0 to 1
        Their strength.
    alpha : float
    all_ops : bool
        Also change brightness, colour, contrast and sharpness.
    interpolation : {"bilinear", "nearest"}
    seed : int, optional
    """

    def __init__(
        self, value_range=(0, 255), num_chains=3, chain_depth=3, factor=0.3, alpha=1.0, all_ops=True,
        interpolation="bilinear", seed=None, data_format=None, **kwargs,
    ):  # fmt: skip
        super().__init__(value_range, factor, interpolation, seed, data_format, **kwargs)
        self.num_chains = positive_integer(num_chains, f"{self}: num_chains")
        self.chain_depth = positive_integer(chain_depth, f"{self}: chain_depth")
        self.alpha, self.all_ops = alpha, all_ops
        self._choices = [*self._functions(colors=all_ops), lambda images: images]

    def augment(self, images):
        gammas = random.gamma((self.num_chains,), self.alpha, seed=self.generator)
        weights = gammas / ops.sum(gammas)
        kept = random.beta((1,), self.alpha, self.alpha, seed=self.generator)
        mixed = 0.0
        for i in range(self.num_chains):
            chain = images
            for _ in range(self.chain_depth):
                chain = self.one(self._choices, chain)
            mixed = mixed + chain * weights[i]
        low, high = sorted(self.value_range)
        return ops.clip(kept * images + (1.0 - kept) * mixed, float(low), float(high))

    def get_config(self):
        names = ("num_chains", "chain_depth", "alpha", "all_ops")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
