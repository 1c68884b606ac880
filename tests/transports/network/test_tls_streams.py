"""TLS on the streams of each backend, and TLS inside TLS."""

from __future__ import annotations

import os
import ssl
import threading
from contextlib import suppress
from typing import Any

import httpcore
import pytest

from conftest import MakeHostile
from servers.hostile import Peer, Step, close, half_close, hang, read_to_end, reset, send, start_tls, wait_for
from servers.tls import Authority
from transports.network.kinds import ALL, ASYNC, LOOPS, PATIENCE, TRIO, Kind, read_exactly
from transports.network.layers import nested
from transports.network.test_streams import LARGE, read
from trivet.core.errors import ConfigError
from trivet.transports.failures import root_cause
from trivet.transports.tls import make_context


def echo(peer: Peer) -> None:
    while data := peer.socket.recv(65536):
        peer.socket.sendall(data)


def farewell(peer: Peer) -> None:
    """Close the TLS connection as RFC 8446 §6.1 has it, and go on listening."""
    with pytest.raises(ssl.SSLError):
        peer.socket.setblocking(False)
        peer.socket.unwrap()  # type: ignore[attr-defined]  # an SSLSocket by then
    peer.socket.setblocking(True)


async def secured(kind: Kind, port: int, tls: Authority, layers: int = 1) -> Any:
    stream = await kind.connect(port)
    for _ in range(layers):
        stream = await stream.start_tls(tls.client_context(), "localhost", PATIENCE)
    return stream


@ALL
@pytest.mark.parametrize("layers", [1, 2])
def test_much_data_both_ways(kind: Kind, hostile: MakeHostile, tls: Authority, layers: int) -> None:
    context = tls.server_context()
    server = hostile([start_tls(context), nested(context, echo) if layers == 2 else echo])
    content = bytes(range(251)) * 16_000
    piece = len(content) // 16

    async def scenario() -> None:
        stream = await secured(kind, server.port, tls, layers)
        assert stream.get_extra_info("ssl_object").version() == "TLSv1.3"
        assert stream.get_extra_info("server_addr") == ("127.0.0.1", server.port)

        async def write() -> bytes:
            for start in range(0, len(content), piece):
                await stream.write(content[start : start + piece], PATIENCE)
            return b""

        async def receive() -> bytes:
            return await read_exactly(stream, len(content))

        if kind.name == "sync":
            # OpenSSL lets one thread at a time use a connection.
            for start in range(0, len(content), 200_000):
                part = content[start : start + 200_000]
                await stream.write(part, PATIENCE)
                assert await read_exactly(stream, len(part)) == part
        else:
            assert (await kind.together(write, receive))[1] == content
        await stream.aclose()

    kind.run(scenario)


@ALL
def test_uploads_inside_two_layers(kind: Kind, hostile: MakeHostile, tls: Authority) -> None:
    context = tls.server_context()
    event = threading.Event()
    steps = [read(LARGE), read(10), send(b"early"), wait_for(event), read(LARGE - 10), send(b"late"), read_to_end]
    server = hostile([start_tls(context), nested(context, *steps)])

    async def scenario() -> None:
        stream = await secured(kind, server.port, tls, 2)
        assert await stream.upload(b"x" * LARGE, PATIENCE)
        assert not await stream.upload(b"y" * LARGE, PATIENCE)
        assert stream.read_ready(100) == b"early"
        event.set()
        assert await stream.upload(b"", PATIENCE)
        assert await read_exactly(stream, 4) == b"late"
        stream.abort()

    kind.run(scenario)
    assert server.requests == [b"x" * LARGE, b"y" * 10, b"y" * (LARGE - 10)]


@ALL
def test_what_was_decrypted_is_readable(kind: Kind, hostile: MakeHostile, tls: Authority) -> None:
    server = hostile([start_tls(tls.server_context()), echo])

    async def scenario() -> None:
        stream = await secured(kind, server.port, tls)
        await stream.write(b"hello", None)
        assert await stream.read(1, None) == b"h"
        assert stream.get_extra_info("is_readable")
        assert stream.read_ready(2) == b"el"
        assert await stream.read(9, PATIENCE) == b"lo"
        assert stream.read_ready(2) is None
        assert not stream.get_extra_info("is_readable")
        with pytest.raises(httpcore.ReadTimeout):
            await stream.read(1, 0.01)
        await stream.aclose()
        assert stream.get_extra_info("is_readable")

    kind.run(scenario)


