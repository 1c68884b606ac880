"""The caller's own conditions: RFC 9110 §13 and §15.4.5, RFC 9111 §4.3.2. Ids are those of the public cache test suite."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.caching.conditions import (
    CONDITIONAL_FIELDS,
    answerable,
    has_conditions,
    not_modified,
    not_modified_headers,
)
from trivet.core.caching.entry import Entry
from trivet.core.caching.stored import Stored
from trivet.core.http.dates import format_http_date
from trivet.core.http.headers import Headers

NOW = 1_800_000_000.0


def at(seconds: float) -> str:
    return format_http_date(NOW + seconds)


def stored(*fields: tuple[str, str], status: int = 200) -> Stored:
    raw = tuple(Headers(fields).raw)
    return Stored(Entry("k", "GET", "https://a.example/", status, "", "HTTP/1.1", raw, (), NOW, NOW, inf, 0, 0), b"")


@pytest.mark.parametrize("name", CONDITIONAL_FIELDS)
def test_a_field_makes_a_request_conditional(name: str) -> None:
    for spelling in (name, name.lower(), name.upper()):
        headers = Headers([("Accept", "*/*"), (spelling, "x")])
        assert has_conditions(headers)
        assert answerable(headers) is (name in {"If-None-Match", "If-Modified-Since"})
    assert not answerable(Headers([("If-None-Match", '"a"'), ("If-Match", '"a"')]))


def test_without_such_a_field_there_is_no_condition() -> None:
    headers = Headers({"Accept": "*/*", "If": "x", "If-Match-Not": "x", "Range": "bytes=0-1"})
    assert not has_conditions(headers)
    assert answerable(headers)


@pytest.mark.parametrize(
    ("etag", "none_match", "expected"),
    [
        pytest.param('"abcdef"', '"abcdef"', True, id="conditional-etag-strong-respond"),
        pytest.param('"abcdef\xfc"', '"abcdef\xfc"', True, id="conditional-etag-strong-respond-obs-text"),
        pytest.param('"abcdef"', "abcdef", True, id="conditional-etag-quoted-respond-unquoted"),
        pytest.param("abcdef", "abcdef", True, id="conditional-etag-unquoted-respond-unquoted"),
        pytest.param("abcdef", '"abcdef"', True, id="conditional-etag-unquoted-respond-quoted"),
        pytest.param('W/"abcdef"', 'W/"abcdef"', True, id="conditional-etag-weak-respond"),
        pytest.param('"abcdef"', '"abcdef", "1234", "5678"', True, id="conditional-etag-strong-respond-multiple-first"),
        pytest.param(
            '"abcdef"', '"1234", "abcdef", "5678"', True, id="conditional-etag-strong-respond-multiple-second"
        ),
        pytest.param('"abcdef"', '"1234", "5678", "abcdef"', True, id="conditional-etag-strong-respond-multiple-last"),
        pytest.param('"a"', 'W/"a"', True, id="weak comparison"),
        pytest.param('W/"a"', '"a"', True, id="weak comparison of a weak one"),
        pytest.param('"a,b"', '"c", "a,b"', True, id="comma"),
        pytest.param('"a"', "*", True, id="any"),
        pytest.param(None, "*", True, id="any, without a tag"),
        pytest.param('"a"', '"b"', False, id="another"),
        pytest.param('"a"', '"A"', False, id="another case"),
        pytest.param('"a"', '"b", *', False, id="no list has any"),
        pytest.param('"a"', "", False, id="empty"),
        pytest.param(None, '"a"', False, id="without a tag"),
        pytest.param("*", '"a"', False, id="not a tag"),
    ],
)
def test_if_none_match(etag: str | None, none_match: str, *, expected: bool) -> None:
    """RFC 9110 §13.1.2."""
    response = stored() if etag is None else stored(("ETag", etag))
    assert not_modified(Headers({"If-None-Match": none_match}), response) is expected


def test_lines_are_one_list() -> None:
    assert not_modified(Headers([("If-None-Match", '"a"'), ("If-None-Match", '"b"')]), stored(("ETag", '"b"')))


@pytest.mark.parametrize(
    ("fields", "since", "expected"),
    [
        pytest.param([("Last-Modified", at(-3000)), ("Date", at(0))], at(-3000), True, id="conditional-lm-fresh"),
        pytest.param([("Last-Modified", at(-3000))], at(-2000), True, id="conditional-lm-fresh-earlier"),
        pytest.param(
            [("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")],
            "Sunday, 06-Nov-94 08:49:37 GMT",
            True,
            id="conditional-lm-fresh-rfc850",
        ),
        pytest.param([("Last-Modified", at(-3000)), ("Date", at(-9000))], at(-3001), False, id="modified"),
        pytest.param([("Last-Modified", "yesterday"), ("Date", at(-9000))], at(0), False, id="modified at no time"),
        # Without Last-Modified, a Date that is not later
        pytest.param([("Date", at(-10))], at(-10), True, id="date"),
        pytest.param([("Date", at(-10))], at(-11), False, id="date later"),
        # Without both, the time when it came
        pytest.param([], at(0), True, id="came"),
        pytest.param([("Date", "yesterday")], at(-1), False, id="came later"),
        # What is no date is no condition (RFC 9110 §13.1.3).
        pytest.param([("Last-Modified", at(-3000))], "yesterday", False, id="no date"),
        pytest.param([("Last-Modified", at(-3000))], "", False, id="empty"),
        pytest.param([("Last-Modified", at(-3000))], f"{at(0)}, {at(0)}", False, id="two dates"),
    ],
)
def test_if_modified_since(fields: list[tuple[str, str]], since: str, *, expected: bool) -> None:
    """RFC 9110 §13.1.3, RFC 9111 §4.3.2."""
    assert not_modified(Headers({"If-Modified-Since": since}), stored(*fields)) is expected


def test_two_lines_of_if_modified_since_are_no_condition() -> None:
    headers = Headers([("If-Modified-Since", at(0)), ("If-Modified-Since", at(0))])
    assert not not_modified(headers, stored(("Last-Modified", at(-3000))))


@pytest.mark.parametrize(
    ("none_match", "since", "expected"),
    [('"abcdef"', at(-9000), True), ('"b"', at(0), False), ("", at(0), False)],
)
def test_if_none_match_takes_precedence(none_match: str, since: str, *, expected: bool) -> None:
    """conditional-etag-precedence; RFC 9110 §13.2.2."""
    response = stored(("Last-Modified", at(-5000)), ("ETag", '"abcdef"'))
    headers = Headers({"If-None-Match": none_match, "If-Modified-Since": since})
    assert not_modified(headers, response) is expected


@pytest.mark.parametrize(("status", "expected"), [(199, False), (200, True), (203, True), (300, False), (404, False)])
def test_only_successes_are_not_modified(status: int, *, expected: bool) -> None:
    """RFC 9110 §13.2.1."""
    assert not_modified(Headers({"If-None-Match": "*"}), stored(status=status)) is expected


def test_a_request_without_conditions_is_answered_in_full() -> None:
    assert not not_modified(Headers({"Accept": "*/*"}), stored(("ETag", '"a"'), ("Last-Modified", at(-1))))


def test_the_fields_of_a_304() -> None:
    """RFC 9110 §15.4.5; conditional-304-etag."""
    kept = [
        *[(name, "x") for name in ("Content-Location", "Date", "ETag", "Vary", "Cache-Control", "Expires", "Age")],
        *[(name, "x") for name in ("Last-Modified", "Content-Security-Policy", "Link", "X-Request-Id")],
        ("Set-Cookie", "a=b"),
        ("set-cookie", "c=d"),
    ]
    left_out = [
        *("Content-Type", "content-encoding", "Content-Language", "Content-Length", "Content-Range", "Content-MD5"),
        *("Content-Digest", "Repr-Digest", "Digest"),
    ]
    assert not_modified_headers(Headers([*[(name, "x") for name in left_out], *kept])).raw == Headers(kept).raw


values = st.one_of(st.binary(max_size=20), st.sampled_from([b"*", b'"a"', b'W/"a"', b"a", at(0).encode()]))


@given(values, values, values, values)
def test_whatever_is_sent_is_answered(none_match: bytes, since: bytes, etag: bytes, modified: bytes) -> None:
    entry = stored().entry._replace(fields=((b"ETag", etag), (b"Last-Modified", modified)))
    asked = [(b"If-None-Match", none_match), (b"If-Modified-Since", since)]
    precedent = not_modified(Headers.from_raw(asked[:1]), Stored(entry, b""))
    assert not_modified(Headers.from_raw(asked), Stored(entry, b"")) is precedent
    assert not_modified(Headers.from_raw(asked[1:]), Stored(entry, b"")) in {True, False}
