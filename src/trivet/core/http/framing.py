"""The fields that a request is sent with: its own, and those that say where it goes and where its content ends."""

from __future__ import annotations

from typing import Final

from trivet.core.errors import InvalidRequest
from trivet.core.http.request import Request

_ANTICIPATED: Final = frozenset({"POST", "PUT", "PATCH"})
"""Methods that anticipate content, so that having none is said as well (RFC 9110 §8.6)."""


def framed_fields(request: Request) -> list[tuple[bytes, bytes]]:
    """The field lines to send: Host first (RFC 9112 §3.2), and Content-Length or Transfer-Encoding at the end.

    Those that the request has already are left as they are. Raises `InvalidRequest` if they contradict each
    other or the content, since two readers of such a message would see two messages (RFC 9112 §11.2).

    >>> framed_fields(Request("POST", "https://api.example.com/", {"Accept": "*/*"}, b"[]"))
    [(b'Host', b'api.example.com'), (b'Accept', b'*/*'), (b'Content-Length', b'2')]
    """
    headers, content = request.headers, request.content
    fields = headers.raw
    if "Host" not in headers:
        fields.insert(0, (b"Host", request.url.authority.encode("ascii")))
    size = len(content) if isinstance(content, bytes) else content.length
    declared = headers.get("Content-Length")
    coding = headers.get("Transfer-Encoding")
    if declared is not None:
        if coding is not None:
            raise InvalidRequest("a request has a Content-Length or a Transfer-Encoding, not both")
        if not (declared.isascii() and declared.isdigit()):
            raise InvalidRequest("the Content-Length is not a number")
        if size is not None and int(declared) != size:
            raise InvalidRequest(f"the Content-Length is {declared}, but the content has {size} bytes")
    elif coding is not None:
        if coding.lower() != "chunked":
            raise InvalidRequest(f"the only Transfer-Encoding that can be sent is chunked, not {coding}")
    elif size is None:
        fields.append((b"Transfer-Encoding", b"chunked"))
    elif size or request.method in _ANTICIPATED:
        fields.append((b"Content-Length", b"%d" % size))
    return fields
