"""The secrets in a request, so that they can be masked in what comes back: servers echo what they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

from trivet.core.errors import DecodingError
from trivet.core.http.json import parse_json
from trivet.core.http.kinds import LIST, OBJECT
from trivet.core.http.media_type import media_type_of
from trivet.core.http.redaction import is_credential_field, is_secret_name

if TYPE_CHECKING:
    from trivet.core.http.request import Request

# To mask a shorter one would mask ordinary words, and protect nothing.
_MIN_LENGTH: Final = 5
_MAX_CONTENT: Final = 65_536
_MAX_DEPTH: Final = 32


def sent_secrets(request: Request) -> list[str]:
    """The secrets in the header fields, the query and a JSON or form body, by the names they have there.

    Longer ones come first, so that masking one does not leave half of another behind.

    >>> from trivet.core.http.request import Request
    >>> sent_secrets(Request("GET", "https://api.example.com/?page=2", {"Authorization": "Bearer ab12cd34"}))
    ['Bearer ab12cd34', 'ab12cd34']
    """
    found = {*_in_headers(request), *_in_pairs(request.url.query), *_in_content(request)}
    return sorted((secret for secret in found if len(secret) >= _MIN_LENGTH), key=len, reverse=True)


def _in_headers(request: Request) -> Iterator[str]:
    for name, value in request.headers.items():
        if is_credential_field(name):
            yield value
            yield value.rpartition(" ")[2]  # without the scheme
            if name.lower() == "cookie":
                yield from (pair.partition("=")[2] for pair in value.split("; "))
            if value[:6].lower() == "basic ":
                yield _password(value[6:])


def _password(credentials: str) -> str:
    """The password in Basic credentials (RFC 7617 §2), or ``""``."""
    from base64 import b64decode

    try:
        return b64decode(credentials).decode("utf-8", "replace").partition(":")[2]
    except ValueError:
        return ""


def _in_pairs(pairs: str) -> Iterator[str]:
    for pair in pairs.split("&"):
        name, _, value = pair.partition("=")
        if value and is_secret_name(unquote_plus(name)):
            yield value
            yield unquote_plus(value)


def _in_content(request: Request) -> Iterator[str]:
    content = request.content
    if not isinstance(content, bytes) or not 0 < len(content) <= _MAX_CONTENT:
        return
    media_type = media_type_of(request.headers)
    if media_type.essence == "application/x-www-form-urlencoded":
        yield from _in_pairs(content.decode("utf-8", "replace"))
    elif media_type.is_json:
        try:
            document = parse_json(content, max_depth=_MAX_DEPTH)
        except DecodingError:
            return
        yield from _in_json(document, named=False)


def _in_json(value: Any, *, named: bool) -> Iterator[str]:
    """The strings that stand, at any depth, under a name that speaks of a secret."""
    if isinstance(value, OBJECT):
        for name, member in value.items():
            yield from _in_json(member, named=named or is_secret_name(name))
    elif isinstance(value, LIST):
        for item in value:
            yield from _in_json(item, named=named)
    elif named and isinstance(value, str):
        yield value
