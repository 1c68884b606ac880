"""Converters for types with parts, made of the converters of the parts."""

from __future__ import annotations

from typing import Any

from trivet.core.http.kinds import ARRAY, OBJECT, SET
from trivet.core.http.unset import UNSET
from trivet.core.sdk.fields import Field, is_typed_dict
from trivet.core.sdk.mismatch import Mismatch, describe, expected
from trivet.core.sdk.scalars import Convert


class Part:
    """A field and what its value becomes. ``exact`` is the type of values that stay as they are."""

    __slots__ = ("convert", "exact", "name", "required", "wanted")

    def __init__(self, field: Field, convert: Convert) -> None:
        self.name = field.name
        self.required = field.required
        self.wanted = describe(field.kind)
        self.convert = convert
        self.exact = field.kind if field.kind in (str, int, float, bool) else None


def list_converter(convert_item: Convert) -> Convert:
    def convert(value: Any) -> list[Any]:
        if not isinstance(value, ARRAY):
            raise expected("list", value)
        items: list[Any] = []
        try:
            for item in value:
                items.append(convert_item(item))
        except Mismatch as mismatch:
            mismatch.steps.append(len(items))  # the index of the item that did not get in
            raise
        return items

    return convert


def set_converter(kind: Any, as_list: Convert) -> Convert:
    def convert(value: Any) -> Any:
        items = as_list(value if not isinstance(value, SET) else list(value))
        try:
            return kind(items)
        except TypeError:
            raise Mismatch(f"the items of a {kind.__name__} must be hashable") from None

    return convert


def tuple_converter(converters: list[Convert]) -> Convert:
    def convert(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, ARRAY):
            raise expected(f"list of {len(converters)}", value)
        if len(value) != len(converters):
            raise Mismatch(f"expected list of {len(converters)}, got one of {len(value)}")
        items: list[Any] = []
        try:
            for convert_item, item in zip(converters, value, strict=True):
                items.append(convert_item(item))
        except Mismatch as mismatch:
            mismatch.steps.append(len(items))
            raise
        return tuple(items)

    return convert


def mapping_converter(convert_key: Convert | None, convert_item: Convert) -> Convert:
    def convert(value: Any) -> dict[Any, Any]:
        if not isinstance(value, OBJECT):
            raise expected("dict", value)
        result: dict[Any, Any] = {}
        for key, item in value.items():
            try:
                result[key if convert_key is None else convert_key(key)] = convert_item(item)
            except Mismatch as mismatch:
                mismatch.steps.append(str(key))
                raise
        return result

    return convert


def object_converter(name: str, parts: list[Part], origin: Any) -> Convert:
    specs = [(part.name, part.exact, part.convert, part.required, part.wanted) for part in parts]
    make = None if is_typed_dict(origin) else origin

    def convert(value: Any) -> Any:
        if not isinstance(value, OBJECT):
            if make is not None and type(value) is make:
                return value
            raise expected(f"{name} (an object)", value)
        arguments: dict[str, Any] = {}
        for field, exact, convert_item, required, wanted in specs:
            item = value.get(field, UNSET)
            if type(item) is exact:
                arguments[field] = item
            elif item is not UNSET:
                try:
                    arguments[field] = convert_item(item)
                except Mismatch as mismatch:
                    mismatch.steps.append(field)
                    raise
            elif required:
                raise Mismatch(f"missing (expected {wanted})", field)
        if make is None:
            return arguments
        try:
            return make(**arguments)
        except (TypeError, ValueError) as error:
            raise Mismatch(f"{name} refused the values ({type(error).__name__})") from error

    return convert


def record_converter(convert_object: Convert, parts: list[Part]) -> Convert:
    """Named tuples come as arrays, which is how they are sent, or as objects."""
    names = [part.name for part in parts]

    def convert(value: Any) -> Any:
        if isinstance(value, ARRAY) and len(value) <= len(names):
            value = dict(zip(names, value, strict=False))
        return convert_object(value)

    return convert


def union_converter(members: list[tuple[str, Convert]]) -> Convert:
    """The first member of the union that a value fits, in the order in which they are written."""
    rest = [convert for name, convert in members if name != "None"]
    if len(rest) == 1:
        convert_one = rest[0]
        return lambda value: None if value is None else convert_one(value)

    def convert(value: Any) -> Any:
        inside: list[str] = []
        for name, convert_member in members:
            try:
                return convert_member(value)
            except Mismatch as mismatch:
                if mismatch.steps:
                    inside.append(f"{name}: {mismatch}")
        wanted = " | ".join(name for name, _ in members)
        failure = expected(wanted, value)
        if inside:
            failure.message += f" that fits none ({'; '.join(inside)})"
        raise failure

    return convert
