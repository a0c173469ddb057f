"""Random numbers that depend on nothing but seed, step, stream and element index.

The NumPy twin, bit for bit, of ``csrc/kernels/random.h``: Philox4x32-10 (Salmon, Moraes, Dror, Shaw:
*Parallel random numbers: as easy as 1, 2, 3*, SC 2011). Element i takes word ``i // 16 % 4`` of the counter
``i // 64 * 16 + i % 16``.
"""

import numpy as np

MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
KEY_STEPS = 0x9E3779B9, 0xBB67AE85
WORD = 0xFFFFFFFF
MOST = 1 << 34  # elements of a stream


def philox4x32(counter, key):
    """Apply the ten rounds of Philox4x32 to counters under one key.

    Parameters
    ----------
    counter : sequence of 4 uint64 arrays that broadcast, or numbers below 2**32
    key : sequence of 2 int below 2**32

    Returns
    -------
    list of 4 uint64 arrays, numbers below 2**32
    """
    x0, x1, x2, x3 = (np.asarray(x, np.uint64) for x in counter)
    k0, k1 = key
    shift, word = np.uint64(32), np.uint64(WORD)
    for _ in range(10):
        product0, product1 = x0 * MULTIPLIERS[0], x2 * MULTIPLIERS[1]
        x0 = product1 >> shift ^ x1 ^ np.uint64(k0)
        x2 = product0 >> shift ^ x3 ^ np.uint64(k1)
        x1, x3 = product1 & word, product0 & word
        k0, k1 = k0 + KEY_STEPS[0] & WORD, k1 + KEY_STEPS[1] & WORD
    return [x0, x1, x2, x3]


def words(seed: int, step: int, stream: int, count: int, start: int = 0) -> np.ndarray:
    """Elements start .. start+count-1 of a stream as uint32.

    seed and step have 64 bits, stream has 32; a stream has 2**34 elements.
    """
    if not 0 <= start <= start + count <= MOST:
        raise ValueError(f"elements {start} to {start + count} of a random stream: it has 2**34")
    begin, end = start // 64, -(-(start + count) // 64)
    counter = np.arange(begin * 16, end * 16, dtype=np.uint64)
    columns = philox4x32([counter, stream, step & WORD, step >> 32], [seed & WORD, seed >> 32])
    groups = np.stack([np.broadcast_to(c, counter.shape).reshape(-1, 16) for c in columns], axis=1)
    return groups.reshape(-1)[start - begin * 64 :][:count].astype(np.uint32)


def uniform(seed: int, step: int, stream: int, count: int, start: int = 0) -> np.ndarray:
    """Return the same elements as float32 numbers in [0, 1): the upper 24 bits of each word, times 2**-24."""
    return (words(seed, step, stream, count, start) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
