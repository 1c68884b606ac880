"""Ranges: RFC 9110 §13.1.5, §14, §15.3.7; RFC 9111 §3.3, §3.4."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.caching.entry import Entry, Part
from trivet.core.caching.ranges import (
    UNSUPPORTED,
    ByteRange,
    Unsupported,
    byte_range,
    can_slice,
    content_range,
    covers,
    if_range_holds,
    offset_of,
    part_of,
    partial_headers,
    strong_etag,
)
from trivet.core.caching.stored import Stored
from trivet.core.http.dates import format_http_date
from trivet.core.http.headers import Headers

DATE = 1_000_000_000.0

values = st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"])) | st.from_regex(
    r"(bytes[ =])?[0-9]{0,20}-[0-9]{0,20}(/([0-9]{0,20}|\*))?", fullmatch=True
)
ranges = st.one_of(
    st.integers(0, 40).map(ByteRange),
    st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda pair: ByteRange(min(pair), max(pair))),
    st.integers(0, 40).map(lambda suffix: ByteRange(0, None, suffix)),
)


def entry(
    part: Part | None, size: int = 100, *, status: int | None = None, coding: str = "", coded: bool = False
) -> Entry:
    fields = ((b"content-Encoding", coding.encode()),) if coding else ((b"ETag", b'"a"'),)
    size = size if part is None else part.size
    status = status or (200 if part is None else 206)
    return Entry(
        *("k", "GET", "https://a.example/", status, "", "HTTP/1.1", fields, (), 9.0, 10.0, 70.0, size, 0, part),
        coded=coded,
    )


def wanted(byte_range: ByteRange, content: bytes) -> bytes:
    """What Python's own slicing makes of it."""
    first, last, suffix = byte_range
    if suffix is not None:
        return content[-suffix:] if suffix else b""
    return content[first:] if last is None else content[first : last + 1]


# What is asked for.


@pytest.mark.parametrize(
    ("value", "found"),
    [
        pytest.param("bytes=0-499", ByteRange(0, 499), id="§14.1.2 first-last"),
        pytest.param("bytes=500-500", ByteRange(500, 500), id="§14.1.2 one byte"),
        pytest.param("bytes=9500-", ByteRange(9500), id="§14.1.2 open-ended"),
        pytest.param("bytes=-500", ByteRange(0, None, 500), id="§14.1.2 suffix"),
        pytest.param("bytes=-0", ByteRange(0, None, 0), id="§14.1.2 empty suffix"),
        pytest.param("BYTES=0-1", ByteRange(0, 1), id="§14.1 units have no case"),
        pytest.param("bytes=007-010", ByteRange(7, 10), id="§14.1.2 leading zeros"),
        pytest.param("bytes=" + "9" * 18 + "-", ByteRange(10**18 - 1), id="the largest"),
        pytest.param("bytes=" + "9" * 19 + "-", UNSUPPORTED, id="too large"),
        pytest.param("bytes=" + "9" * 100_000, UNSUPPORTED, id="much too large"),
        pytest.param("bytes=500-499", UNSUPPORTED, id="§14.1.2 the wrong way round"),
        pytest.param("bytes=0-0,-1", UNSUPPORTED, id="§14.1.2 several"),
        pytest.param("items=0-1", UNSUPPORTED, id="§14.1 another unit"),
        pytest.param("bytes=-", UNSUPPORTED, id="nothing"),
        pytest.param("bytes=", UNSUPPORTED, id="no range"),
        pytest.param("bytes", UNSUPPORTED, id="unit only"),
        pytest.param("", UNSUPPORTED, id="empty"),
        pytest.param("bytes=0 -1", UNSUPPORTED, id="white space"),
        pytest.param("bytes=+1-2", UNSUPPORTED, id="sign"),
        pytest.param("bytes=0x1-2", UNSUPPORTED, id="not decimal"),
        pytest.param("bytes=\xb2-\xb3", UNSUPPORTED, id="digits beyond ASCII"),
        pytest.param("bytes=1_0-20", UNSUPPORTED, id="underscore"),
    ],
)
def test_byte_range(value: str, found: ByteRange | Unsupported) -> None:
    assert byte_range(Headers({"range": value})) == found


def test_no_range() -> None:
    assert byte_range(Headers({"Accept-Ranges": "bytes"})) is None


