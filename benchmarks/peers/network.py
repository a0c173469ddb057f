"""What every library starts from: the same initial weights, in Keras' order and shapes."""

import zlib

import numpy as np
from workloads import GATES, layer_name, with_input_shapes


def initial_weights(workload):
    """A list of arrays for each layer, in Keras' order; recurrent layers have kernel, recurrent kernel and bias."""
    rng = np.random.default_rng(zlib.crc32(workload.name.encode()) + 1)
    return [_layer_weights(rng, kind, shape, *sizes) for kind, shape, sizes in with_input_shapes(workload)]


def _layer_weights(rng, kind, shape, *sizes):
    features = shape[-1]
    zeros, ones = np.zeros(features, np.float32), np.ones(features, np.float32)
    if kind == "dense":
        return _kernel_and_bias(rng, features, sizes[0])
    if kind == "conv":
        return _kernel_and_bias(rng, sizes[1], sizes[1], features, sizes[0])
    if kind == "depthwise":
        return [_uniform(rng, (sizes[0], sizes[0], features, 1)), zeros]
    if kind == "batch_norm":
        return [ones, zeros, zeros.copy(), ones.copy()]
    if kind == "layer_norm":
        return [ones, zeros]
    if kind == "attention":
        heads = sizes[0], features // sizes[0]
        to_heads, from_heads = (features, *heads), (*heads, features)
        query, key, value, output = (_uniform(rng, (features, features)) for _ in range(4))
        inputs = [[kernel.reshape(to_heads), zeros.reshape(heads)] for kernel in (query, key, value)]
        return [*inputs[0], *inputs[1], *inputs[2], output.reshape(from_heads), zeros]
    if kind in GATES:
        width = GATES[kind] * sizes[0]
        bias = np.zeros((2, width) if kind == "gru" else width, np.float32)
        return [_uniform(rng, (features, width)), _uniform(rng, (sizes[0], width)), bias]
    return []


def _kernel_and_bias(rng, *shape):
    return [_uniform(rng, shape), np.zeros(shape[-1], np.float32)]


def _uniform(rng, kernel):
    taps = int(np.prod(kernel[:-2]))
    bound = np.sqrt(6 / (taps * (kernel[-2] + kernel[-1])))  # Glorot and Bengio (2010)
    return rng.uniform(-bound, bound, kernel).astype(np.float32)


def same_pads(shape, window, stride):
    """((above, below), (left, right)) of an image that is padded as Keras' "same" says."""
    pads = [max((-(-n // stride) - 1) * stride + window - n, 0) for n in shape[:2]]
    return tuple((pad // 2, pad - pad // 2) for pad in pads)


def set_weights(model, weights):
    """Of a model with Keras' API, made by ``workloads.build``."""
    for index, arrays in enumerate(weights):
        if arrays:
            model.get_layer(layer_name(index)).set_weights(arrays)
