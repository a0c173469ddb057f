"""Random numbers.

Outside a program they come from NumPy's Philox generator.  While a program is traced, every function draws
its numbers from `fastnn.ops.random_uniform`, so that each run of the program makes new ones from the run's
seed; a ``seed`` argument has no effect there.  Everything else is written once, on top of uniform numbers of
24 bits: float32 and float64 programs see the same values.
"""

import functools
import math
import os

import numpy as np

from fastnn import config, ops
from fastnn.graph.program import current_program

_RESOLUTION = 2.0**-24  # of the uniform numbers
_PROPOSALS = 6  # of the rejection method for gamma numbers in a program
_WITHIN_TWO = math.erf(math.sqrt(2))  # probability of a normal number within two standard deviations

# erfinv(x) / x as a polynomial in w - 2.5, w = -log(1 - x**2) < 5, highest power first: M. Giles,
# "Approximating the erfinv function", GPU Computing Gems, 2011; relative error below 4e-7.
_ERFINV = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503,
    -0.00417768164, 0.246640727, 1.50140941,
)  # fmt: skip


_global = {}  # "generator": where seeds come from if none is given; made at its first use


def _philox(key):
    return np.random.Generator(np.random.Philox(key=key))


def set_random_seed(seed):
    """Seed Python's ``random``, ``numpy.random`` and fastnn, so that weights and training are reproducible.

    Parameters
    ----------
    seed : int
        In 0..2**32-1, as NumPy asks.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise ValueError(f"set_random_seed: expected an integer, received {seed!r}")
    import random as python_random

    python_random.seed(int(seed))
    np.random.seed(int(seed))
    _global["generator"] = _philox(int(seed))


def fresh_seed():
    """A new seed of 63 bits from the global generator (which starts from the system's entropy)."""
    return int(global_generator().integers(2**63))


def global_generator():
    """The generator behind `fresh_seed`."""
    if not _global:
        _global["generator"] = _philox(int.from_bytes(os.urandom(16), "little"))
    return _global["generator"]


def state_of(generator):
    """The state of a Philox generator as a list of integers: counter, key, buffer, place in it, half a word."""
    state = generator.bit_generator.state
    arrays = (state["state"]["counter"], state["state"]["key"], state["buffer"])
    return [*(int(n) for a in arrays for n in a), state["buffer_pos"], state["has_uint32"], state["uinteger"]]


def restore_state(generator, numbers):
    """Make a Philox generator go on where another was, see `state_of`."""
    if len(numbers) != 13:
        raise ValueError(f"the state of a generator has 13 integers, received {len(numbers)}")
    words = np.array(numbers[:10], np.uint64)
    generator.bit_generator.state = {
        "bit_generator": "Philox", "state": {"counter": words[:4], "key": words[4:6]}, "buffer": words[6:],
        "buffer_pos": numbers[10], "has_uint32": numbers[11], "uinteger": numbers[12],
    }  # fmt: skip


class SeedGenerator:
    """A sequence of seeds: passed as ``seed``, it gives new numbers at every call.

    Parameters
    ----------
    seed : int, optional
        Taken from the global generator unless given.
    name : str, optional

    Attributes
    ----------
    state : uint64 array of shape (2,)
        The seed, and how many have been drawn.
    """

    def __init__(self, seed=None, name=None):
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, (int, np.integer))):
            raise ValueError(f"SeedGenerator: expected an integer seed, received {seed!r}")
        self.name = name or "seed_generator"
        self._initial_seed = seed
        self.state = _seed_pair(fresh_seed() if seed is None else seed)

    def next(self, ordered=True):
        """The present state as a seed; the count goes up by one."""
        seed = self.state.copy()
        self.state[1] += np.uint64(1)
        return seed

    def get_config(self):
        return {"seed": self._initial_seed, "name": self.name}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def _seed_pair(seed):
    return np.array([int(seed) % 2**64, 0], np.uint64)


def _generator(seed):
    """NumPy's generator for a seed: None, an integer or a SeedGenerator."""
    if seed is None:
        return _philox(fresh_seed())
    if isinstance(seed, SeedGenerator):
        return _philox(seed.next())
    if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool):
        return _philox(_seed_pair(seed))
    raise ValueError(f"seed: expected an integer, a SeedGenerator or None, received {seed!r}")