def test_several_range_lines_are_several_ranges() -> None:
    assert byte_range(Headers([("Range", "bytes=0-1"), ("Range", "bytes=0-1")])) is UNSUPPORTED


def test_unsupported_repr() -> None:
    assert repr(UNSUPPORTED) == "UNSUPPORTED"


@given(values)
def test_any_range_is_understood_or_forwarded(value: str) -> None:
    found = byte_range(Headers({"Range": value}))
    assert found is UNSUPPORTED or isinstance(found, ByteRange)


# Resolved.


@pytest.mark.parametrize(
    ("asked", "total", "part"),
    [
        pytest.param(ByteRange(0, 499), 10_000, Part(0, 499, 10_000), id="§14.1.2 within"),
        pytest.param(ByteRange(9500), 10_000, Part(9500, 9999, 10_000), id="§14.1.2 open-ended"),
        pytest.param(ByteRange(0, None, 500), 10_000, Part(9500, 9999, 10_000), id="§14.1.2 suffix"),
        pytest.param(ByteRange(0, None, 500), 100, Part(0, 99, 100), id="§14.1.2 suffix longer than the whole"),
        pytest.param(ByteRange(0, 999), 100, Part(0, 99, 100), id="§14.1.2 last beyond the end"),
        pytest.param(ByteRange(99, 99), 100, Part(99, 99, 100), id="the last byte"),
        pytest.param(ByteRange(100), 100, None, id="§14.1.2 first beyond the end"),
        pytest.param(ByteRange(0, None, 0), 100, None, id="§14.1.2 empty suffix"),
        pytest.param(ByteRange(0), 0, None, id="nothing to take from"),
        pytest.param(ByteRange(0, None, 1), 0, None, id="nothing to take a suffix from"),
    ],
)
def test_part_of(asked: ByteRange, total: int, part: Part | None) -> None:
    assert part_of(asked, total) == part


@given(ranges, st.binary(max_size=40))
def test_a_part_is_a_slice(asked: ByteRange, content: bytes) -> None:
    part = part_of(asked, len(content))
    if part is None:
        assert wanted(asked, content) == b""
    else:
        assert part.sound
        assert part.total == len(content)
        assert content[part.first : part.last + 1] == wanted(asked, content)


# Content-Range.


@pytest.mark.parametrize(
    ("value", "part"),
    [
        pytest.param("bytes 0-499/1234", Part(0, 499, 1234), id="§14.4"),
        pytest.param("bytes 0-499/*", Part(0, 499, None), id="§14.4 length unknown"),
        pytest.param("Bytes 0-0/1", Part(0, 0, 1), id="§14.1 units have no case"),
        pytest.param("bytes */1234", None, id="§14.4 unsatisfied"),
        pytest.param("bytes 500-499/1234", None, id="§14.4 last before first"),
        pytest.param("bytes 0-499/499", None, id="§14.4 length not beyond last"),
        pytest.param("items 0-499/1234", None, id="§14.4 another unit"),
        pytest.param("bytes=0-499/1234", None, id="equals sign"),
        pytest.param("bytes 0-499", None, id="no length"),
        pytest.param("bytes 0-/10", None, id="no last"),
        pytest.param("bytes 0-4/" + "9" * 19, None, id="too large"),
        pytest.param("bytes \xb2-\xb3/9", None, id="digits beyond ASCII"),
        pytest.param("", None, id="empty"),
    ],
)
def test_content_range(value: str, part: Part | None) -> None:
    assert content_range(Headers({"content-range": value})) == part


def test_no_content_range_and_several() -> None:
    line = ("Content-Range", "bytes 0-4/10")
    assert content_range(Headers([line])) == Part(0, 4, 10)
    assert content_range(Headers()) is content_range(Headers([line, line])) is None


@given(values)
def test_any_content_range_is_sound_or_none(value: str) -> None:
    part = content_range(Headers({"Content-Range": value}))
    assert part is None or part.sound


# Strong validators.


@pytest.mark.parametrize(
    ("value", "strong"),
    [
        pytest.param('"a"', True, id="§8.8.3 strong"),
        pytest.param('""', True, id="§8.8.3 empty"),
        pytest.param('"\xe9!#~"', True, id="§8.8.3 obs-text"),
        pytest.param('W/"a"', False, id="§8.8.3 weak"),
        pytest.param('w/"a"', False, id="§8.8.3 weak in lower case"),
        pytest.param("a", False, id="no quotes"),
        pytest.param('"a', False, id="not closed"),
        pytest.param('"a"b"', False, id="quote within"),
        pytest.param('"a", "b"', False, id="several"),
        pytest.param("", False, id="empty field"),
    ],
)
def test_strong_etag(value: str, strong: bool) -> None:
    assert strong_etag(Headers({"ETag": value})) == (value if strong else None)


