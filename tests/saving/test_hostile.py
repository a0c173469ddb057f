"""The tricks of 17 CVEs of Keras and of others, as files, on every way in: refused, with nothing done."""

import copy
import functools
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from saving.hostile_hdf5 import HOSTILE, made
from saving.hostile_safetensors import HOSTILE as HOSTILE_SAFETENSORS

import fastnn as keras
from fastnn import saving
from fastnn.saving import archive, hdf5, legacy_h5

h5py = pytest.importorskip("h5py")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox measures with /proc and resource limits")

SENTINEL = "/tmp/fastnn-hostile-sentinel"  # nobody may ever make it
CODE = "4wEAAAAAAAAAAAAAAAIAAABDAAAAcwQAAAB0AFMAKQFOKQHaA2ludKkAcgIAAAA="


def base_model():
    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(8, "relu", name="dense"), keras.layers.Dense(3, name="dense_1")],
        name="m",
    )
    model.compile("adam", "mse", metrics=["mae"])
    model.train_on_batch(np.ones((4, 6), np.float32), np.ones((4, 3), np.float32))
    return model


def base_members():
    buffer = io.BytesIO()
    saving.save_model(base_model(), buffer)
    return archive.unpack(buffer.getvalue(), "base")


def packed(members, **changes):
    members = {**members, **changes}
    return b"".join(bytes(piece) for piece in archive.pack(members))


def keras_object(module, class_name, /, **config):
    return {"module": module, "class_name": class_name, "config": config, "registered_name": None}


def hostile_objects():
    """Configurations of things that must not come to life."""
    layers, code = "keras.layers", {"class_name": "__lambda__", "config": {"value": [CODE, None, None]}}
    function = {"class_name": "function", "registered_name": "function"}
    yield "popen", keras_object("subprocess", "Popen", args=["touch", SENTINEL])
    yield "system", {**function, "module": "os", "config": "system"}
    yield "eval", {**function, "module": "builtins", "config": "eval"}
    yield "get_file", {**function, "module": "keras.utils", "config": "get_file"}
    yield "unsafe", {**function, "module": "keras.config", "config": "enable_unsafe_deserialization"}
    yield "lambda code", code
    yield "lambda layer", keras_object(layers, "Lambda", function=code, arguments={})
    yield "old lambda", keras_object(layers, "Lambda", function=[CODE, None, None], function_type="lambda", module="os")
    yield "named lambda", keras_object(layers, "Lambda", function={**function, "module": "os", "config": "system"})
    yield "torch", keras_object(layers, "TorchModuleWrapper", module="gASVIQAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAR0cnVl")
    yield "tfsm", keras_object(layers, "TFSMLayer", filepath="/etc")
    yield "lookup", keras_object(layers, "StringLookup", vocabulary="/etc/passwd")
    yield "url", keras_object(layers, "StringLookup", vocabulary="http://127.0.0.1")
    yield "typespec", {**keras_object("subprocess", "__typespec__"), "spec_name": "Popen", "config": [1]}
    yield "private", keras_object("fastnn.saving.atomic", "write", path=SENTINEL)
    yield "dead node", keras_object("keras.src.models.functional", "Functional", layers=[])


def places(config):
    """(name, list or dict, key) of the places where an object stands, or may stand."""
    yield "top", {"x": config}, "x"
    layers, compiled = config["config"]["layers"], config["compile_config"]
    yield "layer", layers, 1
    yield "input", layers, 0
    for key in ("activation", "kernel_initializer", "kernel_regularizer", "kernel_constraint", "dtype", "name"):
        yield key, layers[1]["config"], key
    for key in ("loss", "optimizer"):
        yield key, compiled, key
    yield "metric", compiled["metrics"], 0
    yield "rate", compiled["optimizer"]["config"], "learning_rate"


def changed(config, path, value):
    config = copy.deepcopy(config)
    inner = config
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return config


