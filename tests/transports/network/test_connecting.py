"""Connecting, by each of the backends."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpcore
import pytest

from conftest import MakeHostile
from servers.hostile import read_request, read_to_end, repeat, send, start_tls
from servers.tls import Authority
from servers.unreachable import Deaf, Refusing
from transports.network.kinds import ALL, ASYNC, PATIENCE, Kind, read_exactly
from trivet.transports.failures import root_cause
from trivet.transports.network.addresses import alternate, stagger


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def resolving(*ports: int) -> Callable[..., Any]:
    entry = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
    return lambda *args, **options: [(*entry, ("127.0.0.1", port)) for port in ports]


@ALL
def test_one_address_after_the_other(
    kind: Kind, refusing: Refusing, deaf: Deaf, hostile: MakeHostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address that never answers delays the others for a moment, whatever the timeout."""
    server = hostile([read_to_end])
    ports = [*map(port_of, (refusing.url, deaf.url, deaf.url)), server.port]
    monkeypatch.setattr(socket, "getaddrinfo", resolving(*ports))

    async def scenario() -> None:
        began = time.monotonic()
        stream = await kind.backend.connect_tcp("four.example", 80, 60.0)
        assert time.monotonic() - began < 10
        assert stream.get_extra_info("server_addr")[1] == server.port
        await stream.aclose()

    kind.run(scenario)
    server.wait_until(lambda: not server.open)


@ALL
def test_one_timeout_for_all_addresses(
    kind: Kind, refusing: Refusing, deaf: Deaf, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = [port_of(deaf.url)] * 20 + [port_of(refusing.url)]
    monkeypatch.setattr(socket, "getaddrinfo", resolving(*ports))

    async def scenario() -> None:
        began = time.monotonic()
        with pytest.raises(httpcore.ConnectTimeout, match="timed out"):
            await kind.backend.connect_tcp("many.example", 80, 0.3)
        assert time.monotonic() - began < 5

    kind.run(scenario)


@ALL
@pytest.mark.parametrize("addresses", [1, 3])
def test_nobody_listens(kind: Kind, refusing: Refusing, addresses: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolving(*[port_of(refusing.url)] * addresses))

    async def scenario() -> None:
        with pytest.raises(httpcore.ConnectError) as caught:
            await kind.backend.connect_tcp("none.example", 80, PATIENCE)
        cause = root_cause(caught.value)
        assert isinstance(cause, OSError)
        assert cause.errno == errno.ECONNREFUSED

    kind.run(scenario)


@ALL
def test_an_address_that_never_answers(kind: Kind, deaf: Deaf) -> None:
    async def scenario() -> None:
        with pytest.raises(httpcore.ConnectTimeout):
            await kind.connect(port_of(deaf.url), 0.05)
        with pytest.raises(httpcore.ConnectTimeout):
            await kind.connect(port_of(deaf.url), 0.0)

    kind.run(scenario)


@ASYNC
def test_connecting_that_is_cancelled(kind: Kind, deaf: Deaf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every attempt is given up, and no socket stays behind: pytest makes an error of one."""
    monkeypatch.setattr(socket, "getaddrinfo", resolving(*[port_of(deaf.url)] * 3))
    kind.run(lambda: kind.cancelled(lambda: kind.backend.connect_tcp("three.example", 80)))


@ALL
def test_no_address(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        for host in ("a" * 64 + ".example", "a..example"):
            with pytest.raises(httpcore.ConnectError):
                await kind.backend.connect_tcp(host, 80, PATIENCE)
        monkeypatch.setattr(socket, "getaddrinfo", resolving())
        with pytest.raises(httpcore.ConnectError):
            await kind.backend.connect_tcp("none.example", 80, PATIENCE)

    kind.run(scenario)


@ALL
def test_options(kind: Kind, hostile: MakeHostile) -> None:
    server = hostile([read_to_end])
    keepalive = (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    async def scenario() -> None:
        stream = await kind.connect(server.port, local_address="127.0.0.2", socket_options=iter([keepalive]))
        sock = stream.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert stream.get_extra_info("client_addr")[0] == "127.0.0.2"
        assert stream.get_extra_info("server_addr") == ("127.0.0.1", server.port)
        assert stream.get_extra_info("ssl_object") is None
        assert stream.get_extra_info("unknown") is None
        await stream.aclose()
        with pytest.raises(httpcore.ConnectError):
            await kind.connect(server.port, socket_options=[(socket.SOL_SOCKET, -1, 1)])
        with pytest.raises(httpcore.ConnectError):
            await kind.connect(server.port, local_address="192.0.2.1")

    kind.run(scenario)
    server.wait_until(lambda: not server.open)


@ALL
def test_names_are_resolved(kind: Kind, hostile: MakeHostile) -> None:
    server = hostile([read_to_end])

    async def scenario() -> None:
        stream = await kind.backend.connect_tcp("localhost", server.port, PATIENCE)
        await stream.aclose()

    kind.run(scenario)


@ALL
def test_unix_sockets(kind: Kind, tmp_path: Path) -> None:
    path = str(tmp_path / "here.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def serve() -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                while data := connection.recv(100):
                    connection.sendall(data)

    thread = threading.Thread(target=serve)
    thread.start()

    async def scenario() -> None:
        stream = await kind.backend.connect_unix_socket(path, PATIENCE, [(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)])
        await stream.write(b"hello", PATIENCE)
        assert await read_exactly(stream, 5) == b"hello"
        await stream.aclose()
        stream = await kind.backend.connect_unix_socket(path)
        stream.abort()
        with pytest.raises(httpcore.ConnectError):
            await kind.backend.connect_unix_socket(str(tmp_path / "nothing.sock"), PATIENCE)
        with pytest.raises(httpcore.ConnectError):
            await kind.backend.connect_unix_socket(path, PATIENCE, [(socket.SOL_SOCKET, -1, 1)])
        await kind.backend.sleep(0)

    kind.run(scenario)
    thread.join()
    listener.close()


def test_families_take_turns() -> None:
    def entry(family: int, name: str) -> tuple[int, int, int, str, Any]:
        return family, 0, 0, "", name

    six, four = socket.AF_INET6, socket.AF_INET
    found = [entry(six, "a"), entry(six, "b"), entry(six, "c"), entry(four, "x"), entry(four, "y")]
    assert [info[4] for info in alternate(found)] == ["a", "x", "b", "y", "c"]
    assert alternate([]) == []


def test_every_address_gets_its_turn() -> None:
    assert stagger(None, 8) == 0.25
    assert stagger(60.0, 8) == 0.25
    assert stagger(1.0, 8) == 0.125


@ASYNC
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_beneath_a_pool_of_httpcore(kind: Kind, hostile: MakeHostile, tls: Authority, secure: bool) -> None:
    answer = repeat(read_request, send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
    server = hostile([*([start_tls(tls.server_context())] if secure else []), answer])
    url = server.tls_url if secure else server.url

    async def scenario() -> None:
        pool = httpcore.AsyncConnectionPool(ssl_context=tls.client_context(), network_backend=kind.backend)
        async with pool:
            for _ in range(3):
                response = await pool.request("POST", url, content=b"x" * 100_000)
                assert response.content == b"hello"

    kind.run(scenario)
    assert server.connections == 1
