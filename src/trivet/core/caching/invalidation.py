"""Which stored responses have to go: after an unsafe request (RFC 9111 §4.4), or because the user says so."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from trivet.core.caching.keys import target_prefix
from trivet.core.caching.times import first_line
from trivet.core.errors import InvalidRequest
from trivet.core.http.headers import as_utf8
from trivet.core.http.percent import encode_query_text
from trivet.core.http.redaction import redact_url
from trivet.core.http.url import URL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from trivet.core.http.request import Request
    from trivet.core.http.response import Response

_MAX_REFERENCE: Final = 8192
_ANY: Final = "*"


def invalidated(request: Request, response: Response) -> tuple[URL, ...]:
    """The URLs whose stored responses must go after this exchange (RFC 9111 §4.4); none after a safe or failed one.

    They are that of the request, and those in Location and Content-Location if they have the same origin: nobody
    may empty the cache of another's. A method that is unknown counts as unsafe.

    >>> from trivet.core.http.request import Request
    >>> from trivet.core.http.response import Response
    >>> request = Request("POST", "https://api.example.com/users")
    >>> invalidated(request, Response(201, {"Location": "/users/7"}))
    (URL('https://api.example.com/users'), URL('https://api.example.com/users/7'))
    >>> invalidated(request, Response(409))
    ()
    """
    if request.safe or not 200 <= response.status < 400:
        return ()
    found = [request.url]
    for name in ("Location", "Content-Location"):
        reference = first_line(response.headers, name)
        # An empty one means the request's own URL.
        if reference and len(reference) <= _MAX_REFERENCE:
            try:
                url = request.url.join(as_utf8(reference))
            except InvalidRequest:
                continue
            if url.same_origin(request.url) and url not in found:
                found.append(url)
    return tuple(found)


def prefixes(urls: Iterable[URL]) -> tuple[str, ...]:
    """What the keys of all stored responses for these URLs begin with: those by the RFC, and those for a fixed time.

    >>> len(prefixes([URL("https://api.example.com/users"), URL("https://api.example.com/users#top")]))
    2
    """
    return tuple(
        dict.fromkeys([target_prefix("GET", url, any_order=any_order) for url in urls for any_order in (False, True)])
    )


def is_pattern(text: str) -> bool:
    """Whether it is a pattern for `url_matcher` rather than a URL: whether there is a ``*`` in it.

    >>> is_pattern("https://api.example.com/users/*"), is_pattern("https://[::1]/users?page=2")
    (True, False)
    """
    return _ANY in text


@lru_cache(maxsize=64)
def url_matcher(pattern: str) -> Callable[[str], bool]:
    """What tells whether a pattern matches the ``url`` of an entry.

    ``*`` stands for any characters, also none, and also for ``/`` and ``?``. It is the only character with a
    meaning: ``?``, ``[`` and ``]`` belong to URLs.

    The pattern is normalised as a URL is. Entries have most values of query parameters masked (`URL.redacted`): what
    a pattern says of those is not compared, and neither is what follows a star within a parameter. Better one stored
    response too many is removed than one too few.

    >>> matches = url_matcher("HTTPS://api.example.com:443/users/*")
    >>> matches("https://api.example.com/users/7/posts?page=2"), matches("https://api.example.com/users")
    (True, False)
    """
    begin, *rest = _as_stored(pattern).split(_ANY)
    if not rest:
        return begin.__eq__
    *middle, end = rest
    middle = [piece for piece in middle if piece]

    def matches(url: str) -> bool:
        stop = len(url) - len(end)
        place = len(begin)
        if place > stop or not url.startswith(begin) or not url.endswith(end):
            return False
        # To take the first place where a piece fits leaves the most to the next ones: there is no going back.
        for piece in middle:
            place = url.find(piece, place, stop)
            if place < 0:
                return False
            place += len(piece)
        return True

    return matches


def _as_stored(pattern: str) -> str:
    """The pattern in the form that entries have their URLs in."""
    try:
        pattern = URL(pattern)
    except InvalidRequest:
        # There is a star in the host, or before it.
        pattern = _lower_authority(pattern.partition("#")[0])
        if not pattern.isascii():
            pattern = encode_query_text(pattern)
    query_at = pattern.find("?") + 1
    if not query_at:
        # A star may reach into the query.
        query_at = pattern.find(_ANY)
        if query_at < 0 or "=" not in pattern[query_at:]:
            return pattern
    parameters = pattern[query_at:].split("&")
    return pattern[:query_at] + "&".join(map(_parameter_as_stored, parameters))


def _lower_authority(pattern: str) -> str:
    scheme, separator, rest = pattern.partition("://")
    authority, slash, rest = rest.partition("/")
    return f"{scheme.lower()}{separator}{authority.lower()}{slash}{rest}"


def _parameter_as_stored(parameter: str) -> str:
    if _ANY not in parameter:
        return redact_url(f"?{parameter}")[1:]
    # Whatever follows a star may be part of a value, and masked; so may a name that is not given whole.
    name = parameter.partition("=")[0]
    return _ANY if _ANY in name else f"{name}={_ANY}"