def _unit(shape, dtype, seed):
    """Uniform numbers in [0, 1), multiples of 2**-24."""
    shape, dtype = tuple(int(n) for n in shape), dtype or config.floatx()
    program = current_program()
    if program is not None:
        return ops.cast(ops.random_uniform(program, shape), dtype)
    return _generator(seed).random(shape, np.float32).astype(np.dtype(dtype))


def _check_float(function, dtype):
    if dtype is not None and np.dtype(dtype).kind != "f":
        raise ValueError(f"random.{function}: expected a floating point dtype, received {dtype!r}; use random.randint")


def uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
    """Numbers uniform in [minval, maxval).

    Parameters
    ----------
    shape : tuple of int
    minval, maxval : float
    dtype : {"float32", "float64"}, optional
    seed : int or SeedGenerator, optional
        An integer gives the same numbers at every call.
    """
    _check_float("uniform", dtype)
    u = _unit(shape, dtype, seed)
    return u if (minval, maxval) == (0.0, 1.0) else u * (maxval - minval) + minval


def normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    """Numbers of the normal distribution, by the method of Box and Muller; arguments as `uniform`."""
    _check_float("normal", dtype)
    radius, angle = _two_units(shape, dtype, seed)
    z = ops.sqrt(-2.0 * ops.log(1.0 - radius)) * ops.cos(angle * (2 * math.pi))
    return z * stddev + mean


def _two_units(shape, dtype, seed):
    if current_program() is not None:
        return _unit(shape, dtype, None), _unit(shape, dtype, None)
    both = _unit((2, *shape), dtype, seed)
    return both[0], both[1]


def truncated_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    """Numbers of the normal distribution limited to mean +- 2 stddev.

    They are made with the inverse of the distribution function; see `uniform` for the arguments.
    """
    _check_float("truncated_normal", dtype)
    x = (_unit(shape, dtype, seed) + _RESOLUTION / 2) * (2 * _WITHIN_TWO) - _WITHIN_TWO
    w = -ops.log(1.0 - x * x) - 2.5
    ratio = functools.reduce(lambda value, coefficient: value * w + coefficient, _ERFINV[1:], _ERFINV[0])
    return ops.clip(math.sqrt(2) * x * ratio, -2.0, 2.0) * stddev + mean


def randint(shape, minval, maxval, dtype="int32", seed=None):
    """Integers uniform in minval..maxval-1; see `uniform` for the arguments."""
    if np.dtype(dtype).kind not in "iu":
        raise ValueError(f"random.randint: expected an integer dtype, received {dtype!r}; use random.uniform")
    if current_program() is None:
        return _generator(seed).integers(minval, maxval, tuple(shape), np.int64).astype(dtype)
    if maxval - minval > 2**24:
        raise ValueError(
            f"random.randint: a traced program draws 24 random bits, too few for {minval}..{maxval - 1}: "
            "draw twice, or use compile(run_eagerly=True)"
        )
    steps = ops.floor(_unit(shape, None, seed) * float(maxval - minval))
    return ops.cast(ops.minimum(steps, float(maxval - minval - 1)), "int32") + minval


def categorical(logits, num_samples, dtype="int32", seed=None):
    """Classes drawn with probabilities softmax(logits), by the largest of logits plus Gumbel noise.

    Parameters
    ----------
    logits : tensor of shape (rows, classes)
    num_samples : int

    Returns
    -------
    integer tensor of shape (rows, num_samples)
    """
    logits = ops.convert_to_tensor(logits)
    if logits.ndim != 2:
        raise ValueError(
            f"random.categorical: expected logits of shape (rows, classes), received {tuple(logits.shape)}"
        )
    rows, classes = logits.shape
    wait = ops.maximum(-ops.log(1.0 - _unit((rows, num_samples, classes), None, seed)), _RESOLUTION / 2)
    return ops.cast(ops.argmax(ops.expand_dims(logits, 1) - ops.log(wait), axis=-1), dtype)