DENSE = ("config", "layers", 1)
VALUES = {
    "billion": 10**9, "2**31": 2**31, "2**63": 2**63, "negative": -1, "zero": 0, "true": True, "half": 1.5,
    "string": "3", "null": None, "list": [8], "dict": {"units": 8}, "nine": 9,
}  # fmt: skip


def config_cases(config):
    for name, hostile in hostile_objects():
        for place, _, _ in places(copy.deepcopy(config)):
            target = copy.deepcopy(config)
            _, container, key = next(p for p in places(target) if p[0] == place)
            container[key] = hostile
            yield f"{name} as {place}", container["x"] if place == "top" else target
    for name, value in VALUES.items():
        yield f"units {name}", changed(config, (*DENSE, "config", "units"), value)
    for name in ("..", "a/../../b", "a\\b", "/etc/passwd", "a\0b", "x" * 1_000_000):
        yield f"layer name {name[:10]!r}", changed(config, (*DENSE, "config", "name"), name)
        yield f"model name {name[:10]!r}", changed(config, ("config", "name"), name)
    for key in ("__class__", "__init__", "__dict__", "call", "_layers", "unknown"):
        yield f"key {key}", changed(config, (*DENSE, "config", key), {"a": 1})
    for name, shape in {"billions": [None, 10**9], "negative": [None, -6], "text": "ab", "strings": ["a", "b"]}.items():
        yield f"input {name}", changed(config, ("config", "layers", 0, "config", "batch_shape"), shape)
    dense = config["config"]["layers"][1]
    yield "many layers", changed(config, ("config", "layers"), config["config"]["layers"] + [dense] * 10_000)
    yield "same names", changed(config, ("config", "layers"), [*config["config"]["layers"], dense])
    nested = dense
    for _ in range(40):
        nested = {**config, "config": {**config["config"], "layers": [nested]}}
    yield "nested", changed(config, DENSE, nested)
    yield "no layers", changed(config, ("config", "layers"), [])
    yield "layers missing", {**config, "config": {"name": "m"}}
    yield "layers of text", changed(config, ("config", "layers"), ["Dense"])
    yield "config missing", {k: v for k, v in config.items() if k != "config"}
    big = {
        "module": "keras.layers",
        "class_name": "Conv2D",
        "config": {"filters": 10**5, "kernel_size": [10**5, 10**5]},
    }
    yield "conv bomb", changed(config, ("config", "layers"), [config["config"]["layers"][0], big])
    metric = {
        "module": "keras.metrics",
        "class_name": "AUC",
        "config": {"num_thresholds": 10**9},
        "registered_name": None,
    }
    yield "metric bomb", changed(config, ("compile_config", "metrics"), [metric])
    for name, pattern in {"repeats": "(.*)*x", "choices": "(.|.)*x", "polynomial": ".*" * 500 + "x"}.items():
        adam = keras_object("keras.optimizers", "Adam")
        by_path = {"default_optimizer": adam, "optimizer_map": {pattern: adam}}
        by_path = keras_object("keras.optimizers", "OptimizerMap", **by_path)
        for kind, optimizer in (
            ("map", keras_object("keras.optimizers", "MultiOptimizer", optimizer_map=by_path)),
            ("muon", keras_object("keras.optimizers", "Muon", exclude_layers=[pattern])),
        ):
            yield f"pattern of {kind}, {name} as optimizer", changed(config, ("compile_config", "optimizer"), optimizer)
    yield from dead_operations()


def test_layers_in_the_reverse_order_take_little_time():
    x = keras.Input((1,), name="x")
    y = x
    for i in range(1200):
        y = keras.layers.Activation("relu", name=f"a{i}")(y)
    config = json.loads(keras.Model(x, y).to_json())
    config["config"]["layers"].reverse()
    start = time.process_time()
    model = keras.models.model_from_json(json.dumps(config))
    assert time.process_time() - start < 3
    assert len(model.layers) == 1201


