"""A value that does not fit the type it was to become, and words for both that show nothing of the value."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from trivet.core.http.json_path import json_path


class Mismatch(Exception):
    """Raised where a value does not fit. On its way out each container adds the step that led there."""

    def __init__(self, message: str, *steps: str | int) -> None:
        super().__init__(message)
        self.message = message
        self.steps = list(steps)  # innermost first

    def __str__(self) -> str:
        return f"{json_path(reversed(self.steps))}: {self.message}"


def expected(wanted: str, value: object) -> Mismatch:
    """The mismatch of a value that is of the wrong type."""
    return Mismatch(f"expected {wanted}, got {'null' if value is None else type(value).__name__}")


def describe(kind: Any) -> str:
    """The type as one would write it.

    >>> describe(dict[str, list[int | None]])
    'dict[str, list[int | None]]'
    """
    origin = get_origin(kind)
    args = get_args(kind)
    if kind is None or kind is type(None):
        return "None"
    if origin is Annotated:
        return describe(args[0])
    if origin is Literal:
        return " | ".join(map(repr, args))
    if origin in (Union, UnionType):
        return " | ".join(map(describe, args))
    if args:
        return f"{describe(origin)}[{', '.join('...' if arg is ... else describe(arg) for arg in args)}]"
    return getattr(kind, "__name__", None) or repr(kind).removeprefix("typing.")
