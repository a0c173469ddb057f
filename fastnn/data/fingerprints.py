"""Numbers that stand for texts, the same on every machine: FarmHash, SipHash and the hash of a combination.

All of them are computed for many texts at once, with arrays of uint64, whose arithmetic is modulo 2**64.
"""

import numpy as np

_K0, _K1, _K2 = map(np.uint64, (0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F))
_CROSS_KEY, _CROSS = np.uint64(0xDECAFCAFFE), np.uint64(0xC6A4A7935BD1E995)


def farm_hash(texts):
    """FarmHash's Fingerprint64 of byte strings (github.com/google/farmhash), as uint64."""
    return _by_length(texts, _farm)


def sip_hash(texts, key):
    """SipHash-2-4 of byte strings under a key of two integers (131002.net/siphash), as uint64."""
    return _by_length(texts, lambda rows: _sip(rows, key))


def cross_hash(columns):
    """One uint64 for each combination of the columns' values, as TensorFlow's ``sparse.cross_hashed`` makes them.

    Parameters
    ----------
    columns : list of arrays of uint64
    """
    total = np.full(len(columns[0]), _CROSS_KEY)
    for column in columns:
        total = ((total ^ _CROSS) ^ (_mixed(column * _CROSS) * _CROSS)) * _CROSS
        total = _mixed(_mixed(total) * _CROSS)
    return total


