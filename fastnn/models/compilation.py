"""compile, and what fit, evaluate and predict share: programs by shape, results of metrics, random seeds."""

import os

import numpy as np

from fastnn import config, optimizers, random  # noqa: F401, optimizers fill the registry
from fastnn.callbacks import CallbackList
from fastnn.data import arrays
from fastnn.engine.executable import Rows, executable
from fastnn.graph.program import current_program
from fastnn.layers.layer import Layer
from fastnn.metrics import Mean
from fastnn.models import tracing
from fastnn.models.objective import Objective
from fastnn.models.ready_calls import ReadyCalls, learning_rate
from fastnn.saving import registry

SLICE = 0.1  # seconds of work in one call into C
ENGINES = ("native", "reference")
NOBODY = CallbackList()  # follows single batches: nobody to tell


class Compilation(Layer):
    """The part of `Model` that knows how it is trained."""

    def _start_training_state(self):
        self.optimizer = self.objective = None
        self.stop_training = False
        self.loss_tracker = None
        self.engine = default_engine()
        self._compile_config = None
        self._programs, self._ready_calls = {}, ReadyCalls()
        self._seed, self._random_step = None, 0
        self._place = None  # of a running fit()
        self.history = None

    def __getstate__(self):
        return {**super().__getstate__(), "_programs": {}, "_ready_calls": ReadyCalls()}

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
            True: the reference engine.
        steps_per_execution, jit_compile, auto_scale_loss
            Accepted as in Keras; programs need no hint.
        engine : {"native", "reference"}, optional
            C kernels, or NumPy.  The environment variable FASTNN_ENGINE sets the default.
        """
        self.optimizer = registry.get("optimizer", optimizer)
        self.objective = Objective(loss, loss_weights, metrics, weighted_metrics)
        self.loss_tracker = Mean(name="loss")
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
            return {}
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

    def _quotients(self):
        """The pairs of variables whose quotients are loss and metrics; None if the results are made otherwise."""
        own = ("metrics", "metrics_names", "reset_metrics", "get_metrics_result")
        if any(getattr(type(self), name) is not getattr(Compilation, name) for name in own):
            return None
        quotients, names = [metric.quotient() for metric in self.metrics], self.metrics_names
        return None if None in quotients or len(set(names)) < len(names) else quotients

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
        rate = learning_rate(self)
        key = (kind, signature.key, config.floatx(), id(rate), tuple(options.items()))
        found = self._programs.get(key)
        if found is None or found.stale():
            found = executable(trace(self, signature, **options), self.engine)
            found.learning_rate = rate  # kept, so that no other object takes its id
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

    def _show(self, followers, step):
        """Let the progress bar know, if there is one."""
        if followers.progbar is not None:
            followers.progbar.update(step, in_name_order(self.get_metrics_result()))

    def _targets(self, data):
        return self.objective.in_order(arrays.repack(data.structure[1], data.y))

    def _check_labels(self, program, data):
        """Integer labels are looked at once before any of them reaches a kernel."""
        shapes = [shape[1:] for shape in program.program.prediction_shapes]
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


def _plain(value):
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
