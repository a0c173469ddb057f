"""Which instruction set is used, and who may force another."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from fastnn.engine import native

SCRIPT = "from fastnn.engine import native; print(native.isa())"


def run_with(isa):
    return subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=os.environ | {"FASTNN_ISA": isa},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture(autouse=True)
def _restored_isa():
    used = native.isa()
    yield
    native.select_isa(used)


def test_the_best_is_chosen():
    native.select_isa()
    assert native.isa() == native.isas()[-1]
    assert set(native.isas()) <= set(native.built_isas())
    assert native.built_isas()[0] == "scalar"


def test_what_linux_says_of_the_cpu_is_what_we_find():
    if platform.machine() != "x86_64" or not Path("/proc/cpuinfo").exists():
        pytest.skip("needs /proc/cpuinfo of an x86-64 machine")
    line = next(s for s in Path("/proc/cpuinfo").read_text().splitlines() if s.startswith("flags"))
    flags = set(line.split())
    assert ("avx2" in native.isas()) == ({"avx2", "fma"} <= flags)
    assert ("avx512" in native.isas()) == ({"avx2", "fma", "avx512f", "avx512dq", "avx512bw", "avx512vl"} <= flags)


@pytest.mark.parametrize("name", native.isas())
def test_any_supported_one_can_be_forced(name):
    result = run_with(name)
    assert result.stdout.strip() == name, result.stderr
    native.select_isa(name)
    assert native.isa() == name
    assert native.lanes() == {"scalar": 1, "neon": 4, "avx2": 8, "avx512": 16}[name]


@pytest.mark.parametrize("name", ["sse9", "", "AVX2", *sorted(set(native.built_isas()) - set(native.isas()))])
def test_others_are_refused_with_the_list(name):
    result = run_with(name)
    assert result.returncode != 0
    last_line = result.stderr.strip().splitlines()[-1]
    assert last_line.startswith(f"ValueError: environment variable FASTNN_ISA: instruction set {name!r}")
    assert f"Choose one of {', '.join(native.isas())}." in last_line


def test_a_refused_name_changes_nothing():
    used = native.isa()
    with pytest.raises(ValueError, match="does not know it"):
        native.select_isa("sse9")
    assert native.isa() == used
