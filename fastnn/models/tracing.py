"""From a model to its programs: what predicts, what evaluates, what trains."""

from fastnn import ops, tree
from fastnn.data.arrays import pack_x_y_sample_weight, program_dtype, repack
from fastnn.graph.gradients import gradients
from fastnn.graph.program import Program
from fastnn.models.step_results import as_scalar, keep_logs


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
    """Symbolic x, y and weights in the user's structures; None for what there is not."""
    as_declared = model._input_dtypes(signature.structure[0], len(signature.x))
    x = [
        program.input(shape, declared or dtype, "x")
        for (shape, dtype), declared in zip(signature.x, as_declared, strict=True)
    ]
    y = [program.input(shape, dtype, "y") for shape, dtype in signature.y]
    weights = [program.input(shape, dtype, "sample_weight") for shape, dtype in signature.weights]
    return [repack(structure, tensors) for structure, tensors in zip(signature.structure, (x, y, weights), strict=True)]


def _predicts(program, prediction):
    """The program with a prediction as its outputs: tensors, variables, arrays or numbers; None stays None."""
    program.prediction = prediction
    program.outputs = [program.tensor(value) for value in tree.flatten(prediction) if value is not None]
    return program


def trace_call(model, signature, program=None, training=False):
    """x -> what the model makes of it."""
    with program or Program() as program:
        x, _, _ = _inputs(model, program, signature)
        return _predicts(program, model(x, training=training))


def trace_predict(model, signature, program=None):
    """x -> predictions."""
    with program or Program() as program:
        return _predicts(program, model.predict_step(pack_x_y_sample_weight(*_inputs(model, program, signature))))


def trace_evaluate(model, signature, program=None):
    """x, y, weights -> nothing; the metrics' variables are updated."""
    return _trace_step(model.test_step, model, signature, program)


def trace_train(model, signature, program=None):
    """One training step: x, y, weights -> updated weights, optimiser variables and metrics."""
    return _trace_step(model.train_step, model, signature, program)


def _trace_step(step, model, signature, program):
    with program or Program() as program:
        logs = step(pack_x_y_sample_weight(*_inputs(model, program, signature)))
        keep_logs(program, model, logs, step.__qualname__)
    return program


def trace_gradients(model, signature):
    """x, y, weights -> loss, then the gradient of every trainable variable (zeros where there is none)."""
    with Program() as program:
        x, y, weights = _inputs(model, program, signature)
        loss = as_scalar(model.compute_loss(x, y, model(x, training=True), weights))
        variables = model.trainable_variables
        found = gradients(loss, [program.variable(v) for v in variables])
        zeros = (ops.zeros(v.shape) for v in variables)
        program.updates.clear()
        program.outputs = [
            loss,
            *(g if g is not None else program.constant(z) for g, z in zip(found, zeros, strict=True)),
        ]
    return program
