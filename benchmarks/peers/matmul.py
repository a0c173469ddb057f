"""Matrix products of dense layers in fastnn, NumPy, PyTorch and BLIS: ``python benchmarks/peers/matmul.py``.

Forward passes x·w, weight gradients xᵀ·dy and input gradients dy·wᵀ of the layers in `LAYERS`.  fastnn's program runs
many times in one call; the others are called from Python, so each one's time for 1x1x1 is shown and subtracted too.
"""

import argparse
import contextlib
import importlib.util
import json
import multiprocessing
import os
import statistics
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent), str(HERE.parent.parent / "tests")]

import numpy as np  # noqa: E402, the path comes first
from kernel_rows import Case, executable, gradient_of, trace  # noqa: E402
from machine import cpu_name  # noqa: E402
from table import number, table  # noqa: E402
from threadpoolctl import threadpool_info, threadpool_limits  # noqa: E402
from worker import QUIET, use_cpus  # noqa: E402

from fastnn import ops  # noqa: E402
from fastnn.engine import threads  # noqa: E402

RESULTS = HERE.parent / "results"
SLOWING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # they make NumPy's BLAS take kernels of another CPU
ROUNDS = 5
LEAST_NET = 0.1  # of a time: with less left after the overhead, nothing can be compared
# Batch, inputs, units; of a first layer nobody asks for the gradient of the input.
FIRST_LAYERS = ((32, 2, 6), (1, 784, 128), (32, 784, 128), (128, 784, 512), (2048, 6, 64))
LATER_LAYERS = (
    (32, 6, 1), (1, 128, 10), (32, 128, 10), (512, 64, 64), (2048, 64, 1), (128, 512, 10), (128, 512, 512),
    (64, 2048, 512), (128, 2048, 1), (10, 2048, 2048),
)  # fmt: skip
FORMS = ("x·w", "xᵀ·dy", "dy·wᵀ")
LAYERS = (*((layer, FORMS[:2]) for layer in FIRST_LAYERS), *((layer, FORMS) for layer in LATER_LAYERS))
PRODUCTS = [(layer, form) for layer, forms in LAYERS for form in forms]
OVERHEAD = ((1, 1, 1), "x·w")


def case_of(layer, form):
    """The row for fastnn: its arrays are x and w, and dy in gradients."""
    m, k, n = layer
    function = {"x·w": ops.matmul, "xᵀ·dy": gradient_of(ops.matmul, 1), "dy·wᵀ": gradient_of(ops.matmul, 0)}[form]
    shapes = ((m, k), (k, n), (m, n))
    return Case(form, function, shapes[:2] if form == "x·w" else shapes)


def operands(layer, form):
    """Two arrays as they lie in memory, and for each whether the product takes its transpose."""
    x, w, *dy = case_of(layer, form).arrays()
    return {"x·w": (x, w, 0, 0), "xᵀ·dy": (x, *dy, 1, 0), "dy·wᵀ": (*dy, w, 0, 1)}[form]


def sizes(layer, form):
    """m, n and k of the product."""
    a, b, transpose_a, transpose_b = operands(layer, form)
    return a.shape[transpose_a], b.shape[1 - transpose_b], a.shape[1 - transpose_a]


def repeated(function, *arguments, **options):
    """``run(count)``, the loop that calls from Python need."""

    def run(count):
        for _ in range(count):
            function(*arguments, **options)

    return run


# Each library: from a product to run(count) and an array that then holds the result.


def fastnn_product(layer, form):
    program = trace(case_of(layer, form))
    native = executable(case_of(layer, form), program)
    (target,) = program.updates
    return lambda count: native.run([], count=count), lambda: target.value


def numpy_product(layer, form):
    a, b, transpose_a, transpose_b = operands(layer, form)
    a, b = a.T if transpose_a else a, b.T if transpose_b else b
    out = np.empty((len(a), b.shape[1]), np.float32)
    return repeated(np.matmul, a, b, out=out), lambda: out


def torch_product(layer, form):
    import torch

    a, b, transpose_a, transpose_b = operands(layer, form)
    a, b = torch.from_numpy(a), torch.from_numpy(b)
    a, b = a.t() if transpose_a else a, b.t() if transpose_b else b
    out = torch.empty((len(a), b.shape[1]))
    loop = repeated(torch.mm, a, b, out=out)

    def run(count):
        with torch.inference_mode():
            loop(count)

    return run, out.numpy


def blis_product(layer, form):
    from blis.py import gemm

    a, b, transpose_a, transpose_b = operands(layer, form)
    out = np.zeros((a.shape[transpose_a], b.shape[1 - transpose_b]), np.float32)
    options = {"out": out, "trans1": bool(transpose_a), "trans2": bool(transpose_b), "beta": 0.0}
    return repeated(gemm, a, b, **options), lambda: out


LIBRARIES = {"fastnn": fastnn_product, "NumPy": numpy_product, "PyTorch": torch_product, "BLIS": blis_product}
NEEDS = {"PyTorch": "torch", "BLIS": "blis"}
ALONE = ("BLIS",)  # pip's build of it has one thread


def elapsed(run, count):
    start = time.perf_counter()
    run(count)
    return time.perf_counter() - start


def count_for(run, seconds):
    """How many runs take about so long."""
    count, took = 1, elapsed(run, 1)
    while took < seconds / 4 and count < 10**6:
        count = int(count * min(max(seconds / 2 / took, 2), 10))
        took = elapsed(run, count)
    return max(round(count * seconds / took), 1)


