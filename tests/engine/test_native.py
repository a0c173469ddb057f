"""Programs on the native engine: what they compute, what they refuse, and that they leave no trace."""

import gc
import os
import signal
import threading
import time

import numpy as np
import pytest

from fastnn.engine import native
from fastnn.engine.native import Drain, Feed, NativeProgram, RowIndexError
from fastnn.engine.steps import Code, Instruction, Operand, Step, View
from fastnn.graph.program import Program

THREADS = [1, 2, 3, 4, 8]
SHARED = 0.0  # share_above that shares every step


def move(x, y):
    """A step that copies one operand to another of the same size."""
    count = x.bytes // 4
    return Step("copy", (x, y), (1, 1, 1, 1, 1, count, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1))


def fill(y, value=0.0):
    return Step("fill", (y,), (y.bytes // 4, int(np.float32(value).view(np.uint32))))


def elementwise(op, inputs, output):
    """A step output = op(*inputs) on operands of one size."""
    operands = (*inputs, output)
    views = tuple(View(i, "contiguous") for i in range(len(operands)))
    loads = tuple(Instruction("load", i, i) for i in range(len(inputs)))
    work = Instruction(op, 0, *range(len(inputs)))
    store = Instruction("store", len(inputs), 0)
    count = output.bytes // 4
    return Step("elementwise", operands, (count,), Code(count, views, (*loads, work, store)))


def floats(base, start, count):
    return Operand(base, 4 * start, 4 * count)


def program_of_one_feed(batch, row):
    """base 0 (fed) is copied to base 1 (drained)."""
    size = batch * row
    return NativeProgram([move(floats(0, 0, size), floats(1, 0, size))], 2, SHARED)


def counting_program(batch, row):
    """A small step first, which adds 1 to base 2; then base 0 (fed) is copied to base 1 (drained)."""
    size, numbers = batch * row, floats(2, 0, 8)
    code = Code(
        8, (View(0, "contiguous"),),
        (Instruction("load", 0, 0), Instruction("constant", 1, value=1.0), Instruction("add", 0, 0, 1),
         Instruction("store", 0, 0)),
    )  # fmt: skip
    steps = [Step("elementwise", (numbers,), (8,), code), move(floats(0, 0, size), floats(1, 0, size))]
    return NativeProgram(steps, 3, SHARED)


# ---- feeds and drains --------------------------------------------------------------------------------------

DTYPES = ["f4", "f8", "u1", "i1", "i2", "u2", "i4", "u4", "i8", "?"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("integer", [False, True])
@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
def test_feeds_convert_and_gather_rows(dtype, integer, indexed, threads):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 100, (60, 5, 7)).astype(dtype)
    if np.dtype(dtype).kind in "fi":
        x = np.where(rng.random(x.shape) < 0.3, -x, x)
    if np.dtype(dtype).kind == "f":
        x = (x + 0.75).astype(dtype)
    index = rng.permutation(60).astype(np.int64) if indexed else None
    want = "i4" if integer else "f4"
    out = np.zeros((60, 5, 7), want)
    program = program_of_one_feed(20, 35)
    done = program.run(
        [None, None], [Feed(0, x, integer, index, 20)], [Drain(1, out, 20 * 35 * 4)], count=3, threads=threads
    )
    assert done == 3
    np.testing.assert_array_equal(out, (x if index is None else x[index]).astype(want))


def test_iterations_begin_at_first():
    x = np.arange(40, dtype=np.float32).reshape(10, 4)
    out = np.zeros((10, 4), np.float32)
    program_of_one_feed(2, 4).run([None, None], [Feed(0, x, batch=2)], [Drain(1, out, 32)], first=3, count=2)
    np.testing.assert_array_equal(out[6:], x[6:])
    assert not out[:6].any()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.array([2**32], "i8"), 2**31 - 1),
        (np.array([-(2**40)], "i8"), -(2**31)),
        (np.array([2**32 - 1], "u4"), 2**31 - 1),
        (np.array([1e30], "f8"), 2**31 - 1),
        (np.array([-np.inf], "f4"), -(2**31)),
        (np.array([np.nan], "f4"), -(2**31)),
        (np.array([2147483520.0], "f4"), 2147483520),
        (np.array([-1.9], "f4"), -1),
    ],
)
def test_what_does_not_fit_an_integer_is_never_a_small_one(value, expected):
    out = np.zeros(1, "i4")
    program_of_one_feed(1, 1).run([None, None], [Feed(0, value, True)], [Drain(1, out)])
    assert out[0] == expected


