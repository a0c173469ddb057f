"""Write the golden files: what Keras 3 answers to every row of tests/cases.py. README.md lists the keys.

Needs Keras 3.15 with PyTorch (CPU) and h5py, and JAX for the second command, in an environment of their
own:

    cd tests
    KERAS_BACKEND=torch python -m golden.make_golden          # every family, and configs.json
    KERAS_BACKEND=jax   python -m golden.make_golden          # adds the rows marked torch_differs, compares
    KERAS_BACKEND=torch python -m golden.make_golden files    # files/ and summary.txt
    KERAS_BACKEND=jax   python -m golden.make_golden files    # adds files/*_jax.keras
    KERAS_BACKEND=jax   python -m golden.make_golden spatial  # one of the TABLES with a file of its own

All but the saved models in files/ (they carry the date) is the same, bit for bit, at every run on one
machine.
"""

import inspect
import json
import operator
import sys

import attention_cases
import cases
import keras
import masking_cases
import numpy as np
import ops_cases
import sequence_cases
import spatial_cases
from golden import store
from keras import ops

# --------------------------------------------------------------------------------------- values and gradients


def differentiate(function, arrays, cotangent=None):
    """function(*arrays), and the gradient of sum(function(*arrays) * cotangent(shape)) for each array.

    No cotangent means 1.
    """
    if keras.backend.backend() == "jax":
        import jax

        value, pull = jax.vjp(function, *map(ops.convert_to_tensor, arrays))
        given = np.ones(value.shape, np.float32) if cotangent is None else cotangent(value.shape)
        return np.asarray(value), [np.asarray(gradient) for gradient in pull(ops.convert_to_tensor(given))]
    import torch

    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    value = function(*tensors)
    given = np.ones(value.shape, np.float32) if cotangent is None else cotangent(tuple(value.shape))
    if value.requires_grad:
        value.backward(torch.tensor(given))
    zeros = [np.zeros_like(array) for array in arrays]
    return numpy(value), [numpy(t.grad) if t.grad is not None else z for t, z in zip(tensors, zeros, strict=True)]


def numpy(tensor):
    return np.array(ops.convert_to_numpy(tensor))


def weights_for(rng, variables, scale=0.5):
    """Small random values for the variables of a layer or model, in Keras' order; variances are positive."""
    drawn = [cases.ladder(rng, tuple(variable.shape), scale) for variable in variables]
    return [
        np.abs(array) + np.float32(0.5) if variable.name.endswith("variance") else array
        for variable, array in zip(variables, drawn, strict=True)
    ]


# ----------------------------------------------------------------------------------------------------- layers


def layer_entry(case):
    """One layer: its output and gradients at fixed weights, then five steps of training with a dense head."""
    rng = cases.random_of(case.name)
    x = cases.ladder(rng, case.shape, case.scale)
    if case.dtype != "float32":
        x = rng.integers(0, 9, case.shape).astype(case.dtype) if "int" in case.dtype else x.astype(case.dtype)
    layer = case.make(keras)
    layer.build(case.shape)
    weights = weights_for(rng, layer.weights)
    layer.set_weights(weights)
    entry = {"input": x, "weights": weights} | layer_values(case, rng, layer, x)
    if case.train:
        entry |= training(case, rng, x, weights)
    return entry


def layer_values(case, rng, layer, x):
    """Output and its cotangent, the gradients, the added loss, the weights after a training call."""
    drawn = {}

    def cotangent(shape):
        return drawn.setdefault("cotangent", cases.ladder(rng, tuple(shape)))

    fixed = [variable.value for variable in layer.non_trainable_variables]

    mode = {"training": case.training} if "training" in inspect.signature(layer.call).parameters else {}

    def call(trainable, inputs):
        return layer.stateless_call(trainable, fixed, inputs, **mode)[0]

    arrays = [numpy(variable) for variable in layer.trainable_variables]
    if case.dtype == "float32":
        output, (to_input, *to_weights) = differentiate(lambda x, *ws: call(ws, x), [x, *arrays], cotangent)
        entry = {"output": output, "input_gradient": to_input, "weight_gradients": to_weights}
    elif arrays:
        output, to_weights = differentiate(lambda *ws: call(ws, x), arrays, cotangent)
        entry = {"output": output, "weight_gradients": to_weights}
    else:
        entry = {"output": numpy(call([], x))}
    layer(x, training=case.training)
    if layer.losses:
        entry["added_loss"] = numpy(sum(layer.losses))
    if case.training and layer.non_trainable_weights:
        entry["weights_after_call"] = layer.get_weights()
    return entry | drawn


