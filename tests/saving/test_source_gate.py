"""Nothing in fastnn can execute, import or unpickle what a file says: the sources have no such call."""

import ast
from pathlib import Path

import pytest

import fastnn

SOURCES = sorted(Path(next(iter(fastnn.__path__))).rglob("*.py"))

CALLS = {"eval", "exec", "compile", "__import__", "breakpoint", "input"}
MODULES = {"pickle", "_pickle", "cPickle", "marshal", "dill", "cloudpickle", "joblib", "shelve", "yaml", "runpy", "code"}
MODULES |= {"importlib", "imp", "pkgutil", "subprocess", "tarfile", "zipfile", "multiprocessing", "socket", "tempfile"}
ATTRIBUTES = {"system", "popen", "execv", "execve", "execvp", "spawnv", "startfile", "extract", "extractall"}
ATTRIBUTES |= {"import_module", "loads_code", "FunctionType", "CodeType", "__globals__", "__builtins__", "__subclasses__"}

# (file, name): why it is safe
ALLOWED = {
    ("__init__.py", "importlib"): "modules of fastnn by names in the same file, at first use",
    ("__init__.py", "import_module"): "the same",
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
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            if not (isinstance(node.value, ast.Constant) and node.value.value is False):
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


def test_files_are_read_with_getattr_only_where_the_names_are_ours():
    """In fastnn/saving, getattr takes a literal or a name that this package has chosen."""
    for path in SOURCES:
        if path.parent.name == "saving":
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("getattr", "setattr"):
                    name = ast.unparse(node.args[1])
                    ours = isinstance(node.args[1], ast.Constant) or (path.name, name) in {
                        ("state.py", "key"),
                        ("__init__.py", "name"),
                        ("registry.py", "f'get_{key}'"),
                    }
                    assert ours, f"{path}:{node.lineno}: {ast.unparse(node)}"