def test_a_feed_without_conversion_is_not_copied():
    x = np.zeros((4, 1 << 20), np.float32)
    program = NativeProgram([move(floats(0, 0, 4), floats(1, 0, 4))], 2)
    best = min(_seconds(lambda: program.run([None, bytearray(16)], [Feed(0, x, batch=4)])) for _ in range(20))
    assert best < 200e-6  # copying would take milliseconds


def _seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("threads", THREADS)
def test_rows_are_copied_while_small_steps_run(threads, first):
    rng = np.random.default_rng(1)
    x = rng.integers(0, 100, (70, 3000)).astype("u1")
    index = rng.permutation(70).astype(np.int64)
    out, numbers = np.full((70, 3000), 7, np.float32), np.zeros(8, np.float32)
    program = counting_program(10, 3000)
    feeds, drains = [Feed(0, x, False, index, 10)], [Drain(1, out, 10 * 3000 * 4)]
    assert program.run([None, None, numbers], feeds, drains, first=first, count=6, threads=threads) == 6
    done = slice(10 * first, 10 * (first + 6))
    np.testing.assert_array_equal(out[done], x[index[done]])
    assert (numbers == 6).all()


@pytest.mark.parametrize("threads", THREADS)
def test_a_wrong_row_index_stops_before_its_own_iteration(threads):
    x, index = np.zeros((40, 3000), np.float32), np.arange(40)
    index[25] = 40
    out, numbers = np.full((40, 3000), 7, np.float32), np.zeros(8, np.float32)
    with pytest.raises(RowIndexError) as error:
        counting_program(10, 3000).run(
            [None, None, numbers], [Feed(0, x, False, index, 10)], [Drain(1, out, 120000)], count=4, threads=threads
        )
    assert (error.value.value, error.value.done) == (40, 2)
    assert not out[:20].any()
    assert (out[20:] == 7).all()
    assert (numbers == 2).all()


@pytest.mark.parametrize("wrong", [-1, 6, 2**62])
@pytest.mark.parametrize("threads", [1, 4])
def test_a_wrong_row_index_of_a_feed_is_refused(wrong, threads):
    x = np.zeros((6, 3000), np.float32)
    index = np.array([0, 5, 1, wrong], np.int64)
    out = np.full((4, 3000), 7, np.float32)
    with pytest.raises(RowIndexError) as error:
        program_of_one_feed(2, 3000).run(
            [None, None], [Feed(0, x, False, index, 2)], [Drain(1, out, 24000)], count=2, threads=threads
        )
    assert (error.value.step, error.value.value) == (-1, wrong)
    assert error.value.args == (-1, wrong)
    assert error.value.done == 1  # the iteration before it
    assert not out[:2].any()
    assert (out[2:] == 7).all()


def not_contiguous():
    return np.zeros((4, 6), np.float32)[:, ::2]


@pytest.mark.parametrize(
    ("feed", "complaint"),
    [
        (lambda: Feed(2, np.zeros((2, 3), np.float32)), "base 2 of 2"),
        (lambda: Feed(-1, np.zeros((2, 3), np.float32)), "base -1 of 2"),
        (lambda: Feed(0, not_contiguous()), "contiguous"),
        (lambda: Feed(0, np.zeros((2, 3), np.float32, order="F")), "contiguous"),
        (lambda: Feed(0, np.zeros((2, 3), ">f4")), "format"),
        (lambda: Feed(0, np.zeros((2, 3), np.float16)), "format"),
        (lambda: Feed(0, np.zeros((2, 3), np.uint64)), "format"),
        (lambda: Feed(0, np.zeros((2, 3), np.complex64)), "format"),
        (lambda: Feed(0, np.zeros(25, np.uint8)[1:].view(np.float32).reshape(2, 3)), "aligned"),
        (lambda: Feed(0, np.float32(3)), "no rows"),
        (lambda: Feed(0, np.zeros((2, 2), np.float32)), "needs 12 bytes"),
        (lambda: Feed(0, np.zeros((1, 3), np.float32), batch=2), "too few"),
        (lambda: Feed(0, np.zeros((0, 3), np.float32)), "too few"),
        (lambda: Feed(0, np.zeros((2, 3), np.float32), batch=0), "a feed of 0 rows"),
        (lambda: Feed(0, np.zeros((2, 3), np.float32), batch=2**62), "a feed of"),
        (lambda: Feed(0, np.zeros((2, 3), np.float32), index=np.zeros(0, np.int64)), "too few"),
        (lambda: Feed(0, np.zeros((2, 3), np.float32), index=np.zeros(2, np.int32)), "int64"),
        (lambda: Feed(0, np.zeros((2, 3), np.float32), index=np.zeros((2, 1), np.int64)), "int64"),
    ],
)
def test_wrong_feeds_are_refused(feed, complaint):
    program = NativeProgram([move(floats(0, 0, 3), floats(1, 0, 3))], 2)
    with pytest.raises(ValueError, match=complaint):
        program.run([None, bytearray(12)], [feed()])