def gamma(shape, alpha, dtype=None, seed=None):
    """Numbers of the gamma distribution with shape parameter alpha and scale 1; see `uniform` for the arguments."""
    _check_float("gamma", dtype)
    if current_program() is not None:
        return ops.exp(_log_gamma(shape, alpha, dtype))
    return _generator(seed).gamma(alpha, size=tuple(shape)).astype(dtype or config.floatx())


def beta(shape, alpha, beta, dtype=None, seed=None):
    """Numbers of the beta distribution, proportional to x**(alpha-1) * (1-x)**(beta-1); see `uniform`."""
    _check_float("beta", dtype)
    if current_program() is not None:
        return ops.sigmoid(_log_gamma(shape, alpha, dtype) - _log_gamma(shape, beta, dtype))
    return _generator(seed).beta(alpha, beta, size=tuple(shape)).astype(dtype or config.floatx())


def _log_gamma(shape, alpha, dtype):
    """Logarithms of gamma numbers within a program, by the method of Marsaglia and Tsang (ACM TOMS 26, 2000).

    A proposal for alpha + 1 is accepted with a probability above 0.95; of `_PROPOSALS` the first accepted one counts,
    and the last one in the one case of 6e7 where none is.  A power of a uniform number leads from alpha + 1 to alpha.
    """
    d = alpha + 2.0 / 3.0
    log_value = None
    for _ in range(_PROPOSALS):
        x, u = normal(shape, dtype=dtype), 1.0 - _unit(shape, dtype, None)
        root = 1.0 + x / ops.sqrt(9.0 * d)
        log_v = 3.0 * ops.log(ops.maximum(root, 1e-9))
        accepted = ops.log(u) < 0.5 * x * x + d * (1.0 - ops.exp(log_v) + log_v)
        accepted = ops.logical_and(root > 0.0, accepted)
        if log_value is None:
            log_value, done = log_v, accepted
        else:
            log_value, done = ops.where(done, log_value, log_v), ops.logical_or(done, accepted)
    return ops.log(d) + log_value + ops.log(1.0 - _unit(shape, dtype, None)) / alpha


def binomial(shape, counts, probabilities, dtype=None, seed=None):
    """How many of `counts` trials succeed, each with one of the probabilities; see `uniform` for the arguments.

    On arrays only: NumPy's generator takes a random number of steps, which a program does not allow.
    """
    _check_float("binomial", dtype)
    if current_program() is not None:
        raise ValueError("random.binomial: not inside of a traced program: draw outside and pass the numbers in")
    return _generator(seed).binomial(counts, probabilities, size=tuple(shape)).astype(dtype or config.floatx())


def shuffle(x, axis=0, seed=None):
    """x with its slices along an axis in random order."""
    x = ops.convert_to_tensor(x)
    n = x.shape[axis]
    if current_program() is None:
        return np.take(x, _generator(seed).permutation(n), axis)
    key = _unit((n,), None, seed)
    first = np.arange(n)[:, None] > np.arange(n)[None, :]  # equal keys keep their order
    before = ops.logical_or(key[None, :] < key[:, None], ops.logical_and(ops.equal(key[None, :], key[:, None]), first))
    return ops.take(x, ops.sum(ops.cast(before, "int32"), axis=1), axis)


def dropout(inputs, rate, noise_shape=None, seed=None):
    """Inputs set to zero with probability `rate`, the others scaled by 1 / (1 - rate).

    Parameters
    ----------
    inputs : float tensor
    rate : float in [0, 1]
    noise_shape : tuple, optional
        Shape of the mask, broadcast to the inputs; None within it takes the size of the inputs.
    seed : int or SeedGenerator, optional
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"random.dropout: rate must lie in [0, 1], received {rate!r}")
    inputs = ops.convert_to_tensor(inputs)
    if rate == 0:
        return inputs
    if noise_shape is None:
        noise_shape = inputs.shape
    elif len(noise_shape) != inputs.ndim:
        raise ValueError(
            f"random.dropout: noise_shape {tuple(noise_shape)} must have one size for each axis of the "
            f"inputs, whose shape is {tuple(inputs.shape)}"
        )
    sizes = [n if given is None else given for given, n in zip(noise_shape, inputs.shape, strict=True)]
    keep = _unit(sizes, None, seed) >= rate
    return ops.where(keep, inputs * (1.0 / (1.0 - rate) if rate < 1 else 0.0), 0.0)
