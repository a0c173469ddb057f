"""Looking inside a model: summary, programs, profile, gradients, gradient check."""

import numpy as np

from fastnn.data.arrays import Batches
from fastnn.engine.profile import ProgramTable
from fastnn.engine.reference import ReferenceProgram
from fastnn.graph.program import Program
from fastnn.layers.layer import Layer
from fastnn.models import tracing
from fastnn.models.summary import summary_text
from fastnn.tree import map_shape_structure


class Inspection(Layer):
    """The part of `Model` that shows what it does."""

    def summary(
        self, line_length=None, positions=None, print_fn=None, expand_nested=False, show_trainable=False,
        layer_range=None, flops=False,
    ):  # fmt: skip
        """Print the layers with their output shapes and numbers of parameters.

        Parameters
        ----------
        line_length : int, optional
        print_fn : callable, optional
            Receives the text; printed unless given.
        expand_nested, show_trainable : bool
        layer_range : (str, str), optional
            Names of the first and last layer to show.
        flops : bool
            Add the arithmetic operations of a forward pass of one sample.
        """
        text = summary_text(self, line_length, expand_nested, show_trainable, layer_range, flops)
        (print_fn or print)(text)

    def flops_by_layer(self, input_shape):
        """Arithmetic operations of a forward pass of one sample, by the name of the layer."""
        with Program() as program:
            self(map_shape_structure(lambda shape: program.input((1, *shape[1:]), self.input_dtype()), input_shape))
        counts = {}
        for instruction in program.instructions:
            counts[instruction.scope] = counts.get(instruction.scope, 0) + instruction.primitive.flops(instruction)
        return counts

    def _first_batch(self, x, y, sample_weight=None):
        data = Batches(x, y, sample_weight)
        data.batch_size = data.rows
        self._ensure_built(data)
        return data

    def _example(self, kind, batch_size):
        """Arrays of zeros with the right shapes for a program of some kind."""
        if not self.built:
            raise ValueError(f"{self}: program() before the model is built: give it an Input, or call it on data once")
        x = map_shape_structure(lambda shape: np.zeros((batch_size, *shape[1:]), np.float32), self._build_shapes)
        given = Batches(x, None, None, batch_size)
        if kind == "predict":
            return given
        self._assert_compiled("this program")
        prediction = tracing.trace_predict(self, tracing.Signature(given, batch_size)).prediction
        return Batches(x, self.objective.example_targets(prediction), None, batch_size)

    def program(self, kind="train", batch_size=32):
        """The steps of a program, as a table that prints.

        Parameters
        ----------
        kind : {"train", "evaluate", "predict"}
        batch_size : int

        Returns
        -------
        ProgramTable
            ``print(model.program())`` shows for each step its kernel, layer, shapes, operations, bytes, chunks and
            what was fused into it.
        """
        traces = {"train": tracing.trace_train, "evaluate": tracing.trace_evaluate, "predict": tracing.trace_predict}
        if kind not in traces:
            raise ValueError(f"program: kind must be one of {sorted(traces)}, received {kind!r}")
        data = self._example(kind, batch_size)
        return ProgramTable(self._program(kind, data, batch_size, traces[kind]), kind)

    def profile(self, x, y=None, batch_size=32, steps=20, sample_weight=None):
        """Time each step of the training program (of the prediction, without y) against the machine's limit.

        The weights are left as they were.

        Parameters
        ----------
        x, y : arrays
        batch_size : int
        steps : int
            How many steps are run, in rounds of which the median is shown.

        Returns
        -------
        ProgramTable
        """
        data = Batches(x, y, sample_weight, batch_size)
        self._ensure_built(data)
        if y is None:
            kind, trace = "predict", tracing.trace_predict
        else:
            self._assert_compiled("profile()")
            kind, trace = "train", tracing.trace_train
        program = self._program(kind, data, data.batch_size, trace)
        if y is not None:
            self._check_labels(program, data)
        table = ProgramTable(program, kind)
        with self._unchanged(program):
            table.measure(self._rows(data._part(slice(0, data.batch_size))), data.batch_size, steps)
        return table

    def _unchanged(self, program):
        return _Restored(
            [*self.weights, *program.program.updates, *program.program.counted, *self._optimizer_variables()]
        )

    def _optimizer_variables(self):
        return list(self.optimizer.variables) if self.optimizer is not None else []

    def gradients(self, x, y, sample_weight=None):
        """The gradient of the loss for every trainable variable, for one batch.

        Returns
        -------
        dict of str to array
            By the path of the variable, such as ``"dense/kernel"``.
        """
        self._assert_compiled("gradients()")
        data = self._first_batch(x, y, sample_weight)
        program = self._program("gradients", data, data.rows, tracing.trace_gradients)
        self._check_labels(program, data)
        outputs = [np.empty(t.shape, np.float32) for t in program.program.outputs]
        program.run(self._rows(data), outputs, batch=data.rows, seed=self._draw_seed(), step=self._random_step)
        return {v.path: g for v, g in zip(self.trainable_variables, outputs[1:], strict=True)}

    def check_gradients(self, x, y, samples=20, step=1e-5, tolerance=1e-5, verbose=1):
        """Compare gradients with finite differences, in float64 on the reference engine.

        Parameters
        ----------
        x, y : arrays
            A small batch.
        samples : int
            Elements tried in each variable.
        step : float
            The derivative is (loss(w + step) - loss(w - step)) / (2 step).
        tolerance : float
            Largest difference, relative to the larger of the two and 1.
        verbose : int
            0: silent; 1: one line for each variable.

        Returns
        -------
        float
            The largest relative difference.

        Raises
        ------
        AssertionError
            A difference above the tolerance; the message names the variable.
        """
        self._assert_compiled("check_gradients()")
        data = self._first_batch(x, y)
        program = tracing.trace_gradients(self, tracing.Signature(data, data.rows))
        self.objective.check_targets(self._targets(data), program.prediction_shapes)
        runner, seed = ReferenceProgram(program, "float64"), self._draw_seed()
        values = {v: v.value.astype(np.float64) for v in self.weights}
        outputs, _ = runner.run(data.arrays, seed, self._random_step, values)
        worst = 0.0
        for variable, gradient in zip(self.trainable_variables, outputs[1:], strict=True):
            error = _difference(runner, data, seed, self._random_step, values, variable, gradient, samples, step)
            worst = max(worst, error)
            if verbose:
                print(f"{variable.path:40s} shape {variable.shape!s:20s} relative difference {error:.1e}")
            assert error <= tolerance, f"{variable.path}: gradient and finite difference differ by {error:.1e}"
        return worst


def _difference(runner, data, seed, random_step, values, variable, gradient, samples, step):
    """The largest relative difference between a gradient and finite differences, on some elements."""
    flat, worst = values[variable].reshape(-1), 0.0
    chosen = np.random.default_rng(0).choice(flat.size, min(samples, flat.size), replace=False)
    for i in chosen:
        losses = []
        for sign in (1, -1):
            kept = flat[i]
            flat[i] = kept + sign * step
            losses.append(float(runner.run(data.arrays, seed, random_step, values)[0][0]))
            flat[i] = kept
        numeric, exact = (losses[0] - losses[1]) / (2 * step), float(gradient.reshape(-1)[i])
        worst = max(worst, abs(numeric - exact) / max(1.0, abs(numeric), abs(exact)))
    return worst


class _Restored:
    """Puts the values of variables back at the end."""

    def __init__(self, variables):
        self.kept = [(v, v.value.copy()) for v in variables]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for variable, value in self.kept:
            variable.value[...] = value