@pytest.mark.parametrize(
    ("drain", "error"),
    [
        (lambda: Drain(1, np.zeros(2, np.float32), 0), ValueError),
        (lambda: Drain(1, np.zeros(5, np.float32), 12), ValueError),
        (lambda: Drain(1, np.zeros(8, np.float32), 13), ValueError),
        (lambda: Drain(1, np.zeros(8, np.float32), -12), ValueError),
        (lambda: Drain(0, np.zeros(8, np.float32), 12), ValueError),
        (lambda: Drain(1, np.zeros((6, 6), np.float32)[:, ::2], 12), ValueError),
        (lambda: Drain(1, bytes(24), 12), BufferError),
    ],
)
def test_wrong_drains_are_refused(drain, error):
    program = NativeProgram([move(floats(0, 0, 3), floats(1, 0, 3))], 2)
    with pytest.raises(error):
        program.run([bytearray(12), None], drains=[drain()], count=2)


# ---- bases -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bases", "error", "complaint"),
    [
        (lambda: [bytearray(12)], ValueError, "1 bases for a program with 2"),
        (lambda: [bytearray(12), None], ValueError, "base 1 is missing"),
        (lambda: [bytearray(11), bytearray(12)], ValueError, "base 0 has 11 bytes"),
        (lambda: [bytearray(12), bytes(12)], BufferError, "not writable"),
        (lambda: [np.zeros(6, np.float32)[::2], bytearray(12)], ValueError, "contiguous"),
        (lambda: [np.zeros(13, np.uint8)[1:], bytearray(12)], ValueError, "aligned"),
    ],
)
def test_wrong_bases_are_refused(bases, error, complaint):
    program = NativeProgram([move(floats(0, 0, 3), floats(1, 0, 3))], 2)
    with pytest.raises(error, match=complaint):
        program.run(bases())


def test_a_base_that_is_only_read_may_be_read_only():
    out = np.zeros(3, np.float32)
    source = np.arange(3, dtype=np.float32).tobytes()
    NativeProgram([move(floats(0, 0, 3), floats(1, 0, 3))], 2).run([source, out])
    assert out.tolist() == [0, 1, 2]


def test_overlapping_bases_are_refused_if_one_is_written():
    block = np.zeros(6, np.float32)
    program = NativeProgram([move(floats(0, 0, 3), floats(1, 0, 3))], 2)
    program.run([block[:3], block[3:]])
    with pytest.raises(ValueError, match="bases 0 and 1 overlap"):
        program.run([block[:4], block[3:]])
    add = NativeProgram([elementwise("add", (floats(0, 0, 3), floats(1, 0, 3)), floats(2, 0, 3))], 3)
    add.run([block, block, bytearray(12)])


def test_a_fed_base_may_not_be_written_or_given_twice():
    x = np.zeros((1, 3), np.float32)
    with pytest.raises(ValueError, match="a step writes it"):
        NativeProgram([fill(floats(0, 0, 3))], 1).run([None], [Feed(0, x)])
    program = NativeProgram([move(floats(0, 0, 3), floats(1, 0, 3))], 2)
    for bases, feeds in [([x, x], [Feed(0, x)]), ([None, bytearray(12)], [Feed(0, x), Feed(0, x)])]:
        with pytest.raises(ValueError, match=r"given twice|overlap"):
            program.run(bases, feeds)


def test_aligned_empty():
    for size in (0, 1, 64, 1000, 2**23 - 1, 2**23, 2**24 + 5):
        array = np.frombuffer(native.aligned_empty(size), np.uint8) if size else np.empty(0, np.uint8)
        assert array.size == size
        assert not array.any()
        alignment = 64 if size < 2**23 else 2**21  # whole huge pages
        assert size == 0 or (array.ctypes.data % alignment == 0 and array.flags.writeable)
    with pytest.raises(ValueError, match="cannot be made"):
        native.aligned_empty(-1)
    for size in (2**62, 2**63 - 2**22, 2**63 - 1):
        with pytest.raises(MemoryError):
            native.aligned_empty(size)
    with pytest.raises(OverflowError):
        native.aligned_empty(2**63)


def test_a_binding_keeps_its_buffers_alive_and_gives_them_back():
    out = bytearray(12)
    binding = NativeProgram([fill(floats(0, 0, 3), 1.0)], 1).bind([out])
    with pytest.raises(BufferError):
        out.extend(b"more")
    binding.run()
    del binding
    gc.collect()
    out.extend(b"more")
    assert np.frombuffer(out, np.float32)[:3].tolist() == [1, 1, 1]


# ---- programs that are wrong in themselves -----------------------------------------------------------------

