"""Run in a process of its own: load hostile files and report, with every forbidden event on record.

Usage: sandbox.py FOLDER; the folder holds cases, one file each, `benign.keras` and `benign.h5`.  One JSON line a case.
"""

import json
import os
import resource
import sys
import time
import warnings

warnings.simplefilter("ignore")

import fastnn as keras  # noqa: E402
from fastnn import saving  # noqa: E402
from fastnn.saving import archive, registry, strict_json  # noqa: E402

FORBIDDEN = (
    "import", "exec", "compile", "marshal.", "pickle.", "code.__new__", "subprocess.", "os.system", "os.exec",
    "os.fork", "os.posix_spawn", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.symlink", "os.link", "os.chmod",
    "os.truncate", "ctypes.", "socket.", "urllib.", "shutil.", "tempfile.", "os.putenv", "os.listdir", "os.scandir",
)  # fmt: skip

events, allowed = [], ""


def record(event, args):
    if event == "open":
        if not isinstance(args[0], int) and os.fsdecode(args[0]) != allowed:
            events.append(f"open {args[0]!r:.200}")
    elif event.startswith(FORBIDDEN):
        if event == "import" and args[0] in sys.modules:
            return
        events.append(f"{event} {args!r:.200}")


def model():
    return keras.Sequential([keras.Input((6,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(3)])


def config_of(path):
    with open(path, "rb") as file:
        return strict_json.parse(archive.unpack(file.read(), "file")[archive.CONFIG], "file")


def entry_points(path):
    """(name, function) for every way in."""
    if path.endswith((".weights.h5", ".safetensors")):
        target = model()
        yield "load_weights", lambda: target.load_weights(path)
        yield "load_model", lambda: saving.load_model(path)
        return
    if path.endswith(".h5"):
        target = model()
        yield "load_weights", lambda: target.load_weights(path)
        yield "load_weights by name", lambda: target.load_weights(path, by_name=True)
    with open(path, "rb") as file:
        data = file.read()
    yield "load_model", lambda: saving.load_model(path)
    yield "load_model, not compiled", lambda: saving.load_model(path, compile=False)
    yield "file object", lambda: saving.load_model(io_of(data))
    if path.endswith(".h5"):
        return
    if "weights" in os.path.basename(path):
        target = model()
        yield "load_weights", lambda: target.load_weights(path)
    if "config" in os.path.basename(path):
        yield "deserialize", lambda: registry.deserialize(config_of(path), "model")
        yield "deserialize_keras_object", lambda: saving.deserialize_keras_object(config_of(path))
        yield "model_from_json", lambda: keras.models.model_from_json(json.dumps(config_of(path)))
        yield "from_config", lambda: keras.Sequential.from_config(config_of(path)["config"])


def io_of(data):
    import io

    return io.BytesIO(data)


def attempt(function):
    start = time.process_time()
    try:
        function()
        return "accepted", "", time.process_time() - start
    except saving.ModelFormatError as error:
        return "refused", str(error), time.process_time() - start
    except BaseException as error:
        return type(error).__name__, str(error)[:200], time.process_time() - start


def main(folder):
    global allowed
    benign = os.path.join(folder, "benign.keras")
    saving.load_model(benign).predict([[0.0] * 6], verbose=0)  # all lazy imports
    attempt(lambda: registry.get("loss", "nothing"))
    attempt(lambda: keras.models.model_from_json(model().to_json()))
    attempt(lambda: model().load_weights("absent.safetensors"))
    attempt(lambda: saving.load_model(__file__))
    attempt(lambda: model().load_weights(benign))
    attempt(lambda: saving.load_model(os.path.join(folder, "benign.h5")))
    cases = sorted(name for name in os.listdir(folder) if not name.startswith("benign"))
    with open("/proc/self/statm") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (1 << 30), -1))
    sys.addaudithook(record)
    settings = dict(keras.config._settings)
    for name in cases:
        path = os.path.join(folder, name)
        allowed = path
        for entry, function in entry_points(path):
            events.clear()
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            verdict, message, seconds = attempt(function)
            if keras.config._settings != settings:
                events.append("settings changed")
            more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
            report = {"case": name, "entry": entry, "verdict": verdict, "message": message, "seconds": seconds}
            print(json.dumps({**report, "kilobytes": more, "events": list(events)}), flush=True)


main(sys.argv[1])
