"""From a model to its programs: what predicts, what evaluates, what trains."""

from fastnn import ops
from fastnn.data.arrays import flatten, program_dtype, repack
from fastnn.graph.gradients import gradients
from fastnn.graph.program import Program


class Signature:
    """Shapes and dtypes of one batch; programs are kept by it.

    Parameters
    ----------
    batches : Batches
    size : int
        Rows in a batch.
    """

    def __init__(self, batches, size):
        self.structure, self.size = batches.structure, size
        self.x = [((size, *a.shape[1:]), program_dtype(a)) for a in batches.x]
        self.y = [((size, *a.shape[1:]), program_dtype(a)) for a in batches.y]
        self.weights = [((size, *a.shape[1:]), "float32") for a in batches.weights]
        self.key = (tuple(self.x), tuple(self.y), tuple(self.weights))


def _inputs(model, program, signature):
    """Symbolic x and y (in the user's structures), weight or None."""
    as_declared = model._input_dtypes(signature.structure[0], len(signature.x))
    x = [
        program.input(shape, declared or dtype, "x")
        for (shape, dtype), declared in zip(signature.x, as_declared, strict=True)
    ]
    y = [program.input(shape, dtype, "y") for shape, dtype in signature.y]
    weights = [program.input(shape, dtype, "sample_weight") for shape, dtype in signature.weights]
    x, y = (repack(structure, leaves) for structure, leaves in zip(signature.structure, (x, y), strict=True))
    return x, y, weights[0] if weights else None


def trace_predict(model, signature, training=False):
    """x -> predictions."""
    with Program() as program:
        x, _, _ = _inputs(model, program, signature)
        program.prediction = model(x, training=training)
        program.outputs = flatten(program.prediction)
    return program


def _loss(model, program, x, y, predictions, weights):
    program.prediction_shapes = [p.shape for p in flatten(predictions)]
    loss = model.compute_loss(x, y, predictions, weights)
    if loss.shape != ():
        loss = ops.sum(loss)
    return loss


def _follow(model, size, loss, y, predictions, weights):
    """Update the loss tracker and all metrics."""
    model.loss_tracker.update_state(loss, sample_weight=float(size))
    model.objective.update_metrics(y, predictions, weights)


def trace_evaluate(model, signature):
    """x, y, weights -> nothing; the metrics' variables are updated."""
    with Program() as program:
        x, y, weights = _inputs(model, program, signature)
        predictions = model(x, training=False)
        loss = _loss(model, program, x, y, predictions, weights)
        _follow(model, signature.size, loss, y, predictions, weights)
    return program


def trace_train(model, signature):
    """One training step: x, y, weights -> updated weights, optimiser variables and metrics."""
    with Program() as program:
        x, y, weights = _inputs(model, program, signature)
        predictions = model(x, training=True)
        loss = _loss(model, program, x, y, predictions, weights)
        _follow(model, signature.size, loss, y, predictions, weights)
        variables = model.trainable_variables
        if not variables:
            raise ValueError(f"{model}: there is nothing to train: no layer has trainable weights")
        if not model.optimizer.built:
            model.optimizer.build(variables)
        scaled = model.optimizer.scale_loss(loss)
        found = gradients(scaled, [program.variable(v) for v in variables])
        with program.scope("optimizer"):
            model.optimizer.apply(found, variables)
    return program


def trace_gradients(model, signature):
    """x, y, weights -> loss, then the gradient of every trainable variable (zeros where there is none)."""
    with Program() as program:
        x, y, weights = _inputs(model, program, signature)
        predictions = model(x, training=True)
        loss = _loss(model, program, x, y, predictions, weights)
        variables = model.trainable_variables
        found = gradients(loss, [program.variable(v) for v in variables])
        zeros = (ops.zeros(v.shape) for v in variables)
        program.updates.clear()
        program.outputs = [
            loss,
            *(g if g is not None else program.constant(z) for g, z in zip(found, zeros, strict=True)),
        ]
    return program
