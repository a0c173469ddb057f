"""Run one program with Keras and with fastnn, and compare everything that can be seen of the two models.

Tolerances are Keras' own: the program runs in Keras three more times, from weights, inputs and optimizer variables
that are off by sixteen roundings (2**-20, each number up or down by chance). What an answer moves by at most is what
rounding can do to this model; two correct float32 implementations, which add in different orders, are no further
apart than a few times that. So an array may differ by `ROUNDINGS` of its largest number and `SPREAD` times the
movement. Where that is more than a hundredth of the array, nothing is shown: such arrays are counted as loose, and
run.py limits their share. Files and configurations must be equal.

Nudged weights do not show every effect of rounding. A gradient may be a sum that vanishes whatever the weights are:
that of a scale before a normalization, or of a bias when a hinge loss has as many samples of one class as of the
other. Ftrl takes the difference of two roots that are nearly the same. What is left is the rounding on the way, and
an optimizer that looks at signs or divides by its size makes whole steps of it. A program that differs is therefore
measured again: Keras runs it `AGAIN` more times with roundings everywhere. On PyTorch, the result of each arithmetic
operation is off by one more rounding, up or down by chance, in gradients and updates too; elsewhere, the result of
each layer by sixteen. A difference beyond six times the movement of these runs is one. run.py says how many programs
were measured again, and names them.
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

NUDGES, AGAIN = 3, 8
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
    again: str = ""  # the difference for which the program was measured again, if it was
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


def with_masked(x, rng):
    """Some steps of sequences as masks look for them, all zeros or all 0.5; at least one stays in each."""
    if (x.ndim != 2 and x.ndim != 3) or (x.ndim == 2 and x.dtype != np.int32):
        return x
    hidden = rng.random(x.shape[:2]) < 0.3
    hidden[np.arange(len(x)), rng.integers(0, x.shape[1], len(x))] = False
    half = rng.random(x.shape[:2]) < 0.5
    x = x.copy()
    x[hidden] = 0
    if x.ndim == 3:
        x[hidden & half] = 0.5
    else:
        x[~hidden & (x == 0)] = 1
    return x


@dataclass
class Data:
    """Arrays for a program, drawn from its seed."""

    x: list
    y: list
    weights: list | None

    @classmethod
    def draw(cls, model, facts, rng):
        rows = 2 * BATCH if model.inputs[0].shape[0] else ROWS  # a fixed batch size has whole batches
        x = [
            rng.integers(0, IDS, (rows, *tensor.shape[1:])).astype("int32")
            if "int" in str(tensor.dtype)
            else rng.normal(size=(rows, *tensor.shape[1:])).astype("float32")
            for tensor in model.inputs
        ]
        if facts["masked"]:
            for i, value in enumerate(x):
                x[i] = with_masked(value, rng)
        outputs = [(rows, *tensor.shape[1:]) for tensor in model.outputs]
        y = [targets_of(kind, shape, rng) for kind, shape in zip(facts["targets"], outputs, strict=True)]
        weights = [rng.uniform(0.5, 2, shape[:-1]).astype("float32") for shape in outputs]
        weights = weights if facts["weighted"] else None
        return cls(x, y, weights)

    def nudged(self, rng):
        x = [np.where(a == 0.5, a, nudge(a, rng)) if a.dtype == np.float32 else a for a in self.x]  # 0.5: masked
        return Data(x, self.y, self.weights)

    def arguments(self):
        """(x, y, sample_weight) as a model takes them: without lists for a single input or output."""
        return tuple(a[0] if a is not None and len(a) == 1 else a for a in (self.x, self.y, self.weights))


def nudge(array, rng):
    """Each number up or down."""
    return (array * (1 + NUDGE * rng.choice([-1, 1], array.shape))).astype(np.float32)


def weights_for(model, rng):
    """The weights that Keras drew, each moved a little, so that no bias is zero and no scale one."""
    moved = []
    for variable in model.weights:
        value = np.array(variable, np.float32)
        value = value + rng.uniform(-0.2, 0.2, value.shape).astype(np.float32)
        moved.append(np.abs(value) + np.float32(0.1) if "variance" in variable.path else value)
    return moved


def make_unsure(model, weights, data):
    """Halve the last weights until no probability is below 1e-4: Keras cuts them at 1e-7, fastnn takes the logits."""
    for _ in range(30):
        model.set_weights(weights)
        answers = model.predict(data.x if len(data.x) > 1 else data.x[0], batch_size=BATCH, verbose=0)
        sure = False
        names = getattr(model, "output_names", [model.layers[-1].name])
        for name, p in zip(names, answers if isinstance(answers, list) else [answers], strict=True):
            kind = getattr(getattr(model.get_layer(name), "activation", None), "__name__", None)
            if (kind == "softmax" and p.min() < 1e-4) or (kind == "sigmoid" and min(p.min(), 1 - p.max()) < 1e-4):
                sure = True
                for i, variable in enumerate(model.weights):
                    if f"{name}/" in variable.path:
                        weights[i] = weights[i] / 2
        if not sure:
            return


# --------------------------------------------------------------------------------------------------- running


def build(text, k, seed):
    """Run the text with a library: its model, and what it says of targets and training."""
    k.utils.clear_session(free_memory=False)
    random.seed(seed)  # from which Keras draws the seeds of its initializers
    names = names_of(k)
    exec(text, names)
    return names["model"], {
        **{name: names[name] for name in ("targets", "weighted", "trains")},
        "masked": "Masking(" in text or "mask_zero=True" in text,
        "stateful": "stateful=True" in text,
    }


def state(variables):
    return [np.array(variable) for variable in variables]


def begin(model, weights, optimizer):
    """Set a model back to its first step."""
    model.set_weights(weights)
    for variable, value in zip(model.optimizer.variables, optimizer, strict=True):
        variable.assign(value)
    model.reset_metrics()
    for layer in model.layers:
        if getattr(layer, "stateful", False):
            layer.reset_state()


def off(tensor, keras, rng, by):
    """A tensor of Keras off by `by`, which stays a probability if it is one."""
    moved = tensor * keras.ops.convert_to_tensor((1 + by * rng.choice([-1, 1], tuple(tensor.shape))).astype(np.float32))
    return keras.ops.where(tensor <= 1, keras.ops.minimum(moved, 1.0), moved)


@contextmanager
def rounded_layers(keras, rng):
    """Inside, the results of all layers of Keras are off by sixteen roundings, each time anew."""
    call = keras.layers.Layer.__call__

    def rounded(tensor):
        if not keras.ops.is_tensor(tensor) or keras.backend.standardize_dtype(tensor.dtype) != "float32":
            return tensor
        moved = off(tensor, keras, rng, NUDGE)
        if (mask := getattr(tensor, "_keras_mask", None)) is not None:
            moved._keras_mask = mask
        return moved

    def rounded_call(layer, *arguments, **options):
        return keras.tree.map_structure(rounded, call(layer, *arguments, **options))

    keras.layers.Layer.__call__ = rounded_call
    try:
        yield
    finally:
        keras.layers.Layer.__call__ = call


def rounded_operations(keras, rng):
    """For Keras on PyTorch: inside, all arithmetic is off by one more rounding, that of gradients and updates too."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class Rounded(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, arguments=(), options=None):
            results = function(*arguments, **(options or {}))
            name = function._schema.name.split("::")[-1]
            inside = name.endswith("_")  # changes its first argument
            view = not inside and any(result.alias_info for result in function._schema.returns)
            if view or not any(word in name for word in ARITHMETIC):
                return results
            for tensor in torch.utils._pytree.tree_leaves(arguments[0] if inside else results):
                if isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float32:
                    tensor.copy_(off(tensor, keras, rng, 2 * UNIT))
            return results

    return Rounded()


