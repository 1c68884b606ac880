"""Reading the content of responses, letting go of it, and what that means for the connection."""

from __future__ import annotations

import asyncio
import gc
from contextlib import nullcontext
from typing import Any

import httpcore
import pytest
import trio

from conftest import MakeHostile
from runtimes import Runtime
from servers.hostile import close, drip, hang, read_head, read_request, read_to_end, repeat, send
from servers.nginx import Nginx
from transports.calling import Caller, calling
from trivet.core.errors import LocalProtocolError, RemoteProtocolError
from trivet.core.exchange.actions import CloseBody
from trivet.core.http.request import Request
from trivet.transports.httpcore_transport import HTTPCoreTransport

pytestmark = pytest.mark.usefixtures("engine")

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "response", "content"),
    [
        ("GET", OK, b"hello"),
        ("GET", CHUNKED + b"2\r\nhe\r\n3;ext=1\r\nllo\r\n0\r\nTrailer: x\r\n\r\n", b"hello"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b""),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b""),
        ("GET", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK, b"hello"),
    ],
    ids=["length", "chunked", "empty", "204", "304", "HEAD", "interim"],
)
def test_content_that_ends_leaves_the_connection_open(
    runtime: Runtime, hostile: MakeHostile, method: str, response: bytes, content: bytes
) -> None:
    server = hostile([repeat(read_request, send(response))])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            for _ in range(3):
                received = await caller.send(Request(method, server.url))
                assert await caller.read_all(received) == content
                # The end has released the body; doing it again does nothing.
                assert await caller.read(received) == b""
                await caller.close_body(received)
        server.wait_until(lambda: not server.open)

    runtime.run(scenario)
    assert server.connections == 1