def training(case, rng, x, weights):
    """Five steps with SGD; the losses are those before each update, with the regularization losses."""
    layer = case.make(keras)
    model = keras.Sequential([keras.Input(case.shape[1:], dtype=case.dtype), layer])
    if len(model.output_shape) > 2:
        model.add(keras.layers.Flatten())
    head = keras.layers.Dense(3)
    model.add(head)
    layer.set_weights(weights)
    head.set_weights(weights_for(rng, head.weights))
    targets = cases.ladder(rng, (len(x), 3))
    initial = head.get_weights()
    model.compile(optimizer=keras.optimizers.SGD(0.05, momentum=0.9), loss="mse")
    losses = [model.train_on_batch(x, targets) for _ in range(cases.STEPS)]
    if not losses[-1] < 4 * losses[0]:
        print(f"{case.name}: training diverges, {losses}")
    return {
        "head": initial,
        "targets": targets,
        "losses": np.float32(losses),
        "trained_weights": model.get_weights(),
    }


def layers():
    return {case.name: layer_entry(case) for case in answered(cases.LAYERS)}


def answered(rows):
    """The rows that this backend answers as the others do."""
    return [case for case in rows if keras.backend.backend() == "jax" or not case.torch_differs]


# ----------------------------------------------------------------------------------------- losses and metrics


def drawn_pair(case, rng):
    """Targets, predictions and sample weights of a loss or metric case; None where there are none."""
    classes = case.shape[-1] if len(case.shape) > 1 else 4
    prediction = cases.values(case.prediction, rng, case.shape, classes)
    target = None
    if case.target is not None:
        target = cases.values(case.target, rng, case.target_shape or case.shape, classes)
    weights = None if case.weights is None else cases.values("positive", rng, case.weights)
    return target, prediction, weights


def loss_entry(case):
    rng = cases.random_of(case.name)
    target, prediction, weights = drawn_pair(case, rng)
    loss = case.make(keras)
    given = {} if weights is None else {"sample_weight": weights}
    value, (gradient,) = differentiate(lambda y: loss(target, y, **given), [prediction])
    return {"y_true": target, "y_pred": prediction, "value": value, "gradient": gradient} | given


def losses():
    return {case.name: loss_entry(case) for case in cases.LOSSES}


def metric_entry(case):
    keras.utils.clear_session()  # automatic names without numbers
    rng = cases.random_of(case.name)
    metric = case.make(keras)
    updates = []
    for _ in range(cases.UPDATES):
        target, prediction, weights = drawn_pair(case, rng)
        update = {"y_pred": prediction} if target is None else {"y_true": target, "y_pred": prediction}
        metric.update_state(*update.values(), **({} if weights is None else {"sample_weight": weights}))
        result = numpy(metric.result())
        updates.append(update | {"result": result} | ({} if weights is None else {"sample_weight": weights}))
    metric.reset_state()
    return {"updates": updates, "result_after_reset": numpy(metric.result()), "name": metric.name}


def metrics():
    return {case.name: metric_entry(case) for case in cases.METRICS}


# ----------------------------------------------------------------------------------- optimizers and schedules


def paths_and_values(variables):
    return [{"path": variable.path, "value": numpy(variable)} for variable in variables]


