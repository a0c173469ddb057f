"""Global settings."""

import itertools
import logging
import os
import subprocess
import sys

import numpy as np
import pytest

import fastnn as keras
from fastnn import config


@pytest.fixture(autouse=True)
def _settings():
    before = dict(config._settings)
    yield
    config._settings.update(before)


def model():
    built = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    built.compile("sgd", "mse")
    return built


X, Y = np.ones((10, 2), np.float32), np.ones((10, 1), np.float32)


class Count(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.train = self.test = self.predict = 0

    def on_train_batch_end(self, batch, logs=None):
        self.train += 1

    def on_test_batch_end(self, batch, logs=None):
        self.test += 1

    def on_predict_batch_end(self, batch, logs=None):
        self.predict += 1


def test_limits_of_trial_runs():
    config.set_max_epochs(2)
    config.set_max_steps_per_epoch(3)
    assert (config.max_epochs(), config.max_steps_per_epoch()) == (2, 3)
    for data in ({"x": X, "y": Y, "batch_size": 2}, {"x": itertools.repeat((X[:2], Y[:2]))}):
        count = Count()
        history = model().fit(
            **data, epochs=5, validation_data=(X, Y), validation_batch_size=2, verbose=0, callbacks=[count]
        )
        assert (len(history.epoch), count.train, count.test) == (2, 6, 6)
    count = Count()
    model().evaluate(X, Y, batch_size=2, verbose=0, callbacks=[count])
    assert len(model().predict(X, batch_size=2, verbose=0, callbacks=[count])) == 6
    assert (count.test, count.predict) == (3, 3)
    config.set_max_epochs(None)
    config.set_max_steps_per_epoch(None)
    assert len(model().fit(X, Y, epochs=3, verbose=0).epoch) == 3
    for wrong in (0, -1, 1.5, True, "3"):
        with pytest.raises(ValueError, match="positive integer or None"):
            config.set_max_epochs(wrong)


def test_limits_from_the_environment():
    code = "from fastnn import config; print(config.max_epochs(), config.max_steps_per_epoch())"
    environment = {**os.environ, "KERAS_MAX_EPOCHS": "4", "KERAS_MAX_STEPS_PER_EPOCH": "7"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert run.stdout.split() == ["4", "7"]


def test_text_goes_to_the_logger(capsys, caplog):
    caplog.set_level(logging.INFO, "fastnn")
    stopping = keras.callbacks.EarlyStopping("loss", min_delta=100, patience=1, verbose=1)
    config.disable_interactive_logging()
    assert not config.is_interactive_logging_enabled()
    model().fit(X, Y, epochs=5, callbacks=[stopping])
    assert capsys.readouterr().out == ""
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0].startswith("Epoch 1/5")
    assert lines[-1] == "Epoch 2: early stopping"
    config.enable_interactive_logging()
    model().fit(X, Y, epochs=2, verbose=2)
    assert "Epoch 2/2" in capsys.readouterr().out
    assert len(caplog.records) == len(lines)


def test_float_types():
    assert config.dtype_policy().name == config.dtype_policy().compute_dtype == "float32"
    config.set_dtype_policy("float64")
    assert config.floatx() == keras.layers.Dense(1).dtype == "float64"
    config.set_dtype_policy(config.DTypePolicy("float32"))
    assert config.dtype_policy() == config.DTypePolicy("float32")
    with pytest.raises(ValueError, match="lower precision is not offered"):
        config.set_dtype_policy("mixed_float16")


def test_what_there_is_no_choice_about():
    assert config.backend() == "fastnn"
    config.set_backend("fastnn")
    with pytest.raises(ValueError, match="received 'jax'"):
        config.set_backend("jax")
    config.disable_flash_attention()
    config.disable_traceback_filtering()
    for found in (config.is_flash_attention_enabled, config.is_nnx_enabled, config.is_traceback_filtering_enabled):
        assert found() is False
    for name in ("enable_flash_attention", "enable_traceback_filtering", "enable_unsafe_deserialization"):
        with pytest.raises(NotImplementedError, match=name):
            getattr(config, name)()
