"""Turning Python values into what JSON has: objects, arrays, strings, numbers."""

from __future__ import annotations

import sys
from enum import Enum
from math import isfinite
from typing import Any

from trivet.core.errors import InvalidRequest
from trivet.core.http.json_path import json_path
from trivet.core.http.kinds import ANY_COLLECTION, ANY_MAPPING, ARRAY, BYTES, OBJECT


class NotJSON(TypeError):
    """Says what is wrong with a value, and nothing of what it holds."""


def jsonable(value: Any) -> Any:
    """One step closer to JSON: the value as a dict, a list, a string or a number; its parts stay as they are.

    Raises `NotJSON` if there is no obvious form. Nothing is imported to find
    out: a value can only come from a package that is there already.
    """
    if isinstance(value, Enum):
        return value.value
    kind = value.__class__
    serializer = getattr(kind, "__pydantic_serializer__", None)
    if serializer is not None:  # a model or a dataclass of pydantic
        return serializer.to_python(value, mode="json", by_alias=True)
    if hasattr(kind, "__struct_fields__"):
        return sys.modules["msgspec"].to_builtins(value)
    if hasattr(kind, "__dataclass_fields__"):
        from dataclasses import fields

        return {field.name: getattr(value, field.name) for field in fields(value)}
    if hasattr(kind, "__attrs_attrs__"):
        return {attribute.name: getattr(value, attribute.name) for attribute in kind.__attrs_attrs__}
    if isinstance(value, ANY_MAPPING):
        return dict(value)
    if isinstance(value, BYTES):
        raise NotJSON("bytes need base64, say")
    if isinstance(value, ANY_COLLECTION):
        return list(value)
    return _text(value)


def _text(value: Any) -> str:
    from datetime import date, time

    if isinstance(value, date | time):  # a datetime is a date
        return value.isoformat()
    for module, name in (("uuid", "UUID"), ("decimal", "Decimal")):
        if module in sys.modules and isinstance(value, getattr(sys.modules[module], name)):
            return str(value)
    raise NotJSON(f"{_name(value)} has no form in JSON")


def explain(value: Any, error: Exception) -> InvalidRequest:
    """The error for a value that did not become JSON: where the culprit is, and not what it holds."""
    try:
        found = None if isinstance(error, RecursionError) else _find(value, (), frozenset())
    except RecursionError:
        found = None
    if found is None:
        return InvalidRequest("the value is nested too deeply to be sent as JSON")
    steps, reason = found
    return InvalidRequest(f"{json_path(steps)} cannot be sent as JSON: {reason}")


_Steps = tuple[str | int, ...]


def _find(value: Any, steps: _Steps, within: frozenset[int]) -> tuple[_Steps, str] | None:
    """The first part of the value that JSON cannot hold, and why."""
    if id(value) in within:
        return steps, "it contains itself"
    within |= {id(value)}
    if isinstance(value, OBJECT):
        for key, item in value.items():
            if not isinstance(key, str | int | float | None):
                return steps, f"a key of type {_name(key)} must be made a string first"
            if found := _find(key, steps, within) or _find(item, (*steps, str(key)), within):
                return found
        return None
    if isinstance(value, ARRAY):
        for index, item in enumerate(value):
            if found := _find(item, (*steps, index), within):
                return found
        return None
    if isinstance(value, str):
        return (steps, "it is not valid Unicode (a lone surrogate)") if _lone_surrogate(value) else None
    if isinstance(value, float):
        return None if isfinite(value) else (steps, "JSON has no NaN and no infinities")
    if value is None or isinstance(value, int):
        return (steps, "the integer has too many digits") if _too_long(value) else None
    try:
        simpler = jsonable(value)
    except NotJSON as error:
        return steps, str(error)
    except Exception:
        # What a foreign serializer says may show the value, so it is left to the cause of the error.
        return steps, f"{_name(value)} could not be serialised"
    return _find(simpler, steps, within)


def _lone_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _too_long(value: int | None) -> bool:
    try:
        repr(value)
    except ValueError:  # more than sys.get_int_max_str_digits()
        return True
    return False


def _name(value: object) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
