"""Making an entry of a response that is to be stored (RFC 9111 §3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from zlib import crc32

from trivet.core.caching.entry import Entry
from trivet.core.caching.storing import lines_to_store
from trivet.core.caching.vary import selected, selecting_fields
from trivet.core.http.headers import Headers

if TYPE_CHECKING:
    from trivet.core.caching.directives import ResponseDirectives
    from trivet.core.caching.entry import Part
    from trivet.core.http.request import Request
    from trivet.core.http.response import Response

RETENTION: Final = 7 * 86_400.0
"""Seconds for which a stale response is kept: to be validated, or to answer while the server cannot be reached."""


def draft_entry(
    key: str,
    request: Request,
    response: Response,
    directives: ResponseDirectives,
    *,
    shared: bool,
    now: float,
    expires: float,
    part: Part | None = None,
) -> Entry:
    """The entry of a response that came at ``now`` (Unix seconds); with its content, if that is there.

    The request is taken to have been sent `Response.elapsed` seconds before.
    """
    lines = lines_to_store(response.headers)
    if shared:
        lines = without_private(Headers.from_raw(lines), directives, shared=shared).lines
    names = selecting_fields(response.headers)
    vary = None if names is None else selected(request.headers, names)
    content = b"" if response.body is not None else response.content
    return Entry(
        key=key,
        method=request.method,
        url=request.url.redacted,
        status=response.status,
        reason=response.reason,
        http_version=response.http_version,
        fields=lines,
        vary=vary,
        request_time=now - response.elapsed,
        response_time=now,
        expires=expires,
        size=len(content),
        crc=crc32(content),
        part=part,
    )


def without_private(fields: Headers, directives: ResponseDirectives, *, shared: bool) -> Headers:
    """The fields without those that are for one user only, says the response, in a shared cache (RFC 9111 §5.2.2.7)."""
    private = directives.private
    return fields.without(*private) if shared and isinstance(private, frozenset) else fields


def useful_until(now: float, directives: ResponseDirectives, lifetime: float) -> float:
    """Until when a response that came ``now`` may be of use, in Unix seconds, stale use and validation included."""
    stale_use = max(directives.stale_while_revalidate or 0, directives.stale_if_error or 0)
    return now + lifetime + max(stale_use, RETENTION)


def is_of_use(headers: Headers, directives: ResponseDirectives, *, lifetime: float) -> bool:
    """Whether to store a response can ever save anything: it is fresh for a while, or can be validated, or used stale."""
    if lifetime > 0 or directives.stale_while_revalidate or directives.stale_if_error:
        return True
    return "ETag" in headers or "Last-Modified" in headers
