"""The plan of a program's memory: nothing overlaps, little is needed, gaps stay zero."""

import sys

import numpy as np
import programs
import pytest
from random_programs import RandomProgram

import fastnn
from fastnn import ops
from fastnn.data.arrays import Batches
from fastnn.graph import memory
from fastnn.graph.lower import Lowering
from fastnn.graph.memory import ARENA, Layout, pack_intervals
from fastnn.graph.program import Program
from fastnn.models import tracing
from fastnn.variable import MOST_LOOSE, Variable, gather_loose, gather_storage

NETS = {
    "mlp": ((7,), lambda: [fastnn.layers.Dense(9, activation="relu"), fastnn.layers.Dropout(0.3)]),
    "convnet": (
        (6, 6, 3),
        lambda: [
            fastnn.layers.Conv2D(5, 3, padding="same"), fastnn.layers.BatchNormalization(),
            fastnn.layers.Activation("relu"), fastnn.layers.MaxPooling2D(), fastnn.layers.Flatten(),
        ],
    ),
    "separable": ((6, 6, 3), lambda: [fastnn.layers.SeparableConv2D(5, 3), fastnn.layers.GlobalAveragePooling2D()]),
}  # fmt: skip


def training(name, optimizer="adam", **options):
    shape, layers = NETS[name]
    fastnn.utils.set_random_seed(2)
    model = fastnn.Sequential([fastnn.Input(shape), *layers(), fastnn.layers.Dense(3, activation="softmax")])
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], **options)
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((5, *shape)).astype(np.float32), rng.integers(0, 3, 5).astype(np.int32)
    data = Batches(x, y, None, 5)
    return model, tracing.trace_train(model, tracing.Signature(data, 5)), [x, y]


OPTIMIZERS = (
    "sgd", "adam", "adamw", "rmsprop", "adagrad", "adadelta", "adamax", "nadam", "ftrl", "lion", "adafactor", "lamb",
)  # fmt: skip


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_plans_of_training_steps(name, optimizer):
    _, program, _ = training(name, optimizer)
    programs.check_plan(programs.shared(program).layout)


@pytest.mark.parametrize("name", NETS)
def test_gaps_between_gradients_are_zero(name):
    model, program, arrays = training(name)
    executable = programs.shared(program)
    ((block, parts),) = executable.layout.lowering.packs
    programs.run_native(executable, [arrays] * 3)
    start = executable.layout.place(block).offset // 4
    memory = programs.arena_of(executable)[start : start + block.size]
    gaps = np.ones(block.size, bool)
    for tensor, offset in parts:
        gaps[offset : offset + tensor.size] = False
    assert gaps.any()
    assert not memory[gaps].any()
    assert memory[~gaps].any()
    storage = model.trainable_variables[0].storage
    assert storage.size == block.size
    assert not storage.flat[gaps].any()


def test_gradients_are_made_where_the_optimizer_reads_them():
    """No copies between the backward pass and the update."""
    _, program, _ = training("mlp")
    layout = programs.shared(program).layout
    ((block, parts),) = layout.lowering.packs
    base = layout.place(block).offset
    for tensor, offset in parts:
        assert layout.place(tensor) == (ARENA, base + 4 * offset)
    assert sum(step.kernel == "copy" for step in layout.steps) <= 2  # transposed kernels for the gradients of inputs


def _may_overwrite_plainly(layout, variable, source):
    """Whether no step reads bytes of the variable after the first that writes the source, by a look at all steps."""
    drafts, span = layout.drafts, memory._span(variable)
    first = next(i for i, d in enumerate(drafts) if any(layout.root(t) is source for t in d.writes))
    for i, draft in enumerate(drafts[first:], first):
        for tensor in draft.reads:
            root = layout.root(tensor)
            own = memory._span(root.data) if root.kind == "variable" else None
            in_place = i == first and own == span and memory._reads_in_place(draft, tensor)
            if own is not None and memory._overlap(own, span) and not in_place:
                return False
    return True