X, Y = Operand(0, 0, 16), Operand(0, 64, 16)
LOAD, STORE = Instruction("load", 0, 0), Instruction("store", 1, 0)


PLAIN = (View(0, "contiguous"), View(1, "contiguous"))


def code(*instructions, count=4, views=PLAIN):
    return Code(count, views, instructions)


def map_step(*instructions, **kwargs):
    made = code(*instructions, **kwargs)
    return Step("elementwise", (X, Y), (made.count,), made)


PIECE = View(1, "piece")


def reduce_step(*sizes, load=PLAIN[0], store=PIECE, count=4):
    made = code(LOAD, STORE, count=count, views=(load, store))
    return Step("elementwise_reduce", (Operand(0, 0, 4 * count), Y), sizes, made)


@pytest.mark.parametrize(
    "step",
    [
        Step("no_such_kernel", (), ()),
        Step("fill", (), (4, 0)),
        Step("fill", (X, Y), (4, 0)),
        Step("fill", (X,), (4,)),
        Step("fill", (X,), (5, 0)),
        Step("fill", (X,), (2**70, 0)),
        Step("fill", (X,), (4.5, 0)),
        Step("fill", (Operand(1, 0, 16),), (4, 0)),
        Step("fill", (Operand(-1, 0, 16),), (4, 0)),
        Step("fill", (Operand(0, -4, 16),), (4, 0)),
        Step("fill", (Operand(0, 2, 16),), (4, 0)),
        Step("fill", (Operand(0, 2**62, 2**62),), (4, 0)),
        Step("fill", (Operand(0, 0, -16),), (4, 0)),
        Step("fill", (X,), (4, 0), code(LOAD, STORE)),
        Step("elementwise", (X, Y), (4,)),
        Step("elementwise", (X,) * 25, (4,), code(LOAD, STORE)),
        Step("elementwise", (X, Y), (3,), code(LOAD, STORE)),
        map_step(LOAD, STORE, count=5),
        map_step(LOAD, STORE, count=-1),
        map_step(Instruction("load", 0, 2), STORE),
        map_step(Instruction("load", 16, 0), STORE),
        map_step(LOAD, Instruction("store", 2, 0)),
        map_step(LOAD, Instruction("store", 1, 16)),
        map_step(LOAD, Instruction("store", 1, 1)),
        map_step(LOAD, Instruction("add", 1, 0, 1), STORE),
        map_step(LOAD, Instruction("negative", 16, 0), STORE),
        map_step(LOAD, Instruction("negative", -1, 0), STORE),
        map_step(LOAD, Instruction("negative", 256, 0), STORE),
        map_step(LOAD, Instruction("negative", 0, 0, 16), STORE),
        map_step(LOAD, Instruction("negative", 0, 0, 0, 16), STORE),
        map_step(LOAD, Instruction("no_such_op", 0, 0), STORE),
        map_step(Instruction("random_uniform", 0, value=-1), STORE),
        map_step(Instruction("random_uniform", 0, value=2**32), STORE),
        map_step(Instruction("random_uniform", 0, value=0.5), STORE),
        map_step(LOAD, STORE, views=(View(2, "contiguous"), View(1, "contiguous"))),
        map_step(LOAD, STORE, views=(View(-1, "contiguous"), View(1, "contiguous"))),
        map_step(LOAD, STORE, views=(View(0, "spiral"), View(1, "contiguous"))),
        map_step(LOAD, STORE, views=(View(0, "row", period=0), View(1, "contiguous"))),
        map_step(LOAD, STORE, views=(View(0, "contiguous"), View(1, "scalar"))),
        map_step(LOAD, STORE, views=(View(0, "strided", shape=(2, 3), stride=(1, 1)), View(1, "contiguous"))),
        map_step(LOAD, STORE, views=(View(0, "strided", shape=(4,), stride=(2,)), View(1, "contiguous"))),
        map_step(LOAD, STORE, views=(View(0, "strided", shape=(4,), stride=(-1,)), View(1, "contiguous"))),
        map_step(LOAD, STORE, views=(View(0, "strided", shape=(4,), stride=()), View(1, "contiguous"))),
        map_step(
            LOAD,
            STORE,
            views=(View(0, "strided", shape=(4,) + (1,) * 6, stride=(1,) * 7), View(1, "contiguous")),
        ),
        map_step(LOAD, STORE, views=(View(0, "contiguous"), View(1, "piece"))),
        reduce_step(0, 1, 4, 1, 4, load=View(0, "piece")),
        reduce_step(0, 1, 4, 1, 4, store=View(1, "piece", integer=True)),
        reduce_step(0, 1, 4, 1, 4, load=View(1, "contiguous")),
        reduce_step(0, 1, 4, 1, 4, load=View(1, "scalar")),
        Step(
            "elementwise_reduce",
            (X, Y),
            (0, 1, 4, 1, 4),
            code(LOAD, STORE, Instruction("store", 2, 0), views=(PLAIN[0], PIECE, PIECE)),
        ),
        reduce_step(4, 1, 4, 1, 4),
        reduce_step(0, 1, 4, 1, 0),
        reduce_step(0, 1, 3, 1, 4),
        reduce_step(0, 1, 0, 1, 4),
        reduce_step(0, 5, 1, 1, 1, count=5),
        reduce_step(0, 1, 1, 1025, 1, count=1025),
        Step("elementwise_reduce", (X, Y), (0, 1, 4, 1, 4)),
    ],
)
def test_wrong_steps_are_refused_by_index_and_kernel(step):
    good = fill(X)
    with pytest.raises(ValueError, match=rf"step 1 \({step.kernel}\): ."):
        NativeProgram([good, step], 1)


