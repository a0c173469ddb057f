"""The table of workloads: what is read from it agrees with the models that are built from it."""

import numpy as np
import pytest
from network import initial_weights, set_weights
from workloads import WORKLOADS, build, data, flops, layer_name, with_input_shapes

import fastnn

each_workload = pytest.mark.parametrize("workload", WORKLOADS, ids=lambda w: w.name)


@each_workload
def test_shapes_and_weights_are_those_of_the_model(workload):
    model, weights = build(fastnn, workload), initial_weights(workload)
    layers = {layer.name: layer for layer in model.layers}
    for index, (kind, shape, _) in enumerate(with_input_shapes(workload)):
        if kind in ("fork", "swap", "add"):
            assert not weights[index]
            continue
        layer = layers[layer_name(index)]
        assert [w.shape for w in layer.weights] == [array.shape for array in weights[index]]
        if kind != "attention":  # whose input is there twice
            assert layer.input.shape[1:] == shape
    set_weights(model, weights)
    total = sum(array.size for arrays in weights for array in arrays)
    assert model.count_params() == total


@each_workload
def test_arithmetic_is_that_of_the_program(workload):
    """Of products and convolutions; everything else is little beside them, but in the smallest models."""
    program = build(fastnn, workload).program("predict", workload.batch)
    counted = sum(row["flops"] for row in program.rows)
    assert flops(workload) * workload.batch == pytest.approx(counted, rel=0.15, abs=2000)


@pytest.mark.parametrize("name", ["depthwise", "attention", "resnet"])
def test_models_with_branches_learn(name):
    workload = next(w for w in WORKLOADS if w.name == name)
    model, (x, y) = build(fastnn, workload), data(workload)
    set_weights(model, initial_weights(workload))
    losses = [float(np.ravel(model.train_on_batch(x, y))[0]) for _ in range(4)]
    assert losses[-1] < losses[0]
