"""Run one program with Keras and with fastnn, and compare everything that can be seen of the two models.

Tolerances are Keras' own: the program runs in Keras three more times, from weights and inputs that are off by sixteen
roundings (2**-20, each number up or down by chance). What an answer moves by at most is what rounding can do to this
model; two correct float32 implementations, which add in different orders, are no further apart than a few times that.
So an array may differ by `ROUNDINGS` of its largest number and `SPREAD` times the movement. Where that is more than a
hundredth of the array, nothing is shown: such arrays are counted as loose, and run.py limits their share. Files and
configurations must be equal.
"""

import json
import random
import re
import tempfile
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from against_keras.grammar import names_of
from against_keras.table import IDS

NUDGES = 3
ROWS, BATCH, STEPS = 6, 4, 5  # evaluate and predict: one full batch and a smaller one
UNIT = 2.0**-24
NUDGE = 16 * UNIT
ROUNDINGS, SPREAD = 32 * UNIT, 6
LOG_SIZE = 0.25  # at least, of losses and metrics: the logarithm of a probability near 1 is off by UNIT however small


class DifferenceError(AssertionError):
    """The two libraries do not agree."""


@dataclass
class Tally:
    """What was compared."""

    arrays: int = 0
    loose: int = 0
    worst: float = 0.0  # the largest difference in units of what is allowed
    differences: list = field(default_factory=list)

    @contextmanager
    def part(self):
        """One of the comparisons: a difference in it is kept, and the others go on."""
        try:
            yield
        except DifferenceError as difference:
            self.differences.append(str(difference))

    def close(self, what, ours, keras, nudged, size=0.0):
        """Arrays of fastnn and Keras, and Keras' from nudged weights; `size` is that of arrays they belong to."""
        ours, keras, nudged = (np.asarray(a, np.float64) for a in (ours, keras, nudged))
        if ours.shape != keras.shape:
            raise DifferenceError(f"{what}: shape {ours.shape}, Keras {keras.shape}")
        self.arrays += 1
        if not keras.size:
            return
        if not (np.isfinite(keras).all() and np.isfinite(nudged).all()):
            self.loose += 1
            return
        size = max(size, np.abs(keras).max())
        allowed = ROUNDINGS * size + SPREAD * np.abs(nudged - keras).max() + 1e-30
        self.loose += bool(allowed > 0.01 * size and size > 0)
        off = np.abs(ours - keras).max()
        if not off <= allowed:
            at = np.unravel_index(np.argmax(np.abs(ours - keras)), ours.shape)
            raise DifferenceError(
                f"{what}: off by {off:.3g}, allowed {allowed:.3g} (numbers up to {size:.3g}); at {tuple(map(int, at))}"
                f" {ours[at]:.9g}, Keras {keras[at]:.9g}"
            )
        self.worst = max(self.worst, off / allowed)


def equal(what, ours, keras):
    """Trees of dictionaries and lists: the same keys, the same values, floats in float32."""
    if isinstance(keras, dict) and isinstance(ours, dict):
        if ours.keys() != keras.keys():
            raise DifferenceError(f"{what}: keys {sorted(ours)}, Keras {sorted(keras)}")
        for key in keras:
            equal(f"{what}.{key}", ours[key], keras[key])
    elif isinstance(keras, list) and isinstance(ours, list):
        if len(ours) != len(keras):
            raise DifferenceError(f"{what}: {ours}, Keras {keras}")
        for i, (mine, theirs) in enumerate(zip(ours, keras, strict=True)):
            equal(f"{what}[{i}]", mine, theirs)
    elif isinstance(keras, np.ndarray):
        if ours.shape != keras.shape or not np.array_equal(ours, keras, equal_nan=True):
            raise DifferenceError(f"{what}: {ours}, Keras {keras}")
    elif isinstance(keras, float) and isinstance(ours, float):
        if np.float32(ours) != np.float32(keras) and not (np.isnan(ours) and np.isnan(keras)):
            raise DifferenceError(f"{what}: {ours!r}, Keras {keras!r}")
    elif ours != keras or type(ours) is not type(keras):
        raise DifferenceError(f"{what}: {ours!r}, Keras {keras!r}")


# ------------------------------------------------------------------------------------------------------ data


def targets_of(kind, shape, rng):
    """Targets of one kind for outputs of this shape."""
    if kind == "label":
        return rng.integers(0, shape[-1], shape[:-1]).astype("int32")
    if kind == "sequence":
        return rng.integers(1, shape[-1], (shape[0], 2)).astype("int32")
    if kind == "one_hot":
        return np.eye(shape[-1], dtype="float32")[rng.integers(0, shape[-1], shape[:-1])]
    if kind in ("binary", "sign"):
        bits = rng.integers(0, 2, shape).astype("float32")
        return bits if kind == "binary" else 2 * bits - 1
    if kind == "real":
        return rng.normal(size=shape).astype("float32")
    positive = rng.uniform(0.3, 2, shape).astype("float32")
    return positive if kind == "positive" else positive / positive.sum(-1, keepdims=True)


