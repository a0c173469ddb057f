"""Keras on TensorFlow or JAX (KERAS_BACKEND says which), with its own defaults."""

import os

import keras
import numpy as np
from network import set_weights
from workloads import build

BACKEND = os.environ["KERAS_BACKEND"]
if BACKEND == "tensorflow":
    import tensorflow as tf

    VERSION = f"{keras.__version__}, TensorFlow {tf.__version__}"
else:
    import jax

    VERSION = f"{keras.__version__}, JAX {jax.__version__}"


class Peer:
    def __init__(self, workload, weights, x, y, variant, threads):
        if BACKEND == "tensorflow":
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        self.model, self.workload = build(keras, workload), workload
        self.x, self.y = x, y
        self.batch = x[: workload.batch], y[: workload.batch]
        self.set_weights(weights)
        self.call = None

    def set_weights(self, weights):
        set_weights(self.model, weights)

    def train(self, count):
        for _ in range(count):
            loss = self.model.train_on_batch(*self.batch)
        return float(np.ravel(loss)[0])

    def fit(self):
        self.model.fit(self.x, self.y, batch_size=self.workload.batch, verbose=0)

    def forward(self, count):
        """A compiled function on a tensor, the quickest way that the backend has."""
        call = tensorflow_call if BACKEND == "tensorflow" else jax_call
        self.call = self.call or call(self.model, self.batch[0])
        for _ in range(count):
            result = self.call()
        return np.asarray(result)

    def predict(self, count, x):
        for _ in range(count):
            result = self.model.predict_on_batch(x)
        return result


def tensorflow_call(model, x):
    function, tensor = tf.function(lambda x: model(x, training=False)), tf.constant(x)
    return lambda: function(tensor)


def jax_call(model, x):
    function = jax.jit(lambda weights, state, x: model.stateless_call(weights, state, x, training=False)[0])
    weights = [v.value + 0 for v in model.trainable_variables]  # copies: training donates its own
    state, tensor = [v.value + 0 for v in model.non_trainable_variables], jax.device_put(x)
    return lambda: function(weights, state, tensor)
