"""Time all workloads in fastnn and in the other libraries that are installed: ``python benchmarks/peers/run.py``.

One process for each library, workload and number of threads.  The libraries take turns, a round each, so that what
else the machine does meets all of them; see the README for what is measured, and how.
"""

import argparse
import importlib.util
import json
import os
import platform
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))

import numpy as np  # noqa: E402, the path comes first
from imports import STATEMENTS, import_seconds  # noqa: E402
from libraries import LIBRARIES, WITHOUT_CONV, missing  # noqa: E402
from machine import cpu_name  # noqa: E402
from process import LibraryError, Worker, rounds  # noqa: E402
from report import TITLES, draw, summary, tables  # noqa: E402
from workloads import WORKLOADS, data, flops  # noqa: E402

RESULTS = HERE.parent / "results"
MOST_STEPS, MOST_BYTES, RATE = 1000, 2**25, 80e9  # of an epoch: its steps, its data, operations a second


def epoch_steps(workload, seconds):
    """Steps of an epoch: about so many seconds on a quick machine, within limits of count and memory."""
    steps = seconds * RATE / (3 * flops(workload) * workload.batch)
    return int(max(min(steps, MOST_STEPS, MOST_BYTES / data(workload)[0].nbytes), 2))


def compare(started, reference, dropout):
    """Refuse a library that computes something else than the first one, or does not learn."""
    for name in ("predictions", "forward"):
        if name in started:
            _assert_close(name, started[name], reference["predictions"], 2e-3)
    if "curve" in started:
        if not dropout:
            _assert_close("first losses", started["curve"], reference["curve"][: len(started["curve"])], 1e-2)
        losses = started["losses"]
        if not losses[-1] < losses[0]:
            raise LibraryError(f"the loss does not go down: {losses[0]:.4g} to {losses[-1]:.4g}")


def _assert_close(what, found, expected, tolerance):
    difference = np.max(np.abs(np.subtract(found, expected)) / np.maximum(1, np.abs(expected)), initial=0)
    if not difference <= tolerance:
        raise LibraryError(f"{what} differ by {difference:.2g} from the first library's")


def start_library(library, workload, threads, steps):
    arguments = (library.module, library.variant, workload.name, str(steps))
    worker = Worker("worker.py", *arguments, threads=threads, settings=library.environment)
    worker.started["offers"] = [what for what in worker.started["offers"] if what in library.only.split()]
    return worker


def offering(workers, what):
    """Those of the workers that have a method for it."""
    return {name: worker for name, worker in workers.items() if what in worker.started["offers"]}


def start(names, workload, threads, seconds, failures):
    """{name: worker} of those that started and passed the comparison."""
    workers, reference = {}, None
    dropout = any(layer[0] == "dropout" for layer in workload.layers)
    for name in names:
        if workload.name not in LIBRARIES[name].workloads:
            continue
        try:
            worker = start_library(LIBRARIES[name], workload, threads, epoch_steps(workload, seconds))
            reference = reference or worker.started
            try:
                compare(worker.started, reference, dropout)
            except LibraryError:
                worker.stop()
                raise
            workers[name] = worker
        except LibraryError as problem:
            note_failure(failures, name, workload, threads, problem)
    return workers


def note_failure(failures, name, workload, threads, problem):
    failures.append({"library": name, "workload": workload.name, "threads": threads, "problem": str(problem)})
    print(f"    {name}: {problem}", file=sys.stderr, flush=True)


def measure(names, workload, threads, seconds, results):
    """All libraries on one workload: adds rows, starts, and the limits of its programs to the results."""
    workers = start(names, workload, threads, seconds, results["failures"])

    def drop(name, problem):
        note_failure(results["failures"], name, workload, threads, problem)
        del workers[name]

    key = {"workload": workload.name, "threads": threads}
    for what in TITLES:
        if what == "row" and workload.name not in WITHOUT_CONV:
            continue  # compiling convolutions for another batch takes longer than all else
        for name, taken in rounds(offering(workers, what), what, seconds, drop).items():
            results["rows"].append({**key, "what": what, "library": name, "seconds": taken})
    for name, worker in list(workers.items()):
        try:
            facts = {fact: worker.started.get(fact) for fact in ("import", "first", "version")}
            facts |= {"trains": "train" in worker.started["offers"], **worker.ask("memory")}
            if name == "fastnn":
                results["first_fits"].append({**key, **worker.ask("first_fits")})
                results["programs"].append({**key, **worker.ask("program")})
            results["starts"].append({**key, "library": name, **facts})
        except LibraryError as problem:
            drop(name, problem)
    for worker in workers.values():
        worker.stop()


