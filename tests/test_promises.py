"""What is promised of every run: the same bits for any number of threads, forks, concurrent use, Ctrl-C."""

import ctypes
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import fastnn
from fastnn.engine import native, threads
from fastnn.models import tracing

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
SHARE_ABOVE = 20e3  # nanoseconds: smaller steps are not cut


@pytest.fixture(autouse=True)
def _threads_as_before():
    yield
    threads.set_num_threads(None)


def hash_of(model):
    """One hash over all that training changes."""
    digest = hashlib.sha256()
    for variable in [*model.weights, *model.optimizer.variables]:
        digest.update(variable.value.tobytes())
    return digest.hexdigest()


def mlp(optimizer="adam"):
    fastnn.utils.set_random_seed(11)
    model = fastnn.Sequential([
        fastnn.Input((200,)), fastnn.layers.Dense(512, activation="relu"), fastnn.layers.Dropout(0.3),
        fastnn.layers.Dense(256, activation="gelu"), fastnn.layers.Dense(10, activation="softmax"),
    ])  # fmt: skip
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def convnet(optimizer="adam"):
    fastnn.utils.set_random_seed(12)
    model = fastnn.Sequential([
        fastnn.Input((16, 16, 3)), fastnn.layers.Conv2D(24, 3, padding="same"), fastnn.layers.BatchNormalization(),
        fastnn.layers.Activation("relu"), fastnn.layers.MaxPooling2D(), fastnn.layers.Conv2D(16, 3, activation="relu"),
        fastnn.layers.AveragePooling2D(2), fastnn.layers.Flatten(), fastnn.layers.Dropout(0.4),
        fastnn.layers.Dense(10, activation="softmax"),
    ])  # fmt: skip
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


NETS = {"mlp": (mlp, (200,)), "convnet": (convnet, (16, 16, 3))}


def samples(shape, n=150):
    rng = np.random.default_rng(3)
    return rng.standard_normal((n, *shape)).astype(np.float32), rng.integers(0, 10, n)


def trained(name, optimizer, n_threads, epochs=20):
    make, shape = NETS[name]
    model = make(optimizer)
    x, y = samples(shape)
    threads.set_num_threads(n_threads)
    history = model.fit(x, y, batch_size=32, epochs=epochs, verbose=0)
    return model, history


# ---- the same bits -----------------------------------------------------------------------------------------


def momentum():
    return fastnn.optimizers.SGD(0.01, momentum=0.9, nesterov=True)


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("optimizer", ["adam", momentum], ids=["adam", "sgd"])
def test_weights_do_not_depend_on_the_number_of_threads(name, optimizer):
    """100 steps with dropout and shuffling."""
    hashes = {}
    for n in (1, 2, 3, 4, 7, 8):
        model, history = trained(name, optimizer() if callable(optimizer) else optimizer, n)
        assert int(model.optimizer.iterations) == 100
        hashes.setdefault((hash_of(model), repr(history.history)), []).append(n)
    assert len(hashes) == 1, f"threads that agree: {list(hashes.values())}"


@pytest.mark.parametrize("name", NETS)
def test_steps_of_these_nets_are_really_shared(name):
    """Else the test above would hold for want of anything to share."""
    program = NETS[name][0]().program("train").program.native
    steps = zip(program.step_work, program.step_chunks, strict=True)
    shared = [work for work, chunks in steps if chunks > 1 and work > SHARE_ABOVE]
    assert len(shared) >= 4
    assert sum(shared) > 5 * SHARE_ABOVE


@pytest.mark.parametrize("name", NETS)
def test_runs_repeat(name):
    first, second = (hash_of(trained(name, "adam", 2, epochs=4)[0]) for _ in range(2))
    assert first == second


@pytest.mark.slow
def test_runs_repeat_on_many_threads():
    assert len({hash_of(trained("convnet", "adam", 8, epochs=4)[0]) for _ in range(20)}) == 1


def test_another_seed_gives_other_weights():
    model, other = mlp(), mlp()
    x, y = samples((200,))
    np.testing.assert_array_equal(model.get_weights()[0], other.get_weights()[0])
    model.fit(x, y, verbose=0)
    fastnn.utils.set_random_seed(99)
    other.fit(x, y, verbose=0)
    assert hash_of(model) != hash_of(other)


