"""The source of the package, read rather than run: its modules, and what each of them imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"


class Import(NamedTuple):
    target: str
    """The module, dotted; `names` are empty for `import target`."""
    names: tuple[str, ...]
    line: int
    typing_only: bool
    deferred: bool
    """Made inside a function, so when that is called."""


class Module(NamedTuple):
    name: str
    path: Path
    tree: ast.Module

    def __repr__(self) -> str:
        return f"<Module {self.name}>"

    @property
    def lines(self) -> int:
        return len(self.path.read_text("utf-8").splitlines())

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    @property
    def where(self) -> str:
        return str(self.path.relative_to(ROOT))

    def defines(self, name: str) -> bool:
        """Whether the module itself assigns a global of that name."""
        targets = [
            target
            for node in self.tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        ]
        return any(isinstance(target, ast.Name) and target.id == name for target in targets)

    def imports(self) -> Iterator[Import]:
        yield from self._imports(self.tree, typing_only=False, deferred=False)

    def _imports(self, node: ast.AST, *, typing_only: bool, deferred: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            match child:
                case ast.Import():
                    for alias in child.names:
                        yield Import(alias.name, (), child.lineno, typing_only, deferred)
                case ast.ImportFrom():
                    names = tuple(alias.name for alias in child.names)
                    yield Import(self._absolute(child), names, child.lineno, typing_only, deferred)
                case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                    for part in child.body:
                        yield from self._imports(ast.Module([part], []), typing_only=True, deferred=deferred)
                    for part in child.orelse:
                        yield from self._imports(ast.Module([part], []), typing_only=typing_only, deferred=deferred)
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                    yield from self._imports(child, typing_only=typing_only, deferred=True)
                case _:
                    yield from self._imports(child, typing_only=typing_only, deferred=deferred)

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.name if self.is_package else self.name.rpartition(".")[0]
        parts = package.split(".")[: len(package.split(".")) - node.level + 1]
        return ".".join([*parts, *([node.module] if node.module else [])])


@cache
def modules() -> dict[str, Module]:
    """Every module of the package, by its dotted name."""
    found = {}
    for path in sorted(SOURCE.joinpath("trivet").rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = Module(name, path, ast.parse(path.read_text("utf-8"), str(path)))
    return found


def internal_imports(module: Module) -> Iterator[tuple[Import, str]]:
    """The imports from the package itself, each with the modules that it names: `from package import module`
    names the module, `from module import thing` the module too."""
    for each in module.imports():
        if each.target != "trivet" and not each.target.startswith("trivet."):
            continue
        submodules = [f"{each.target}.{name}" for name in each.names if f"{each.target}.{name}" in modules()]
        for target in submodules or [each.target]:
            yield each, target
