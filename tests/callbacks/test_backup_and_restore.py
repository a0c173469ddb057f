"""Interrupted training that goes on as if nothing had happened."""

import numpy as np
import pytest

import fastnn as keras
from fastnn.callbacks import BackupAndRestore, Callback

draw = np.random.default_rng(3)
X, Y = draw.random((90, 6), np.float32), draw.integers(0, 3, 90)


class InterruptionError(Exception):
    pass


class Interrupt(Callback):
    """Fail after so many training steps."""

    def __init__(self, after):
        self.after = after

    def on_train_batch_end(self, batch, logs=None):
        self.after -= 1
        if self.after == 0:
            raise InterruptionError


class Stream:
    """The batches, the same ones every time."""

    def __iter__(self):
        return ((X[i : i + 16], Y[i : i + 16]) for i in range(0, 90, 16))


class Draws(Callback):
    """A user's own random numbers, from the global generator."""

    def __init__(self):
        self.drawn = {}

    def on_epoch_begin(self, epoch, logs=None):
        self.drawn[epoch] = keras.random.uniform((2,)).tolist()


def fit(callbacks, seed=5, stream=False, **options):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(16, "relu"), keras.layers.Dropout(0.3), keras.layers.Dense(3)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    options = {"batch_size": 16, "epochs": 5, "verbose": 0, **options}
    data = (X, Y)
    if stream:
        del options["batch_size"]
        data = (Stream(),)
    history = model.fit(*data, callbacks=callbacks, **options)
    return model, history.history


def same_state(first, second):
    assert first.get_weights() and len(first.optimizer.variables) == len(second.optimizer.variables)
    for a, b in zip(first.variables, second.variables, strict=True):
        assert a.numpy().tobytes() == b.numpy().tobytes(), a.path
    for a, b in zip(first.optimizer.variables, second.optimizer.variables, strict=True):
        assert a.numpy().tobytes() == b.numpy().tobytes(), a.path


@pytest.mark.parametrize(
    "after, save_freq, options",
    [
        (13, "epoch", {}),
        (13, 1, {}),
        (14, 4, {}),
        (6, 3, {}),
        (13, "epoch", {"shuffle": False}),
        (17, 5, {"steps_per_epoch": 4, "epochs": 7}),
        (17, "epoch", {"steps_per_epoch": 4, "epochs": 7}),
        (13, 2, {"stream": True}),
        (13, "epoch", {"stream": True}),
        (13, 1, {"validation_split": 0.2}),
    ],
)
def test_every_bit_is_that_of_a_run_without_interruption(tmp_path, after, save_freq, options):
    draws, expected_draws = Draws(), Draws()
    expected, history = fit([expected_draws], **options)
    folder = tmp_path / "backup"
    with pytest.raises(InterruptionError):
        fit([draws, BackupAndRestore(folder, save_freq), Interrupt(after)], **options)
    assert list(folder.iterdir())
    counter = Interrupt(1000)
    resumed, later = fit([draws, BackupAndRestore(folder, save_freq), counter], seed=99, **options)
    same_state(expected, resumed)
    assert 1000 - counter.after < int(expected.optimizer.iterations)
    for name, values in later.items():
        assert values == history[name][-len(values) :], name
    assert not folder.exists()
    last = max(expected_draws.drawn)
    if save_freq == "epoch":  # else an epoch is begun twice
        assert draws.drawn[last] == expected_draws.drawn[last]


def test_another_save_freq_may_go_on(tmp_path):
    expected, history = fit([])
    with pytest.raises(InterruptionError):
        fit([BackupAndRestore(tmp_path, 2), Interrupt(9)])
    resumed, later = fit([BackupAndRestore(tmp_path)], seed=99)
    same_state(expected, resumed)
    assert later["accuracy"] == history["accuracy"][-len(later["accuracy"]) :]


def test_the_state_before_the_last_is_used_if_the_last_is_damaged(tmp_path):
    expected, _ = fit([])
    with pytest.raises(InterruptionError):
        fit([BackupAndRestore(tmp_path, double_checkpoint=True), Interrupt(21)])
    path = tmp_path / "training_state.h5"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.warns(UserWarning, match="the state before the last"):
        resumed, later = fit([BackupAndRestore(tmp_path, double_checkpoint=True)], seed=99)
    same_state(expected, resumed)
    assert len(later["loss"]) == 3


def test_a_damaged_state_is_refused(tmp_path):
    with pytest.raises(InterruptionError):
        fit([BackupAndRestore(tmp_path), Interrupt(21)])
    (tmp_path / "training_state.h5").write_bytes(b"no")
    with pytest.raises(keras.ModelFormatError, match="training_state"):
        fit([BackupAndRestore(tmp_path)])


def test_files_of_others_stay(tmp_path):
    (tmp_path / "mine").write_text("x")
    fit([BackupAndRestore(tmp_path)])
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    fit([BackupAndRestore(tmp_path, delete_checkpoint=False)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "training_state.h5"]


@pytest.mark.parametrize("arguments", [("",), ("a", 0), ("a", "batch"), ("a", True)])
def test_arguments(arguments):
    with pytest.raises(ValueError, match="BackupAndRestore"):
        BackupAndRestore(*arguments)
