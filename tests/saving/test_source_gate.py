"""Nothing in fastnn can execute, import or unpickle what a file says: the sources have no such call."""

import ast
from pathlib import Path

import pytest

import fastnn

SOURCES = sorted(Path(next(iter(fastnn.__path__))).rglob("*.py"))

CALLS = {"eval", "exec", "compile", "__import__", "breakpoint", "input"}
MODULES = {
    "pickle",
    "_pickle",
    "cPickle",
    "marshal",
    "dill",
    "cloudpickle",
    "joblib",
    "shelve",
    "yaml",
    "runpy",
    "code",
}
MODULES |= {
    "importlib",
    "imp",
    "pkgutil",
    "subprocess",
    "tarfile",
    "zipfile",
    "multiprocessing",
    "socket",
    "tempfile",
}
ATTRIBUTES = {"system", "popen", "execv", "execve", "execvp", "spawnv", "startfile", "extract", "extractall"}
ATTRIBUTES |= {
    "import_module",
    "loads_code",
    "FunctionType",
    "CodeType",
    "__globals__",
    "__builtins__",
    "__subclasses__",
}

# (file, name): why it is safe
ALLOWED = {
    ("__init__.py", "importlib"): "modules of fastnn by names in the same file, at first use",
    ("__init__.py", "import_module"): "the same",
    ("utils.py", "importlib"): "the same",
    ("cifar10.py", "tarfile"): "members of a download with a known checksum are read in memory, nothing is extracted",
    ("cifar10.py", "zipfile"): "an archive of the user's own, members are read in memory",
    ("source.py", "tempfile"): "downloads go to a temporary file first",
}


def forbidden(path):
    """(line, name) of every use of something forbidden."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            yield node.lineno, node.func.id
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, a.name) for a in node.names if a.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES and not node.level:
            yield node.lineno, node.module
        elif isinstance(node, ast.Attribute) and node.attr in ATTRIBUTES:
            yield node.lineno, node.attr
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
            yield node.lineno, "allow_pickle"


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_sources(path):
    found = [(line, name) for line, name in forbidden(path) if (path.name, name) not in ALLOWED]
    assert not found, f"{path}: {found}"


@pytest.mark.parametrize(
    "source",
    [
        "eval('1')", "exec(x)", "import pickle", "from marshal import loads", "import os\nos.system('x')",
        "import importlib.util", "np.load(f, allow_pickle=True)", "archive.extractall()", "__import__('os')",
    ],
)  # fmt: skip
def test_the_gate_closes(source, tmp_path):
    path = tmp_path / "bad.py"
    path.write_text(source)
    assert list(forbidden(path))


OUR_NAMES = {("state.py", "key"), ("__init__.py", "name"), ("to_config.py", "f'get_{key}'")}


@pytest.mark.parametrize("path", [path for path in SOURCES if path.parent.name == "saving"], ids=str)
def test_no_attribute_is_fetched_by_a_name_from_a_file(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("getattr", "setattr"):
            name = node.args[1]
            ours = isinstance(name, ast.Constant) or (path.name, ast.unparse(name)) in OUR_NAMES
            assert ours, f"{path}:{node.lineno}: {ast.unparse(node)}"