@pytest.mark.parametrize("n_bases", [-1, 257])
def test_the_number_of_bases_is_limited(n_bases):
    with pytest.raises(
        ValueError, match=r"the program needs -?\d+ blocks of memory.*: at most 256 .* divide the model"
    ):
        NativeProgram([], n_bases)


def test_host_steps_are_not_run():
    program = NativeProgram([fill(X, 1.0), Step("host", (X,), (0,)), fill(Y, 2.0)], 1)
    memory = np.zeros(32, np.float32)
    binding = program.bind([memory])
    with pytest.raises(ValueError, match="step 1 is a host step"):
        binding.run()
    binding.run(end=1)
    assert memory[0] == 1
    assert memory[16] == 0
    binding.run(begin=2)
    assert memory[16] == 2


@pytest.mark.parametrize(
    "arguments",
    [
        {"begin": -1},
        {"begin": 2},
        {"end": 2},
        {"begin": 1, "end": 0},
        {"threads": 0},
        {"threads": 257},
        {"first": -1},
        {"count": -1},
        {"count": 2**62},
        {"iteration_slot": (1, 0)},
        {"iteration_slot": (-1, 0)},
        {"iteration_slot": (0, -4)},
        {"iteration_slot": (0, 2)},
        {"iteration_slot": (0, 80)},
        {"profile": np.zeros(0)},
        {"profile": np.zeros(1, np.float32)},
    ],
)
def test_wrong_arguments_are_refused(arguments):
    binding = NativeProgram([fill(Y)], 1).bind([bytearray(80)])
    with pytest.raises(ValueError, match=r"\w"):
        binding.run(**arguments)


def test_empty_programs_and_runs():
    assert NativeProgram([], 0).run([], count=3, threads=2) == 3
    memory = np.full(20, 7, np.float32)
    assert NativeProgram([fill(Y)], 1, SHARED).run([memory], count=0, threads=2) == 0
    assert (memory == 7).all()


# ---- iterations --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
def test_the_iteration_slot_counts(threads):
    memory = np.zeros(20_001, np.float32)
    slot, total = floats(0, 20_000, 1), floats(0, 0, 20_000)
    views = (View(0, "scalar"), View(1, "contiguous"))
    add = (Instruction("load", 0, 0), Instruction("load", 1, 1), Instruction("add", 1, 0, 1))
    step = Step("elementwise", (slot, total), (20_000,), Code(20_000, views, (*add, Instruction("store", 1, 1))))
    program = NativeProgram([step], 1, SHARED)
    program.run([memory], first=5, count=4, iteration=10, iteration_slot=(0, 80_000), threads=threads)
    assert (memory[:-1] == 10 + 11 + 12 + 13).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_the_deadline_ends_a_run_between_iterations(threads):
    memory = np.zeros(100_000, np.float32)
    everything = floats(0, 0, 100_000)
    binding = NativeProgram([elementwise("sqrt", (everything,), everything)], 1, SHARED).bind([memory])
    assert binding.run(count=10, deadline=native.clock() - 1, threads=threads) == 1
    assert binding.run(count=10, deadline=native.clock() + 1e6, threads=threads) == 10
    start = native.clock()
    done = binding.run(count=10**9, deadline=start + 0.05, threads=threads)
    assert 0 < done < 10**9
    assert native.clock() - start < 1


@pytest.mark.parametrize("threads", [1, 3])
def test_a_profile_adds_up_the_seconds_of_each_step(threads):
    memory = np.zeros(1_000_016, np.float32)
    program = NativeProgram([fill(floats(0, 0, 16)), fill(floats(0, 16, 1_000_000))], 1)
    profile = np.array([0.0, 1000.0])
    start = native.clock()
    assert program.run([memory], count=5, profile=profile, threads=threads) == 5
    assert profile[0] > 0
    assert profile[1] > 1000
    assert profile.sum() - 1000 < native.clock() - start


