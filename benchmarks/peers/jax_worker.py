"""JAX by hand: one jitted training step whose state is donated, Adam and batch normalisation written out.

The variant "scan" compiles a whole epoch instead: `lax.scan` over the batches.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

VERSION = jax.__version__
EPSILON = 1e-3  # of normalisation
ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh}
NHWC = ("NHWC", "HWIO", "NHWC")


class Peer:
    def __init__(self, workload, weights, x, y, variant, threads):
        self.workload = workload
        self.set_weights(weights)
        self.x, self.y = jax.device_put(x), jax.device_put(y)
        self.batch = self.x[: workload.batch], self.y[: workload.batch]
        step = partial(train_step, workload)
        self.step = jax.jit(step, donate_argnums=0)
        self.output = jax.jit(partial(output, workload))
        self.rng = np.random.default_rng(0)
        self.epoch = jax.jit(partial(epoch, step), donate_argnums=0)
        self.step_at = jax.jit(lambda state, x, y, rows: step(state, x[rows], y[rows]), donate_argnums=0)
        if variant == "scan":
            self.fit = self.fit_scan

    def set_weights(self, weights):
        # four arrays: batch normalisation, whose last two are not trained
        trained = [[jnp.array(a) for a in (layer[:2] if len(layer) == 4 else layer)] for layer in weights]
        self.state = {
            "weights": trained, "m": jax.tree.map(jnp.zeros_like, trained), "v": jax.tree.map(jnp.zeros_like, trained),
            "moments": [[jnp.array(a) for a in layer[2:] if len(layer) == 4] for layer in weights],
            "t": jnp.zeros((), jnp.int32), "key": jax.random.key(0),
        }  # fmt: skip

    def train(self, count):
        for _ in range(count):
            self.state, loss = self.step(self.state, *self.batch)
        jax.block_until_ready(self.state)
        return float(loss)

    def _order(self):
        return self.rng.permutation(len(self.x)).astype(np.int32).reshape(-1, self.workload.batch)

    def fit(self):
        total = 0
        for rows in self._order():
            self.state, loss = self.step_at(self.state, self.x, self.y, rows)
            total += loss
        jax.block_until_ready(self.state)
        return float(total)

    def fit_scan(self):
        self.state, losses = self.epoch(self.state, self.x, self.y, self._order())
        return float(losses.sum())

    def forward(self, count):
        weights, moments = self.state["weights"], self.state["moments"]
        for _ in range(count):
            result = self.output(weights, moments, self.batch[0])
        return np.asarray(result)

    def predict(self, count, x):
        weights, moments = self.state["weights"], self.state["moments"]
        for _ in range(count):
            result = np.asarray(self.output(weights, moments, x))
        return result


def scores(workload, weights, moments, x, key=None):
    """The values before the last activation, and the new moving moments; key is given in training."""
    new_moments, kept = [], []
    for (kind, *sizes), w, moving in zip(workload.layers, weights, moments, strict=True):
        if kind == "dense":
            x = activated(x @ w[0] + w[1], sizes[1])
        elif kind == "conv":
            _, _, activation, padding, stride = sizes
            x = activated(convolved(x, *w, stride, padding), activation)
        elif kind == "depthwise":
            kernel = jnp.swapaxes(w[0], 2, 3)
            x = convolved(x, kernel, w[1], sizes[1], "same", x.shape[-1])
        elif kind == "attention":
            x = attended(x, *w)
        elif kind == "pool":
            window = (1, sizes[0], sizes[0], 1)
            x = lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")
        elif kind == "batch_norm":
            mean, variance = moving if key is None else (x.mean((0, 1, 2)), x.var((0, 1, 2)))
            moving = [0.99 * old + 0.01 * new for old, new in zip(moving, (mean, variance), strict=True)]
            x = (x - mean) * (lax.rsqrt(variance + EPSILON) * w[0]) + w[1]
        elif kind == "layer_norm":
            mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
            x = (x - mean) * lax.rsqrt(variance + EPSILON) * w[0] + w[1]
        elif kind == "relu":
            x = jax.nn.relu(x)
        elif kind == "flatten":
            x = x.reshape(len(x), -1)
        elif kind == "mean":
            x = x.mean(tuple(range(1, x.ndim - 1)))
        elif kind == "fork":
            kept.append(x)
        elif kind == "swap":
            x, kept[-1] = kept[-1], x
        elif kind == "add":
            x = x + kept.pop()
        elif kind in CELLS:
            x = last_state(CELLS[kind], x, *w)
        elif kind == "dropout" and key is not None:
            x = jnp.where(jax.random.bernoulli(key, 1 - sizes[0], x.shape), x / (1 - sizes[0]), 0)
        new_moments.append(moving)
    return x, new_moments


def convolved(x, kernel, bias, stride, padding, groups=1):
    options = {"dimension_numbers": NHWC, "feature_group_count": groups}
    return lax.conv_general_dilated(x, kernel, (stride, stride), padding.upper(), **options) + bias


def attended(x, query, query_bias, key, key_bias, value, value_bias, output, output_bias):
    """Heads (n, t, heads, features of a head), then softmax(q.k' / sqrt(features of a head)).v."""
    inputs = ((query, query_bias), (key, key_bias), (value, value_bias))
    q, k, v = (jnp.einsum("ntf,fhd->nthd", x, kernel) + bias for kernel, bias in inputs)
    return jnp.einsum("nthd,hdf->ntf", jax.nn.dot_product_attention(q, k, v), output) + output_bias


def lstm(states, x, recurrent, bias):
    h, c = states
    i, f, g, o = jnp.split(x + bias + h @ recurrent, 4, -1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None


def gru(states, x, recurrent, bias):
    (h,) = states
    (xz, xr, xh), (z, r, q) = jnp.split(x + bias[0], 3, -1), jnp.split(h @ recurrent + bias[1], 3, -1)
    z, r = jax.nn.sigmoid(xz + z), jax.nn.sigmoid(xr + r)
    return (z * h + (1 - z) * jnp.tanh(xh + r * q),), None


CELLS = {"lstm": (lstm, 2), "gru": (gru, 1)}  # and how many states


def last_state(cell, x, kernel, recurrent, bias):
    """The inputs' product once for all elements, then a scan along the sequence."""
    (step, count), zeros = cell, jnp.zeros((len(x), len(recurrent)))
    elements = jnp.swapaxes(x @ kernel, 0, 1)
    states, _ = lax.scan(lambda states, e: step(states, e, recurrent, bias), (zeros,) * count, elements)
    return states[0]


def activated(x, name):
    return ACTIVATIONS[name](x) if name in ACTIVATIONS else x


def loss_of(workload, weights, moments, key, x, y):
    z, moments = scores(workload, weights, moments, x, key)
    if workload.classes == 0:
        return jnp.mean((z - y) ** 2), moments
    if workload.classes == 2:
        z = z[:, 0]
        return jnp.mean(jnp.logaddexp(0, z) - y * z), moments
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], 1)), moments


def output(workload, weights, moments, x):
    z, _ = scores(workload, weights, moments, x)
    return z if workload.classes == 0 else jax.nn.sigmoid(z) if workload.classes == 2 else jax.nn.softmax(z)


def train_step(workload, state, x, y):
    """One step of Adam (Kingma and Ba, 2015; epsilon where Keras has it)."""
    key, used = jax.random.split(state["key"])
    value = jax.value_and_grad(partial(loss_of, workload), has_aux=True)
    (loss, moments), gradients = value(state["weights"], state["moments"], used, x, y)
    t = state["t"] + 1
    rate = 1e-3 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    m = jax.tree.map(lambda m, g: m + 0.1 * (g - m), state["m"], gradients)
    v = jax.tree.map(lambda v, g: v + 0.001 * (g * g - v), state["v"], gradients)
    weights = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), state["weights"], m, v)
    return {"weights": weights, "m": m, "v": v, "moments": moments, "t": t, "key": key}, loss


def epoch(step, state, x, y, order):
    return lax.scan(lambda state, rows: step(state, x[rows], y[rows]), state, order)