@dataclass
class Data:
    """Arrays for a program, drawn from its seed."""

    x: list
    y: list
    weights: list | None

    @classmethod
    def draw(cls, model, facts, rng):
        x = [
            rng.integers(0, IDS, (ROWS, *tensor.shape[1:])).astype("int32")
            if "int" in str(tensor.dtype)
            else rng.normal(size=(ROWS, *tensor.shape[1:])).astype("float32")
            for tensor in model.inputs
        ]
        outputs = [(ROWS, *tensor.shape[1:]) for tensor in model.outputs]
        y = [targets_of(kind, shape, rng) for kind, shape in zip(facts["targets"], outputs, strict=True)]
        weights = [rng.uniform(0.5, 2, ROWS).astype("float32") for _ in y] if facts["weighted"] else None
        return cls(x, y, weights)

    def nudged(self, rng):
        return Data([nudge(a, rng) if a.dtype == np.float32 else a for a in self.x], self.y, self.weights)

    def arguments(self):
        """(x, y, sample_weight) as a model takes them: without lists for a single input or output."""
        return tuple(a[0] if a is not None and len(a) == 1 else a for a in (self.x, self.y, self.weights))


def nudge(array, rng):
    return (array * (1 + NUDGE * rng.choice([-1, 1], array.shape))).astype(np.float32)


def weights_for(model, rng):
    """The weights that Keras drew, each moved a little, so that no bias is zero and no scale one."""
    moved = []
    for variable in model.weights:
        value = np.array(variable, np.float32)
        value = value + rng.uniform(-0.2, 0.2, value.shape).astype(np.float32)
        moved.append(np.abs(value) + np.float32(0.1) if "variance" in variable.path else value)
    return moved


# --------------------------------------------------------------------------------------------------- running


def build(text, k, seed):
    """Run the text with a library: its model, and what it says of targets and training."""
    k.utils.clear_session(free_memory=False)
    random.seed(seed)  # from which Keras draws the seeds of its initializers
    names = names_of(k)
    exec(text, names)
    return names["model"], {name: names[name] for name in ("targets", "weighted", "trains")}


def state(variables):
    return [np.array(variable) for variable in variables]


def begin(model, weights, optimizer):
    """Set a model back to its first step."""
    model.set_weights(weights)
    for variable, value in zip(model.optimizer.variables, optimizer, strict=True):
        variable.assign(value)
    model.reset_metrics()


def answers(model, data, trains):
    """All that a model answers, by name, in order."""
    x, y, weights = data.arguments()
    predicted = model.predict(x, batch_size=BATCH, verbose=0)
    found = {f"predict {i}": a for i, a in enumerate(predicted if isinstance(predicted, list) else [predicted])}
    logs = model.evaluate(x, y, sample_weight=weights, batch_size=BATCH, verbose=0, return_dict=True)
    found |= {f"evaluate {name}": value for name, value in logs.items()}
    for step in range(STEPS if trains else 0):
        logs = model.train_on_batch(x, y, sample_weight=weights, return_dict=True)
        found |= {f"step {step + 1} {name}": value for name, value in logs.items()}
        for variable, value in zip(model.weights, model.get_weights(), strict=True):
            found[f"step {step + 1} {variable.path}"] = value
    return found


def compare(text, seed, keras, fastnn):
    """Compare all of a program; raises whatever one of the libraries raises."""
    tally = Tally()
    theirs, facts = build(text, keras, seed)
    ours, _ = build(text, fastnn, seed)
    rng = np.random.default_rng(seed)
    with tally.part():
        equal("weights", paths(ours.weights), paths(theirs.weights))
    with tally.part():
        equal("trainable weights", paths(ours.trainable_weights), paths(theirs.trainable_weights))
    with tally.part():
        for mine, other in zip(ours.weights, theirs.weights, strict=True):
            value = np.array(other)
            if len(np.unique(value)) <= 2 < value.size:  # so few values were not drawn at random
                equal(f"initial {other.path}", np.array(mine), value)
    weights = weights_for(theirs, rng)
    data = Data.draw(theirs, facts, rng)
    for model in (ours, theirs):
        model.optimizer.build(model.trainable_variables)
    first = state(theirs.optimizer.variables)
    nudged, nudged_optimizer = [], []
    for _ in range(NUDGES):
        begin(theirs, [nudge(w, rng) for w in weights], first)
        nudged.append(answers(theirs, data.nudged(rng), facts["trains"]))
        nudged_optimizer.append(state(theirs.optimizer.variables))
    begin(theirs, weights, first)
    expected = answers(theirs, data, facts["trains"])
    ours.set_weights(weights)
    found = answers(ours, data, facts["trains"])
    with tally.part():
        if missing := set(found) ^ set(expected):
            raise DifferenceError(f"answers of one library alone: {sorted(missing)}")
    with tally.part():
        for what in expected:
            if what in found:
                size = 0.0 if np.ndim(expected[what]) else LOG_SIZE
                tally.close(what, found[what], expected[what], [each[what] for each in nudged], size)
    with tally.part():
        compare_optimizers(tally, ours, theirs, nudged_optimizer)
    with tempfile.TemporaryDirectory() as folder:
        compare_files(tally, ours, theirs, Path(folder), keras, fastnn)
    return tally