# ---- labels outside their table ----------------------------------------------------------------------------


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("share_above", [SHARED, 1e12])
def test_after_a_wrong_label_no_later_step_runs(threads, share_above):
    rows, cols = 4000, 10
    labels = np.random.default_rng(0).integers(0, cols, (3, rows)).astype(np.int64)
    labels[1, 3000], labels[1, 1500], labels[1, 3999] = 77, -5, 78
    logits, loss, weight = (
        np.zeros((rows, cols), np.float32),
        np.zeros(rows, np.float32),
        np.zeros(1000, np.float32),
    )
    probability = np.zeros_like(logits)
    weights = floats(3, 0, 1000)
    steps = [
        Step(
            "sparse_softmax_crossentropy",
            (floats(0, 0, rows * cols), floats(1, 0, rows), floats(2, 0, rows), floats(4, 0, rows * cols)),
            (rows, cols),
        ),
        elementwise("sqrt", (floats(2, 0, rows),), floats(2, 0, rows)),
        fill(weights, 1.0),
    ]
    program = NativeProgram(steps, 5, share_above)
    binding = program.bind([logits, None, loss, weight, probability])
    with pytest.raises(RowIndexError) as error:
        binding.run([Feed(1, labels.reshape(-1), True, None, rows)], first=1, count=2, threads=threads)
    assert error.value.step == 0
    assert error.value.value == -5
    assert not weight.any()
    assert binding.run([Feed(1, labels.reshape(-1), True, None, rows)], first=2, threads=threads) == 1
    assert weight.all()


def test_what_may_fail_ends_a_phase():
    table, index, out, other = floats(0, 0, 80), floats(1, 0, 4), floats(2, 0, 80), floats(3, 0, 100_000)
    gather = Step("gather", (table, index, out), (4, 20, 4))
    assert NativeProgram([fill(other), gather, fill(other)], 4, SHARED).step_phases == [0, 0, 2]


# ---- threads -----------------------------------------------------------------------------------------------


def test_phases_follow_dependence():
    a, b, c = (floats(0, 50_000 * i, 50_000) for i in range(3))
    steps = [fill(a), fill(b), elementwise("add", (a, b), c), fill(a), fill(floats(0, 0, 0))]
    assert NativeProgram(steps, 1, SHARED).step_phases == [0, 0, 2, 3, 3]
    assert NativeProgram(steps, 1, 1e12).step_phases == [0, 0, 0, 0, 0]


def random_program(rng, n_steps, regions, size):
    """Steps that read and write regions of one base in every order of dependence."""
    places = [floats(0, size * i, size) for i in range(regions)]
    steps = []
    for _ in range(n_steps):
        a, b, c = (places[i] for i in rng.integers(0, regions, 3))
        kind = rng.integers(4)
        if kind == 0:
            steps.append(elementwise("subtract", (a, b), c))
        elif kind == 1:
            steps.append(elementwise("multiply_add", (a, b, c), c))
        elif kind == 2 and a is not b:
            steps.append(move(a, b))
        else:
            part = floats(0, c.offset // 4 + int(rng.integers(size // 2)), size // 3)
            steps.append(elementwise("tanh", (part,), part))
    return steps


@pytest.mark.parametrize("seed", range(5))
def test_any_number_of_threads_gives_the_same_bits(seed):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(10_000, 60_000))
    steps = random_program(rng, 25, 6, size)
    start = rng.uniform(-1, 1, 6 * size).astype(np.float32)
    results = set()
    for share_above in (SHARED, 10e3, 1e12):
        program = NativeProgram(steps, 1, share_above)
        for threads in THREADS:
            memory = start.copy()
            program.run([memory], count=6, threads=threads)
            results.add(memory.tobytes())
    assert len(results) == 1


def test_sixteen_python_threads_run_one_program():
    rng = np.random.default_rng(0)
    size = 20_000
    program = NativeProgram(random_program(rng, 12, 5, size), 1, SHARED)
    start = rng.uniform(-1, 1, 5 * size).astype(np.float32)
    expected = start.copy()
    program.run([expected], count=3)
    barrier, wrong = threading.Barrier(16), []

    def work():
        barrier.wait()
        for _ in range(10):
            memory = start.copy()
            program.run([memory], count=3, threads=2)
            if memory.tobytes() != expected.tobytes():
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(16)]
    start_time = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert time.perf_counter() - start_time < 60


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_runs_programs():
    size = 100_000
    memory = np.linspace(0, 1, size, dtype=np.float32)
    everything = floats(0, 0, size)
    program = NativeProgram([elementwise("tanh", (everything,), everything)], 1, SHARED)
    program.run([memory.copy()], count=3, threads=2)  # now the OpenMP pool has threads
    expected = memory.copy()
    program.run([expected], count=3)
    child = os.fork()
    if child == 0:
        grandchild = os.fork()
        program.run([memory], count=3, threads=2)
        right = memory.tobytes() == expected.tobytes()
        if grandchild:
            right &= os.waitpid(grandchild, 0)[1] == 0
        os._exit(0 if right else 1)
    assert _status_within(child, 20) == 0
    again = np.linspace(0, 1, size, dtype=np.float32)
    program.run([again], count=3, threads=2)
    np.testing.assert_array_equal(again, expected)


