"""The tables of random models have every class that fastnn shares with Keras, and every option of it."""

import inspect

import pytest
from against_keras import grammar, table

import fastnn

FAMILIES = {
    "layers": [(row.name, row.options) for row in table.LAYERS] + [(row.name, row.options) for row in table.CELLS],
    "losses": [(row.name, row.options) for row in table.LOSSES],
    "metrics": [(row.name, row.options) for row in table.METRICS],
    "optimizers": [(name, table.optimizer_options(name)) for name in table.OPTIMIZERS],
    "optimizers.schedules": list(table.SCHEDULES.items()),
    "initializers": [(part.name, part.options) for part in table.INITIALIZERS],
    "regularizers": [(part.name, part.options) for part in table.REGULARIZERS],
    "constraints": [(part.name, part.options) for part in table.CONSTRAINTS],
}


def classes(family):
    """The classes of a module by their own names: aliases count once."""
    module = fastnn
    for part in family.split("."):
        module = getattr(module, part)
    found = {getattr(module, name) for name in dir(module) if name[0].isupper()}
    return {cls.__name__: cls for cls in found if inspect.isclass(cls) and cls.__module__.startswith(module.__name__)}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_class_has_a_row(family):
    rows = {getattr(fastnn.layers, name).__name__ if family == "layers" else name for name, _ in FAMILIES[family]}
    left_out = table.LEFT_OUT[family.rsplit(".", 1)[-1]]
    missing = classes(family).keys() - left_out.keys() - rows
    assert not missing, f"add rows for {sorted(missing)} to table.py, or a reason to its LEFT_OUT"
    assert rows <= classes(family).keys() and not left_out.keys() & rows


@pytest.mark.parametrize("family", FAMILIES)
def test_every_option_has_values(family):
    listed = {}
    for name, options in FAMILIES[family]:
        own = getattr(fastnn.layers, name).__name__ if family == "layers" else name
        listed.setdefault(own, set()).update(word for key in options for word in key.split())
    missing = {}
    for name, cls in classes(family).items():
        if name in listed:
            kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
            has = {p.name for p in inspect.signature(cls).parameters.values() if p.kind in kinds}
            left_out = table.OPTIONS_LEFT_OUT["*"].keys() | table.OPTIONS_LEFT_OUT.get(name, {}).keys()
            if wrong := (has - left_out) ^ (listed[name] - left_out):
                missing[name] = wrong
    assert not missing, f"options without values in table.py: {missing}"


def test_every_activation_is_drawn():
    functions = {
        n for n in dir(fastnn.activations) if n[0] != "_" and inspect.isfunction(getattr(fastnn.activations, n))
    }
    assert functions - table.LEFT_OUT["activations"].keys() - {"get", "serialize", "deserialize"} == set(
        table.ACTIVATIONS
    )


@pytest.mark.parametrize("seed", range(20))
def test_programs_run_and_repeat(seed):
    text = grammar.program(seed, fastnn)
    assert grammar.program(seed, fastnn) == text
    namespace = grammar.names_of(fastnn)
    exec(text, namespace)
    assert namespace["model"].built
