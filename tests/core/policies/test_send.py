from __future__ import annotations

import gzip
import random
import tracemalloc
import zlib
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.errors import (
    AttemptTimeout,
    DeadlineExceeded,
    DecodingError,
    ReadError,
    RemoteProtocolError,
    ResponseTooLarge,
    TrivetError,
)
from trivet.core.exchange.actions import CloseBody, ReadBody, SendRequest
from trivet.core.exchange.call import Call, CurrentCall
from trivet.core.exchange.flow import Flow
from trivet.core.exchange.instant import Instant
from trivet.core.exchange.states import State
from trivet.core.exchange.trace import AttemptFailed, ContentReceived, Trace
from trivet.core.http.headers import Headers
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.limits import DEFAULT_LIMITS, Limits
from trivet.core.policies.send import DRAIN_TIME, attempt_deadline, discard, read_content, send
from trivet.testing import Playbook, VirtualClock

REQUEST = Request("GET", "https://api.example.com/users?token=s3cr3t")
SHOWN = REQUEST.url.redacted
GZIP = {"Content-Encoding": "gzip"}


def call_at(now: float, *, deadline: float = inf, attempt: float | None = None) -> Call:
    call = Call(Instant(now, 0.0), random.Random(0), Trace(Instant(now, 0.0)))
    call.deadline = deadline
    call.attempt_timeout = attempt
    return call


# How long an attempt may take


@pytest.mark.parametrize(
    ("deadline", "attempt", "given_up_at"),
    [(inf, None, inf), (50.0, None, 50.0), (inf, 5.0, 15.0), (50.0, 5.0, 15.0), (12.0, 5.0, 12.0), (9.0, 5.0, 9.0)],
)
def test_an_attempt_is_given_up(deadline: float, attempt: float | None, given_up_at: float) -> None:
    call = call_at(10.0, deadline=deadline, attempt=attempt)
    call.connect_timeout = 2.5

    assert attempt_deadline(call) == given_up_at
    assert next(send(REQUEST, call)) == SendRequest(REQUEST, given_up_at, 2.5)


# Reading the content


def fetch(
    limits: Limits = DEFAULT_LIMITS, *, read_deadline: float | None = None, read_timeout: float | None = None
) -> Flow[Response]:
    call = yield from CurrentCall()
    response = yield from send(REQUEST, call)
    response.read_deadline = read_deadline
    response.read_timeout = read_timeout
    return (yield from read_content(response, call, limits=limits))


def reading(headers: dict[str, str] | None = None, *, flow: Flow[Response] | None = None) -> Playbook[Response]:
    book = Playbook(fetch() if flow is None else flow)
    return book.reply(Response(200, headers or {}, body="body"))


def feed(book: Playbook[Any], content: bytes, size: int = 65_536) -> int:
    """Answer reads with these pieces, and the end, as long as the flow asks for more. How many it took."""
    pieces = [content[start : start + size] for start in range(0, len(content), size)]
    for taken, piece in enumerate([*pieces, b""]):
        if not isinstance(book.action, ReadBody):
            return taken
        book.reply(piece)
    return len(pieces)


def closed(book: Playbook[Any]) -> bool:
    """Whether the body is closed now; ends the flow."""
    if not isinstance(book.action, CloseBody):
        return False
    book.reply()
    return True


TEXT = b"The quick brown fox jumps over the lazy dog. " * 50


@pytest.mark.parametrize("size", [1, 7, 4096])
@pytest.mark.parametrize(
    ("headers", "wire", "content"),
    [
        ({}, b"", b""),
        ({}, TEXT, TEXT),
        ({"Content-Encoding": "identity"}, TEXT, TEXT),
        (GZIP, b"", b""),
        (GZIP, gzip.compress(TEXT, mtime=0), TEXT),
        (GZIP, gzip.compress(TEXT, mtime=0) + gzip.compress(b"more", mtime=0), TEXT + b"more"),
        (GZIP, gzip.compress(b"", mtime=0), b""),
        ({"Content-Encoding": "deflate"}, zlib.compress(TEXT), TEXT),
        ({"Content-Encoding": "deflate, gzip"}, gzip.compress(zlib.compress(TEXT), mtime=0), TEXT),
    ],
)
def test_the_content_is_read_and_decoded(headers: dict[str, str], wire: bytes, content: bytes, size: int) -> None:
    book = reading(headers)

    feed(book, wire, size)

    response = book.result
    assert response.content == content
    assert type(response.content) is bytes
    assert response.body is None
    assert response.trace is not None
    assert response.trace[-1] == ContentReceived(0.0, 1, 200, "OK", 0.0, len(content))


