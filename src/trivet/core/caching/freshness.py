"""How long a response is fresh (RFC 9111 §4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from trivet.core.caching.times import date_value, first_line, parse_date

if TYPE_CHECKING:
    from trivet.core.caching.directives import ResponseDirectives
    from trivet.core.http.headers import Headers

HEURISTIC_STATUSES: Final = frozenset({200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501})
"""Statuses whose responses may be reused though nothing says how long (RFC 9110 §15.1)."""

_UNITS: Final = ((86_400, "days"), (3_600, "hours"), (60, "minutes"))


class Lifetime(NamedTuple):
    """A freshness lifetime in seconds, never negative, and where it comes from, in words."""

    seconds: float
    source: str


def freshness_lifetime(
    status: int, headers: Headers, directives: ResponseDirectives, *, shared: bool, response_time: float
) -> Lifetime:
    """How long the response is fresh, counted from when it was made (RFC 9111 §4.2.1).

    ``response_time`` (Unix seconds) stands in for a Date that is missing. An Expires that is not a date lies in
    the past (RFC 9111 §5.3). Where nothing is explicit, a response is fresh for a tenth of the time that it has
    gone unmodified, if its status or ``public`` allows that (RFC 9111 §4.2.2).

    >>> from trivet.core.caching.directives import ResponseDirectives
    >>> from trivet.core.http.headers import Headers
    >>> headers = Headers({"Cache-Control": "max-age=60"})
    >>> freshness_lifetime(200, headers, ResponseDirectives.of(headers), shared=False, response_time=0.0)
    Lifetime(seconds=60.0, source='max-age=60')
    >>> headers = Headers({"Last-Modified": "Thu, 01 Jan 1970 00:00:00 GMT"})
    >>> freshness_lifetime(200, headers, ResponseDirectives(), shared=False, response_time=864_000.0)
    Lifetime(seconds=86400.0, source='heuristic (10 % of 10 days)')
    """
    if shared and directives.s_maxage is not None:
        return Lifetime(float(directives.s_maxage), f"s-maxage={directives.s_maxage}")
    if directives.max_age is not None:
        return Lifetime(float(directives.max_age), f"max-age={directives.max_age}")
    expires = first_line(headers, "Expires")
    if expires is not None:
        end = parse_date(expires, response_time)
        if end is None:
            return Lifetime(0.0, "Expires, which is not a date")
        return Lifetime(max(0.0, end - date_value(headers, response_time)), "Expires")
    if status in HEURISTIC_STATUSES or directives.public:
        modified = parse_date(first_line(headers, "Last-Modified"), response_time)
        if modified is not None:
            unmodified = max(0.0, date_value(headers, response_time) - modified)
            return Lifetime(unmodified / 10, f"heuristic (10 % of {_words(unmodified)})")
    return Lifetime(0.0, "none")


def _words(seconds: float) -> str:
    """A time in the largest unit that it has two of."""
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
