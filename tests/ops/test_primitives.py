"""Every primitive on every instruction set and several numbers of threads, against the NumPy reference."""

import numpy as np
import primitives
import programs
import pytest

from fastnn import ops
from fastnn.engine import native
from fastnn.engine.executable import Rows
from fastnn.graph.bytecode import JOINED
from fastnn.graph.lower import Lowering
from fastnn.graph.program import Program, apply
from fastnn.ops.elementwise import Elementwise
from fastnn.ops.primitive import PRIMITIVES, Primitive
from fastnn.ops.shape import BroadcastTo

EVERY_CASE = pytest.mark.parametrize("case", primitives.CASES, ids=lambda case: case.name)
EXACT_CASES = [case for case in primitives.CASES if case.exact]
TINY = float(np.finfo(np.float32).tiny)


@pytest.fixture(params=native.isas())
def isa(request):
    native.select_isa(request.param)
    yield request.param
    native.select_isa()


def results_on_all_threads(case, arrays):
    """Native outputs, the same to the last bit for every number of threads, and those of the float64 reference."""
    program = primitives.trace(case)
    first, *others = (programs.run_native(programs.shared(program), [arrays], n) for n in programs.THREADS)
    for other in others:
        for a, b in zip(first, other, strict=True):
            assert programs.same_bits(a, b), "the number of threads changes the result"
    expected = programs.run_reference(program, [arrays], "float64")
    return [a[0] for a in first], [e[0] for e in expected]


@pytest.mark.parametrize("case", EXACT_CASES, ids=lambda case: case.name)
def test_integers_are_exact(case, isa):
    got, expected = results_on_all_threads(case, primitives.arrays(case, integers=True))
    for a, e in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, e.astype(a.dtype))


@EVERY_CASE
def test_error_is_within_its_bound(case, isa):
    arrays = primitives.arrays(case)
    got, expected = results_on_all_threads(case, arrays)
    for i, (a, e) in enumerate(zip(got, expected, strict=True)):
        if a.dtype == np.int32 or e.dtype == bool:
            np.testing.assert_array_equal(a, e.astype(a.dtype))
            continue
        error, allowed = np.abs(a.astype(np.float64) - e), bound(case, arrays, i, e)
        worst = np.argmax(error - allowed) if error.size else 0
        assert not error.size or np.all(error <= allowed), (
            f"output {i}, element {worst}: {a.flat[worst]} for {e.flat[worst]}, {error.flat[worst]:.2e} off"
        )


def bound(case, arrays, i, expected):
    """Largest error that rounding explains."""
    if case.length == 0:
        ulp = np.spacing(np.abs(expected).astype(np.float32)).astype(np.float64)
        return case.ulp * 1.0000001 * np.maximum(ulp, TINY)
    if case.magnitude is not None:
        wide = [a.astype(np.float64) if a.dtype == np.float32 else a for a in arrays]
        size = case.magnitude(*wide)[i]
    else:
        positive = [np.abs(a) if a.dtype == np.float32 else a for a in arrays]
        size = np.abs(programs.run_reference(primitives.trace(case), [positive], "float64")[i][0])
    return primitives.gamma(case.length) * size + TINY


# ---- completeness ------------------------------------------------------------------------------------------


def test_every_primitive_has_a_row():
    own = {name for name, p in PRIMITIVES.items() if type(p).__module__.startswith("fastnn.")}
    assert {case.primitive for case in primitives.CASES} == own


def test_names_of_rows_differ_and_tell_the_primitive():
    names = [case.name for case in primitives.CASES]
    assert len(set(names)) == len(names)
    for case in primitives.CASES:
        used = {i.primitive.name for i in primitives.trace(case).instructions}
        assert case.primitive in used, f"{case.name} uses only {used}"