def test_content_that_was_read_is_not_read_again() -> None:
    call = call_at(0.0)
    response = Response(200, content=b"read", request=REQUEST)
    flow = read_content(response, call)

    with pytest.raises(StopIteration) as stop:
        next(flow)

    assert stop.value.value is response
    assert len(call.trace) == 0


def test_elapsed_goes_on_until_the_content_was_read() -> None:
    book = Playbook(fetch())
    book.reply(Response(200, body="body"), after=0.5)
    book.reply(b"one", after=0.25).reply(b"two", after=0.25).reply(b"", after=1.0)

    assert book.result.elapsed == 2.0
    assert book.result.trace is not None
    assert book.result.trace[-1] == ContentReceived(2.0, 1, 200, "OK", 2.0, 6)


@pytest.mark.parametrize("encode", [None, gzip.compress])
@pytest.mark.parametrize("size", [1, 1000, 65_536])
@pytest.mark.parametrize(("length", "fits"), [(0, True), (999, True), (1000, True), (1001, False), (5000, False)])
def test_the_limit_is_exact(length: int, fits: bool, size: int, encode: Any) -> None:
    content = random.Random(0).randbytes(length)
    book = reading(GZIP if encode else {}, flow=fetch(Limits(max_content=1000)))

    feed(book, encode(content) if encode else content, size)

    if fits:
        assert book.result.content == content
    else:
        assert closed(book)
        with pytest.raises(ResponseTooLarge) as caught:
            assert book.result
        assert str(caught.value).startswith(f"GET {SHOWN}: the content is larger than 1000 bytes")
        assert caught.value.trace is book.exchange.trace


def test_a_bomb_is_left_after_the_limit() -> None:
    bomb = gzip.compress(bytes(32 * 1024 * 1024))
    book = reading(GZIP, flow=fetch(Limits(max_content=1024 * 1024)))

    tracemalloc.start()
    try:
        taken = feed(book, bomb, 256)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert closed(book)
    with pytest.raises(ResponseTooLarge):
        assert book.result
    # A twentieth of it was taken, and what it explodes to was never in memory.
    assert taken * 20 < len(bomb) // 256
    assert peak < 4 * 1024 * 1024


