"""Every rung of the ladder gives the result of NumPy's reference."""

import os
import shutil

import numpy as np
import pytest
import rungs
from climb import ladder_table, limits
from rungs import RUNGS, SUBJECTS

needs_compiler = pytest.mark.skipif(not shutil.which(rungs.compiler()[0]), reason="needs a C compiler")
NAMES = [subject.name for subject in SUBJECTS]


@pytest.fixture(scope="module")
def _built_elsewhere(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setattr(rungs, "BUILD", tmp_path_factory.mktemp("ladder"))
    yield
    patch.undo()


@pytest.mark.slow
@needs_compiler
@pytest.mark.usefixtures("_built_elsewhere")
@pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: rung.file)
@pytest.mark.parametrize("subject", SUBJECTS, ids=NAMES)
def test_a_rung_gives_the_references_result(subject, rung):
    if rung.all_threads and rung.file.endswith(".c") and rung not in rungs.built(subject):
        pytest.skip("the compiler has no OpenMP")
    rungs.check(subject, rung)


@pytest.mark.slow
@needs_compiler
@pytest.mark.usefixtures("_built_elsewhere")
@pytest.mark.parametrize("subject", SUBJECTS, ids=NAMES)
def test_the_whole_result_is_written(subject):
    """A last row that a rung forgets is not among the first ones, which `check` compares."""
    for rung in rungs.built(subject):
        if rung.rows:
            continue
        arrays = subject.arrays()
        found, expected = rungs.prepared(subject, rung, arrays)(), subject.reference(*arrays[:2])
        tolerance = 1e-5 * np.abs(expected).max()
        np.testing.assert_allclose(
            np.reshape(found, expected.shape), expected, rtol=0, atol=tolerance, err_msg=rung.file
        )


@pytest.mark.parametrize("subject", SUBJECTS, ids=NAMES)
def test_a_rung_with_a_wrong_result_is_refused(subject, monkeypatch):
    def prepared(subject, rung, arrays):
        return lambda: subject.reference(*arrays[:2]) - 1

    monkeypatch.setattr(rungs, "prepared", prepared)
    with pytest.raises(ValueError, match="differs from NumPy's by 1"):
        rungs.check(subject, RUNGS[1])


def test_flops_are_counted_for_the_shapes():
    matmul, conv = SUBJECTS
    assert matmul.flops == 2 * 512**3
    assert conv.flops == 2 * 32 * 32 * 128 * 3 * 3 * 64
    assert matmul.bytes == 3 * 4 * 512 * 512


def test_limits_obey_the_bandwidth_too(monkeypatch):
    class Machine:
        def __init__(self, threads):
            self.threads = threads

        def least_seconds(self, flops, n_bytes):
            return max(flops / (100e9 * self.threads), n_bytes / 1e9)

    monkeypatch.setattr("climb.Machine", Machine)
    found = limits(SUBJECTS[0], 2)
    assert found["1"] == pytest.approx(2 * 512**3 / (3 * 4 * 512**2))  # 85 operations a byte at 1 GB/s
    assert found["2"] == found["1"]  # a second thread adds no memory


def test_the_table_compares_with_the_first_rung_and_the_limit():
    rows = [{"rung": "loops", "threads": 1, "gflops": 0.5}, {"rung": "library", "threads": 2, "gflops": 150.0}]
    text = ladder_table({"rows": rows, "limits": {"1": 100, "2": 200}})
    assert "| library |       2 |     150 |             300 |          75% |" in text


def test_every_file_is_a_rung():
    for subject in SUBJECTS:
        files = {name for name in os.listdir(rungs.HERE / subject.name) if name.startswith("rung")}
        assert files == {rung.file for rung in RUNGS}