def measure_scaling(workload, thread_counts, seconds, results):
    """fastnn on so many threads and on others, turn by turn."""
    workers = {}

    def drop(threads, problem):
        note_failure(results["failures"], "fastnn", workload, int(threads), problem)
        del workers[threads]

    for threads in thread_counts:
        found = start(["fastnn"], workload, threads, seconds, results["failures"])
        workers |= {str(threads): worker for worker in found.values()}
    for what in ("train", "fit", "forward"):
        found = rounds(offering(workers, what), what, seconds, drop)
        results["scaling"].append({"workload": workload.name, "what": what, "seconds": found})
    for worker in workers.values():
        worker.stop()


def machine():
    """What the figures depend on."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "time": time.strftime("%Y-%m-%d %H:%M"), "cpu": cpu_name(), "cpus": os.cpu_count(), "system": platform.system(),
        "python": platform.python_version(), "numpy": np.__version__, "load average before": load,
    }  # fmt: skip


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--libraries", nargs="+", choices=LIBRARIES, default=list(LIBRARIES), metavar="NAME",
                        help=f"of {', '.join(LIBRARIES)}")  # fmt: skip
    all_workloads = [w.name for w in WORKLOADS]
    parser.add_argument("--workloads", nargs="+", choices=all_workloads, default=all_workloads, metavar="NAME",
                        help=f"of {', '.join(all_workloads)}")  # fmt: skip
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2], metavar="N")
    parser.add_argument("--seconds", type=float, default=0.5, help="of one measurement, all its rounds together")
    parser.add_argument("--keep", action="store_true", help="the workloads that peers.json has; measure only others")
    return parser.parse_args()


def fresh_results(chosen, left_out):
    return {
        "machine": machine(), "seconds": chosen.seconds, "left_out": left_out, "minutes": 0.0, "imports": {},
        **{part: [] for part in ("workloads", "failures", "rows", "starts", "first_fits", "programs", "scaling")},
    }  # fmt: skip


def write(results):
    """Numbers and tables as far as they go: a run that is interrupted keeps them."""
    RESULTS.mkdir(exist_ok=True)
    partial = RESULTS / "peers.json.part"
    partial.write_text(json.dumps(results, indent=1), encoding="utf-8")
    partial.replace(RESULTS / "peers.json")
    (RESULTS / "peers.md").write_text(tables(results), encoding="utf-8")


def measure_imports(results):
    folder = Path(importlib.util.find_spec("fastnn").origin).parents[1]
    own = [what for what, (_, statement) in STATEMENTS.items() if "fastnn" in statement]
    results["imports"] = {what: import_seconds(what, folder)[0] for what in own}


def main():
    chosen = arguments()
    left_out = {name: missing(LIBRARIES[name]) for name in chosen.libraries if missing(LIBRARIES[name])}
    names = [name for name in LIBRARIES if name in chosen.libraries and name not in left_out]
    for name, packages in left_out.items():
        print(f"{name} is left out: {', '.join(packages)} is not installed", file=sys.stderr)
    results = fresh_results(chosen, left_out)
    if chosen.keep and (RESULTS / "peers.json").exists():
        results = json.loads((RESULTS / "peers.json").read_text(encoding="utf-8"))
    begun, minutes_before = time.perf_counter(), results["minutes"]
    if "fastnn" in names:
        measure_imports(results)
    for workload in (w for w in WORKLOADS if w.name in chosen.workloads and w.name not in results["workloads"]):
        for threads in chosen.threads:
            print(f"{workload.name}, threads: {threads}", file=sys.stderr, flush=True)
            measure(names, workload, threads, chosen.seconds, results)
            print(summary(results, workload.name, threads), file=sys.stderr, flush=True)
        if "fastnn" in names and len(chosen.threads) > 1:
            measure_scaling(workload, chosen.threads, chosen.seconds, results)
        results["workloads"].append(workload.name)
        results["minutes"] = minutes_before + (time.perf_counter() - begun) / 60
        write(results)
    if results["rows"]:
        draw(results, RESULTS / "peers.png")
    print(f"in {RESULTS}: peers.json, peers.md, peers.png", file=sys.stderr)


if __name__ == "__main__":
    main()
