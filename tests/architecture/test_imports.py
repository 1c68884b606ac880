"""Imports run strictly downward."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

import pytest

from architecture.source import Module, internal_imports, modules

# From the ground up. What is not listed has no place yet: put it where it belongs before it is imported.
LAYERS = [
    "version",
    "lazy",
    "core",
    "stores",
    "transports",
    "drivers",
    "observers",
    "clients",
    "patterns",
    "testing",
    "cli",
]
CORE_LAYERS = ["errors", "limits", "pool", "http", "classification", "exchange", "policies", "caching", "sdk"]
# `python -m trivet` stands on top of everything.
TOP = {"trivet", "trivet.__main__"}


def rank(name: str) -> tuple[int, int]:
    """How high a module stands: the core's `__init__` on all of the core, Trivet's on everything."""
    if name in TOP:
        return len(LAYERS), 0
    parts = name.split(".")
    assert parts[1] in LAYERS, f"{name} has no place in LAYERS"
    if parts[1] != "core":
        return LAYERS.index(parts[1]), 0
    if len(parts) == 2:
        return LAYERS.index("core"), len(CORE_LAYERS)
    assert parts[2] in CORE_LAYERS, f"{name} has no place in CORE_LAYERS"
    return LAYERS.index("core"), CORE_LAYERS.index(parts[2])


def unit(name: str) -> str:
    """The layer as a name: modules of one unit may import each other, as long as there is no cycle."""
    parts = name.split(".")
    return ".".join(parts[:3] if parts[1:2] == ["core"] else parts[:2])


@pytest.mark.parametrize("module", modules().values(), ids=lambda module: module.name)
def test_imports_run_downward(module: Module) -> None:
    """At run time, in functions too: an import put off is a dependency still. Types may look upward."""
    for each, target in internal_imports(module):
        if each.typing_only or unit(module.name) == unit(target):
            continue
        assert rank(target) < rank(module.name), f"{module.where}:{each.line}: {module.name} imports {target}"


@pytest.mark.parametrize("module", modules().values(), ids=lambda module: module.name)
def test_no_module_imports_from_the_package_that_it_is_in(module: Module) -> None:
    """Such an import works or fails with the order in which the package happens to be loaded."""
    for each, target in internal_imports(module):
        assert each.typing_only or not module.name.startswith(f"{target}."), (
            f"{module.where}:{each.line}: {module.name} imports from its own package {target}"
        )


def test_no_cycles() -> None:
    graph = {
        name: {
            target
            for each, target in internal_imports(module)
            if not (each.typing_only or each.deferred) and target != name
        }
        for name, module in modules().items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))