def test_a_bomb_in_one_piece_is_not_decoded_to_its_end() -> None:
    bomb = gzip.compress(bytes(32 * 1024 * 1024))
    book = reading(GZIP, flow=fetch(Limits(max_content=1024 * 1024)))

    tracemalloc.start()
    try:
        book.reply(bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert closed(book)
    assert isinstance(book.error, ResponseTooLarge)
    assert peak < 4 * 1024 * 1024


COMPRESSED = gzip.compress(TEXT, mtime=0)


@pytest.mark.parametrize(
    ("coding", "wire", "message"),
    [
        ("gzip", COMPRESSED[:-1], "the gzip content ended early"),
        ("gzip", COMPRESSED[:20], "the gzip content ended early"),
        ("gzip", COMPRESSED[:1], "the gzip content ended early"),
        ("gzip", COMPRESSED[:-8] + b"\0" * 8, "the content is not valid gzip"),
        ("gzip", b"<html>no gzip at all</html>", "the content is not valid gzip"),
        ("compress", b"content", "the content coding 'compress' is not supported"),
        ("gzip, " * 5 + "gzip", COMPRESSED, "the content has 6 "),
    ],
    ids=["checksum missing", "middle", "first byte", "checksum wrong", "html", "unknown", "too many"],
)
def test_content_that_cannot_be_decoded(coding: str, wire: bytes, message: str) -> None:
    book = reading({"Content-Encoding": coding})

    feed(book, wire)
    # What ended early has ended; what is corrupt is not read on.
    assert closed(book) is ("ended early" not in message)
    with pytest.raises(DecodingError) as caught:
        assert book.result
    assert str(caught.value).startswith(f"GET {SHOWN}: {message}")
    assert caught.value.trace is book.exchange.trace
    assert book.exchange.cancel() == []


def test_a_content_that_ended_early_is_no_content() -> None:
    book = reading(GZIP)
    feed(book, COMPRESSED[:-1])

    assert book.exchange.trace is not None
    assert not [event for event in book.exchange.trace if isinstance(event, ContentReceived)]


def test_an_error_while_reading() -> None:
    book = reading()

    book.reply(b"some").fail(RemoteProtocolError("it closed too early", sent=True))

    with pytest.raises(RemoteProtocolError, match="it closed too early") as caught:
        assert book.result
    assert caught.value.url == SHOWN
    assert AttemptFailed(0.0, 1, "RemoteProtocolError", "it closed too early") in list(caught.value.trace or ())


@pytest.mark.parametrize(
    ("read_deadline", "read_timeout", "given_up_at"),
    [(None, None, inf), (20.0, None, 20.0), (None, 5.0, 7.0), (20.0, 5.0, 7.0), (6.0, 5.0, 6.0)],
)
def test_the_time_of_a_response_that_was_handed_out_unread_goes_on(
    read_deadline: float | None, read_timeout: float | None, given_up_at: float
) -> None:
    book = Playbook(fetch(read_deadline=read_deadline, read_timeout=read_timeout))

    book.reply(Response(200, body="body"), after=2.0)

    assert book.expect(ReadBody).deadline == given_up_at


@pytest.mark.parametrize(
    ("read_deadline", "at", "kind", "message"),
    [
        (None, 9.0, AttemptTimeout, "no more came"),
        (10.0, 9.0, AttemptTimeout, "no more came"),
        (10.0, 10.0, DeadlineExceeded, "the total time of the call is spent, while the content was read: no more came"),
    ],
)
def test_out_of_time_while_reading(
    read_deadline: float | None, at: float, kind: type[TrivetError], message: str
) -> None:
    book = reading(flow=fetch(read_deadline=read_deadline))

    book.fail(AttemptTimeout("no more came", sent=True), after=at)

    with pytest.raises(kind) as caught:
        assert book.result
    assert type(caught.value) is kind
    assert str(caught.value) == f"GET {SHOWN}: {message}"


@given(
    content=st.binary(max_size=300),
    sizes=st.lists(st.integers(1, 50), min_size=1),
    limit=st.integers(1, 400),
    compressed=st.booleans(),
)
def test_what_is_read_is_what_was_sent_or_too_large(
    content: bytes, sizes: list[int], limit: int, compressed: bool
) -> None:
    wire = gzip.compress(content) if compressed else content
    book = reading(GZIP if compressed else {}, flow=fetch(Limits(max_content=limit)))

    start = number = 0
    while isinstance(book.action, ReadBody):
        size = sizes[number % len(sizes)]
        book.reply(wire[start : start + size])
        start, number = start + size, number + 1

    if len(content) <= limit:
        assert book.result.content == content
    else:
        assert closed(book)
        assert isinstance(book.error, ResponseTooLarge)


# Letting go of content that nobody wants


def abandon(limits: Limits = DEFAULT_LIMITS, *, deadline: float = inf, attempt: float | None = None) -> Flow[Response]:
    call = yield from CurrentCall()
    response = yield from send(REQUEST, call)
    call.deadline = deadline
    call.attempt_timeout = attempt
    yield from discard(response, call, limits=limits)
    return response


def abandoning(flow: Flow[Response] | None = None, clock: VirtualClock | None = None) -> Playbook[Response]:
    book = Playbook(abandon() if flow is None else flow, clock=clock)
    # What it claims to be would be an error if anybody decoded it.
    return book.reply(Response(302, {"Content-Encoding": "gzip"}, body="body"))


@pytest.mark.parametrize(
    ("max_drain", "pieces", "reads", "closes"),
    [
        (65_536, [b""], 1, False),
        (65_536, [b"short", b""], 2, False),
        (65_536, [b"x" * 65_536, b""], 2, False),
        (65_536, [b"x" * 65_536, b"x"], 2, True),
        (65_536, [b"x" * 65_537], 1, True),
        (65_536, [b"x" * 30_000] * 3, 3, True),
        (10, [b"x" * 10, b""], 2, False),
        (10, [b"x" * 11], 1, True),
        # Nothing is waited for.
        (0, [], 0, True),
    ],
)
def test_a_short_content_is_drained_and_a_long_one_closed(
    max_drain: int, pieces: list[bytes], reads: int, closes: bool
) -> None:
    book = abandoning(abandon(Limits(max_drain=max_drain)))

    for piece in pieces:
        book.reply(piece)

    # It is closed at once, not only when the flow has ended.
    assert (book.exchange.state is State.RUNNING) is closes
    assert closed(book) is closes
    assert [type(action) for action in book.actions].count(ReadBody) == reads
    assert book.result.content == b""
    assert book.result.body is None
    assert book.exchange.cancel() == []


def test_a_response_without_a_body_costs_nothing() -> None:
    book = Playbook(abandon())

    book.reply(Response(302, content=b"kept"))

    assert book.result.content == b"kept"
    assert len(book.actions) == 1


@pytest.mark.parametrize("pieces", [0, 1, 3])
@pytest.mark.parametrize(
    "error",
    [ReadError("it broke", sent=True), AttemptTimeout("too slow", sent=True), RemoteProtocolError("?", sent=True)],
)
def test_draining_may_fail(error: Exception, pieces: int) -> None:
    book = abandoning()

    for _ in range(pieces):
        book.reply(b"piece")
    book.fail(error)

    assert book.result.status == 302
    assert book.exchange.cancel() == []
    # And it is no failure of the attempt, which had its response.
    assert book.exchange.trace is not None
    assert [attempt.outcome for attempt in book.exchange.trace.attempts] == ["302"]


@pytest.mark.parametrize("error", [ReadError("it broke", sent=True), AttemptTimeout("too slow", sent=True)])
def test_closing_may_fail(error: Exception) -> None:
    book = abandoning()

    book.reply(b"x" * 100_000)
    book.expect(CloseBody)
    book.fail(error)

    assert book.result.status == 302
    assert book.exchange.cancel() == []


@pytest.mark.parametrize(
    ("deadline", "attempt", "given_up_at"),
    [(inf, None, 7.0 + DRAIN_TIME), (7.5, None, 7.5), (inf, 0.25, 7.25), (100.0, 50.0, 7.0 + DRAIN_TIME)],
)
def test_draining_takes_little_time(deadline: float, attempt: float | None, given_up_at: float) -> None:
    clock = VirtualClock(7.0)
    book = abandoning(abandon(deadline=deadline, attempt=attempt), clock)

    # A server that drips does not get more of it with every piece.
    for _ in range(5):
        assert book.expect(ReadBody).deadline == given_up_at
        book.reply(b"drip", after=0.1)


def test_what_is_wrong_with_us_is_not_swallowed() -> None:
    book = abandoning()

    book.fail(ValueError("a bug"))

    with pytest.raises(ValueError, match="a bug"):
        assert book.result


@pytest.mark.parametrize(
    ("length", "first"),
    [
        ("10", ReadBody),
        ("11", CloseBody),
        ("9" * 5000, CloseBody),
        ("٣٣", ReadBody),
        ("nonsense", ReadBody),
        (None, ReadBody),
    ],
)
def test_content_announced_as_too_long_is_not_even_begun(length: str | None, first: type) -> None:
    fields = [] if length is None else [(b"Content-Length", length.encode())]
    response = Response(302, Headers.from_raw(fields), body=object())

    def flow() -> Flow[None]:
        call = yield from CurrentCall()
        yield from discard(response, call, limits=Limits(max_drain=10))

    assert isinstance(Playbook(flow()).action, first)