def test_opcodes_and_elementwise_primitives_agree():
    opcodes = dict(native.opcodes())
    for other in ("load", "store", "constant", *JOINED):
        del opcodes[other]
    assert opcodes.pop("random_uniform") == 0
    composed = {"cast", "broadcast_to"}  # their bytecode is made of other opcodes, or of none
    found = {}
    for case in primitives.CASES:
        primitive = PRIMITIVES[case.primitive]
        if isinstance(primitive, Elementwise) and case.primitive not in composed:
            found[case.primitive] = len(case.inputs)
    assert found == opcodes
    assert isinstance(PRIMITIVES["broadcast_to"], BroadcastTo)


def test_every_kernel_is_reached():
    reached = set()
    for case in primitives.CASES:
        reached |= {draft.kernel for draft in Lowering(primitives.trace(case)).drafts}
    fused = {"elementwise_reduce", "conv2d_max_pool2d", "winograd_conv2d_max_pool2d"}  # see tests/graph
    assert reached - {"pack", "host"} - fused == set(native.steps()) - {"host"} - fused


def test_a_primitive_without_a_kernel_returns_to_the_interpreter():
    class Sorted(Primitive):
        """x in ascending order: a primitive of a user."""

        def reference(self, x):
            return np.sort(x)

    try:
        primitive = Sorted("sorted_in_test")
        with Program() as program:
            x = program.input((3, 70))
            program.outputs = [apply(primitive, x * 2.0 + 1.0) - 1.0, ops.sum(x)]
        executable = programs.shared(program)
        assert [s.kernel for s in executable.steps].count("host") == 1
        inputs = [primitives._array(np.random.default_rng(i), (3, 70), "real", True) for i in range(4)]
        for n in programs.THREADS:
            got = programs.run_native(executable, [[x] for x in inputs], n)
            for i, x in enumerate(inputs):
                np.testing.assert_array_equal(got[0][i], np.sort(x * 2))
                assert got[1][i] == x.sum()
        outputs = [np.zeros((12, 70), np.float32), np.zeros(4, np.float32)]
        late = native.clock() - 1
        assert executable.run([Rows(np.concatenate(inputs))], outputs, batch=3, count=4, deadline=late) == 1
    finally:
        del PRIMITIVES["sorted_in_test"]


def test_a_name_is_given_once():
    with pytest.raises(ValueError, match="defined twice"):
        Primitive("matmul")


BOOL_SUMS = {
    "add": (lambda a, b: a + b, [1, 1, 2, 0]),
    "subtract": (lambda a, b: a - b, [1, -1, 0, 0]),
    "multiply": (lambda a, b: a * b, [0, 0, 1, 0]),
    "maximum": (ops.maximum, [1, 1, 1, 0]),
    "negative": (lambda a, b: ops.negative(a), [-1, 0, -1, 0]),
    "square": (lambda a, b: ops.square(b), [0, 1, 1, 0]),
    "cumsum": (lambda a, b: ops.cumsum(a), [1, 1, 2, 2]),
    "cumprod": (lambda a, b: ops.cumprod(ops.logical_not(b)), [1, 0, 0, 0]),
}


@pytest.mark.parametrize("name", BOOL_SUMS)
def test_bools_count_as_numbers(name):
    """In programs on both engines and on arrays; NumPy's own + and - of bools are something else."""
    function, expected = BOOL_SUMS[name]
    x, y = np.float32([1, 0, 1, 0]), np.float32([0, 1, 1, 0])
    with Program() as program:
        a, b = program.input((4,)), program.input((4,))
        program.outputs = [function(a > 0, b > 0)]
    assert program.outputs[0].dtype == "int32"
    for results in (programs.run_native(programs.shared(program), [[x, y]]), programs.run_reference(program, [[x, y]])):
        assert results[0].dtype == np.int32
        np.testing.assert_array_equal(results[0][0], expected)
    if name not in ("add", "subtract", "multiply"):  # there NumPy is asked first
        np.testing.assert_array_equal(function(x > 0, y > 0), expected)
