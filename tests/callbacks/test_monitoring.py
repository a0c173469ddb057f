"""EarlyStopping, ReduceLROnPlateau and the metric they watch."""

import math

import numpy as np
import pytest

import fastnn
from fastnn.callbacks import EarlyStopping, LambdaCallback, ReduceLROnPlateau


def stop(model, values, *, name="loss", **options):
    """How many epochs ran."""
    callback = EarlyStopping(monitor=name, **options)
    return len(model.fit([callback], *({name: v} for v in values)).epoch)


@pytest.mark.parametrize(
    ("values", "options", "epochs"),
    [
        ((3, 2, 1, 0), {}, 4),
        ((3, 2, 2, 0), {}, 3),
        ((3, 4, 5, 6), {"patience": 2}, 3),
        ((3, 4, 2, 3, 4, 5), {"patience": 2}, 5),
        ((3, 2.9, 2.8, 2.7), {"min_delta": 0.5}, 2),
        ((3, 2.9, 2.4, 2.3, 2.2), {"min_delta": 0.5, "patience": 2}, 5),
        ((9, 8, 7, 6), {"baseline": 1, "patience": 2}, 4),
        ((1, 2, 3, 4), {"start_from_epoch": 2}, 4),
        ((2, math.nan, 1), {}, 2),
        ((1, 2, 3), {"mode": "max"}, 3),
        ((3, 2, 1), {"mode": "max"}, 2),
    ],
)
def test_stops_when_nothing_improves(model, values, options, epochs):
    assert stop(model, values, **options) == epochs


@pytest.mark.parametrize(
    ("name", "values", "epochs"),
    [
        ("accuracy", (0.1, 0.2, 0.1, 0.9), 3),
        ("val_accuracy", (0.1, 0.2, 0.1, 0.9), 3),
        ("mean_squared_error", (0.1, 0.2, 0.1), 2),
        ("val_loss", (0.1, 0.2, 0.1), 2),
    ],
)
def test_metric_tells_its_direction(model, name, values, epochs):
    assert stop(model, values, name=name) == epochs


def test_unknown_direction_asks_for_a_mode(model):
    with pytest.raises(ValueError, match=r"'mystery'.*mode=.max"):
        stop(model, (1, 2), name="mystery")
    assert stop(model, (1, 2), name="mystery", mode="max") == 2


def test_unknown_mode_is_auto(model):
    with pytest.warns(UserWarning, match="'best'"):
        assert stop(model, (3, 4), mode="best") == 2


def test_missing_metric_warns(model):
    with pytest.warns(UserWarning, match=r"'val_loss' is not among the metrics loss"):
        model.fit([EarlyStopping()], {"loss": 1.0})


@pytest.mark.parametrize(("values", "best"), [((3, 1, 2, 2.5), 1), ((3, 2, 1), 2), ((math.nan, math.nan), 0)])
def test_best_weights_are_restored_early_or_not(model, values, best, losses):
    model.fit([EarlyStopping("loss", patience=1, restore_best_weights=True)], *losses(*values))
    np.testing.assert_array_equal(model.weights[0], best)


def test_weights_stay_unless_asked(model, losses):
    callback = EarlyStopping("loss", patience=1)
    model.fit([callback], *losses(3, 1, 2, 2.5))
    np.testing.assert_array_equal(model.weights[0], 2)
    assert (callback.best, callback.best_epoch, callback.stopped_epoch) == (1, 1, 2)


def test_second_run_starts_afresh(model, losses):
    callback = EarlyStopping("loss")
    model.fit([callback], *losses(1, 2))
    assert len(model.fit([callback], *losses(9, 8, 7)).epoch) == 3


def test_early_stopping_says_so(model, losses, capsys):
    model.fit([EarlyStopping("loss", verbose=1, restore_best_weights=True)], *losses(1, 2))
    assert capsys.readouterr().out == "Epoch 2: early stopping\nRestoring the weights of the best epoch, 1\n"


def rates(model, callback, values):
    seen = []
    listener = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["learning_rate"]))
    model.fit([callback, listener], *values)
    return [*seen, float(model.optimizer.learning_rate)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"patience": 2}, [0.5, 0.5, 0.5, 0.05, 0.05, 0.005]),
        ({"patience": 1, "cooldown": 2, "factor": 0.5}, [0.5, 0.5, 0.25, 0.25, 0.125, 0.125]),
        ({"patience": 1, "min_lr": 0.1}, [0.5, 0.5, 0.1, 0.1, 0.1, 0.1]),
        ({"patience": 2, "mode": "max"}, [0.5, 0.5, 0.5, 0.05, 0.05, 0.005]),
    ],
)
def test_reduce_lr_on_plateau(model, losses, options, expected):
    seen = rates(model, ReduceLROnPlateau("loss", **options), losses(1, 1, 1, 1, 1))
    np.testing.assert_allclose(seen, expected)


def test_reduce_lr_goes_on_while_it_improves(model, losses, capsys):
    assert rates(model, ReduceLROnPlateau("loss", patience=1, verbose=1), losses(3, 2, 1)) == [0.5] * 4
    assert capsys.readouterr().out == ""


def test_reduce_lr_speaks_and_refuses(model, losses, capsys):
    model.fit([ReduceLROnPlateau("loss", patience=1, verbose=1, factor=0.5)], *losses(1, 2))
    assert "Epoch 2: the learning rate is lowered to 0.25" in capsys.readouterr().out
    with pytest.raises(ValueError, match="factor"):
        ReduceLROnPlateau(factor=1.0)
    with pytest.warns(UserWarning, match="ignores the arguments epsilon"):
        ReduceLROnPlateau(epsilon=1)
    with pytest.warns(UserWarning, match="'val_loss' is not among"):
        model.fit([ReduceLROnPlateau()], {"loss": 1.0})


@pytest.mark.parametrize("callback", ["EarlyStopping", "ReduceLROnPlateau", "ModelCheckpoint"])
@pytest.mark.parametrize("mode", ["auto", "min"])
def test_a_metric_that_there_is_not(callback, mode, tmp_path):
    """As in Keras: an error where the mode follows from the metric, else a warning after each epoch."""
    arguments = {"monitor": "nope", "mode": mode}
    if callback == "ModelCheckpoint":
        arguments |= {"filepath": tmp_path / "best.keras", "save_best_only": True}
    watching = getattr(fastnn.callbacks, callback)(**arguments)
    model = fastnn.Sequential([fastnn.Input((2,)), fastnn.layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.ones((4, 2), np.float32), np.ones(4, np.float32)
    if mode == "auto":
        with pytest.raises(ValueError, match=f"{callback}: it is not known whether more or less of 'nope' is better"):
            model.fit(x, y, epochs=2, verbose=0, callbacks=[watching])
        return
    with pytest.warns(UserWarning, match="'nope'"):
        assert len(model.fit(x, y, epochs=2, verbose=0, callbacks=[watching]).history["loss"]) == 2
