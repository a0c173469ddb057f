"""Callbacks that watch one metric."""

import operator
import warnings

from fastnn.callbacks.callback import Callback


class MonitorCallback(Callback):
    """Base of callbacks that watch whether a metric improves.

    Parameters
    ----------
    monitor : str
        Name in the logs, such as ``"val_loss"``.
    mode : {"auto", "min", "max"}
        What is better: less or more; "auto" asks the metric.
    baseline : float, optional
        The best value so far.
    min_delta : float
        Least change that counts.
    """

    def __init__(self, monitor="val_loss", mode="auto", baseline=None, min_delta=0):
        if mode not in ("auto", "min", "max"):
            warnings.warn(f'{type(self).__name__}: mode {mode!r} is taken as "auto"', stacklevel=3)
            mode = "auto"
        self.monitor, self.mode, self.best, self.min_delta = monitor, mode, baseline, abs(min_delta)
        self.monitor_op = None  # operator.lt or operator.gt, once the metrics are known

    def settle_mode(self):
        """Find out what is better, as soon as the metrics are known; an error if "auto" does not say it."""
        if self.monitor_op is None:
            self.monitor_op = operator.lt if self._mode() == "min" else operator.gt

    def is_improvement(self, value, reference):
        """True if the value is better than the reference by more than min_delta; None is the worst."""
        self.settle_mode()
        if reference is None:
            return True
        margin = self.min_delta if self.monitor_op is operator.gt else -self.min_delta
        return bool(self.monitor_op(value - margin, reference))

    def _mode(self):
        name = self.monitor.removeprefix("val_")
        if self.mode != "auto":
            return self.mode
        for metric in _metrics(self.model):
            if metric.name == name and hasattr(metric, "_direction"):
                return "max" if metric._direction == "up" else "min"
        if name == "loss":
            return "min"
        raise ValueError(
            f"{type(self).__name__}: it is not known whether more or less of {self.monitor!r} is better: "
            'pass mode="max" or mode="min"'
        )


def _metrics(model):
    """The metrics of a model, those inside containers too."""
    for metric in getattr(model, "metrics", ()):
        yield from getattr(metric, "metrics", (metric,))