@pytest.fixture
def checked_overwrites(monkeypatch):
    """Compare every decision to write over a variable with `_may_overwrite_plainly`; the list of the decisions."""
    decisions, decide = [], Layout._may_overwrite

    def checked(layout, variable, source, writes, reads):
        decisions.append(decide(layout, variable, source, writes, reads))
        assert decisions[-1] == _may_overwrite_plainly(layout, variable, source)
        return decisions[-1]

    monkeypatch.setattr(Layout, "_may_overwrite", checked)
    return decisions


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_updates_are_written_over_what_no_later_step_reads(optimizer, checked_overwrites):
    _, program, _ = training("convnet", optimizer)
    programs.shared(program)
    assert any(checked_overwrites)


def test_random_updates_are_written_over_what_no_later_step_reads(checked_overwrites):
    for seed in range(40):
        programs.shared(RandomProgram(seed).program)
    assert set(checked_overwrites) == {False, True}


def test_a_plan_takes_little_longer_for_every_layer():
    """Calls of functions, counted while plans for an optimizer with many steps are made: not four times for twice."""

    def calls(layers):
        model = fastnn.Sequential([fastnn.Input((4,)), *(fastnn.layers.Dense(4) for _ in range(layers))])
        model.compile("lamb", "mse")
        data = Batches(np.ones((2, 4), np.float32), np.ones((2, 4), np.float32), None, 2)
        lowering = Lowering(tracing.trace_train(model, tracing.Signature(data, 2)))
        counted = 0

        def count(frame, event, argument):
            nonlocal counted
            counted += event == "call"

        before = sys.getprofile()
        sys.setprofile(count)
        try:
            Layout(lowering)
        finally:
            sys.setprofile(before)
        return counted

    assert calls(40) < 2.5 * calls(20)


def test_updates_are_written_in_place():
    v = Variable(np.arange(6, dtype=np.float32))
    with Program() as program:
        x = program.input((6,))
        v.assign(v * 2.0 + x)
    layout = programs.shared(program).layout
    assert layout.arena_bytes == 0
    assert len(layout.steps) == 1


def test_a_long_chain_of_layers_reuses_memory():
    with Program() as program:
        x = program.input((10, 64))
        w = program.constant(np.ones((64, 64), np.float32))
        for _ in range(30):
            x = ops.matmul(x, w)
        program.outputs = [x]
    assert programs.shared(program).layout.arena_bytes <= 2 * 10 * 64 * 4


def test_an_elementwise_step_writes_over_what_nobody_reads_later():
    with Program() as program:
        x = program.input((100, 7))
        y = ops.matmul(x, program.constant(np.ones((7, 100), np.float32)))
        z = ops.softmax(y)
        program.outputs = [ops.sum(z * 2.0 + ops.max(z), 0)]
    layout = programs.shared(program).layout
    programs.check_plan(layout)
    assert layout.arena_bytes < 3 * 100 * 100 * 4


def test_inputs_are_outputs():
    with Program() as program:
        x, i = program.input((3,)), program.input((2, 2), "int32")
        program.outputs = [x, i, ops.reshape(x, (1, 3)), program.constant(np.float32([1, 2])), x]
    got = programs.run_native(programs.shared(program), [[np.float32([1, 2, 3]), np.int32([[1, 2], [3, 4]])]])
    for a, expected in zip(got, ([1, 2, 3], [[1, 2], [3, 4]], [[1, 2, 3]], [1, 2], [1, 2, 3]), strict=True):
        np.testing.assert_array_equal(a[0], expected)


