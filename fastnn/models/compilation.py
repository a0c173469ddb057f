"""compile, and what fit, evaluate and predict share: programs by shape, results of metrics, random seeds."""

import functools
import os

import numpy as np

from fastnn import config, optimizers, random  # noqa: F401, optimizers fill the registry
from fastnn.callbacks import CallbackList
from fastnn.data import arrays
from fastnn.engine.eager import EagerExecutable
from fastnn.engine.executable import Rows, executable
from fastnn.graph.program import current_program
from fastnn.layers.layer import Layer
from fastnn.metrics import Mean
from fastnn.models import tracing
from fastnn.models.compile_metrics import CompileMetrics
from fastnn.models.objective import Objective
from fastnn.models.ready_calls import ReadyCalls
from fastnn.models.step_results import MetricsResult, as_scalar
from fastnn.saving import registry

SLICE = 0.1  # seconds of work in one call into C
ENGINES = ("native", "reference")
MEASURING = (
    "metrics", "metrics_names", "reset_metrics", "get_metrics_result", "compute_metrics", "train_step", "test_step"
)  # fmt: skip
NOBODY = CallbackList()  # follows single batches: nobody to tell


class Compilation(Layer):
    """The part of `Model` that knows how it is trained."""

    _untracked = Layer._untracked | {"loss_tracker", "_compile_metrics", "_compile_config", "_programs", "_random_step"}

    def _start_training_state(self):
        self.optimizer = self.objective = None
        self.stop_training = False
        self.loss_tracker = self._compile_metrics = None
        self.engine, self.run_eagerly = default_engine(), False
        self._compile_config = None
        self._programs, self._ready_calls = {}, ReadyCalls()
        self._seed, self._random_step = None, 0
        self._place = None  # of a running fit()
        self.history = None

    def __getstate__(self):
        return {**super().__getstate__(), "_programs": {}}

    def _forget_programs(self):
        self._programs.clear()
        self._ready_calls.clear()

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
            Compute while Python goes through `call` and `train_step`, with NumPy and anew for each batch, so that a
            debugger or ``print`` shows numbers. The results are those of the reference engine, bit for bit.
        steps_per_execution, jit_compile, auto_scale_loss
            Accepted as in Keras; programs need no hint.
        engine : {"native", "reference"}, optional
            C kernels, or NumPy.  The environment variable FASTNN_ENGINE sets the default.
        """
        self.optimizer = registry.get("optimizer", optimizer)
        self.objective = Objective(loss, loss_weights, self._output_names)
        self.loss_tracker, self._compile_metrics = Mean(name="loss"), None
        if metrics or weighted_metrics:
            self._compile_metrics = CompileMetrics(metrics, weighted_metrics, self._output_names)
        self.engine = _checked_engine("reference" if run_eagerly and engine is None else engine)
        self.run_eagerly = bool(run_eagerly)
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
            return {}
        given = self._compile_metrics or CompileMetrics(None, None)
        config = {**self._compile_config, **self.objective.get_config(), **given.get_config()}
        return {**config, "optimizer": registry.serialize(self.optimizer)}

    def compile_from_config(self, config):
        """Compile as a configuration says, and make the optimiser's variables."""
        known = ("optimizer", "loss", "loss_weights", "metrics", "weighted_metrics")
        values = {k: _deserialized(config.get(k), k) for k in known}
        self.compile(**values)
        if self.built and self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    @property
    def _output_names(self):
        """The names of declared outputs; None where the model has none."""
        return None

    @property
    def metrics(self):
        """The mean of the loss, the metrics of `compile` as one, the means of the losses of several outputs, and the
        metrics that are attributes of the model or of its layers.
        """
        trackers = self.objective.trackers if self.objective is not None else []
        compiled = [self.loss_tracker, self._compile_metrics, *trackers]
        return [metric for metric in compiled if metric is not None] + super().metrics

    @property
    def metrics_names(self):
        """The names of `metrics`."""
        return [metric.name for metric in self.metrics]

    def _named_metrics(self):
        """[(name of the result, metric)], in the order in which `evaluate` lists the results."""
        known, others = [], []
        for metric in self.metrics:
            if not isinstance(metric, CompileMetrics):
                known.append((metric.name, metric))
                continue
            known += [(name, m) for name, m in metric.named if name == m.name]
            others += [(name, m) for name, m in metric.named if name != m.name]
        return known + sorted(others, key=lambda pair: pair[0])

    def reset_metrics(self):
        """Begin all running means anew."""
        for metric in self.metrics:
            metric.reset_state()

    def get_metrics_result(self):
        """The present result of each metric by name."""
        if current_program() is not None:
            return MetricsResult(self._results_of_metrics)
        return {k: plain(v) for k, v in self._results_of_metrics().items()}

    def _results_of_metrics(self):
        logs = {}
        for name, metric in self._named_metrics():
            result = metric.result()
            logs.update(result if isinstance(result, dict) else {name: result})
        return logs

    def _results_after(self, executable):
        """The results after a run: what the step returned, or those of the metrics."""
        return self._reader(executable)()

    def _reader(self, executable):
        """A function that gives `_results_after`, made once for many runs."""
        program = executable.program  # none yet where a step computes at once
        quotients = self._quotients() if program is not None and program.logs is None else None

        def read():
            if quotients is not None:
                with np.errstate(all="ignore"):
                    return {name: float(a.value / b.value) if b.value else 0.0 for name, (a, b) in quotients.items()}
            logs = executable.program.logs
            return self.get_metrics_result() if logs is None else {name: plain(v.value) for name, v in logs.items()}

        return read

    def _quotients(self):
        """{name: (dividend, divisor)}: variables whose quotients are the results; None if they are made otherwise."""
        users = [cls for cls in type(self).__mro__ if not cls.__module__.startswith("fastnn.")]
        if any(name in vars(cls) for cls in users for name in MEASURING):
            return None
        named = self._named_metrics()
        quotients = {name: metric.quotient() for name, metric in named}
        return None if None in quotients.values() or len(quotients) < len(named) else quotients

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Let the metrics of `compile` see a batch; returns the results of all.  Part of the traced steps."""
        if self._compile_metrics is not None:
            self._compile_metrics.update_state(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def _measure(self, data, training):
        """(loss, function that updates the metrics and returns the results) of a batch."""
        x, y, sample_weight = arrays.unpack_x_y_sample_weight(data)
        y_pred = self(x, training=training)
        loss = as_scalar(self.compute_loss(x, y, y_pred, sample_weight))
        self.loss_tracker.update_state(loss, sample_weight=float(arrays.flatten(x)[0].shape[0]))
        return loss, self.compute_metrics(x, y, y_pred, sample_weight)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The scalar that training makes small: losses of the outputs, `add_loss`, penalties of the weights.

        Override it for a loss that needs more than targets and predictions.
        """
        total = self.objective.total(y, y_pred, sample_weight)
        for extra in self.losses:
            total = extra if total is None else total + extra
        if total is None:
            raise ValueError(f"{self}: there is no loss: pass one to compile(), or use add_loss() in a layer")
        return total

    # --- programs ----------------------------------------------------------------------------------
    def _program(self, kind, batches, size, trace, **options):
        """The executable for batches of a size, traced at first use."""
        signature = tracing.Signature(batches, size)
        # each a schedule or a Variable: another one is another program
        rates = [part._learning_rate for part in self.optimizer.parts()] if self.optimizer is not None else []
        key = (kind, signature.key, config.floatx(), tuple(map(id, rates)), tuple(options.items()))
        found = self._programs.get(key)
        if found is None or found.stale():
            found = executable(trace(self, signature, **options), self.engine)
            found.learning_rates = rates  # kept, so that no other object takes the id of one
            self._programs[key] = found
        return found

    def _ensure_built(self, batches):
        if not self.built:
            shapes = [(None, *a.shape[1:]) for a in batches.x]
            structure = batches.structure[0]
            self._build(arrays.repack(structure, shapes) if isinstance(structure, (list, dict, tuple)) else shapes[0])
        if not self.built:
            raise ValueError(f"{self} could not be built for inputs of shape {[a.shape for a in batches.x]}")

    def _runner(self, kind, batches, size, trace):
        """What runs a step: the program for batches of a size or, with run_eagerly, Python."""
        if not self.run_eagerly:
            return self._program(kind, batches, size, trace)
        return EagerExecutable(functools.partial(trace, self, tracing.Signature(batches, size)))

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

    def _targets(self, data):
        return self.objective.in_order(arrays.repack(data.structure[1], data.y))

    def _check_labels(self, executable, data):
        """Integer labels are looked at once before any of them reaches a kernel."""
        if executable.program is None or executable.program.prediction_shapes is None:
            return  # a step of the user's own, or one that looks at the labels when it comes to them
        shapes = [shape[1:] for shape in executable.program.prediction_shapes]
        if data.labels_checked != shapes:
            self.objective.check_targets(self._targets(data), [(None, *shape) for shape in shapes])
            data.labels_checked = shapes


def default_engine():
    """What FASTNN_ENGINE asks for, else ``"native"``."""
    return _checked_engine(os.environ.get("FASTNN_ENGINE") or "native")


def _checked_engine(engine):
    if engine is None:
        return default_engine()
    if engine not in ENGINES:
        raise ValueError(f"engine must be one of {ENGINES}, received {engine!r}")
    return engine


def plain(value):
    """A Python float of a scalar result."""
    return float(value) if np.ndim(value) == 0 else np.asarray(value)


def in_name_order(logs):
    """Logs as Keras writes them: sorted by name."""
    return dict(sorted(logs.items()))


def _deserialized(value, kind):
    kinds = {"optimizer": "optimizer", "loss": "loss", "metrics": "metric", "weighted_metrics": "metric"}
    if isinstance(value, list):
        return [_deserialized(v, kind) for v in value]
    if isinstance(value, dict) and "class_name" in value:
        return registry.deserialize(value, kinds[kind])
    if isinstance(value, dict):
        return {k: _deserialized(v, kind) for k, v in value.items()}
    return value
