"""What the benchmarks time is right, on any number of threads."""

import kernel_rows
import pytest

from fastnn.engine import threads


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("case", kernel_rows.CASES, ids=lambda case: case.name)
def test_row_agrees_with_the_reference(case, n):
    program = kernel_rows.trace(case)
    with threads.num_threads(n):
        kernel_rows.assert_agree(program, kernel_rows.executable(case, program), case.tolerance)