# Words in the names of PyTorch's operations that round.
ARITHMETIC = (
    "add", "sub", "mul", "div", "sqrt", "pow", "exp", "log", "tanh", "sigmoid", "mm", "convolution", "sum", "mean",
    "var", "softmax", "softplus", "norm", "erf", "elu", "silu", "lerp", "reciprocal", "sin", "cos", "entropy",
    "pool",
)  # fmt: skip


def answers(model, data, trains):
    """All that a model answers, by name, in order."""
    x, y, weights = data.arguments()
    predicted = model.predict(x, batch_size=BATCH, verbose=0)
    found = {f"predict {i}": a for i, a in enumerate(predicted if isinstance(predicted, list) else [predicted])}
    logs = model.evaluate(x, y, sample_weight=weights, batch_size=BATCH, verbose=0, return_dict=True)
    found |= {f"evaluate {name}": value for name, value in logs.items()}
    if size := model.inputs[0].shape[0]:
        x, y, weights = Data(
            *([a[:size] for a in of] if of else None for of in (data.x, data.y, data.weights))
        ).arguments()
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
    make_unsure(theirs, weights, data)
    for model in (ours, theirs):
        model.set_weights(weights)  # where the averages of some optimizers begin
        model.optimizer.build(model.trainable_variables)
    first = state(theirs.optimizer.variables)

    def run(weights, data, optimizer=first):
        theirs.train_function = theirs.test_function = theirs.predict_function = None  # traced with other numbers
        begin(theirs, weights, optimizer)
        return answers(theirs, data, facts["trains"]), state(theirs.optimizer.variables)

    def nudged_runs(count):
        for _ in range(count):
            optimizer = [nudge(v, rng) if v.dtype == np.float32 else v for v in first]
            yield run([nudge(w, rng) for w in weights], data.nudged(rng), optimizer)

    nudged = list(nudged_runs(NUDGES))
    expected = run(weights, data)
    found = answers(ours, data, facts["trains"]), state(ours.optimizer.variables)
    if keras.backend.backend() == "jax":
        for answer, _ in (found, expected):
            drop_unlike_jax(answer, facts)
    slots = [variable.path.rsplit("_", 1)[-1] for variable in theirs.optimizer.variables]
    numbers = compare_numbers(found, expected, nudged, slots)
    if numbers.differences:
        again = numbers.differences[0]
        rounded = rounded_operations if keras.backend.backend() == "torch" else rounded_layers
        with rounded(keras, rng):
            nudged += nudged_runs(AGAIN)
        begin(theirs, weights, first)
        theirs.train_function = theirs.test_function = theirs.predict_function = None
        numbers = compare_numbers(found, expected, nudged, slots)
        numbers.again = again
    numbers.differences = tally.differences + numbers.differences
    tally = numbers
    with tempfile.TemporaryDirectory() as folder:
        compare_files(tally, ours, theirs, Path(folder), facts["masked"], keras, fastnn)
    return tally


