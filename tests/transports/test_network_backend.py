"""Connections over a network backend of the user's own: httpcore's, which can do less than Trivet's, and wrappers."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import httpcore
import pytest
import trio

from conftest import MakeHostile
from runtimes import Asyncio, Runtime, Trio
from servers.hostile import (
    Hostile,
    Script,
    close,
    hang,
    read_head,
    read_request,
    read_to_end,
    repeat,
    send,
    start_tls,
)
from servers.tls import Authority
from transports.calling import Caller, calling
from transports.waiting import patiently
from trivet.core.errors import AttemptTimeout, ConnectError, ConnectTimeout, RemoteProtocolError, TransportError
from trivet.core.http.request import Request
from trivet.core.http.stream import Stream
from trivet.core.limits import Limits
from trivet.transports.http_transport import HTTPTransport

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\ntrue"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"
HONEST: Script = [repeat(read_request, send(OK))]


def httpcores(runtime: Runtime) -> Any:
    """The backend of httpcore's for a runtime."""
    if runtime.name == "sync":
        return httpcore.SyncBackend()
    return httpcore.TrioBackend() if runtime.name == "trio" else httpcore.AnyIOBackend()


class Recording:
    """Wraps a backend, and has nothing but what the interface of httpcore asks for; notes what is done."""

    def __init__(self, inner: Any, runtime: Runtime) -> None:
        self.inner = inner
        self.kind = RecordedStream if runtime.name == "sync" else AsyncRecordedStream
        self.calls: list[str] = []
        self.open = 0

    def wrap(self, call: str, stream: Any) -> Any:
        self.calls.append(call)
        self.open += 1
        return self.kind(self, stream)


class RecordingBackend(Recording, httpcore.NetworkBackend):
    def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> Any:
        return self.wrap(f"connect {host}", self.inner.connect_tcp(host, port, *args, **options))


class AsyncRecordingBackend(Recording, httpcore.AsyncNetworkBackend):
    async def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> Any:
        return self.wrap(f"connect {host}", await self.inner.connect_tcp(host, port, *args, **options))


class Recorded:
    def __init__(self, backend: Recording, inner: Any) -> None:
        self.backend = backend
        self.inner = inner
        self.closed = False

    def note_close(self) -> None:
        if not self.closed:
            self.closed = True
            self.backend.open -= 1

    def get_extra_info(self, info: str) -> Any:
        return self.inner.get_extra_info(info)


class RecordedStream(Recorded, httpcore.NetworkStream):
    def read(self, *args: Any) -> bytes:
        data: bytes = self.inner.read(*args)
        return data

    def write(self, *args: Any) -> None:
        self.inner.write(*args)

    def close(self) -> None:
        self.note_close()
        self.inner.close()

    def start_tls(self, *args: Any) -> Any:
        secured = self.inner.start_tls(*args)
        self.note_close()  # whoever wraps a stream has it from then on
        return self.backend.wrap("start_tls", secured)


class AsyncRecordedStream(Recorded, httpcore.AsyncNetworkStream):
    async def read(self, *args: Any) -> bytes:
        data: bytes = await self.inner.read(*args)
        return data

    async def write(self, *args: Any) -> None:
        await self.inner.write(*args)

    async def aclose(self) -> None:
        self.note_close()
        await self.inner.aclose()

    async def start_tls(self, *args: Any) -> Any:
        secured = await self.inner.start_tls(*args)
        self.note_close()  # see above
        return self.backend.wrap("start_tls", secured)


def recording(runtime: Runtime) -> Any:
    kind = RecordingBackend if runtime.name == "sync" else AsyncRecordingBackend
    return kind(httpcores(runtime), runtime)


@pytest.fixture(params=[httpcores, recording], ids=["httpcore", "wrapper"])
def backend(request: pytest.FixtureRequest, runtime: Runtime) -> Any:
    make: Callable[[Runtime], Any] = request.param
    return make(runtime)


async def settled(runtime: Runtime, server: Hostile) -> None:
    """Wait until every connection is closed, and see whether anything that was left behind complains."""
    await patiently(runtime, server.wait_until, lambda: not server.open)
    gc.collect()


def test_requests(runtime: Runtime, hostile: MakeHostile, backend: Any) -> None:
    server = hostile(HONEST)

    async def scenario() -> None:
        async with calling(runtime, network_backend=backend) as caller:
            for _ in range(3):
                assert await caller.fetch(server.url) == b"true"
        await settled(runtime, server)

    runtime.run(scenario)
    assert server.connections == 1
    if isinstance(backend, Recording):
        assert (backend.calls, backend.open) == (["connect 127.0.0.1"], 0)