def dead_operations():
    """Models with an operation that leads nowhere, and takes memory or time."""
    inputs = keras.Input((6,), name="x")
    config = json.loads(keras.Model(inputs, keras.layers.Dense(8, name="dense")(inputs)).to_json())
    tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0]}}
    for name, settings, args in (
        ("Ones", {"shape": [6000, 6000]}, []),
        ("Arange", {"start": 0, "stop": 900_000, "step": 1}, []),
        ("Vander", {"N": 900_000}, [tensor]),
        ("Diff", {"n": 900_000}, [tensor]),
        ("OneHot", {"num_classes": 10**9}, [tensor]),
        ("Repeat", {"repeats": 10**10}, [tensor]),
        ("Tile", {"repeats": [10**5, 10**8]}, [tensor]),
        ("Rearrange", {"pattern": "a" * 60 + "! -> b"}, [tensor]),
    ):
        entry = {**keras_object("keras.src.ops.numpy", name, name="dead", **settings), "name": "dead"}
        entry["inbound_nodes"] = [{"args": args, "kwargs": {}}]
        yield f"dead {name}", changed(config, ("config", "layers"), [*config["config"]["layers"], entry])


ONLY_COMPILED = ("as loss", "as optimizer", "as metric", "as rate", "metric bomb")
ONLY_BUILT = ("billion", "2**31", "2**63", "nine", "conv bomb", "input", "no layers", "layers missing", "many layers")
ONLY_BUILT += ("config missing", "dead")


LEGACY_WEIGHTS = ("load_weights", "load_weights by name")  # do not look at configurations


def json_cases():
    yield "yaml", b"!!python/object/new:os.system [true]"
    yield "pickle", b"\x80\x04\x95\x1d\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94."
    yield "nan", b'{"class_name": "Sequential", "config": {"layers": [], "x": NaN}}'
    yield "twice", b'{"class_name": "Sequential", "class_name": "Sequential", "config": {}}'
    yield "deep", b'{"a":' * 100_000
    yield "quotes without an end", b'{"a": "' + b'\\"' * 1_000_000
    yield "digits", b'{"a": ' + b"7" * 5000 + b"}"
    yield "list", b"[]"
    yield "empty", b""


def weight_arrays():
    file = hdf5.WeightsFile(base_members()[archive.WEIGHTS], "base")
    return {path: dict(arrays) for path, arrays in file.groups.items()}


def weight_cases():
    """Weights files that a model of the right configuration gets."""
    for name, fill in HOSTILE.items():
        yield name, made(fill)
    for name, path, key, value in (
        ("other shape", "layers/dense/vars", "0", np.zeros((6, 9), np.float32)),
        ("transposed", "layers/dense/vars", "0", np.zeros((8, 6), np.float32)),
        ("flat", "layers/dense/vars", "0", np.zeros(48, np.float32)),
        ("scalar", "layers/dense/vars", "1", np.float32(0)),
        ("extra array", "layers/dense/vars", "2", np.zeros(3, np.float32)),
        ("other key", "layers/dense/vars", "x", np.zeros(3, np.float32)),
        ("extra group", "layers/dense_7/vars", "0", np.zeros(3, np.float32)),
        ("optimizer shape", "optimizer/vars", "3", np.zeros(3, np.float32)),
    ):
        groups = weight_arrays()
        groups.setdefault(path, {})[key] = value
        yield name, bytes(hdf5.write([(path, {}, arrays) for path, arrays in groups.items()]))
    for path in ("layers/dense/vars", "layers/dense_1/vars"):
        groups = weight_arrays()
        del groups[path]
        yield f"without {path[7:]}", bytes(hdf5.write([(path, {}, arrays) for path, arrays in groups.items()]))
    yield "nothing", made(lambda file: None)
    yield "not hdf5", b"weights"
    yield "empty", b""


def linked_case(depth):
    def fill(file):
        for path, arrays in weight_arrays().items():
            for key, value in arrays.items():
                file[f"{path}/{key}"] = value
        parts = ["layers", "dense", "vars", "0"][: depth + 1]
        del file["/".join(parts)]
        file["/".join(parts)] = (
            h5py.ExternalLink("/etc/hostname", "/x") if depth % 2 else h5py.SoftLink("/layers/dense_1")
        )

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        fill(file)
    return buffer.getvalue()