@ALL
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("trusted", [False, True], ids=["unknown authority", "another name"])
def test_a_certificate_that_does_not_do(
    kind: Kind, hostile: MakeHostile, tls: Authority, layers: int, trusted: bool
) -> None:
    context = tls.server_context()
    server = hostile([start_tls(context), nested(context, read_to_end) if layers == 2 else read_to_end])

    async def scenario() -> None:
        stream = await secured(kind, server.port, tls, layers - 1)
        client = tls.client_context() if trusted else ssl.create_default_context()
        with pytest.raises(httpcore.ConnectError, match="certificate verify failed") as caught:
            await stream.start_tls(client, "other.example" if trusted else "localhost", PATIENCE)
        assert isinstance(root_cause(caught.value), ssl.SSLCertVerificationError)
        server.wait_until(lambda: not server.open)

    kind.run(scenario)


@ALL
@pytest.mark.parametrize(
    ("steps", "error"),
    [
        ([hang], httpcore.ConnectTimeout),
        ([half_close, read_to_end], httpcore.ConnectError),
        ([send(b"HTTP/1.1 400 Bad Request\r\n\r\n"), read_to_end], httpcore.ConnectError),
        ([read(100), reset], httpcore.ConnectError),
    ],
    ids=["silence", "end", "no TLS", "reset"],
)
@pytest.mark.parametrize("layers", [1, 2])
def test_a_handshake_that_fails(
    kind: Kind, hostile: MakeHostile, tls: Authority, layers: int, steps: list[Step], error: type[Exception]
) -> None:
    server = hostile([*([start_tls(tls.server_context())] if layers == 2 else []), *steps])

    async def scenario() -> None:
        stream = await secured(kind, server.port, tls, layers - 1)
        timeout = 0.1 if error is httpcore.ConnectTimeout else PATIENCE
        with pytest.raises(error):
            await stream.start_tls(tls.client_context(), "localhost", timeout)
        server.release()
        server.wait_until(lambda: not server.open)

    kind.run(scenario)


@ALL
@pytest.mark.parametrize("layers", [1, 2])
def test_a_name_that_is_in_no_certificate(kind: Kind, hostile: MakeHostile, tls: Authority, layers: int) -> None:
    server = hostile([*([start_tls(tls.server_context())] if layers == 2 else []), read_to_end])

    async def scenario() -> None:
        stream = await secured(kind, server.port, tls, layers - 1)
        with pytest.raises(httpcore.ConnectError):
            await stream.start_tls(tls.client_context(), ".example", PATIENCE)
        server.wait_until(lambda: not server.open)

    kind.run(scenario)


@ASYNC
def test_a_handshake_that_is_cancelled(kind: Kind, hostile: MakeHostile, tls: Authority) -> None:
    server = hostile([read_to_end])

    async def scenario() -> None:
        stream = await kind.connect(server.port)
        await kind.cancelled(lambda: stream.start_tls(tls.client_context(), "localhost"))
        await kind.backend.sleep(0)
        server.wait_until(lambda: not server.open)

    kind.run(scenario)


@ALL
def test_a_context_that_loads_when_it_is_used(kind: Kind, hostile: MakeHostile, tls: Authority) -> None:
    server = hostile([start_tls(tls.server_context()), echo], [read_to_end])

    async def scenario() -> None:
        stream = await kind.connect(server.port)
        stream = await stream.start_tls(make_context(tls.ca_pem), "localhost", PATIENCE)
        await stream.write(b"hello", PATIENCE)
        assert await read_exactly(stream, 5) == b"hello"
        await stream.aclose()
        stream = await kind.connect(server.port)
        with pytest.raises(ConfigError):
            await stream.start_tls(make_context(tls.ca_pem / "nothing.pem"), "localhost", PATIENCE)
        server.wait_until(lambda: not server.open)

    kind.run(scenario)


@ALL
@pytest.mark.parametrize("end", [half_close, farewell], ids=["half_close", "farewell"])
def test_the_end(kind: Kind, hostile: MakeHostile, tls: Authority, end: Step) -> None:
    """With or without a close_notify: HTTP knows whether a message is complete."""
    server = hostile([start_tls(tls.server_context()), read(4), send(b"last"), end, read(4), read_to_end])

    async def scenario() -> None:
        stream = await secured(kind, server.port, tls)
        await stream.write(b"ping", PATIENCE)
        assert await read_exactly(stream, 4) == b"last"
        for _ in range(2):
            assert await stream.read(100, PATIENCE) == b""
        assert stream.read_ready(100) == b""
        stream.abort()
        stream.abort()

    kind.run(scenario)
    server.wait_until(lambda: not server.open)


@ALL
def test_a_reset(kind: Kind, hostile: MakeHostile, tls: Authority) -> None:
    event = threading.Event()
    server = hostile([start_tls(tls.server_context()), read(4), send(b"last"), wait_for(event), reset])

    async def scenario() -> None:
        stream = await secured(kind, server.port, tls)
        await stream.write(b"ping", PATIENCE)
        assert await read_exactly(stream, 4) == b"last"
        event.set()
        if kind.name == "sync":
            # The ssl module cannot tell a reset from an end, when it comes to reading.
            with suppress(httpcore.ReadError):
                assert await stream.read(100, PATIENCE) == b""
        else:
            with pytest.raises(httpcore.ReadError):
                await stream.read(100, PATIENCE)
        with pytest.raises(httpcore.WriteError):
            for _ in range(3):
                await stream.write(b"x", PATIENCE)
        stream.abort()

    kind.run(scenario)


