"""The steps of csrc/copy.c against NumPy, to the last bit."""

import numpy as np
import pytest

from fastnn.engine import native
from fastnn.engine.native import RowIndexError

RANK = 6


def copy(x, y, shape, in_strides, out_strides, in_offset=0, out_offset=0, threads=1):
    """Run the copy step; strides and offsets in elements."""
    pad = RANK - len(shape)
    sizes = [1] * pad + list(shape)
    dims = {f"n{i}": n for i, n in enumerate(sizes)}
    dims |= {f"i{i}": s for i, s in enumerate([0] * pad + list(in_strides))}
    dims |= {f"o{i}": s for i, s in enumerate([0] * pad + list(out_strides))}
    native.run_step("copy", dims | {"in_offset": in_offset, "out_offset": out_offset}, [x, y], threads=threads)


def copy_view(view, base, out):
    """Copy `view` (a view of base) into the contiguous `out`."""
    in_offset = (view.__array_interface__["data"][0] - base.__array_interface__["data"][0]) // 4
    copy(
        base,
        out,
        view.shape,
        [s // 4 for s in view.strides],
        [s // 4 for s in out.strides],
        in_offset=in_offset,
    )


def numbers(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@pytest.mark.parametrize("seed", range(60))
def test_copies_any_permutation_slice_and_flip(isa, seed):
    rng = np.random.default_rng(seed)
    base = numbers(*rng.integers(1, 9, rng.integers(1, RANK + 1)))
    view = base.transpose(rng.permutation(base.ndim))
    slices = []
    for n in view.shape:
        step = int(rng.choice([1, 1, 2, -1, -2]))
        slices.append(slice(None, None, step) if rng.random() < 0.7 else slice(int(rng.integers(n)), None))
    view = view[tuple(slices)]
    out = np.full(view.shape, -1, np.float32)
    copy_view(view, base, out)
    np.testing.assert_array_equal(out, view)


@pytest.mark.parametrize("shape", [(15, 16), (16, 17), (1, 33), (200, 300), (1000, 7)])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_transposes(isa, shape, threads):
    x = numbers(*shape)
    out = np.zeros(shape[::-1], np.float32)
    copy(x, out, out.shape, [1, shape[1]], [shape[0], 1], threads=threads)
    np.testing.assert_array_equal(out, x.T)


@pytest.mark.parametrize("axes", [(0, 3, 1, 2), (0, 2, 1, 3), (0, 2, 3, 1), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_permutes_images(isa, axes):
    x = numbers(3, 20, 18, 19)
    out = np.zeros(x.transpose(axes).shape, np.float32)
    copy_view(x.transpose(axes), x, out)
    np.testing.assert_array_equal(out, x.transpose(axes))


def test_repeats():
    x = numbers(5)
    out = np.zeros((4, 5, 3), np.float32)
    copy_view(np.broadcast_to(x[:, None], out.shape), x, out)
    np.testing.assert_array_equal(out, np.broadcast_to(x[:, None], out.shape))


def test_writes_into_a_part_and_leaves_the_rest():
    x, out = numbers(3, 4), np.full((7, 9), -1, np.float32)
    copy(x, out, (3, 4), (4, 1), (18, 2), out_offset=9 + 1)
    expected = np.full((7, 9), -1, np.float32)
    expected[1::2, 1::2] = x
    np.testing.assert_array_equal(out, expected)


def test_moves_any_bits():
    bits = np.random.default_rng(0).integers(0, 2**32, 1000, dtype=np.uint32)  # many NaNs among them
    out = np.zeros_like(bits)
    copy(bits, out, (1000,), (-1,), (1,), in_offset=999)
    np.testing.assert_array_equal(out, bits[::-1])


def test_empty_copy_touches_nothing():
    out = np.full(3, -1, np.float32)
    copy(np.zeros(0, np.float32), out, (2, 0, 3), (0, 0, 0), (1, 1, 1), in_offset=5)
    assert (out == -1).all()


@pytest.mark.parametrize(
    ("shape", "in_strides", "out_strides", "in_offset", "out_offset", "complaint"),
    [
        ((13,), (1,), (1,), 0, 0, "reads outside"),
        ((4,), (-1,), (1,), 2, 0, "reads outside"),
        ((4,), (1,), (1,), 9, 0, "reads outside"),
        ((4,), (1,), (1,), -1, 0, "reads outside"),
        ((4, 4), (4, 1), (4, 1), 0, 0, "reads outside"),
        ((4,), (1,), (4,), 0, 0, "writes outside"),
        ((4,), (1,), (-1,), 0, 2, "writes outside"),
        ((4,), (1,), (1,), 0, 2**62, "writes outside"),
        ((2,), (2**62,), (1,), 0, 0, "reads outside"),
        ((2, 2), (2**62, 2**62), (1, 2), 0, 0, "reads outside"),
        ((2,), (-(2**63),), (1,), 0, 0, "reads outside"),
        ((-1,), (1,), (1,), 0, 0, "negative or too large"),
        ((2**40, 2**40), (0, 0), (0, 0), 0, 0, "negative or too large"),
    ],
)
def test_refuses_a_copy_outside_its_operands(shape, in_strides, out_strides, in_offset, out_offset, complaint):
    x, out = np.zeros(12, np.float32), np.zeros(12, np.float32)
    with pytest.raises(ValueError, match=rf"step 0 \(copy\).*{complaint}"):
        copy(x, out, shape, in_strides, out_strides, in_offset, out_offset)


@pytest.mark.parametrize("count", [0, 1, 1000, 40_000])
def test_fill(count):
    out = np.zeros(count + 1, np.float32)
    native.run_step("fill", {"count": count, "value_bits": int(np.float32(-2.5).view(np.uint32))}, [out])
    assert (out[:count] == -2.5).all()
    assert out[count] == 0


@pytest.mark.parametrize("dims", [{"count": 4, "value_bits": 0}, {"count": -1, "value_bits": 0}])
def test_fill_refuses(dims):
    with pytest.raises(ValueError, match="smaller than count"):
        native.run_step("fill", dims, [np.zeros(3, np.float32)])


@pytest.mark.parametrize(("rows", "width", "count"), [(7, 5, 12), (1, 1, 1), (50, 1000, 300), (4, 0, 3), (4, 3, 0)])
@pytest.mark.parametrize("threads", [1, 3])
def test_gather_and_scatter_add(rows, width, count, threads):
    rng = np.random.default_rng(rows)
    table = rng.integers(-99, 99, (rows, width)).astype(np.float32)
    index = rng.integers(0, rows, count).astype(np.int32)
    dims = {"rows": rows, "width": width, "count": count}
    taken = np.zeros((count, width), np.float32)
    native.run_step("gather", dims, [table, index, taken], threads=threads)
    np.testing.assert_array_equal(taken, table[index])
    summed = np.full((rows, width), 7, np.float32)
    native.run_step("scatter_add", dims, [taken, index, summed], threads=threads)
    expected = np.zeros((rows, width), np.float32)
    np.add.at(expected, index, taken)
    np.testing.assert_array_equal(summed, expected)


def test_scatter_add_adds_in_the_order_of_the_indices():
    x = np.random.default_rng(0).standard_normal((1000, 3)).astype(np.float32)
    out = np.zeros((2, 3), np.float32)
    index = np.ones(1000, np.int32)
    native.run_step("scatter_add", {"rows": 2, "width": 3, "count": 1000}, [x, index, out], threads=2)
    expected = np.zeros(3, np.float32)
    for row in x:
        expected += row
    np.testing.assert_array_equal(out[1], expected)


@pytest.mark.parametrize("kernel", ["gather", "scatter_add"])
@pytest.mark.parametrize("wrong", [-1, 4, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize("threads", [1, 4])
def test_refuses_an_index_outside_the_table(kernel, wrong, threads):
    index = np.array([0, 3, wrong, -7], np.int32)
    long, short = np.zeros((4, 2), np.float32), np.zeros((4, 2), np.float32)
    with pytest.raises(RowIndexError) as error:
        native.run_step(kernel, {"rows": 4, "width": 2, "count": 4}, [long, index, short], threads=threads)
    assert (error.value.step, error.value.value) == (0, wrong)


@pytest.mark.parametrize(
    ("kernel", "sizes"),
    [
        ("gather", [(3, 2), (5,), (4, 2)]),
        ("gather", [(4, 2), (5,), (4, 2)]),
        ("gather", [(4, 2), (3,), (4, 2)]),
        ("scatter_add", [(4, 2), (4,), (3, 2)]),
    ],
)
def test_refuses_operands_that_are_too_small(kernel, sizes):
    arrays = [np.zeros(size, np.int32) for size in sizes]
    count = {"gather": 5, "scatter_add": 4}[kernel]
    with pytest.raises(ValueError, match="smaller than"):
        native.run_step(kernel, {"rows": 4, "width": 2, "count": count}, arrays)


def test_refuses_sizes_whose_product_overflows():
    arrays = [np.zeros(4, np.int32) for _ in range(3)]
    with pytest.raises(ValueError, match="smaller than"):
        native.run_step("gather", {"rows": 2**62, "width": 2**62, "count": 0}, arrays)


def test_one_hot():
    index = np.array([2, 0, -1, 3, 1, 2**31 - 1], np.int32)
    out = np.full((6, 3), 7, np.float32)
    native.run_step("one_hot", {"count": 6, "cols": 3}, [index, out])
    np.testing.assert_array_equal(out, (index[:, None] == np.arange(3)).astype(np.float32))
