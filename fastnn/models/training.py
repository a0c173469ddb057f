"""compile, fit, evaluate, predict: programs run over batches.

Between two looks at the clock a whole run of steps is one call into C; Python is entered again at most ten times a
second, for the progress bar and Ctrl-C, or at every step where a callback asks for it.
"""

import numpy as np

from fastnn import config, metrics, optimizers, random  # noqa: F401, optimizers fill the registry
from fastnn.callbacks import CallbackList
from fastnn.data import arrays
from fastnn.data.arrays import Batches
from fastnn.engine import native
from fastnn.engine.executable import Rows, executable
from fastnn.graph.program import current_program
from fastnn.layers.layer import Layer
from fastnn.models import tracing
from fastnn.models.objective import Objective
from fastnn.saving import registry

SLICE = 0.1  # seconds of work in one call into C
ENGINES = ("native", "reference")


class Training(Layer):
    """The part of `Model` that trains and predicts."""

    def _start_training_state(self):
        self.optimizer = self.objective = None
        self.stop_training = False
        self.loss_tracker = None
        self.engine = default_engine()
        self._compile_config = None
        self._programs = {}
        self._seed, self._random_step = None, 0
        self.history = None

    def __getstate__(self):
        return {**vars(self), "_programs": {}}

    def _forget_programs(self):
        self._programs.clear()

    # --- compile -----------------------------------------------------------------------------------
    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        run_eagerly=False,
        steps_per_execution=1,
        jit_compile="auto",
        auto_scale_loss=True,
        engine=None,
    ):
        """Say how the model is trained.

        Parameters
        ----------
        optimizer : str or Optimizer
        loss : str, Loss or function ``(y_true, y_pred)``, or a list of them, one for each output
        loss_weights : list of float, optional
        metrics, weighted_metrics : list of str, Metric or function, optional
            Weighted metrics see the sample weights.
        run_eagerly : bool
            True: the reference engine.
        steps_per_execution, jit_compile, auto_scale_loss
            Accepted as in Keras; programs need no hint.
        engine : {"native", "reference"}, optional
            C kernels, or NumPy.  The environment variable FASTNN_ENGINE sets the default.
        """
        self.optimizer = registry.get("optimizer", optimizer)
        self.objective = Objective(loss, loss_weights, metrics, weighted_metrics)
        self.loss_tracker = _mean_loss()
        self.engine = _checked_engine("reference" if run_eagerly and engine is None else engine)
        self._compile_config = {
            "optimizer": self.optimizer, "loss_weights": loss_weights, "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution, "jit_compile": False,
        }  # fmt: skip
        self.stop_training = False
        self._forget_programs()

    @property
    def compiled(self):
        """True after `compile`."""
        return self.objective is not None

    def _assert_compiled(self, what):
        if self.objective is None:
            raise ValueError(f'{what} needs a compiled model: call compile(optimizer="adam", loss=...) first')

    def get_compile_config(self):
        """What `compile` was called with, as plain data."""
        if self._compile_config is None:
            return None
        config = {**self._compile_config, **self.objective.get_config()}
        return {**config, "optimizer": registry.serialize(self.optimizer)}

    def compile_from_config(self, config):
        """Compile as a configuration says, and make the optimiser's variables."""
        known = ("optimizer", "loss", "loss_weights", "metrics", "weighted_metrics")
        values = {k: _deserialized(config.get(k), k) for k in known}
        self.compile(**values)
        if self.built and self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    @property
    def metrics(self):
        """The loss tracker and all metrics."""
        if self.objective is None:
            return []
        return [self.loss_tracker, *self.objective.all_metrics()]

    @property
    def metrics_names(self):
        """The names under which results appear."""
        return ["loss", *self.objective.names] if self.objective is not None else []

    def reset_metrics(self):
        """Begin all running means anew."""
        for metric in self.metrics:
            metric.reset_state()

    def get_metrics_result(self):
        """The present result of each metric by name."""
        logs = {}
        names = ["loss", *self.objective.names] if self.objective is not None else []
        for name, metric in zip(names, self.metrics, strict=True):
            result = metric.result()
            logs.update(result if isinstance(result, dict) else {name: result})
        return {k: _plain(v) for k, v in logs.items()}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        """The scalar that training makes small: losses of the outputs, `add_loss`, penalties of the weights.

        Override it for a loss that needs more than targets and predictions.
        """
        total = self.objective.total_loss(y, y_pred, sample_weight)
        for extra in [*self.losses, *current_program().losses]:
            total = extra if total is None else total + extra
        if total is None:
            raise ValueError(f"{self}: there is no loss: pass one to compile(), or use add_loss() in a layer")
        return total

    # --- programs ----------------------------------------------------------------------------------
    def _program(self, kind, batches, size, trace, **options):
        """The executable for batches of a size, traced at first use."""
        signature = tracing.Signature(batches, size)
        rate = getattr(self.optimizer, "_learning_rate", None)  # another schedule is another program
        key = (kind, signature.key, config.floatx(), id(rate), tuple(options.items()))
        found = self._programs.get(key)
        if found is None or found.stale():
            found = executable(trace(self, signature, **options), self.engine)
            self._programs[key] = found
        return found

    def _ensure_built(self, batches):
        if not self.built:
            shapes = [(None, *a.shape[1:]) for a in batches.x]
            structure = batches.structure[0]
            self._build(arrays.repack(structure, shapes) if isinstance(structure, (list, dict, tuple)) else shapes[0])
        if not self.built:
            raise ValueError(f"{self} could not be built for inputs of shape {[a.shape for a in batches.x]}")

    def _rows(self, batches, index=None):
        return [Rows(a, index) for a in batches.arrays]

    def _draw_seed(self):
        if self._seed is None:
            self._seed = random.fresh_seed()
        return self._seed

    def _followers(self, callbacks, verbose, epochs, steps, add_history=False):
        if isinstance(callbacks, CallbackList):
            return callbacks
        params = {"verbose": verbose, "epochs": epochs, "steps": steps}
        return CallbackList(callbacks, add_history, verbose != 0, self, **params)

    # --- fit ---------------------------------------------------------------------------------------
    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq=1,
    ):
        """Train for some epochs.

        Parameters
        ----------
        x : array, list of arrays, or iterable of batches ``(x, y)`` or ``(x, y, sample_weight)``
        y : array or list of arrays
            Left out where x is an iterable of batches.
        batch_size : int, optional
            32 unless given.
        epochs, initial_epoch : int
            Training runs from epoch `initial_epoch` up to `epochs`.
        verbose : {"auto", 0, 1, 2}
            Silent, a progress bar, or one line an epoch; "auto" looks whether the output is a terminal.
        callbacks : list of Callback, optional
        validation_split : float
            The last part of the arrays is kept for validation, before any shuffling.
        validation_data : (x, y), (x, y, sample_weight) or iterable of batches, optional
        shuffle : bool
            A new order of the samples in every epoch.
        class_weight : dict of int to float, optional
        sample_weight : array of shape (n,), optional
        steps_per_epoch, validation_steps : int, optional
        validation_batch_size : int, optional
        validation_freq : int or list of int
            Validate every so many epochs, or in these epochs (counted from 1).

        Returns
        -------
        History
            ``history.history`` has a list for each metric.
        """
        self._assert_compiled("fit()")
        data = self._training_data(x, y, sample_weight, class_weight, _batch_size(batch_size))
        if validation_split:
            if not isinstance(data, Batches):
                raise ValueError("validation_split needs arrays: pass validation_data with an iterable of batches")
            if validation_data is None:
                data, validation_data = data.split(validation_split)
        validation = self._validation_data(validation_data, _batch_size(validation_batch_size, batch_size))
        self._prepare_training(data)
        if isinstance(data, Batches) and data.rows == 0:
            raise ValueError("fit: x has no rows: there is nothing to train on")
        steps = steps_per_epoch or _length(data)
        followers = self._followers(callbacks, verbose, epochs, steps, add_history=True)
        self.stop_training = False
        followers.on_train_begin()
        walk = _Walk(data, shuffle) if isinstance(data, Batches) else None
        logs, stream = {}, None
        for epoch in range(initial_epoch, epochs):
            self.reset_metrics()
            followers.on_epoch_begin(epoch)
            if walk is not None:
                self._train_epoch(data, followers, walk, steps)
            else:
                stream = self._train_on_stream(data, followers, steps_per_epoch, stream)
            logs = _sorted(self.get_metrics_result())
            if validation is not None and _validates(epoch, validation_freq):
                results = self._evaluate(validation, followers, validation_steps, show=False)
                logs = {**logs, **{f"val_{k}": v for k, v in _sorted(results).items()}}
            followers.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        self.optimizer.finalize_variable_values(self.trainable_variables)
        followers.on_train_end(logs=logs)
        return self.history

    def _training_data(self, x, y, sample_weight, class_weight, batch_size):
        if _is_stream(x, y):
            if sample_weight is not None or class_weight is not None:
                raise ValueError("fit: weights must come with the batches where x is an iterable of batches")
            return x
        if y is None and self.objective.loss is not None:
            raise ValueError("fit: y is missing: pass targets, or an iterable of (x, y) batches as x")
        if class_weight is not None:
            if sample_weight is not None:
                raise ValueError("fit: give class_weight or sample_weight, one of the two")
            sample_weight = arrays.class_weights(np.asarray(y), class_weight)
        return Batches(x, y, sample_weight, batch_size)

    def _validation_data(self, data, batch_size):
        wrong = "validation_data: expected (x, y), (x, y, sample_weight) or an iterable of batches"
        if hasattr(data, "shape") or isinstance(data, (str, dict)):
            raise ValueError(f"{wrong}, received {type(data).__name__}")
        if data is None or isinstance(data, Batches):
            return data
        if isinstance(data, (tuple, list)) and len(data) in (2, 3):
            return Batches(data[0], data[1], data[2] if len(data) == 3 else None, batch_size)
        if hasattr(data, "__iter__"):
            return data
        raise ValueError(f"{wrong}, received {data!r:.60}")

    def _prepare_training(self, data):
        if isinstance(data, Batches) and data.rows:
            self._ensure_built(data)
            if self.optimizer is not None and not self.optimizer.built:
                self.optimizer.build(self.trainable_variables)

    def _train_epoch(self, data, followers, walk, steps):
        """So many steps from where the walk over the samples stands; at their end it begins anew."""
        full, rest = divmod(data.rows, data.batch_size)
        done = 0
        while done < steps and not (self.stop_training and done):
            walk.begin_if_ended()
            count = min(steps - done, full - walk.step)
            if count > 0:
                ran = self._train_steps(data, walk.index, walk.step, count, data.batch_size, followers, done)
            else:
                ran = self._train_steps(*walk.tail(data, rest), 0, 1, rest, followers, done)
            walk.step += ran
            done += ran

    def _train_steps(self, data, index, first, count, size, followers, offset):
        """Run `count` steps; returns how many were done before a callback stopped them."""
        if count == 0:
            return 0
        program = self._program("train", data, size, tracing.trace_train)
        self._check_labels(program, data)
        rows, seed, done = self._rows(data, index), self._draw_seed(), 0
        every = followers.needs_batches
        while done < count and not (every and done and self.stop_training):
            if every:
                followers.on_train_batch_begin(offset + done)
            ran = program.run(
                rows, batch=size, first=first + done, count=1 if every else count - done, seed=seed,
                step=self._random_step, deadline=native.clock() + SLICE,
            )  # fmt: skip
            done += ran
            self._random_step += ran
            if every:
                followers.on_train_batch_end(offset + done - 1, _sorted(self.get_metrics_result()))
            else:
                self._show(followers, offset + done)
        return done

    def _show(self, followers, step):
        """Let the progress bar know, if there is one."""
        if followers.progbar is not None:
            followers.progbar.update(step, _sorted(self.get_metrics_result()))

    def _targets(self, data):
        return self.objective.in_order(arrays.repack(data.structure[1], data.y))

    def _check_labels(self, program, data):
        """Integer labels are looked at once before any of them reaches a kernel."""
        shapes = [shape[1:] for shape in program.program.prediction_shapes]
        if data.labels_checked != shapes:
            self.objective.check_targets(self._targets(data), [(None, *shape) for shape in shapes])
            data.labels_checked = shapes

    def _train_on_stream(self, batches, followers, steps, stream):
        """One epoch over an iterable of batches; returns the iterator where it goes on in the next epoch."""
        iterator = stream if stream is not None else iter(batches)
        i = 0
        while steps is None or i < steps:
            try:
                x, y, weights = _unpack(next(iterator))
            except StopIteration:
                if i == 0:
                    raise ValueError(
                        "fit: the iterable of batches gave none: it may be exhausted after one epoch"
                    ) from None
                return None
            data = Batches(x, y, weights, max(len(arrays.flatten(x)[0]), 1))
            self._prepare_training(data)
            self._train_steps(data, None, 0, 1, data.rows, followers, i)
            i += 1
            if self.stop_training and followers.needs_batches:
                break
        return iterator if steps is not None else None

    # --- evaluate ----------------------------------------------------------------------------------
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
        data = x if _is_stream(x, y) else Batches(x, y, sample_weight, _batch_size(batch_size))
        followers = self._followers(callbacks, verbose, 1, steps or _length(data))
        results = self._evaluate(data, followers, steps)
        return _returned(results, return_dict)

    def _evaluate(self, data, followers, steps, show=True):
        self.reset_metrics()
        followers.on_test_begin()
        if isinstance(data, Batches):
            if data.rows == 0:
                raise ValueError("evaluate: x has no rows: there is nothing to measure")
            self._ensure_built(data)
            full, rest = divmod(data.rows, data.batch_size)
            if steps is not None:
                full, rest = (steps, 0) if steps <= full else (full, rest)
            self._evaluate_steps(data, full, data.batch_size, followers, 0, show)
            if rest:
                self._evaluate_steps(data._part(slice(full * data.batch_size, None)), 1, rest, followers, full, show)
        else:
            for i, batch in enumerate(data):
                if steps is not None and i >= steps:
                    break
                x, y, weights = _unpack(batch)
                part = Batches(x, y, weights, max(len(arrays.flatten(x)[0]), 1))
                self._ensure_built(part)
                self._evaluate_steps(part, 1, part.rows, followers, i, show)
        results = self.get_metrics_result()
        followers.on_test_end(_sorted(results))
        return results

    def _evaluate_steps(self, data, count, size, followers, offset, show):
        if count == 0:
            return
        program = self._program("evaluate", data, size, tracing.trace_evaluate)
        self._check_labels(program, data)
        rows, done, every = self._rows(data), 0, followers.needs_test_batches
        while done < count:
            if every:
                followers.on_test_batch_begin(offset + done)
            done += program.run(
                rows, batch=size, first=done, count=1 if every else count - done, seed=self._draw_seed(),
                deadline=native.clock() + SLICE,
            )  # fmt: skip
            if every:
                followers.on_test_batch_end(offset + done - 1, _sorted(self.get_metrics_result()))
            elif show:
                self._show(followers, offset + done)

    # --- predict -----------------------------------------------------------------------------------
    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None):
        """Predictions for many samples, computed in batches.

        Returns
        -------
        array of shape (n, ...), or a list of them where the model has several outputs
        """
        if _is_stream(x, None):
            return self._predict_stream(x, steps)
        data = Batches(x, None, None, _batch_size(batch_size))
        followers = self._followers(callbacks, verbose, 1, steps or data.steps)
        followers.on_predict_begin()
        self._ensure_built(data)
        outputs, rows = None, data.rows if steps is None else min(data.rows, steps * data.batch_size)
        full, rest = divmod(rows, data.batch_size)
        for start, count, size in ((0, full, data.batch_size), (full * data.batch_size, 1 if rest else 0, rest)):
            if count:
                part = data if start == 0 else data._part(slice(start, None))
                program = self._program("predict", part, size, tracing.trace_predict)
                if outputs is None:
                    outputs = [np.empty((rows, *p.shape[1:]), _dtype(p)) for p in program.program.outputs]
                self._predict_steps(program, part, [o[start:] for o in outputs], count, size, followers, start)
        followers.on_predict_end()
        return self._empty_prediction(data) if outputs is None else _arranged(program.program, outputs)

    def _predict_steps(self, program, data, outputs, count, size, followers, start):
        rows, done, offset = self._rows(data), 0, start // data.batch_size if start else 0
        every = followers.needs_predict_batches
        while done < count:
            if every:
                followers.on_predict_batch_begin(offset + done)
            ran = program.run(
                rows, outputs, batch=size, first=done, count=1 if every else count - done, seed=self._draw_seed(),
                deadline=native.clock() + SLICE,
            )  # fmt: skip
            done += ran
            if every:
                batch = [o[(done - 1) * size : done * size] for o in outputs]
                followers.on_predict_batch_end(offset + done - 1, {"outputs": batch[0] if len(batch) == 1 else batch})
            elif followers.progbar is not None:
                followers.progbar.update(offset + done)

    def _empty_prediction(self, data):
        """The prediction for no rows at all."""
        one = Batches(arrays.repack(data.structure[0], [np.zeros((1, *a.shape[1:]), a.dtype) for a in data.x]))
        program = tracing.trace_predict(self, tracing.Signature(one, 1))
        return _arranged(program, [np.empty((0, *p.shape[1:]), _dtype(p)) for p in program.outputs])

    def _predict_stream(self, batches, steps):
        parts = []
        for i, batch in enumerate(batches):
            if steps is not None and i >= steps:
                break
            parts.append(self.predict_on_batch(_unpack(batch)[0]))
        if not parts:
            raise ValueError("predict: the iterable of batches gave none")
        columns = zip(*map(arrays.flatten, parts), strict=True)
        return arrays.repack(parts[0], [np.concatenate(column) for column in columns])

    # --- single batches ----------------------------------------------------------------------------
    def _call_on_batch(self, x, training=None):
        data = Batches(x)
        data.batch_size = data.rows
        self._ensure_built(data)
        if data.rows == 0:
            return self._empty_prediction(data)
        program = self._program("predict", data, data.rows, tracing.trace_predict, training=bool(training))
        outputs = [np.empty(p.shape, _dtype(p)) for p in program.program.outputs]
        program.run(self._rows(data), outputs, batch=data.rows, seed=self._draw_seed(), step=self._random_step)
        if training:
            self._random_step += 1
        return _arranged(program.program, outputs)

    def predict_on_batch(self, x):
        """The prediction for one batch."""
        return self._call_on_batch(x)

    def _on_batch(self, x, y, sample_weight, return_dict, run):
        data = Batches(x, y, sample_weight)
        data.batch_size = data.rows
        if data.rows == 0:
            raise ValueError("the batch has no rows")
        self._ensure_built(data)
        self.reset_metrics()
        run(data)
        results = self.get_metrics_result()
        return _returned(results, return_dict)

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """One training step; returns loss and metrics of the batch, before the weights changed."""
        self._assert_compiled("train_on_batch()")
        if class_weight is not None:
            if sample_weight is not None:
                raise ValueError("train_on_batch: give class_weight or sample_weight, one of the two")
            sample_weight = arrays.class_weights(np.asarray(y), class_weight)

        def run(data):
            self._prepare_training(data)
            self._train_steps(data, None, 0, 1, data.rows, _NOBODY, 0)

        return self._on_batch(x, y, sample_weight, return_dict, run)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """Loss and metrics of one batch."""
        self._assert_compiled("test_on_batch()")

        def run(data):
            self._evaluate_steps(data, 1, data.rows, _NOBODY, 0, show=False)

        return self._on_batch(x, y, sample_weight, return_dict, run)


