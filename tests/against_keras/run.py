"""Random models in Keras and in fastnn: no difference but rounding.

    make test-keras ARGS="--models 1000 --seed 0"      programs of the seeds 0..999, and the fixed ones
    make test-keras ARGS="--seed 17 --models 1"        one of them again, its text printed

Seeds belong to the tables as they are (table.py, grammar.py): a repaired difference is kept as a text, in fixed.py.
"""

import argparse
import os
import subprocess
import sys
import time
import traceback
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from against_keras.fixed import FIXED, NOT_ON_PYTORCH

os.environ.setdefault("KERAS_BACKEND", "jax")
# Programs run a few times only: what XLA's optimizer gains, its own time takes. One thread, for two processes run.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true --xla_cpu_multi_thread_eigen=false",
)
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
LOOSE_SHARE = 0.05


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=100, help="how many programs")
    parser.add_argument("--seed", type=int, default=0, help="the first program's seed")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--fixed", action="store_true", help="the fixed programs alone")
    parser.add_argument("--part", type=int, help=argparse.SUPPRESS)  # of the jobs: this process is one
    return parser.parse_args()


def programs(options):
    """(name, seed, text or None) of all programs; a text that is None belongs to the seed."""
    if options.models > 1 or options.fixed:
        fixed = FIXED | (NOT_ON_PYTORCH if os.environ["KERAS_BACKEND"] == "jax" else {})
        yield from ((f"fixed program {name!r}", 0, text) for name, text in fixed.items())
    if not options.fixed:
        yield from ((f"seed {seed}", seed, None) for seed in range(options.seed, options.seed + options.models))


def work(options):
    """Compare this process' programs; print a paragraph for each with differences, and a last line with counts."""
    import keras
    from against_keras import grammar
    from against_keras.compare import compare

    import fastnn

    warnings.simplefilter("ignore")
    mine = list(programs(options))[options.part :: options.jobs]
    arrays = loose = failures = measured_again = 0
    worst = 0.0
    for count, (name, seed, text) in enumerate(mine, 1):
        try:
            text = text or grammar.program(seed, fastnn)
            tally = compare(text, seed, keras, fastnn)
            arrays, loose, worst = arrays + tally.arrays, loose + tally.loose, max(worst, tally.worst)
            differences = tally.differences
            measured_again += bool(tally.again)
            if tally.again and not differences:
                print(f"{name}: rounding alone, measured again ({tally.again})", flush=True)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            differences = [f"{type(error).__name__}: {str(error)[:300]} ({place.filename}:{place.lineno})"]
        if differences or options.models == 1:
            print(f"\n{name}\n{text}")
            print("\n".join(f"--- {name}: {difference}" for difference in differences), flush=True)
        if differences:
            failures += 1
            again = "--fixed" if name.startswith("fixed") else f"--seed {seed} --models 1"
            print(f'    again: make test-keras ARGS="{again}"', flush=True)
        if count % 50 == 0:
            forget()
    print(f"counts {len(mine)} {arrays} {loose} {failures} {measured_again} {worst:.3g}", flush=True)


def forget():
    """Let JAX drop the programs that it compiled."""
    if os.environ["KERAS_BACKEND"] == "jax":
        import jax

        jax.clear_caches()


def main():
    options = parse()
    if options.part is not None:
        work(options)
        return
    began = time.time()
    commands = [[sys.executable, __file__, *sys.argv[1:], "--part", str(part)] for part in range(options.jobs)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    counts = []
    for process in processes:
        for line in process.stdout:
            if line.startswith("counts "):
                counts.append([float(word) for word in line.split()[1:]])
            else:
                print(line, end="", flush=True)
        process.wait()
    if len(counts) < len(processes):
        sys.exit("a process broke off")
    models, arrays, loose, failures, measured_again, _ = (sum(column) for column in zip(*counts, strict=True))
    print(
        f"{models:.0f} models, {failures:.0f} with differences, {measured_again:.0f} measured again;"
        f" {arrays:.0f} arrays compared, {loose:.0f} loose,"
        f" the others apart by at most {max(count[-1] for count in counts):.2f} of what is allowed"
        f" ({time.time() - began:.0f} s)"
    )
    sys.exit(bool(failures) or loose > LOOSE_SHARE * arrays)


if __name__ == "__main__":
    main()
