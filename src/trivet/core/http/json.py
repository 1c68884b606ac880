"""JSON (RFC 8259): strict about what is JSON, careful about what an error may show.

A body may hold secrets, so no error here repeats any of it: only where it went wrong and what was expected.
"""

from __future__ import annotations

from array import array
from itertools import accumulate
from json import JSONDecodeError, JSONDecoder, JSONEncoder
from typing import Any, NoReturn

from trivet.core.errors import DecodingError
from trivet.core.http.jsonable import explain, jsonable
from trivet.core.http.media_type import bom_encoding


def dump_json(value: Any) -> bytes:
    """The value as compact JSON in UTF-8.

    Besides what the `json` module takes: dataclasses, attrs classes, pydantic models and msgspec structs
    (objects, under the names they give their fields), enums (their value), datetime, date and time (ISO
    8601), UUID and Decimal (strings, so that no digit is lost), and any other mapping, sequence or set. Named
    tuples are arrays, as they are for `json`.

    Raises `InvalidRequest` that names the place of a value that cannot be sent, NaN and infinities included.

    >>> from datetime import date
    >>> dump_json({"name": "Zoë", "born": date(1990, 4, 1)})
    b'{"name":"Zo\\xc3\\xab","born":"1990-04-01"}'
    >>> dump_json({"user": {"photo": b"..."}})
    Traceback (most recent call last):
    trivet.core.errors.InvalidRequest: $.user.photo cannot be sent as JSON: bytes need base64, say
    """
    try:
        return _encode(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise explain(value, error) from error


def parse_json(content: bytes, *, max_depth: int = 500) -> Any:
    """The JSON value that ``content`` holds, in UTF-8, or in UTF-16 or UTF-32 as older standards allowed.

    Of members with the same name the last counts. Raises `DecodingError` for anything else than JSON: NaN and
    infinities too, arrays and objects nested deeper than ``max_depth``, and integers with more digits than
    Python converts (``sys.set_int_max_str_digits``).

    >>> parse_json(b'{"id": 7}')
    {'id': 7}
    >>> parse_json(b"[1, 2")
    Traceback (most recent call last):
    trivet.core.errors.DecodingError: invalid JSON at line 1, column 6: expecting ',' delimiter
    """
    text = _decode(content)
    # A value nested so deeply takes two brackets a level.
    if len(text) > 2 * max_depth:
        check_depth(content if b"\0" not in content[:4] else text.encode(), max_depth)
    try:
        return _parse(text)
    except DecodingError:
        raise
    except JSONDecodeError as error:
        # JSONDecodeError holds the whole document; it must not travel along as the cause of ours.
        what = error.msg[:1].lower() + error.msg[1:]
        message = f"invalid JSON at line {error.lineno}, column {error.colno}: {what}{_hint(text)}"
    except RecursionError:
        message = "the JSON is nested too deeply for what is left of the stack"
    except ValueError:
        message = "the JSON holds an integer with too many digits (see sys.set_int_max_str_digits)"
    raise DecodingError(message)


def utf8_json(content: bytes, *, max_depth: int) -> bytes:
    """The content as UTF-8 without a byte order mark, for parsers that take only that, its depth checked."""
    if b"\0" in content[:4] or bom_encoding(content) is not None:
        content = _decode(content).encode()
    if len(content) > 2 * max_depth:
        check_depth(content, max_depth)
    return content


def check_depth(content: bytes, max_depth: int) -> None:
    """Raise `DecodingError` if arrays and objects in this UTF-8 text nest deeper than ``max_depth``.

    >>> check_depth(b'[["]]]]]", []]]', 3)
    """
    # All of this runs at the speed of C, and most content goes no further than here: it has too few brackets.
    if len(content.translate(None, _NOT_BRACKETS)) <= max_depth:
        return
    if b"\\" in content and b'\\"' in content:  # one byte is found far sooner than two
        content = content.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Without anything else, a string that holds no bracket is an empty pair of quotes. The quotes that are
    # left then enclose brackets that do not count: they are in every second part of a split.
    structure = content.translate(None, _NOT_STRUCTURE).replace(b'""', b"")
    brackets = b"".join(structure.split(b'"')[::2])
    outer = brackets
    for levels in range(0, 8, 2):
        if len(outer) + levels <= max_depth:
            return
        # The innermost containers go, one or two levels of them, and with them most of the brackets.
        outer = outer.replace(b"{}", b"").replace(b"[]", b"")
    if max(accumulate(array("b", brackets.translate(_STEPS))), default=0) > max_depth:
        raise DecodingError(f"the JSON is nested deeper than {max_depth} levels")


_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_NOT_STRUCTURE = _NOT_BRACKETS.replace(b'"', b"")
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # +1 and -1 as signed bytes


def _decode(content: bytes) -> str:
    encoding = "utf-8"
    if b"\0" in content[:4]:
        encoding = bom_encoding(content) or _wide_encoding(content)
    elif content[:1] > b"\x7f":
        encoding = bom_encoding(content) or encoding
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        message = f"the JSON is not valid {encoding.upper()} at byte {error.start}"
    raise DecodingError(message)


def _wide_encoding(content: bytes) -> str:
    """JSON begins with two ASCII characters, so the zeros among its first bytes tell (RFC 4627 §3)."""
    zeros = [byte == 0 for byte in content[:4]]
    if zeros[:3] == [True, True, True]:
        return "utf-32-be"
    if zeros[1:] == [True, True, True]:
        return "utf-32-le"
    return "utf-16-be" if zeros[0] else "utf-16-le"


def _refuse_constant(name: str) -> NoReturn:
    raise DecodingError(f"{name} is not JSON (RFC 8259 §6)")


def _hint(text: str) -> str:
    if not text or text.isspace():
        return "; there is no content"
    return "; it looks like HTML or XML" if text.lstrip().startswith("<") else ""


_encode = JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=jsonable).encode
_parse = JSONDecoder(parse_constant=_refuse_constant).decode
