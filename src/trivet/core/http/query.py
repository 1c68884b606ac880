"""Query strings: parameters as `name=value` pairs joined by "&", spaces as %20."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from trivet.core.errors import InvalidRequest
from trivet.core.http.percent import encode_query_text, percent_encode
from trivet.core.http.url import check_characters

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from datetime import date
    from typing import Protocol

    class UUIDLike(Protocol):
        """A `uuid.UUID`. The module itself is slow to import, and whoever has a UUID has imported it."""

        @property
        def urn(self) -> str: ...


__all__ = ["ParamValue", "Params", "Scalar", "encode_query", "merge_query", "scalar_text"]

Scalar: TypeAlias = "str | int | float | bool | date | Enum | UUIDLike"
ParamValue: TypeAlias = "Scalar | Sequence[Scalar | None] | AbstractSet[Scalar] | None"
Params: TypeAlias = "Mapping[str, Any] | Sequence[tuple[str, ParamValue]] | str | None"


def encode_query(params: Params) -> str:
    """Parameters as a query string, in their order, without a leading "?".

    A mapping or pairs: a list, tuple or set repeats its name (a set in sorted order), None is left out,
    booleans are `true` and `false`, dates are ISO 8601, an Enum is its value; everything outside RFC 3986's
    unreserved characters is percent-encoded. A str is a query string already: only what a URL cannot hold is
    encoded.

    Raises InvalidRequest, which names the parameter, for values of other types, NaN and infinity.

    >>> encode_query({"tag": ["a", "b c"], "active": True, "page": None, "größe": 1.5})
    'tag=a&tag=b%20c&active=true&gr%C3%B6%C3%9Fe=1.5'
    >>> encode_query("q=a b&page=2")
    'q=a%20b&page=2'
    """
    if not params:
        return ""
    if isinstance(params, str):
        return _encode_text(params)
    pairs = params.items() if isinstance(params, Mapping) else _pairs(params)
    return "&".join([pair for name, value in pairs for pair in _encode_pairs(name, value)])


def merge_query(existing: str, added: str) -> str:
    """Two query strings as one; what was there stays in front.

    >>> merge_query("page=2", "sort=name")
    'page=2&sort=name'
    """
    return f"{existing}&{added}" if existing and added else existing or added


def _encode_text(text: str) -> str:
    try:
        check_characters(text)
        return encode_query_text(text.removeprefix("?"))
    except ValueError as error:
        raise InvalidRequest(f"params= as text: {error}") from None


def _pairs(params: object) -> Iterator[tuple[Any, Any]]:
    if not isinstance(params, Iterable) or isinstance(params, bytes | bytearray):
        raise InvalidRequest(
            f"params= must be a mapping, pairs of name and value, or a str, not {type(params).__name__}"
        )
    for pair in cast("Iterable[tuple[Any, Any]]", params):
        try:
            name, value = pair
        except (TypeError, ValueError):
            raise InvalidRequest("params= must be a mapping, pairs of name and value, or a str") from None
        yield name, value


def _encode_pairs(name: object, value: Any) -> list[str]:
    if not isinstance(name, str):
        raise InvalidRequest(f"params=: a name must be a str, not {type(name).__name__}")
    encoded_name = _encode(name, name)
    if value is None:
        return []
    if not isinstance(value, list | tuple | set | frozenset):
        return [f"{encoded_name}={_encode(name, scalar_text(value, 'params', name))}"]
    items = cast("Iterable[Any]", value)
    texts = [_encode(name, scalar_text(item, "params", name)) for item in items if item is not None]
    if not isinstance(value, list | tuple):
        # A set has no order, and the same request should have the same URL in every run.
        texts.sort()
    return [f"{encoded_name}={text}" for text in texts]


def _encode(name: str, text: str) -> str:
    try:
        return percent_encode(text)
    except ValueError as error:
        raise InvalidRequest(f"params={name!r}: {error}") from None


def scalar_text(value: object, argument: str, name: str) -> str:
    """A single value as text, not yet encoded: what query parameters and path templates share.

    Raises InvalidRequest, which says in which argument and under which name the value stands, but not what
    it is.

    >>> scalar_text(True, "params", "active"), scalar_text(7, "path", "id")
    ('true', '7')
    """
    kind = type(value)
    if kind is str or kind is int:
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    # Before str and int, since an enumeration may be a subclass of them.
    if isinstance(value, Enum):
        return scalar_text(value.value, argument, name)
    if isinstance(value, float):
        if not isfinite(value):
            raise InvalidRequest(f"{argument}={name!r}: NaN and infinity cannot be sent")
        return float.__repr__(value)
    if isinstance(value, str | int):
        return str(value)
    from datetime import date

    if isinstance(value, date):
        return value.isoformat()
    uuid = sys.modules.get("uuid")
    if uuid is not None and isinstance(value, uuid.UUID):
        return str(value)
    raise InvalidRequest(f"{argument}={name!r}: a value of type {kind.__name__} cannot be sent; {_advice(value)}")


def _advice(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return "decode it to a str first"
    if value is None:
        return "None stands for no value"
    return "pass a str, a number, a bool, a date, an Enum or a UUID"
