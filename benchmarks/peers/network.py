"""What every library starts from: the same initial weights, in Keras' order and shapes."""

import zlib

import numpy as np
from workloads import GATES


def initial_weights(workload):
    """A list of arrays for each layer, in Keras' order; recurrent layers have kernel, recurrent kernel and bias."""
    rng = np.random.default_rng(zlib.crc32(workload.name.encode()) + 1)
    return [_layer_weights(rng, kind, shape, *sizes) for kind, shape, sizes in with_input_shapes(workload)]


def with_input_shapes(workload):
    """(kind, shape of one sample at the input, sizes) of each layer."""
    shape = workload.shape
    for kind, *sizes in workload.layers:
        yield kind, shape, sizes
        if kind == "dense" or kind in GATES:
            shape = (sizes[0],)
        elif kind == "conv":
            filters, window, _, padding = sizes
            shape = (*(n if padding == "same" else n - window + 1 for n in shape[:2]), filters)
        elif kind == "pool":
            shape = (shape[0] // sizes[0], shape[1] // sizes[0], shape[2])
        elif kind == "flatten":
            shape = (int(np.prod(shape)),)


def _layer_weights(rng, kind, shape, *sizes):
    if kind == "dense":
        kernel = (shape[0], sizes[0])
    elif kind == "conv":
        kernel = (sizes[1], sizes[1], shape[2], sizes[0])
    elif kind == "batch_norm":
        zeros, ones = np.zeros(shape[-1], np.float32), np.ones(shape[-1], np.float32)
        return [ones, zeros, zeros.copy(), ones.copy()]
    elif kind in GATES:
        width = GATES[kind] * sizes[0]
        bias = np.zeros((2, width) if kind == "gru" else width, np.float32)
        return [_uniform(rng, (shape[1], width)), _uniform(rng, (sizes[0], width)), bias]
    else:
        return []
    return [_uniform(rng, kernel), np.zeros(kernel[-1], np.float32)]


def _uniform(rng, kernel):
    taps = int(np.prod(kernel[:-2]))
    bound = np.sqrt(6 / (taps * (kernel[-2] + kernel[-1])))  # Glorot and Bengio (2010)
    return rng.uniform(-bound, bound, kernel).astype(np.float32)


def flat(weights):
    """All arrays in one list, as Keras' ``set_weights`` takes them."""
    return [array for layer in weights for array in layer]