def test_no_etag() -> None:
    assert strong_etag(Headers()) is None


def modified(before: float) -> str:
    return format_http_date(DATE - before)


@pytest.mark.parametrize(
    ("condition", "fields", "holds"),
    [
        pytest.param(None, {"ETag": 'W/"a"'}, True, id="none"),
        pytest.param('"a"', {"ETag": '"a"'}, True, id="§13.1.5 the same tag"),
        pytest.param('"a"', {"ETag": '"b"'}, False, id="§13.1.5 another tag"),
        pytest.param('"A"', {"ETag": '"a"'}, False, id="§8.8.3 tags have case"),
        pytest.param('W/"a"', {"ETag": 'W/"a"'}, False, id="§13.1.5 weak tags"),
        pytest.param('W/"a"', {"ETag": '"a"'}, False, id="§13.1.5 weak asked"),
        pytest.param('"a"', {"ETag": 'W/"a"'}, False, id="§13.1.5 weak stored"),
        pytest.param('"a"', {}, False, id="§13.1.5 no tag"),
        pytest.param('"a", "b"', {"ETag": '"a"'}, False, id="§13.1.5 several tags"),
        pytest.param('"a', {"ETag": '"a'}, False, id="no tag at all"),
        pytest.param(modified(60), {"Last-Modified": modified(60), "Date": modified(0)}, True, id="§13.1.5 date"),
        pytest.param(modified(59), {"Last-Modified": modified(59), "Date": modified(0)}, False, id="§8.8.2.2 weak"),
        pytest.param(modified(0), {"Last-Modified": modified(0), "Date": modified(60)}, False, id="§8.8.2.2 future"),
        pytest.param(modified(70), {"Last-Modified": modified(90), "Date": modified(0)}, False, id="§13.1.5 earlier"),
        pytest.param(modified(90), {"Last-Modified": modified(70), "Date": modified(0)}, False, id="§13.1.5 later"),
        pytest.param(modified(60), {"Last-Modified": modified(60)}, False, id="§8.8.2.2 no Date"),
        pytest.param(modified(60), {"Last-Modified": modified(60), "Date": "x"}, False, id="§8.8.2.2 bad Date"),
        pytest.param(modified(60), {"Date": modified(0)}, False, id="§13.1.5 no Last-Modified"),
        pytest.param("x", {"Last-Modified": "x", "Date": modified(0)}, False, id="§13.1.5 no date at all"),
        pytest.param("", {"ETag": "", "Date": modified(0)}, False, id="empty"),
    ],
)
def test_if_range(condition: str | None, fields: dict[str, str], holds: bool) -> None:
    asked = Headers({} if condition is None else {"If-Range": condition})
    stored = Stored(entry(None)._replace(fields=tuple(Headers(fields).raw), response_time=DATE), None)
    assert if_range_holds(asked, stored) is holds


@given(values, values, values)
def test_any_if_range_holds_or_not(condition: str, date: str, etag: str) -> None:
    headers = Headers({"Last-Modified": condition, "Date": date, "ETag": etag})
    stored = Stored(entry(None)._replace(fields=tuple(headers.raw)), None)
    assert if_range_holds(Headers({"If-Range": condition}), stored) in (True, False)


# What stored content has of it.


@pytest.mark.parametrize(
    ("stored", "sliceable"),
    [
        pytest.param(entry(None), True, id="no coding"),
        pytest.param(entry(None, coding="gzip"), False, id="§14.1.2 coding removed"),
        pytest.param(entry(None, coding="gzip", coded=True), True, id="§14.1.2 coding kept"),
        pytest.param(entry(Part(0, 4, 10), coding="br"), False, id="partial, coding removed"),
    ],
)
def test_can_slice(stored: Entry, sliceable: bool) -> None:
    assert can_slice(stored) is sliceable
    assert (covers(stored, ByteRange(1, 2)) is not None) is sliceable


