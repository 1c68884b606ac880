"""No server outlives a deadline, whatever it does with the time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from math import inf

import pytest

from conftest import MakeHostile
from runtimes import Runtime
from servers.hostile import (
    Script,
    Step,
    drip,
    hang,
    read_head,
    read_request,
    read_to_end,
    repeat,
    send,
    start_tls,
    wait_for,
)
from servers.tls import Authority
from servers.unreachable import Deaf
from transports.calling import calling
from trivet.core.errors import AttemptTimeout, ConnectTimeout
from trivet.core.http.request import Request
from trivet.core.http.stream import Stream
from trivet.core.limits import Limits

pytestmark = pytest.mark.usefixtures("engine")

SHORT = 0.5
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
LONG = b"x" * 10_000


def read_slowly(peer: object) -> None:
    """Take in a byte at a time, far more slowly than anybody sends."""
    while peer.socket.recv(1):  # type: ignore[attr-defined]  # a Peer
        peer.sleep(0.01)  # type: ignore[attr-defined]  # a Peer


@pytest.mark.parametrize(
    ("script", "message"),
    [
        pytest.param([read_head, hang], r"the server did not answer within 0\.\d+ s", id="silence"),
        pytest.param(
            [read_head, drip(b"HTTP/1.1 200 OK\r\nX: " + LONG)],
            r"the head of the response was not complete within 0\.\d+ s",
            id="drip-in-head",
        ),
        pytest.param(
            [read_head, repeat(drip(b"HTTP/1.1 102 Processing\r\n\r\n", size=100))],
            r"the head of the response was not complete within 0\.\d+ s",
            id="interim-for-ever",
        ),
    ],
)
def test_the_head(runtime: Runtime, hostile: MakeHostile, script: Script, message: str) -> None:
    server = hostile(script)

    async def scenario() -> None:
        async with calling(runtime, limits=Limits(max_interim=1_000_000)) as caller:
            with pytest.raises(AttemptTimeout, match=message) as caught:
                await caller.send(server.url, within=SHORT)
            assert caught.value.sent is True
            assert not isinstance(caught.value, ConnectTimeout)
            server.release()
            server.wait_until(lambda: not server.open)

    runtime.run(scenario)


@pytest.mark.parametrize("step", [drip(LONG), hang], ids=["drip", "silence"])
def test_the_content(runtime: Runtime, hostile: MakeHostile, step: Step) -> None:
    server = hostile([read_head, send(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n"), step])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            response = await caller.send(server.url)
            with pytest.raises(AttemptTimeout, match="the content of the response did not arrive") as caught:
                await caller.read_all(response, within=SHORT)
            assert caught.value.sent is True
            server.release()
            server.wait_until(lambda: not server.open)

    runtime.run(scenario)


def test_each_read_has_a_deadline_of_its_own(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([read_head, send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none"), hang, send(b"two")])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            response = await caller.send(server.url, within=5)
            assert await caller.read(response, within=inf) == b"one"
            server.release()
            assert await caller.read(response, within=inf) == b"two"
            assert await caller.read(response, within=5) == b""

    runtime.run(scenario)


@pytest.mark.parametrize("streamed", [False, True], ids=["bytes", "stream"])
def test_an_upload_to_a_slow_reader(runtime: Runtime, hostile: MakeHostile, streamed: bool) -> None:
    server = hostile([read_head, read_slowly])
    size = 20_000_000
    content = Stream(lambda: (b"x" * 100_000 for _ in range(size // 100_000)), length=size)

    async def scenario() -> None:
        async with calling(runtime) as caller:
            request = Request("PUT", server.url, (), content if streamed else b"x" * size)
            with pytest.raises(AttemptTimeout, match=r"the request could not be written within 0\.\d+ s") as caught:
                await caller.send(request, within=0.6)
            assert caught.value.sent is True

    runtime.run(scenario)


def test_an_upload_over_tls_to_a_slow_reader(runtime: Runtime, hostile: MakeHostile, tls: Authority) -> None:
    server = hostile([start_tls(tls.server_context()), read_head, hang])

    async def scenario() -> None:
        async with calling(runtime, verify=tls.ca_pem) as caller:
            with pytest.raises(AttemptTimeout, match="the request could not be written") as caught:
                await caller.send(Request("PUT", server.tls_url, (), b"x" * 20_000_000), within=0.6)
            assert caught.value.sent is True

    runtime.run(scenario)


@pytest.mark.parametrize(("within", "connect"), [(SHORT, None), (20.0, SHORT)], ids=["attempt", "connect"])
def test_connecting(runtime: Runtime, deaf: Deaf, within: float, connect: float | None) -> None:
    async def scenario() -> None:
        async with calling(runtime) as caller:
            with pytest.raises(ConnectTimeout, match=rf"no connection to {deaf.url[7:]} within 0\.\d+ s") as caught:
                await caller.send(deaf.url, within=within, connect=connect)
        assert caught.value.sent is False
        assert isinstance(caught.value, AttemptTimeout)

    runtime.run(scenario)


def drip_handshake(context: object) -> Step:
    """The server's part of a TLS handshake, a byte at a time."""
    import ssl

    def step(peer: object) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = context.wrap_bio(incoming, outgoing, server_side=True)  # type: ignore[attr-defined]  # an SSLContext
        while True:
            incoming.write(peer.socket.recv(65536))  # type: ignore[attr-defined]  # a Peer
            with pytest.raises(ssl.SSLWantReadError):
                server.do_handshake()
            drip(outgoing.read())(peer)  # type: ignore[arg-type]  # a Peer

    return step


