"""Nothing is so long that it cannot be read at one go."""

from __future__ import annotations

import ast

import pytest

from architecture.source import Module, modules

MODULE_LINES = 400
FUNCTION_LINES = 50
FRONT_DOOR_LINES = 100


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function, its docstring aside: to explain at length is no fault."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        docstring = function.body[0]
        lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
    return lines


@pytest.mark.parametrize("module", modules().values(), ids=lambda module: module.name)
def test_modules_are_short(module: Module) -> None:
    assert module.lines <= MODULE_LINES


@pytest.mark.parametrize("module", modules().values(), ids=lambda module: module.name)
def test_functions_are_short(module: Module) -> None:
    functions = [node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {f"{each.name} (line {each.lineno})": length(each) for each in functions}
    assert {name: lines for name, lines in long.items() if lines > FUNCTION_LINES} == {}


def test_the_front_door_is_narrow() -> None:
    assert modules()["trivet"].lines <= FRONT_DOOR_LINES
