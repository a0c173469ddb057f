"""Initializers: the first values of weights.

Called with a shape (and a dtype), they give a NumPy array at once, also while a program is traced.
"""

import math

import numpy as np

from fastnn import config, random
from fastnn.graph.program import Arithmetic, eager
from fastnn.saving import registry

# Standard deviation of a normal distribution cut at two standard deviations
TRUNCATED_STDDEV = 0.87962566103423978


class Initializer:
    """Base of initializers: override ``__call__(shape, dtype=None)`` and, for saving, ``get_config()``."""

    def __call__(self, shape, dtype=None):
        raise NotImplementedError(f"{type(self).__name__} needs __call__(shape, dtype=None), which returns an array")

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def clone(self):
        """A new initializer with the same arguments."""
        return type(self).from_config(self.get_config())


@registry.register("initializer", aliases=("zero",))
class Zeros(Initializer):
    """All zeros."""

    def __call__(self, shape, dtype=None):
        return np.zeros(shape, dtype or config.floatx())


@registry.register("initializer", aliases=("one",))
class Ones(Initializer):
    """All ones."""

    def __call__(self, shape, dtype=None):
        return np.ones(shape, dtype or config.floatx())


@registry.register("initializer")
class Constant(Initializer):
    """One value, or an array broadcast to the shape.

    Parameters
    ----------
    value : number or array
    """

    def __init__(self, value=0.0):
        self.value = value

    def __call__(self, shape, dtype=None):
        return np.array(np.broadcast_to(self.value, shape), dtype or config.floatx())

    def get_config(self):
        return {"value": registry.serialize(self.value)}

    @classmethod
    def from_config(cls, config):
        return cls(registry.deserialize(config["value"]))


@registry.register("initializer", aliases=("IdentityInitializer",))
class Identity(Initializer):
    """gain on the diagonal of a matrix, zeros elsewhere.

    Parameters
    ----------
    gain : float
    """

    def __init__(self, gain=1.0):
        self.gain = gain

    def __call__(self, shape, dtype=None):
        if len(shape) != 2:
            raise ValueError(f"Identity: only matrices have a diagonal, received shape {tuple(shape)}")
        return self.gain * np.eye(*shape, dtype=dtype or config.floatx())

    def get_config(self):
        return {"gain": self.gain}


class RandomInitializer(Initializer):
    """Base of random initializers.

    Parameters
    ----------
    seed : int or SeedGenerator, optional
        An integer gives the same values at every call, a SeedGenerator new ones.  None draws an integer from
        the global generator when the initializer is made (`set_random_seed`).
    """

    def __init__(self, seed=None):
        self._init_seed = seed
        if seed is None:
            seed = random.fresh_seed()
        elif isinstance(seed, dict):
            seed = random.SeedGenerator.from_config(seed["config"])
        elif isinstance(seed, bool) or not isinstance(seed, (int, np.integer, random.SeedGenerator)):
            raise ValueError(
                f"{type(self).__name__}: seed must be an integer, a SeedGenerator or None, received {seed!r}"
            )
        self.seed = seed

    def _draw(self, function, shape, first, second, dtype):
        with eager():
            return function(tuple(shape), first, second, dtype=dtype or config.floatx(), seed=self.seed)

    def get_config(self):
        seed = self._init_seed
        if isinstance(seed, random.SeedGenerator):
            seed = {
                "module": "keras.random",
                "class_name": "SeedGenerator",
                "config": seed.get_config(),
                "registered_name": None,
            }
        return {"seed": seed}


@registry.register("initializer", aliases=("normal",))
class RandomNormal(RandomInitializer):
    """The normal distribution.

    Parameters
    ----------
    mean, stddev : float
    seed : int or SeedGenerator, optional
    """

    def __init__(self, mean=0.0, stddev=0.05, seed=None):
        self.mean, self.stddev = mean, stddev
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        return self._draw(random.normal, shape, self.mean, self.stddev, dtype)

    def get_config(self):
        return super().get_config() | {"mean": self.mean, "stddev": self.stddev}


