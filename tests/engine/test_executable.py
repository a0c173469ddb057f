"""Executables: rows in, rows out, on either engine."""

import numpy as np
import pytest

import fastnn
from fastnn import config, ops
from fastnn.engine import native
from fastnn.engine.arena import SPARE, Arena
from fastnn.engine.executable import NativeExecutable, ReferenceExecutable, Rows, executable
from fastnn.graph.program import Program
from fastnn.variable import Variable, gather_storage

ENGINES = pytest.mark.parametrize("engine", ["native", "reference"])
X = np.arange(60, dtype=np.float32).reshape(12, 5)


def scaled(batch, variable=None):
    """x -> x * 2 (a row each), sum of the batch; the variable counts rows."""
    with Program() as program:
        x = program.input((batch, 5))
        program.outputs = [x * 2.0, ops.sum(x)]
        if variable is not None:
            variable.assign(variable + float(batch))
    return program


@ENGINES
@pytest.mark.parametrize("indexed", [False, True])
def test_iterations_take_their_rows(engine, indexed):
    index = np.random.default_rng(0).permutation(12).astype(np.int64) if indexed else None
    order = X if index is None else X[index]
    run = executable(scaled(3), engine)
    y, total = np.zeros_like(X), np.zeros(4, np.float32)
    assert run.run([Rows(X, index)], [y, total], batch=3, first=1, count=2) == 2
    np.testing.assert_array_equal(y[3:9], 2 * order[3:9])
    assert not y[:3].any()
    assert not y[9:].any()
    np.testing.assert_array_equal(total, [0, order[3:6].sum(), order[6:9].sum(), 0])


@ENGINES
def test_variables_change_once_per_iteration(engine):
    v = Variable(np.float32(0))
    run = executable(scaled(4, v), engine)
    for expected in (12, 24):
        run.run([Rows(X)], [np.zeros_like(X), np.zeros(3, np.float32)], batch=4, count=3)
        assert v.value == expected


@ENGINES
@pytest.mark.parametrize("dtype", ["u1", "i8", "f8", "?", "i4"])
def test_arrays_are_converted_on_the_way(engine, dtype):
    x = (X % 2).astype(dtype)
    y = np.zeros_like(X)
    executable(scaled(3), engine).run([Rows(x)], [y, np.zeros(4, np.float32)], batch=3, count=4)
    np.testing.assert_array_equal(y, 2 * x.astype(np.float32))


@ENGINES
def test_integers_in_and_out(engine):
    with Program() as program:
        i = program.input((2,), "int32")
        program.outputs = [i * 3 + 1, ops.one_hot(i, 4)]
    labels = np.array([0, 1, 3, 2], np.int64)
    tripled, hot = np.zeros(4, np.int32), np.zeros((4, 4), np.float32)
    executable(program, engine).run([Rows(labels)], [tripled, hot], batch=2, count=2)
    np.testing.assert_array_equal(tripled, labels * 3 + 1)
    np.testing.assert_array_equal(hot, np.eye(4)[labels])


@ENGINES
def test_a_deadline_stops_between_iterations(engine):
    v = Variable(np.float32(0))
    run = executable(scaled(1, v), engine)
    done = run.run([Rows(X)], [np.zeros_like(X), np.zeros(12, np.float32)], count=12, deadline=native.clock() - 1)
    assert done == 1
    assert v.value == 1


@ENGINES
def test_the_counter_goes_on(engine):
    counter, seen = Variable(np.int32(5), dtype="int32"), Variable(np.zeros(3, np.float32))
    with Program() as program:
        x = program.input((1,))
        now = program.count(counter)
        program.count_up(counter)
        seen.assign(ops.concatenate([seen[1:], ops.reshape(now, (1,)) + x * 0.0], 0))
    run = executable(program, engine)
    rows = [Rows(np.zeros(3, np.float32))]
    run.run(rows, count=3)
    np.testing.assert_array_equal(seen.value, [5, 6, 7])
    assert counter.value == 8
    run.run(rows, count=2)
    np.testing.assert_array_equal(seen.value, [7, 8, 9])
    assert counter.value == 10


def test_random_numbers_follow_seed_and_step_on_both_engines():
    with Program() as program:
        x = program.input((1,))
        program.outputs = [ops.random_uniform(program, (50,)) + x * 0.0]
    rows = [Rows(np.zeros(4, np.float32))]

    def drawn(engine, seed, step, count=4):
        y = np.zeros((4, 50), np.float32)
        executable(program, engine).run(rows, [y], count=count, seed=seed, step=step)
        return y

    first = drawn("native", 7, 100)
    np.testing.assert_array_equal(first, drawn("reference", 7, 100))
    np.testing.assert_array_equal(first[1:], drawn("native", 7, 101)[:3])
    assert (drawn("native", 8, 100) != first).all()
    assert 0 <= first.min() < first.max() < 1


def test_a_program_whose_variables_moved_is_stale():
    a, b = Variable(np.float32([1, 2])), Variable(np.float32([3]))
    with Program() as program:
        a.assign(a * 2.0)
    run = NativeExecutable(program)
    assert not run.stale()
    gather_storage([a, b], "float32")
    assert run.stale()
    assert not ReferenceExecutable(program).stale()


def test_memory_between_steps_is_used_again():
    run = executable(scaled(3), "native")
    for _ in range(5):
        run.run([Rows(X)], [np.zeros_like(X), np.zeros(4, np.float32)], batch=3, count=4)
    assert len(run._workspaces) == 1