def optimizer_entry(case):
    keras.utils.clear_session()
    rng = cases.random_of(case.name)
    optimizer = case.make(keras)
    initial = [cases.ladder(rng, shape) for shape in cases.OPTIMIZER_SHAPES]
    names = ("kernel", "bias")
    variables = [keras.Variable(array, name=name) for array, name in zip(initial, names, strict=True)]
    optimizer.build(variables)
    gradients = [[cases.ladder(rng, shape) for shape in cases.OPTIMIZER_SHAPES] for _ in range(cases.STEPS)]
    steps, rates = [], []
    for step in gradients:
        rates.append(float(optimizer.learning_rate))
        optimizer.apply([ops.convert_to_tensor(gradient) for gradient in step], variables)
        steps.append([numpy(variable) for variable in variables])
    own = paths_and_values(optimizer.variables)
    optimizer.finalize_variable_values(variables)
    final = [numpy(variable) for variable in variables]
    return {
        "initial": initial,
        "gradients": gradients,
        "steps": steps,
        "learning_rates": np.float32(rates),
        "optimizer_variables": own,
        "finalized": final,
        "scaled_loss": float(optimizer.scale_loss(1.0)),
    }


def optimizers():
    return {case.name: optimizer_entry(case) for case in answered(cases.OPTIMIZERS)}


def schedules():
    return {
        name: {"values": np.float32([float(make(keras)(step)) for step in cases.SCHEDULE_STEPS])}
        for name, make in cases.SCHEDULES
    }


# --------------------------------------------------------------------- activations, regularizers, constraints


def activation_entry(name, call):
    rng = cases.random_of(name)
    drawn = {}

    def cotangent(shape):
        return drawn.setdefault("cotangent", cases.ladder(rng, tuple(shape)))

    output, (gradient,) = differentiate(lambda x: call(keras, x), [cases.ACTIVATION_GRID], cotangent)
    return {"output": output, "gradient": gradient} | drawn


def activations():
    entries = {name: activation_entry(name, call) for name, call in cases.ACTIVATION_CALLS}
    known = {n for n, f in vars(keras.activations).items() if inspect.isfunction(f)}
    missing = known - set(entries) - {"get", "serialize", "deserialize"}
    assert not missing, f"cases.ACTIVATIONS lacks {missing}"
    return entries


def regularizers():
    entries = {}
    for name, make in cases.REGULARIZERS:
        x = cases.ladder(cases.random_of(name), cases.REGULARIZED_SHAPE)
        value, (gradient,) = differentiate(lambda x, make=make: make(keras)(x), [x])
        entries[name] = {"input": x, "value": value, "gradient": gradient}
    return entries


def constraints():
    entries = {}
    for name, make in cases.CONSTRAINTS:
        x = cases.ladder(cases.random_of(name), cases.CONSTRAINED_SHAPE)
        entries[name] = {"input": x, "output": numpy(make(keras)(ops.convert_to_tensor(x)))}
    return entries


# ----------------------------------------------------------------------------------------------------- models


def compiled(case, weights, optimizer="sgd"):
    model = keras.Sequential([keras.Input(case.shape[1:]), *case.layers(keras)])
    if weights is not None:
        model.set_weights(weights)
    loss = case.loss if isinstance(case.loss, str) else case.loss(keras)
    optimizer = optimizer if isinstance(optimizer, str) else optimizer(keras)
    model.compile(optimizer=optimizer, loss=loss, metrics=list(case.metrics))
    return model


def model_entry(case):
    """One model: data, predictions, evaluation; five steps with each optimizer; each call of fit."""
    rng = cases.random_of(case.name)
    x = cases.ladder(rng, case.shape)
    y = cases.values(case.target, rng, case.target_shape, classes=4)
    rows = cases.values("positive", rng, (len(x),))
    weights = weights_for(rng, compiled(case, None).weights)
    model = compiled(case, weights)
    entry = {
        "x": x,
        "y": y,
        "row_weights": rows,
        "weights": weights,
        "prediction": model.predict(x, verbose=0),
        "evaluation": named_floats(model.evaluate(x, y, batch_size=4, verbose=0, return_dict=True)),
    }
    entry["steps"] = {
        name: model_steps(compiled(case, weights, optimizer), x, y) for name, optimizer in cases.MODEL_OPTIMIZERS
    }
    entry["fits"] = {
        name: model_fit(compiled(case, weights, fit_adam), x, y, rows, given)
        for name, given in cases.FITS
        if "class_weight" not in given or case.target in ("label", "one_hot")
    }
    return entry


def fit_adam(k):
    return k.optimizers.Adam(cases.FIT_RATE)


def named_floats(logs):
    return {name: np.asarray(value, np.float32) for name, value in logs.items()}


