"""The fields that a request is sent with."""

from __future__ import annotations

import pytest

from trivet.core.errors import InvalidRequest
from trivet.core.http.framing import framed_fields
from trivet.core.http.request import Request
from trivet.core.http.stream import Stream

URL = "https://api.example.com:8443/a"
HOST = (b"Host", b"api.example.com:8443")


def stream(length: int | None = None) -> Stream:
    return Stream(lambda: iter([b"x"]), length=length)


@pytest.mark.parametrize(
    ("method", "headers", "content", "fields"),
    [
        ("GET", {}, b"", []),
        ("HEAD", {}, b"", []),
        ("DELETE", {}, b"", []),
        ("purge", {}, b"", []),
        ("POST", {}, b"", [(b"Content-Length", b"0")]),
        ("PUT", {}, b"", [(b"Content-Length", b"0")]),
        ("PATCH", {}, b"", [(b"Content-Length", b"0")]),
        ("POST", {}, b"abc", [(b"Content-Length", b"3")]),
        ("GET", {}, b"abc", [(b"Content-Length", b"3")]),
        ("POST", {"content-length": "3"}, b"abc", [(b"content-length", b"3")]),
        ("POST", {"transfer-encoding": "Chunked"}, b"abc", [(b"transfer-encoding", b"Chunked")]),
        ("POST", {}, stream(3), [(b"Content-Length", b"3")]),
        ("POST", {}, stream(0), [(b"Content-Length", b"0")]),
        ("GET", {}, stream(0), []),
        ("POST", {}, stream(), [(b"Transfer-Encoding", b"chunked")]),
        ("POST", {"Content-Length": "3"}, stream(), [(b"Content-Length", b"3")]),
    ],
)
def test_fields(
    method: str, headers: dict[str, str], content: bytes | Stream, fields: list[tuple[bytes, bytes]]
) -> None:
    assert framed_fields(Request(method, URL, headers, content)) == [HOST, *fields]


def test_what_the_request_has_stays_as_it_is() -> None:
    lines = [("X-A", "1"), ("host", "other.example"), ("x-a", "2")]
    request = Request("GET", URL, lines)
    assert framed_fields(request) == [(b"X-A", b"1"), (b"host", b"other.example"), (b"x-a", b"2")]
    assert len(request.headers) == 3


@pytest.mark.parametrize(
    ("headers", "content", "message"),
    [
        ({"Content-Length": "3", "Transfer-Encoding": "chunked"}, b"abc", "not both"),
        ({"Content-Length": "4"}, b"abc", "the Content-Length is 4, but the content has 3 bytes"),
        ({"Content-Length": "4"}, stream(3), "the Content-Length is 4, but the content has 3 bytes"),
        ({"Content-Length": ["3", "3"]}, b"abc", "not a number"),
        ({"Content-Length": "+3"}, b"abc", "not a number"),
        ({"Content-Length": "three"}, stream(), "not a number"),
        ({"Transfer-Encoding": "gzip, chunked"}, b"abc", "not gzip, chunked"),
    ],
)
def test_contradictions(headers: dict[str, str], content: bytes | Stream, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        framed_fields(Request("POST", URL, headers, content))