def time_product(layer, form, names, seconds, pause):
    """Median microseconds of each library; they take turns, another one first each time."""
    runs, counts, rounds = {}, {}, {name: [] for name in names}
    a, b, transpose_a, transpose_b = operands(layer, form)
    expected = (a.T if transpose_a else a).astype(np.float64) @ (b.T if transpose_b else b)
    for name in names:
        runs[name], result = LIBRARIES[name](layer, form)
        time.sleep(pause)
        runs[name](1)
        np.testing.assert_allclose(result(), expected, rtol=0, atol=1e-5 * np.abs(expected).max(), err_msg=name)
        counts[name] = count_for(runs[name], seconds)
    for turn in range(ROUNDS):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            time.sleep(pause)
            rounds[name].append(elapsed(runs[name], counts[name]) / counts[name] * 1e6)
    return {name: statistics.median(times) for name, times in rounds.items()}


def measure(n_threads, products, names, seconds):
    """All products on so many threads, in a process that may use as many CPUs."""
    use_cpus(n_threads)
    if "PyTorch" in names:
        import torch

        torch.set_num_threads(n_threads)
    pause = QUIET if n_threads > 1 else 0
    with threads.num_threads(n_threads), threadpool_limits(n_threads):
        overheads = time_product(*OVERHEAD, names, seconds, pause)
        rows = [
            {"layer": layer, "form": form, "sizes": sizes(layer, form), "threads": n_threads,
             "us": time_product(layer, form, names, seconds, pause)}
            for layer, form in products
        ]  # fmt: skip
        pools = [
            f"{pool['internal_api']} {pool['version']}, kernels {pool.get('architecture', 'not told')}, "
            f"threads {pool['num_threads']}"
            for pool in threadpool_info() if pool["user_api"] == "blas"
        ]  # fmt: skip
    return {"threads": n_threads, "blas": pools, "overheads": overheads, "rows": rows}


def without_overhead(row, overheads):
    """Microseconds of the others less their own 1x1x1; fastnn's stay whole."""
    others = {name: us - overheads[name] for name, us in row["us"].items() if name != "fastnn"}
    return {name: us for name, us in others.items() if us > LEAST_NET * row["us"][name]}


def line(row, overheads):
    """A row of the table."""
    (m, n, k), took = row["sizes"], row["us"]
    others = {name: us for name, us in took.items() if name != "fastnn"}
    net = without_overhead(row, overheads)
    ratios = [number(took["fastnn"] / min(found.values())) if found else "–" for found in (others, net)]
    nearest = min(net or others, key=(net or others).get)
    rate = number(2 * m * n * k / took["fastnn"] / 1e3)
    return [f"{m}x{n}x{k}", row["form"], *map(number, took.values()), rate, ratios[0], ratios[1], nearest]


def report(results):
    """Markdown: a table for each number of threads."""
    lines = ["# Matrix products of dense layers", "", f"- CPU: {results['cpu']}"]
    lines += [f"- left out: {name}, which is not installed" for name in results["left_out"]]
    lines += [f"- {name} has one thread in both tables" for name in ALONE if name not in results["left_out"]]
    lines += [
        "- m x n x k: m rows, n columns, sums of k products. x·w is a forward pass, xᵀ·dy the gradient of the weights,",
        "  dy·wᵀ that of the input. Microseconds are medians; GFLOP/s are fastnn's.",
        "- fastnn repeats its program in one call. The others are called from Python each time: their time for 1x1x1",
        "  is below. `ratio` is fastnn's time by the least of the others, less than 1 where fastnn is faster; `net`",
        "  the same with 1x1x1 taken from each of the others, – where less than a tenth of every time is left.",
    ]
    for run in results["runs"]:
        overheads, names = run["overheads"], list(run["overheads"])
        head = ["m x n x k", "form", *(f"{name} µs" for name in names), "GFLOP/s", "ratio", "net", "nearest"]
        calls = ", ".join(f"{name} {number(us)}" for name, us in overheads.items())
        lines += ["", f"## Threads: {run['threads']}", "", f"1x1x1: {calls} µs.", ""]
        lines += [*(f"BLAS: {pool}." for pool in run["blas"]), ""]
        lines += [table(head, [line(row, overheads) for row in run["rows"]])]
    return "\n".join(lines) + "\n"


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=0.01, help="of one measurement")
    parser.add_argument("--only", default="", help="products with this text, as 128x512x512 or xᵀ")
    return parser.parse_args()


def main():
    chosen = options()
    for name in SLOWING:
        os.environ.pop(name, None)
    names = [name for name in LIBRARIES if importlib.util.find_spec(NEEDS.get(name, "numpy"))]
    products = [p for p in PRODUCTS if chosen.only in " ".join(("x".join(map(str, sizes(*p))), p[1]))]
    results = {"cpu": cpu_name(), "left_out": [name for name in LIBRARIES if name not in names], "runs": []}
    for n_threads in chosen.threads:
        os.environ["OMP_NUM_THREADS"] = str(n_threads)
        with contextlib.closing(multiprocessing.get_context("spawn").Pool(1)) as pool:
            results["runs"].append(pool.apply(measure, (n_threads, products, names, chosen.seconds)))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "matmul.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    (RESULTS / "matmul.md").write_text(report(results), encoding="utf-8")
    print(report(results))


if __name__ == "__main__":
    main()
