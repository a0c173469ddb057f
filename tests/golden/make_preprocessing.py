"""Write preprocessing.npz: what Keras 3 answers to every row of tests/preprocessing_cases.py.

cd tests
KERAS_BACKEND=jax python -m golden.make_preprocessing
"""

import json

import keras
import numpy as np
import preprocessing_cases
from golden import store
from golden.make_golden import plain


def entry(case):
    """Input, output and configuration of a layer."""
    x = case.inputs()
    layer = case.make(keras)
    if case.adapt:
        layer.adapt(x)
    random = layer.__class__.__name__.startswith(("Random", "Solarization", "Equalization"))
    output = layer(x, training=True) if random else layer(x)
    config = plain(keras.saving.serialize_keras_object(layer))
    config["config"].pop("name", None)
    return {"input": x, "output": np.asarray(output), "config": json.dumps(config)}


if __name__ == "__main__":
    store.save("preprocessing", {case.name: entry(case) for case in preprocessing_cases.ROWS})