def compare_optimizers(tally, ours, theirs, nudged):
    """The optimizers' variables. Names are not compared: they are not in files, and Keras leaves some out.

    The gradient of a bias before a normalization is 0 but for rounding, so the size that counts is that of all
    variables with one meaning: "..._momentum", "..._velocity".
    """
    equal("optimizer", *([list(v.shape) for v in model.optimizer.variables] for model in (ours, theirs)))
    slots = [variable.path.rsplit("_", 1)[-1] for variable in theirs.optimizer.variables]
    values = state(theirs.optimizer.variables)
    sizes = {slot: max(np.abs(v).max() for s, v in zip(slots, values, strict=True) if s == slot) for slot in slots}
    arrays = zip(slots, state(ours.optimizer.variables), values, zip(*nudged, strict=True), strict=True)
    for i, (slot, *three) in enumerate(arrays):
        tally.close(f"optimizer variable {i} ({slot})", *three, size=sizes[slot])


def paths(variables):
    return [[variable.path, list(variable.shape)] for variable in variables]


# ----------------------------------------------------------------------------------------------------- files


def config_in(path):
    """The configuration in a file, without what Keras keeps for itself.

    shared_object_id numbers the objects of one saving; Keras on PyTorch has its own class of some optimizers.
    """
    text = zipfile.ZipFile(path).read("config.json").decode()
    text = re.sub(r'"keras\.src\.backend\.torch\.optimizers\.\w+"', '"keras.optimizers"', text)
    config = json.loads(text, object_hook=lambda d: {key: d[key] for key in d if key != "shared_object_id"})
    config["compile_config"]["optimizer"]["registered_name"] = None
    return config


# Options that Keras forgets to write, though it reads them: class -> option.
FORGOTTEN = {
    "CosineSimilarity": "axis", "Huber": "delta", "SparseCategoricalCrossentropy": "axis", "Identity": "gain",
}  # fmt: skip


def drop_more(ours, keras):
    """Take out what only our files have: the build_config of layers that Keras writes none for, forgotten options."""
    if isinstance(ours, dict) and isinstance(keras, dict):
        if "build_config" not in keras:
            ours.pop("build_config", None)
        option = FORGOTTEN.get(keras.get("class_name"))
        if option and option not in keras["config"]:
            ours["config"].pop(option, None)
        for key in ours.keys() & keras.keys():
            drop_more(ours[key], keras[key])
    elif isinstance(ours, list) and isinstance(keras, list):
        for mine, theirs in zip(ours, keras, strict=False):
            drop_more(mine, theirs)


def compare_files(tally, ours, theirs, folder, keras, fastnn):
    """Both file formats in both directions: configurations, weights and optimizer, exactly."""
    ours.save(folder / "ours.keras")
    theirs.save(folder / "theirs.keras")
    with tally.part():
        mine, other = config_in(folder / "ours.keras"), config_in(folder / "theirs.keras")
        drop_more(mine, other)
        equal("config.json", mine, other)
    for model, reader, path in ((theirs, fastnn, "theirs.keras"), (ours, keras, "ours.keras")):
        loaded = reader.models.load_model(folder / path)
        for what, of in (("weights", lambda m: m.weights), ("optimizer", lambda m: m.optimizer.variables)):
            with tally.part():
                equal(f"{what} of {path} in {reader.__name__}", state(of(loaded)), state(of(model)))
    for model, reader, path in ((theirs, ours, "theirs.weights.h5"), (ours, theirs, "ours.weights.h5")):
        model.save_weights(folder / path)
        kept = state(model.weights)
        reader.set_weights([np.full_like(w, 7) for w in kept])
        reader.load_weights(folder / path)
        with tally.part():
            equal(f"weights of {path}", state(reader.weights), kept)
        model.set_weights([np.full_like(w, 9) for w in kept])
