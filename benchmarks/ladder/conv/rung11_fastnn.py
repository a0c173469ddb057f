"""The library: the same ideas for every size, instruction set and thread count: csrc/conv.c, csrc/winograd.c."""

from functools import partial

import fastnn as keras


def prepare(x, kernel, y):
    """A model of one convolution; a call of what is returned gives a new y, as a batch of one image."""
    model = keras.Sequential([keras.Input(x.shape), keras.layers.Conv2D(kernel.shape[-1], 3, use_bias=False)])
    model.set_weights([kernel])
    return partial(model.predict_on_batch, x[None])
