"""Build every rung, compare it with NumPy, time it, and draw how far it is from what the machine can do.

    python benchmarks/ladder/climb.py        or: make ladder

docs/ladder.md walks through the rungs.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

import numpy as np
from machine import cpu_name
from rungs import BUILD, SUBJECTS, built, check, prepared
from table import number, table
from threadpoolctl import threadpool_limits

import fastnn
from fastnn.engine import native
from fastnn.engine.profile import Machine

RESULTS = Path(__file__).resolve().parents[1] / "results"
ROUNDS = 5


def seconds_of(run, seconds):
    """Of one call, the median of a few rounds."""
    run()
    start = time.perf_counter()
    run()
    count = max(int(seconds / ROUNDS / (time.perf_counter() - start)), 1)
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(count):
            run()
        rounds.append((time.perf_counter() - start) / count)
        if sum(rounds) * count > 2 * seconds:
            break
    return statistics.median(rounds)


def timed(run, threads, seconds):
    with threadpool_limits(threads), fastnn.num_threads(threads):
        return seconds_of(run, seconds)


def climb(subject, threads, seconds):
    """A row for each rung; BLAS beside them, if NumPy's function is one call of it."""
    rows = []
    for rung in built(subject):
        check(subject, rung)
        arrays = subject.arrays(rung.rows)
        run = prepared(subject, rung, arrays)
        used = threads if rung.all_threads else 1
        work = subject.flops * len(arrays[-1]) / subject.shapes[-1][0]
        rows.append(row(rung.idea, used, work / timed(run, used, seconds)))
    if subject.reference is np.matmul:
        first, second, result = subject.arrays()
        for used in counts(threads):
            took = timed(lambda: np.matmul(first, second, out=result), used, seconds)
            rows.append(row("NumPy's matmul, a BLAS", used, subject.flops / took))
    return rows


def row(idea, threads, rate):
    return {"rung": idea, "threads": threads, "gflops": rate / 1e9}


def counts(threads):
    """One thread, and all."""
    return sorted({1, threads})


def limits(subject, threads):
    """{threads: GFLOP/s}: the roofline, at the arithmetic that the subject has for each byte."""
    found = {}
    for used in counts(threads):
        least = Machine(used).least_seconds(subject.flops, subject.bytes)
        found[str(used)] = subject.flops / least / 1e9
    return found


def ladder_table(ladder):
    rows, bottom = [], ladder["rows"][0]["gflops"]
    for here in ladder["rows"]:
        share = here["gflops"] / ladder["limits"][str(here["threads"])]
        cells = [number(here["gflops"]), number(here["gflops"] / bottom), f"{number(100 * share)}%"]
        rows.append([here["rung"], here["threads"], *cells])
    return table(["rung", "threads", "GFLOP/s", "times the first", "of the limit"], rows)


def tables(results):
    lines = ["# The ladder", "", *(f"- {name}: {value}" for name, value in results["machine"].items())]
    for name, ladder in results["ladders"].items():
        lines += ["", f"## {name}: {ladder['shapes']}", "", ladder_table(ladder), ""]
        lines += [f"- limit, threads: {used}: {rate:,.0f} GFLOP/s" for used, rate in ladder["limits"].items()]
    return "\n".join(lines) + "\n"


def draw(results, path):
    """A bar for each rung; lines where the machine's limits are."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    ladders = results["ladders"]
    figure, panels = plt.subplots(1, len(ladders), squeeze=False, figsize=(7 * len(ladders), 5.2), layout="constrained")
    colors, label = {1: "#7fb2e5"}, {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
    for panel, (name, ladder) in zip(panels[0], ladders.items(), strict=True):
        for place, here in enumerate(ladder["rows"]):
            panel.barh(place, here["gflops"], color=colors.get(here["threads"], "#1f5f99"))
            panel.text(here["gflops"] * 1.15, place, f"{here['gflops']:.3g}", va="center", fontsize=9, bbox=label)
        for used, limit in ladder["limits"].items():
            panel.axvline(limit, color=colors.get(int(used), "#1f5f99"), linestyle="--")
        panel.set_yticks(range(len(ladder["rows"])), [here["rung"] for here in ladder["rows"]])
        panel.set(xscale="log", xlabel="GFLOP/s", title=f"{name}: {ladder['shapes']}")
        panel.set_xlim(right=6 * max(ladder["limits"].values()))
        panel.invert_yaxis()
        panel.xaxis.set_major_formatter("{x:g}")
        panel.grid(axis="x", alpha=0.25)
    threads = results["machine"]["threads"]
    handles = [plt.Rectangle((0, 0), 1, 1, color=colors.get(n, "#1f5f99")) for n in counts(threads)]
    names = [f"threads: {n}; dashed: the machine's limit" for n in counts(threads)]
    figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False)
    figure.suptitle("From Python to the library: {cpu}, {instruction set}".format(**results["machine"]))
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.5, help="of one rung")
    parser.add_argument("--subjects", nargs="+", choices=[s.name for s in SUBJECTS], default=[s.name for s in SUBJECTS])
    chosen, threads = parser.parse_args(), fastnn.get_num_threads()
    facts = {"cpu": cpu_name(), "instruction set": native.isa(), "threads": threads, "NumPy": np.__version__}
    results = {"machine": facts, "ladders": {}}
    for subject in (s for s in SUBJECTS if s.name in chosen.subjects):
        shapes = " · ".join("×".join(map(str, shape)) for shape in subject.shapes[:2])
        rows = climb(subject, threads, chosen.seconds)
        results["ladders"][subject.name] = {"shapes": shapes, "rows": rows, "limits": limits(subject, threads)}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "ladder.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    (RESULTS / "ladder.md").write_text(tables(results), encoding="utf-8")
    draw(results, RESULTS / "ladder.png")
    print(tables(results))
    print(f"in {RESULTS}: ladder.json, ladder.md, ladder.png; Cython's annotated pages: {BUILD}/*/*.html")


if __name__ == "__main__":
    main()
