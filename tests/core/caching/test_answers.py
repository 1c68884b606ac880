"""Responses made of what is stored."""

from __future__ import annotations

import random
from typing import Any
from zlib import crc32

import pytest

from core.caching.world import START, URL, World
from trivet.core.caching.answers import answer, unsatisfiable
from trivet.core.caching.entry import Entry, Part
from trivet.core.caching.stored import Stored
from trivet.core.caching.stored_body import StoredBody
from trivet.core.exchange.call import Call
from trivet.core.exchange.instant import Instant
from trivet.core.exchange.trace import Trace
from trivet.core.http.headers import Headers
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.stores.memory import MemoryStore

GET, HEAD = Request("GET", URL), Request("HEAD", URL)
FIELDS = {"ETag": '"a"', "Age": "7", "Content-Type": "text/plain", "Content-Length": "10", "Set-Cookie": "a=b"}
CONTENT = b"0123456789"

NOW = Instant(0.0, START)
call = Call(NOW, random.Random(0), Trace(NOW))


def made(
    request: Request = GET, *, content: bytes | None = CONTENT, entry: dict[str, Any] | None = None, **options: Any
) -> Response:
    """The response made of one with these fields."""
    stored = Entry(
        *("k", "GET", URL, 200, "Fine", "HTTP/2", tuple(Headers(FIELDS).raw), ()),
        *(START, START, START + 60, len(CONTENT), crc32(CONTENT)),
    )
    options.setdefault("age", 12.9)
    return answer(Stored(stored._replace(**entry or {}), content), request, call, MemoryStore(), **options)


def test_a_whole_response() -> None:
    response = made()
    assert (response.status, response.reason, response.http_version) == (200, "Fine", "HTTP/2")
    assert dict(response.headers.items()) == {**FIELDS, "Age": "12"}
    assert (response.content, response.body) == (CONTENT, None)
    assert (response.from_cache, response.request, response.trace) == (True, GET, call.trace)


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        pytest.param({"age": None}, FIELDS, id="validated, with the age it has"),
        pytest.param({"age": 0.0}, {**FIELDS, "Age": "0"}, id="age"),
        pytest.param(
            {"omit": frozenset({"set-cookie", "etag"})},
            {"Age": "12", "Content-Type": "text/plain", "Content-Length": "10"},
            id="without fields",
        ),
        pytest.param(
            {"not_modified": True}, {"ETag": '"a"', "Age": "12", "Set-Cookie": "a=b"}, id="304: nothing of the content"
        ),
        pytest.param(
            {"part": Part(2, 4, 10)},
            {**FIELDS, "Age": "12", "Content-Length": "3", "Content-Range": "bytes 2-4/10"},
            id="206",
        ),
    ],
)
def test_its_fields(options: dict[str, Any], fields: dict[str, str]) -> None:
    assert dict(made(**options).headers.items()) == fields


@pytest.mark.parametrize(
    ("request_", "options", "status", "reason", "content"),
    [
        (GET, {}, 200, "Fine", CONTENT),
        (HEAD, {}, 200, "Fine", b""),
        (GET, {"not_modified": True}, 304, "Not Modified", b""),
        (HEAD, {"not_modified": True}, 304, "Not Modified", b""),
        (GET, {"part": Part(2, 4, 10)}, 206, "Partial Content", b"234"),
        (GET, {"part": Part(0, 9, 10)}, 206, "Partial Content", CONTENT),
        (GET, {"part": Part(102, 104, 110), "entry": {"part": Part(100, 109, 110)}}, 206, "Partial Content", b"234"),
        (HEAD, {"part": Part(2, 4, 10)}, 206, "Partial Content", b""),
        (HEAD, {"content": None}, 200, "Fine", b""),
        (GET, {"content": None, "not_modified": True}, 304, "Not Modified", b""),
    ],
)
def test_its_status_and_content(
    request_: Request, options: dict[str, Any], status: int, reason: str, content: bytes
) -> None:
    response = made(request_, **options)
    assert (response.status, response.reason, response.content, response.body) == (status, reason, content, None)


@pytest.mark.parametrize("content", [None, CONTENT])
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, CONTENT),
        ({"part": Part(2, 4, 10)}, b"234"),
        ({"part": Part(102, 104, 110), "entry": {"part": Part(100, 109, 110)}}, b"234"),
    ],
)
def test_content_in_pieces_or_codings_is_left_open(
    content: bytes | None, options: dict[str, Any], expected: bytes
) -> None:
    entry = options.get("entry", {})
    response = made(**{**options, "content": content, "entry": {**entry, "coded": content is not None}})
    assert isinstance(response.body, StoredBody)
    assert response.body.decoded is (content is None)
    if content is not None:
        assert World().read(response) == expected


@pytest.mark.parametrize(("part", "expected"), [(None, CONTENT), (Part(2, 4, 10), b"234")])
def test_all_content_is_left_open_for_whoever_reads_it_as_a_stream(part: Part | None, expected: bytes) -> None:
    response = made(part=part, streaming=True)
    assert isinstance(response.body, StoredBody)
    assert (response.body.decoded, World().read(response)) == (True, expected)
    head = made(HEAD, streaming=True)
    assert (head.content, head.body) == (b"", None)


def test_the_answer_where_nothing_stored_will_do() -> None:
    response = unsatisfiable(HEAD, call)
    assert (response.status, response.content, response.request, response.trace) == (504, b"", HEAD, call.trace)
    assert not response.from_cache
