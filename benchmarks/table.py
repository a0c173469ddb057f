"""The results of a run as Markdown tables: ``python benchmarks/table.py results.json``."""

import json
import math
import sys
from pathlib import Path

MODEL_COLUMNS = ("fit step", "train_on_batch", "predict", "predict_on_batch", "model(x)", "first step")


def table(head, rows):
    """Markdown, its columns aligned: the first to the left, numbers to the right."""
    cells = [head, *([str(c) for c in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]

    def line(row):
        aligned = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
        return "| " + " | ".join(aligned) + " |"

    rule = "|" + "|".join("-" * (w + 1) + (":" if i else "-") for i, w in enumerate(widths)) + "|"
    return "\n".join([line(head), rule, *map(line, cells[1:])])


def microseconds(bench, which="median"):
    """Of one piece of work: a call, or one step of a fit."""
    info = bench["extra_info"]
    return bench["stats"][which] * 1e6 / info.get("repeat", 1) / info.get("steps", 1)


def number(value):
    return f"{value:,.3g}" if value < 100 else f"{value:,.0f}"


def of_table(benches, name):
    return [b for b in benches if b["extra_info"].get("table") == name]


def by_key(benches, *names):
    """{values of extra_info: benchmark}, in their order."""
    return {tuple(b["extra_info"].get(n) for n in names): b for b in benches}


def kernel_table(benches):
    found = by_key(of_table(benches, "kernels"), "case", "threads", "engine")
    rows = []
    for (case, threads, engine), bench in found.items():
        if engine != "native" or not bench["extra_info"].get("bytes"):
            continue
        info, took, least = bench["extra_info"], microseconds(bench), microseconds(bench, "min")
        reference = found.get((case, threads, "reference"))
        other = microseconds(reference) if reference else math.nan
        rows.append(
            [
                case, threads, number(took), number(least), number(other), number(other / took),
                number(info["flops"] / least / 1e3), number(info["bytes"] / least / 1e3),
                info["bound"], f"{info['of_limit']:.0%}",
            ]
        )  # fmt: skip
    head = ["kernel", "threads", "µs", "best µs", "NumPy µs", "times faster", "GFLOP/s", "GB/s", "bound by", "of limit"]
    return table(head, rows)


def model_table(benches):
    found = by_key(of_table(benches, "models"), "case", "threads", "what", "engine")
    rows = []
    for case, threads in dict.fromkeys(key[:2] for key in found):

        def time_of(what, engine="native", which="median", case=case, threads=threads):
            bench = found.get((case, threads, what, engine))
            return microseconds(bench, which) if bench else math.nan

        first = found.get((case, threads, "first step", "native"))
        later = first["extra_info"]["later_step"] * 1e6 if first else math.nan
        times = [time_of("fit step", which="min"), *map(time_of, MODEL_COLUMNS), time_of("first step") / later]
        ratios = [time_of(what, "reference") / time_of(what) for what in ("fit step", "predict_on_batch")]
        rows.append([case, threads, *map(number, [*times, *ratios])])
    head = ["µs", "threads", "best fit step", *MODEL_COLUMNS, "first/later", "fit vs NumPy", "predict vs NumPy"]
    return table(head, rows)


def library_table(benches):
    rows = []
    for bench in of_table(benches, "library"):
        info = bench["extra_info"]
        if "seconds" in info:
            rows.append([info["what"], f"{info['seconds'] * 1e3:.1f} ms", f"{info['least'] * 1e3:.1f} ms"])
        rows += [[what, f"{size / 1e6:.2f} MB", ""] for what, size in info.get("sizes", {}).items()]
    return table(["library", "median", "best"], rows)


def report(results):
    """All tables of a run.

    Parameters
    ----------
    results : dict
        What pytest-benchmark writes as JSON.
    """
    info, benches = results["machine_info"], results["benchmarks"]
    lines = [f"# Benchmarks, {results['datetime'][:16].replace('T', ' ')}", ""]
    lines += [f"- {name}: {value}" for name, value in info.get("fastnn", {}).items()]
    titles = {"kernels": kernel_table, "models": model_table, "library": library_table}
    for name, make in titles.items():
        if of_table(benches, name):
            lines += ["", f"## {name.capitalize()}", "", make(benches)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(report(json.loads(Path(sys.argv[1]).read_text())))
