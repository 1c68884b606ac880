"""Writing while watching for what the peer has to say, with and without TLS."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Any

import httpcore
import pytest

from conftest import MakeHostile
from servers.hostile import Hostile, Peer, Step, half_close, hang, read_to_end, reset, send, start_tls, wait_for
from servers.tls import Authority
from transports.network.kinds import ALL, ASYNC, PATIENCE, Kind, read_exactly
from transports.network.test_streams import LARGE, await_arrival, read

pytestmark = pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])

ANSWER = b"HTTP/1.1 413 Content Too Large\r\n\r\n"


def serve(hostile: MakeHostile, tls: Authority, secure: bool, *steps: Step) -> Hostile:
    return hostile([*([start_tls(tls.server_context())] if secure else []), *steps])


async def connect(kind: Kind, server: Hostile, tls: Authority, secure: bool) -> Any:
    stream = await kind.connect(server.port)
    return await stream.start_tls(tls.client_context(), "localhost", PATIENCE) if secure else stream


def early_reset(answer: bytes) -> Step:
    """Read the beginning, answer, and reset the connection while the rest is on its way."""

    def step(peer: Peer) -> None:
        peer.read_exactly(10)
        # What has not left yet when the connection is reset never does.
        peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if answer:
            peer.socket.sendall(answer)
        reset(peer)

    return step


@ALL
def test_an_upload(kind: Kind, hostile: MakeHostile, tls: Authority, secure: bool) -> None:
    """What TLS sends on its own account, such as session tickets, stops nothing."""
    content = bytes(range(256)) * 40_000
    server = serve(hostile, tls, secure, read(len(content) + 7), send(ANSWER), read_to_end)

    async def scenario() -> None:
        stream = await connect(kind, server, tls, secure)
        assert await stream.upload(content, PATIENCE)
        assert await stream.upload(b"", PATIENCE)
        assert await stream.upload(bytearray(b"the"), None)
        assert await stream.upload(b" end", None)
        assert await read_exactly(stream, len(ANSWER)) == ANSWER
        await stream.aclose()

    kind.run(scenario)
    assert server.requests == [content + b"the end"]


@ALL
def test_an_answer_before_the_end(kind: Kind, hostile: MakeHostile, tls: Authority, secure: bool) -> None:
    """It stops the upload, which may go on when it was an interim one."""
    content = bytes(range(256)) * (LARGE // 256)
    event = threading.Event()
    total = len(content) + 5
    server = serve(hostile, tls, secure, read(10), send(ANSWER), wait_for(event), read(total - 10), read_to_end)

    async def scenario() -> None:
        stream = await connect(kind, server, tls, secure)
        assert not await stream.upload(content, PATIENCE)
        assert stream.get_extra_info("is_readable")
        assert not await stream.upload(b"", PATIENCE)
        assert await stream.read(5, PATIENCE) == ANSWER[:5]
        assert not await stream.upload(b"12", PATIENCE)
        assert await read_exactly(stream, len(ANSWER) - 5) == ANSWER[5:]
        event.set()
        assert await stream.upload(b"3", PATIENCE)
        await stream.write(b"45", PATIENCE)
        server.wait_until(lambda: len(server.requests) == 2)
        stream.abort()

    kind.run(scenario)
    assert b"".join(server.requests) == content + b"12345"


@ALL
def test_a_write_goes_on_where_an_upload_stopped(
    kind: Kind, hostile: MakeHostile, tls: Authority, secure: bool
) -> None:
    event = threading.Event()
    server = serve(hostile, tls, secure, read(10), send(ANSWER), wait_for(event), read(LARGE - 6), read_to_end)

    async def scenario() -> None:
        stream = await connect(kind, server, tls, secure)
        assert not await stream.upload(b"x" * LARGE, PATIENCE)
        event.set()
        await stream.write(b"last", PATIENCE)
        server.wait_until(lambda: len(server.requests) == 2)
        assert server.requests[1][-6:] == b"xxlast"
        stream.abort()

    kind.run(scenario)


@ALL
def test_something_to_read_already(kind: Kind, hostile: MakeHostile, tls: Authority, secure: bool) -> None:
    server = serve(hostile, tls, secure, read(5), send(b"x"), half_close, read_to_end)

    async def scenario() -> None:
        stream = await connect(kind, server, tls, secure)
        await stream.write(b"hello", PATIENCE)
        if secure:
            assert stream.read_ready(0) in (None, b"")
        await kind.until(lambda: stream.get_extra_info("is_readable"))
        await_arrival(stream)
        while await stream.upload(b"y", PATIENCE):
            await kind.backend.sleep(0)
        assert await stream.read(1, PATIENCE) == b"x"
        assert await stream.read(1, PATIENCE) == b""
        assert not await stream.upload(b"y", PATIENCE)
        stream.abort()

    kind.run(scenario)


@ALL
def test_an_end_while_uploading(kind: Kind, hostile: MakeHostile, tls: Authority, secure: bool) -> None:
    server = serve(hostile, tls, secure, read(10), half_close, hang)

    async def scenario() -> None:
        stream = await connect(kind, server, tls, secure)
        assert not await stream.upload(b"x" * LARGE, PATIENCE)
        assert await stream.read(1, PATIENCE) == b""
        stream.abort()

    kind.run(scenario)


@ALL
def test_a_peer_that_neither_reads_nor_answers(kind: Kind, hostile: MakeHostile, tls: Authority, secure: bool) -> None:
    server = serve(hostile, tls, secure, hang)

    async def scenario() -> None:
        stream = await connect(kind, server, tls, secure)
        for _ in range(2):
            with pytest.raises(httpcore.WriteTimeout):
                await stream.upload(b"x" * LARGE, 0.05)
        stream.abort()

    kind.run(scenario)


@ALL
def test_an_answer_and_a_reset(kind: Kind, hostile: MakeHostile, tls: Authority, secure: bool) -> None:
    """The answer is not lost."""
    server = serve(hostile, tls, secure, early_reset(ANSWER))

    async def scenario() -> None:
        stream = await connect(kind, server, tls, secure)
        assert not await stream.upload(b"x" * LARGE, PATIENCE)
        assert await read_exactly(stream, len(ANSWER)) == ANSWER
        stream.abort()

    kind.run(scenario)


@ALL
def test_a_reset_without_an_answer(kind: Kind, hostile: MakeHostile, tls: Authority, secure: bool) -> None:
    server = serve(hostile, tls, secure, early_reset(b""))

    async def scenario() -> None:
        stream = await connect(kind, server, tls, secure)
        if kind.name == "sync" and secure:
            # The ssl module cannot tell a reset from an end, when it comes to reading.
            with suppress(httpcore.WriteError):
                assert not await stream.upload(b"x" * LARGE, PATIENCE)
        else:
            with pytest.raises(httpcore.WriteError):
                await stream.upload(b"x" * LARGE, PATIENCE)
        stream.abort()

    kind.run(scenario)


@ASYNC
def test_an_upload_that_is_cancelled_can_go_on(kind: Kind, hostile: MakeHostile, tls: Authority, secure: bool) -> None:
    server = serve(hostile, tls, secure, hang, read(LARGE + 3), read_to_end)

    async def scenario() -> None:
        stream = await connect(kind, server, tls, secure)
        await kind.cancelled(lambda: stream.upload(b"x" * LARGE, PATIENCE))
        await kind.cancelled(lambda: stream.upload(b"a"))
        server.release()
        assert await stream.upload(b"b", PATIENCE)
        await stream.write(b"c", PATIENCE)
        server.wait_until(lambda: server.requests)
        stream.abort()

    kind.run(scenario)
    assert server.requests == [b"x" * LARGE + b"abc"]
