"""The progress bar of ``fit``, ``evaluate`` and ``predict``."""

import logging
import os
import sys
import time

import numpy as np

from fastnn import config

NOTEBOOK_INTERVAL = 0.25  # seconds: a notebook sends every redraw through the network
LOOKS = 20  # how often the clock is read between two redraws

clock = time.perf_counter


def is_notebook():
    """True in a Jupyter kernel."""
    return "ipykernel" in sys.modules


class _LogStream:
    """A stream whose lines become records of the logger "fastnn"."""

    encoding = "utf-8"

    def __init__(self):
        self.line = ""

    def write(self, text):
        *lines, self.line = f"{self.line}{text}".split("\n")
        for line in lines:
            if line.strip():
                logging.getLogger("fastnn").info("%s", line.strip())

    def flush(self):
        """A record is written when its line ends."""


def output():
    """Where progress and messages go: standard output, or the logger where interactive logging is disabled."""
    return sys.stdout if config.is_interactive_logging_enabled() else _LogStream()


def redraws(stream):
    """True if a line on this stream can be written over: a terminal or a notebook."""
    return (is_notebook() and not isinstance(stream, _LogStream)) or (
        stream is not None and hasattr(stream, "isatty") and stream.isatty()
    )


def _terminal_width():
    """Columns of the terminal; 80 where there is none."""
    try:
        return os.get_terminal_size().columns
    except OSError:
        return int(os.environ.get("COLUMNS", 0)) or 80


