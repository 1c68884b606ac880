"""What a transport raises for each way in which a server can fail it, and what it says was sent."""

from __future__ import annotations

import socket
import threading

import pytest

from conftest import MakeHostile
from runtimes import Runtime
from servers.hostile import (
    Script,
    Step,
    close,
    half_close,
    read_head,
    read_request,
    read_to_end,
    reset,
    send,
    wait_for,
)
from servers.unreachable import Refusing
from transports.calling import ENGINES, calling
from trivet.core.errors import (
    ConnectError,
    InvalidRequest,
    ReadError,
    RemoteProtocolError,
    TransportError,
)
from trivet.core.http.request import Request
from trivet.core.limits import Limits

pytestmark = pytest.mark.usefixtures("engine")


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
HEAD = OK[:-5]


def test_a_refused_connection(runtime: Runtime, refusing: Refusing) -> None:
    async def scenario() -> None:
        async with calling(runtime) as caller:
            with pytest.raises(ConnectError, match=rf"^connection refused by {refusing.url[7:]}$") as caught:
                await caller.send(refusing.url)
        assert caught.value.sent is False
        assert caught.value.stale is False
        assert caught.value.__cause__ is not None

    runtime.run(scenario)


def test_a_name_that_does_not_resolve(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    async def scenario() -> None:
        async with calling(runtime) as caller:
            with pytest.raises(ConnectError, match="the name of nowhere.invalid:80 could not be resolved") as caught:
                await caller.send("http://nowhere.invalid/")
        assert caught.value.sent is False

    runtime.run(scenario)


def test_a_name_that_no_resolver_takes(runtime: Runtime) -> None:
    async def scenario() -> None:
        # A URL with such a host is refused beforehand.
        async with calling(runtime, proxy=f"http://{'a' * 64}.example") as caller:
            with pytest.raises(ConnectError, match="could not be resolved") as caught:
                await caller.send("http://api.example.com/")
        assert caught.value.sent is False

    runtime.run(scenario)


@pytest.mark.parametrize(
    ("script", "kind", "message"),
    [
        pytest.param([read_head, close], RemoteProtocolError, "closed the connection without answering", id="close"),
        pytest.param(
            [read_head, half_close, read_to_end],
            RemoteProtocolError,
            "closed the connection without answering",
            id="half-close",
        ),
        pytest.param(
            [read_head, send(b"HTTP/1.1 200"), half_close],
            RemoteProtocolError,
            "closed the connection in the middle of the head",
            id="close-in-head",
        ),
        pytest.param([read_head, reset], ReadError, "reset the connection before it answered", id="reset"),
        pytest.param(
            [read_head, send(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"), read_to_end],
            RemoteProtocolError,
            "broke the rules of HTTP",
            id="garbage",
        ),
        pytest.param(
            [
                read_head,
                send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"),
                read_to_end,
            ],
            RemoteProtocolError,
            "broke the rules of HTTP",
            id="conflicting-lengths",
        ),
        pytest.param(
            [read_head, send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), read_to_end],
            RemoteProtocolError,
            "broke the rules of HTTP",
            id="unasked-upgrade",
        ),
    ],
)
def test_no_head(
    runtime: Runtime, hostile: MakeHostile, script: Script, kind: type[TransportError], message: str
) -> None:
    server = hostile(script)

    async def scenario() -> None:
        async with calling(runtime) as caller:
            with pytest.raises(kind, match=message) as caught:
                await caller.send(server.url)
            server.wait_until(lambda: not server.open)
        assert caught.value.sent is True
        assert caught.value.stale is False
        assert str(caught.value) == caught.value.message

    runtime.run(scenario)


def test_an_upgrade_that_was_asked_for(runtime: Runtime, hostile: MakeHostile) -> None:
    switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nxxx"
    server = hostile([read_head, send(switch), read_to_end])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            with pytest.raises(RemoteProtocolError, match="interim status, 101"):
                await caller.send(Request("GET", server.url, {"Connection": "upgrade", "Upgrade": "x"}))
            server.wait_until(lambda: not server.open)

    runtime.run(scenario)


@pytest.mark.parametrize(
    ("step", "head", "kind", "message"),
    [
        pytest.param(
            half_close,
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
            RemoteProtocolError,
            r"before the content was complete \(received 5 bytes, expected 10\)",
            id="short-of-its-length",
        ),
        pytest.param(
            half_close,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            RemoteProtocolError,
            r"before the content was complete",
            id="no-last-chunk",
        ),
        pytest.param(
            read_to_end,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
            RemoteProtocolError,
            r"broke the rules of HTTP",
            id="bad-chunk",
        ),
    ],
)
def test_a_broken_body(
    runtime: Runtime,
    hostile: MakeHostile,
    step: Step,
    head: bytes,
    kind: type[TransportError],
    message: str,
) -> None:
    server = hostile([read_head, send(head), step])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            response = await caller.send(server.url)
            assert await caller.read(response) == b"hello"
            with pytest.raises(kind, match=message) as caught:
                await caller.read(response)
            assert caught.value.sent is True
            # The failing read has released the body: closing it again does nothing.
            server.wait_until(lambda: not server.open)
            await caller.close_body(response)
            await caller.close_body(response)

    runtime.run(scenario)


def test_a_reset_in_the_content(runtime: Runtime, hostile: MakeHostile) -> None:
    arrived = threading.Event()
    server = hostile([read_head, send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"), wait_for(arrived), reset])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            response = await caller.send(server.url)
            assert await caller.read(response) == b"hello"
            arrived.set()
            with pytest.raises(ReadError, match="reset the connection in the middle of the content") as caught:
                await caller.read(response)
            assert (caught.value.sent, caught.value.stale) == (True, False)

    runtime.run(scenario)


@pytest.mark.parametrize("step", [close, reset], ids=["closed", "reset"])
def test_a_kept_connection_that_ends_before_it_answers_is_stale(
    runtime: Runtime, hostile: MakeHostile, step: Step
) -> None:
    server = hostile([read_head, send(OK), read_head, step])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            assert await caller.fetch(server.url) == b"hello"
            with pytest.raises((ReadError, RemoteProtocolError)) as caught:
                await caller.send(server.url)
        assert (caught.value.sent, caught.value.stale) == (True, True)

    runtime.run(scenario)
    assert server.connections == 1


def test_a_kept_connection_that_ends_in_the_head_is_not_stale(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([read_head, send(OK), read_head, send(b"HTTP/1.1 2"), close])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            assert await caller.fetch(server.url) == b"hello"
            with pytest.raises(RemoteProtocolError, match="in the middle of the head") as caught:
                await caller.send(server.url)
        assert (caught.value.sent, caught.value.stale) == (True, False)

    runtime.run(scenario)


def many_fields(count: int, size: int = 1) -> bytes:
    fields = b"".join(b"X-%d: %s\r\n" % (number, b"v" * size) for number in range(count))
    return b"HTTP/1.1 200 OK\r\n" + fields + b"Content-Length: 5\r\n\r\nhello"


@pytest.mark.parametrize(
    ("limits", "response", "message"),
    [
        (Limits(max_fields=10), many_fields(10), r"11 fields; Limits\(max_fields=10\)"),
        (Limits(max_header_bytes=1000), many_fields(10, 100), r"bytes; Limits\(max_header_bytes=1000\)"),
        # Beyond 100 KiB h11 gives up by itself.
        (Limits(), many_fields(1, 300_000), "the head of the response is too long"),
    ],
    ids=["fields", "bytes", "endless"],
)
def test_an_over_long_head(
    runtime: Runtime, hostile: MakeHostile, limits: Limits, response: bytes, message: str
) -> None:
    server = hostile([read_head, send(response), read_to_end])

    async def scenario() -> None:
        async with calling(runtime, limits=limits) as caller:
            with pytest.raises(RemoteProtocolError, match=message) as caught:
                await caller.send(server.url)
        assert caught.value.sent is True

    runtime.run(scenario)


def test_a_head_at_the_limit(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([read_head, send(many_fields(127)), read_to_end])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            assert len((response := await caller.send(server.url)).headers) == 128
            assert await caller.read_all(response) == b"hello"

    runtime.run(scenario)


def test_a_tunnel_is_no_request(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([read_request])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            with pytest.raises(InvalidRequest, match="proxy setting"):
                await caller.send(Request("CONNECT", server.url))

    runtime.run(scenario)
    assert server.connections == 0


@pytest.mark.parametrize("engine", ENGINES[1:], indirect=True)
def test_pools_cannot_report_interim_responses(runtime: Runtime, hostile: MakeHostile, engine: str) -> None:
    """Those of libraries; what Trivet's own connections do is in test_interim.py."""
    server = hostile([read_request])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            with pytest.raises(InvalidRequest, match="cannot report interim responses"):
                await caller.send(Request("GET", server.url, on_interim=print))

    runtime.run(scenario)
    assert server.connections == 0
