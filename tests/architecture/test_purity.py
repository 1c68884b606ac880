"""The core decides and does no I/O: it neither loads nor names what could."""

from __future__ import annotations

import pytest

from architecture.source import Module, modules
from fresh import loaded_by

# What the core may import from outside the project. Whatever is added here knows no clock, no randomness of
# its own, no socket, no file and no other thread, and is quick to import.
PURE = {
    "__future__",
    "array",
    "base64",
    "binascii",
    "codecs",
    "collections",
    "collections.abc",
    "dataclasses",
    "datetime",
    "enum",
    "functools",
    "hashlib",
    "hmac",
    "html",
    "http",
    "io",
    "ipaddress",
    "itertools",
    "json",
    "math",
    "operator",
    "pickle",
    "re",
    "string",
    "struct",
    "sys",
    "types",
    "typing",
    "unicodedata",
    "urllib.parse",
    "weakref",
    "zlib",
}
# Of these, the names that are given and no others. A lock guards state that several calls share;
# import_module looks for the optional packages below.
PURE_IN_PART = {"importlib": {"import_module"}, "threading": {"Lock"}}
# Where content comes from: files that the caller names, which are opened when the content is sent, the types
# that their names tell, and the boundary of a multipart, which nobody who fills in a form may foresee.
AT_THE_EDGE = {
    "trivet.core.http.kinds": {"os"},
    "trivet.core.http.multipart": {"mimetypes", "os"},
    "trivet.core.http.sources": {"os", "stat"},
}
# Packages that a user may have: imported inside the function that needs them, never when the core is loaded.
OPTIONAL = {
    "brotli",
    "brotlicffi",
    "compression",
    "idna",
    "msgspec",
    "pydantic",
    "typing_extensions",
    "zstandard",
}

CORE = [module for name, module in modules().items() if f"{name}.".startswith("trivet.core.")]

IO = ("asyncio", "ssl", "httpcore", "h11", "h2", "anyio", "trio", "sniffio")


def test_a_loaded_module_is_seen() -> None:
    assert loaded_by("import logging", ["logging", "asyncio"]) == {"logging"}


def test_loading_the_core_loads_no_io() -> None:
    assert loaded_by("from trivet.core import *", [*IO, "socket", "logging", "sqlite3", "random"]) == set()


def test_loading_every_module_of_the_core_loads_no_io() -> None:
    statement = "import " + ", ".join(module.name for module in CORE)
    assert loaded_by(statement, [*IO, "socket", "logging", "sqlite3", "random"]) == set()


def test_loading_the_package_loads_no_runtime() -> None:
    assert loaded_by("import trivet", [*IO, "click", "rich", "pydantic", "msgspec"]) == set()


@pytest.mark.parametrize("module", CORE, ids=lambda module: module.name)
def test_the_core_names_only_what_is_pure(module: Module) -> None:
    """In functions and for type checkers too: a type of the outside world is a dependency on it."""
    for each in module.imports():
        if each.target.split(".")[0] == "trivet":
            continue
        allowed = (
            each.target in PURE | AT_THE_EDGE.get(module.name, set())
            or (each.names and set(each.names) <= PURE_IN_PART.get(each.target, set()))
            or (each.target.split(".")[0] in OPTIONAL and (each.deferred or each.typing_only))
        )
        assert allowed, f"{module.where}:{each.line}: the core may not import {each.target} {each.names or ''}"