def model_steps(model, x, y):
    logs = [model.train_on_batch(x, y, return_dict=True) for _ in range(cases.STEPS)]
    columns = {name: np.float32([log[name] for log in logs]) for name in logs[0]}
    return {"logs": columns, "trained_weights": model.get_weights()}


def model_fit(model, x, y, rows, given):
    given = dict(given)
    if "sample_weight" in given:
        given["sample_weight"] = rows
    if "validation_data" in given:
        half = len(x) // 2
        given["validation_data"] = (x[half:], y[half:])
    history = model.fit(x, y, epochs=cases.FIT_EPOCHS, shuffle=False, verbose=0, **given).history
    return {"history": named_floats(history), "trained_weights": model.get_weights()}


def models():
    return {case.name: model_entry(case) for case in cases.MODELS}


# --------------------------------------------------------------------------------------------- configurations


def configured():
    """Every object of the case tables, by family and name."""
    for case in cases.LAYERS:
        yield f"layers/{case.name}", case.make
    for family in ("LOSSES", "METRICS", "OPTIMIZERS"):
        yield from ((f"{family.lower()}/{case.name}", case.make) for case in getattr(cases, family))
    for family in ("CONFIGURED_LAYERS", "SCHEDULES", "REGULARIZERS", "CONSTRAINTS", "INITIALIZERS"):
        prefix = family.lower().removeprefix("configured_")
        yield from ((f"{prefix}/{name}", make) for name, make in getattr(cases, family))


def configuration(make):
    keras.utils.clear_session()
    thing = make(keras)
    config = thing.get_config()
    config.pop("name", None)
    return {"class_name": type(thing).__name__, "config": json.loads(json.dumps(config, default=plain))}