def test_callbacks_do_not_change_the_result():
    """With a callback at every batch Python is entered at every step; otherwise only now and then."""
    x, y = samples((200,))
    seen, hashes = [], set()
    every = fastnn.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch))
    for callbacks in (None, [every]):
        model = mlp()
        model.fit(x, y, verbose=0, epochs=2, callbacks=callbacks)
        hashes.add(hash_of(model))
    assert len(seen) == 10
    assert len(hashes) == 1


# ---- forks -------------------------------------------------------------------------------------------------

FORKS = """
import os, sys, threading
import numpy as np, fastnn
from fastnn.engine import threads
threads.set_num_threads(2)
rng = np.random.default_rng(0)
x, y = rng.standard_normal((256, 200)).astype("float32"), rng.integers(0, 10, 256)
model = fastnn.Sequential([fastnn.Input((200,)), fastnn.layers.Dense(256, activation="relu"), fastnn.layers.Dense(10)])
model.compile("adam", fastnn.losses.SparseCategoricalCrossentropy(from_logits=True))

def train():
    model.fit(x, y, verbose=0)

if sys.argv[1] == "worker":
    worker = threading.Thread(target=train)
    worker.start()
    worker.join()
else:
    train()
before = model.predict(x, batch_size=256, verbose=0)

def same():
    return np.array_equal(model.predict(x, batch_size=256, verbose=0), before)

def child(depth):
    pid = os.fork()
    if pid == 0:
        good = same()
        if depth:
            good = good and child(depth - 1) == 0
        else:
            model.fit(x, y, verbose=0)
        os._exit(0 if good else 1)
    return os.waitpid(pid, 0)[1]

codes = [child(1) for _ in range(5)]
print(codes, same())
"""


@needs_fork
@pytest.mark.parametrize("trainer", ["main", "worker"])
def test_a_forked_child_predicts_and_so_does_its_child(trainer):
    result = subprocess.run([sys.executable, "-c", FORKS, trainer], capture_output=True, text=True, timeout=20)
    assert result.stdout.strip() == "[0, 0, 0, 0, 0] True", result.stderr


# ---- many Python threads -----------------------------------------------------------------------------------


def in_threads(n, work):
    """Run work(i) in n threads that start together; errors are raised here."""
    barrier, errors = threading.Barrier(n), []

    def run(i):
        barrier.wait()
        try:
            work(i)
        except BaseException as error:
            errors.append(error)

    pool = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join(60)
        assert not thread.is_alive(), "a thread hangs"
    if errors:
        raise errors[0]


@pytest.mark.parametrize("name", NETS)
def test_sixteen_threads_predict_on_one_model(name):
    model, shape = NETS[name][0](), NETS[name][1]
    batches = [samples(shape, 3 + 5 * i)[0] for i in range(16)]
    serial = [model.predict(x, batch_size=16, verbose=0) for x in batches]
    fresh = NETS[name][0]()  # has no programs yet: tracing happens in the threads too
    fresh.set_weights(model.get_weights())

    def work(i):
        for turn in range(20):
            k = (i + turn) % 16
            np.testing.assert_array_equal(fresh.predict(batches[k], batch_size=16, verbose=0), serial[k])
            np.testing.assert_array_equal(fresh(batches[k][:4]), fresh.predict_on_batch(batches[k][:4]))

    in_threads(16, work)


def test_predict_while_another_thread_fits():
    model = mlp()
    x, y = samples((200,))
    model.predict(x, verbose=0)

    def work(i):
        if i == 0:
            model.fit(x, y, epochs=30, verbose=0)
        else:
            for _ in range(30):
                p = model.predict(x, verbose=0)
                assert p.shape == (150, 10)
                assert np.isfinite(p).all()

    in_threads(4, work)
    assert int(model.optimizer.iterations) == 150


def test_workspaces_are_handed_out_once():
    """Two runs at the same time never write to the same memory, whatever moment the interpreter switches threads."""
    model = mlp()
    x, _ = samples((200,))
    expected = model.predict_on_batch(x)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        in_threads(8, lambda i: [np.testing.assert_array_equal(model.predict_on_batch(x), expected) for _ in range(50)])
    finally:
        sys.setswitchinterval(interval)


