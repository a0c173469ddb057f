"""A model that only pretends, for the tests of callbacks."""

import numpy as np
import pytest

from fastnn.callbacks import CallbackList
from fastnn.optimizers import SGD


class Metric:
    def __init__(self, name, direction=None):
        self.name = name
        if direction:
            self._direction = direction


class Model:
    """Its weight is the number of the epoch; `fit` tells the callbacks what the given logs say."""

    def __init__(self):
        self.optimizer = SGD(0.5)
        self.metrics = [Metric("loss"), Metric("accuracy", "up"), Metric("mean_squared_error", "down")]
        self.trainable_variables = []
        self.weights, self.saved = [np.zeros(1)], []
        self.stop_training = False
        self.history = None

    def get_weights(self):
        return [w.copy() for w in self.weights]

    def set_weights(self, weights):
        self.weights = [w.copy() for w in weights]

    def save(self, path, overwrite):
        self.saved.append(path)

    save_weights = save

    def fit(self, callbacks, *epochs, batches=0, verbose=0):
        """Each epoch is its logs."""
        called = CallbackList(
            callbacks, add_history=True, add_progbar=verbose != 0, model=self,
            epochs=len(epochs), steps=batches, verbose=verbose,
        )  # fmt: skip
        self.stop_training = False
        called.on_train_begin()
        for epoch, logs in enumerate(epochs):
            called.on_epoch_begin(epoch)
            for batch in range(batches):
                called.on_train_batch_begin(batch)
                called.on_train_batch_end(batch, logs)
            self.weights[0][:] = epoch
            called.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        called.on_train_end()
        return called.history


@pytest.fixture
def model():
    return Model()


@pytest.fixture
def losses():
    """Logs of epochs with these values of one metric."""
    return lambda *values, name="loss": [{name: v} for v in values]
