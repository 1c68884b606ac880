"""The packages whose names are looked up when they are first used offer just what their stubs say."""

from __future__ import annotations

import ast
from importlib import import_module

import pytest

from architecture.source import SOURCE
from fresh import loaded_by


@pytest.mark.parametrize("package", ["trivet", "trivet.core"])
def test_a_package_offers_what_its_stub_says(package: str) -> None:
    stub = ast.parse(SOURCE.joinpath(*package.split("."), "__init__.pyi").read_text("utf-8"))
    homes = {
        alias.name: node.module
        for node in stub.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    listed = next(ast.literal_eval(node.value) for node in stub.body if isinstance(node, ast.Assign))
    module = import_module(package)
    assert sorted(listed) == sorted(homes) == module.__all__
    assert set(module.__all__) <= set(dir(module))
    for name, home in homes.items():
        # A submodule is imported from the package itself.
        expected = import_module(f"{home}.{name}") if home == package else getattr(import_module(home), name)
        assert getattr(module, name) is expected, f"{name}: is there a submodule of that name?"


@pytest.mark.parametrize("package", ["trivet", "trivet.core"])
def test_another_name_is_an_error_as_everywhere(package: str) -> None:
    with pytest.raises(AttributeError, match=rf"module '{package}' has no attribute 'nonsense'"):
        import_module(package).nonsense  # noqa: B018  # looking it up is the test


def test_nothing_is_imported_before_it_is_used() -> None:
    names = ["trivet.core.exchange.exchange", "trivet.clients.sync", "dataclasses"]
    assert not loaded_by("import trivet.core", names)
    assert loaded_by("import trivet; trivet.Client; trivet.core.Exchange", names) == set(names)