class Progbar:
    """A line that shows how far a run has come.

    ``12/98 ━━━━──────────────── 3s 20ms/step - accuracy: 0.9000 - loss: 0.3000``, redrawn on terminals and in
    notebooks.  Elsewhere there is one line when the run ends, without control characters.

    Parameters
    ----------
    target : int or None
        Steps in all, None if unknown.
    width : int
        Characters of the bar.
    verbose : {0, 1, 2, "auto"}
        Nothing, a bar, or one line at the end; "auto" is 1 where the line can be redrawn and 2 elsewhere.
    interval : float
        Least time between two redraws in seconds.
    stateful_metrics : iterable of str, optional
        Values shown as they are given; all others are averaged over the steps.
    stateless_metrics : iterable of str, optional
        In place of stateful_metrics: the values that are averaged; all others are shown as they are given.
    unit_name : str
    """

    def __init__(
        self, target, width=20, verbose=1, interval=0.1, stateful_metrics=None, stateless_metrics=None,
        unit_name="step",
    ):  # fmt: skip
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError("Progbar: give stateful_metrics or stateless_metrics, not both")
        self.target, self.width, self.unit_name = target, width, unit_name
        self.stateful_metrics = None if stateful_metrics is None else set(stateful_metrics)
        self.stateless_metrics = None if stateless_metrics is None else set(stateless_metrics)
        self.stream = output()
        self.redraws = redraws(self.stream)
        self.verbose = (1 if self.redraws else 2) if verbose == "auto" else int(verbose)
        if self.stream is None:  # a program without a console
            self.verbose = 0
        self.interval = max(interval, NOTEBOOK_INTERVAL) if is_notebook() else interval
        self.title = ""  # stands before the line where there is only one
        self._seen = 0
        self._sums = {}  # name -> [sum of value * steps, steps]
        self._start = self._last_look = clock()
        self._last_draw = -np.inf
        self._after_first = None  # time when the first step was done: it is slower than the others
        self._calls, self._calls_to_skip = 0, 0
        self._drawn_width = 0

    def update(self, current, values=None, finalize=None):
        """Show that `current` steps are done.

        Parameters
        ----------
        current : int
        values : list of (str, float), optional
        finalize : bool, optional
            True for the last call, after which the line ends; by default when the target is reached.
        """
        if not self.verbose:
            return
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        for name, value in values or ():
            self._take(name, value, current, finalize)
        self._seen = current
        if self._is_due(current, finalize):
            self._draw(current, finalize)

    def add(self, n, values=None):
        """Show that n more steps are done."""
        self.update(self._seen + n, values)

    def _take(self, name, value, current, finalize):
        if self.stateless_metrics is not None:
            average = name in self.stateless_metrics
        else:
            average = name not in (self.stateful_metrics or ())
        if average and not finalize:
            steps = max(current - self._seen, 1)
            total = self._sums.setdefault(name, [0.0, 0])
            total[0] += value * steps
            total[1] += steps
        else:
            self._sums[name] = [value, 1]

    # --- when -------------------------------------------------------------------------------------------
    def _is_due(self, current, finalize):
        """Read the clock at every so many calls only: a million steps must not cost a million readings."""
        self._calls += 1
        if finalize:
            return True
        return (self._calls > self._calls_to_skip or current == 1) and self._look(current)

    def _look(self, current):
        now = clock()
        if current == 1:
            self._after_first = now
        pause = max((now - self._last_look) / self._calls, 1e-7)
        self._calls_to_skip = min(int(self.interval / LOOKS / pause), 2 * self._calls)  # one proves little
        self._calls, self._last_look = 0, now
        return self.verbose == 1 and self.redraws and now - self._last_draw >= self.interval

    # --- what -------------------------------------------------------------------------------------------
    def _draw(self, current, finalize):
        now = clock()
        self._last_draw = now
        if self.verbose == 2:
            text = self.title + self._summary(current, now) + "\n"
        elif not self.redraws:
            text = self.title + self._line(current, now, finalize, colour=False)[0] + "\n"
        else:
            line, width = self._line(current, now, finalize, colour=True)
            text = "\r" + line + " " * (self._drawn_width - width) + ("\n" if finalize else "")
            self._drawn_width = width
        self._write(text)

    def _summary(self, current, now):
        info = [f"{now - self._start:.0f}s", self._pace(current, now), *self._values()]
        return " - ".join([f"{current}/{self.target}"] * (self.target is not None) + info)

    def _line(self, current, now, finalize, colour):
        """The line, and how many characters of it are seen."""
        bold, green, grey, plain = ("\x1b[1m", "\x1b[32m", "\x1b[37m", "\x1b[0m") if colour else ("",) * 4
        if self.target:
            done, rest = self._bar(current)
            count = f"{current:{len(str(self.target))}d}/{self.target}"
            bar = f"{green}{done}{plain}{grey}{rest}{plain}"
        else:
            done, rest, count, bar = "", "", f"{current:7d}/Unknown", ""
        left = now - self._start
        if self.target and not finalize:
            left = self._seconds_per_step(current, now) * (self.target - current)
        duration = _duration(left)
        tail = " - ".join([f" {self._pace(current, now)}", *self._values()])
        seen = len(count) + len(done) + len(rest) + len(duration) + 1 + bool(bar)
        if colour and not finalize and not is_notebook():  # a line that wraps cannot be written over
            tail = tail[: max(_terminal_width() - 1 - seen, 0)]
        head = f"{bold}{count}{plain} {bar}{' ' if bar else ''}{bold}{duration}{plain}"
        return head + tail, seen + len(tail)

    def _bar(self, current):
        full, empty = "━─" if self._can_print("━─") else "=."
        done = min(int(self.width * current / self.target), self.width)
        return full * done, empty * (self.width - done)

    def _pace(self, current, now):
        seconds = self._seconds_per_step(current, now)
        if seconds >= 1 or seconds == 0:
            return f"{seconds:.0f}s/{self.unit_name}"
        if seconds >= 1e-3:
            return f"{seconds * 1e3:.0f}ms/{self.unit_name}"
        return f"{seconds * 1e6:.0f}us/{self.unit_name}"

    def _seconds_per_step(self, current, now):
        if not current:
            return 0
        if self._after_first is not None and current > 1:
            return (now - self._after_first) / (current - 1)
        return (now - self._start) / current

    def _values(self):
        for name, (total, steps) in self._sums.items():
            average = float(np.mean(total)) / max(steps, 1)
            yield f"{name}: {average:.4f}" if abs(average) > 1e-3 else f"{name}: {average:.4e}"

    # --- where ------------------------------------------------------------------------------------------
    def _can_print(self, text):
        try:
            text.encode(getattr(self.stream, "encoding", None) or "utf-8")
        except UnicodeEncodeError:
            return False
        return True

    def _write(self, text):
        if not self._can_print(text):  # the name of a metric
            encoding = self.stream.encoding
            text = text.encode(encoding, "replace").decode(encoding)
        self.stream.write(text)
        self.stream.flush()


def _duration(seconds):
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{seconds:02d}"
    return f"{minutes}:{seconds:02d}" if minutes else f"{seconds}s"