def test_clients(runtime: Runtime, hostile: MakeHostile, backend: Any) -> None:
    server = hostile(HONEST)

    async def scenario() -> None:
        transport = HTTPTransport(network_backend=backend)
        async with runtime.client(server.url, transport=transport) as client:
            assert await runtime.together(*[lambda: client.get("/")] * 10) == [True] * 10
            assert await client.post("/", {"name": "Ada"}) is True
        await settled(runtime, server)

    runtime.run(scenario)


def test_tls(runtime: Runtime, hostile: MakeHostile, tls: Authority, backend: Any) -> None:
    server = hostile([start_tls(tls.server_context()), *HONEST])

    async def scenario() -> None:
        async with calling(runtime, network_backend=backend, verify=tls.ca_pem) as caller:
            for _ in range(2):
                assert await caller.fetch(server.tls_url) == b"true"
        await settled(runtime, server)

    runtime.run(scenario)
    assert server.connections == 1
    if isinstance(backend, Recording):
        assert (backend.calls, backend.open) == (["connect localhost", "start_tls"], 0)


def test_a_certificate_that_is_not_trusted(
    runtime: Runtime, hostile: MakeHostile, tls: Authority, backend: Any
) -> None:
    server = hostile([start_tls(tls.server_context()), read_to_end])

    async def scenario() -> None:
        async with calling(runtime, network_backend=backend) as caller:
            with pytest.raises(ConnectError, match="certificate verify failed") as caught:
                await caller.fetch(server.tls_url)
            assert (caught.value.sent, caught.value.permanent) == (False, True)
        await settled(runtime, server)

    runtime.run(scenario)
    if isinstance(backend, Recording):
        assert backend.open == 0


@pytest.mark.parametrize("kind", ["bytes", "sized", "chunked"])
def test_uploads(runtime: Runtime, hostile: MakeHostile, tls: Authority, backend: Any, kind: str) -> None:
    server = hostile([start_tls(tls.server_context()), *HONEST])
    content: Any = b"x" * 300_000
    if kind != "bytes":
        length = 300_000 if kind == "sized" else None
        content = Stream(lambda: iter([b"x" * 100_000] * 3), length=length, replayable=True)

    async def scenario() -> None:
        async with calling(runtime, network_backend=backend, verify=tls.ca_pem) as caller:
            for _ in range(2):
                assert await caller.fetch(Request("PUT", server.tls_url, (), content)) == b"true"
        await settled(runtime, server)

    runtime.run(scenario)
    assert server.connections == 1
    assert [request.count(b"x") for request in server.requests] == [300_000] * 2


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_letting_go_of_a_body(
    runtime: Runtime, hostile: MakeHostile, tls: Authority, backend: Any, secure: bool
) -> None:
    begin = [start_tls(tls.server_context())] if secure else []
    server = hostile([*begin, read_request, send(HALF), read_to_end], [*begin, *HONEST])
    url = server.tls_url if secure else server.url

    async def scenario() -> None:
        settings: Any = {"network_backend": backend, "verify": tls.ca_pem, "limits": Limits(max_connections=1)}
        async with calling(runtime, **settings) as caller:
            response = await caller.send(url)
            assert await caller.read(response) == b"hello"
            await caller.close_body(response)
            await settled(runtime, server)
            assert await caller.fetch(url) == b"true"
        await settled(runtime, server)

    runtime.run(scenario)
    assert server.connections == 2
    if isinstance(backend, Recording):
        assert backend.open == 0


def test_an_abandoned_body(runtime: Runtime, hostile: MakeHostile, backend: Any) -> None:
    server = hostile([read_request, send(HALF), read_to_end], HONEST)

    async def scenario() -> None:
        async with calling(runtime, network_backend=backend, limits=Limits(max_connections=1)) as caller:
            responses = [await caller.send(server.url)]
            with pytest.warns(ResourceWarning, match="was never read to its end nor closed"):
                responses.clear()
            assert await caller.fetch(server.url) == b"true"
        await settled(runtime, server)

    runtime.run(scenario)
    assert server.connections == 2


