"""Strings, numbers and what JSON writes as strings: from JSON values to the types that have no parts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import Enum, EnumType
from typing import Any, TypeAlias, cast

from trivet.core.http.kinds import ENUM
from trivet.core.sdk.mismatch import Mismatch, expected

Convert: TypeAlias = Callable[[Any], Any]


def unchanged(value: Any) -> Any:
    """For `Any` and `object`: whatever JSON gave."""
    return value


def scalar(kind: Any) -> Convert | None:
    """The converter for a type without parts, or None if it is not such a type.

    Strict, since a server that sends "7" for 7 has changed: a bool is no int, a string no number. An int is a
    float though, for JSON has only one type of numbers.
    """
    if kind is Any or kind is object:
        return unchanged
    if kind is None or kind is type(None):
        return _exact(type(None), "null")
    if kind is float:
        return _float
    if kind in (str, int, bool):
        return _exact(kind, kind.__name__)
    if isinstance(kind, EnumType):
        return _enum(cast("type[Enum]", kind))
    return _written_as_string(kind)


def _exact(kind: type, name: str) -> Convert:
    def convert(value: Any) -> Any:
        if type(value) is kind:
            return value
        raise expected(name, value)

    return convert


def _float(value: Any) -> float:
    if type(value) is float:
        return value
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise Mismatch("expected float, got an int that is too large for it") from None
    raise expected("float", value)


def _written_as_string(kind: Any) -> Convert | None:
    from datetime import date, datetime, time

    if kind in (datetime, date, time):
        return _parsed(kind, kind.fromisoformat, "ISO 8601")
    for module, name in (("uuid", "UUID"), ("decimal", "Decimal")):
        # Nobody can ask for one of them without having imported its module.
        if module in sys.modules and kind is getattr(sys.modules[module], name):
            return _decimal(kind) if name == "Decimal" else _parsed(kind, kind, "hexadecimal")
    return None


def _parsed(kind: type, parse: Convert, notation: str) -> Convert:
    name = kind.__name__

    def convert(value: Any) -> Any:
        if type(value) is str:
            try:
                return parse(value)
            except ValueError:
                raise Mismatch(f"expected {name} in {notation} notation, got another string") from None
        if type(value) is kind:
            return value
        raise expected(f"{name} as a string", value)

    return convert


def _decimal(kind: type) -> Convert:
    def convert(value: Any) -> Any:
        if type(value) in (str, int, float):
            try:
                # A float's repr is what the server wrote, up to 15 digits.
                return kind(str(value))
            except ArithmeticError:  # decimal.InvalidOperation
                raise Mismatch("expected Decimal, got another string") from None
        if type(value) is kind:
            return value
        raise expected("Decimal", value)

    return convert


def _enum(kind: type[Enum]) -> Convert:
    def convert(value: Any) -> Any:
        if type(value) is kind:
            return value
        try:
            member = kind(value)
        except (ValueError, TypeError):
            member = None
        # True == 1, but a bool is no number.
        if member is None or (type(value) is bool) != (type(member.value) is bool):
            raise Mismatch(f"expected {kind.__name__}, one of {choices([each.value for each in kind])}")
        return member

    return convert


def literal(values: tuple[Any, ...]) -> Convert:
    """The converter for ``Literal[values]``."""
    allowed: dict[tuple[Any, Any], Any] = {(type(value), value): value for value in values}
    # An enum member in a Literal stands in JSON as its value.
    allowed.update(((v.value.__class__, v.value), v) for v in values if isinstance(v, ENUM))

    def convert(value: Any) -> Any:
        try:
            return allowed[type(value), value]
        except (KeyError, TypeError):
            raise Mismatch(f"expected {choices(values)}") from None

    return convert


def choices(values: Any) -> str:
    """The first few of the values that are allowed.

    >>> choices(["a", "b"])
    "'a' or 'b'"
    """
    shown = [repr(value) for value in values[:8]] + (["…"] if len(values) > 8 else [])
    return " or ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def key_converter(kind: Any, convert: Convert) -> Convert | None:
    """The converter for the keys of an object, which JSON writes as strings; None if they stay strings."""
    if kind is str or kind is Any or kind is object:
        return None
    if kind in (int, float):
        return _parsed(kind, kind, "decimal")
    return convert
