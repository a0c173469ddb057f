"""The results as tables and as one picture: ``python report.py peers.json`` makes both again."""

import json
import statistics
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

import verdict
from rounds import fastest_peer, find, ratios, spread
from table import number, table

TITLES = {
    "train": "Training step: one batch, called in a loop",
    "fit": "A step of an epoch: shuffled batches from arrays in memory",
    "forward": "Forward pass: the batch and the result in the library's own form",
    "predict": "Prediction: NumPy array in, NumPy array out",
    "row": "Prediction of one row: the same with a batch of one",
}
COLORS = {
    "PyTorch": "#d62728", "torch.compile": "#ff9896", "JAX": "#2ca02c", "JAX scan": "#98df8a", "Keras/JAX": "#17becf",
    "Keras/TF": "#ff7f0e", "ONNX Runtime": "#9467bd", "scikit-learn": "#8c564b",
}  # fmt: skip
MARKS = dict(zip(COLORS, "osD^v<P*", strict=True))


def program_of(results, what, workload, threads):
    """Arithmetic, traffic and least time of fastnn's program, or None."""
    if what == "row":
        return None  # the program that was counted is that of a batch
    kind = "train" if what in ("train", "fit") else "predict"
    for found in results["programs"]:
        if (found["workload"], found["threads"]) == (workload, threads):
            return found[kind]
    return None


def cell(taken):
    """Microseconds, and how far the middle half of the rounds spreads."""
    return f"{number(statistics.median(taken) * 1e6)} ±{spread(taken):.0%}"


def keys(results):
    return list(dict.fromkeys((r["workload"], r["threads"]) for r in results["rows"]))


def names(results, what=None):
    return list(dict.fromkeys(r["library"] for r in results["rows"] if what in (None, r["what"])))


def times_table(results, what):
    """A row for each workload and number of threads."""
    libraries, rows = names(results, what), []
    for workload, threads in keys(results):
        found = find(results, what, workload, threads)
        best = fastest_peer(found)
        row = [workload, threads, best or "", f"{ratios(found)[best]:.2f}" if best and "fastnn" in found else ""]
        row += [cell(found[name]) if name in found else "" for name in libraries]
        limit = program_of(results, what, workload, threads)
        if limit and "fastnn" in found:
            own = statistics.median(found["fastnn"])
            row += [
                number(limit["flops"] / 1e6), number(limit["bytes"] / 1e6),
                number(limit["limit"] * 1e6), f"{number(limit['limit'] / own * 100)}%",
            ]  # fmt: skip
        else:
            row += [""] * 4
        rows.append(row)
    head = ["workload", "threads", "fastest peer", "fastnn times faster", *libraries]
    return table([*head, "MFLOP", "MB moved", "limit", "fastnn reaches"], rows)


def start_table(results, fact, scale):
    """One fact of each start: a row for each workload."""
    libraries, rows = names(results), []
    for workload, threads in keys(results):
        found = {
            s["library"]: s[fact]
            for s in results["starts"]
            if (s["workload"], s["threads"]) == (workload, threads) and s.get(fact) is not None
        }
        cells = [number(found[name] * scale) if name in found else "" for name in libraries]
        rows.append([workload, threads, *cells])
    return table(["workload", "threads", *libraries], rows)


def import_table(results):
    rows = []
    for name in names(results):
        taken = [s["import"] for s in results["starts"] if s["library"] == name]
        version = next((s["version"] for s in results["starts"] if s["library"] == name), "")
        if taken:
            rows.append([name, version, number(statistics.median(taken) * 1e3), f"±{spread(taken):.0%}"])
    return table(["library", "version", "import beyond NumPy's own, ms", ""], rows)


def judged(found, unit=1.0, sign="×"):
    """A cell: measured, target, and whether it is reached."""
    if found is None:
        return ""
    mark = "reached" if found.reached else "**missed**"
    against = f" {found.against}" if found.against else ""
    return f"{number(found.measured * unit)}{sign}{against} ({number(found.target * unit)}): {mark}"


def speed_verdicts(results):
    head = {what: TITLES[what].split(":")[0].lower() for what in ("train", "fit", "forward")}
    rows = []
    for workload, threads in keys(results):
        cells = [judged(verdict.faster(results, what, workload, threads)) for what in head]
        row = judged(verdict.quick(results, "row", workload, threads), 1e6, " µs")
        rows.append([workload, threads, *cells, row])
    return table(["times faster than", "threads", *head.values(), "one row"], rows)


def scaling_verdicts(results):
    found = {(row["workload"], row["what"]): row["seconds"] for row in results["scaling"] if len(row["seconds"]) > 1}
    kinds = list(dict.fromkeys(what for _, what in found))
    rows = []
    for workload in dict.fromkeys(workload for workload, _ in found):
        judgements = [verdict.speedup(found[workload, what]) if (workload, what) in found else None for what in kinds]
        rows.append([workload, *map(judged, judgements)])
    return table(["more threads over one", *kinds], rows)


def start_verdicts(results):
    rows = []
    for workload, threads in keys(results):
        memory, first = verdict.memory(results, workload, threads), verdict.first_fit(results, workload, threads)
        rows.append([workload, threads, judged(memory), judged(first)])
    return table(["", "threads", "peak memory, of the leanest that trains", "first fit, of a later one"], rows)


