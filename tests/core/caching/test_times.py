"""Numbers of seconds and dates as a cache reads them: RFC 9111 §1.2.2 and §4.2."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.caching.times import MAX_DELTA, date_value, delta_seconds, first_line, parse_date
from trivet.core.http.dates import format_http_date, parse_http_date
from trivet.core.http.headers import Headers

NOW = 784111777.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("60", 60),
        ("003600", 3600),
        ("0" * 5_000 + "7", 7),
        ("2147483647", MAX_DELTA - 1),
        ("2147483648", MAX_DELTA),
        ("2147483649", MAX_DELTA),
        ("99999999999", MAX_DELTA),
        ("9" * 5_000, MAX_DELTA),
        (None, None),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1.0", None),
        ("1e3", None),
        ("1_000", None),
        (" 1", None),
        ("60a", None),
        ("a60", None),
        ("'60'", None),
        ("²", None),
        ("١٢", None),  # Arabic digits
    ],
)
def test_delta_seconds(text: str | None, seconds: int | None) -> None:
    assert delta_seconds(text) == seconds


@given(st.integers(min_value=0))
def test_every_number_of_seconds_is_read(number: int) -> None:
    assert delta_seconds(str(number)) == min(number, MAX_DELTA)


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "SUN, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 NOV 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 gMT",
        "sunday, 06-nov-94 08:49:37 gmt",
        "sun nov  6 08:49:37 1994",
    ],
)
def test_the_case_of_a_date_does_not_matter(text: str) -> None:
    assert parse_date(text, NOW) == NOW


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "0",
        "-1",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 AEST",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun 06 Nov 1994 08:49:37 GMT",
        "Sun, 06  Nov  1994 08:49:37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08.49.37 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "ſun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
    ],
)
def test_anything_else_is_no_date(text: str | None) -> None:
    assert parse_date(text, NOW) is None


@given(st.integers(min_value=-62_167_219_200, max_value=253_402_300_799), st.sampled_from([str.upper, str.lower]))
def test_dates_in_any_case_are_read(seconds: int, changed: object) -> None:
    assert callable(changed)
    assert parse_date(changed(format_http_date(seconds)), NOW) == seconds


@given(st.text(), st.floats(min_value=0, max_value=1e11))
def test_a_date_that_is_read_strictly_is_read_here(text: str, now: float) -> None:
    strict = parse_http_date(text, now)
    assert strict is None or parse_date(text, now) == strict


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ([format_http_date(NOW)], NOW),
        ([], 9.0),
        (["foo"], 9.0),
        ([format_http_date(NOW), format_http_date(0)], NOW),
        (["foo", format_http_date(NOW)], 9.0),
    ],
)
def test_date_value(lines: list[str], seconds: float) -> None:
    assert date_value(Headers([("Date", line) for line in lines]), response_time=9.0) == seconds


def test_the_first_line_counts() -> None:
    assert first_line(Headers([("A", "1"), ("a", "2")]), "a") == "1"
    assert first_line(Headers(), "a") is None
