"""From parsed JSON to the types of a program.

A converter is a function, compiled once per type from the converters of its parts. It raises `Mismatch`.
"""

from __future__ import annotations

import collections.abc as abc
from types import UnionType
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin

from trivet.core.errors import InvalidRequest
from trivet.core.http.kinds import CLASS
from trivet.core.sdk.containers import (
    Part,
    list_converter,
    mapping_converter,
    object_converter,
    record_converter,
    set_converter,
    tuple_converter,
    union_converter,
)
from trivet.core.sdk.fields import bindings_of, bound, fields_of
from trivet.core.sdk.foreign import Converter, foreign_converter
from trivet.core.sdk.mismatch import describe
from trivet.core.sdk.scalars import Convert, key_converter, literal, scalar

_LISTS: Final = (list, abc.Sequence, abc.MutableSequence, abc.Collection, abc.Iterable)
_SETS: Final[dict[Any, type]] = {set: set, abc.Set: set, abc.MutableSet: set, frozenset: frozenset}
_MAPPINGS: Final = (dict, abc.Mapping, abc.MutableMapping)

_CACHED: Final = 1024
_converters: dict[Any, Converter] = {}


def converter_for(kind: Any) -> Converter:
    """The converter for a type. Raises `InvalidRequest` if JSON cannot become that type."""
    key = kind if isinstance(kind, type) else _key(kind)
    try:
        found = _converters.get(key)
    except TypeError:  # metadata of an Annotated that has no hash
        return _Compiler().compile(kind)
    if found is None:
        found = _Compiler().compile(kind)
        if len(_converters) >= _CACHED:
            # Only a program that makes types as it goes gets here; none of them may be kept alive for ever.
            _converters.clear()
        _converters[key] = found
    return found


def _key(kind: Any) -> Any:
    """A key that tells apart what == does not: ``int | str`` and ``str | int``, `Literal` 1 and True."""
    args = get_args(kind)
    if not args:
        return kind
    if get_origin(kind) is Literal:
        return Literal, tuple((repr(arg), arg) for arg in args)
    return get_origin(kind), tuple(map(_key, args))


class _Compiler:
    """Compiles one type. What it is compiling already is looked up later, so that types may recur."""

    def __init__(self) -> None:
        self._done: dict[Any, Convert | None] = {}

    def compile(self, kind: Any) -> Converter:
        return foreign_converter(kind) or Converter(self._convert(kind))

    def _convert(self, kind: Any) -> Convert:
        key = _key(kind)
        try:
            if key in self._done:
                return self._done[key] or (lambda value: self._later(key)(value))
            self._done[key] = None
        except TypeError:
            return self._build(kind)
        built = self._done[key] = self._build(kind)
        return built

    def _later(self, key: Any) -> Convert:
        convert = self._done[key]
        assert convert is not None  # nothing is converted before everything is compiled
        return convert

    def _build(self, kind: Any) -> Convert:
        foreign = foreign_converter(kind)
        if foreign is not None:
            return foreign.convert
        simple = scalar(kind)
        if simple is not None:
            return simple
        origin = get_origin(kind) or kind
        args = get_args(kind)
        if origin is Literal:
            return literal(args)
        if origin in (Union, UnionType):
            return self._union(args)
        if origin is Annotated:
            return self._convert(args[0])
        if hasattr(origin, "__supertype__"):  # NewType
            return self._convert(origin.__supertype__)
        if hasattr(origin, "__value__"):  # a type statement
            value = origin.__value__
            return self._convert(value[args] if args else value)
        if isinstance(origin, TypeVar):
            return self._type_variable(origin)
        return self._container(origin, args) or self._record(kind, origin, args)

    def _type_variable(self, variable: TypeVar) -> Convert:
        if variable.__constraints__:
            return self._union(variable.__constraints__)
        return self._convert(Any if variable.__bound__ is None else variable.__bound__)

    def _union(self, kinds: tuple[Any, ...]) -> Convert:
        return union_converter([(describe(kind), self._convert(kind)) for kind in kinds])

    def _container(self, origin: Any, args: tuple[Any, ...]) -> Convert | None:
        if not isinstance(origin, CLASS):
            return None
        if origin in _LISTS:
            return list_converter(self._convert(args[0] if args else Any))
        if origin in _SETS:
            return set_converter(_SETS[origin], list_converter(self._convert(args[0] if args else Any)))
        if origin in _MAPPINGS:
            key, item = args or (Any, Any)
            return mapping_converter(key_converter(key, self._convert(key)), self._convert(item))
        if origin is tuple:
            if not args or args[-1] is ...:
                as_list = list_converter(self._convert(args[0] if args else Any))
                return lambda value: tuple(as_list(value))
            return tuple_converter([self._convert(arg) for arg in args])
        return None

    def _record(self, kind: Any, origin: Any, args: tuple[Any, ...]) -> Convert:
        fields = fields_of(origin)
        if fields is None:
            hint = "; only the whole content can be bytes" if origin is bytes else ""
            raise InvalidRequest(f"JSON cannot be decoded into {describe(kind)}{hint}")
        bindings = bindings_of(origin, args)
        name = describe(kind)
        parts = [Part(f, self._convert(bound(f.kind, bindings))) for f in fields]
        convert = object_converter(name, parts, origin)
        return record_converter(convert, parts) if issubclass(origin, tuple) else convert