def squared(w, batch):
    """x -> (x w) w, with x w in the arena."""
    with Program() as program:
        x = program.input((batch, 5))
        program.outputs = [ops.matmul(ops.matmul(x, w), w)]
    return program


def test_programs_use_one_arena_after_the_other(monkeypatch):
    monkeypatch.setattr(Arena, "_all", ())  # those of other tests' programs are not offered
    w = np.eye(5, dtype=np.float32)
    large, small = executable(squared(w, 12), "native"), executable(squared(w, 3), "native")
    for run, n in ((large, 12), (small, 3), (large, 12)):
        y = np.zeros((n, 5), np.float32)
        run.run([Rows(X)], [y], batch=n)
        np.testing.assert_array_equal(y, X[:n])
    assert large._workspaces[0][0] is small._workspaces[0][0]
    arena = large._workspaces[0][0]
    assert arena.take()  # as if another thread were running
    assert small._workspace()[0] is not arena
    arena.give_back()
    assert Arena.taken(arena.memory.nbytes + 1) is not arena
    assert Arena.taken(arena.memory.nbytes // (SPARE + 1)) is not arena


def test_calls_with_single_batches_share_a_large_arena(monkeypatch):
    monkeypatch.setattr(Arena, "_all", ())
    monkeypatch.setattr("fastnn.engine.executable.OWN_ARENA", 0)
    model = fastnn.Sequential([fastnn.Input((5,)), fastnn.layers.Dense(3), fastnn.layers.Dense(1)])
    model.compile(loss="mse")
    for _ in range(2):
        model.train_on_batch(X, X[:, :1])
        model.fit(X, X[:, :1], batch_size=len(X), verbose=0)
        np.testing.assert_array_equal(model(X), model.predict(X, verbose=0))
    (arena,) = (r() for r in Arena._all if r() is not None)
    assert arena.take()  # every call has given it back


@pytest.mark.parametrize("own", [0, 2**18])
def test_gaps_between_gradients_are_zero_after_another_program_ran(own, monkeypatch):
    monkeypatch.setattr("fastnn.engine.executable.OWN_ARENA", own)

    def train(between):
        fastnn.utils.set_random_seed(0)
        model = fastnn.Sequential([fastnn.Input((5,)), fastnn.layers.Dense(3), fastnn.layers.Dense(1)])
        model.compile(optimizer=fastnn.optimizers.SGD(0.01, global_clipnorm=0.1), loss="mse")
        for _ in range(3):
            model.train_on_batch(X, X[:, :1])
            between(model)
        return np.concatenate([w.ravel() for w in model.get_weights()])

    alone = train(lambda model: None)

    def spoil(model):
        for reference in Arena._all:
            if (arena := reference()) is not None:
                arena.prepare_for(model, 0)
                np.frombuffer(arena.memory, np.uint8)[...] = 77

    np.testing.assert_array_equal(train(spoil), alone)


def test_double_precision_runs_on_the_reference():
    config.set_floatx("float64")
    try:
        with Program() as program:
            x = program.input((3,), "float64")
            program.outputs = [ops.exp(x)]
    finally:
        config.set_floatx("float32")
    run = executable(program, "native")
    assert run.engine == "reference"
    y = np.zeros(3)
    run.run([Rows(np.float64([1, 2, 3]))], [y], batch=3)
    np.testing.assert_array_equal(y, np.exp([1.0, 2, 3]))


@ENGINES
def test_wrong_rows_are_refused(engine):
    table = np.arange(10, dtype=np.float32).reshape(5, 2)
    with Program() as program:
        i = program.input((2,), "int32")
        program.outputs = [ops.take(program.constant(table), i, axis=0)]
    run = executable(program, engine)
    with pytest.raises(IndexError):
        run.run([Rows(np.array([1, 5]))], [np.zeros((2, 2), np.float32)], batch=2)
    y = np.zeros((2, 2), np.float32)
    run.run([Rows(np.array([1, 4]))], [y], batch=2)
    np.testing.assert_array_equal(y, table[[1, 4]])


class Embedding(fastnn.layers.Layer):
    """Rows of a learned table of five."""

    def build(self, input_shape):
        self.table = self.add_weight((5, 3), name="table")

    def call(self, inputs):
        return ops.take(self.table, ops.cast(inputs, "int32"), 0)


def test_a_wrong_row_names_the_layer_and_earlier_steps_count():
    model = fastnn.Sequential([fastnn.Input((2,)), Embedding(name="words"), fastnn.layers.Flatten()])
    model.compile("adam", "mse")
    x, y = np.zeros((12, 2), np.float32), np.ones((12, 6), np.float32)
    x[9, 1] = 7
    with pytest.raises(
        IndexError, match=r"layer 'words': row index 7 is outside 0\.\.4; .*not finished: mend the data"
    ):
        model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    assert int(model.optimizer.iterations) == 2  # the two steps before it count
    assert np.isfinite(model.get_weights()[0]).all()


def test_an_extension_of_other_sources_is_refused(monkeypatch):
    steps = {name: (operands, (*sizes, "another")) for name, (operands, sizes) in native.steps().items()}
    monkeypatch.setattr("fastnn.engine.executable.KERNELS", steps)
    with pytest.raises(RuntimeError, match="built from other sources"):
        NativeExecutable(scaled(3))
