"""What every library starts from: the same initial weights, in Keras' order and shapes."""

import zlib

import numpy as np


def initial_weights(workload):
    """A list of arrays for each layer: kernel and bias, or gamma, beta, mean and variance, or none."""
    rng = np.random.default_rng(zlib.crc32(workload.name.encode()) + 1)
    return [_layer_weights(rng, kind, shape, *sizes) for kind, shape, sizes in with_input_shapes(workload)]


def with_input_shapes(workload):
    """(kind, shape of one sample at the input, sizes) of each layer."""
    shape = workload.shape
    for kind, *sizes in workload.layers:
        yield kind, shape, sizes
        if kind == "dense":
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
    else:
        return []
    taps = int(np.prod(kernel[:-2]))
    bound = np.sqrt(6 / (taps * (kernel[-2] + kernel[-1])))  # Glorot and Bengio (2010), uniform
    return [rng.uniform(-bound, bound, kernel).astype(np.float32), np.zeros(kernel[-1], np.float32)]


def flat(weights):
    """All arrays in one list, as Keras' ``set_weights`` takes them."""
    return [array for layer in weights for array in layer]
