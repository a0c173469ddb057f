"""The products that are compared, and what the table says of them."""

import numpy as np
import pytest

pytest.importorskip("threadpoolctl")
from matmul import line, measure, report, without_overhead
from matmul_worker import PRODUCTS, case_of, fastnn_product, numpy_product, sizes

SIZES = {1, 2, 6, 10, 32, 64, 128, 512, 784, 2048}


def test_forty_products_of_the_sizes_that_layers_have():
    assert len(PRODUCTS) == 40
    assert {size for product in PRODUCTS.values() for size in sizes(*product)} == SIZES


@pytest.mark.parametrize("form", ["x·w", "xᵀ·dy", "dy·wᵀ"])
def test_every_form_is_the_product_of_its_name(form):
    layer = (6, 10, 2)
    x, w, *dy = case_of(layer, form).arrays()
    expected = {"x·w": lambda: x @ w, "xᵀ·dy": lambda: x.T @ dy[0], "dy·wᵀ": lambda: dy[0] @ w.T}[form]()
    assert sizes(layer, form)[:2] == expected.shape
    for make in (fastnn_product, numpy_product):
        run, result = make(layer, form)
        run(2)
        np.testing.assert_allclose(result(), expected, rtol=0, atol=1e-5)


def test_processes_time_a_product_in_turn():
    run = measure(1, ["32x6x2 x·w"], ["fastnn", "NumPy"], 0.001)
    (row,) = run["rows"]
    assert row["sizes"] == (32, 6, 2)
    assert list(row["us"]) == list(run["overheads"]) == ["fastnn", "NumPy"]
    assert all(us > 0 for us in (*row["us"].values(), *run["overheads"].values()))
    assert run["blas"]


def test_overhead_is_taken_from_the_others_alone():
    row = {"sizes": (32, 1, 6), "form": "x·w", "us": {"fastnn": 2.0, "NumPy": 4.0, "PyTorch": 3.0}}
    overheads = {"fastnn": 1.0, "NumPy": 3.0, "PyTorch": 2.9}
    assert without_overhead(row, overheads) == {"NumPy": 1.0}  # too little is left of PyTorch's
    assert line(row, overheads)[-3:] == ["0.667", "2", "NumPy"]
    run = {"threads": 1, "blas": ["openblas 1, kernels Haswell, 1 threads"], "overheads": overheads, "rows": [row]}
    text = report({"cpu": "A", "left_out": ["BLIS"], "runs": [run]})
    assert "BLIS, which is not installed" in text
    assert "kernels Haswell" in text
    assert "| 32x1x6    |  x·w |" in text
