"""Functions of `fastnn.ops` against Keras' own numbers: at once, and in a program with their gradients."""

import numpy as np
import ops_cases
import programs
import pytest
from golden import store

import fastnn
from fastnn import ops
from fastnn.graph.gradients import gradients
from fastnn.graph.program import Program

GOLDEN = {**store.load("ops"), **store.load("images")}
ROWS = (*ops_cases.TABLE, *ops_cases.IMAGES)
LIMIT = {"rtol": 2e-4, "atol": 3e-5}


@pytest.mark.parametrize("name, call, inputs", ROWS, ids=[row[0] for row in ROWS])
def test_equals_keras(name, call, inputs):
    entry = GOLDEN[name]
    kept = [x.copy() for x in entry["inputs"]]
    np.testing.assert_allclose(call(fastnn, *entry["inputs"]), entry["output"], **LIMIT)
    for x, y in zip(entry["inputs"], kept, strict=True):
        np.testing.assert_array_equal(x, y)
    with Program() as program:
        symbols = [program.input(x.shape, x.dtype.name) for x in entry["inputs"]]
        if name in ops_cases.ON_ARRAYS:
            with pytest.raises((TypeError, ValueError), match="a program"):
                call(fastnn, *symbols)
            return
        y = call(fastnn, *symbols)
        if not hasattr(y, "producer"):
            pytest.skip("the result does not depend on the numbers")
        program.outputs = [y]
        if "gradients" in entry:
            weighted = ops.sum(y * entry["cotangent"])
            found = gradients(weighted, symbols)
            program.outputs += [s * 0.0 if g is None else g for g, s in zip(found, symbols, strict=True)]
    results = programs.run_native(programs.shared(program), [entry["inputs"]], 1)
    for mine, theirs in zip(results, [entry["output"], *entry.get("gradients", [])], strict=True):
        np.testing.assert_allclose(mine[0], theirs, **LIMIT)