# ---- Ctrl-C ------------------------------------------------------------------------------------------------


@pytest.fixture
def ctrl_c():
    """A process that a shell starts in the background ignores Ctrl-C: not in this test."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize("callbacks", [False, True])
def test_ctrl_c_stops_training_between_two_steps(ctrl_c, callbacks):
    model = mlp()
    x, y = samples((200,))
    model.fit(x, y, verbose=0)
    before = int(model.optimizer.iterations)
    sent = []

    def interrupt():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.5, interrupt)
    timer.start()
    each = [fastnn.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)] if callbacks else None
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, epochs=10**6, verbose=0, callbacks=each)
    assert time.perf_counter() - sent[0] < 2
    done = int(model.optimizer.iterations)
    assert done > before
    assert model._random_step == done
    assert np.isfinite(model.predict(x, verbose=0)).all()
    model.fit(x, y, verbose=0)
    assert int(model.optimizer.iterations) == done + 5


# ---- the processor's modes ---------------------------------------------------------------------------------


def test_denormals_are_left_alone():
    """Our threads flush tiny numbers to zero; nobody else's arithmetic may notice."""
    tiny = np.float32(1e-40)

    def alive():
        return (np.full(100, tiny) * np.float32(0.5)).min() > 0 and float(ctypes.c_float(1e-40).value) > 0

    assert alive()
    trained("mlp", "adam", 3, epochs=1)
    mlp().predict(samples((200,))[0], verbose=0)
    assert alive()
    seen = []
    worker = threading.Thread(target=lambda: (trained("mlp", "adam", 2, epochs=1), seen.append(alive())))
    worker.start()
    worker.join()
    assert seen == [True]


# ---- engines and instruction sets --------------------------------------------------------------------------

SHOW = """
import numpy as np, fastnn
from fastnn.engine import native
fastnn.utils.set_random_seed(1)
model = fastnn.Sequential([fastnn.Input((5,)), fastnn.layers.Dense(3), fastnn.layers.Dropout(0.5)])
model.add(fastnn.layers.Dense(2))
{compile}
x = np.linspace(-1, 1, 40, dtype="float32").reshape(8, 5)
history = model.fit(x, x[:, :2], batch_size=4, epochs=3, verbose=0)
print(native.isa(), model.engine, *np.round(history.history["loss"], 5))
"""


def shown(arguments="", **environment):
    script = SHOW.format(compile=f'model.compile("adam", "mse"{arguments})')
    env = {k: v for k, v in os.environ.items() if not k.startswith("FASTNN_")}
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, env=env | environment, capture_output=True, text=True, timeout=60)
    return result.stdout.split(), result.stderr


def test_engines_have_the_same_loss_curve():
    (_, engine, *losses), _ = shown()
    assert engine == "native"
    for found, _ in (shown(', engine="reference"'), shown(FASTNN_ENGINE="reference"), shown(", run_eagerly=True")):
        assert found[1] == "reference"
        np.testing.assert_allclose(np.float64(found[2:]), np.float64(losses), atol=2e-5)
    assert shown(', engine="native"', FASTNN_ENGINE="reference")[0][1] == "native"


@pytest.mark.parametrize("isa", native.isas())
def test_an_instruction_set_can_be_asked_for(isa):
    found, error = shown(FASTNN_ISA=isa)
    assert found[:2] == [isa, "native"], error
    np.testing.assert_allclose(np.float64(found[2:]), np.float64(shown()[0][2:]), atol=2e-5)


def test_wrong_names_of_engines_and_instruction_sets_are_refused():
    assert "FASTNN_ISA" in shown(FASTNN_ISA="mmx")[1]
    assert "engine must be one of" in shown(FASTNN_ENGINE="gpu")[1]
    with pytest.raises(ValueError, match="engine must be one of"):
        mlp().compile("adam", "mse", engine="torch")


def test_a_program_is_traced_once_for_each_shape():
    model = mlp()
    x, y = samples((200,))
    traces, trace = [], tracing.trace_train
    tracing.trace_train = lambda *a, **k: traces.append(1) or trace(*a, **k)
    try:
        model.fit(x, y, epochs=3, verbose=0)  # 4 batches of 32 and one of 22
    finally:
        tracing.trace_train = trace
    assert len(traces) == 2
