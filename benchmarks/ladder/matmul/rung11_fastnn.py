"""The library: the same ideas for every size, instruction set and thread count: csrc/gemm.c, csrc/kernels/gemm.h."""

from functools import partial

import fastnn as keras


def prepare(a, b, c):
    """A model of one dense layer whose kernel is b; a call of what is returned gives a new c = a b."""
    model = keras.Sequential([keras.Input((b.shape[0],)), keras.layers.Dense(b.shape[1], use_bias=False)])
    model.set_weights([b])
    return partial(model.predict_on_batch, a)
