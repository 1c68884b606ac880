"""A response to POST that is also what a GET of the same URL would bring (RFC 9110 §9.3.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trivet.core.caching.directives import ResponseDirectives
from trivet.core.errors import InvalidRequest
from trivet.core.http.headers import as_utf8

if TYPE_CHECKING:
    from trivet.core.http.request import Request
    from trivet.core.http.response import Response


def as_get(request: Request, response: Response) -> Request | None:
    """The GET to which this is a response too; None if there is none.

    The server must say so: with explicit freshness, and with the request's own URL in Content-Location.

    >>> from trivet.core.http.request import Request
    >>> from trivet.core.http.response import Response
    >>> request = Request("POST", "https://api.example.com/search", content=b"q=ada")
    >>> as_get(request, Response(200, {"Cache-Control": "max-age=60", "Content-Location": "/search"}))
    <Request GET https://api.example.com/search>
    >>> as_get(request, Response(200, {"Cache-Control": "max-age=60"})) is None
    True
    """
    headers = response.headers
    location = headers.get("Content-Location")
    if request.method != "POST" or response.status != 200 or location is None:
        return None
    directives = ResponseDirectives.of(headers)
    if directives.max_age is None and directives.s_maxage is None and "Expires" not in headers:
        return None
    try:
        same = request.url.join(as_utf8(location)) == request.url
    except InvalidRequest:
        return None
    return request.replace(method="GET", content=b"") if same else None
