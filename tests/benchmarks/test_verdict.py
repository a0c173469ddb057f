"""The arithmetic of the comparison with other libraries: medians, ratios, verdicts, tables; no library is needed."""

import pytest
import report
import targets
import verdict
from rounds import fastest_peer, quotients, ratios, spread
from workloads import WORKLOADS

US, MB = 1e-6, 1e6


def row(library, microseconds, what="train", workload="mlp-128", threads=2):
    seconds = [m * US for m in microseconds]
    return {"library": library, "what": what, "workload": workload, "threads": threads, "seconds": seconds}


def start(library, megabytes, trains=True, workload="mlp-128", threads=2):
    facts = {"import": 0.5, "first": 0.1 if trains else None, "version": "1.0", "memory": megabytes * MB}
    return {"library": library, "workload": workload, "threads": threads, "trains": trains, **facts}


@pytest.fixture
def results():
    parts = ("workloads", "failures", "rows", "starts", "first_fits", "programs", "scaling")
    whole = {"machine": {"cpu": "a CPU"}, "seconds": 0.5, "minutes": 1.0, "left_out": {}, "imports": {}}
    return whole | {part: [] for part in parts}


def test_ratios_are_medians_of_the_rounds_ratios_and_not_ratios_of_medians():
    found = {"fastnn": [1, 2, 10], "JAX": [3, 10, 10]}
    assert quotients(found["JAX"], found["fastnn"]) == [3, 5, 1]
    assert ratios(found) == {"JAX": 3}


def test_ratios_are_empty_without_fastnn():
    assert ratios({"JAX": [1, 2, 3]}) == {}


def test_the_fastest_peer_has_the_least_median_among_those_named():
    found = {"fastnn": [1, 1, 1], "JAX": [1, 5, 9], "Keras/TF": [6, 6, 6], "PyTorch": [4, 4, 99]}
    assert fastest_peer(found) == "PyTorch"
    assert fastest_peer(found, ("JAX", "Keras/TF")) == "JAX"
    assert fastest_peer({"fastnn": [1]}) is None


def test_spread_is_half_the_middle_half():
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(1.5 / 3)
    assert spread([7.0]) == 0


@pytest.mark.parametrize(("theirs", "reached"), [(200, True), (199, False)])
def test_faster_is_reached_at_the_target(results, theirs, reached):
    results["rows"] = [row("fastnn", [100] * 3), row("JAX", [theirs] * 3), row("PyTorch", [900] * 3)]
    found = verdict.faster(results, "train", "mlp-128", 2)
    assert found.measured == pytest.approx(theirs / 100)
    assert (found.target, found.reached, found.against) == (2, reached, "JAX")


def test_faster_compares_with_the_libraries_that_the_target_names(results):
    results["rows"] = [
        row(name, [time] * 3, "fit", "xor") for name, time in [("fastnn", 1), ("JAX scan", 2), ("Keras/JAX", 60)]
    ]
    found = verdict.faster(results, "fit", "xor", 2)
    assert (found.against, found.reached) == ("Keras/JAX", True)


def test_faster_says_nothing_where_nothing_can_be_compared(results):
    results["rows"] = [row("fastnn", [100] * 3)]
    assert verdict.faster(results, "train", "mlp-128", 2) is None
    assert verdict.faster(results, "predict", "mlp-128", 2) is None


@pytest.mark.parametrize(("microseconds", "reached"), [(9.9, True), (10.1, False)])
def test_one_row_has_a_limit_of_its_own(results, microseconds, reached):
    results["rows"] = [row("fastnn", [microseconds] * 3, "row")]
    assert verdict.quick(results, "row", "mlp-128", 2).reached is reached
    assert verdict.quick(results, "row", "vgg", 2) is None


@pytest.mark.parametrize(
    ("one", "two", "target", "reached"),
    [
        ([4e-3] * 3, [2.1e-3] * 3, 1.85, True),
        ([4e-3] * 3, [2.3e-3] * 3, 1.85, False),
        ([9e-6] * 3, [9e-6] * 3, 1, True),
        ([9e-6] * 3, [9.1e-6] * 3, 1, False),
        ([9.0e-6, 9.0e-6, 9.4e-6], [9.1e-6] * 3, 1, True),  # the spread reaches 1
    ],
)
def test_speedup(one, two, target, reached):
    found = verdict.speedup({"1": one, "2": two})
    assert (found.target, found.reached) == (target, reached)


def test_memory_is_compared_with_the_leanest_process_that_trains(results):
    results["starts"] = [start("fastnn", 60), start("scikit-learn", 130), start("PyTorch", 400)]
    results["starts"].append(start("ONNX Runtime", 80, trains=False))
    found = verdict.memory(results, "mlp-128", 2)
    assert found.measured == pytest.approx(60 / 130)
    assert (found.reached, found.against) == (True, "scikit-learn")
    assert verdict.memory(results, "mlp-128", 1) is None


@pytest.mark.parametrize(("first", "reached"), [(2e-3, True), (2.1e-3, False)])
def test_first_fit(results, first, reached):
    results["first_fits"] = [{"workload": "mlp-128", "threads": 2, "first": first, "later": 1e-3}]
    assert verdict.first_fit(results, "mlp-128", 2).reached is reached
    assert verdict.first_fit(results, "vgg", 2) is None


def test_imports_are_judged_alone_and_with_what_the_first_model_loads(results):
    results["imports"] = {"import": 1e-3, "first model": 29.5e-3}
    alone, both = verdict.imports(results).values()
    assert (alone.measured, alone.reached) == (1e-3, True)
    assert (both.measured, both.reached) == (pytest.approx(30.5e-3), False)


def test_every_workload_has_a_target_for_each_column():
    assert list(targets.FASTER) == [w.name for w in WORKLOADS]
    assert all(list(columns) == ["train", "fit", "forward"] for columns in targets.FASTER.values())


def test_the_tables_show_rows_that_fastnn_loses_and_libraries_that_failed(results):
    results["rows"] = [row("fastnn", [100] * 3), row("JAX", [50] * 3), row("JAX", [50] * 3, "fit")]
    results["starts"] = [start("fastnn", 60), start("JAX", 100)]
    results["scaling"] = [{"workload": "mlp-128", "what": "train", "seconds": {"1": [2e-3] * 3, "2": [1e-3] * 3}}]
    results["failures"] = [{"library": "PyTorch", "workload": "vgg", "threads": 1, "problem": "no answer"}]
    text = report.tables(results)
    assert "0.5× JAX (2): **missed**" in text
    assert "2× (1.85): reached" in text
    assert "PyTorch failed on vgg (threads: 1): no answer" in text


def test_the_tables_do_without_fastnn(results):
    results["rows"], results["starts"] = [row("JAX", [50] * 3)], [start("JAX", 100)]
    assert "Targets" not in report.tables(results)