def _by_length(texts, function):
    """The function of rows of bytes, applied to the texts of each length together."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    result = np.empty(len(texts), np.uint64)
    for length in np.unique(lengths):
        (places,) = np.nonzero(lengths == length)
        joined = b"".join(texts[i] for i in places)
        result[places] = function(np.frombuffer(joined, np.uint8).reshape(len(places), length))
    return result


def _word(rows, start, size=8):
    """The integer, least byte first, of so many bytes of each row."""
    word = np.zeros((len(rows), 8), np.uint8)
    word[:, :size] = rows[:, start : start + size]
    return word.view("<u8")[:, 0].astype(np.uint64)


def _rotated(x, right):
    return (x >> np.uint64(right)) | (x << np.uint64(64 - right))


def _mixed(x):
    return x ^ (x >> np.uint64(47))


# --- FarmHash --------------------------------------------------------------------------------------
def _farm(rows):
    length = rows.shape[1]
    if length <= 16:
        return _farm_16(rows, length)
    return _farm_32(rows, length) if length <= 32 else _farm_64(rows, length) if length <= 64 else _farm_long(rows)


def _of_two(u, v, factor):
    return _mixed((v ^ _mixed((u ^ v) * factor)) * factor) * factor


def _farm_16(rows, length):
    factor = _K2 + np.uint64(2 * length)
    if length >= 8:
        a, b = _word(rows, 0) + _K2, _word(rows, length - 8)
        return _of_two(_rotated(b, 37) * factor + a, (_rotated(a, 25) + b) * factor, factor)
    if length >= 4:
        first, last = _word(rows, 0, 4), _word(rows, length - 4, 4)
        return _of_two(np.uint64(length) + (first << np.uint64(3)), last, factor)
    if length == 0:
        return np.full(len(rows), _K2)
    first, middle, last = (rows[:, i].astype(np.uint64) for i in (0, length >> 1, length - 1))
    y, z = first + (middle << np.uint64(8)), np.uint64(length) + (last << np.uint64(2))
    return _mixed(y * _K2 ^ z * _K0) * _K2


def _farm_32(rows, length):
    factor = _K2 + np.uint64(2 * length)
    a, b = _word(rows, 0) * _K1, _word(rows, 8)
    c, d = _word(rows, length - 8) * factor, _word(rows, length - 16) * _K2
    return _of_two(_rotated(a + b, 43) + _rotated(c, 30) + d, a + _rotated(b + _K2, 18) + c, factor)


def _farm_64(rows, length):
    factor = _K2 + np.uint64(2 * length)
    a, b = _word(rows, 0) * _K2, _word(rows, 8)
    c, d = _word(rows, length - 8) * factor, _word(rows, length - 16) * _K2
    y = _rotated(a + b, 43) + _rotated(c, 30) + d
    z = _of_two(y, a + _rotated(b + _K2, 18) + c, factor)
    e, f = _word(rows, 16) * factor, _word(rows, 24)
    g, h = (y + _word(rows, length - 32)) * factor, (z + _word(rows, length - 24)) * factor
    return _of_two(_rotated(e + f, 43) + _rotated(g, 30) + h, e + _rotated(f + a, 18) + g, factor)


def _farm_long(rows):
    """More than 64 bytes: blocks of 64, then once more the last 64."""
    length, count = rows.shape[1], len(rows)
    x = np.full(count, 81, np.uint64)
    y = x * _K1 + np.uint64(113)
    z = _mixed(y * _K2 + np.uint64(113)) * _K2
    v = w = (np.zeros(count, np.uint64), np.zeros(count, np.uint64))
    x = x * _K2 + _word(rows, 0)
    for start in range(0, (length - 1) // 64 * 64, 64):
        x, y, z, v, w = _farm_block(rows, start, x, y, z, v, w, _K1, np.uint64(1))
    factor = _K1 + ((z & np.uint64(0xFF)) << np.uint64(1))
    w0 = w[0] + np.uint64((length - 1) & 63)
    v = (v[0] + w0, v[1])
    w = (w0 + v[0], w[1])
    x, y, z, v, w = _farm_block(rows, length - 64, x, y, z, v, w, factor, np.uint64(9))
    return _of_two(_of_two(v[0], w[0], factor) + _mixed(y) * _K0 + z, _of_two(v[1], w[1], factor) + x, factor)


def _farm_block(rows, start, x, y, z, v, w, factor, times):
    x = _rotated(x + y + v[0] + _word(rows, start + 8), 37) * factor
    y = _rotated(y + v[1] + _word(rows, start + 48), 42) * factor
    x = x ^ w[1] * times
    y = y + v[0] * times + _word(rows, start + 40)
    z = _rotated(z + w[0], 33) * factor
    v = _farm_pair(rows, start, v[1] * factor, x + w[0])
    w = _farm_pair(rows, start + 32, z + w[1], y + _word(rows, start + 16))
    return z, y, x, v, w


def _farm_pair(rows, start, a, b):
    first, second, third, last = (_word(rows, start + i) for i in (0, 8, 16, 24))
    a = a + first
    b = _rotated(b + a + last, 21)
    total = a + second + third
    return total + last, b + _rotated(total, 44) + a


# --- SipHash ---------------------------------------------------------------------------------------
def _sip(rows, key):
    count, length = rows.shape
    low, high = (np.uint64(k & (1 << 64) - 1) for k in key)
    text = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    v = [np.full(count, np.uint64(c) ^ k) for c, k in zip(text, (low, high, low, high), strict=True)]
    whole = length // 8 * 8
    words = [_word(rows, start) for start in range(0, whole, 8)]
    words.append(_word(rows, whole, length - whole) | np.uint64((length & 0xFF) << 56))
    for word in words:
        v[3] = v[3] ^ word
        v = _sip_round(*_sip_round(*v))
        v[0] = v[0] ^ word
    v[2] = v[2] ^ np.uint64(0xFF)
    for _ in range(4):
        v = _sip_round(*v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _sip_round(a, b, c, d):
    a, c = a + b, c + d
    b, d = _rotated(b, 64 - 13) ^ a, _rotated(d, 64 - 16) ^ c
    a = _rotated(a, 32)
    c, a = c + b, a + d
    b, d = _rotated(b, 64 - 17) ^ c, _rotated(d, 64 - 21) ^ a
    return [a, b, _rotated(c, 32), d]
