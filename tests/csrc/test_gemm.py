"""The matrix product against NumPy: sizes around every tile, strides, batches, and what is refused."""

import numpy as np
import pytest
from csrc.running import check_epilogue, gamma, integers, normals, run, run_all_threads

# tile rows are 3 .. 24, tile columns 1 .. 8 vectors of 1 .. 16: one less, exact, one more; primes; 1; 0
ROWS = (0, 1, 2, 5, 6, 7, 11, 12, 13, 23, 24, 25, 31, 49)
COLUMNS = (0, 1, 3, 4, 5, 15, 16, 17, 31, 33, 47, 49, 63, 64, 65, 95, 97, 127)
DEPTHS = (0, 1, 2, 37)


def matmul_dims(m, n, k, batch=1, transposed="", share_a=False, share_b=False):
    return {
        "batch": batch,
        "m": m,
        "n": n,
        "k": k,
        "a_row": 1 if "a" in transposed else k,
        "a_col": m if "a" in transposed else 1,
        "a_batch": 0 if share_a else m * k,
        "b_batch": 0 if share_b else k * n,
        "b_transposed": int("b" in transposed),
    }


def check(make, m, n, k, batch=1, transposed="", threads=None):
    a = make(batch, m, k)
    b = make(batch, k, n)
    stored = [
        np.ascontiguousarray(x.transpose(0, 2, 1)) if name in transposed else x for name, x in (("a", a), ("b", b))
    ]
    dims = matmul_dims(m, n, k, batch, transposed)
    if threads is None:
        (c,) = run_all_threads("matmul", dims, stored, [(batch, m, n)])
    else:
        (c,) = run("matmul", dims, stored, [(batch, m, n)], threads=threads)
    a, b = a.astype(np.float64), b.astype(np.float64)
    return c, a @ b, gamma(k) * (np.abs(a) @ np.abs(b))


@pytest.mark.parametrize("transposed", ["", "a", "b"])
def test_every_tile_is_exact(isa, rng, transposed):
    for m in ROWS:
        for n in COLUMNS:
            k = DEPTHS[(m + n) % len(DEPTHS)]
            c, expected, _ = check(lambda *s: integers(rng, *s), m, n, k, 1, transposed, threads=1)
            np.testing.assert_array_equal(c, expected, f"{m}x{n}x{k}")


# around one, two and three vectors of 1 .. 16, and a pass over k
COLUMN_DEPTHS = (0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 23, 25, 31, 32, 33, 47, 48, 49, 511, 513)


@pytest.mark.parametrize("transposed", ["", "a", "b", "ab"])
def test_a_single_row_or_column_is_exact(isa, rng, transposed):
    for k in COLUMN_DEPTHS:
        for size in (1, 2, 3, 4, 5, 7, 8, 9, 129):
            for m, n in ((size, 1), (1, size)):
                c, expected, _ = check(lambda *s: integers(rng, *s), m, n, k, 1, transposed, threads=1)
                np.testing.assert_array_equal(c, expected, f"{m}x{n}x{k}")


def test_few_columns_of_a_transposed_a_are_exact(isa, rng):
    for k in (31, 32, 600):
        for n in (2, 3, 5, 10, 11, 12, 16, 17):
            for m in (63, 64, 65, 150):
                c, expected, _ = check(lambda *s: integers(rng, *s), m, n, k, 1, "a", threads=1)
                np.testing.assert_array_equal(c, expected, f"{m}x{n}x{k}")


@pytest.mark.parametrize("transposed", ["", "a", "b", "ab"])
def test_an_outer_product_is_exact(isa, rng, transposed):
    for m in (1, 2, 3, 250):
        for n in COLUMNS:
            c, expected, _ = check(lambda *s: integers(rng, *s), m, n, 1, 1, transposed)
            np.testing.assert_array_equal(c, expected, f"{m}x{n}x1")


