"""Models made anew from others: clone_model, pickles."""

from fastnn.layers.core import InputLayer
from fastnn.layers.layer import Layer
from fastnn.models.graph_config import graph_config, graph_from_config
from fastnn.models.sequential import Sequential
from fastnn.saving import registry


def clone_model(model, input_tensors=None, clone_function=None, **kwargs):
    """A model of the same layers with new weights.

    Parameters
    ----------
    model : Model
    input_tensors : optional
        Not offered: call the clone on them.
    clone_function : callable, optional
        Gives the new layer for each layer; by its configuration unless given.

    Returns
    -------
    Model
    """
    if input_tensors is not None or kwargs:
        raise ValueError("clone_model: only model and clone_function are offered: call the clone on your tensors")
    clone = clone_function or _copied
    if isinstance(model, Sequential):
        layers = [_copied(layer) if isinstance(layer, InputLayer) else clone(layer) for layer in model._stack]
        return Sequential(layers, name=model.name, trainable=model.trainable)
    if model._graph is None or not model._takes_graph():
        if clone_function is not None:
            raise ValueError(f"clone_model: clone_function needs a Sequential or Model(inputs, outputs), not {model}")
        return _copied(model)

    operations = {operation.name: operation for operation in model._graph.operations}

    def make(entry):
        found = operations[entry["name"]]
        return clone(found) if isinstance(found, Layer) and not isinstance(found, InputLayer) else _copied(found)

    inputs, outputs = graph_from_config(graph_config(model._graph), make)
    return type(model)(inputs, outputs, name=model.name, trainable=model.trainable)


def _copied(layer):
    return type(layer).from_config(registry.serialize(layer.get_config()))


def unpickled(config, weights, state):
    """A functional model from what its pickle holds."""
    config.pop("compile_config", None)
    model = registry.deserialize(config, "model")
    model.set_weights(weights)
    kept = (
        "optimizer", "objective", "loss_tracker", "_compile_metrics", "engine", "run_eagerly", "_compile_config",
        "history",
    )  # fmt: skip
    vars(model).update({k: v for k, v in state.items() if k in kept})
    return model