@pytest.mark.parametrize("kind", ["silence", "drip"])
@pytest.mark.parametrize(("within", "connect"), [(SHORT, None), (20.0, SHORT)], ids=["attempt", "connect"])
def test_the_tls_handshake(
    runtime: Runtime, hostile: MakeHostile, tls: Authority, kind: str, within: float, connect: float | None
) -> None:
    server = hostile([hang if kind == "silence" else drip_handshake(tls.server_context())])

    async def scenario() -> None:
        async with calling(runtime, verify=tls.ca_pem) as caller:
            message = rf"the TLS handshake with localhost:{server.port} did not finish within 0\.\d+ s"
            with pytest.raises(ConnectTimeout, match=message) as caught:
                await caller.send(server.tls_url, within=within, connect=connect)
            assert caught.value.sent is False
            server.release()
            server.wait_until(lambda: not server.open)

    runtime.run(scenario)


def test_the_connect_timeout_ends_with_connecting(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([read_request, drip(OK)])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            # The head arrives long after the connect timeout has passed, counted from the connect.
            assert await caller.fetch(server.url, connect=SHORT) == b"hello"

    runtime.run(scenario)


def test_waiting_for_a_connection(runtime: Runtime, hostile: MakeHostile) -> None:
    go_on = threading.Event()
    server = hostile([read_head, send(OK[:-2]), wait_for(go_on), send(OK[-2:]), repeat(read_head, send(OK))])

    async def scenario() -> None:
        async with calling(runtime, limits=Limits(max_connections=1)) as caller:
            response = await caller.send(server.url)
            with pytest.raises(AttemptTimeout, match=r"no connection became free within 0\.\d+ s") as caught:
                await caller.send(server.url, within=SHORT)
            assert caught.value.sent is False
            go_on.set()
            assert await caller.read_all(response) == b"hello"
            assert await caller.fetch(server.url) == b"hello"

    runtime.run(scenario)
    assert server.connections == 1


def test_no_time_at_all(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([read_head])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            with pytest.raises(AttemptTimeout, match="no time was left") as caught:
                await caller.send(server.url, within=0)
        assert caught.value.sent is False

    runtime.run(scenario)
    assert server.connections == 0


def test_no_deadline(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([read_head, send(OK), read_to_end])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            response = await caller.send(server.url, within=inf)
            assert await caller.read(response, within=inf) == b"hello"
            assert await caller.read(response, within=inf) == b""

    runtime.run(scenario)


@pytest.fixture
def deaf_addresses(deaf: Deaf, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Three addresses for every name, none of which answers."""
    address = ("127.0.0.1", int(deaf.url.rpartition(":")[2]))
    entry = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: [entry] * 3)
    return


@pytest.mark.usefixtures("deaf_addresses")
def test_the_connect_timeout_is_that_of_all_addresses_together() -> None:
    import time

    from httpcore import ConnectTimeout as HTTPCoreConnectTimeout

    from trivet.transports.network.sockets import SocketBackend

    began = time.monotonic()
    with pytest.raises(HTTPCoreConnectTimeout):
        SocketBackend().connect_tcp("three.example", 80, timeout=0.6)
    # httpcore's own backend takes three times as long.
    assert time.monotonic() - began < 1.2
