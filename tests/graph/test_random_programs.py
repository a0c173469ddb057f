"""Random programs: the native engine and the reference agree to the last bit, and no tensor lies over another."""

import numpy as np
import programs
import pytest
from random_programs import RandomProgram

from fastnn.engine import native

RUNS = 3


def check(seed, size=25):
    made = RandomProgram(seed, size)
    inputs, before = made.inputs(RUNS), made.values()
    expected = programs.run_reference(made.program, inputs)
    after = made.values()
    executable = programs.shared(made.program)
    programs.check_plan(executable.layout)
    for n_threads in (1, 3):
        made.set_values(before)
        got = programs.run_native(executable, inputs, n_threads)
        for i, (a, e) in enumerate(zip(got, expected, strict=True)):
            np.testing.assert_array_equal(a, e, err_msg=f"seed {seed}: output {i}, {n_threads} threads")
        for i, (a, e) in enumerate(zip(made.values(), after, strict=True)):
            np.testing.assert_array_equal(a, e, err_msg=f"seed {seed}: variable {i}, {n_threads} threads")
    if made.storage is not None:
        gaps = np.ones(made.storage.size, bool)
        for v, at in zip(made.storage.variables, made.storage.offsets, strict=True):
            gaps[at : at + v.size] = False
        assert not made.storage.flat[gaps].any(), f"seed {seed}: the gaps between variables"


@pytest.mark.parametrize("block", range(10))
def test_random_programs(block):
    for seed in range(20 * block, 20 * block + 20):
        try:
            check(seed)
        except AssertionError:
            raise
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error


@pytest.mark.slow
@pytest.mark.parametrize("isa", native.isas())
def test_many_random_programs(isa):
    native.select_isa(isa)
    try:
        for seed in range(1000, 1700):
            check(seed, 10 + seed % 60)
    finally:
        native.select_isa()