def drop_unlike_jax(answers, facts):
    """Take out what Keras does otherwise on JAX: metrics of training see no mask, and layers keep no state."""
    for what in list(answers):
        metric = what.startswith("step") and not np.ndim(answers[what]) and not what.endswith("loss")
        if facts["stateful"] or (facts["masked"] and metric):
            del answers[what]


def compare_numbers(found, expected, nudged, slots):
    """Compare what fastnn found with what Keras did and what that moves by: pairs of answers and optimizer variables.

    `slots` tells what each variable of the optimizer is. Their names are not compared: they are not in files, and
    Keras leaves some out. The gradient of a bias before a normalization is 0 but for rounding, so the size that
    counts is that of all variables with one meaning: "..._momentum", "..._velocity".
    """
    tally = Tally()
    (mine, my_slots), (theirs, their_slots) = found, expected
    with tally.part():
        if missing := set(mine) ^ set(theirs):
            raise DifferenceError(f"answers of one library alone: {sorted(missing)}")
    with tally.part():
        for what in theirs:
            if what in mine:
                size = 0.0 if np.ndim(theirs[what]) else LOG_SIZE
                tally.close(what, mine[what], theirs[what], [answer[what] for answer, _ in nudged], size)
    with tally.part():
        equal("optimizer", *([list(v.shape) for v in values] for values in (my_slots, their_slots)))
        largest = {}
        for slot, value in zip(slots, their_slots, strict=True):
            largest[slot] = max(largest.get(slot, 0.0), np.abs(value).max(initial=0.0))
        for i, slot in enumerate(slots):
            moved = [values[i] for _, values in nudged]
            tally.close(f"optimizer variable {i} ({slot})", my_slots[i], their_slots[i], moved, largest[slot])
    return tally


def paths(variables):
    return [[variable.path, list(variable.shape)] for variable in variables]


# ----------------------------------------------------------------------------------------------------- files


def config_in(path):
    """The configuration in a file, without what Keras keeps for itself.

    shared_object_id numbers the objects of one saving; Keras on PyTorch has its own class of some optimizers, for which
    it writes another module and a registered_name. Layers in a Pipeline have the batch size that Keras built them with.
    """
    text = zipfile.ZipFile(path).read("config.json").decode()
    text = re.sub(r'"keras\.src\.backend\.torch\.optimizers\.\w+"', '"keras.optimizers"', text)

    def seen(found):
        found.pop("shared_object_id", None)
        if found.get("module") == "keras.optimizers":
            found["registered_name"] = None
        if found.get("class_name") == "Pipeline":
            for layer in found["config"]["layers"]:
                layer.pop("build_config", None)
        return found

    config = json.loads(text, object_hook=seen)
    (config.get("compile_config") or {}).pop("jit_compile", None)  # what "auto" means to the backend
    without_masks(config["config"])
    return config


def without_masks(config):
    """Take out of a model's graph what computes the masks, which Keras writes and computes again when it reads."""
    layers = config.get("layers", [])
    for layer in layers:
        if isinstance(layer.get("config"), dict):
            without_masks(layer["config"])
        for node in layer.get("inbound_nodes", ()):
            if isinstance(node.get("kwargs"), dict):
                node["kwargs"].pop("mask", None)
    read = str([layer.get("inbound_nodes") for layer in layers]) + str(config.get("output_layers"))
    operations = [layer for layer in layers if str(layer.get("module")).startswith("keras.src.ops")]
    unread = [layer for layer in operations if f"['{layer.get('name')}', " not in read]
    for layer in unread:
        layers.remove(layer)
    if unread:
        without_masks(config)


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


def compare_files(tally, ours, theirs, folder, masked, keras, fastnn):
    """Both file formats in both directions: configurations, weights and optimizer, exactly."""
    ours.save(folder / "ours.keras")
    theirs.save(folder / "theirs.keras")
    with tally.part():
        mine, other = config_in(folder / "ours.keras"), config_in(folder / "theirs.keras")
        if masked and "input_layers" in mine["config"]:  # Keras counts what computes masks when it puts layers in order
            for config in (mine, other):
                config["config"]["layers"].sort(key=lambda layer: layer["name"])
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