class _Walk:
    """Where training stands among the samples: an order of the rows, and the next step."""

    def __init__(self, data, shuffle):
        self.rows, self.steps = data.rows, data.steps
        self.generator = np.random.Generator(np.random.Philox(key=random.fresh_seed())) if shuffle else None
        self.index, self.step = None, self.steps

    def begin_if_ended(self):
        """A new order once all rows were used."""
        if self.step >= self.steps:
            self.step = 0
            self.index = self.generator.permutation(self.rows) if self.generator is not None else None

    def tail(self, data, rest):
        """(batches, index) of the rows that do not fill a batch."""
        start = data.rows - rest
        return (data._part(slice(start, None)), None) if self.index is None else (data, self.index[start:])


_NOBODY = CallbackList()  # follows single batches: nobody to tell


def default_engine():
    """What FASTNN_ENGINE asks for, else ``"native"``."""
    import os

    return _checked_engine(os.environ.get("FASTNN_ENGINE") or "native")


def _checked_engine(engine):
    if engine is None:
        return default_engine()
    if engine not in ENGINES:
        raise ValueError(f"engine must be one of {ENGINES}, received {engine!r}")
    return engine


def _mean_loss():
    return metrics.Mean(name="loss")


def _plain(value):
    """A Python float of a scalar result."""
    return float(value) if np.ndim(value) == 0 else np.asarray(value)


