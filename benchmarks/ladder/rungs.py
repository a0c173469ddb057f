"""The rungs: what each is called, and how its file becomes a function that can be called."""

import ctypes
import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from fastnn.engine import native

HERE = Path(__file__).resolve().parent
CSRC = HERE.parents[1] / "csrc"
BUILD = HERE.parents[1] / "build" / "ladder"


class Rung(NamedTuple):
    file: str  # the same name in matmul/ and conv/
    idea: str  # what differs from the rung below
    all_threads: bool = False
    rows: int | None = None  # of the result, where the whole would take too long
    lists: bool = False  # it gets nested lists instead of arrays
    simd: bool = False  # compiled for the best instruction set of this machine, not for the oldest


RUNGS = (
    Rung("rung01_python.py", "Python loops over lists", rows=2, lists=True),
    Rung("rung02_numpy.py", "NumPy does the inner loops"),
    Rung("rung03_cython.pyx", "rung 1 compiled by Cython", rows=2, lists=True),
    Rung("rung04_typed.pyx", "types, memoryviews"),
    Rung("rung05_c.c", "the same loops in C"),
    Rung("rung06_order.c", "inner loop along memory"),
    Rung("rung07_blocked.c", "blocks"),
    Rung("rung08_simd.c", "SIMD, tile in registers", simd=True),
    Rung("rung09_packed.c", "a panel packed together", simd=True),
    Rung("rung10_openmp.c", "OpenMP shares the panels", simd=True, all_threads=True),
    Rung("rung11_fastnn.py", "fastnn"),
    Rung("rung11_fastnn.py", "fastnn, all threads", all_threads=True),
)


class Subject(NamedTuple):
    """What a ladder computes: result = function(first, second)."""

    name: str
    shapes: tuple[tuple[int, ...], ...]  # of first, second and result
    reference: Callable
    sizes: Callable  # of the three arrays: the integers that the C functions get
    halo: int  # rows of the first array that the result's last row needs beyond its own

    @property
    def flops(self):
        """A multiplication and an addition for each element of the result and each term of its sum."""
        _, second, result = self.shapes
        return 2 * int(np.prod(result)) * int(np.prod(second[:-1]))

    @property
    def bytes(self):
        """What has to be read and written at least."""
        return sum(4 * int(np.prod(shape)) for shape in self.shapes)

    def arrays(self, rows=None):
        """Small integers, whose sums float32 holds exactly; the first rows of the result, with what they need."""
        rng = np.random.default_rng(0)
        first, second = (rng.integers(-2, 3, shape).astype(np.float32) for shape in self.shapes[:2])
        rows = self.shapes[2][0] if rows is None else rows
        return first[: rows + self.halo], second, np.full((rows, *self.shapes[2][1:]), np.nan, np.float32)


def conv_reference(x, kernel):
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (0, 1))
    return np.einsum("ijcrs,rscf->ijf", windows, kernel, optimize=True)


SUBJECTS = (
    Subject("matmul", ((512, 512), (512, 512), (512, 512)), np.matmul, lambda a, b, c: (*c.shape, b.shape[0]), 0),
    Subject("conv", ((34, 34, 64), (3, 3, 64, 128), (32, 32, 128)), conv_reference,
            lambda x, kernel, y: (*y.shape[:2], *kernel.shape[2:]), 2),
)  # fmt: skip


def prepared(subject, rung, arrays):
    """A function without arguments that computes the result and returns it."""
    source = HERE / subject.name / rung.file
    if rung.lists:
        arrays = [array.tolist() for array in arrays]
    if source.suffix == ".c":
        library = ctypes.CDLL(compiled(source, rung))
        sizes = [ctypes.c_ssize_t(size) for size in subject.sizes(*arrays)]
        pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in arrays]  # they keep the arrays
        return returning(arrays[-1], partial(library[subject.name], *pointers, *sizes))
    module = imported(source if source.suffix == ".py" else compiled(source, rung), source.stem)
    if hasattr(module, "prepare"):
        return module.prepare(*arrays)
    return returning(arrays[-1], partial(getattr(module, subject.name), *arrays))


def returning(result, fill):
    """A function that calls `fill`, which writes the result, and returns it."""

    def run():
        fill()
        return result

    return run


def imported(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compiled(source, rung):
    """The shared library of a C file or Cython module, made if it is older than its source."""
    folder = BUILD / source.parent.name
    python = source.suffix == ".pyx"
    target = folder / (source.stem + (sysconfig.get_config_var("EXT_SUFFIX") if python else ".so"))
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        folder.mkdir(parents=True, exist_ok=True)
        translated = translated_to_c(source, folder) if python else source
        subprocess.run([*compiler(), *flags(rung, python), "-o", target, translated], check=True)
    return target


def translated_to_c(source, folder):
    """Cython's translation; beside it the annotated page, which shows the C of each line."""
    target = folder / f"{source.stem}.c"
    subprocess.run([sys.executable, "-m", "cython", "--annotate", "-o", target, source], check=True)
    return target


def compiler():
    return os.environ.get("CC", "cc").split()


def flags(rung, python):
    options = ["-O3", "-fPIC", "-shared"]
    if sys.platform == "darwin":
        options += ["-undefined", "dynamic_lookup"]
    if python:
        options.append(f"-I{sysconfig.get_paths()['include']}")
    if rung.simd:
        options += [*isa_flags(), f"-I{CSRC}", f'-DFNN_ISA_HEADER="isa/{native.isa()}.h"']
    if rung.all_threads:
        options.append("-fopenmp")
    return options


def isa_flags():
    """The compiler's flags for the instruction set that fastnn uses here, from the library's own table."""
    rows = re.findall(r'^FNN_ISA\((\w+), \w+, "([^"]*)"', (CSRC / "isa.def").read_text(), re.MULTILINE)
    return dict(rows)[native.isa()].split()


def check(subject, rung):
    """Compute a few rows and compare with NumPy; a rung with another result raises ValueError."""
    arrays = subject.arrays(rung.rows or 8)
    found = prepared(subject, rung, arrays)()
    with threadpool_limits(1):  # threads that wait for more work would disturb what is timed next
        expected = subject.reference(*(operand.astype(np.float64) for operand in arrays[:2]))
    difference = np.max(np.abs(np.reshape(found, expected.shape) - expected))
    if not difference <= 1e-5 * np.max(np.abs(expected)):
        raise ValueError(f"{subject.name}, {rung.file}: the result differs from NumPy's by {difference}")


def built(subject):
    """The rungs that this machine's compiler can build; the others are reported."""
    for rung in RUNGS:
        source = HERE / subject.name / rung.file
        try:
            if source.suffix != ".py":
                compiled(source, rung)
        except (subprocess.CalledProcessError, FileNotFoundError) as problem:
            print(f"{subject.name}, {rung.file} is left out: {problem}", file=sys.stderr)
        else:
            yield rung
