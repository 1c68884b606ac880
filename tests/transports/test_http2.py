"""HTTP/2, as far as httpcore's pool carries it."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from conftest import MakeHostile
from runtimes import Runtime
from servers.hostile import Peer, Step, close, hang, send, start_tls
from servers.nginx import Nginx
from servers.tls import Authority
from transports.calling import calling
from trivet.core.errors import AttemptTimeout, RemoteProtocolError, TransportError
from trivet.core.http.request import Request
from trivet.core.http.stream import Stream

pytestmark = pytest.mark.usefixtures("engine_of_ours")


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """An HTTP/2 frame (RFC 9113 §4.1)."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


SETTINGS = frame(4)
OK_HEADERS = frame(1, 4, 1, b"\x88")  # :status 200, by its index in the static table of HPACK
GOAWAY = frame(7, 0, 0, bytes(8))
MISPLACED = frame(0, 0, 0, b"content of the connection itself")
RESET = frame(3, 0, 1, (2).to_bytes(4, "big"))


def read_client(peer: Peer) -> None:
    """Read what a client begins with, up to its request."""
    peer.read_through(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    kind = None
    while kind != 1:
        head = peer.read_exactly(9)
        kind = head[3]
        peer.read_exactly(int.from_bytes(head[:3], "big"))
    peer.server.note_request(b"HEADERS")


def http2(tls: Authority) -> Step:
    context = tls.server_context()
    context.set_alpn_protocols(["h2"])
    return start_tls(context)


def test_requests_share_a_connection(runtime: Runtime, nginx: Nginx, tls: Authority) -> None:
    async def scenario() -> None:
        async with calling(runtime, verify=tls.ca_pem, http2=True) as caller:
            response = await caller.send(f"{nginx.tls_url}/protocol")
            assert response.http_version == "HTTP/2"
            assert (await caller.read_all(response)).startswith(b"HTTP/2")
            contents = await runtime.together(*[lambda: caller.fetch(f"{nginx.tls_url}/hello.txt")] * 10)
            assert len(set(contents)) == 1
            for content in (b"x" * 300_000, Stream(lambda: iter([b"y" * 100_000] * 3), replayable=True)):
                await caller.fetch(Request("PUT", f"{nginx.tls_url}/store/http2", (), content))
                assert len(await caller.fetch(f"{nginx.tls_url}/store/http2")) == 300_000

    runtime.run(scenario)


def test_it_is_not_offered_unasked(runtime: Runtime, nginx: Nginx, tls: Authority) -> None:
    async def scenario() -> None:
        async with calling(runtime, verify=tls.ca_pem) as caller:
            response = await caller.send(f"{nginx.tls_url}/protocol")
            assert response.http_version == "HTTP/1.1"
            await caller.close_body(response)

    runtime.run(scenario)


def test_it_is_not_needed(runtime: Runtime, hostile: MakeHostile, tls: Authority) -> None:
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    server = hostile([start_tls(tls.server_context()), lambda peer: peer.read_more(), send(ok), hang])

    async def scenario() -> None:
        async with calling(runtime, verify=tls.ca_pem, http2=True) as caller:
            assert await caller.fetch(server.tls_url) == b"hello"

    runtime.run(scenario)


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ([read_client, close], RemoteProtocolError),
        ([read_client, send(SETTINGS + GOAWAY), close], TransportError),
        ([read_client, send(SETTINGS + RESET), hang], RemoteProtocolError),
        ([read_client, send(MISPLACED), hang], RemoteProtocolError),
        ([read_client, send(frame(1, 4, 1, b"\xff" * 100)), hang], RemoteProtocolError),
        ([read_client, send(SETTINGS), hang], AttemptTimeout),
    ],
    ids=["closed", "goaway", "reset", "misplaced", "bad-hpack", "silent"],
)
def test_failures(
    runtime: Runtime,
    hostile: MakeHostile,
    tls: Authority,
    script: Any,
    kind: type[Exception],
    engine_of_ours: str,
    request: pytest.FixtureRequest,
) -> None:
    server = hostile([http2(tls), *script])
    # The server says that it has processed no stream; httpcore does not tell what it says.
    refused = engine_of_ours == "trivet" and "goaway" in request.node.name

    async def scenario() -> None:
        async with calling(runtime, verify=tls.ca_pem, http2=True) as caller:
            with pytest.raises(kind) as caught:
                await caller.send(server.tls_url, within=0.3 if kind is AttemptTimeout else 20)
            assert caught.value.sent is not refused  # type: ignore[attr-defined]  # a TransportError
            assert str(caught.value)
            server.release()

    runtime.run(scenario)


@pytest.mark.parametrize(
    ("frames", "kind"),
    [(RESET, RemoteProtocolError), (MISPLACED, RemoteProtocolError), (b"", AttemptTimeout)],
    ids=["reset", "misplaced", "silent"],
)
def test_failures_in_the_content(
    runtime: Runtime, hostile: MakeHostile, tls: Authority, frames: bytes, kind: type[Exception]
) -> None:
    begun = SETTINGS + OK_HEADERS + frame(0, 0, 1, b"hello")
    server = hostile([http2(tls), read_client, send(begun), lambda peer: peer.read_more(), send(frames), hang])

    async def scenario() -> None:
        async with calling(runtime, verify=tls.ca_pem, http2=True) as caller:
            response = await caller.send(server.tls_url)
            assert await caller.read(response) == b"hello"
            with pytest.raises(kind) as caught:
                await caller.read(response, within=0.3 if kind is AttemptTimeout else 20)
            assert caught.value.sent is True  # type: ignore[attr-defined]  # a TransportError
            await caller.close_body(response)
            server.release()

    runtime.run(scenario)


def test_letting_go_of_a_body(runtime: Runtime, nginx: Nginx, tls: Authority) -> None:
    async def scenario() -> None:
        async with calling(runtime, verify=tls.ca_pem, http2=True) as caller:
            response = await caller.send(f"{nginx.tls_url}/hello.txt")
            await caller.close_body(response)
            await caller.close_body(response)
            assert await caller.fetch(f"{nginx.tls_url}/hello.txt")

    runtime.run(scenario)


def test_a_context_of_ones_own(runtime: Runtime, nginx: Nginx, tls: Authority) -> None:
    context = ssl.create_default_context(cafile=tls.ca_pem)

    async def scenario() -> None:
        async with calling(runtime, verify=context, http2=True) as caller:
            assert (await caller.fetch(f"{nginx.tls_url}/protocol")).startswith(b"HTTP/2")

    runtime.run(scenario)
