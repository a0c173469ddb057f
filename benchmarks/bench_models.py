"""The workloads, as a user meets them: training inside fit, single batches, predictions, the first step, the import."""

import io
import statistics
import time
import zipfile
from pathlib import Path

import pytest
from imports import STATEMENTS, import_seconds
from timing import THREADS, elapsed, measure, repeated, thread_limit
from workloads import WORKLOADS, build, data, flops

import fastnn as keras
from fastnn.engine import native

SECONDS = 0.3
MOST_STEPS, MOST_BYTES = 4000, 2**26  # of the data in one call of fit
SLOW = 2e9  # operations of work that is done few times, by the reference a single time

each_workload = pytest.mark.parametrize("workload", WORKLOADS, ids=lambda w: w.name)
each_engine = pytest.mark.parametrize("engine", ["native", "reference"])
each_thread_count = pytest.mark.parametrize("n_threads", THREADS)


def note(benchmark, workload, what, n_threads, engine="native", **more):
    benchmark.extra_info |= {
        "table": "models", "case": workload.name, "what": what, "threads": n_threads, "engine": engine, **more,
    }  # fmt: skip


def training_flops(workload):
    """A training step multiplies about three times as much as a forward pass."""
    return 3 * flops(workload) * workload.batch


def fit_steps(workload, engine):
    """So many steps in one call of fit: about 0.1 s of them."""
    rate, overhead = (50e9, 5e-6) if engine == "native" else (5e9, 1e-3)
    steps = 0.1 / (training_flops(workload) / rate + overhead)
    return int(min(max(steps, 1), MOST_STEPS, MOST_BYTES / data(workload)[0].nbytes))


@each_engine
@each_thread_count
@each_workload
def bench_fit_step(benchmark, workload, n_threads, engine):
    """A step in the middle of many: the time of one call of fit, divided by its steps."""
    steps = fit_steps(workload, engine)
    (x, y), model = data(workload, steps), build(keras, workload, engine=engine)
    note(benchmark, workload, "fit step", n_threads, engine, steps=steps)
    with thread_limit(n_threads):
        warm = engine == "native" or training_flops(workload) < SLOW
        fit = repeated(lambda: model.fit(x, y, batch_size=workload.batch, verbose=0))
        measure(benchmark, fit, SECONDS, warm)


@each_thread_count
@each_workload
def bench_train_on_batch(benchmark, workload, n_threads):
    (x, y), model = data(workload), build(keras, workload)
    note(benchmark, workload, "train_on_batch", n_threads)
    with thread_limit(n_threads):
        measure(benchmark, repeated(lambda: model.train_on_batch(x, y)), SECONDS / 2)


@each_thread_count
@each_workload
def bench_predict(benchmark, workload, n_threads):
    (x, _), model = data(workload), build(keras, workload)
    note(benchmark, workload, "predict", n_threads)
    with thread_limit(n_threads):
        measure(benchmark, repeated(lambda: model.predict(x, batch_size=workload.batch, verbose=0)), SECONDS / 2)


@each_engine
@each_thread_count
@each_workload
def bench_predict_on_batch(benchmark, workload, n_threads, engine):
    (x, _), model = data(workload), build(keras, workload, engine=engine)
    note(benchmark, workload, "predict_on_batch", n_threads, engine)
    with thread_limit(n_threads):
        warm = engine == "native" or training_flops(workload) < SLOW
        measure(benchmark, repeated(lambda: model.predict_on_batch(x)), SECONDS / 2, warm)


@each_thread_count
@each_workload
def bench_call(benchmark, workload, n_threads):
    (x, _), model = data(workload), build(keras, workload)
    note(benchmark, workload, "model(x)", n_threads)
    with thread_limit(n_threads):
        measure(benchmark, repeated(lambda: model(x)), SECONDS / 2)


@each_thread_count
@each_workload
def bench_first_step(benchmark, workload, n_threads):
    """One step of a model that was never run: tracing, lowering and placing are in it."""
    x, y = data(workload)
    build(keras, workload).train_on_batch(x, y)  # so that no module is imported and no thread started in the first step

    def made():
        return (build(keras, workload),), {}

    def fit(model):
        model.fit(x, y, batch_size=workload.batch, verbose=0)

    with thread_limit(n_threads):
        rounds = 5 if training_flops(workload) < SLOW else 2
        benchmark.pedantic(fit, setup=made, rounds=rounds)
        (model,), _ = made()
        fit(model)
        later = statistics.median(elapsed(fit, model) for _ in range(rounds))
    note(benchmark, workload, "first step", n_threads, later_step=later, repeat=1)


# --- the library itself ---------------------------------------------------------------------------------------------


def compressed_size(folder):
    """Bytes of a wheel: the files of the package that it holds, compressed."""
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in folder.rglob("*"):
            if path.is_file() and path.suffix not in (".c", ".pyc", ".pyx"):
                archive.write(path)
    return len(wheel.getvalue())


@pytest.mark.parametrize("what", STATEMENTS)
def bench_import(benchmark, what):
    """A statement in a fresh interpreter."""
    seconds, least = import_seconds(what, str(Path(keras.__file__).parents[1]))
    benchmark.extra_info |= {"table": "library", "what": what, "seconds": seconds, "least": least}
    benchmark.pedantic(time.sleep, args=(0,))  # the row must have a measurement; the table shows `seconds`


def bench_size(benchmark):
    """Bytes on disk: the compiled module, and the package as a wheel would hold it."""
    sizes = {
        "compiled module": Path(native.__file__).stat().st_size,
        "package, compressed": compressed_size(Path(keras.__file__).parent),
    }
    benchmark.extra_info |= {"table": "library", "what": "size", "sizes": sizes}
    benchmark.pedantic(time.sleep, args=(0,))
