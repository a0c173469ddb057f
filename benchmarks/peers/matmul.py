"""Matrix products of dense layers in fastnn, NumPy, PyTorch and BLIS: ``python benchmarks/peers/matmul.py``.

Forward passes x·w, weight gradients xᵀ·dy and input gradients dy·wᵀ of the layers in `matmul_worker.LAYERS`.  fastnn's
program runs many times in one call; the others are called from Python, so each one's time for 1x1x1 is shown and
subtracted too.
"""

import argparse
import importlib.util
import json
import os
import statistics
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))

from machine import cpu_name  # noqa: E402, the path comes first
from matmul_worker import LIBRARIES, OVERHEAD, PRODUCTS, name_of, sizes  # noqa: E402
from process import Worker, rounds  # noqa: E402
from table import number, table  # noqa: E402

RESULTS = HERE.parent / "results"
SLOWING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # they make NumPy's BLAS take kernels of another CPU
LEAST_NET = 0.1  # of a time: with less left after the overhead, nothing can be compared
NEEDS = {"PyTorch": "torch", "BLIS": "blis"}
ALONE = ("BLIS",)  # pip's build of it has one thread


def fail(name, problem):
    raise SystemExit(f"{name}: {problem}")


def medians(workers, what, seconds):
    """Median microseconds of each library."""
    return {name: statistics.median(taken) * 1e6 for name, taken in rounds(workers, what, seconds, fail).items()}


def measure(n_threads, products, names, seconds):
    """All products on so many threads."""
    workers = {name: Worker("matmul_worker.py", name, threads=n_threads) for name in names}
    overheads = medians(workers, name_of(*OVERHEAD), seconds)
    rows = [
        {"sizes": sizes(*PRODUCTS[what]), "form": PRODUCTS[what][1], "us": medians(workers, what, seconds)}
        for what in products
    ]
    for worker in workers.values():
        worker.stop()
    return {"threads": n_threads, "blas": workers["NumPy"].started["blas"], "overheads": overheads, "rows": rows}


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
        lines += [*(f"NumPy's BLAS: {pool}." for pool in run["blas"]), ""]
        lines += [table(head, [line(row, overheads) for row in run["rows"]])]
    return "\n".join(lines) + "\n"


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=0.15, help="of one measurement, all its rounds together")
    parser.add_argument("--only", default="", help="products with this text, as 128x512x512 or xᵀ")
    return parser.parse_args()


def main():
    chosen = options()
    for name in SLOWING:
        os.environ.pop(name, None)
    names = [name for name in LIBRARIES if importlib.util.find_spec(NEEDS.get(name, "numpy"))]
    products = [what for what in PRODUCTS if chosen.only in what]
    results = {"cpu": cpu_name(), "left_out": [name for name in LIBRARIES if name not in names]}
    results["runs"] = [measure(n_threads, products, names, chosen.seconds) for n_threads in chosen.threads]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "matmul.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    (RESULTS / "matmul.md").write_text(report(results), encoding="utf-8")
    print(report(results))


if __name__ == "__main__":
    main()