def test_content_that_ends_with_the_connection(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([read_head, send(b"HTTP/1.0 200 OK\r\n\r\nhello"), close])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            response = await caller.send(server.url)
            assert response.http_version == "HTTP/1.0"
            assert await caller.read_all(response) == b"hello"
            assert await caller.fetch(server.url) == b"hello"

    runtime.run(scenario)
    assert server.connections == 2


def test_what_the_head_says(runtime: Runtime, hostile: MakeHostile) -> None:
    head = b"HTTP/1.1 299 Odd \xe9\r\nX-One: 1\r\nx-one: 2\r\nContent-Length: 0\r\n\r\n"
    server = hostile([read_head, send(head)])
    request = Request("GET", f"{server.url}/%7Ea;b?x=%20#f", {"Host": "other.example", "A": "b"})

    async def scenario() -> None:
        async with calling(runtime) as caller:
            response = await caller.send(request)
            assert (response.status, response.reason, response.http_version) == (299, "Odd é", "HTTP/1.1")
            assert response.headers.raw[:2] == [(b"X-One", b"1"), (b"x-one", b"2")]
            assert response.request is request
            await caller.close_body(response)

    runtime.run(scenario)
    assert server.requests == [b"GET /%7Ea;b?x=%20 HTTP/1.1\r\nHost: other.example\r\nA: b\r\n\r\n"]


@pytest.mark.parametrize(
    ("response", "connections"),
    [
        pytest.param([send(OK)], 1, id="all-there"),
        pytest.param([send(OK[:-1]), hang], 2, id="incomplete"),
        pytest.param([send(CHUNKED + b"1\r\nx\r\n" * 100), hang], 2, id="many-pieces"),
        pytest.param([send(CHUNKED), drip(b"1\r\nx\r\n" * 10_000)], 2, id="dripping"),
    ],
)
@pytest.mark.parametrize("read_some", [False, True], ids=["unread", "half-read"])
def test_letting_go_of_a_body_waits_for_nobody(
    runtime: Runtime, hostile: MakeHostile, response: list[Any], connections: int, read_some: bool
) -> None:
    server = hostile([read_head, *response, repeat(read_head, send(OK))], [repeat(read_head, send(OK))])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            received = await caller.send(server.url)
            if read_some:
                await caller.read(received)
            await caller.close_body(received)
            await caller.close_body(received)
            if connections > 1:
                server.release()
                server.wait_until(lambda: not server.open)
            assert await caller.fetch(server.url) == b"hello"
            # Nothing of the iterators is left for the garbage collector to complain about.
            del received
            gc.collect()

    runtime.run(scenario)
    assert server.connections == connections


def test_a_body_that_is_closed_or_has_failed_is_not_read(runtime: Runtime, hostile: MakeHostile) -> None:
    """The end of the iterator must not pass for the end of the content."""
    server = hostile([read_head, send(OK[:-1]), hang], [read_head, send(OK[:-1]), close])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            closed = await caller.send(server.url)
            await caller.close_body(closed)
            broken = await caller.send(server.url)
            with pytest.raises(RemoteProtocolError):
                await caller.read_all(broken)
            for response in (closed, broken):
                with pytest.raises(LocalProtocolError, match="cannot be read"):
                    await caller.read(response)
            server.release()

    runtime.run(scenario)


class OddPieces:
    def __init__(self, pool: OddPool) -> None:
        self._pool = pool

    def __aiter__(self) -> OddPieces:
        return self

    async def __anext__(self) -> bytes:
        try:
            return next(self._pool)
        except StopIteration:
            raise StopAsyncIteration from None


class OddPool:
    """A pool with defects of its own."""

    def __init__(self, *pieces: bytes | Exception, head: Exception | None = None) -> None:
        self._pieces = list(pieces)
        self._head = head

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        if self._head is not None:
            raise self._head
        return httpcore.Response(200, content=self)

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        return self.handle_request(request)

    def __iter__(self) -> OddPool:
        return self

    def __next__(self) -> bytes:
        if not self._pieces:
            raise StopIteration
        piece = self._pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece

    def __aiter__(self) -> OddPieces:
        return OddPieces(self)

    def close(self) -> None:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece

    async def aclose(self) -> None:
        self.close()


def test_defects_are_not_hidden(runtime: Runtime) -> None:
    async def scenario() -> None:
        url = "http://api.example.com/"
        async with calling(runtime, HTTPCoreTransport(OddPool(head=KeyError("odd")))) as caller:
            with pytest.raises(KeyError, match="odd"):
                await caller.send(url)
        async with calling(runtime, HTTPCoreTransport(OddPool(b"", b"x", KeyError("odd")))) as caller:
            response = await caller.send(url)
            assert await caller.read(response) == b"x"
            with pytest.raises(KeyError, match="odd"):
                await caller.read(response)
        for error, kind in ((KeyError("odd"), KeyError), (OSError("gone"), None)):
            async with calling(runtime, HTTPCoreTransport(OddPool(error))) as caller:
                response = await caller.send(url)
                with pytest.raises(kind) if kind else nullcontext():
                    await caller.close_body(response)

    runtime.run(scenario)


def test_closing_what_is_no_body_of_ours_does_nothing(runtime: Runtime) -> None:
    async def scenario() -> None:
        async with calling(runtime) as caller:
            if runtime.name == "sync":
                caller.transport.close_body(object())
            else:
                await caller.transport.aclose_body(object())

    runtime.run(scenario)


def test_a_large_download(runtime: Runtime, nginx: Nginx) -> None:
    async def scenario() -> None:
        async with calling(runtime) as caller:
            response = await caller.send(f"{nginx.url}/bytes.bin")
            size, expected = 0, int(response.headers["Content-Length"])
            while piece := await caller.read(response):
                assert len(piece) <= 65_536
                size += len(piece)
            assert size == expected

    runtime.run(scenario)


def test_a_cancelled_read_releases_the_body(hostile: MakeHostile) -> None:
    server = hostile([read_head, send(OK[:-1]), read_to_end])

    async def scenario(caller: Caller) -> Any:
        response = await caller.send(server.url)
        assert await caller.read(response) == b"hell"
        return response

    async def on_asyncio() -> None:
        from runtimes import Asyncio

        async with calling(Asyncio()) as caller:
            response = await scenario(caller)
            reading = asyncio.create_task(caller.read(response))
            await asyncio.sleep(0)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            await caller.transport.aclose_body(CloseBody(response.body).body)
            server.wait_until(lambda: not server.open)

    async def on_trio() -> None:
        from runtimes import Trio

        async with calling(Trio()) as caller:
            response = await scenario(caller)
            with trio.CancelScope() as scope:
                scope.cancel()
                await caller.read(response)
            assert scope.cancelled_caught
            with trio.CancelScope(shield=True):
                await caller.close_body(response)
            server.wait_until(lambda: not server.open)

    asyncio.run(on_asyncio())
    trio.run(on_trio)
    assert server.connections == 2


@pytest.mark.parametrize("stage", ["connecting", "handshake", "waiting", "uploading"])
def test_a_cancelled_call_leaves_no_connection_behind(hostile: MakeHostile, deaf: Any, stage: str) -> None:
    server = hostile([lambda peer: peer.read_more(), read_to_end])
    url = {"connecting": deaf.url, "handshake": server.tls_url}.get(stage, server.url)
    request = Request("PUT", url, (), b"x" * (20_000_000 if stage == "uploading" else 1))

    async def call(caller: Caller) -> None:
        await caller.send(request)

    async def on_asyncio() -> None:
        from runtimes import Asyncio

        async with calling(Asyncio()) as caller:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await call(caller)
            server.wait_until(lambda: not server.open)

    async def on_trio() -> None:
        from runtimes import Trio

        async with calling(Trio()) as caller:
            with trio.move_on_after(0.1):
                await call(caller)
            server.wait_until(lambda: not server.open)

    asyncio.run(on_asyncio())
    gc.collect()
    trio.run(on_trio)
    gc.collect()