def legacy(change=lambda groups: groups):
    """The base model in the format of Keras 2; a function may change what is written."""
    return bytes(hdf5.write(change(base_groups())))


@functools.cache
def base_groups():
    return list(legacy_h5.groups(base_model(), "3.0.0", include_optimizer=True))


def with_root(**attributes):
    """A change of the root's attributes, for `legacy`."""
    return lambda groups: [("", {**groups[0][1], **attributes}, {}), *groups[1:]]


def legacy_config(case):
    """An `.h5` file with the configuration of a `.keras` file."""
    case, compiled = dict(case), case.get("compile_config") or {}
    case.pop("compile_config", None)
    training = {**compiled, "optimizer_config": compiled.get("optimizer")}
    return legacy(with_root(model_config=json.dumps(case), training_config=json.dumps(training)))


def legacy_cases():
    """Attributes, lists of names and calls that a whole model in HDF5 must not have."""
    for name, data in json_cases():
        if b"\0" not in data:
            yield f"json {name}", legacy(with_root(model_config=data.decode("latin-1")))
    yield "list of configs", legacy(with_root(model_config=["{}", "{}"]))
    for name, key, value in (
        ("path", "weight_names", ["../dense/m/dense/kernel", "m/dense/bias"]),
        ("absolute", "weight_names", ["/etc/passwd", "m/dense/bias"]),
        ("missing", "weight_names", ["m/dense/kernel", "m/dense/nothing"]),
        ("swapped", "weight_names", ["m/dense/bias", "m/dense/kernel"]),
        ("text", "weight_names", "m/dense/kernel"),
    ):
        yield (
            f"names {name}",
            legacy(
                lambda g, key=key, value=value: [
                    (p, {**a, key: value} if p.endswith("/dense") else a, b) for p, a, b in g
                ]
            ),
        )
    yield "no layers", legacy(lambda g: [(p, {} if p == "model_weights" else a, b) for p, a, b in g])
    yield (
        "layer twice",
        legacy(
            lambda g: [(p, {**a, "layer_names": ["dense", "dense"]} if p == "model_weights" else a, b) for p, a, b in g]
        ),
    )
    data = legacy()
    heap = data.index(b"GCOL")
    for name, at, new in (
        ("heap magic", heap, b"X"),
        ("heap size", heap + 8, b"\xff" * 8),
        ("heap object size", heap + 24, b"\xff" * 8),
        ("heap object number", heap + 16, b"\x77\x77"),
        ("text length", text_reference(data), b"\xff\xff\xff\xff"),
        ("text longer than its object", text_reference(data), (1 << 20).to_bytes(4, "little")),
        ("heap address", text_reference(data) + 4, b"\xff" * 7),
    ):
        yield name, data[:at] + new + data[at + len(new) :]


def text_reference(data):
    """Where the root's `model_config` says how long it is and in which heap: 4 bytes, 8 bytes and a number."""
    name = data.index(b"model_config\0")
    return data.index(data.index(b"GCOL").to_bytes(8, "little"), name) - 4


