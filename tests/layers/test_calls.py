"""How arguments reach call(), and what a call leaves behind."""

import numpy as np
import pytest

import fastnn as keras
from fastnn.layers import mask_passing


def test_settings_reach_call_as_they_are():
    seen = []

    class Layer(keras.layers.Layer):
        def call(self, x, size, scale=1.0, more=None, data=None):
            seen.append((size, scale, more, type(data)))
            return x

    options = object()
    Layer()(np.ones((2, 2)), (4, 4), scale=2, more=options, data=[[True, False]])
    assert seen == [((4, 4), 2, options, np.ndarray)]
    assert type(seen[0][1]) is int


@pytest.mark.parametrize("layer", [keras.layers.Dropout(0.5), keras.Sequential([keras.layers.Dropout(0.5)])])
def test_training_is_given_by_its_name(layer):
    """Keras refuses values that are no tensors without a name, too."""
    with pytest.raises(ValueError, match=r"training=True; received \(True,\)"):
        layer(np.ones((2, 2), np.float32), True)


def test_a_failing_call_leaves_nothing_behind(monkeypatch):
    """The next call is not taken for one inside the one that failed, nor is it in training."""
    dropout, masked = keras.layers.Dropout(0.5), keras.layers.Masking()(np.ones((1, 2, 3), np.float32))

    def fails(value):
        raise RuntimeError("no mask")

    with monkeypatch.context() as patch:
        patch.setattr(mask_passing, "mask_of", fails)
        with pytest.raises(RuntimeError, match="no mask"):
            keras.layers.Dense(1, activity_regularizer="l2")(masked, training=True)
    x = np.ones((4, 4), np.float32)
    np.testing.assert_array_equal(dropout(x), x)
