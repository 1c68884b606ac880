"""Packages whose names are imported when they are first used, so that a program pays only for what it uses.

What such a package offers is written twice: in its ``__init__.py``, as a table for this module, and in the stub
beside it, as imports for type checkers. A test holds the two together.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module


def names_of(
    package: str, names_by_module: Mapping[str, str], submodules: Sequence[str] = ()
) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """The ``__getattr__``, ``__dir__`` and ``__all__`` (PEP 562) of a package that offers these names, separated by
    spaces, from these modules, and these modules of its own."""
    modules = {name: module for module, names in names_by_module.items() for name in names.split()}
    offered = sorted([*modules, *submodules])

    def getattribute(name: str) -> object:
        if name in submodules:
            return import_module(f"{package}.{name}")
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(modules[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    def directory() -> list[str]:
        return sorted({*vars(sys.modules[package]), *offered})

    return getattribute, directory, offered
