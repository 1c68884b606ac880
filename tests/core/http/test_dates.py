"""HTTP-date: RFC 9110 §5.6.7."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.http.dates import format_http_date, parse_http_date

EXAMPLE = 784111777.0
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def unix(*moment: int) -> float:
    return datetime(*moment, tzinfo=UTC).timestamp()  # type: ignore[arg-type,misc]  # the parts of a date


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", EXAMPLE),
        ("Sunday, 06-Nov-94 08:49:37 GMT", EXAMPLE),
        ("Sun Nov  6 08:49:37 1994", EXAMPLE),
        ("Wed Nov 16 08:49:37 1994", EXAMPLE + 10 * 86_400),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Wed, 31 Dec 1969 23:59:59 GMT", -1.0),
        ("Thu, 29 Feb 2024 12:00:00 GMT", unix(2024, 2, 29, 12)),
        ("Tue, 29 Feb 2000 12:00:00 GMT", unix(2000, 2, 29, 12)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", unix(9999, 12, 31, 23, 59, 59)),
        # A leap second is the first second of the next minute in Unix time.
        ("Sat, 31 Dec 2016 23:59:60 GMT", unix(2017, 1, 1)),
        # The grammar does not say that the name of the day must be right.
        ("Mon, 06 Nov 1994 08:49:37 GMT", EXAMPLE),
    ],
)
def test_dates(text: str, seconds: float) -> None:
    assert parse_http_date(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "784111777",
        "1994-11-06T08:49:37Z",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 gmt",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Sxn, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 06 Nob 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun,  6 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06 Nov-1994 08:49:37 GMT",
        "Sun, 06 Nov 1994-08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Tue, 29 Feb 1994 08:49:37 GMT",
        "Thu, 29 Feb 1900 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 08-49:37 GMT",
        "Sun, 06 Nov 1994 08:49-37 GMT",
        "Sun, 06 Nov 1994 +8:49:37 GMT",
        "Sun, 06 Nov 1994 08:49: 7 GMT",
        "Sun, 0٦ Nov 1994 08:49:37 GMT",  # an Arabic digit
        "Sunday, 06-Nov-94 08:49:37",
        "Sunday, 06-Nov-94 08:49:37 UTC",
        "Sunday, 06-Nov-9a 08:49:37 GMT",
        "Sunday, 06 Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov 94 08:49:37 GMT",
        "Sunday, 06-Nov-94-08:49:37 GMT",
        "Sunday, 31-Feb-94 08:49:37 GMT",
        "Sonntag, 06-Nov-94 08:49:37 GMT",
        "Sunday 06-Nov-94 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 94",
        "Sun Nov  6 08:49:37 1994 ",
        "Sxn Nov  6 08:49:37 1994",
        "Sun-Nov  6 08:49:37 1994",
        "Sun Nov-16 08:49:37 1994",
        "Sun Nov  6-08:49:37 1994",
        "Sun Nov  6 08:49:37-1994",
    ],
)
def test_anything_else_is_no_date(text: str) -> None:
    assert parse_http_date(text) is None


@pytest.mark.parametrize(
    ("year", "now", "means"),
    [
        ("94", unix(2024, 1, 1), 1994),
        ("24", unix(2024, 1, 1), 2024),
        ("30", unix(2024, 1, 1), 2030),
        ("73", unix(2024, 1, 1), 2073),
        ("75", unix(2024, 1, 1), 1975),
        # Fifty years ahead to the day: 6 November is later in the year than 1 January, earlier than 31 December.
        ("74", unix(2024, 1, 1), 1974),
        ("74", unix(2024, 12, 31), 2074),
        ("00", unix(1994, 11, 6), 2000),
        ("99", unix(1994, 11, 6), 1999),
        ("10", unix(2090, 1, 1), 2110),
        ("69", None, 2069),
        ("70", None, 1970),
    ],
)
def test_two_digit_years(year: str, now: float | None, means: int) -> None:
    assert parse_http_date(f"Sunday, 06-Nov-{year} 08:49:37 GMT", now) == unix(means, 11, 6, 8, 49, 37)


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2069, 12, 31)))
def test_the_three_forms_mean_the_same(moment: datetime) -> None:
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    day, month, clock = DAYS[moment.weekday()], MONTHS[moment.month - 1], f"{moment:%H:%M:%S}"
    for text in (
        f"{day[:3]}, {moment.day:02} {month} {moment.year} {clock} GMT",
        f"{day}, {moment.day:02}-{month}-{moment.year % 100:02} {clock} GMT",
        f"{day[:3]} {month} {moment.day:2} {clock} {moment.year}",
    ):
        assert parse_http_date(text) == moment.timestamp()


@given(st.integers(min_value=-62_167_219_200, max_value=253_402_300_799))
def test_what_is_formatted_is_parsed(seconds: int) -> None:
    assert parse_http_date(format_http_date(seconds)) == seconds


@given(st.datetimes(min_value=datetime(1, 1, 1)))
def test_the_calendar_is_that_of_datetime(moment: datetime) -> None:
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    text = format_http_date((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    day, month = DAYS[moment.weekday()][:3], MONTHS[moment.month - 1]
    assert text == f"{day}, {moment.day:02} {month} {moment.year:04} {moment:%H:%M:%S} GMT"


def test_a_fraction_is_cut_off() -> None:
    assert format_http_date(0.999) == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert format_http_date(-0.001) == "Wed, 31 Dec 1969 23:59:59 GMT"


@pytest.mark.parametrize("seconds", [math.inf, -math.inf, math.nan, 253_402_300_800, -62_167_219_201])
def test_what_the_format_cannot_express(seconds: float) -> None:
    with pytest.raises(ValueError, match="a year from 0 to 9999"):
        format_http_date(seconds)


@given(st.text(), st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_any_text_is_a_date_or_none(text: str, now: float | None) -> None:
    assert isinstance(parse_http_date(text, now), float | None)