def _sorted(logs):
    return dict(sorted(logs.items()))


def _arranged(program, outputs):
    """The outputs of a program as the model arranges them; a list of one is that one."""
    if len(outputs) == 1 and not isinstance(program.prediction, dict):
        return outputs[0]
    return arrays.repack(program.prediction, outputs)


def _returned(results, as_dict):
    """Results as `evaluate` gives them: by name, as a list that begins with the loss, or the loss alone."""
    values = list(results.values())
    return _sorted(results) if as_dict else values[0] if len(values) == 1 else values


def _batch_size(*given):
    return next((size for size in given if size is not None), 32)


def _dtype(tensor):
    return "int32" if tensor.dtype == "int32" else config.floatx()


def _is_stream(x, y):
    """True for an iterable of batches rather than arrays."""
    if y is not None or x is None or isinstance(x, (list, tuple, dict, str, bytes)):
        return False
    if hasattr(x, "__array__") or hasattr(x, "shape"):  # a memoryview has the latter alone
        return False
    return hasattr(x, "__iter__") and not hasattr(x, "__dlpack__")


def _length(data):
    if isinstance(data, Batches):
        return data.steps
    try:
        return len(data)
    except TypeError:
        return None


def _unpack(batch):
    """(x, y, sample_weight) of a batch from an iterable."""
    if isinstance(batch, (tuple, list)) and 1 <= len(batch) <= 3 and not hasattr(batch, "shape"):
        return (*batch, *(None,) * (3 - len(batch)))
    return batch, None, None


def _validates(epoch, freq):
    return (epoch + 1) % freq == 0 if isinstance(freq, int) else epoch + 1 in freq


def _deserialized(value, kind):
    kinds = {"optimizer": "optimizer", "loss": "loss", "metrics": "metric", "weighted_metrics": "metric"}
    if isinstance(value, list):
        return [_deserialized(v, kind) for v in value]
    if isinstance(value, dict) and "class_name" in value:
        return registry.deserialize(value, kinds[kind])
    if isinstance(value, dict):
        return {k: _deserialized(v, kind) for k, v in value.items()}
    return value