@registry.register("initializer")
class TruncatedNormal(RandomInitializer):
    """The normal distribution limited to mean +- 2 stddev.

    Parameters
    ----------
    mean, stddev : float
        Of the distribution before it is cut.
    seed : int or SeedGenerator, optional
    """

    def __init__(self, mean=0.0, stddev=0.05, seed=None):
        self.mean, self.stddev = mean, stddev
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        return self._draw(random.truncated_normal, shape, self.mean, self.stddev, dtype)

    def get_config(self):
        return super().get_config() | {"mean": self.mean, "stddev": self.stddev}


@registry.register("initializer", aliases=("uniform",))
class RandomUniform(RandomInitializer):
    """The uniform distribution over [minval, maxval).

    Parameters
    ----------
    minval, maxval : float
    seed : int or SeedGenerator, optional
    """

    def __init__(self, minval=-0.05, maxval=0.05, seed=None):
        self.minval, self.maxval = minval, maxval
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        return self._draw(random.uniform, shape, self.minval, self.maxval, dtype)

    def get_config(self):
        return super().get_config() | {"minval": self.minval, "maxval": self.maxval}


@registry.register("initializer")
class VarianceScaling(RandomInitializer):
    """Mean 0 and variance scale / n, n the number of connections of a unit.

    Parameters
    ----------
    scale : float
    mode : {"fan_in", "fan_out", "fan_avg"}
        n counts the inputs, the outputs, or is their mean.
    distribution : {"truncated_normal", "untruncated_normal", "uniform"}
        The truncated one is widened, so that its variance is right after the cut; "normal" means the same.
    seed : int or SeedGenerator, optional
    input_axes, output_axes : sequence of int, optional
        Axes whose sizes multiply to the number of inputs and outputs; see `compute_fans` for the rule without
        them.
    """

    def __init__(
        self,
        scale=1.0,
        mode="fan_in",
        distribution="truncated_normal",
        seed=None,
        input_axes=None,
        output_axes=None,
    ):
        if not scale > 0:
            raise ValueError(f"VarianceScaling: scale must be positive, received {scale!r}")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(f'VarianceScaling: mode must be "fan_in", "fan_out" or "fan_avg", received {mode!r}')
        distribution = distribution.lower()
        distribution = "truncated_normal" if distribution == "normal" else distribution
        if distribution not in ("uniform", "truncated_normal", "untruncated_normal"):
            raise ValueError(
                'VarianceScaling: distribution must be "truncated_normal", "untruncated_normal" or '
                f'"uniform", received {distribution!r}'
            )
        self.scale, self.mode, self.distribution = scale, mode, distribution
        self.input_axes, self.output_axes = input_axes, output_axes
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
        stddev = math.sqrt(self.scale / max(1.0, fans[self.mode]))
        if self.distribution == "truncated_normal":
            return self._draw(random.truncated_normal, shape, 0.0, stddev / TRUNCATED_STDDEV, dtype)
        if self.distribution == "untruncated_normal":
            return self._draw(random.normal, shape, 0.0, stddev, dtype)
        return self._draw(random.uniform, shape, -math.sqrt(3) * stddev, math.sqrt(3) * stddev, dtype)

    def get_config(self):
        return super().get_config() | {
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


def compute_fans(shape, input_axes=None, output_axes=None):
    """(inputs, outputs) of one unit: a kernel (..., in, out) has a receptive field of its leading axes.

    Parameters
    ----------
    shape : tuple of int
    input_axes, output_axes : sequence of int, optional
        Both given, they alone decide.
    """
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[axis] for axis in input_axes), math.prod(shape[axis] for axis in output_axes)
    if len(shape) < 2:
        return (shape[0], shape[0]) if len(shape) else (1, 1)
    field = math.prod(shape[:-2])
    return field * shape[-2], field * shape[-1]


class _NamedScaling(VarianceScaling):
    """VarianceScaling with the scale, mode and distribution of a class."""

    rule = (1.0, "fan_avg", "uniform")

    def __init__(self, seed=None, input_axes=None, output_axes=None):
        super().__init__(*self.rule, seed, input_axes, output_axes)

    def get_config(self):
        config = super().get_config()
        return {key: config[key] for key in ("seed", "input_axes", "output_axes")}


