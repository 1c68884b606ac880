"""Request content on the wire: how it is framed, where it comes from, and what happens when it fails."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator

import httpcore
import pytest

from conftest import MakeHostile
from runtimes import Runtime
from servers.hostile import close, hang, read_head, read_request, read_to_end, repeat, send
from transports.calling import calling
from trivet.core.errors import InvalidRequest, ReadError, WriteError
from trivet.core.http.request import Request
from trivet.core.http.stream import Stream

pytestmark = pytest.mark.usefixtures("engine")

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


async def asynchronous(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


@pytest.mark.parametrize(
    ("content", "field", "body"),
    [
        (b"", b"Content-Length: 0", b""),
        (b"hello", b"Content-Length: 5", b"hello"),
        (Stream(lambda: iter([b"he", b"llo"]), length=5, replayable=True), b"Content-Length: 5", b"hello"),
        (
            Stream(lambda: iter([b"he", b"", b"llo"]), replayable=True),
            b"Transfer-Encoding: chunked",
            b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        ),
        (
            Stream(lambda: iter([b"he", b"llo"]), replayable=True, blocking=True),
            b"Transfer-Encoding: chunked",
            b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        ),
        (Stream(lambda: iter([]), length=0, replayable=True), b"Content-Length: 0", b""),
    ],
    ids=["empty", "bytes", "sized", "chunked", "blocking", "empty-stream"],
)
def test_framing(runtime: Runtime, hostile: MakeHostile, content: bytes | Stream, field: bytes, body: bytes) -> None:
    server = hostile([repeat(read_request, send(OK))])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            for _ in range(2):
                assert await caller.fetch(Request("POST", f"{server.url}/a?b=c", (), content)) == b"hello"

    runtime.run(scenario)
    assert server.connections == 1
    for request in server.requests:
        head, _, sent = request.partition(b"\r\n\r\n")
        assert head.split(b"\r\n") == [b"POST /a?b=c HTTP/1.1", b"Host: %s" % server.url[7:].encode(), field]
        assert sent == body


def test_an_asynchronous_source(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([repeat(read_request, send(OK))])
    request = Request("POST", server.url, (), Stream(lambda: asynchronous(b"he", b"llo"), length=5, replayable=True))

    async def scenario() -> None:
        async with calling(runtime) as caller:
            if runtime.name == "sync":
                with pytest.raises(InvalidRequest, match="AsyncClient"):
                    await caller.send(request)
                server.wait_until(lambda: not server.open)
            else:
                assert await caller.fetch(request) == b"hello"

    runtime.run(scenario)
    assert [request[-5:] for request in server.requests] == ([] if runtime.name == "sync" else [b"hello"])


def test_only_what_blocks_is_produced_in_a_worker_thread(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([repeat(read_request, send(OK))])
    producers: list[threading.Thread] = []

    def pieces() -> Iterator[bytes]:
        producers.append(threading.current_thread())
        yield b"hello"

    async def scenario() -> None:
        async with calling(runtime) as caller:
            for blocking in (False, True):
                await caller.fetch(Request("POST", server.url, (), Stream(pieces, blocking=blocking)))

    runtime.run(scenario)
    main = threading.current_thread()
    assert [producer is main for producer in producers] == [True, runtime.name == "sync"]


class Broken(Exception):
    pass


def raising(error: Exception) -> Callable[[], Iterator[bytes]]:
    def pieces() -> Iterator[bytes]:
        yield b"some"
        raise error

    return pieces


@pytest.mark.parametrize(
    "error",
    [
        Broken("x"),
        OSError(5, "disk"),
        TimeoutError("mine"),
        httpcore.WriteError("theirs"),
        InvalidRequest("no"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("blocking", [False, True], ids=["inline", "blocking"])
def test_an_error_of_the_source_propagates_as_it_is(
    runtime: Runtime, hostile: MakeHostile, error: Exception, blocking: bool
) -> None:
    server = hostile([read_request])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            with pytest.raises(type(error)) as caught:
                await caller.send(Request("POST", server.url, (), Stream(raising(error), blocking=blocking)))
            assert caught.value is error
            assert caught.value.__cause__ is None
            assert caught.value.__context__ is None
            # What was sent is no whole request, so the connection is of no more use.
            server.wait_until(lambda: not server.open)

    runtime.run(scenario)


def test_an_error_of_an_asynchronous_source_propagates_as_it_is(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([read_request])
    error = Broken("x")

    async def pieces() -> AsyncIterator[bytes]:
        yield b"some"
        raise error

    async def scenario() -> None:
        async with calling(runtime) as caller:
            with pytest.raises(InvalidRequest if runtime.name == "sync" else Broken) as caught:
                await caller.send(Request("POST", server.url, (), Stream(pieces)))
            assert caught.value is error or runtime.name == "sync"
            server.wait_until(lambda: not server.open)

    runtime.run(scenario)


def test_content_that_is_used_up(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([repeat(read_request, send(OK))])
    request = Request("POST", server.url, (), Stream(lambda: iter([b"once"])))

    async def scenario() -> None:
        async with calling(runtime) as caller:
            assert await caller.fetch(request) == b"hello"
            with pytest.raises(InvalidRequest, match="can be produced only once"):
                await caller.send(request)

    runtime.run(scenario)


@pytest.mark.parametrize(
    ("length", "message"),
    [(4, "the content is longer than its Content-Length"), (6, "ended 1 bytes before its Content-Length")],
    ids=["too-long", "too-short"],
)
def test_content_of_another_length_than_promised(
    runtime: Runtime, hostile: MakeHostile, length: int, message: str
) -> None:
    server = hostile([read_to_end])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            content = Stream(lambda: iter([b"he", b"llo"]), length=length)
            with pytest.raises(InvalidRequest, match=message):
                await caller.send(Request("POST", server.url, (), content))
            server.wait_until(lambda: not server.open)

    runtime.run(scenario)


def test_a_length_that_only_the_field_gives_is_kept_to(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([read_to_end])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            content = Stream(lambda: iter([b"he", b"llo"]))
            with pytest.raises(InvalidRequest, match="Too much data|longer than its Content-Length"):
                await caller.send(Request("POST", server.url, {"Content-Length": "4"}, content))
            server.wait_until(lambda: not server.open)

    runtime.run(scenario)


def test_what_a_source_holds_is_released(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([read_head, hang])
    released = []

    def pieces() -> Iterator[bytes]:
        try:
            for _ in range(1_000_000):
                yield b"x" * 100_000
        finally:
            released.append(True)

    async def scenario() -> None:
        async with calling(runtime) as caller:
            with pytest.raises(TimeoutError):
                await caller.send(Request("PUT", server.url, (), Stream(pieces)), within=1.0)
        server.release()

    runtime.run(scenario)
    assert released == [True]


def test_an_asynchronous_source_is_released(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([read_head, hang])
    released = []

    async def pieces() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 100_000
        finally:
            released.append(True)

    async def scenario() -> None:
        async with calling(runtime) as caller:
            with pytest.raises((TimeoutError, InvalidRequest)):
                await caller.send(Request("PUT", server.url, (), Stream(pieces)), within=1.0)
        server.release()

    runtime.run(scenario)
    assert released == ([] if runtime.name == "sync" else [True])


@pytest.mark.parametrize("framing", [{"length": 100_000_000}, {}], ids=["sized", "chunked"])
def test_an_early_answer_to_an_upload(
    runtime: Runtime, hostile: MakeHostile, framing: dict[str, int], engine: str
) -> None:
    """The server refuses, and closes with most of the upload unread, upon which the system resets the connection."""
    refusal = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nsorry"
    server = hostile([read_head, send(refusal), close])
    content = Stream(lambda: (b"x" * 100_000 for _ in range(1000)), **framing)

    async def scenario() -> None:
        async with calling(runtime) as caller:
            request = Request("PUT", server.url, (), content)
            if runtime.name == "asyncio" and engine != "trivet":
                # anyio drops what it has not read when a write fails.
                with pytest.raises(ReadError, match="reset the connection before it answered"):
                    await caller.send(request)
            elif runtime.name == "sync" and engine == "httpcore2":
                # A failed write would send it looking for the answer, were it httpcore2's own WriteError; but the
                # backend in this pool is Trivet's, and raises that of httpcore.
                with pytest.raises(WriteError, match="reset the connection while the request was being written"):
                    await caller.send(request)
            else:
                response = await caller.send(request)
                assert response.status == 413
                assert await caller.read_all(response) == b"sorry"

    runtime.run(scenario)