@pytest.mark.parametrize(
    ("stored", "asked", "part"),
    [
        pytest.param(entry(None), ByteRange(10, 19), Part(10, 19, 100), id="complete"),
        pytest.param(entry(None), ByteRange(90), Part(90, 99, 100), id="complete, open-ended"),
        pytest.param(entry(None), ByteRange(0, None, 10), Part(90, 99, 100), id="complete, suffix"),
        pytest.param(entry(None), ByteRange(100), None, id="complete, unsatisfiable"),
        pytest.param(entry(None, status=404), ByteRange(0), None, id="§14.2 other statuses"),
        pytest.param(entry(None, status=206), ByteRange(0), None, id="206 of no part"),
        pytest.param(entry(Part(10, 19, 100), status=200), ByteRange(10, 19), None, id="200 of a part"),
        pytest.param(entry(Part(10, 19, 100)), ByteRange(10, 19), Part(10, 19, 100), id="§3.3 the very part"),
        pytest.param(entry(Part(10, 19, 100)), ByteRange(12, 15), Part(12, 15, 100), id="§3.3 within"),
        pytest.param(entry(Part(10, 19, 100)), ByteRange(9, 19), None, id="§3.3 begins before"),
        pytest.param(entry(Part(10, 19, 100)), ByteRange(10, 20), None, id="§3.3 ends after"),
        pytest.param(entry(Part(10, 19, 100)), ByteRange(10), None, id="§3.3 the end is missing"),
        pytest.param(entry(Part(10, 19, 100)), ByteRange(0, None, 85), None, id="§3.3 suffix, the end is missing"),
        pytest.param(entry(Part(10, 99, 100)), ByteRange(10), Part(10, 99, 100), id="§3.3 has the end"),
        pytest.param(entry(Part(10, 99, 100)), ByteRange(20, 999), Part(20, 99, 100), id="§3.3 last beyond the end"),
        pytest.param(entry(Part(10, 99, 100)), ByteRange(0, None, 90), Part(10, 99, 100), id="§3.3 suffix"),
        pytest.param(entry(Part(10, 99, 100)), ByteRange(0, None, 91), None, id="§3.3 suffix begins before"),
        pytest.param(entry(Part(10, 99, 100)), ByteRange(100), None, id="§3.3 unsatisfiable"),
        pytest.param(entry(Part(10, 19, None)), ByteRange(10, 19), Part(10, 19, None), id="total unknown"),
        pytest.param(entry(Part(10, 19, None)), ByteRange(10, 20), None, id="total unknown, ends after"),
        pytest.param(entry(Part(10, 19, None)), ByteRange(10), None, id="total unknown, open-ended"),
        pytest.param(entry(Part(10, 19, None)), ByteRange(0, None, 5), None, id="total unknown, suffix"),
    ],
)
def test_covers(stored: Entry, asked: ByteRange, part: Part | None) -> None:
    assert covers(stored, asked) == part


@given(ranges, st.binary(min_size=1, max_size=40), st.data(), st.booleans())
def test_what_is_covered_is_right(asked: ByteRange, content: bytes, data: st.DataObject, known: bool) -> None:
    first = data.draw(st.integers(0, len(content) - 1))
    last = data.draw(st.integers(first, len(content) - 1))
    partial = entry(Part(first, last, len(content) if known else None))
    for stored, held in ((entry(None, len(content)), content), (partial, content[first : last + 1])):
        part = covers(stored, asked)
        if part is not None:
            start = offset_of(part, stored)
            assert held[start : start + part.size] == wanted(asked, content)


def test_partial_headers_replace_those_of_the_message() -> None:
    fields = {
        "etag": '"a"',
        "content-length": "100",
        "Content-Digest": "sha-256=:AA==:",
        "Repr-Digest": "sha-256=:BB==:",
    }
    assert partial_headers(Headers(fields), Part(1, 2, 100)).raw == [
        (b"etag", b'"a"'),
        (b"Content-Length", b"2"),
        (b"Repr-Digest", b"sha-256=:BB==:"),
        (b"Content-Range", b"bytes 1-2/100"),
    ]


@pytest.mark.parametrize("part", [Part(1, 2, 100), Part(0, 0, None)])
def test_partial_headers_are_read_back(part: Part) -> None:
    headers = partial_headers(Headers({"Content-Range": "bytes 0-9/10"}), part)
    assert content_range(headers) == part
    assert headers["Content-Length"] == str(part.size)
