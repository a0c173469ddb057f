"""Every kernel against the NumPy reference of the same program, on the same threads, beside the machine's best.

The rows are those of `tests/kernel_rows.py`; before one is timed, its results are compared with the reference's.
"""

import pytest
from kernel_rows import CASES, assert_agree, executable, trace
from timing import THREADS, measure, repeated, thread_limit

from fastnn.engine.profile import Machine
from fastnn.engine.reference import ReferenceProgram

NATIVE_SECONDS, REFERENCE_SECONDS, PEAK_SECONDS = 0.3, 0.2, 0.02
MACHINES = {n: Machine(n) for n in THREADS}  # they keep the bandwidths; the peak is measured again for each case


def work(program):
    """(arithmetic operations, bytes that must be read or written at least)."""
    flops = sum(i.primitive.flops(i) for i in program.instructions)
    tensors = (*program._variables.values(), *program.updates.values())
    return flops, 4 * sum(t.size for t in tensors)


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("n_threads", THREADS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def bench_kernel(benchmark, case, n_threads, engine):
    program = trace(case)
    benchmark.extra_info |= {"table": "kernels", "case": case.name, "threads": n_threads, "engine": engine}
    with thread_limit(n_threads):
        if engine == "reference":
            reference = ReferenceProgram(program)
            measure(benchmark, repeated(lambda: reference.run([], 0, 0, {})), REFERENCE_SECONDS)
            return
        native = executable(case, program)
        assert_agree(program, native, case.tolerance)
        flops, n_bytes = work(program)
        peak, bandwidth = Machine(n_threads, PEAK_SECONDS).peak(), MACHINES[n_threads].bandwidth(n_bytes)
        took = measure(benchmark, lambda count: native.run([], count=count), NATIVE_SECONDS)
    limits = {"arithmetic": flops / peak, "memory": n_bytes / bandwidth}
    bound = max(limits, key=limits.get)
    benchmark.extra_info |= {
        "flops": flops, "bytes": n_bytes, "peak": peak, "bandwidth": bandwidth, "bound": bound,
        "of_limit": limits[bound] / took if took else 0.0,
    }  # fmt: skip
