"""Updating what is stored: RFC 9111 §3.2, §4.3.4 and §4.3.5. The ids of the public cache test suite stand beside its cases."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.caching.entry import Entry, Part
from trivet.core.caching.stored import Stored
from trivet.core.caching.updating import agrees, freshened, updated_fields
from trivet.core.caching.vary import selected
from trivet.core.http.dates import format_http_date
from trivet.core.http.headers import Headers
from trivet.core.http.response import Response

NOW = 1_800_000_000.0
THEN = NOW - 3600


def entry(*fields: tuple[str, str], status: int = 200, size: int = 10, part: Part | None = None) -> Entry:
    return Entry(
        *("k", "GET", "https://a.example/", status, "OK", "HTTP/1.1"),
        tuple(Headers(fields).raw),
        (("accept", "a/b"),),
        *(THEN - 1, THEN, inf),
        size=size,
        crc=7,
        part=part,
        content_id="id",
    )


def freshen(old: Entry, response: Response, request_headers: Headers | None = None, came: float = NOW) -> Entry:
    return freshened(
        old, response, request_time=came - 1, response_time=came, expires=came + 60, request_headers=request_headers
    )


@pytest.mark.parametrize(
    "name",
    [
        *("Test-Header", "X-Test-Header", "Content-Foo", "X-Content-Foo", "Cache-Control", "Content-Location"),
        *("Content-MD5", "Content-Security-Policy", "Content-Type", "Clear-Site-Data", "Expires", "Public-Key-Pins"),
        *("Set-Cookie", "Set-Cookie2", "X-Frame-Options", "X-XSS-Protection", "Date", "Age", "Vary", "Last-Modified"),
        *("ETag", "Repr-Digest"),
    ],
)
def test_fields_are_updated(name: str) -> None:
    """304-etag-update-response-*."""
    updated = updated_fields(Headers([(name, "a"), ("Other", "c")]), Headers([(name.lower(), "b")]))
    assert list(updated.items()) == [(name.lower(), "b"), ("Other", "c")]
    assert updated_fields(Headers([("Other", "c")]), Headers([(name, "b")])) == {"Other": "c", name: "b"}


@pytest.mark.parametrize("name", ["Content-Length", "Content-Encoding", "Content-Range", "Content-Digest"])
def test_what_describes_the_stored_bytes_is_not_updated(name: str) -> None:
    """304-etag-update-response-Content-Length, and RFC 9111 §3.2 on what is processed while it is received."""
    assert updated_fields(Headers({name: "5"}), Headers({name: "10"})) == {name: "5"}
    assert updated_fields(Headers(), Headers({name.upper(): "10"})) == {}


@pytest.mark.parametrize(
    "name",
    [
        *("Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization"),
        *("Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade"),
    ],
)
def test_what_is_not_stored_is_not_updated(name: str) -> None:
    """RFC 9111 §3.1."""
    assert updated_fields(Headers({"A": "1"}), Headers({name: "x"})) == {"A": "1"}


def test_what_connection_names_is_not_updated() -> None:
    new = Headers({"Connection": "close, A, ETag", "A": "2", "B": "2", "ETag": '"b"'})
    assert updated_fields(Headers({"A": "1", "B": "1", "ETag": '"a"'}), new) == {"A": "1", "B": "2", "ETag": '"b"'}


def test_all_lines_of_a_name_are_replaced() -> None:
    stored = Headers([("A", "1"), ("B", "1"), ("a", "2")])
    assert updated_fields(stored, Headers([("A", "3"), ("A", "4")])).get_all("A") == ["3", "4"]


@pytest.mark.parametrize(
    ("stored", "new", "expected"),
    [
        ('W/"a"', '"a"', 'W/"a"'),
        ("a", '"a"', "a"),
        ('"a"', 'W/"a"', 'W/"a"'),
        ('"a"', '"a"', '"a"'),
        ('W/"a"', 'W/"b"', 'W/"b"'),
        ('W/"a"', "*", "*"),
    ],
)
def test_a_weak_tag_does_not_become_strong(stored: str, new: str, expected: str) -> None:
    """The server may have compressed what is stored, and the 304 not (RFC 9110 §8.8.3.3)."""
    assert updated_fields(Headers({"ETag": stored}), Headers({"ETag": new}))["ETag"] == expected


# RFC 9111 §4.3.4


def test_the_rest_of_an_entry_stays() -> None:
    old = entry(("A", "1"), ("Content-Length", "10"), ("Date", format_http_date(THEN)))
    new = freshen(old, Response(304, {"A": "2", "Date": format_http_date(NOW - 5)}))
    assert new.headers == {"A": "2", "Content-Length": "10", "Date": format_http_date(NOW - 5)}
    assert (new.request_time, new.response_time, new.expires) == (NOW - 1, NOW, NOW + 60)
    assert new == old._replace(
        fields=new.fields, request_time=new.request_time, response_time=new.response_time, expires=new.expires
    )


@pytest.mark.parametrize(
    ("stored", "new", "age"),
    [
        ([("Age", "500"), ("Date", format_http_date(THEN))], {}, 1.0),
        ([("Age", "500")], {"Age": "30"}, 31.0),
        ([("Date", format_http_date(THEN))], {"Date": "yesterday"}, 1.0),
        ([("Date", format_http_date(THEN))], {"Date": format_http_date(NOW - 20)}, 20.0),
        ([], {}, 1.0),
    ],
)
def test_what_was_validated_is_young_again(stored: list[tuple[str, str]], new: dict[str, str], age: float) -> None:
    """RFC 9111 §4.2.3: as old as the 304 is, which took a second."""
    fresh = freshen(entry(*stored), Response(304, new))
    assert Stored(fresh, b"").age(NOW) == age


@pytest.mark.parametrize("came", [1e15, -1e15])
def test_a_clock_beyond_the_calendar_leaves_no_date(came: float) -> None:
    fresh = freshen(entry(("Date", format_http_date(THEN))), Response(304), came=came)
    assert "Date" not in fresh.headers
    assert Stored(fresh, b"").age(came) == 1.0


def test_selecting_fields_are_made_anew_if_the_request_is_known() -> None:
    old = entry(("Vary", "Accept"))
    asked = Headers({"Accept": "c/d", "Origin": "x"})
    assert freshen(old, Response(304, {"Vary": "Accept, Origin"})).vary == old.vary
    assert freshen(old, Response(304, {"Vary": "Origin"}), asked).vary == selected(asked, ["origin"])
    assert freshen(old, Response(304), asked).vary == (("accept", "c/d"),)
    assert freshen(old, Response(304, {"Vary": "*"}), asked).vary is None
    assert freshen(old, Response(304), Headers({"Accept": "a/b"})).variant == old.variant


# RFC 9111 §4.3.5

MODIFIED = ("Last-Modified", format_http_date(THEN))
TAG = ("ETag", '"a"')
LENGTH = ("Content-Length", "10")


@pytest.mark.parametrize(
    ("stored", "head", "expected"),
    [
        ([], {}, True),
        ([TAG, MODIFIED, LENGTH], {}, True),
        ([TAG, MODIFIED, LENGTH], dict([TAG, MODIFIED, LENGTH]), True),
        ([TAG], {"ETag": '"b"'}, False),
        ([TAG], {"ETag": 'W/"a"'}, False),
        ([], dict([TAG]), False),
        ([MODIFIED], {"Last-Modified": format_http_date(NOW)}, False),
        ([], dict([MODIFIED]), False),
        ([TAG, MODIFIED], {"ETag": '"a"', "Last-Modified": format_http_date(NOW)}, False),
        ([LENGTH], {"Content-Length": "11"}, False),
        ([LENGTH], {"Content-Length": "ten"}, False),
        # Without a Content-Length of its own, what is stored is as long as it is, if that is how it came.
        ([], {"Content-Length": "10"}, True),
        ([], {"Content-Length": "11"}, False),
        ([("Content-Encoding", "gzip")], {"Content-Length": "10"}, False),
        ([("Content-Encoding", "gzip"), LENGTH], {"Content-Length": "10"}, True),
    ],
)
def test_a_head_agrees(stored: list[tuple[str, str]], head: dict[str, str], *, expected: bool) -> None:
    assert agrees(entry(*stored), Response(200, head)) is expected


def test_content_stored_with_its_codings_has_its_length() -> None:
    coded = entry(("Content-Encoding", "gzip"))._replace(coded=True)
    assert agrees(coded, Response(200, {"Content-Length": "10"}))
    assert not agrees(coded, Response(200, {"Content-Length": "11"}))


@pytest.mark.parametrize(
    ("total", "length", "expected"), [(30, "30", True), (30, "10", False), (None, "30", False), (None, None, True)]
)
def test_a_head_is_about_the_whole(total: int | None, length: str | None, *, expected: bool) -> None:
    partial = entry(LENGTH, status=206, part=Part(10, 19, total))
    assert agrees(partial, Response(200, {} if length is None else {"Content-Length": length})) is expected


@pytest.mark.parametrize(("stored", "head"), [(200, 404), (200, 204), (404, 200), (301, 200)])
def test_another_status_is_another_response(stored: int, head: int) -> None:
    assert not agrees(entry(TAG, status=stored), Response(head, dict([TAG])))


names = st.sampled_from([b"ETag", b"Date", b"Age", b"Vary", b"Connection", b"Content-Length", b"Last-Modified", b"X"])
lines = st.lists(st.tuples(names, st.binary(max_size=20)), max_size=6)


@given(lines, lines)
def test_whatever_is_sent_updates(stored: list[tuple[bytes, bytes]], new: list[tuple[bytes, bytes]]) -> None:
    old = entry()._replace(fields=tuple(stored))
    response = Response(200, Headers.from_raw(new))
    fresh = freshen(old, response, Headers())
    assert fresh.headers.get_all("Content-Length") == old.headers.get_all("Content-Length")
    assert "Date" in fresh.headers
    if "X" in response.headers and "Connection" not in response.headers:
        assert fresh.headers.get_all("X") == response.headers.get_all("X")
    assert agrees(old, Response(200, old.headers.without("Content-Length")))
    assert isinstance(agrees(old, response), bool)
