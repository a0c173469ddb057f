"""Random numbers: the published vectors of Philox4x32-10, and C against its NumPy twin, bit for bit."""

import numpy as np
import pytest

from fastnn.engine import native
from fastnn.engine.steps import Code, Instruction, Operand, Step, View
from fastnn.ops import philox

# Random123's known answers: counter, key, result
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]
SEEDS = [(0, 0, 0), (1, 2, 3), (2**64 - 1, 2**64 - 1, 2**32 - 1), (0x123456789ABCDEF0, 0xFEDCBA987654, 77)]


@pytest.fixture(params=native.isas(), autouse=True)
def isa(request):
    native.select_isa(request.param)
    yield request.param
    native.select_isa()


def generate(count, seed, step, stream, threads=1, twice=False):
    """Return what C generates; `twice` adds the same stream to itself, from two registers."""
    y = np.full(count, 99, np.float32)
    code = [Instruction("random_uniform", 3, value=stream)]
    if twice:
        code += [Instruction("random_uniform", 4, value=stream), Instruction("add", 3, 3, 4)]
    code = Code(count, (View(0, "contiguous"),), (*code, Instruction("store", 0, 3)))
    program = native.NativeProgram([Step("elementwise", (Operand(0, 0, 4 * count),), (count,), code)], 1, 0.0)
    program.run([y], seed=seed, random_step=step, threads=threads)
    return y


def from_hex(text):
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_known_answers(counter, key, result):
    words = philox.philox4x32(from_hex(counter), from_hex(key))
    assert [int(w) for w in words] == from_hex(result)


def test_first_number_is_a_known_answer():
    assert generate(1, 0, 0, 0)[0] == np.float32((0x6627E8D5 >> 8) * 2.0**-24)


@pytest.mark.parametrize(("seed", "step", "stream"), SEEDS)
def test_c_equals_numpy(seed, step, stream):
    for count in (1, 15, 16, 17, 63, 64, 65, 255, 256, 257, 8193, 30000):
        want = philox.uniform(seed, step, stream, count)
        for threads in (1, 2, 3):
            np.testing.assert_array_equal(generate(count, seed, step, stream, threads), want)
        np.testing.assert_array_equal(generate(count, seed, step, stream, twice=True), want + want)


def test_numbers_do_not_depend_on_the_start():
    whole = philox.words(5, 6, 7, 1000)
    for start, count in [(0, 0), (1, 10), (63, 2), (64, 64), (100, 900), (999, 1)]:
        np.testing.assert_array_equal(philox.words(5, 6, 7, count, start), whole[start : start + count])


def test_epilogues_start_anywhere():
    """Rows of a matrix product begin at any element: its dropout must not notice."""
    m, n = 7, 37
    count = m * n
    y = np.zeros(count, np.float32)
    a, b = np.zeros((m, 1), np.float32), np.zeros((1, n), np.float32)
    work = Instruction("random_uniform", 0, value=9), Instruction("store", 0, 0)
    code = Code(count, (View(2, "contiguous"),), work)
    dims = {"batch": 1, "m": m, "n": n, "k": 1, "a_row": 1, "a_col": 1, "a_batch": 0, "b_batch": 0, "b_transposed": 0}
    native.run_step("matmul", dims, [a, b, y], code=code)
    np.testing.assert_array_equal(y, philox.uniform(0, 0, 9, count))


def test_uniform():
    x = philox.uniform(3, 0, 0, 200000).astype(np.float64)
    assert x.min() >= 0
    assert x.max() < 1
    assert abs(x.mean() - 0.5) < 5 / np.sqrt(12 * x.size)
    counts = np.bincount((x * 100).astype(int), minlength=100)
    assert abs(((counts - 2000) ** 2 / 2000).sum() - 99) < 5 * np.sqrt(2 * 99)


def test_streams_and_steps_differ():
    first = philox.words(1, 2, 3, 64)
    for other in (philox.words(2, 2, 3, 64), philox.words(1, 3, 3, 64), philox.words(1, 2, 4, 64)):
        assert (first == other).mean() < 0.1


def test_a_stream_has_an_end():
    assert philox.words(0, 0, 0, 4, 2**34 - 4).size == 4
    with pytest.raises(ValueError, match="2\\*\\*34"):
        philox.words(0, 0, 0, 5, 2**34 - 4)
