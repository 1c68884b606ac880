"""Freshness: RFC 9111 §4.2. The ids of the public cache test suite stand beside its cases."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.caching.directives import ResponseDirectives
from trivet.core.caching.freshness import HEURISTIC_STATUSES, Lifetime, freshness_lifetime
from trivet.core.http.dates import format_http_date
from trivet.core.http.headers import Headers

NOW = 1_800_000_000.0
DAY = 86_400
NONE = Lifetime(0.0, "none")
NO_DATE = Lifetime(0.0, "Expires, which is not a date")


def at(seconds: float) -> str:
    return format_http_date(NOW + seconds)


def lifetime(*fields: tuple[str, str], status: int = 200, shared: bool = False, response_time: float = NOW) -> Lifetime:
    headers = Headers(fields)
    return freshness_lifetime(
        status, headers, ResponseDirectives.of(headers), shared=shared, response_time=response_time
    )


def control(value: str) -> tuple[str, str]:
    return "Cache-Control", value


DATE = ("Date", at(0))


@pytest.mark.parametrize(
    ("fields", "shared", "expected"),
    [
        pytest.param([], False, NONE, id="freshness-none"),
        pytest.param([control("max-age=60")], False, Lifetime(60, "max-age=60"), id="freshness-max-age"),
        pytest.param([control("max-age=0")], False, Lifetime(0, "max-age=0"), id="freshness-max-age-0"),
        pytest.param([control("max-age=x")], False, Lifetime(0, "max-age=0"), id="freshness-max-age-a100"),
        pytest.param(
            [control("max-age=60"), ("Expires", at(-7200)), DATE],
            False,
            Lifetime(60, "max-age=60"),
            id="freshness-max-age-expires",
        ),
        pytest.param(
            [control("max-age=60"), ("Expires", "0"), DATE],
            False,
            Lifetime(60, "max-age=60"),
            id="freshness-max-age-expires-invalid",
        ),
        pytest.param(
            [control("max-age=0"), ("Expires", at(3600)), DATE],
            False,
            Lifetime(0, "max-age=0"),
            id="freshness-max-age-0-expires",
        ),
        pytest.param(
            [control("max-age=x"), ("Expires", at(3600)), DATE],
            False,
            Lifetime(0, "max-age=0"),
            id="§4.2.1 an invalid max-age, not Expires",
        ),
        pytest.param(
            [control("s-maxage=3600, max-age=1")],
            False,
            Lifetime(1, "max-age=1"),
            id="freshness-max-age-s-maxage-private",
        ),
        pytest.param([control("s-maxage=60")], False, NONE, id="§5.2.2.10 s-maxage is not for a private cache"),
        pytest.param([control("s-maxage=60")], True, Lifetime(60, "s-maxage=60"), id="freshness-s-maxage-shared"),
        pytest.param(
            [control("max-age=3600, s-maxage=1")],
            True,
            Lifetime(1, "s-maxage=1"),
            id="freshness-max-age-s-maxage-shared-longer",
        ),
        pytest.param(
            [control("max-age=0, s-maxage=60"), ("Expires", at(-10))],
            True,
            Lifetime(60, "s-maxage=60"),
            id="freshness-max-age-s-maxage-shared-shorter-expires",
        ),
        pytest.param([control("max-age=9")], True, Lifetime(9, "max-age=9"), id="§4.2.1 shared without s-maxage"),
    ],
)
def test_cache_control(fields: list[tuple[str, str]], shared: bool, expected: Lifetime) -> None:
    assert lifetime(*fields, shared=shared) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param([("Expires", at(90)), DATE], Lifetime(90, "Expires"), id="freshness-expires-future"),
        pytest.param([("Expires", at(-90)), DATE], Lifetime(0, "Expires"), id="freshness-expires-past"),
        pytest.param([("Expires", at(0)), DATE], Lifetime(0, "Expires"), id="freshness-expires-present"),
        pytest.param(
            [("Expires", at(300)), ("Date", at(400))], Lifetime(0, "Expires"), id="freshness-expires-old-date"
        ),
        pytest.param(
            [("Expires", at(20)), ("Date", at(10))], Lifetime(10, "Expires"), id="freshness-expires-age-fast-date"
        ),
        pytest.param(
            [("Expires", at(10)), ("Date", "foo")], Lifetime(10, "Expires"), id="freshness-expires-invalid-date"
        ),
        pytest.param([("Expires", at(10))], Lifetime(10, "Expires"), id="§5.3 no Date"),
        pytest.param([("Expires", at(9)), ("Expires", at(99)), DATE], Lifetime(9, "Expires"), id="§4.2.1 two lines"),
        pytest.param([("Expires", "0"), ("Expires", at(99)), DATE], NO_DATE, id="§4.2.1 the first line is invalid"),
        pytest.param([("Expires", at(9)), ("Expires", "0"), DATE], Lifetime(9, "Expires"), id="§4.2.1 the second is"),
        pytest.param([("Expires", f"{at(9)}, {at(99)}"), DATE], NO_DATE, id="§5.3 a list"),
        pytest.param([("Expires", "0"), DATE], NO_DATE, id="freshness-expires-invalid"),
        pytest.param([("Expires", ""), DATE], NO_DATE, id="§5.3 empty"),
        pytest.param(
            [("Expires", "0"), ("Last-Modified", at(-10 * DAY)), DATE], NO_DATE, id="§4.2.2 no heuristic beside Expires"
        ),
        pytest.param(
            [("Expires", "Thursday, 18-Aug-50 02:01:18 GMT"), ("Date", "Thu, 18 Aug 2050 02:01:08 GMT")],
            Lifetime(10, "Expires"),
            id="freshness-expires-rfc850",
        ),
        pytest.param(
            [("Expires", "Thu Aug 18 02:01:18 2050"), ("Date", "Thu, 18 Aug 2050 02:01:08 GMT")],
            Lifetime(10, "Expires"),
            id="freshness-expires-ansi-c",
        ),
        pytest.param(
            [("Expires", "THU, 18 AUG 2050 02:01:18 gMT"), ("Date", "Thu, 18 Aug 2050 02:01:08 GMT")],
            Lifetime(10, "Expires"),
            id="freshness-expires-wrong-case",
        ),
        pytest.param(
            [("Expires", "Sun, 21 Nov 2286 04:46:39 GMT"), ("Date", "Sun, 21 Nov 2286 04:46:29 GMT")],
            Lifetime(10, "Expires"),
            id="freshness-expires-far-future",
        ),
    ],
)
def test_expires(fields: list[tuple[str, str]], expected: Lifetime) -> None:
    assert lifetime(*fields) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Thu, 18 Aug 2050 02:01:18 UTC", id="freshness-expires-invalid-utc"),
        pytest.param("Thu, 18 Aug 2050 02:01:18 AEST", id="freshness-expires-invalid-aest"),
        pytest.param("Thu, 18 Aug 50 02:01:18 GMT", id="freshness-expires-invalid-2-digit-year"),
        pytest.param("Thu 18 Aug 2050 02:01:18 GMT", id="freshness-expires-invalid-no-comma"),
        pytest.param("Thu, 18  Aug  2050 02:01:18 GMT", id="freshness-expires-invalid-multiple-spaces"),
        pytest.param("Thu, 18-Aug-2050 02:01:18 GMT", id="freshness-expires-invalid-date-dashes"),
        pytest.param("Thu, 18 Aug 2050 02.01.18 GMT", id="freshness-expires-invalid-time-periods"),
        pytest.param("Thu, 18 Aug 2050 2:01:18 GMT", id="freshness-expires-invalid-1-digit-hour"),
    ],
)
def test_an_expires_that_is_no_date_lies_in_the_past(text: str) -> None:
    assert lifetime(("Expires", text), DATE) == NO_DATE


@pytest.mark.parametrize("status", [200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501])
def test_statuses_with_heuristic_freshness(status: int) -> None:
    """RFC 9110 §15.1, §4.2.2 of RFC 9111: heuristic-200-cached and so on."""
    assert lifetime(("Last-Modified", at(-DAY)), DATE, status=status).seconds == DAY / 10


@pytest.mark.parametrize("status", [201, 202, 302, 303, 307, 400, 401, 403, 429, 500, 502, 503, 504, 599])
def test_statuses_without(status: int) -> None:
    """RFC 9111 §4.2.2: heuristic-201-not_cached and so on, but for `public`, as in heuristic-599-cached."""
    assert lifetime(("Last-Modified", at(-DAY)), DATE, status=status) == NONE
    assert lifetime(("Last-Modified", at(-DAY)), DATE, control("public"), status=status).seconds == DAY / 10


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param([at(-10 * DAY), at(0)], Lifetime(DAY, "heuristic (10 % of 10 days)"), id="days"),
        pytest.param([at(-DAY), at(0)], Lifetime(8640, "heuristic (10 % of 24 hours)"), id="hours"),
        pytest.param([at(-600), at(0)], Lifetime(60, "heuristic (10 % of 10 minutes)"), id="minutes"),
        pytest.param([at(-5), at(0)], Lifetime(0.5, "heuristic (10 % of 5 s)"), id="seconds"),
        pytest.param([at(0), at(0)], Lifetime(0, "heuristic (10 % of 0 s)"), id="modified just now"),
        pytest.param([at(50), at(0)], Lifetime(0, "heuristic (10 % of 0 s)"), id="modified in the future"),
        pytest.param([at(-600), "foo"], Lifetime(60, "heuristic (10 % of 10 minutes)"), id="no Date"),
        pytest.param(["foo", at(0)], NONE, id="an invalid Last-Modified"),
    ],
)
def test_heuristic(fields: list[str], expected: Lifetime) -> None:
    """RFC 9111 §4.2.2: a tenth of the time between Last-Modified and Date."""
    modified, date = fields
    assert lifetime(("Last-Modified", modified), ("Date", date)) == expected


FIELDS = st.lists(
    st.one_of(
        st.tuples(
            st.just("Cache-Control"),
            st.sampled_from(["max-age=60", "max-age=7", "max-age=-1", "s-maxage=9", "s-maxage=x", "public", "foo"]),
        ),
        st.tuples(
            st.sampled_from(["Date", "Expires", "Last-Modified"]),
            st.integers(min_value=-400_000, max_value=400_000).map(at) | st.sampled_from(["0", "", "now"]),
        ),
    ),
    max_size=6,
)


def reference(status: int, fields: list[tuple[str, str]], *, shared: bool) -> float:
    """RFC 9111 §4.2 for the fields above: the first of a name counts, and dates have one form."""

    def date_of(name: str) -> float | None:
        first = next((text for each, text in fields if each == name), "")
        return parsedate_to_datetime(first).timestamp() if first.endswith(" GMT") else None

    words = [text for name, text in fields if name == "Cache-Control"]
    for prefix in ["s-maxage=", "max-age="] if shared else ["max-age="]:
        for word in words:
            if word.startswith(prefix):
                number = word.removeprefix(prefix)
                return float(number) if number.isdigit() else 0.0
    made = date_of("Date")
    made = NOW if made is None else made
    if any(name == "Expires" for name, _ in fields):
        expires = date_of("Expires")
        return 0.0 if expires is None else max(0.0, expires - made)
    modified = date_of("Last-Modified")
    if modified is None or not (status in HEURISTIC_STATUSES or "public" in words):
        return 0.0
    return max(0.0, made - modified) / 10


@given(st.sampled_from([200, 302, 404, 503]), FIELDS, st.booleans())
def test_against_a_reference(status: int, fields: list[tuple[str, str]], shared: bool) -> None:
    assert lifetime(*fields, status=status, shared=shared).seconds == reference(status, fields, shared=shared)


@given(
    st.integers(min_value=200, max_value=599),
    st.lists(st.tuples(st.sampled_from([b"cache-control", b"expires", b"date", b"last-modified"]), st.binary())),
    st.booleans(),
    st.floats(min_value=0, max_value=1e11),
)
def test_no_field_makes_it_negative(
    status: int, lines: list[tuple[bytes, bytes]], shared: bool, response_time: float
) -> None:
    headers = Headers.from_raw(lines)
    found = freshness_lifetime(
        status, headers, ResponseDirectives.of(headers), shared=shared, response_time=response_time
    )
    assert found.seconds >= 0
    assert found.source