def _status_within(child, seconds):
    for _ in range(seconds * 100):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


# ---- no trace ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
def test_denormals_are_flushed_inside_a_run_only(threads):
    tiny = np.full(50_000, 1e-39, np.float32)
    everything, result = floats(0, 0, 50_000), floats(1, 0, 50_000)
    out = np.ones(50_000, np.float32)
    program = NativeProgram([elementwise("add", (everything, everything), result)], 2, SHARED)
    program.run([tiny, out], threads=threads)
    assert not out.any()
    assert np.float32(1e-39) + np.float32(1e-39) > 0
    assert (tiny + tiny > 0).all()
    assert np.finfo(np.float32).smallest_subnormal > 0


def test_failed_runs_keep_no_buffers():
    x = bytearray(24)
    program = NativeProgram([move(floats(0, 0, 3), floats(1, 0, 3))], 2)
    for _ in range(3):
        with pytest.raises(ValueError, match="format"):
            program.run([None, bytearray(12)], [Feed(0, memoryview(x).cast("c").cast("B").cast("Q"))])
    gc.collect()
    x.extend(b"free")


def test_a_workspace_that_cannot_be_had_is_a_memory_error():
    x = np.zeros((1, 0), np.float32)
    program = NativeProgram([fill(floats(1, 0, 1))], 2)
    assert program.run([None, bytearray(4)], [Feed(0, x, False, np.zeros(1, np.int64))]) == 1
    wide = np.broadcast_to(np.uint8(0), (1, 2**44))
    with pytest.raises((MemoryError, ValueError)):
        program.run([None, bytearray(4)], [Feed(0, wide)])


# ---- what the module tells ---------------------------------------------------------------------------------


def test_run_step_checks_the_names_of_sizes():
    out = np.zeros(3, np.float32)
    with pytest.raises(ValueError, match="has the sizes"):
        native.run_step("fill", {"count": 3}, [out])
    with pytest.raises(ValueError, match="unknown kernel"):
        native.run_step("feel", {"count": 3}, [out])


def test_vocabulary():
    assert native.steps()["matmul"] == (
        "a b -> c ...",
        ("batch", "m", "n", "k", "a_row", "a_col", "a_batch", "b_batch", "b_transposed"),
    )
    assert dict(native.opcodes())["multiply_add"] == 3


def test_machine():
    assert native.measure_bandwidth(1 << 20, 0.02) > 1e8
    assert native.measure_bandwidth(1 << 26, 1e-9) > 1e7  # touching the memory alone takes longer
    assert native.measure_peak(0.02) > 1e8
    assert native.clock() < native.clock() + 1
    assert native.compiler()


# ---- single batches ----------------------------------------------------------------------------------------


def batch_call(dtype="f4", **kwargs):
    """Calls that copy a batch of shape (2, 3), and their workspaces."""
    program, idle = NativeProgram([move(floats(0, 0, 6), floats(1, 0, 6))], 2), []
    given = {
        "inputs": [Feed(0, np.zeros((2, 3), dtype), batch=2)], "drains": [Drain(1, np.zeros((2, 3), np.float32))],
        "limits": None, "quotients": (), "counter": None, "iteration_slot": None, "explain": str,
    }  # fmt: skip
    return native.BatchCall(idle, lambda: (program.bind([None, None]), None, None), **(given | kwargs)), idle


@pytest.mark.parametrize("dtype", DTYPES)
def test_batch_calls_convert_rows(dtype):
    call, idle = batch_call(dtype)
    x = np.arange(6).reshape(2, 3).astype(dtype)
    for _ in range(3):
        (y,) = call((x,), 0, 0)
        np.testing.assert_array_equal(y, x.astype(np.float32))
    assert len(idle) == 1