@pytest.mark.parametrize(
    ("m", "n", "k", "batch"),
    [
        (131, 257, 129, 1),
        (64, 512, 784, 1),
        (512, 10, 600, 1),
        (1, 1031, 513, 1),
        (300, 1, 1025, 1),
        (700, 1, 2050, 1),
        (1, 700, 2050, 1),
        (700, 300, 1, 1),
        (400, 260, 70, 1),
        (4, 2100, 1000, 1),
        (9, 1, 70, 11),
        (1, 9, 70, 11),
        (3, 5, 7, 1000),
        (40, 70, 90, 11),
    ],
)
@pytest.mark.parametrize("transposed", ["", "a", "b"])
def test_cut_into_chunks(isa, rng, m, n, k, batch, transposed):
    c, expected, _ = check(lambda *s: integers(rng, *s), m, n, k, batch, transposed)
    np.testing.assert_array_equal(c, expected)
    c, expected, bound = check(lambda *s: normals(rng, *s), m, n, k, batch, transposed)
    assert (np.abs(c - expected) <= bound).all()


def test_a_row_does_not_depend_on_its_neighbours(isa, rng):
    a, b = normals(rng, 61, 300), normals(rng, 300, 77)
    (c,) = run("matmul", matmul_dims(61, 77, 300), [a, b], [(61, 77)])
    for i in (0, 17, 60):
        (row,) = run("matmul", matmul_dims(1, 77, 300), [a[i : i + 1].copy(), b], [(1, 77)])
        np.testing.assert_array_equal(row[0], c[i])


@pytest.mark.parametrize("k", [5, 8, 300])
def test_a_dot_product_does_not_depend_on_its_neighbours(isa, rng, k):
    a, b = normals(rng, 61, k), normals(rng, k, 1)
    (c,) = run("matmul", matmul_dims(61, 1, k), [a, b], [(61, 1)])
    for i in (0, 17, 60):
        (row,) = run("matmul", matmul_dims(1, 1, k), [a[i : i + 1].copy(), b], [(1, 1)])
        np.testing.assert_array_equal(row[0], c[i])


def test_shared_matrix(isa, rng):
    a, b = integers(rng, 7, 9, 11), integers(rng, 11, 13)
    (c,) = run_all_threads("matmul", matmul_dims(9, 13, 11, 7, share_b=True), [a, b], [(7, 9, 13)])
    np.testing.assert_array_equal(c, a @ b)


@pytest.mark.parametrize(
    ("m", "n", "k", "batch"), [(130, 520, 300, 1), (1, 2100, 900, 1), (7, 9, 11, 600), (5, 3, 0, 1), (300, 10, 50, 1)]
)
def test_epilogue(isa, rng, m, n, k, batch):
    a, b = integers(rng, batch, m, k), integers(rng, batch, k, n)
    check_epilogue("matmul", matmul_dims(m, n, k, batch), [a, b], (batch, m, n), rng)


def test_nan_and_infinity_pass(isa):
    a = np.array([[np.inf, 1], [0, 1]], np.float32)
    b = np.array([[0, 1, np.nan], [1, 2, 3]], np.float32)
    (c,) = run("matmul", matmul_dims(2, 3, 2), [a, b], [(2, 3)])
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(c, a @ b)


@pytest.mark.parametrize(
    "change",
    [
        {"m": 5},
        {"n": 7},
        {"k": 4},
        {"batch": 2},
        {"a_row": 4},
        {"a_col": -1},
        {"m": -1},
        {"n": 1 << 62},
        {"a_row": 1 << 62},
    ],
)
def test_refuses_sizes_beyond_the_operands(change):
    dims = matmul_dims(4, 6, 3)
    run("matmul", dims, [np.zeros((4, 3), np.float32), np.zeros((3, 6), np.float32)], [(4, 6)])
    with pytest.raises(ValueError, match="matmul"):
        run("matmul", dims | change, [np.zeros((4, 3), np.float32), np.zeros((3, 6), np.float32)], [(4, 6)])