def verdict_lines(results):
    """What was aimed at, and what came of it."""
    lines = ["Measured, in brackets the target, and whether it is reached.", "", speed_verdicts(results)]
    if results["scaling"]:
        lines += ["", scaling_verdicts(results)]
    lines += ["", start_verdicts(results), ""]
    lines += [f"- {what}: {judged(found, 1e3, ' ms')}" for what, found in verdict.imports(results).items()]
    return lines


def tables(results):
    """All of it, as Markdown."""
    facts = {**results["machine"], "seconds a measurement": results["seconds"], "minutes": round(results["minutes"], 1)}
    for program in results["programs"]:
        facts[f"peak, threads: {program['threads']}"] = f"{program['peak'] / 1e9:,.0f} GFLOP/s"
        facts[f"memory, threads: {program['threads']}"] = f"{program['bandwidth'] / 1e9:,.0f} GB/s"
    lines = ["# fastnn and other libraries", "", *(f"- {name}: {value}" for name, value in facts.items())]
    lines += [f"- {name} is left out: {', '.join(p)} not installed" for name, p in results["left_out"].items()]
    lines += [
        f"- {f['library']} failed on {f['workload']} (threads: {f['threads']}): {f['problem']}"
        for f in results["failures"]
    ]
    if "fastnn" in names(results):
        lines += ["", "## Targets", "", *verdict_lines(results), "", "## Times"]
    lines += ["", "Microseconds; the median of the rounds, ± half the range of their middle half."]
    for what, title in TITLES.items():
        if names(results, what):
            lines += ["", f"### {title}", "", times_table(results, what)]
    lines += ["", "## Building the model and its first training step, milliseconds", ""]
    lines += [start_table(results, "first", 1e3)]
    lines += ["", "## Peak memory of the process, MB", "", start_table(results, "memory", 1e-6)]
    lines += ["", "## Import", "", import_table(results)]
    return "\n".join(lines) + "\n"


def summary(results, workload, threads):
    """A line for each kind of measurement, while the run goes on."""
    lines = []
    for what in TITLES:
        found = find(results, what, workload, threads)
        if not found:
            continue
        shown = ", ".join(f"{name} {number(statistics.median(t) * 1e6)}" for name, t in found.items())
        best = fastest_peer(found)
        ratio = f"  ({ratios(found)[best]:.2f} x {best})" if best and "fastnn" in found else ""
        lines.append(f"    {what}: {shown} µs{ratio}")
    return "\n".join(lines)


def draw(results, path):
    """Each library's time as a multiple of fastnn's; hollow marks for one thread, filled ones for most threads."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    kinds = [what for what in TITLES if names(results, what)]
    workloads = list(dict.fromkeys(w for w, _ in keys(results)))
    most = max(threads for _, threads in keys(results))
    figure, panels = plt.subplots(
        1, len(kinds), sharey=True, squeeze=False, figsize=(4 * len(kinds), 1.8 + 0.55 * len(workloads)),
        layout="constrained",
    )  # fmt: skip
    for panel, what in zip(panels[0], kinds, strict=True):
        for workload, threads in keys(results):
            y = len(workloads) - workloads.index(workload) + (0.18 if threads == most else -0.18)
            draw_row(panel, results, what, workload, threads, y, threads == most)
        panel.set(xscale="log", title=TITLES[what].split(":")[0])
        panel.set_xlim(left=0.05)  # the limits of the smallest programs are far to the left of it
        panel.axvline(1, color="#1f77b4", linewidth=2, zorder=1)
        panel.grid(axis="x", which="both", alpha=0.25)
        panel.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")
        panel.xaxis.set_minor_formatter("")
    panels[0][0].set_yticks(range(len(workloads), 0, -1), workloads)
    figure.legend(handles=legend(plt, names(results)), loc="outside lower center", ncols=6, frameon=False)
    figure.suptitle(f"Time as a multiple of fastnn's (right of the line: slower than fastnn). Filled: threads = {most}")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_row(panel, results, what, workload, threads, y, filled):
    """The libraries at one height, and the limit of fastnn's program as a bar."""
    found = find(results, what, workload, threads)
    for name, ratio in ratios(found).items():
        color = COLORS[name]
        panel.plot(ratio, y, MARKS[name], color=color, markerfacecolor=color if filled else "white", markersize=7)
    limit = program_of(results, what, workload, threads)
    if limit and "fastnn" in found:
        panel.plot(limit["limit"] / statistics.median(found["fastnn"]), y, "|", color="black", markersize=12)


def legend(plt, libraries):
    own = [plt.Line2D([], [], color="#1f77b4", linewidth=2, label="fastnn")]
    bar = [plt.Line2D([], [], color="black", marker="|", linestyle="", markersize=12, label="the machine's limit")]
    return own + bar + [
        plt.Line2D([], [], color=COLORS[name], marker=MARKS[name], linestyle="", label=name)
        for name in libraries if name in COLORS
    ]  # fmt: skip


if __name__ == "__main__":
    source = Path(sys.argv[1])
    stored = json.loads(source.read_text(encoding="utf-8"))
    source.with_suffix(".md").write_text(tables(stored), encoding="utf-8")
    draw(stored, source.with_suffix(".png"))