def test_failures(runtime: Runtime, hostile: MakeHostile, backend: Any, refusing: Any, deaf: Any) -> None:
    silent = hostile([read_head, read_to_end])
    rude = hostile([read_head, close])
    short = hostile([read_head, send(HALF), close])

    async def scenario() -> None:
        async with calling(runtime, network_backend=backend) as caller:
            with pytest.raises(ConnectError, match=f"connection refused by {refusing.url[7:]}"):
                await caller.fetch(refusing.url)
            with pytest.raises(ConnectTimeout):
                await caller.fetch(deaf.url, connect=0.1)
            with pytest.raises(AttemptTimeout, match="did not answer"):
                await caller.fetch(silent.url, within=0.1)
            with pytest.raises(RemoteProtocolError, match="without answering"):
                await caller.fetch(rude.url)
            with pytest.raises(RemoteProtocolError, match="before the content was complete"):
                await caller.fetch(short.url)
            for server in (silent, rude, short):
                await settled(runtime, server)

    runtime.run(scenario)
    if isinstance(backend, Recording):
        assert backend.open == 0


def test_closing_with_a_body_open(runtime: Runtime, hostile: MakeHostile, backend: Any) -> None:
    server = hostile([read_request, send(HALF), read_to_end], HONEST)

    async def scenario() -> None:
        async with calling(runtime, network_backend=backend) as caller:
            response = await caller.send(server.url)
            assert await caller.read(response) == b"hello"
            await caller.close()
            with pytest.raises(TransportError):
                await caller.read(response)
            assert await caller.fetch(server.url) == b"true"
        await settled(runtime, server)

    runtime.run(scenario)


def test_planted_bytes_and_closed_connections(runtime: Runtime, hostile: MakeHostile, backend: Any) -> None:
    server = hostile([read_request, send(OK + OK), read_to_end], [read_request, send(OK), close], HONEST)

    async def scenario() -> None:
        async with calling(runtime, network_backend=backend) as caller:
            for _ in range(2):
                assert await caller.fetch(server.url) == b"true"
                await patiently(runtime, server.wait_until, lambda: not server.open)
            assert await caller.fetch(server.url) == b"true"
        await settled(runtime, server)

    runtime.run(scenario)
    assert (server.connections, len(server.requests)) == (3, 3)


@pytest.mark.parametrize("asynchronous", [Asyncio(), Trio()], ids=["asyncio", "trio"])
@pytest.mark.parametrize("make", [httpcores, recording], ids=["httpcore", "wrapper"])
@pytest.mark.parametrize("stage", ["handshake", "head", "content", "upload"])
def test_cancellation(
    asynchronous: Runtime,
    hostile: MakeHostile,
    tls: Authority,
    make: Callable[[Runtime], Any],
    stage: str,
) -> None:
    runtime, backend = asynchronous, make(asynchronous)
    begin: Script = [] if stage == "handshake" else [start_tls(tls.server_context())]
    script = {
        "handshake": [lambda peer: peer.server.note_request(b""), hang],
        "head": [read_head, read_to_end],
        "content": [read_head, send(HALF), read_to_end],
        "upload": [read_head, hang],
    }[stage]
    server = hostile([*begin, *script], [start_tls(tls.server_context()), *HONEST])
    content = Stream(lambda: (b"x" * 100_000 for _ in range(1000))) if stage == "upload" else b""

    async def call(caller: Caller) -> None:
        await caller.fetch(Request("PUT", server.tls_url, (), content))

    async def begun() -> None:
        await patiently(runtime, server.wait_until, lambda: server.requests)

    async def under_asyncio(caller: Caller) -> None:
        task = asyncio.create_task(call(caller))
        await begun()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def under_trio(caller: Caller) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call, caller)
            await begun()
            nursery.cancel_scope.cancel()

    async def scenario() -> None:
        settings: Any = {"network_backend": backend, "verify": tls.ca_pem, "limits": Limits(max_connections=1)}
        async with calling(runtime, **settings) as caller:
            await (under_asyncio if runtime.name == "asyncio" else under_trio)(caller)
            # One that the script hangs on notices nothing.
            server.release()
            await settled(runtime, server)
            assert await caller.fetch(server.tls_url) == b"true"
        await settled(runtime, server)

    runtime.run(scenario)
    assert server.connections == 2
    if isinstance(backend, Recording):
        assert backend.open == 0


def test_a_client_that_nobody_closes(runtime: Runtime, hostile: MakeHostile, backend: Any) -> None:
    server = hostile(HONEST)

    async def scenario() -> None:
        client = runtime.client(server.url, transport=HTTPTransport(network_backend=backend))
        assert await client.get("/") is True
        del client
        gc.collect()
        await settled(runtime, server)

    runtime.run(scenario)
