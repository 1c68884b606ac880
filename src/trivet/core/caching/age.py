"""How old a response is (RFC 9111 §4.2.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trivet.core.caching.times import delta_seconds, first_line

if TYPE_CHECKING:
    from trivet.core.http.headers import Headers


def age_value(headers: Headers) -> int:
    """The seconds that the Age field says (RFC 9111 §5.1), 0 if it says nothing that makes sense.

    Of several values, on one line or on several, the first counts.

    >>> from trivet.core.http.headers import Headers
    >>> age_value(Headers({"Age": "30, 7"})), age_value(Headers({"Age": "-30"}))
    (30, 0)
    """
    # Empty members of a list are no members (RFC 9110 §5.6.1.2).
    first = (first_line(headers, "Age") or "").lstrip(" \t,").partition(",")[0]
    return delta_seconds(first.rstrip(" \t")) or 0


def current_age(*, date_value: float, age_value: float, request_time: float, response_time: float, now: float) -> float:
    """The seconds since the origin server made or validated the response (RFC 9111 §4.2.3).

    All times are Unix seconds: ``date_value`` is that of its Date field, ``request_time`` and ``response_time``
    are those of our clock when the request was sent and the response received. A clock that was set back makes
    nothing younger than it was when it was received.

    >>> current_age(date_value=100.0, age_value=30, request_time=110.0, response_time=112.0, now=120.0)
    40.0
    """
    apparent_age = max(0.0, response_time - date_value)
    # The whole delay counts, since nobody knows when on the way the Age was set.
    corrected_age_value = age_value + max(0.0, response_time - request_time)
    resident_time = max(0.0, now - response_time)
    return max(apparent_age, corrected_age_value) + resident_time
