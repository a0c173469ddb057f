"""Published programs of keras.io in Keras and in fastnn: only their imports change, and they learn as well.

    make test-keras-programs                         all of them
    make test-keras-programs ARGS="autoencoder"      one of them

Each program names its page and leaves `score`, its final number. Weights begin at random, and dropout is random, so the
scores of the two libraries are no nearer to each other than those of two runs of one: `APART` is what is allowed.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
APART = {  # name -> by how much the scores may differ: accuracies, an AUC, and a mean squared error
    "mnist_convnet": 0.02,
    "autoencoder": 0.004,
    "addition_rnn": 0.08,
    "text_classification": 0.05,
    "timeseries_classification": 0.05,
    "imbalanced_classification": 0.05,
    "image_classification": 0.05,
}
PREPARE = "import {0}; {0}.utils.set_random_seed(1)"


def source(name, library):
    """The text of a program for a library, and the lines that are not the original's."""
    text = (HERE / f"{name}.py").read_text()
    if library == "keras":
        return text, []
    changed = re.sub(r"^import keras$", "import fastnn as keras", text, flags=re.M)
    changed = re.sub(r"^from keras\b", "from fastnn", changed, flags=re.M)
    pairs = zip(text.splitlines(), changed.splitlines(), strict=True)
    return changed, [after for before, after in pairs if before != after]


def run(name, library):
    """Run one program in this process; its score and seconds are the last line."""
    sys.path.insert(0, str(HERE))
    exec(PREPARE.format(library))
    text, _ = source(name, library)
    names = {"__name__": "__main__"}
    began = time.perf_counter()
    exec(compile(text, f"{name}.py", "exec"), names)
    print(f"score {float(names['score'])} {time.perf_counter() - began}")


def outcome(name, library):
    """(score, seconds) of a program, run in a process of its own."""
    command = [sys.executable, __file__, name, "--library", library]
    output = subprocess.run(command, capture_output=True, text=True)
    if output.returncode:
        sys.exit(f"{name} with {library}:\n{output.stderr[-3000:]}")
    _, score, seconds = output.stdout.splitlines()[-1].split()
    return float(score), float(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(APART), metavar="name", help=", ".join(APART))
    parser.add_argument("--library", choices=("keras", "fastnn"), help="run the program with one library, here")
    options = parser.parse_args()
    if options.library:
        run(options.names[0], options.library)
        return
    failed = []
    for name in options.names:
        (theirs, theirs_s), (ours, ours_s) = (outcome(name, library) for library in ("keras", "fastnn"))
        _, lines = source(name, "fastnn")
        print(f"{name}: Keras {theirs:.4f} in {theirs_s:.1f} s, fastnn {ours:.4f} in {ours_s:.1f} s")
        print(f"    changed: {'; '.join(lines)}", flush=True)
        if not abs(ours - theirs) <= APART[name]:
            failed.append(f"{name}: scores {theirs:.4f} and {ours:.4f} are more than {APART[name]} apart")
    if failed:
        sys.exit("\n".join(failed))


if __name__ == "__main__":
    os.environ.setdefault("KERAS_BACKEND", "jax")
    main()
