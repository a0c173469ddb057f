"""Checkpoints, schedules, tables, the bar in fit, swapped averages."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from fastnn.callbacks import (
    CSVLogger,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ProgbarLogger,
    SwapEMAWeights,
    TerminateOnNaN,
)
from fastnn.optimizers import SGD
from fastnn.variable import Variable


# --- ModelCheckpoint --------------------------------------------------------------------------------
def test_checkpoint_at_every_epoch(model, losses, tmp_path):
    model.fit([ModelCheckpoint(tmp_path / "new" / "{epoch:02d}-{loss:.1f}.keras")], *losses(3, 2))
    assert [Path(p).name for p in model.saved] == ["01-3.0.keras", "02-2.0.keras"]
    assert (tmp_path / "new").is_dir()


@pytest.mark.parametrize(
    ("values", "options", "saved"),
    [
        ((3, 2, 2, 4, 1), {}, ["1", "2", "5"]),
        ((3, 2), {"initial_value_threshold": 2.5}, ["2"]),
        ((3, 4, 2), {"mode": "max"}, ["1", "2"]),
    ],
)
def test_checkpoint_of_the_best_only(model, losses, values, options, saved):
    model.fit([ModelCheckpoint("{epoch}.keras", "loss", save_best_only=True, **options)], *losses(*values))
    assert model.saved == [f"{s}.keras" for s in saved]


def test_checkpoint_every_so_many_steps(model, losses):
    checkpoint = ModelCheckpoint("{epoch}-{batch}.weights.h5", save_weights_only=True, save_freq=3)
    model.fit([checkpoint], *losses(1, 1, 1), batches=4)
    assert model.saved == [f"{s}.weights.h5" for s in ("1-3", "2-2", "3-1", "3-4")]


def test_checkpoint_without_the_metric_saves_and_warns(model):
    with pytest.warns(UserWarning, match="val_loss"):
        model.fit([ModelCheckpoint("a.keras", save_best_only=True)], {"loss": 1.0})
    assert model.saved == ["a.keras"]


def test_checkpoint_tells(model, losses, capsys):
    model.fit([ModelCheckpoint("a.keras", "loss", verbose=1, save_best_only=True)], *losses(2, 3))
    assert capsys.readouterr().out == (
        "\nEpoch 1: loss improved from None to 2.00000, saving the model to a.keras\n"
        "\nEpoch 2: loss did not improve from 2.00000\n"
    )


def test_checkpoint_refuses(model, tmp_path):
    with pytest.raises(ValueError, match=r"\.weights\.h5"):
        ModelCheckpoint("a.keras", save_weights_only=True)
    with pytest.raises(ValueError, match=r"\.keras or \.h5"):
        ModelCheckpoint("a.ckpt")
    with pytest.raises(ValueError, match="save_freq"):
        ModelCheckpoint("a.keras", save_freq="batch")
    with pytest.raises(KeyError, match="val_loss"):
        model.fit([ModelCheckpoint("{val_loss}.keras")], {"loss": 1.0})
    (tmp_path / "folder.keras").mkdir()
    with pytest.raises(IsADirectoryError, match="folder"):
        model.fit([ModelCheckpoint(tmp_path / "folder.keras")], {"loss": 1.0})


# --- LearningRateScheduler --------------------------------------------------------------------------
@pytest.mark.parametrize("schedule", [lambda e: 0.5 / (e + 1), lambda e, rate: rate * (0.5 if e else 1)])
def test_learning_rate_scheduler(model, losses, schedule, capsys):
    history = model.fit([LearningRateScheduler(schedule, verbose=1)], *losses(1, 1))
    assert history.history["learning_rate"] == [0.5, 0.25]
    assert "Epoch 2: the learning rate is set to 0.25" in capsys.readouterr().out


@pytest.mark.parametrize("rate", [1, "0.1", None, np.ones(2)])
def test_learning_rate_scheduler_wants_a_float(model, losses, rate):
    with pytest.raises(ValueError, match="must return a float"):
        model.fit([LearningRateScheduler(lambda epoch: rate)], *losses(1))


# --- CSVLogger --------------------------------------------------------------------------------------
def test_csv_logger(model, tmp_path):
    path = tmp_path / "log.csv"
    first, second = {"loss": 1.5, "accuracy": 0.5}, {"loss": 1.0, "accuracy": 0.75, "val_loss": 2.0}
    model.fit([CSVLogger(path)], first, second)
    assert path.read_bytes() == (
        b"epoch,accuracy,loss,val_accuracy,val_loss\r\n0,0.5,1.5,NA,NA\r\n1,0.75,1.0,NA,2.0\r\n"
    )
    model.fit([CSVLogger(path, append=True)], {"loss": 0.5, "accuracy": 1.0})
    assert len(path.read_text().splitlines()) == 4
    model.fit([CSVLogger(path, separator=";")], {"loss": 0.5, "val_loss": 1.0})
    assert path.read_text().splitlines() == ["epoch;loss;val_loss", "0;0.5;1.0"]


def test_csv_logger_begins_a_new_file_with_a_header_when_appending(model, tmp_path):
    model.fit([CSVLogger(tmp_path / "a.csv", append=True)], {"loss": 0.5})
    assert (tmp_path / "a.csv").read_text().startswith("epoch,loss")


# --- TerminateOnNaN, LambdaCallback -----------------------------------------------------------------
@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_terminate_on_nan(model, losses, loss, capsys):
    assert len(model.fit([TerminateOnNaN()], *losses(1.0, loss, 1.0), batches=1).epoch) == 2
    assert "training stops" in capsys.readouterr().out
    with pytest.raises(RuntimeError, match="batch 0"):
        model.fit([TerminateOnNaN(raise_error=True)], *losses(loss), batches=1)


def test_lambda_callback(model, losses):
    heard = []
    names = ["train_begin", "epoch_begin", "train_batch_begin", "train_batch_end", "epoch_end", "train_end"]
    hooks = {f"on_{name}": lambda *args, name=name: heard.append(f"on_{name}") for name in names}
    callback = LambdaCallback(**hooks, colour="red")
    model.fit([callback], *losses(1), batches=1)
    assert heard == list(hooks)
    assert callback.colour == "red"


# --- ProgbarLogger ----------------------------------------------------------------------------------
def test_one_line_an_epoch_where_there_is_no_terminal(model, losses, capsys):
    model.fit([], *losses(1, 0.5), batches=3, verbose="auto")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r"Epoch 1/2 - 3/3 - \d+s - \d+\w+/step - loss: 1.0000", lines[0])
    assert lines[1].endswith("loss: 0.5000")


def test_bar_on_a_terminal(model, losses, capsys, monkeypatch):
    monkeypatch.setattr("fastnn.progress.redraws", lambda stream: True)
    monkeypatch.setenv("COLUMNS", "120")
    model.fit([], *losses(1, 0.5), batches=3, verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Epoch 1/2"
    assert "3/3" in "".join(lines)
    assert lines[-1].endswith("loss: 0.5000")


def test_bar_of_evaluate_but_not_of_the_validation(model, capsys):
    bar = ProgbarLogger()
    bar.set_params({"verbose": 2, "epochs": 1, "steps": None})
    bar.on_test_begin()
    bar.update(1)
    bar.on_test_batch_end(1, {"loss": 1.0})
    bar.on_test_end({"loss": 2.0})
    assert re.fullmatch(r"2/2 - 0s - \w+/step - loss: 2.0000\n", capsys.readouterr().out)
    bar.on_train_begin()
    bar.on_test_begin()
    bar.on_test_batch_end(0, {})
    bar.on_test_end({"loss": 1.0})
    assert capsys.readouterr().out == ""
    bar.on_predict_begin()
    bar.on_predict_batch_end(0)
    bar.on_predict_end()
    assert capsys.readouterr().out.count("\n") == 1


# --- SwapEMAWeights ---------------------------------------------------------------------------------
def averaging(model):
    model.optimizer = SGD(1.0, use_ema=True, ema_momentum=0.5)
    weight = Variable(np.zeros(2), name="w")
    model.trainable_variables = [weight]
    for _ in range(2):
        model.optimizer.apply([np.ones(2)], [weight])
    return weight, model.optimizer.slot("average", weight)  # -2 and -1.5


def test_averages_are_used_to_evaluate_and_predict(model):
    weight, average = averaging(model)
    swap = SwapEMAWeights()
    swap.set_model(model)
    for begin, end in ((swap.on_test_begin, swap.on_test_end), (swap.on_predict_begin, swap.on_predict_end)):
        begin()
        np.testing.assert_array_equal((weight.value, average.value), [[-1.5] * 2, [-2] * 2])
        end()
        np.testing.assert_array_equal((weight.value, average.value), [[-2] * 2, [-1.5] * 2])


def test_averages_stay_with_the_last_epoch(model):
    weight, average = averaging(model)
    seen = []
    listener = LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(weight.numpy()))
    model.fit([SwapEMAWeights(swap_on_epoch=True), listener], {}, {})
    np.testing.assert_array_equal(seen, [[-2] * 2] * 2)
    np.testing.assert_array_equal((weight.value, average.value), [[-1.5] * 2] * 2)


def test_swap_needs_averages(model):
    swap = SwapEMAWeights()
    swap.set_model(model)
    with pytest.raises(ValueError, match="use_ema=True"):
        swap.on_test_begin()
