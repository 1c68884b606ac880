"""Numbers of seconds and dates, read the way that RFC 9111 asks of a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trivet.core.http.dates import parse_http_date

if TYPE_CHECKING:
    from trivet.core.http.headers import Headers

MAX_DELTA: Final = 2**31
"""What every larger number of seconds counts as (RFC 9111 §1.2.2): 68 years."""


def delta_seconds(text: str | None) -> int | None:
    """The number of seconds (RFC 9111 §1.2.2) that a text consists of; None unless it is ASCII digits only.

    >>> delta_seconds("060"), delta_seconds("99999999999"), delta_seconds("1.5")
    (60, 2147483648, None)
    """
    if text is None or not (text.isascii() and text.isdigit()):
        return None
    # int() refuses more than 4,300 digits, which may all be leading zeros.
    digits = text.lstrip("0")
    return min(int(digits or "0"), MAX_DELTA) if len(digits) <= 10 else MAX_DELTA


def parse_date(text: str | None, now_wall: float) -> float | None:
    """The Unix time of an HTTP-date in whatever case, or None: a cache ignores case (RFC 9111 §4.2).

    >>> parse_date("SUN, 06 nov 1994 08:49:37 gmt", 0.0)
    784111777.0
    >>> parse_date("Sun, 06 Nov 1994 08:49:37 UTC", 0.0) is None
    True
    """
    # title() could make ASCII of other letters.
    if text is None or not text.isascii():
        return None
    titled = text.title()
    if titled.endswith(" Gmt"):
        titled = titled[:-3] + "GMT"
    return parse_http_date(titled, now_wall)


def date_value(headers: Headers, response_time: float) -> float:
    """When the response was made (RFC 9111 §4.2.3), in Unix seconds: its Date, of several lines the first.

    A response without a valid Date was made when it was received (RFC 9110 §6.6.1).

    >>> from trivet.core.http.headers import Headers
    >>> date_value(Headers({"Date": "Thu, 01 Jan 1970 00:01:00 GMT"}), response_time=90.0)
    60.0
    >>> date_value(Headers({"Date": "yesterday"}), response_time=90.0)
    90.0
    """
    date = parse_date(first_line(headers, "Date"), response_time)
    return response_time if date is None else date


def first_line(headers: Headers, name: str) -> str | None:
    """The first field line of a name, or None: what counts of a field that ought to stand once (RFC 9111 §4.2.1).

    >>> from trivet.core.http.headers import Headers
    >>> first_line(Headers([("Age", "5"), ("age", "7")]), "Age")
    '5'
    """
    lines = headers.get_all(name)
    return lines[0] if lines else None