@ALL
def test_bytes_that_are_no_record(kind: Kind, hostile: MakeHostile, tls: Authority) -> None:
    def spoil(peer: Peer) -> None:
        os.write(peer.socket.fileno(), b"no record of TLS at all")

    server = hostile([start_tls(tls.server_context()), read(4), spoil, read_to_end])

    async def scenario() -> None:
        stream = await secured(kind, server.port, tls)
        await stream.write(b"ping", PATIENCE)
        with pytest.raises(httpcore.ReadError):
            await stream.read(100, PATIENCE)
        stream.abort()

    kind.run(scenario)


@ASYNC
@pytest.mark.parametrize("layers", [1, 2])
def test_nothing_is_lost(kind: Kind, hostile: MakeHostile, tls: Authority, layers: int) -> None:
    """Reads and writes that are cancelled or time out leave the stream intact."""
    content = b"a" * LARGE + b"b" * 1000 + b"cd"
    context = tls.server_context()
    steps = [hang, read(len(content)), send(b"thanks"), read_to_end]
    server = hostile([start_tls(context), *([nested(context, *steps)] if layers == 2 else steps)])

    async def scenario() -> None:
        stream = await secured(kind, server.port, tls, layers)
        await kind.cancelled(lambda: stream.read(100, PATIENCE))
        await kind.cancelled(lambda: stream.write(b"a" * LARGE, PATIENCE))
        with pytest.raises(httpcore.WriteTimeout):
            await stream.write(b"b" * 1000, 0.02)
        with pytest.raises(httpcore.ReadTimeout):
            await stream.read(100, 0.02)
        with pytest.raises(httpcore.WriteTimeout):
            await stream.write(b"c", 0.0)
        server.release()
        await stream.write(b"d", PATIENCE)
        assert await read_exactly(stream, 6) == b"thanks"
        await stream.aclose()

    kind.run(scenario)
    assert server.requests == [content]


@ASYNC
def test_tasks_that_write_at_once_do_not_interleave(kind: Kind, hostile: MakeHostile, tls: Authority) -> None:
    server = hostile([start_tls(tls.server_context()), hang, read(3_000_000), send(b"done")])

    async def scenario() -> None:
        stream = await secured(kind, server.port, tls)

        async def write(letter: bytes) -> bytes:
            await stream.write(letter * 1_000_000, PATIENCE)
            return b""

        async def read_on() -> bytes:
            server.release()
            return await read_exactly(stream, 4)

        writers = [lambda letter=letter: write(letter) for letter in (b"a", b"b", b"c")]
        assert (await kind.together(*writers, read_on))[-1] == b"done"
        await stream.aclose()

    kind.run(scenario)
    received = server.requests[0]
    assert sorted(received[start : start + 1_000_000] for start in range(0, 3_000_000, 1_000_000)) == [
        letter * 1_000_000 for letter in (b"a", b"b", b"c")
    ]


def test_no_news_without_a_loop_that_brings_them(hostile: MakeHostile, tls: Authority) -> None:
    server = hostile([start_tls(tls.server_context()), read_to_end])
    kind = TRIO

    async def scenario() -> None:
        stream = await secured(kind, server.port, tls)
        assert not hasattr(stream, "on_lost")
        await stream.aclose()

    kind.run(scenario)


@LOOPS
def test_news_for_nobody(kind: Kind, hostile: MakeHostile, tls: Authority) -> None:
    """Session tickets are no news; data and the end are."""
    event = threading.Event()
    context = tls.server_context()
    server = hostile(
        [start_tls(context), wait_for(event), send(b"x"), read_to_end],
        [start_tls(context), wait_for(event), close],
        [start_tls(context), wait_for(event), reset],
    )

    async def scenario() -> None:
        calls: list[int] = []
        streams = []
        for number in range(3):
            stream = await secured(kind, server.port, tls)
            stream.on_lost = lambda number=number: calls.append(number)
            assert stream.on_lost is not None
            streams.append(stream)
        # By then the tickets have come.
        for stream in streams:
            with pytest.raises(httpcore.ReadTimeout):
                await stream.read(1, 0.05)
        assert calls == []
        event.set()
        await kind.until(lambda: len(calls) == 3)
        assert await streams[0].read(1, PATIENCE) == b"x"
        streams[0].on_lost = None
        for stream in streams:
            stream.abort()

    kind.run(scenario)
