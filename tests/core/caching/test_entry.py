"""What is stored about one response: RFC 9111 §3."""

from __future__ import annotations

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.caching.entry import Entry, Part
from trivet.core.http.headers import Headers

ENTRY = Entry(
    key="key",
    method="GET",
    url="https://api.example.com/users?page=2&token=s3cret",
    status=200,
    reason="OK",
    http_version="HTTP/1.1",
    fields=((b"ETag", b'"1"'), (b"Set-Cookie", b"sid=s3cret"), (b"Set-Cookie", b"b=2")),
    vary=(("authorization", "0123"),),
    request_time=1_700_000_000.0,
    response_time=1_700_000_000.5,
    expires=1_700_000_060.5,
    size=5,
    crc=crc32(b"hello"),
)


def test_headers() -> None:
    assert ENTRY.headers == Headers({"etag": '"1"', "set-cookie": ["sid=s3cret", "b=2"]})
    assert ENTRY.headers.raw == list(ENTRY.fields)


def test_an_entry_is_complete_unless_it_says_which_part_it_is() -> None:
    assert ENTRY.complete
    assert not ENTRY._replace(part=Part(0, 4, None)).complete


@pytest.mark.parametrize(
    ("content", "described"),
    [(b"hello", True), (b"hellO", False), (b"hell", False), (b"hello!", False), (b"", False)],
)
def test_which_content_it_describes(content: bytes, described: bool) -> None:
    assert ENTRY.describes(content) is described


@given(st.binary(max_size=64))
def test_it_describes_what_it_was_made_of(content: bytes) -> None:
    entry = ENTRY._replace(size=len(content), crc=crc32(content))
    assert entry.describes(content)
    assert not entry.describes(content + b"\0")


@pytest.mark.parametrize(
    ("part", "size", "sound"),
    [
        (Part(0, 0, 1), 1, True),
        (Part(0, 499, 500), 500, True),
        (Part(500, 999, 1000), 500, True),
        (Part(500, 999, None), 500, True),
        (Part(0, 500, 500), 501, False),
        (Part(5, 4, None), 0, False),
        (Part(-1, 4, None), 6, False),
        (Part(0, 0, 0), 1, False),
    ],
)
def test_parts(part: Part, size: int, sound: bool) -> None:
    assert part.size == size
    assert part.sound is sound


def test_it_is_immutable() -> None:
    with pytest.raises(AttributeError):
        ENTRY.status = 304  # type: ignore[misc]  # that it cannot be set is the test
    with pytest.raises(AttributeError):
        ENTRY.other = 1  # type: ignore[attr-defined]  # that it cannot be set is the test
    assert hash(ENTRY) == hash(ENTRY._replace())


def test_the_repr_shows_no_secret() -> None:
    assert repr(ENTRY) == "<Entry 200 GET https://api.example.com/users?page=2&token=[redacted], 5 bytes>"
    assert repr(ENTRY._replace(part=Part(7, 11, None))).endswith(", 5 bytes from 7>")
