"""Write functional/: the models of tests/functional_models.py as Keras 3 saves them, their configurations and answers.

cd tests
KERAS_BACKEND=jax python -m golden.make_functional          # all of them
KERAS_BACKEND=jax python -m golden.make_functional shared   # one, beside the others
"""

import json
import pathlib
import sys

import functional_models
import keras
import numpy as np

HERE = pathlib.Path(__file__).parent / "functional"


def inputs_of(model):
    """Random arrays for the inputs, in their order."""
    rng = np.random.default_rng(7)
    return [rng.normal(size=(5, *t.shape[1:])).astype("float32") for t in model.inputs]


def main():
    HERE.mkdir(exist_ok=True)
    names = sys.argv[1:]
    arrays = dict(np.load(HERE / "answers.npz")) if names else {}
    configs = json.loads((HERE / "configs.json").read_text()) if names else {}
    for name in names or functional_models.MODELS:
        keras.utils.clear_session()
        model = functional_models.MODELS[name](keras)
        x = inputs_of(model)
        given = x if len(x) > 1 else x[0]
        given = dict(zip(model.input, x, strict=True)) if isinstance(model.input, dict) else given
        for i, y in enumerate(keras.tree.flatten(model.predict(given, verbose=0))):
            arrays[f"{name}/y{i}"] = y
        arrays |= {f"{name}/x{i}": a for i, a in enumerate(x)}
        configs[name] = keras.saving.serialize_keras_object(model)
        model.save(HERE / f"{name}.keras")
    np.savez_compressed(HERE / "answers.npz", **arrays)
    (HERE / "configs.json").write_text(json.dumps(configs, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
