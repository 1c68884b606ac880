"""Responses made of what is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trivet.core.caching.conditions import not_modified_headers
from trivet.core.caching.ranges import offset_of, partial_headers
from trivet.core.caching.stored_body import StoredBody
from trivet.core.http.response import Response

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trivet.core.caching.entry import Part
    from trivet.core.caching.store import Store
    from trivet.core.caching.stored import Stored
    from trivet.core.exchange.call import Call
    from trivet.core.http.request import Request


def answer(
    stored: Stored,
    request: Request,
    call: Call,
    store: Store,
    *,
    age: float | None,
    omit: Iterable[str] = (),
    part: Part | None = None,
    not_modified: bool = False,
    streaming: bool = False,
) -> Response:
    """A response to ``request`` from a stored one.

    ``age`` in seconds becomes the Age field; None leaves that as it is, for a response that was just validated (RFC 9111
    §5.1). ``omit`` names fields that are left out, ``part`` is the part of the content that was asked for, and with
    ``not_modified`` the answer is a 304 without content. Content in pieces is left open in the response, and all content
    if it is for ``streaming``: it is then read in the same way as what comes from the server.
    """
    entry = stored.entry
    headers = stored.headers if age is None else stored.headers_of_age(age)
    if omit:
        headers = headers.without(*omit)
    status, reason = entry.status, entry.reason
    content: bytes | None = b""
    body: object | None = None
    if not_modified:
        status, reason, headers = 304, "", not_modified_headers(headers)
    else:
        if part is not None:
            status, reason, headers = 206, "", partial_headers(headers, part)
        if request.method != "HEAD":
            content, body = _content(stored, store, part, streaming=streaming)
    response = Response(
        status, headers, content, reason=reason, http_version=entry.http_version, request=request, body=body
    )
    response.from_cache = True
    response.trace = call.trace
    return response


def unsatisfiable(request: Request, call: Call) -> Response:
    """The 504 for a request that is to be answered from the cache only, and cannot be (RFC 9111 §5.2.1.7)."""
    response = Response(504, request=request)
    response.trace = call.trace
    return response


def _content(stored: Stored, store: Store, part: Part | None, *, streaming: bool) -> tuple[bytes | None, object | None]:
    """The content, or the body to read it from."""
    entry, content = stored.entry, stored.content
    if part is None:
        if content is None or entry.coded or streaming:
            return None, StoredBody(stored, store)
        return content, None
    start = offset_of(part, entry)
    stop = start + part.size
    if content is None or entry.coded or streaming:
        return None, StoredBody(stored, store, start, stop)
    return content[start:stop], None
