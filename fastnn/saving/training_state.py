"""A training run in one file: weights, optimiser, metrics, random numbers, and the place in the run."""

import json

import numpy as np

from fastnn import random
from fastnn.saving import atomic, budget, hdf5, state, strict_json
from fastnn.saving.errors import ModelFormatError
from fastnn.saving.model_files import _refusing, read

_RUN, _METRICS = "run/vars", "metrics/vars"  # groups beside those of the model


def save(model, path):
    """Write the state of a model in the middle of `fit`.

    Parameters
    ----------
    model : Model
    path : str
        The file is put in place at once.
    """
    run = {
        "place": model._place.state(), "seed": model._draw_seed(), "random_step": model._random_step,
        "global_generator": random.state_of(random.global_generator()),
    }  # fmt: skip
    text = np.frombuffer(json.dumps(run).encode(), np.uint8)
    metrics = {str(i): variable.value for i, variable in enumerate(_metric_variables(model))}
    groups = [*state.collect(model), (_RUN, {}, {"0": text}), (_METRICS, {}, metrics)]
    atomic.write(path, [hdf5.write(groups)])


def restore(model, path):
    """Give a built model, at the beginning of `fit`, the state that `save` wrote.

    Parameters
    ----------
    model : Model
    path : str

    Returns
    -------
    dict of str to array
        What the metrics hold, for `restore_metrics` once they are made.

    Raises
    ------
    ModelFormatError
        For files that are damaged or of another model.
    """
    where = str(path)
    file = hdf5.WeightsFile(read(path), where)
    with _refusing(where), budget.limit(file.elements, where):
        run = strict_json.parse(file.groups.pop(_RUN)["0"].tobytes(), where)
        metrics = file.groups.pop(_METRICS, {})
        if model.optimizer is not None and not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        model._place.restore(run["place"])
        state.restore(model, file)
        model._seed, model._random_step = int(run["seed"]), int(run["random_step"])
        random.restore_state(random.global_generator(), run["global_generator"])
    return metrics


def restore_metrics(model, stored):
    """Give the metrics the values that `restore` found."""
    variables = _metric_variables(model)
    if len(variables) != len(stored):
        raise ModelFormatError(f"the interrupted run had {len(stored)} metric variables, this one {len(variables)}")
    for i, variable in enumerate(variables):
        variable.assign(stored[str(i)])


def _metric_variables(model):
    return [variable for metric in model.metrics for variable in metric.variables]
