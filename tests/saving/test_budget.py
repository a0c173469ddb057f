"""What a load may allocate."""

import threading
import time
import tracemalloc

import numpy as np
import pytest

import fastnn as keras
from fastnn.layers import Dense, Input
from fastnn.saving import ModelFormatError, budget, registry


def test_outside_of_a_load_everything_is_free():
    assert budget.charge((10**9, 10**9)) is False


def test_charges_add_up():
    with budget.limit(1000, "file"):
        for _ in range(4):
            assert budget.charge((1000,)) is True
        budget.charge((budget.SLACK,))
        with pytest.raises(ModelFormatError, match=r"file: the configuration asks for a weight of shape \(1,\)"):
            budget.charge((1,))
    assert budget.charge((1,)) is False


@pytest.mark.parametrize("shape", [(-1, -(10**9)), (2.0,), ("3",), (None,), (10**30,), (2**32, 2**32), (1, 10**9)])
def test_impossible_shapes(shape):
    with budget.limit(10, "file"), pytest.raises(ModelFormatError, match="file"):
        budget.charge(shape)


def test_limits_nest_and_end_with_errors():
    with budget.limit(10, "outer"):
        with pytest.raises(RuntimeError), budget.limit(0, "inner"):
            raise RuntimeError
        with pytest.raises(ModelFormatError, match="outer"):
            budget.charge((10**9,))
    assert budget.charge((1,)) is False


def test_threads_have_their_own():
    results = []
    with budget.limit(0, "file"):
        thread = threading.Thread(target=lambda: results.append(budget.charge((10**9,))))
        thread.start()
        thread.join()
    assert results == [False]


@pytest.mark.parametrize("units", [10**6, 10**9, 2**40])
def test_a_layer_asks_before_it_allocates(units):
    config = registry.serialize(keras.Sequential([Input((1000,)), Dense(3)]))
    config["config"]["layers"][1]["config"]["units"] = units
    tracemalloc.start()
    start = time.perf_counter()
    try:
        with budget.limit(3003, "file"), pytest.raises(ModelFormatError, match="stores only 3003 numbers"):
            registry.deserialize(config, "model")
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()
    assert time.perf_counter() - start < 1


def test_what_fits_is_built():
    config = registry.serialize(keras.Sequential([Input((1000,)), Dense(3)]))
    with budget.limit(3003, "file"):
        model = registry.deserialize(config, "model")
    assert [np.shape(w) for w in model.get_weights()] == [(1000, 3), (3,)]


def test_metrics_ask_too():
    for name, config in (("AUC", {"num_thresholds": 10**9}), ("MeanIoU", {"num_classes": 10**6})):
        config = {"module": "keras.metrics", "class_name": name, "config": config, "registered_name": None}
        with budget.limit(10, "file"), pytest.raises(ModelFormatError, match="stores only"):
            registry.deserialize(config, "metric")


def sequential(shape, class_name, **config):
    layers = [("InputLayer", {"batch_shape": [None, *shape]}), (class_name, config)]
    layers = [{"module": "keras.layers", "class_name": n, "config": c, "registered_name": None} for n, c in layers]
    config = {"layers": layers}
    return {"module": "keras", "class_name": "Sequential", "config": config, "registered_name": None}


@pytest.mark.parametrize(
    "config",
    [
        sequential((10**6, 2), "LSTM", units=2, activation="relu"),
        sequential((10**6, 2), "GRU", units=2, reset_after=False),
        sequential((10**6, 2), "SimpleRNN", units=2, unroll=True),
        sequential((10**6, 4, 2), "ConvLSTM1D", filters=1, kernel_size=1),
        sequential((8, 2), "AdaptiveAveragePooling1D", output_size=10**9),
    ],
    ids=lambda config: config["config"]["layers"][1]["class_name"],
)
def test_what_is_unrolled_is_counted(config, monkeypatch):
    monkeypatch.setattr(budget, "MAX_OPERATIONS", 1000)
    with budget.limit(1000, "file"), pytest.raises(ModelFormatError, match="file: the model takes more than 1000 oper"):
        registry.deserialize(config, "model")


def test_as_many_operations_as_a_long_sequence_takes_are_allowed():
    config = sequential((300, 2), "LSTM", units=2, activation="relu")
    with budget.limit(1000, "file"):
        assert registry.deserialize(config, "model").output_shape == (None, 2)


@pytest.mark.parametrize(
    "config",
    [
        sequential((800, 800, 1), "Resizing", height=10**5, width=8),
        sequential((8, 800, 1), "Resizing", height=8, width=10**9, interpolation="nearest"),
    ],
)
def test_tables_of_constants_are_limited(config):
    with budget.limit(1000, "file"), pytest.raises(ModelFormatError, match="file: the configuration asks for a const"):
        registry.deserialize(config, "model")
    with budget.limit(1000, "file"):
        registry.deserialize(sequential((800, 800, 1), "Resizing", height=1000, width=1000), "model")