def write_cases(folder):
    members = base_members()
    config = json.loads(members[archive.CONFIG])
    (folder / "benign.keras").write_bytes(packed(members))
    (folder / "benign.h5").write_bytes(legacy())
    count = 0

    def put(kind, name, data, ending=".keras"):
        nonlocal count
        count += 1
        plain = "".join(sign if sign.isalnum() else "_" for sign in name)[:60]
        (folder / f"{count:04d} {kind} {plain}{ending}").write_bytes(data)

    for name, case in config_cases(config):
        kind = "compiled " * name.endswith(ONLY_COMPILED) or "built " * name.removeprefix("units ").startswith(
            ONLY_BUILT
        )
        put(
            f"{kind}{'bomb' if name.endswith('bomb') else 'config'}",
            name,
            packed(members, **{archive.CONFIG: json.dumps(case).encode()}),
        )
        put(f"{kind}legacy", name, legacy_config(case), ".h5")
    for name, data in json_cases():
        put("json", name, packed(members, **{archive.CONFIG: data}))
        put("json", f"metadata {name}", packed(members, **{archive.METADATA: data}))
    put("json", "keras 2", packed(members, **{archive.METADATA: b'{"keras_version": "2.12"}'}))
    for name, data in (*weight_cases(), *((f"link at {depth}", linked_case(depth)) for depth in range(4))):
        optimizer = "compiled " if name == "optimizer shape" else ""
        put(f"{optimizer}weights", name, packed(members, **{archive.WEIGHTS: data}))
        if not optimizer:
            put("weights", name, data, ".weights.h5")
            put("weights", name, data, ".h5")
    for name, data in legacy_cases():
        put("legacy", name, data, ".h5")
    put("legacy", "archive by another name", packed(members), ".h5")
    put("json", "legacy by another name", legacy())
    for name, data in HOSTILE_SAFETENSORS.items():
        put("weights", name, data, ".safetensors")


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    write_cases(folder)
    before = {path.name: hashlib.sha256(path.read_bytes()).digest() for path in folder.iterdir()}
    program = Path(__file__).with_name("sandbox.py")
    command = [sys.executable, str(program), str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=900, cwd="/")
    after = {path.name: hashlib.sha256(path.read_bytes()).digest() for path in folder.iterdir()}
    assert after == before
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 0, f"after {lines[-1:]}: {run.stderr[-2000:]}"
    assert {line["case"] for line in lines} == set(before) - {"benign.keras", "benign.h5"}
    return lines


def test_everything_is_refused(reports):
    def harmless(report):
        """What only compiling, or the weights beside it, would show has no effect on the other ways in."""
        kind, entry = report["case"].split(" ", 2)[1], report["entry"]
        memory = entry in ("from_config", "deserialize", "deserialize_keras_object", "model_from_json")
        return (
            entry == "from_config"  # a user calls a class: any error will do
            or (
                kind == "compiled"
                and (memory or entry in ("load_model, not compiled", "load_weights", *LEGACY_WEIGHTS))
            )
            or (kind == "built" and memory)
            or (report["case"].endswith(".h5") and "legacy" in report["case"] and entry in LEGACY_WEIGHTS)
            or ("by_another_name" in report["case"] and entry == "file object")  # that has no name
        )

    accepted = [r for r in reports if r["verdict"] != "refused" and not harmless(r)]
    assert not accepted, [(r["case"], r["entry"], r["verdict"], r["message"][:200]) for r in accepted[:20]]
    assert len(reports) > 1000


def test_nothing_forbidden_happens(reports):
    assert [(r["case"], r["entry"], r["events"]) for r in reports if r["events"]] == []
    assert not os.path.exists(SENTINEL)


def test_it_is_quick_and_small(reports):
    loads = [r for r in reports if r["entry"].startswith(("load", "file"))]
    assert [(r["case"], r["seconds"]) for r in loads if r["seconds"] > 1] == []
    assert [(r["case"], r["kilobytes"]) for r in loads if r["kilobytes"] > 64 * 1024] == []


def test_messages_name_the_file_and_stay_short(reports):
    for report in reports:
        if report["verdict"] == "refused" and report["entry"].startswith("load_"):
            assert report["case"] in report["message"] or "must end in" in report["message"]
            assert len(report["message"]) < 2000, report


def test_pipes_and_folders_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.keras")
    (tmp_path / "folder.keras").mkdir()
    for name in ("pipe.keras", "folder.keras"):
        with pytest.raises((saving.ModelFormatError, IsADirectoryError)):
            saving.load_model(tmp_path / name)