@registry.register("initializer")
class GlorotUniform(_NamedScaling):
    """Uniform over +- sqrt(6 / (inputs + outputs)) (Glorot and Bengio, 2010).

    Parameters
    ----------
    seed : int or SeedGenerator, optional
    input_axes, output_axes : sequence of int, optional
        See `compute_fans`.
    """

    rule = (1.0, "fan_avg", "uniform")


@registry.register("initializer")
class GlorotNormal(_NamedScaling):
    """Truncated normal of variance 2 / (inputs + outputs) (Glorot and Bengio, 2010), as GlorotUniform."""

    rule = (1.0, "fan_avg", "truncated_normal")


@registry.register("initializer")
class LecunNormal(_NamedScaling):
    """Truncated normal of variance 1 / inputs (LeCun et al., 1998); arguments as GlorotUniform."""

    rule = (1.0, "fan_in", "truncated_normal")


@registry.register("initializer")
class LecunUniform(_NamedScaling):
    """Uniform over +- sqrt(3 / inputs) (LeCun et al., 1998); arguments as GlorotUniform."""

    rule = (1.0, "fan_in", "uniform")


@registry.register("initializer")
class HeNormal(_NamedScaling):
    """Truncated normal of variance 2 / inputs (arXiv 1502.01852); arguments as GlorotUniform."""

    rule = (2.0, "fan_in", "truncated_normal")


@registry.register("initializer")
class HeUniform(_NamedScaling):
    """Uniform over +- sqrt(6 / inputs) (arXiv 1502.01852); arguments as GlorotUniform."""

    rule = (2.0, "fan_in", "uniform")


@registry.register("initializer", aliases=("OrthogonalInitializer",))
class Orthogonal(RandomInitializer):
    """gain * Q of a random normal matrix, its leading axes flattened, its signs unique (arXiv 1312.6120).

    Parameters
    ----------
    gain : float
    seed : int or SeedGenerator, optional
    """

    def __init__(self, gain=1.0, seed=None):
        self.gain = gain
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        if len(shape) < 2:
            raise ValueError(f"Orthogonal: expected a shape of two or more axes, received {tuple(shape)}")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        flat = (max(rows, columns), min(rows, columns))
        q, r = np.linalg.qr(self._draw(random.normal, flat, 0.0, 1.0, "float64"))
        q = q * np.sign(np.diag(r))
        q = q.T if rows < columns else q
        return (self.gain * q).reshape(shape).astype(dtype or config.floatx())

    def get_config(self):
        return super().get_config() | {"gain": self.gain}


zeros, ones, constant, identity = Zeros, Ones, Constant, Identity
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
variance_scaling, orthogonal = VarianceScaling, Orthogonal
glorot_uniform, glorot_normal = GlorotUniform, GlorotNormal
lecun_uniform, lecun_normal = LecunUniform, LecunNormal
he_uniform, he_normal = HeUniform, HeNormal
IdentityInitializer, OrthogonalInitializer = Identity, Orthogonal


def get(identifier):
    """The initializer that a name, configuration, class, callable or array stands for; None stays None.

    An array becomes an initializer for its own shape.
    """
    if isinstance(identifier, (np.ndarray, np.generic)) or (
        isinstance(identifier, Arithmetic) and hasattr(identifier, "value")
    ):
        return _from_array(np.array(identifier))
    return registry.get("initializer", identifier)


def _from_array(array):
    def initialize(shape, dtype=None):
        if tuple(shape) != array.shape:
            raise ValueError(f"the array given as initializer has shape {array.shape}, the weight {tuple(shape)}")
        return array.astype(dtype or config.floatx())

    return initialize


def serialize(initializer):
    """The configuration of an initializer."""
    return registry.serialize(initializer)


def deserialize(config, custom_objects=None):
    """The initializer that a configuration describes."""
    return registry.get("initializer", config, custom_objects)
