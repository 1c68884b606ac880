"""Whose pools a transport uses, where, and for how long."""

from __future__ import annotations

import gc
import importlib.util
import socket
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import httpcore
import pytest

from conftest import MakeHostile
from runtimes import Runtime
from servers.hostile import close, drip, hang, read_head, read_request, repeat, reset, send
from servers.unreachable import Deaf, Refusing
from transports.calling import calling, close_pool, pool_of
from trivet.core.errors import AttemptTimeout, ConfigError, ConnectError, ConnectTimeout, RemoteProtocolError
from trivet.core.http.request import Request
from trivet.core.http.stream import Stream
from trivet.core.limits import Limits
from trivet.transports.httpcore_transport import HTTPCoreTransport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.mark.usefixtures("engine_of_ours")
def test_many_at_once(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([repeat(read_request, send(OK))])

    async def scenario() -> None:
        async with calling(runtime, limits=Limits(max_connections=5)) as caller:
            contents = await runtime.together(*[lambda: caller.fetch(server.url)] * 50)
            assert contents == [b"hello"] * 50

    runtime.run(scenario)
    assert server.connections <= 5


def test_two_threads_that_come_first_share_a_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = HTTPCoreTransport()
    pools: Any = transport._calls.pools
    rival = httpcore.ConnectionPool()

    class Lock:
        """Is only had once the other thread is done."""

        def __enter__(self) -> None:
            pools._pools[None] = rival

        def __exit__(self, *exc_info: object) -> None:
            return

    pools._lock = Lock()
    assert pools.get(Request("GET", "http://api.example.com").url) is rival


def test_outside_of_every_runtime() -> None:
    transport = HTTPCoreTransport()
    with pytest.raises(RuntimeError, match="no running event loop"):
        transport.aclose().send(None)


# Pools of the user's own, of both libraries.

LIBRARIES = [name for name in ("httpcore", "httpcore2") if importlib.util.find_spec(name)]


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> ModuleType:
    module: ModuleType = importlib.import_module(request.param)
    return module


@pytest.mark.parametrize("clamped", [False, True], ids=["bare", "clamped"])
def test_a_pool_of_ones_own(runtime: Runtime, hostile: MakeHostile, library: ModuleType, clamped: bool) -> None:
    server = hostile([repeat(read_request, send(OK))])
    content = Stream(lambda: iter([b"he", b"llo"]), replayable=True)

    async def scenario() -> None:
        pool = pool_of(library, runtime, clamped=clamped)
        async with calling(runtime, HTTPCoreTransport(pool)) as caller:
            for body in (b"", b"hello", content):
                assert await caller.fetch(Request("POST", f"{server.url}/x?y", (), body)) == b"hello"
        # The transport has left the pool open.
        assert pool.connections
        # Letting go of a body leaves generators of httpcore suspended in a bare pool, of which trio warns.
        if clamped or runtime.name != "trio":
            async with calling(runtime, HTTPCoreTransport(pool)) as caller:
                response = await caller.send(server.url)
                assert await caller.read(response) == b"hello"
                await caller.close_body(response)
        await close_pool(pool)
        server.wait_until(lambda: not server.open)
        gc.collect()

    runtime.run(scenario)


@pytest.mark.parametrize("clamped", [False, True], ids=["bare", "clamped"])
def test_what_was_sent_over_a_pool_of_ones_own(
    runtime: Runtime, hostile: MakeHostile, refusing: Refusing, deaf: Deaf, library: ModuleType, clamped: bool
) -> None:
    busy = hostile([read_head, send(OK), hang])
    silent = hostile([read_head, hang])
    rude = hostile([read_head, close])
    broken = hostile([read_head, send(OK[:-1]), close])

    async def scenario() -> None:
        pool = pool_of(library, runtime, clamped=clamped, max_connections=1)
        async with calling(runtime, HTTPCoreTransport(pool)) as caller:
            with pytest.raises(ConnectError, match="connection refused by") as refused:
                await caller.send(refusing.url)
            with pytest.raises(ConnectTimeout, match=r"no connection to .* within 0\.\d+ s") as unreachable:
                await caller.send(deaf.url, connect=0.1)
            with pytest.raises(AttemptTimeout, match=r"did not answer within 0\.\d+ s") as timed_out:
                await caller.send(silent.url, within=0.1)
            with pytest.raises(RemoteProtocolError, match="without answering") as closed:
                await caller.send(rude.url)
            response = await caller.send(broken.url)
            with pytest.raises(RemoteProtocolError, match="before the content was complete") as truncated:
                await caller.read_all(response)
            response = await caller.send(busy.url)
            with pytest.raises(AttemptTimeout, match=r"no connection became free within 0\.\d+ s") as queued:
                await caller.send(busy.url, within=0.1)
            await caller.read_all(response)
        for caught, sent in [
            (refused, False),
            (unreachable, False),
            (timed_out, True),
            (closed, True),
            (truncated, True),
            (queued, False),
        ]:
            assert caught.value.sent is sent, caught.value
        for server in (silent, busy):
            server.release()
        await close_pool(pool)

    runtime.run(scenario)


def test_a_clamped_pool_keeps_deadlines_and_notices_stale_connections(
    runtime: Runtime, hostile: MakeHostile, library: ModuleType
) -> None:
    dripping = hostile([read_head, send(OK[:-5]), drip(b"hello" * 1000, interval=0.05)])
    stale = hostile([read_head, send(OK), read_head, reset])

    async def scenario() -> None:
        pool = pool_of(library, runtime, clamped=True)
        async with calling(runtime, HTTPCoreTransport(pool)) as caller:
            response = await caller.send(dripping.url)
            with pytest.raises(AttemptTimeout, match="the content of the response did not arrive"):
                await caller.read_all(response, within=0.1)
            assert await caller.fetch(stale.url) == b"hello"
            with pytest.raises(Exception, match="before it answered") as caught:
                await caller.send(stale.url)
            assert caught.value.stale is True  # type: ignore[attr-defined]  # a TransportError
        await close_pool(pool)

    runtime.run(scenario)


def test_the_head_of_a_response_is_bounded_over_a_pool_of_ones_own(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([read_head, send(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"), hang])

    async def scenario() -> None:
        pool = pool_of(httpcore, runtime, clamped=True)
        async with calling(runtime, HTTPCoreTransport(pool, limits=Limits(max_fields=199))) as caller:
            with pytest.raises(RemoteProtocolError, match="200 fields"):
                await caller.send(server.url)
            server.release()
            server.wait_until(lambda: not server.open)
        await close_pool(pool)

    runtime.run(scenario)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pool": object()}, "object has neither"),
        ({"pool": httpcore.ConnectionPool(), "verify": False}, "brings its settings along"),
        ({"pool": httpcore.ConnectionPool(), "http2": True}, "brings its settings along"),
        ({"uds": "a.sock", "proxy": "http://proxy.example"}, "uds and proxy"),
        ({"uds": "a.sock", "local_address": "127.0.0.1"}, "uds and local_address"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        HTTPCoreTransport(**settings)


def test_a_pool_for_the_other_kind_of_client(runtime: Runtime) -> None:
    pool = httpcore.AsyncConnectionPool() if runtime.name == "sync" else httpcore.ConnectionPool()

    async def scenario() -> None:
        async with calling(runtime, HTTPCoreTransport(pool)) as caller:
            with pytest.raises(ConfigError, match=r"it is a pool for (Async)?Client"):
                await caller.send("http://api.example.com/")

    runtime.run(scenario)
    assert "over" in repr(HTTPCoreTransport(pool))


# What the settings of the transport's own pools do.


@pytest.mark.usefixtures("engine_of_ours")
def test_a_unix_socket(runtime: Runtime, hostile: MakeHostile, tmp_path: Path) -> None:
    server = hostile([repeat(read_request, send(OK))])
    path = str(tmp_path / "http.sock")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen()

    def forward() -> None:
        inward, _ = listener.accept()
        outward = socket.create_connection(("127.0.0.1", server.port))
        with inward, outward:
            while data := inward.recv(65536):
                outward.sendall(data)
                inward.sendall(outward.recv(65536))

    thread = threading.Thread(target=forward)
    thread.start()

    async def scenario() -> None:
        async with calling(runtime, uds=path) as caller:
            assert await caller.fetch("http://docker.example/info") == b"hello"
            assert await caller.fetch("http://docker.example/info") == b"hello"

    runtime.run(scenario)
    thread.join()
    listener.close()
    assert server.requests[0].startswith(b"GET /info HTTP/1.1\r\nHost: docker.example\r\n")

    async def nobody() -> None:
        async with calling(runtime, uds=path + "x") as caller:
            with pytest.raises(ConnectError, match=f"there is no Unix socket {path}x") as caught:
                await caller.send("http://docker.example/")
            assert caught.value.sent is False

    runtime.run(nobody)


def test_socket_options_and_local_address(runtime: Runtime, hostile: MakeHostile, engine_of_ours: str) -> None:
    seen: list[Any] = []
    server = hostile([read_request, lambda peer: seen.append(peer.socket.getpeername()), send(OK[:-1]), hang])
    option = (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    async def scenario() -> None:
        async with calling(runtime, local_address="127.0.0.2", socket_options=[option]) as caller:
            response = await caller.send(server.url)
            body: Any = response.body
            ours = engine_of_ours == "trivet"
            stream = body._connection.stream if ours else body.incoming.extensions["network_stream"]
            sock = stream.get_extra_info("socket")
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            await caller.close_body(response)
            server.release()

    runtime.run(scenario)
    assert seen[0][0] == "127.0.0.2"


@pytest.mark.usefixtures("engine_of_ours")
def test_idle_connections_expire(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([repeat(read_request, send(OK))])

    async def scenario() -> None:
        async with calling(runtime, limits=Limits(idle_timeout=0)) as caller:
            for _ in range(3):
                assert await caller.fetch(server.url) == b"hello"

    runtime.run(scenario)
    assert server.connections == 3
