"""Builds the one extension module, ``fastnn.engine.native``.

``csrc/kernels.c`` is compiled once for each row of ``csrc/isa.def`` that belongs to this family of CPUs, with
the row's flags; everything else is compiled once, for the baseline CPU. Environment:
``FASTNN_SANITIZE=address,undefined`` builds with these sanitizers.
"""

import os
import platform
import re
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.modified import newer_group

CSRC = Path("csrc")
KERNELS = CSRC / "kernels.c"
SOURCES = sorted(str(path) for path in CSRC.glob("*.c") if path != KERNELS)
HEADERS = sorted(str(path) for path in CSRC.rglob("*") if path.suffix in (".h", ".def"))
COMPILE_JOBS = 2

ISA_ROW = re.compile(r'^FNN_ISA\((\w+), (\w+), "([^"]*)", "([^"]*)",', re.MULTILINE)
FAMILIES = {"x86_64": "x86", "amd64": "x86", "aarch64": "arm64", "arm64": "arm64"}

OPENMP_PROGRAM = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n"


class Isa(NamedTuple):
    """One row of isa.def."""

    name: str
    family: str
    unix_flags: list[str]
    msvc_flags: list[str]


class Flags(NamedTuple):
    """What every file is compiled and linked with."""

    compile: list[str]
    link: list[str]


def isas(machine: str) -> list[Isa]:
    """Return the rows of isa.def for this machine, e.g. ``"x86_64"``."""
    rows = [Isa(name, family, gnu.split(), msvc.split()) for name, family, gnu, msvc in read_isa_rows()]
    return [row for row in rows if row.family in ("any", FAMILIES.get(machine))]


def read_isa_rows() -> list[tuple[str, str, str, str]]:
    """Return the fields of every row of isa.def but the last, which is for dispatch.c."""
    return ISA_ROW.findall((CSRC / "isa.def").read_text())


def base_flags(msvc: bool) -> Flags:
    """Return the flags that need no test."""
    if msvc:
        return Flags(["/O2", "/std:c11", "/experimental:c11atomics", "/Zc:preprocessor"], [])
    sanitizers = os.environ.get("FASTNN_SANITIZE")
    if sanitizers:
        instrument = [f"-fsanitize={sanitizers}", "-fno-omit-frame-pointer"]
        checks = ["-O1", "-g", "-std=c11", "-fvisibility=hidden", "-fno-sanitize-recover=all"]
        return Flags(instrument + checks, instrument)
    strip = [] if sys.platform == "darwin" else ["-Wl,-s"]
    return Flags(["-O3", "-g0", "-std=c11", "-fvisibility=hidden", "-Wall", "-Wextra"], strip)


def openmp_candidates(msvc: bool) -> list[Flags]:
    """Return the flags that may switch OpenMP on, the likeliest first."""
    if msvc:
        return [Flags(["/openmp"], [])]
    if sys.platform != "darwin":
        return [Flags(["-fopenmp"], ["-fopenmp"])]
    prefixes = [
        os.environ.get("LIBOMP_PREFIX", sys.prefix),
        "/opt/homebrew/opt/libomp",
        "/usr/local/opt/libomp",
    ]
    return [
        Flags(["-Xpreprocessor", "-fopenmp", f"-I{prefix}/include"], [f"-L{prefix}/lib", "-lomp"])
        for prefix in prefixes
        if Path(prefix, "include", "omp.h").exists()
    ]


def machine_name(plat_name: str) -> str:
    """Return the CPU that is compiled for: ``"x86_64"`` of ``"linux-x86_64"`` or ``"macosx-11.0-x86_64"``."""
    return "amd64" if plat_name == "win-amd64" else re.split(r"[-.]", plat_name)[-1].lower()


class BuildExtension(build_ext):
    """Adds the tested flags and the kernel objects to the extension, and compiles files side by side."""

    def build_extension(self, ext: Extension) -> None:
        """Compile the kernels for each ISA, then the extension, unless it is newer than its sources."""
        if not self.force and not newer_group(ext.sources + ext.depends, self.get_ext_fullpath(ext.name)):
            return
        msvc = self.compiler.compiler_type == "msvc"
        base, openmp = base_flags(msvc), self.find_openmp(msvc)
        flags = Flags(base.compile + openmp.compile, base.link + openmp.link)
        ext.extra_compile_args, ext.extra_link_args = flags.compile, flags.link
        with ThreadPoolExecutor(COMPILE_JOBS) as pool:
            self.compile_in(pool)
            rows = isas(machine_name(self.plat_name))
            ext.extra_objects = [self.compile_kernels(row, msvc, flags.compile) for row in rows]
            super().build_extension(ext)

    def compile_in(self, pool: ThreadPoolExecutor) -> None:
        """Make the compiler hand a list of sources to the pool, one file a job."""
        compile_list = self.compiler.compile

        def compile_side_by_side(sources: list[str], *args, **kwargs) -> list[str]:
            jobs = [pool.submit(compile_list, [source], *args, **kwargs) for source in sources]
            return [object_file for job in jobs for object_file in job.result()]

        self.compiler.compile = compile_side_by_side

    def compile_kernels(self, isa: Isa, msvc: bool, flags: list[str]) -> str:
        """Compile kernels.c with the flags of one ISA, into a folder of its own; return the object's path."""
        (object_file,) = self.compiler.compile(
            [str(KERNELS)],
            output_dir=str(Path(self.build_temp, isa.name)),
            macros=[("FNN_ISA", isa.name)],
            include_dirs=[str(CSRC)],
            extra_postargs=flags + (isa.msvc_flags if msvc else isa.unix_flags),
            depends=HEADERS,
        )
        return object_file

    def find_openmp(self, msvc: bool) -> Flags:
        """Return the first flags that a small OpenMP program builds with."""
        for flags in openmp_candidates(msvc):
            if self.builds(OPENMP_PROGRAM, flags):
                return flags
        print("fastnn: no OpenMP found: this build runs on one thread", file=sys.stderr)
        return Flags([], [])

    def builds(self, program: str, flags: Flags) -> bool:
        """Say whether a program compiles and links with these flags."""
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "probe.c")
            source.write_text(program)
            try:
                objects = self.compiler.compile([str(source)], output_dir=folder, extra_postargs=flags.compile)
                self.compiler.link_executable(objects, str(Path(folder, "probe")), extra_postargs=flags.link)
            except Exception as error:  # each compiler class raises its own
                print(f"fastnn: {' '.join(flags.compile)}: {error}", file=sys.stderr)
                return False
        return True


def extensions() -> list[Extension]:
    """Return the extension, its Cython part translated to C."""
    native = Extension(
        "fastnn.engine.native",
        sources=["fastnn/engine/native.pyx", *SOURCES],
        include_dirs=[str(CSRC), numpy.get_include()],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
        depends=[*HEADERS, str(KERNELS), "setup.py"],
    )
    return cythonize([native], language_level=3)


if sys.platform == "darwin":  # one CPU at a time: the flags of isa.def fit no other
    os.environ.setdefault("ARCHFLAGS", f"-arch {platform.machine()}")

setup(ext_modules=extensions(), cmdclass={"build_ext": BuildExtension})
