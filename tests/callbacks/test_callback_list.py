"""Who is called, in which order, with which logs; and who must see every batch."""

import json
from pathlib import Path

import numpy as np
import pytest

from fastnn import callbacks
from fastnn.callbacks import Callback, CallbackList, History, LambdaCallback, ModelCheckpoint, ProgbarLogger

HOOKS = [name for name in vars(Callback) if name.startswith("on_")]


def test_every_hook_reaches_every_callback():
    heard = []

    class Listener(Callback):
        pass

    for hook in HOOKS:
        setattr(Listener, hook, lambda self, *args, hook=hook: heard.append((hook, *args)))
    called = CallbackList([Listener(), [Listener()]])
    for hook in HOOKS:
        place = (3,) if "batch" in hook or "epoch" in hook else ()
        getattr(called, hook)(*place, {"loss": 1})
        assert heard == [(hook, *place, {"loss": 1.0})] * 2
        heard.clear()
        getattr(called, hook)(*place)
        assert heard == [(hook, *place, {})] * 2
        heard.clear()


def test_old_names_of_the_batch_hooks_are_called():
    heard = []

    class Old(Callback):
        def on_batch_begin(self, batch, logs=None):
            heard.append(("begin", batch))

        def on_batch_end(self, batch, logs=None):
            heard.append(("end", batch))

    called = CallbackList([Old()])
    called.on_train_batch_begin(1)
    called.on_train_batch_end(1)
    assert heard == [("begin", 1), ("end", 1)]
    assert called.needs_batches


def test_logs_are_plain_sorted_and_shared():
    given = {"b": np.float32(1.5), "a": {"z": np.array(2), "y": 1}, "c": np.ones(2)}
    seen = []
    first = LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(added=1))
    second = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs))
    CallbackList([first, second]).on_epoch_end(0, given)
    (logs,) = seen
    assert list(logs) == ["y", "z", "b", "c", "added"]
    assert [type(logs[k]) for k in "yzb"] == [float] * 3
    assert list(given) == ["b", "a", "c"]


def test_model_and_params_are_handed_on(model):
    listener = Callback()
    called = CallbackList(listener, add_history=True, model=model, epochs=2, steps=3, verbose=0)
    assert listener.model is model
    assert listener.params == called.params == {"epochs": 2, "steps": 3, "verbose": 0}
    assert model.history is called.history


def test_history_and_bar_are_not_added_twice(model):
    mine, bar = History(), ProgbarLogger()
    called = CallbackList([mine, bar], add_history=True, add_progbar=True, model=model)
    assert called.callbacks == [mine, bar]
    assert (called.history, called.progbar) == (mine, bar)
    plain = CallbackList()
    assert (plain.history, plain.progbar, plain.callbacks) == (None, None, [])


class Overriding(Callback):
    def on_train_batch_end(self, batch, logs=None):
        pass


class BusyBar(ProgbarLogger):
    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch, logs)


class BusyCheckpoint(ModelCheckpoint):
    def on_train_batch_begin(self, batch, logs=None):
        pass


@pytest.mark.parametrize(
    ("make", "needs"),
    [
        (Callback, False),
        (Overriding, True),
        (BusyBar, True),
        (lambda: LambdaCallback(on_epoch_end=print), False),
        (lambda: LambdaCallback(on_train_batch_end=print), True),
        (lambda: LambdaCallback(on_batch_begin=print), True),
        (callbacks.TerminateOnNaN, True),
        (callbacks.EarlyStopping, False),
        (callbacks.ReduceLROnPlateau, False),
        (callbacks.SwapEMAWeights, False),
        (lambda: callbacks.CSVLogger("x.csv"), False),
        (lambda: callbacks.LearningRateScheduler(print), False),
        (lambda: ModelCheckpoint("x.keras"), False),
        (lambda: ModelCheckpoint("x.keras", save_freq=10), True),
        (lambda: BusyCheckpoint("x.keras"), True),
    ],
)
def test_needs_batches(make, needs):
    called = CallbackList([make()], add_history=True, add_progbar=True)
    assert called.needs_batches is needs
    assert not called.needs_test_batches
    assert not called.needs_predict_batches


def test_needs_test_and_predict_batches():
    called = CallbackList(LambdaCallback(on_test_batch_end=print, on_predict_batch_begin=print))
    assert called.needs_test_batches
    assert called.needs_predict_batches
    assert not called.needs_batches


def test_history(model):
    history = model.fit([], {"loss": 2.0}, {"loss": 1.0, "val_loss": 3.0})
    assert history.history == {"loss": [2.0, 1.0], "val_loss": [3.0]}
    assert history.epoch == [0, 1]
    assert model.history is history
    model.fit([history], {"loss": 0.5})
    assert history.history["loss"] == [2.0, 1.0, 0.5]
    assert history.epoch == [0]


def test_signatures_are_keras():
    import inspect

    path = Path(__file__).parents[1] / "golden" / "configs.json"
    expected = json.loads(path.read_text())["signatures"]
    for name in callbacks.__all__:
        rows = []
        for p in inspect.signature(getattr(callbacks, name)).parameters.values():
            stars = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
            rows.append([stars + p.name, *([] if p.default is p.empty else [p.default])])
        assert rows == expected[f"callbacks.{name}"], name


@pytest.mark.parametrize("wrong", [callbacks.EarlyStopping, "early_stopping", 3], ids=str)
def test_what_is_no_callback_is_refused(wrong):
    with pytest.raises(TypeError, match="callbacks: expected objects"):
        CallbackList([wrong])