def test_saving_a_loaded_model_writes_nowhere_else(tmp_path, monkeypatch):
    """Names that a system may take for places are kept as names."""
    config, opened, original = json.loads(base_members()[archive.CONFIG]), [], os.open
    for name in ("..x", "C:evil", "~root", "%2e%2e", "$HOME", "x.keras:stream", "CON"):
        case = changed(changed(config, ("config", "name"), name), (*DENSE, "config", "name"), name)
        data = packed(base_members(), **{archive.CONFIG: json.dumps(case).encode()})
        model = saving.load_model(io.BytesIO(data))
        assert (model.name, model.layers[0].name) == (name, name)
        opened.clear()
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", lambda path, *args, **kw: opened.append(path) or original(path, *args, **kw))
            model.save(tmp_path / "m.keras")
            model.save_weights(tmp_path / "m.weights.h5")
        assert opened and all(os.path.realpath(path).startswith(str(tmp_path.resolve())) for path in opened), opened
        assert sorted(os.listdir(tmp_path)) == ["m.keras", "m.weights.h5"]


@pytest.mark.parametrize("seed", range(4))
def test_damaged_archives_are_refused_or_unharmed(seed):
    """Bit flips in the whole file: found by the checksums, or without meaning."""
    data = packed(base_members())
    expected = saving.load_model(io.BytesIO(data)).get_weights()
    draw = np.random.default_rng(seed)
    for _ in range(50):
        changed = bytearray(data)
        changed[draw.integers(len(data))] ^= 1 << draw.integers(8)
        try:
            weights = saving.load_model(io.BytesIO(bytes(changed))).get_weights()
        except saving.ModelFormatError:
            continue
        assert all(np.array_equal(a, b) for a, b in zip(weights, expected, strict=True))
    for length in draw.integers(0, len(data), 50):
        with pytest.raises(saving.ModelFormatError):
            saving.load_model(io.BytesIO(data[:length]))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # interrupts in h5py's weak references
def test_ctrl_c_in_a_save_leaves_a_whole_file(tmp_path):
    model = keras.Sequential([keras.Input((300,)), keras.layers.Dense(1000)])
    saves = {"m.keras": model.save, "m.weights.h5": model.save_weights, "m.safetensors": model.save_weights}

    def fill(value):
        for variable in model.variables:
            variable.assign(np.full(variable.shape, value, np.float32))

    def interrupt(number, frame):
        raise KeyboardInterrupt

    fill(-1)
    for name, save in saves.items():
        save(tmp_path / name)
    draw, interrupted, before = np.random.default_rng(0), 0, signal.signal(signal.SIGALRM, interrupt)
    try:
        for step in range(30):
            fill(step)
            name = list(saves)[step % 3]
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0005 + draw.random() * 0.01)
                saves[name](tmp_path / name)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                interrupted += 1
            model.load_weights(tmp_path / name)
            assert len({float(value) for array in model.get_weights() for value in np.unique(array)}) == 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert interrupted
    for name, save in saves.items():
        save(tmp_path / name)
    assert set(os.listdir(tmp_path)) == set(saves)


SAVER = """
import sys, numpy as np, fastnn as keras
model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(256), keras.layers.Dense(64)])
weights = model.get_weights()
for step in range(100000):
    for variable in model.variables:
        variable.assign(np.full(variable.shape, step % 1000, np.float32))
    model.save(sys.argv[1])
    model.save_weights(sys.argv[2])
    print(step, flush=True)
"""


@pytest.mark.parametrize("kills", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_a_killed_save_leaves_a_whole_file(tmp_path, kills):
    draw = np.random.default_rng(kills)
    path, weights_path = tmp_path / "m.keras", tmp_path / "m.weights.h5"
    stale = 0
    for _ in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-c", SAVER, str(path), str(weights_path)], stdout=subprocess.PIPE, text=True
        )
        process.stdout.readline()  # the first save is done
        time.sleep(draw.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        stale += any(name.endswith(".fastnn-tmp") for name in os.listdir(tmp_path))
        model = saving.load_model(path)
        values = {float(value) for array in model.get_weights() for value in np.unique(array)}
        assert len(values) == 1
        model.load_weights(weights_path)
        values = {float(value) for array in model.get_weights() for value in np.unique(array)}
        assert len(values) == 1
    assert stale or kills < 50
    model.save(path)
    model.save_weights(weights_path)
    assert sorted(os.listdir(tmp_path)) == ["m.keras", "m.weights.h5"]
