"""The progress bar, with a clock and a stream that only pretend."""

import re
import sys

import pytest

from fastnn import progress
from fastnn.progress import Progbar


class Stream:
    def __init__(self, terminal=True, encoding="utf-8"):
        self.terminal, self.encoding, self.writes = terminal, encoding, []

    def isatty(self):
        return self.terminal

    def write(self, text):
        text.encode(self.encoding)
        self.writes.append(text)

    def flush(self):
        pass

    @property
    def text(self):
        return "".join(self.writes)

    @property
    def lines(self):
        """What a person sees: colours taken out, carriage returns obeyed."""
        plain = re.sub("\x1b\\[[0-9]*m", "", self.text)
        return [line.split("\r")[-1].rstrip() for line in plain.split("\n")]


class Clock:
    def __init__(self):
        self.now, self.readings = 100.0, 0

    def __call__(self):
        self.readings += 1
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(progress, "clock", made)
    monkeypatch.setenv("COLUMNS", "200")
    return made


@pytest.fixture
def stream_of(monkeypatch, clock):
    def make(**options):
        stream = Stream(**options)
        monkeypatch.setattr(sys, "stdout", stream)
        return stream

    return make


def test_looks_like_keras(stream_of, clock):
    stream = stream_of()
    bar = Progbar(98, stateless_metrics=())
    for step in range(1, 13):
        clock.now += 0.25
        bar.update(step, [("accuracy", 0.9), ("loss", 0.3)])
    assert stream.lines == ["12/98 ━━────────────────── 21s 250ms/step - accuracy: 0.9000 - loss: 0.3000"]
    clock.now += 86 * 0.25
    bar.update(98, [("accuracy", 0.95), ("loss", 0.0002)])
    expected = "98/98 ━━━━━━━━━━━━━━━━━━━━ 24s 250ms/step - accuracy: 0.9500 - loss: 2.0000e-04"
    assert stream.lines == [expected, ""]
    assert stream.writes[0].startswith("\r\x1b[1m")


def test_shorter_line_wipes_the_longer_one(stream_of, clock):
    stream = stream_of()
    bar = Progbar(10, stateless_metrics=())
    for step, loss in enumerate((123456789.0, 1.0, 1.0, 1.0), 1):
        clock.now += 1
        bar.update(step, [("loss", loss)])
    visible = [re.sub("\x1b\\[[0-9]*m|\r", "", w) for w in stream.writes]
    assert len(visible[1]) >= len(visible[0])


def test_values_are_averaged_unless_stateful(stream_of, clock):
    stream = stream_of()
    bar = Progbar(10, stateful_metrics=["state"])
    for step, value in ((1, 1.0), (2, 2.0), (4, 3.0)):
        clock.now += 1
        bar.update(step, [("mean", value), ("state", value)])
    assert stream.lines[-1].endswith("mean: 2.2500 - state: 3.0000")
    bar.add(6, [("mean", 7.0)])
    assert "mean: 7.0000" in stream.lines[-2]


@pytest.mark.parametrize("stateful", [None, ["loss"]])
def test_twenty_thousand_steps_a_second_cost_nothing_worth_naming(stream_of, clock, stateful):
    stream = stream_of()
    bar = Progbar(20_000, stateful_metrics=stateful)
    clock.readings = 0
    for step in range(1, 20_001):
        clock.now += 1 / 20_000
        bar.update(step, [("loss", 0.5)])
    assert 8 <= len(stream.writes) <= 12
    assert clock.readings <= 500


def test_slow_steps_after_fast_ones_are_shown(stream_of, clock):
    stream = stream_of()
    bar = Progbar(None)
    for step in range(1, 2001):
        clock.now += 1e-4
        bar.update(step)
    before = len(stream.writes)
    for step in range(2001, 2101):
        clock.now += 0.05
        bar.update(step)
    assert len(stream.writes) - before >= 20


@pytest.mark.parametrize("verbose", [1, 2, "auto"])
def test_one_plain_line_where_there_is_no_terminal(stream_of, clock, verbose):
    stream = stream_of(terminal=False)
    bar = Progbar(3, verbose=verbose, stateless_metrics=())
    for step in (1, 2, 3):
        clock.now += 1
        bar.update(step, [("loss", 0.5)])
    assert len(stream.writes) == 1
    assert stream.text.count("\n") == 1
    assert not re.search("[\x00-\x09\x0b-\x1f]", stream.text)
    bar = "3/3 ━━━━━━━━━━━━━━━━━━━━ 3s 1s/step - loss: 0.5000\n"
    assert stream.text == (bar if verbose == 1 else "3/3 - 3s - 1s/step - loss: 0.5000\n")


def test_auto_is_a_bar_on_a_terminal(stream_of):
    stream_of()
    assert Progbar(3, verbose="auto").verbose == 1


def test_verbose_0_is_silent(stream_of, clock):
    stream = stream_of()
    clock.readings = 0
    bar = Progbar(2, verbose=0)
    bar.update(1)
    bar.update(2)
    assert stream.writes == []
    assert clock.readings <= 1


def test_no_console(monkeypatch, clock):
    monkeypatch.setattr(sys, "stdout", None)
    Progbar(1).update(1)


def test_notebook_redraws_four_times_a_second(stream_of, clock, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel", object())
    stream = stream_of(terminal=False)
    bar = Progbar(100)
    for step in range(1, 101):
        clock.now += 0.02
        bar.update(step)
    assert stream.text.startswith("\r")
    assert 6 <= len(stream.writes) <= 10


def test_ascii_where_the_encoding_has_no_bar(stream_of, clock):
    stream = stream_of(encoding="ascii")
    bar = Progbar(4, stateless_metrics=())
    bar.update(2, [("genauigkeit_µ", 0.5)])
    assert stream.lines[0].startswith("2/4 ==========.......... ")
    assert "genauigkeit_?: 0.5000" in stream.lines[0]


def test_unknown_target(stream_of, clock):
    stream = stream_of()
    bar = Progbar(None, stateless_metrics=())
    clock.now += 2
    bar.update(4, [("loss", 1.0)])
    bar.update(5, finalize=True)
    assert stream.lines[0] == "      5/Unknown 2s 400ms/step - loss: 1.0000"


def test_long_lines_do_not_wrap(stream_of, clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    stream = stream_of()
    bar = Progbar(9)
    bar.update(1, [(f"metric_{i}", 1.0) for i in range(9)])
    assert len(stream.lines[0]) < 60


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59.9, "59s"), (61, "1:01"), (3600, "1:00:00"), (7325, "2:02:05")]
)
def test_durations(seconds, text):
    assert progress._duration(seconds) == text


def test_microseconds(stream_of, clock):
    stream = stream_of()
    bar = Progbar(1000)
    clock.now += 0.05
    bar.update(1000)
    assert "50us/step" in stream.text


def test_both_kinds_of_metrics_are_refused():
    with pytest.raises(ValueError, match="not both"):
        Progbar(1, stateful_metrics=["a"], stateless_metrics=["b"])