def test_intervals_never_overlap_and_fit_tightly():
    rng = np.random.default_rng(0)
    for _ in range(100):
        n = int(rng.integers(1, 40))
        first = rng.integers(0, 30, n)
        lifetime = {k: (int(first[k]), int(first[k] + rng.integers(0, 10))) for k in range(n)}
        size = {k: int(rng.integers(0, 5000)) for k in range(n)}
        offsets, end = pack_intervals(lifetime, size, 128)
        for a in range(n):
            assert offsets[a] % 64 == 0
            assert offsets[a] >= 128
            assert offsets[a] + size[a] <= end
            for b in range(a):
                together = lifetime[a][0] <= lifetime[b][1] and lifetime[b][0] <= lifetime[a][1]
                apart = offsets[a] + size[a] <= offsets[b] or offsets[b] + size[b] <= offsets[a]
                assert apart or not together
        peak = max(sum(-(-max(size[k], 4) // 64) * 64 for k in range(n) if lifetime[k][0] <= t <= lifetime[k][1])
                   for t in range(40))  # fmt: skip
        assert peak <= end - 128 <= 2 * peak


def test_nothing_to_place():
    assert pack_intervals({}, {}, 64) == ({}, 64)


@pytest.mark.parametrize("optimizer", ["Lamb", "Adam"])
def test_many_variables(optimizer):
    """A deep model, its statistics and an optimizer's variables take few blocks, whoever runs first."""

    def train(engine):
        fastnn.utils.set_random_seed(3)
        model = fastnn.Sequential([fastnn.Input((4,))])
        for _ in range(40):
            model.add(fastnn.layers.Dense(3))
            model.add(fastnn.layers.BatchNormalization())
        x = np.random.default_rng(0).standard_normal((8, 4)).astype(np.float32)
        model.compile(getattr(fastnn.optimizers, optimizer)(use_ema=True), "mse", metrics=["mae"], engine=engine)
        first = model.predict(x, verbose=0)
        loss = model.train_on_batch(x, x[:, :3])[0]
        return first, loss, model.predict(x, verbose=0), {id(v.storage) for v in model.variables}

    before, loss, after, storages = train("native")
    assert len(storages) <= 8
    expected = train("reference")
    np.testing.assert_allclose(before, expected[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(loss, expected[1], rtol=1e-4)
    assert after.shape == expected[2].shape and np.isfinite(after).all()
    assert np.abs(after - before).max() > 1e-3


def test_gathered_variables_stay():
    """Only variables that nobody asked for side by side are moved, all of a kind together; they keep their values."""
    loose, asked = [Variable(float(i)) for i in range(8)], [Variable(float(i)) for i in range(8)]
    homes = {id(gather_storage([v], v.dtype)): v for v in asked}
    gather_loose(loose[:MOST_LOOSE])
    assert len({id(v.storage) for v in loose}) == len(loose)
    gather_loose([*loose, *asked, *loose])
    assert len({id(v.storage) for v in loose}) == 1
    assert [float(v.value) for v in loose] == list(range(8))
    assert all(id(v.storage) in homes for v in asked)


def test_a_storage_whose_variable_has_left_is_not_used_again():
    a, b = Variable(1.0), Variable(2.0)
    gather_storage([a, b], "float32")
    gather_storage([b], "float32")
    again = gather_storage([a, b], "float32")
    assert a.storage is again and b.storage is again
    assert again.flat[b.offset] == 2.0


@pytest.mark.parametrize("first", [0, 1])
def test_a_variable_becomes_what_another_was_before_the_run(first):
    a, b = Variable(np.float32([1, 2, 3])), Variable(np.float32([4, 5, 6]))
    with Program() as program:
        old = program.tensor(a)
        updates = [(a, a * 2.0 + 1.0), (b, old)]
        for variable, value in (updates[first], updates[1 - first]):
            variable.assign(value)
    executable = programs.shared(program)
    programs.check_plan(executable.layout)
    programs.run_native(executable, [[]])
    np.testing.assert_array_equal(a.value, [3, 5, 7])
    np.testing.assert_array_equal(b.value, [1, 2, 3])
