"""What this installation of fastnn is made of and uses."""

from fastnn.engine import native, threads
from fastnn.version import __version__


def show_config() -> None:
    """Print version, compiler, instruction sets, OpenMP and threads: what a bug report needs."""
    rows = {
        "fastnn": __version__,
        "compiler": native.compiler(),
        "instruction sets built": " ".join(native.built_isas()),
        "instruction sets found": " ".join(native.isas()),
        "instruction set used": f"{native.isa()} ({native.lanes()} floats in a vector)",
        "OpenMP": "yes" if native.openmp() else "no",
        "threads": f"{threads.get_num_threads()}: {threads.thread_source()}",
    }
    for name, value in rows.items():
        print(f"{name:24}{value}")
