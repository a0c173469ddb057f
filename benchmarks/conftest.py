"""Facts about machine and library in the results, and a readable table beside them."""

import contextlib
import io
import json
import os
from pathlib import Path

import numpy as np
import threadpoolctl
from table import report

import fastnn
from fastnn.engine import threads
from fastnn.engine.profile import Machine

RESULTS = Path(__file__).parent / "results"


def config_facts():
    """What `show_config` prints, as a dict."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        fastnn.show_config()
    return {line[:24].strip(): line[24:].strip() for line in text.getvalue().splitlines()}


def pytest_benchmark_update_machine_info(config, machine_info):
    """show_config's facts, NumPy's BLAS, the measured peak, and how busy the machine is."""
    blas = [f"{p['internal_api']} {p['version']}" for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas"]
    rates = {}
    for n in sorted({1, threads.get_num_threads()}):
        machine = Machine(n)
        rates[f"peak, {n} threads"] = f"{machine.peak() / 1e9:,.0f} GFLOP/s"
        rates[f"memory, {n} threads"] = f"{machine.bandwidth(2**30) / 1e9:,.0f} GB/s"
    load = {"load average": f"{os.getloadavg()[0]:.1f}"} if hasattr(os, "getloadavg") else {}
    machine_info["fastnn"] = {**config_facts(), "NumPy": f"{np.__version__} with {' '.join(blas)}", **rates, **load}


def pytest_benchmark_update_json(config, benchmarks, output_json):
    """The newest results under one name, and as a table."""
    RESULTS.mkdir(exist_ok=True)
    for bench in output_json["benchmarks"]:
        bench["params"] = None  # objects; `extra_info` says the same in words
    (RESULTS / "latest.json").write_text(json.dumps(output_json, indent=1))
    (RESULTS / "latest.md").write_text(report(output_json), encoding="utf-8")


def pytest_terminal_summary(terminalreporter):
    """Show the table at the end."""
    path = RESULTS / "latest.md"
    if path.exists():
        terminalreporter.write_line(f"\n{path.read_text(encoding='utf-8')}\nin {path}")
