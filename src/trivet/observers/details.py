"""What is shown of a message's headers and content: redacted, bounded and without control characters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

from trivet.core.errors import DecodingError, LocalProtocolError
from trivet.core.http.json import parse_json
from trivet.core.http.masking import beginning, mask_secrets
from trivet.core.http.media_type import MediaType, decode_text, media_type_of
from trivet.core.http.redaction import REDACTED, is_secret_name, redact_headers, redact_json
from trivet.core.http.sent_secrets import sent_secrets

if TYPE_CHECKING:
    from trivet.core.http.headers import Headers
    from trivet.core.http.request import Request
    from trivet.core.http.response import Response

MAX_SHOWN: Final = 2048
"""Bytes or characters of a body that are shown."""

# A longer body would have to be parsed as a whole to be redacted, so that only its size is shown.
_MAX_PARSED: Final = 1024 * 1024


def printable(text: str) -> str:
    r"""The text with control and formatting characters as escapes: nothing in it can forge a line of a log.

    >>> printable("one\r\ntwo\x1b[2J")
    'one\\r\\ntwo\\x1b[2J'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def shown_headers(headers: Headers) -> list[str]:
    """A line for each field line; values are redacted unless their names are known to be harmless.

    >>> from trivet.core.http.headers import Headers
    >>> shown_headers(Headers({"Accept": "*/*", "X-Api-Key": "ab12cd34"}))
    ['Accept: */*', 'X-Api-Key: [redacted]']
    """
    return [printable(f"{name}: {value}") for name, value in redact_headers(headers)]


def shown_request_content(request: Request) -> str:
    """The content of a request on one line, ``""`` if there is none.

    >>> from trivet.core.http.request import Request
    >>> headers = {"Content-Type": "application/x-www-form-urlencoded"}
    >>> shown_request_content(Request("POST", "https://api.example.com/", headers, b"user=ada&password=x"))
    'user=ada&password=[redacted]'
    """
    content = request.content
    if not isinstance(content, bytes):
        return "<stream>" if content.length is None else f"<stream of {content.length} bytes>"
    return _shown(content, request.headers, sent_secrets(request))


def shown_response_content(response: Response) -> str:
    """The content of a response on one line, ``""`` if there is none or it is still to be read.

    Secrets that the request carried are masked in it, and so is what looks like one.
    """
    try:
        content = response.content
    except LocalProtocolError:
        return ""
    try:
        secrets = sent_secrets(response.request)
    except LocalProtocolError:
        secrets = []  # a response made by hand belongs to no request
    return _shown(content, response.headers, secrets)


def _shown(content: bytes, headers: Headers, secrets: Iterable[str]) -> str:
    if not content:
        return ""
    media_type = media_type_of(headers)
    text = _readable(content, headers, media_type)
    if text is None:
        return f"<{len(content)} bytes of {media_type.essence}>" if media_type.essence else f"<{len(content)} bytes>"
    shown = printable(mask_secrets(beginning(text, MAX_SHOWN), secrets))
    return shown if len(text) <= MAX_SHOWN else f"{shown}… ({len(content)} bytes in all)"


def _readable(content: bytes, headers: Headers, media_type: MediaType) -> str | None:
    """The content as text, its secrets redacted as far as their names tell; None if it is not for reading."""
    if media_type.essence == "application/x-www-form-urlencoded":
        return "&".join(map(_redact_pair, content[:_MAX_PARSED].decode("utf-8", "replace").split("&")))
    if media_type.is_json:
        return _readable_json(content, headers)
    if media_type.type == "text" or media_type.subtype == "xml" or media_type.subtype.endswith("+xml"):
        # A character takes up to four bytes; one more than is shown tells that there are more.
        return decode_text(content[: 4 * MAX_SHOWN + 4], headers)
    return None


def _readable_json(content: bytes, headers: Headers) -> str | None:
    if len(content) > _MAX_PARSED:
        return None
    try:
        document: Any = parse_json(content)
    except DecodingError:
        return decode_text(content[: 4 * MAX_SHOWN + 4], headers)
    from json import dumps

    return dumps(redact_json(document), ensure_ascii=False)


def _redact_pair(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}={REDACTED}" if equals and is_secret_name(unquote_plus(name)) else pair
