"""Retry-After: RFC 9110 §10.2.3."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.http.dates import format_http_date
from trivet.core.http.retry_after import parse_retry_after

NOW = 784111777.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("120", 120.0),
        (" 120\t", 120.0),
        ("007", 7.0),
        ("9" * 400, math.inf),
        ("9" * 5_000, math.inf),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60.0),
        ("Sunday, 06-Nov-94 08:50:37 GMT", 60.0),
        ("Sun Nov  6 08:50:37 1994", 60.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("+1", None),
        ("1.5", None),
        ("1e3", None),
        ("1_000", None),
        ("0x10", None),
        ("10 s", None),
        ("1, 2", None),
        ("inf", None),
        ("nan", None),
        ("١٢", None),  # Arabic digits
        ("²", None),
        ("Sun, 99 Nov 1994 08:50:37 GMT", None),
    ],
)
def test_values(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


@given(st.text(), st.floats(min_value=0, max_value=1e11))
def test_any_text_is_a_wait_or_none(text: str, now: float) -> None:
    seconds = parse_retry_after(text, now)
    assert seconds is None or seconds >= 0.0


@given(st.integers(min_value=0, max_value=250_000_000_000), st.integers(min_value=0, max_value=3_000_000_000))
def test_a_date_is_the_time_until_then(date: int, now: int) -> None:
    assert parse_retry_after(format_http_date(date), now) == max(0, date - now)
