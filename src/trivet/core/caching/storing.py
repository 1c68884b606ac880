"""Whether a response may be stored, and which of its fields (RFC 9111 §3)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from trivet.core.caching.directives import RequestDirectives, ResponseDirectives
from trivet.core.caching.freshness import HEURISTIC_STATUSES
from trivet.core.http.headers import Headers
from trivet.core.http.media_type import content_type

if TYPE_CHECKING:
    from trivet.core.http.request import Request
    from trivet.core.http.response import Response

# Those whose definition says so (RFC 6585 §3 to §6).
_NEVER_STORED: Final = frozenset({428, 429, 431, 511})
# They answer the conditions and the range of one request, which no key of a stored response holds.
_OF_ONE_REQUEST: Final = frozenset({304, 412, 416})
_UNDERSTOOD: Final = HEURISTIC_STATUSES | {302, 303, 307, 400, 401, 403, 409, 422, 500, 502, 503, 504}
"""Statuses with nothing about caching in their definitions but what is implemented here (RFC 9111 §5.2.2.3)."""

# RFC 9110 §7.6.1 and, for what concerns a proxy alone, RFC 9111 §3.1. No trailers are stored to go with Trailer.
_OF_THE_CONNECTION: Final = frozenset(
    b"""
    connection keep-alive te trailer transfer-encoding upgrade
    proxy-authenticate proxy-authentication-info proxy-authorization proxy-connection
    """.split()
)
# Those options of a connection that name no field, or one that is known already.
_OPTIONS: Final = frozenset({"close", "keep-alive"})
# For everybody who reads the content, so never rightly named in Connection (RFC 9110 §7.6.1). Without these a
# stored response would be garbled, or reused where it must not be.
_END_TO_END: Final = frozenset(
    """
    age cache-control content-encoding content-range content-type date etag expires last-modified vary
    """.split()
)


class Storing(NamedTuple):
    """Whether a response may be stored, and why (not), in words.

    With ``partial`` it is only a part of the representation, to be kept as such (RFC 9111 §3.3).
    """

    allowed: bool
    reason: str
    partial: bool = False


def may_store(
    request: Request,
    response: Response,
    *,
    shared: bool,
    asked: RequestDirectives | None = None,
    directives: ResponseDirectives | None = None,
) -> Storing:
    """Whether the response may be stored (RFC 9111 §3), by a cache that is ``shared`` or belongs to one user.

    ``asked`` are the directives of the request and ``directives`` those of the response, if they are known already.
    That the content arrived whole is for the caller to see to.

    >>> from trivet.core.http.request import Request
    >>> from trivet.core.http.response import Response
    >>> request = Request("GET", "https://api.example.com/users")
    >>> may_store(request, Response(200, {"Cache-Control": "max-age=60"}), shared=False).reason
    'stored: max-age=60'
    >>> may_store(request, Response(200, {"Cache-Control": "no-store"}), shared=False).reason
    'not stored: no-store'
    """
    if directives is None:
        directives = ResponseDirectives.of(response.headers)
    if asked is None:
        asked = RequestDirectives.of(request.headers)
    obstacle = _in_the_exchange(request, response) or what_forbids(
        request, response.status, shared=shared, asked=asked, directives=directives
    )
    if obstacle is not None:
        return Storing(False, f"not stored: {obstacle}")
    ground = _ground(response, directives, shared=shared)
    if ground is None:
        return Storing(False, f"not stored: status {response.status} and no freshness")
    if response.status == 206:
        return Storing(True, f"stored: {ground}, partial", partial=True)
    return Storing(True, f"stored: {ground}")


def what_forbids(
    request: Request, status: int, *, shared: bool, asked: RequestDirectives, directives: ResponseDirectives
) -> str | None:
    """What in the directives of a request and of its response, or in whose it is, keeps the response from being stored."""
    return _in_the_directives(status, directives, shared=shared) or _in_who_asked(
        request, asked, directives, shared=shared
    )


def _in_the_exchange(request: Request, response: Response) -> str | None:
    """What in the method, the content, the status or the fields keeps a response from being stored."""
    if request.method != "GET":
        return f"method {request.method}"
    # Some servers answer to the content of a GET, and no key of a stored response holds it.
    if request.content != b"":
        return "GET with content"
    status, headers = response.status, response.headers
    if status < 200:
        return f"interim status {status}"
    if status in _NEVER_STORED or status in _OF_ONE_REQUEST:
        return f"status {status}"
    if status == 206:
        if content_type(headers) == "multipart/byteranges":
            return "several ranges"
        if "Content-Range" not in headers:
            return "status 206 without Content-Range"
    if "*" in _members(headers.get("Vary")):
        return "Vary: *"
    return None


def _in_the_directives(status: int, directives: ResponseDirectives, *, shared: bool) -> str | None:
    if directives.must_understand:
        # Then no-store is meant for caches that don't know must-understand (RFC 9111 §5.2.2.3).
        if status not in _UNDERSTOOD:
            return f"must-understand and status {status}"
    elif directives.no_store:
        return "no-store"
    if shared and directives.private is True:
        return "private"
    return None


def _in_who_asked(
    request: Request, asked: RequestDirectives, directives: ResponseDirectives, *, shared: bool
) -> str | None:
    if asked.no_store:
        return "no-store in the request"
    # RFC 9111 §3.5: unless the response says that it is not for this user alone.
    if shared and "Authorization" in request.headers:
        permitted = directives.public or directives.must_revalidate or directives.s_maxage is not None
        return None if permitted else "Authorization in the request"
    return None


def _ground(response: Response, directives: ResponseDirectives, *, shared: bool) -> str | None:
    """What allows a response to be stored: one of the last list of RFC 9111 §3."""
    if shared and directives.s_maxage is not None:
        return f"s-maxage={directives.s_maxage}"
    if directives.max_age is not None:
        return f"max-age={directives.max_age}"
    if "Expires" in response.headers:
        return "Expires"
    if directives.public:
        return "public"
    if directives.private is not False and not shared:
        return "private"
    return f"status {response.status}" if response.status in HEURISTIC_STATUSES else None


def fields_to_store(headers: Headers) -> Headers:
    """The fields without those of the connection and those of the proxy that it led to (RFC 9111 §3.1).

    Fields that ``no-cache`` or ``private`` name are for the caller to take out, who knows whether it is shared.

    >>> from trivet.core.http.headers import Headers
    >>> list(fields_to_store(Headers({"Connection": "close, Hop", "Hop": "1", "ETag": '"a"'})))
    ['ETag']
    """
    return Headers.from_raw(lines_to_store(headers))


def is_of_the_connection(name: bytes) -> bool:
    """Whether a field, by its name in lower case, concerns one connection only and is never stored."""
    return name in _OF_THE_CONNECTION


def lines_to_store(headers: Headers) -> tuple[tuple[bytes, bytes], ...]:
    """The lines of the fields that `fields_to_store` gives."""
    unwanted = _OF_THE_CONNECTION
    connection = headers.get("Connection")
    if connection is not None and (named := _named_in(connection)):
        unwanted = unwanted | {name.encode("latin-1", "replace") for name in named}
    return tuple([line for line in headers.lines if line[0].lower() not in unwanted])


# It says the same on every connection, as a rule.
@lru_cache(maxsize=64)
def _named_in(connection: str) -> set[str]:
    """The fields that a Connection field names."""
    return _members(connection) - _END_TO_END - _OPTIONS


def _members(value: str | None) -> set[str]:
    """The members of a list of names (RFC 9110 §5.6.1), in lower case."""
    return {member.strip(" \t").lower() for member in value.split(",")} if value else set()
