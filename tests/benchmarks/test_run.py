"""A library that hangs, crashes or computes something else is reported and left out; the others go on."""

import time
from pathlib import Path

import process
import pytest
import run
from libraries import Library
from workloads import WORKLOADS

XOR = next(w for w in WORKLOADS if w.name == "xor")
GOOD = """
import time
VERSION = "1"
class Peer:
    def __init__(self, workload, weights, x, y, variant, threads):
        self.losses = iter([2.0, 1.0, 1.0, 0.5])
    def train(self, count):
        time.sleep(1e-4 * count)
        return next(self.losses, 0.1)
    def forward(self, count):
        time.sleep(1e-4 * count)
        return [0.5] * 4
    def predict(self, count, x):
        time.sleep(1e-4 * count)
        return [0.5] * len(x)
"""
BODIES = {
    "good": GOOD,
    "hangs": GOOD + "time.sleep(99)\n",
    "crashes": GOOD + "import os; os._exit(3)\n",
    "raises": GOOD.replace('VERSION = "1"', 'raise RuntimeError("no licence")'),
    "differs": GOOD.replace("[0.5] * len(x)", "[0.6] * len(x)"),
    "late": GOOD.replace("def forward(self, count):",
                         "def forward(self, count):\n        time.sleep(60 * (count > 1))"),
}  # fmt: skip


@pytest.fixture
def libraries(tmp_path, monkeypatch):
    for name, body in BODIES.items():
        (tmp_path / f"{name}_worker.py").write_text(body, encoding="utf-8")
        monkeypatch.setitem(run.LIBRARIES, name, Library(f"{name}_worker", ()))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(process, "QUIET", 0)


@pytest.fixture
def _impatient(monkeypatch):
    """A busy machine may take some seconds to start a process that does not hang."""
    monkeypatch.setattr(process, "PATIENCE", 15)


@pytest.fixture
def results():
    return {part: [] for part in ("failures", "rows", "starts", "first_fits", "programs", "scaling")}


@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("crashes", "ended with code 3"),
        ("raises", "no licence"),
        ("differs", "predictions differ by 0.1"),
    ],
)
def test_a_library_that_does_not_start_is_left_out(results, name, problem):
    run.measure(["good", name], XOR, 1, 0.01, results)
    assert [failure["library"] for failure in results["failures"]] == [name]
    assert problem in results["failures"][0]["problem"]
    assert {row["library"] for row in results["rows"]} == {"good"}
    assert {row["what"] for row in results["rows"]} == {"train", "forward", "predict", "row"}


def is_stopped(pid):
    """Whether the process stops within some seconds."""
    end = time.monotonic() + 15
    state = Path(f"/proc/{pid}/stat")
    while state.read_text(encoding="utf-8").split()[2] != "T" and time.monotonic() < end:
        time.sleep(0.01)
    return state.read_text(encoding="utf-8").split()[2] == "T"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the state of a process is read from /proc")
@pytest.mark.usefixtures("libraries")
def test_a_library_is_stopped_while_it_is_not_asked():
    worker = run.start_library(run.LIBRARIES["good"], XOR, 1, 2)
    assert is_stopped(worker.process.pid)
    assert worker.ask("round", what="forward", seconds=0.01)["seconds"] > 0
    assert is_stopped(worker.process.pid)
    worker.stop()
    assert worker.process.returncode == 0


@pytest.mark.slow
@pytest.mark.usefixtures("libraries", "_impatient")
def test_a_library_that_hangs_is_left_out(results):
    run.measure(["good", "hangs"], XOR, 1, 0.01, results)
    assert [failure["problem"] for failure in results["failures"]] == ["no answer within 15 seconds"]
    assert {row["library"] for row in results["rows"]} == {"good"}


@pytest.mark.slow
@pytest.mark.usefixtures("libraries", "_impatient")
def test_a_library_that_hangs_later_keeps_what_it_measured_before(results):
    run.measure(["good", "late"], XOR, 1, 0.01, results)
    assert [failure["library"] for failure in results["failures"]] == ["late"]
    assert {row["what"] for row in results["rows"] if row["library"] == "late"} == {"train"}
    assert {row["what"] for row in results["rows"] if row["library"] == "good"} >= {"train", "forward", "predict"}


def test_what_is_written_can_be_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "RESULTS", tmp_path)
    monkeypatch.setattr("sys.argv", ["run.py"])
    run.write(run.fresh_results(run.arguments(), {"JAX": ["jax"]}))
    assert (tmp_path / "peers.json").exists() and not (tmp_path / "peers.json.part").exists()
    assert "JAX is left out: jax not installed" in (tmp_path / "peers.md").read_text(encoding="utf-8")
