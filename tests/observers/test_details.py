"""What is shown of headers and content: enough to see what happened, and nothing secret."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.http.headers import Headers
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.http.stream import Stream
from trivet.observers.details import (
    MAX_SHOWN,
    printable,
    shown_headers,
    shown_request_content,
    shown_response_content,
)

URL = "https://api.example.com/users"
FORM = "application/x-www-form-urlencoded"


def shown(content: bytes, media_type: str | None) -> str:
    """The content as it is shown, the same in a request and in a response."""
    headers = {"Content-Type": media_type} if media_type else {}
    in_request = shown_request_content(Request("POST", URL, headers, content))
    in_response = shown_response_content(Response(200, headers, content))
    # What a request holds as a secret is masked in all of it, which makes the only difference.
    assert in_request == in_response or "redacted" in in_request
    return in_response


@pytest.mark.parametrize(
    ("content", "media_type", "text"),
    [
        (b"", "application/json", ""),
        (b'{"id": 7}', "application/json", '{"id": 7}'),
        (b'{"name":"Zo\xc3\xab"}', "application/vnd.api+json", '{"name": "Zoë"}'),
        (b'{"password": "x", "a": [{"apiKey": "y"}]}', "application/json",
         '{"password": "[redacted]", "a": [{"apiKey": "[redacted]"}]}'),
        (b'{"url": "https://x/?token=abc"}', "application/json", '{"url": "https://x/?token=[redacted]"}'),
        (b'{"text": "two\\nlines \\u202e"}', "application/json", '{"text": "two\\nlines \\u202e"}'),
        (b'{"broken": "js', "application/json", '{"broken": "js'),
        (b'{"password": "js', "application/json", '{"password": "[redacted]"'),
        (b"user=ada&password=hunter&x", FORM, "user=ada&password=[redacted]&x"),
        (b"api%5Fkey=abc&grant_type=password", FORM, "api%5Fkey=[redacted]&grant_type=password"),
        (b"two\r\nlines\x1b[2J", "text/plain", "two\\r\\nlines\\x1b[2J"),
        (b"caf\xe9", "text/plain; charset=latin-1", "café"),
        (b"<p>hello</p>", "text/html", "<p>hello</p>"),
        (b"<a/>", "application/xml", "<a/>"),
        (b"<a/>", "application/atom+xml", "<a/>"),
        (b"token=abc", "text/plain", "token=[redacted]"),
        (b"\x89PNG", "image/png", "<4 bytes of image/png>"),
        (b"--x--", "multipart/form-data; boundary=x", "<5 bytes of multipart/form-data>"),
        (b"what", None, "<4 bytes>"),
        (b'{"a": "' + b"x" * 1_048_576 + b'"}', "application/json", "<1048585 bytes of application/json>"),
    ],
)  # fmt: skip
def test_content_is_shown_by_its_media_type(content: bytes, media_type: str | None, text: str) -> None:
    assert shown(content, media_type) == text


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"word " * 2000, "text/plain"),
        ("née ".encode() * 2000, "text/plain"),
        (json.dumps(["word"] * 2000).encode(), "application/json"),
        (b"[" + b'"word", ' * 2000, "application/json"),
        (b"a=word&" * 2000, FORM),
    ],
)
def test_long_content_is_cut_and_its_size_told(content: bytes, media_type: str) -> None:
    text = shown(content, media_type)
    assert text.endswith(f"… ({len(content)} bytes in all)")
    assert MAX_SHOWN - 20 < len(text.partition("…")[0]) <= MAX_SHOWN


def test_content_that_just_fits_is_shown_whole() -> None:
    assert shown(b"x" * MAX_SHOWN, "text/plain") == "x" * MAX_SHOWN


@pytest.mark.parametrize(("length", "text"), [(None, "<stream>"), (7, "<stream of 7 bytes>")])
def test_a_stream_is_not_opened(length: int | None, text: str) -> None:
    stream = Stream(lambda: pytest.fail("opened"), length=length)
    assert shown_request_content(Request("POST", URL, {"Content-Type": "text/plain"}, stream)) == text


def test_unread_content_is_not_shown() -> None:
    assert shown_response_content(Response(200, {"Content-Type": "text/plain"}, body=object())) == ""


def test_a_response_does_not_show_what_its_request_held_secret() -> None:
    request = Request("GET", URL, {"Authorization": "Bearer hunter"})
    echo = Response(200, {"Content-Type": "application/json"}, b'{"you": "sent hunter"}', request=request)
    assert shown_response_content(echo) == '{"you": "sent [redacted]"}'


def test_headers_are_shown_by_an_allow_list() -> None:
    headers = Headers({"Accept": ["a", "b"], "Authorization": "Bearer hunter", "X-Unheard-Of": "hunter"})
    assert shown_headers(headers) == [
        "Accept: a",
        "Accept: b",
        "Authorization: [redacted]",
        "X-Unheard-Of: [redacted]",
    ]


def test_headers_cannot_forge_a_line() -> None:
    headers = Headers.from_raw([(b"Server", b"x\x9b2J\x85y"), (b"Date", b"a\r\nb")])
    assert shown_headers(headers) == ["Server: x\\x9b2J\\x85y", "Date: a\\r\\nb"]


@given(st.text())
def test_what_is_printable_has_no_control_characters(text: str) -> None:
    line = printable(text)
    assert line.isprintable()
    line.encode()
    if text.isprintable():
        assert line == text


@given(
    content=st.binary(max_size=200),
    media_type=st.sampled_from(["application/json", FORM, "text/plain", "text/html; charset=utf-16", "x/y", "?"]),
)
def test_any_content_can_be_shown(content: bytes, media_type: str) -> None:
    assert shown(content, media_type).isprintable()