def test_batch_calls_do_nothing_for_another_form():
    x = np.zeros((2, 3), np.float32)
    call, idle = batch_call()
    apart = np.zeros((2, 6), np.float32)[:, ::2]
    crooked = np.frombuffer(bytes(25), np.uint8)[1:].view(np.float32).reshape(2, 3)
    for other in (
        x[:1],
        x.T.copy(),
        x[:, :, None],
        x.ravel(),
        x.astype(np.int32),
        x.astype(np.float64),
        apart,
        crooked,
        x.astype(">f4"),
    ):
        assert call((other,), 0, 0) is None
    assert call((x.astype("M8[s]"),), 0, 0) is None  # a type without buffers
    assert len(idle) == 1
    with pytest.raises(ValueError, match="2 arrays for 1 inputs"):
        call((x, x), 0, 0)
    with pytest.raises(ValueError, match="0 threads"):
        call((x,), 0, 0, 0)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"inputs": [Feed(0, np.zeros((2, 3), np.float32), index=np.arange(2), batch=2)]}, "a whole array"),
        ({"inputs": [Feed(0, np.zeros((4, 3), np.float32), batch=2)]}, "a whole array"),
        ({"inputs": [Feed(0, np.zeros((2, 2), np.float32), batch=2)]}, "the program needs 24 bytes"),
        ({"inputs": []}, "base 0 is missing"),
        ({"drains": []}, "base 1 is missing"),
        ({"drains": [Drain(1, np.zeros((1, 3), np.float32))]}, "too short"),
        ({"limits": (0, 2)}, "limits of no integers"),
        ({"quotients": [(np.zeros(2, np.float32), np.zeros((), np.float32))]}, "a scalar of 4 bytes"),
        ({"counter": np.zeros((), np.int64)}, "a scalar of 4 bytes"),
        ({"iteration_slot": (0, 0)}, "not given or not writable"),
    ],
)
def test_batch_calls_refuse_what_does_not_fit_the_program(wrong, message):
    with pytest.raises(ValueError, match=message):
        batch_call(**wrong)


@pytest.mark.parametrize("dtype", ["i4", "i8", "u1"])
def test_batch_calls_keep_to_limits(dtype):
    call, _ = batch_call(dtype, limits=(1, 5))
    x = np.array([[1, 2, 3], [4, 4, 1]], dtype)
    assert call((x,), 0, 0) is not None
    for wrong in (0, 5, 255) if dtype == "u1" else (0, 5, -1, 2**31 - 1):
        x[1, 2] = wrong
        assert call((x,), 0, 0) is None


def test_calls_are_found_by_kind_and_form_while_their_condition_holds():
    calls, valid, x = native.BatchCalls(lambda: 1), [True], np.ones((2, 3), np.float32)
    calls.add("a", batch_call()[0], lambda: valid[0], False, lambda results: "first")
    calls.add("a", batch_call("i4")[0], lambda: True, False, lambda results: "second")

    def found(kind, array, seed=0):
        return calls.results(kind, (array,), seed, 0)

    assert (found("a", x), found("a", x.astype("i4")), found("b", x)) == ("first", "second", None)
    assert found("a", x, seed=None) is found("a", x[:1]) is found("a", x.tolist()) is found("a", None) is None
    valid[0] = False
    assert (found("a", x), found("a", x.astype("i4"))) == (None, "second")
    valid[0] = True
    assert found("a", x) is None  # forgotten
    calls.clear()
    assert found("a", x.astype("i4")) is None


def test_conditions_that_are_noted_are_asked_after_changes_alone():
    calls, asked, x = native.BatchCalls(lambda: 1), [], np.ones((2, 3), np.float32)
    calls.add("a", batch_call()[0], lambda: asked.append(1) or len(asked) < 2, True, None)
    for _ in range(3):
        np.testing.assert_array_equal(calls.results("a", (x,), 0, 0), x)
    assert not asked
    native.note_change()
    assert calls.results("a", (x,), 0, 0) is not None
    assert calls.results("a", (x,), 0, 0) is not None
    assert len(asked) == 1
    native.note_change()
    assert calls.results("a", (x,), 0, 0) is None


def test_no_call_is_ready_while_a_program_is_traced():
    calls, x = native.BatchCalls(lambda: 1), np.ones((2, 3), np.float32)
    calls.add("a", batch_call()[0], lambda: True, True, None)
    with Program(), Program():
        assert calls.results("a", (x,), 0, 0) is None
    assert calls.results("a", (x,), 0, 0) is not None


def test_batch_calls_count_and_divide():
    numbers, counter = np.array([3, 2], np.float32), np.full((), 7, np.int32)
    pair = (numbers[:1].reshape(()), numbers[1:].reshape(()))
    call, _ = batch_call(quotients=[pair], counter=counter)
    assert call((np.zeros((2, 3), np.float32),), 0, 0)[1] == 0.0  # 0 / 0: both were set to 0 before the run
    np.testing.assert_array_equal(numbers, 0)
    assert counter == 8
