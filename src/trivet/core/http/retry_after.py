"""Retry-After (RFC 9110 §10.2.3): how long a server asks us to wait."""

from __future__ import annotations

from trivet.core.http.dates import parse_http_date

__all__ = ["parse_retry_after"]


def parse_retry_after(value: str | None, now_wall: float) -> float | None:
    """Seconds to wait from `now_wall` (Unix seconds), or None without a field or when it makes no sense.

    Both forms are read: a number of seconds, and an HTTP-date, where a date in the past means 0.0. A number
    too large for a float is `inf`.

    >>> parse_retry_after("120", 0.0)
    120.0
    >>> parse_retry_after("Thu, 01 Jan 1970 00:01:00 GMT", now_wall=45.0)
    15.0
    >>> parse_retry_after("soon", 0.0) is None
    True
    """
    if value is None:
        return None
    text = value.strip(" \t")
    if text.isascii() and text.isdigit():
        # float, not int, which refuses more than 4,300 digits.
        return float(text)
    date = parse_http_date(text, now_wall)
    return None if date is None else max(0.0, date - now_wall)
