"""Media types (RFC 9110 §8.3) and the charset of text. Nothing here raises, whatever a server sends."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from typing import NamedTuple

from trivet.core.http.headers import Headers

_TOKEN = r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)"
_ESSENCE = re.compile(rf"\s*{_TOKEN}/{_TOKEN}")
_PARAMETER = re.compile(rf';\s*{_TOKEN}\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|([^;,\s"]*))', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)

_BOMS = (
    # UTF-32 before UTF-16, whose little-endian mark is how that of UTF-32 begins.
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# Python has these as text encodings, but they are no charsets of the web: some interpret escapes, one takes
# quadratic time, and UTF-7 hides markup from filters (the WHATWG Encoding Standard leaves it out for that).
_NOT_CHARSETS = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "utf-7"})


class MediaType(NamedTuple):
    """A media type in lower case; the values of its parameters keep their case."""

    type: str
    subtype: str
    params: Mapping[str, str]

    @property
    def essence(self) -> str:
        """``type/subtype``, or ``""`` if there is none.

        >>> parse_media_type("Text/HTML; charset=utf-8").essence
        'text/html'
        """
        return f"{self.type}/{self.subtype}" if self.type else ""

    @property
    def is_json(self) -> bool:
        """Whether it is JSON: application/json, text/json or a ``+json`` type (RFC 6839 §3.1).

        >>> parse_media_type("application/problem+json").is_json
        True
        """
        return self.subtype == "json" or self.subtype.endswith("+json")


def parse_media_type(value: str | None) -> MediaType:
    """Read a Content-Type value; of parameters given twice the first counts. Garbage gives an empty type.

    >>> parse_media_type('text/plain; charset="utf-8"')
    MediaType(type='text', subtype='plain', params={'charset': 'utf-8'})
    >>> parse_media_type("what?")
    MediaType(type='', subtype='', params={})
    """
    match = _ESSENCE.match(value) if value else None
    if value is None or match is None:
        return MediaType("", "", {})
    params: dict[str, str] = {}
    for parameter in _PARAMETER.finditer(value, match.end()):
        name, quoted, token = parameter.groups()
        text = token if quoted is None else _QUOTED_PAIR.sub(r"\1", quoted)
        params.setdefault(name.lower(), text)
    return MediaType(match[1].lower(), match[2].lower(), params)


def media_type_of(headers: Headers) -> MediaType:
    """The media type that the Content-Type field names."""
    return parse_media_type(headers.get("Content-Type"))


def content_type(headers: Headers) -> str:
    """``type/subtype`` as the Content-Type field names it, or ``""``."""
    return media_type_of(headers).essence


def bom_encoding(content: bytes) -> str | None:
    """The encoding that a byte order mark at the beginning announces; the mark is not part of the text."""
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return encoding
    return None


def decode_text(content: bytes, headers: Headers) -> str:
    """The content as text: by its byte order mark, else the charset of its Content-Type, else as UTF-8.

    JSON is UTF-8 whatever its charset parameter says (RFC 8259 §8.1, §11). Bytes that do not fit become
    U+FFFD, and so does everything a charset unknown here would have explained.

    >>> decode_text(b"caf\\xe9", Headers({"Content-Type": "text/plain; charset=latin-1"}))
    'café'
    """
    encoding = bom_encoding(content)
    if encoding is not None:
        return content.decode(encoding, "replace")
    return content.decode(text_encoding(headers), "replace")


def text_encoding(headers: Headers) -> str:
    """The encoding of text with these header fields, as Python knows it; UTF-8 when they name none of use.

    >>> text_encoding(Headers({"Content-Type": "text/plain; charset=klingon"}))
    'utf-8'
    """
    media_type = media_type_of(headers)
    charset = media_type.params.get("charset", "").strip()
    if charset and not media_type.is_json:
        try:
            b"\0".decode(charset, "replace")  # Python's codecs that are not of text, such as hex, refuse
            if codecs.lookup(charset).name.replace("_", "-") not in _NOT_CHARSETS:
                return charset
        except (LookupError, ValueError):
            # Not known, not a text encoding, or not even a possible name.
            pass
    return "utf-8"
