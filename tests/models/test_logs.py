"""Losses, metrics and weights in every arrangement, against Keras' own names and numbers."""

import json
import pathlib

import compile_cases
import numpy as np
import pytest

import fastnn

GOLDEN = json.loads((pathlib.Path(__file__).parents[1] / "golden" / "logs.json").read_text())


@pytest.mark.parametrize("case", compile_cases.CASES, ids=lambda case: case.name)
def test_logs_and_weights(case):
    expected, found = GOLDEN[case.name], compile_cases.answers(fastnn, case)
    assert found["metrics_names"] == expected["metrics_names"]
    for part in ("history", "results", "batch"):
        assert list(found[part]) == list(expected[part]), part
        np.testing.assert_allclose(list(found[part].values()), list(expected[part].values()), rtol=2e-4, atol=2e-5)
    if len(expected["listed"]) > len(expected["results"]):  # Keras lists a result twice if two metrics have one name
        assert len(found["listed"]) == len(found["results"])
        expected["listed"], found["listed"] = sorted(set(expected["listed"])), sorted(set(found["listed"]))
    for part in ("listed", "weights"):
        np.testing.assert_allclose(found[part], expected[part], rtol=2e-4, atol=2e-5, err_msg=part)
