"""What an import costs: a statement in fresh interpreters, timed there."""

import os
import statistics
import subprocess
import sys

FIRST_MODEL = (
    "model = fastnn.Sequential([fastnn.Input((784,)), fastnn.layers.Dense(10, activation='softmax')]);"
    "model.compile('adam', 'sparse_categorical_crossentropy')"
)
STATEMENTS = {  # what: (what is imported before, what is timed)
    "import numpy": ("pass", "import numpy"),
    "import fastnn beyond NumPy's": ("import numpy", "import fastnn"),
    "first model beyond the import": ("import numpy, fastnn", FIRST_MODEL),
}
RUNS = 9
WITH_BYTECODE = {"PYTHONDONTWRITEBYTECODE": ""}  # as pip installs: what is compiled once is not compiled again


def import_seconds(what, folder):
    """The median and the least of a few runs, each in an interpreter started in a folder that holds fastnn."""
    before, statement = STATEMENTS[what]
    program = f"import time\n{before}\nt = time.perf_counter()\n{statement}\nprint(time.perf_counter() - t)"
    options = {"capture_output": True, "text": True, "check": True, "cwd": folder}
    options["env"] = {**os.environ, **WITH_BYTECODE}
    taken = [float(subprocess.run([sys.executable, "-c", program], **options).stdout) for _ in range(RUNS)]
    return statistics.median(taken), min(taken)