def plain(value):
    """JSON of what a configuration may hold besides JSON's own types."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return keras.saving.serialize_keras_object(value)


def signature(thing):
    """[[argument, default], ...] of a class or function; a required one stands alone, * and ** stay."""
    rows = []
    for parameter in inspect.signature(thing).parameters.values():
        stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        default = [] if parameter.default is parameter.empty else [parameter.default]
        rows.append([stars + parameter.name, *default])
    return json.loads(json.dumps(rows, default=repr))


MODULES = (
    "layers losses metrics optimizers optimizers.schedules activations regularizers constraints initializers callbacks"
)
METHODS = (
    "__init__ compile fit evaluate predict train_on_batch test_on_batch predict_on_batch summary save "
    "save_weights load_weights add pop get_layer"
)


def signatures():
    """The signature of every public class and function of MODULES, and of METHODS of Sequential."""
    for path in MODULES.split():
        module = operator.attrgetter(path)(keras)
        for name, thing in sorted(vars(module).items()):
            if not name.startswith("_") and callable(thing):
                yield f"{path}.{name}", signature(thing)
    for name in METHODS.split():
        yield f"Sequential.{name}", signature(getattr(keras.Sequential, name))


def write_configs():
    """configs.json, one line an object."""
    sections = {
        "configs": {name: configuration(make) for name, make in configured()},
        "signatures": dict(signatures()),
    }
    lines = []
    for section, entries in sections.items():
        body = ",\n".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items())
        lines.append(f"{json.dumps(section)}: {{\n{body}\n}}")
    versions = f'"keras": {json.dumps(keras.__version__)}'
    (store.FOLDER / "configs.json").write_text("{\n" + ",\n".join([versions, *lines]) + "\n}\n")


# ------------------------------------------------------------------------------------------------------ files

FILE_MODELS = {
    "mlp": (
        (6,),
        "sparse_categorical_crossentropy",
        lambda k: [
            k.layers.Dense(8, activation="relu"),
            k.layers.Dropout(0.0),
            k.layers.Dense(3, activation="softmax"),
        ],
    ),
    "convnet": (
        (8, 8, 3),
        "sparse_categorical_crossentropy",
        lambda k: [
            k.layers.Conv2D(4, 3, activation="relu"),
            k.layers.MaxPooling2D(2),
            k.layers.BatchNormalization(),
            k.layers.Dropout(0.25),
            k.layers.Flatten(),
            k.layers.Dense(3, activation="softmax"),
        ],
    ),
}


def write_files():
    """Models saved by Keras, their predictions, their weights one step later; summary.txt of the conv-net."""
    is_torch = keras.backend.backend() == "torch"
    tree = {} if is_torch else store.load("files/files")
    for name, (shape, loss, layers_of) in FILE_MODELS.items():
        keras.utils.clear_session()
        keras.utils.set_random_seed(7)
        rng = cases.random_of(f"files/{name}")
        x, y = cases.ladder(rng, (6, *shape)), cases.values("label", rng, (6,), 3)
        model = keras.Sequential([keras.Input(shape), *layers_of(keras)], name=name)
        model.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss, metrics=["accuracy"])
        for _ in range(3):
            model.train_on_batch(x, y)
        stem = name if is_torch else f"{name}_{keras.backend.backend()}"
        for ending in (".keras", ".h5") if is_torch else (".keras",):
            model.save(store.FOLDER / "files" / f"{stem}{ending}")
        if is_torch:
            model.save_weights(store.FOLDER / "files" / f"{stem}.weights.h5")
        if stem == "convnet":
            model.summary(line_length=80, print_fn=(store.FOLDER / "summary.txt").write_text)
        tree[stem] = saved_entry(model, x, y)
    store.save("files/files", tree)


def saved_entry(model, x, y):
    """What the saved model holds and predicts; without dropout, also the next step of its optimizer."""
    entry = {"x": x, "y": y, "weights": model.get_weights(), "prediction": model.predict(x, verbose=0)}
    entry["optimizer_variables"] = paths_and_values(model.optimizer.variables)
    if model.name == "mlp":
        loss = model.train_on_batch(x, y)[0]
        entry |= {"next_loss": np.asarray(loss, np.float32), "next_weights": model.get_weights()}
    return entry


# ------------------------------------------------------------------------------------------------------ check

FAMILIES = (layers, losses, metrics, optimizers, schedules, activations, regularizers, constraints, models)


def leaves(node, path=""):
    """(path, array) of every array of a tree."""
    if isinstance(node, np.ndarray | np.generic):
        yield path, np.asarray(node)
    elif isinstance(node, dict | list):
        children = node.items() if isinstance(node, dict) else enumerate(node)
        for key, child in children:
            yield from leaves(child, f"{path}/{key}")


def compare(family, ours, theirs):
    """Print the arrays of two trees that differ by more than float32 rounding explains."""
    ours, theirs = dict(leaves(ours)), dict(leaves(theirs))
    for path in sorted(ours.keys() | theirs.keys()):
        a, b = ours.get(path), theirs.get(path)
        if a is None or b is None or a.shape != b.shape:
            print(f"{family}{path}: shapes {np.shape(a)}, {np.shape(b)}")
        elif not np.allclose(a, b, rtol=2e-4, atol=2e-5, equal_nan=True):
            with np.errstate(invalid="ignore"):
                print(f"{family}{path}: differs by {np.max(np.abs(a - b)):.3g}")


def cross_check():
    """With another backend: take the rows marked torch_differs from it, print where else it disagrees."""
    for family in FAMILIES:
        tree, golden = family(), store.load(family.__name__)
        if family in (layers, optimizers):
            rows = getattr(cases, family.__name__.upper())
            golden |= {case.name: tree[case.name] for case in rows if case.torch_differs}
            store.save(family.__name__, {case.name: golden[case.name] for case in rows})
        compare(family.__name__, tree, golden)


# Tables of layers with a golden file of their own, which holds their configurations too.
TABLES = {
    "spatial": spatial_cases.CASES,
    "sequence": sequence_cases.CASES,
    "attention": attention_cases.TABLE,
    "ops": ops_cases.TABLE,
    "images": ops_cases.IMAGES,
    "masking": masking_cases.MODELS,
}


def several_inputs_entry(name, make, shapes, call):
    """A layer on several inputs: its output, and the gradients for inputs and weights."""
    rng = cases.random_of(name)
    inputs = [cases.ladder(rng, shape) for shape in shapes]
    layer = make(keras)
    call(layer, *inputs)
    weights = weights_for(rng, layer.weights)
    layer.set_weights(weights)
    cotangent = cases.ladder(rng, tuple(call(layer, *inputs).shape))

    def value(*arrays):
        with keras.StatelessScope(list(zip(layer.weights, arrays[len(inputs) :], strict=True))):
            return call(layer, *arrays[: len(inputs)])

    output, found = differentiate(value, [*inputs, *weights], lambda shape: cotangent)
    return {"inputs": inputs, "weights": weights, "output": output, "cotangent": cotangent, "gradients": found}


def function_entry(name, call, inputs):
    """A function of keras.ops: its output, and the gradients for its inputs where all are floats."""
    rng = cases.random_of(f"ops/{name}")
    arrays = [ops_cases.drawn(kind, rng, shape) for shape, kind in inputs]
    output = numpy(call(keras, *map(ops.convert_to_tensor, arrays)))
    if any(array.dtype != np.float32 for array in arrays) or output.dtype.kind != "f":
        return {"inputs": arrays, "output": output.astype(np.float32)}
    cotangent = cases.ladder(rng, output.shape)
    try:
        _, found = differentiate(lambda *xs: call(keras, *xs), arrays, lambda shape: cotangent)
    except RuntimeError as error:  # PyTorch has no derivative for it
        print(f"{name}: {error}")
        return {"inputs": arrays, "output": output}
    return {"inputs": arrays, "output": output, "cotangent": cotangent, "gradients": found}


def masked_entry(case):
    """A model with masks: its prediction, evaluation, gradients at fixed weights, five steps of SGD; JAX only."""
    import jax

    keras.utils.clear_session()
    x, y, sample_weight = case.data()
    given = x if len(x) > 1 else x[0]
    model = case.compiled(keras)
    weights = weights_for(cases.random_of(case.name), model.weights)
    model.set_weights(weights)
    fixed = [variable.value for variable in model.non_trainable_variables]

    def loss(trainable):
        y_pred, _, losses = model.stateless_call(trainable, fixed, given, training=True, return_losses=True)
        return model.compute_loss(None, y, y_pred, sample_weight) + sum(losses)

    gradients = jax.grad(loss)([variable.value for variable in model.trainable_variables])
    entry = {
        "weights": weights,
        "prediction": model.predict(given, verbose=0),
        "gradients": list(map(numpy, gradients)),
    }
    options = {} if sample_weight is None else {"sample_weight": sample_weight}
    entry["evaluation"] = named_floats(model.evaluate(given, y, verbose=0, return_dict=True, **options))
    model.reset_metrics()
    logs = [model.train_on_batch(given, y, return_dict=True, **options) for _ in range(cases.STEPS)]
    entry["losses"] = np.float32([log["loss"] for log in logs])  # the metrics see no mask while JAX trains
    return entry | {"trained_weights": model.get_weights()}


def masked_file():
    """files/masked.keras, where the mask is an operation of the graph, and what it predicts."""
    keras.utils.clear_session()
    case = next(case for case in masking_cases.MODELS if case.name == "lstm")
    model = case.compiled(keras)
    model.save(store.FOLDER / "files" / "masked.keras")
    return {"weights": model.get_weights(), "prediction": model.predict(case.data()[0][0], verbose=0)}


def write_tables(names):
    for name in names:
        if name == "masking":
            entries = {case.name: masked_entry(case) for case in masking_cases.MODELS}
            store.save(name, entries | {"file": masked_file()})
            continue
        if name in ("ops", "images"):
            store.save(name, {row[0]: function_entry(*row) for row in TABLES[name]})
            continue
        if name == "attention":
            entries = {row[0]: several_inputs_entry(*row) for row in TABLES[name]}
        else:
            entries = {c.name: layer_entry(c) | {"configuration": configuration(c.make)} for c in TABLES[name]}
        if name == "sequence":
            entries |= {n: {"configuration": configuration(make)} for n, make in sequence_cases.CONFIGURED}
        store.save(name, entries)


def main():
    if set(sys.argv[1:]) & set(TABLES):
        write_tables(sys.argv[1:])
    elif sys.argv[1:] == ["files"]:
        write_files()
    elif keras.backend.backend() == "torch":
        for family in FAMILIES:
            store.save(family.__name__, family())
        write_configs()
    else:
        cross_check()


if __name__ == "__main__":
    main()
