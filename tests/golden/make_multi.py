"""Write multi.npz and files/multi.keras: what Keras 3 answers to tests/multi_cases.py.

cd tests
KERAS_BACKEND=jax python -m golden.make_multi
"""

import cases
import keras
import multi_cases
import numpy as np
from golden import store


def main():
    rng = cases.random_of("multi")
    x, y = cases.ladder(rng, (6, 4)), cases.ladder(rng, (6, 3))
    keras.utils.set_random_seed(7)
    trained = multi_cases.model(keras, multi_cases.optimizer(keras))
    tree = {"x": x, "y": y, "initial": trained.get_weights(), "losses": [], "steps": []}
    for _ in range(cases.STEPS):
        tree["losses"].append(np.asarray(trained.train_on_batch(x, y), np.float32))
        tree["steps"].append(trained.get_weights())
    tree["optimizer_variables"] = values(trained.optimizer)
    trained.optimizer.finalize_variable_values(trained.trainable_variables)
    tree["finalized"] = trained.get_weights()
    keras.utils.clear_session()
    saved = multi_cases.model(keras, multi_cases.saved_optimizer(keras))
    saved.train_on_batch(x, y)
    saved.save(store.FOLDER / "files" / "multi.keras")
    tree["file"] = {"optimizer_variables": values(saved.optimizer)}
    tree["file"]["next_loss"] = np.asarray(saved.train_on_batch(x, y), np.float32)
    tree["file"]["next_weights"] = saved.get_weights()
    store.save("multi", {"two": tree})


def values(of):
    return [{"path": v.path, "value": np.array(keras.ops.convert_to_numpy(v))} for v in of.variables]


if __name__ == "__main__":
    main()
