"""Decoding a response into a type: ``client.get("/users/7", into=User)``."""

from __future__ import annotations

from typing import Any, TypeVar, overload

from trivet.core.errors import DecodingError
from trivet.core.http.json import parse_json, utf8_json
from trivet.core.http.media_type import media_type_of
from trivet.core.http.response import Response
from trivet.core.sdk.converters import converter_for
from trivet.core.sdk.mismatch import Mismatch, describe

T = TypeVar("T")


def check_into(into: Any) -> None:
    """Raise `InvalidRequest` if nothing can be decoded into this type, so that it is known before sending."""
    if into is not bytes:
        converter_for(into)


@overload
def decode_response(response: Response, into: type[T], *, max_depth: int = 500) -> T: ...
@overload
def decode_response(response: Response, into: Any, *, max_depth: int = 500) -> Any: ...
def decode_response(response: Response, into: Any, *, max_depth: int = 500) -> Any:
    """The content of a response as a value of the type ``into``.

    `bytes` gives the content as it is; `str` its text, unless it is JSON; ``type(None)`` None, whatever it
    is. Any other type is decoded from JSON, whatever the media type; no content becomes None if the type
    allows that.

    Raises `DecodingError` that says where in the content what was expected, and nothing of what is there.

    >>> decode_response(Response(200, content=b'[{"id": 7}]'), list[dict[str, int]])
    [{'id': 7}]
    """
    content = response.content
    if into is bytes:
        return content
    if into is None or into is type(None):
        return None
    if into is str and not media_type_of(response.headers).is_json:
        return response.text
    try:
        if content:
            return decode(content, into, max_depth=max_depth)
        return convert(None, into)
    except DecodingError as error:
        message = error.message if content else f"there is no content (expected {describe(into)})"
    raise response.undecodable(message)


@overload
def decode(content: bytes, into: type[T], *, max_depth: int = 500) -> T: ...
@overload
def decode(content: bytes, into: Any, *, max_depth: int = 500) -> Any: ...
def decode(content: bytes, into: Any, *, max_depth: int = 500) -> Any:
    """JSON text as a value of the type ``into``.

    Types: str, int, float, bool, None, `Any`; datetime, date and time (ISO 8601), UUID, Decimal, enums (by
    value), `Literal`; list, tuple, set, dict and their abstract classes; unions, of which the first member
    that fits is taken; dataclasses, `TypedDict`, `NamedTuple`, generic ones too; and whatever pydantic or
    msgspec can decode, for types that belong to them or contain such types.

    Members of objects that the type does not have are ignored. Values are not coerced: "7" is no int and 1 no
    bool, but an int is a float. (pydantic's types follow the rules of pydantic.)

    Raises `DecodingError` if the content is not JSON or does not fit, and `InvalidRequest` if ``into`` is not
    one of these types.

    >>> from typing import NamedTuple
    >>> class User(NamedTuple):
    ...     id: int
    ...     name: str
    >>> decode(b'{"id": 7, "name": "Ada", "admin": false}', User)
    User(id=7, name='Ada')
    >>> decode(b'[{"id": 7}]', list[User])
    Traceback (most recent call last):
    trivet.core.errors.DecodingError: $[0].name: missing (expected str)
    """
    if into is bytes:
        return content
    converter = converter_for(into)
    try:
        if converter.decode is not None:
            return converter.decode(utf8_json(content, max_depth=max_depth))
        return converter.convert(parse_json(content, max_depth=max_depth))
    except Mismatch as mismatch:
        message, cause = str(mismatch), mismatch.__cause__
    raise DecodingError(message) from cause


@overload
def convert(value: Any, into: type[T]) -> T: ...
@overload
def convert(value: Any, into: Any) -> Any: ...
def convert(value: Any, into: Any) -> Any:
    """A value that was parsed from JSON as a value of the type ``into``. Like `decode` otherwise.

    >>> convert({"1": 2.5}, dict[int, float])
    {1: 2.5}
    """
    try:
        return converter_for(into).convert(value)
    except Mismatch as mismatch:
        message, cause = str(mismatch), mismatch.__cause__
    raise DecodingError(message) from cause
