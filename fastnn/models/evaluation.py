"""evaluate and predict: programs run over batches without a change of the weights."""

import functools

import numpy as np

from fastnn import config, tree
from fastnn.data import arrays
from fastnn.data.arrays import Batches, first_batch_size, unpack_x_y_sample_weight
from fastnn.data.streams import Stream, is_stream
from fastnn.engine import native
from fastnn.models import tracing
from fastnn.models.compilation import NOBODY, SLICE, Compilation, in_name_order


class Evaluation(Compilation):
    """The part of `Model` that evaluates and predicts."""

    def evaluate(
        self, x=None, y=None, batch_size=None, verbose="auto", sample_weight=None, steps=None, callbacks=None,
        return_dict=False,
    ):  # fmt: skip
        """Loss and metrics on data; arguments as in `fit`.

        Returns
        -------
        float, list of float, or dict
            The loss alone, the loss and the metrics, or all by name with return_dict.
        """
        self._assert_compiled("evaluate()")
        data = Stream(x, steps) if is_stream(x, y) else Batches(x, y, sample_weight, first_batch_size(batch_size))
        steps = config.within(steps, config.max_steps_per_epoch())
        followers = self._followers(callbacks, verbose, 1, steps or data.steps)
        results = self._evaluate(data, followers, steps)
        return as_returned(results, return_dict)

    def test_step(self, data):
        """The loss and the metrics of a batch, traced like `train_step`; a subclass may write its own."""
        _, results = self._measure(data, training=False)
        return results

    def _evaluate(self, data, followers, steps, show=True):
        steps = config.within(steps, config.max_steps_per_epoch())
        self.reset_metrics()
        followers.on_test_begin()
        if isinstance(data, Batches):
            if data.rows == 0:
                raise ValueError("evaluate: x has no rows: there is nothing to measure")
            self._ensure_built(data)
            full, rest = divmod(data.rows, data.batch_size)
            if steps is not None:
                full, rest = (steps, 0) if steps <= full else (full, rest)
            last = self._evaluate_steps(data, full, data.batch_size, followers, 0, show)
            if rest:
                tail = data._part(slice(full * data.batch_size, None))
                last = self._evaluate_steps(tail, 1, rest, followers, full, show)
        else:
            for i, (x, y, weights) in enumerate(data.epoch()):
                part = Batches.whole(x, y, weights)
                self._ensure_built(part)
                last = self._evaluate_steps(part, 1, part.rows, followers, i, show)
        results = self._results_after(last)
        followers.on_test_end(in_name_order(results))
        return results

    def _evaluate_steps(self, data, count, size, followers, offset, show):
        """Run `count` steps; returns what ran them."""
        if count == 0:
            return None
        program = self._runner("evaluate", data, size, tracing.trace_evaluate)
        self._check_labels(program, data)
        rows, done, every = self._rows(data), 0, followers.needs_test_batches
        read = self._reader(program) if every or (show and followers.progbar is not None) else None
        while done < count:
            if every:
                followers.on_test_batch_begin(offset + done)
            done += program.run(
                rows, batch=size, first=done, count=1 if every else count - done, seed=self._draw_seed(),
                step=offset + done, deadline=native.clock() + SLICE,
            )  # fmt: skip
            if every:
                followers.on_test_batch_end(offset + done - 1, in_name_order(read()))
            elif read is not None:
                followers.progbar.update(offset + done, in_name_order(read()))
        return program

    # --- predict -----------------------------------------------------------------------------------
    def predict_step(self, data):
        """The prediction for a batch, traced like `train_step`; a subclass may write its own."""
        x, _, _ = unpack_x_y_sample_weight(data)
        return self(x, training=False)

    @property
    def _prediction(self):
        """(kind, trace, options) of programs that predict: those of calls, unless the model has a step of its own."""
        if type(self).predict_step is Evaluation.predict_step:
            return "call", tracing.trace_call, {"training": False}
        return "predict", tracing.trace_predict, {}

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None):
        """Predictions for many samples, computed in batches.

        Returns
        -------
        array of shape (n, ...), or a list of them where the model has several outputs
        """
        steps = config.within(steps, config.max_steps_per_epoch())
        if is_stream(x, None):
            return self._predict_stream(x, steps, callbacks, verbose)
        data = Batches(x, None, None, first_batch_size(batch_size))
        if self.run_eagerly and data.rows:
            return self._predict_stream(data.one_by_one(), steps, callbacks, verbose)
        followers = self._followers(callbacks, verbose, 1, steps or data.steps)
        followers.on_predict_begin()
        self._ensure_built(data)
        kind, trace, options = self._prediction
        rows = data.rows if steps is None else min(data.rows, steps * data.batch_size)
        full, rest = divmod(rows, data.batch_size)
        runs = []
        for start, count, size in ((0, full, data.batch_size), (full * data.batch_size, 1 if rest else 0, rest)):
            if count:
                part = data if start == 0 else data._part(slice(start, None))
                runs.append((self._program(kind, part, size, trace, **options), part, count, size))
        outputs, places = _side_by_side([(run[0].program.outputs, run[2]) for run in runs])
        for i, (run, room) in enumerate(zip(runs, places, strict=True)):
            self._predict_steps(*run, room, followers, offset=i * full)
        followers.on_predict_end()
        return _arranged(*((runs[0][0].program, outputs) if runs else self._empty_prediction(data, trace)))

    def _predict_steps(self, program, data, count, size, outputs, followers, offset):
        rows, done = self._rows(data), 0
        every = followers.needs_predict_batches
        while done < count:
            if every:
                followers.on_predict_batch_begin(offset + done)
            done += program.run(
                rows, outputs, batch=size, first=done, count=1 if every else count - done, seed=self._draw_seed(),
                step=offset + done, deadline=native.clock() + SLICE,
            )  # fmt: skip
            if every:
                batch = [o.reshape(count, len(o) // count, *o.shape[1:])[done - 1] for o in outputs]
                followers.on_predict_batch_end(offset + done - 1, {"outputs": batch[0] if len(batch) == 1 else batch})
            elif followers.progbar is not None:
                followers.progbar.update(offset + done)

    def _empty_prediction(self, data, trace):
        """(program, outputs) for no rows at all."""
        one = Batches(arrays.repack(data.structure[0], [np.zeros((1, *a.shape[1:]), a.dtype) for a in data.x]))
        program = trace(self, tracing.Signature(one, 1))
        return program, [np.empty((0, *p.shape[1:]), _dtype(p)) for p in program.outputs]

    def _predict_stream(self, batches, steps, callbacks, verbose):
        stream = Stream(batches, steps)
        followers = self._followers(callbacks, verbose, 1, stream.steps)
        followers.on_predict_begin()
        parts = []
        for i, (x, _, _) in enumerate(stream.epoch()):
            followers.on_predict_batch_begin(i)
            parts.append(self.predict_on_batch(x))
            followers.on_predict_batch_end(i, {"outputs": parts[-1]})
        followers.on_predict_end()
        return _concatenated(parts)

    def _call_on_batch(self, x, training=False):
        done = self._ready_calls.results(training, (x,), self._seed, self._random_step)
        if done is None:
            done = _arranged(*self._run_on_batch(x, training, "call", tracing.trace_call, training=training))
        if training:
            self._random_step += 1
        return done

    def _run_on_batch(self, x, ready, kind, trace, **options):
        """(program, outputs) for one batch; kept among the calls of the kind `ready`, if that is not None."""
        data = Batches(x)
        data.batch_size = data.rows
        self._ensure_built(data)
        if data.rows == 0:
            return self._empty_prediction(data, trace)
        if self.run_eagerly:
            trace = functools.partial(trace, **options)
            executable = self._runner(kind, data, data.rows, trace)
            executable.run(self._rows(data), batch=data.rows, seed=self._draw_seed(), step=self._random_step)
            return executable.program, [t.value for t in executable.program.outputs]
        executable = self._program(kind, data, data.rows, trace, **options)
        outputs = [np.empty(p.shape, _dtype(p)) for p in executable.program.outputs]
        executable.run(self._rows(data), outputs, batch=data.rows, seed=self._draw_seed(), step=self._random_step)
        if ready is not None:
            finish = None if _plain(executable.program) else functools.partial(_arranged, executable.program)
            self._ready_calls.keep(self, ready, executable, data, finish)
        return executable.program, outputs

    def predict_on_batch(self, x):
        """The prediction for one batch."""
        if type(self).predict_step is Evaluation.predict_step:
            return self._call_on_batch(x)
        kind, trace, options = self._prediction
        return _arranged(*self._run_on_batch(x, None, kind, trace, **options))

    def _measure_batch(self, kind, x, y, sample_weight, return_dict, step, run):
        """Loss and metrics of one batch: of the program that `run(data)` runs and returns."""
        plain = sample_weight is None
        done = self._ready_calls.results(kind, (x, y), self._seed, step) if plain else None
        if done is not None:
            return as_returned(done, return_dict)
        data = Batches(x, y, sample_weight)
        data.batch_size = data.rows
        if data.rows == 0:
            raise ValueError("the batch has no rows")
        self._ensure_built(data)
        self.reset_metrics()
        executable = run(data)
        if plain and not self.run_eagerly:
            self._ready_calls.keep(self, kind, executable, data, None, measured=True)
        return as_returned(self._results_after(executable), return_dict)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """Loss and metrics of one batch."""
        self._assert_compiled("test_on_batch()")

        def run(data):
            return self._evaluate_steps(data, 1, data.rows, NOBODY, 0, show=False)

        with self._ready_calls.measuring:
            return self._measure_batch("test", x, y, sample_weight, return_dict, 0, run)


def _side_by_side(runs):
    """Arrays for the results of several programs, one after the other.

    Parameters
    ----------
    runs : list of (outputs, how often they are computed)

    Returns
    -------
    whole : list of arrays
        One for each output.
    places : list of list of arrays
        The parts of them for each program.
    """
    whole, places = [], [[] for _ in runs]
    for i, variants in enumerate(zip(*(outputs for outputs, _ in runs), strict=True)):
        _check_batches(i, [tensor.shape for tensor in variants])
        rows = np.cumsum([0, *(tensor.shape[0] * count for tensor, (_, count) in zip(variants, runs, strict=True))])
        whole.append(np.empty((rows[-1], *variants[0].shape[1:]), _dtype(variants[0])))
        for place, start, end in zip(places, rows, rows[1:], strict=False):
            place.append(whole[-1][start:end])
    return whole, places


def _concatenated(parts):
    """The predictions for some batches, one after the other."""
    columns = list(zip(*map(tree.flatten, parts), strict=True))
    for i, column in enumerate(columns):
        _check_batches(i, [array.shape for array in column if array is not None])
    joined = iter([None if column[0] is None else np.concatenate(column) for column in columns])
    return tree.map_structure(lambda _: next(joined), parts[0])


def _check_batches(i, shapes):
    """Raise unless the i-th outputs of batches can stand one after the other."""
    if () in shapes:
        raise ValueError(
            f"predict: output {i} of the model is a single number for each batch, and such are not put together: call "
            "the model on the data, or use predict_on_batch()"
        )
    if len({shape[1:] for shape in shapes}) > 1:
        raise ValueError(
            f"predict: output {i} of the model has the shapes {sorted(set(shapes))} for batches of different sizes, "
            "which cannot be put together: choose a batch_size that divides the number of rows"
        )


def _plain(program):
    """Whether all that a model returns is the one output of its program."""
    return len(program.outputs) == 1 and program.prediction is program.outputs[0] and program.prediction.dtype != "bool"


def _arranged(program, outputs):
    """The outputs of a program as the model arranges them; a list of one is that one."""
    structure, tensors = program.prediction, program.outputs
    outputs = [a.astype(bool) if t.dtype == "bool" else a for a, t in zip(outputs, tensors, strict=True)]
    if not tree.is_nested(structure) or (len(structure) == 1 and not isinstance(structure, dict)):
        return outputs[0]
    leaves = iter(outputs)
    return tree.map_structure(lambda value: None if value is None else next(leaves), structure)


def as_returned(results, as_dict):
    """Results as `evaluate` gives them: by name, as a list that begins with the loss, or the loss alone."""
    values = list(results.values())
    return in_name_order(results) if as_dict else values[0] if len(values) == 1 else values


def _dtype(tensor):
    return "int32" if tensor.dtype == "int32" else config.floatx()
