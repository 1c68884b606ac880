"""The network backends by themselves, without a pool and without an operation."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import Any

import httpcore
import pytest
import trustme

from conftest import MakeHostile
from runtimes import Runtime
from servers.hostile import hang, read_to_end, reset, send, start_tls
from servers.tls import Authority
from servers.unreachable import Deaf, Refusing
from trivet.transports.network.clamped import ClampedBackend, ClampedStream
from trivet.transports.network.clamped_async import AsyncClampedBackend, AsyncClampedStream
from trivet.transports.network.operation import Operation, current_operation
from trivet.transports.network.sockets import SocketBackend


def connect(port: int, backend: httpcore.NetworkBackend | None = None) -> httpcore.NetworkStream:
    return (backend or SocketBackend()).connect_tcp("127.0.0.1", port, timeout=10)


def echo(peer: Any) -> None:
    while data := peer.socket.recv(65536):
        peer.socket.sendall(data)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_stream(hostile: MakeHostile, tls: Authority, secure: bool) -> None:
    server = hostile([*([start_tls(tls.server_context())] if secure else []), echo])
    stream = connect(server.port)
    if secure:
        stream = stream.start_tls(tls.client_context(), "localhost", timeout=10)
    sock = stream.get_extra_info("socket")
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert stream.get_extra_info("server_addr")[1] == server.port
    assert stream.get_extra_info("client_addr") == sock.getsockname()
    assert stream.get_extra_info("unknown") is None
    assert (stream.get_extra_info("ssl_object") is not None) is secure
    stream.write(b"")
    for timeout in (10.0, 9.99, 10.0, None, None, 5.0):
        stream.write(b"hello", timeout)
        received = b""
        while len(received) < 5:
            received += stream.read(3, timeout)
        assert received == b"hello"
    if secure:
        # Decrypted already, and so invisible to the operating system.
        stream.write(b"hello")
        stream.read(1)
        assert stream.get_extra_info("is_readable")
    stream.close()
    stream.close()
    assert stream.get_extra_info("is_readable")


def test_readable_means_that_something_has_come(hostile: MakeHostile) -> None:
    server = hostile([hang, send(b"x"), read_to_end])
    stream = connect(server.port)
    assert not stream.get_extra_info("is_readable")
    server.release()
    assert stream.read(1, 10) == b"x"
    stream.close()


@pytest.mark.parametrize("timeout", [0.05, None])
def test_timeouts_and_resets(hostile: MakeHostile, timeout: float | None) -> None:
    server = hostile([hang, reset])
    stream = connect(server.port)
    if timeout is not None:
        with pytest.raises(httpcore.ReadTimeout):
            stream.read(1, timeout)
        with pytest.raises(httpcore.WriteTimeout):
            stream.write(b"x" * 20_000_000, timeout)
    server.release()
    server.wait_until(lambda: not server.open)
    with pytest.raises(httpcore.ReadError):
        stream.read(1, timeout)
    with pytest.raises(httpcore.WriteError):
        stream.write(b"x", timeout)
    stream.close()


def test_the_kernel_giving_up_is_no_timeout_of_ours(monkeypatch: pytest.MonkeyPatch, hostile: MakeHostile) -> None:
    import errno

    class Lost:
        def gettimeout(self) -> None:
            return None

        def recv(self, size: int) -> bytes:
            raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")

    from trivet.transports.network.sockets import SocketStream

    with pytest.raises(httpcore.ReadError):
        SocketStream(Lost()).read(1)  # type: ignore[arg-type]  # as much of a socket as is used


def test_one_address_after_the_other(refusing: Refusing, hostile: MakeHostile, deaf: Deaf, monkeypatch: Any) -> None:
    server = hostile([read_to_end])
    ports = [int(url.rpartition(":")[2]) for url in (refusing.url, deaf.url, server.url)]

    def resolve(*ports: int) -> Callable[..., Any]:
        entry = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
        return lambda *args, **options: [(*entry, ("127.0.0.1", port)) for port in ports]

    monkeypatch.setattr(socket, "getaddrinfo", resolve(*ports))
    stream = SocketBackend().connect_tcp("three.example", 80, timeout=0.4)
    assert stream.get_extra_info("server_addr")[1] == server.port
    stream.close()
    monkeypatch.setattr(socket, "getaddrinfo", resolve(ports[1], ports[0]))
    with pytest.raises(httpcore.ConnectTimeout):
        SocketBackend().connect_tcp("two.example", 80, timeout=0.2)
    monkeypatch.setattr(socket, "getaddrinfo", resolve())
    with pytest.raises(httpcore.ConnectError, match="no address"):
        SocketBackend().connect_tcp("none.example", 80)
    monkeypatch.setattr(socket, "getaddrinfo", resolve(ports[1]))
    with pytest.raises(httpcore.ConnectTimeout):
        SocketBackend().connect_tcp("one.example", 80, timeout=1e-9)


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example"])
def test_a_name_that_no_resolver_takes(host: str) -> None:
    with pytest.raises(httpcore.ConnectError):
        SocketBackend().connect_tcp(host, 80, timeout=10)


def test_options_that_the_system_refuses(hostile: MakeHostile, tmp_path: Path) -> None:
    server = hostile([read_to_end])
    with pytest.raises(httpcore.ConnectError):
        SocketBackend().connect_tcp("127.0.0.1", server.port, socket_options=[(socket.SOL_SOCKET, -1, 1)])
    with pytest.raises(httpcore.ConnectError):
        SocketBackend().connect_tcp("127.0.0.1", server.port, local_address="192.0.2.1")
    with pytest.raises(httpcore.ConnectError):
        SocketBackend().connect_unix_socket(str(tmp_path / "nothing.sock"))
    server.wait_until(lambda: not server.open)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_tls_inside_tls(tls: Authority, layers: int) -> None:
    """Every layer of the client against a layer of the server, over one pair of sockets."""
    near, far = socket.socketpair()
    context = tls.server_context()

    def serve() -> None:
        transport: Any = _Raw(far)
        for _ in range(layers):
            transport = _ServerLayer(transport, context)
        while data := transport.read():
            transport.write(data)
        far.close()

    thread = threading.Thread(target=serve)
    thread.start()
    from trivet.transports.network.sockets import SocketStream

    stream: httpcore.NetworkStream = SocketStream(near)
    for _ in range(layers):
        stream = stream.start_tls(tls.client_context(), "localhost", timeout=10)
    data = b"hello" * 100_000
    writer = threading.Thread(target=stream.write, args=(data[: len(data) // 2], 10))
    writer.start()
    writer.join()
    received = b""
    while len(received) < len(data) // 2:
        received += stream.read(65536, 10)
    assert received == data[: len(data) // 2]
    stream.write(b"")
    assert stream.get_extra_info("ssl_object").version() == "TLSv1.3"
    assert stream.get_extra_info("socket") is not None
    stream.write(b"hello", None)
    assert stream.read(1, None) == b"h"
    assert stream.get_extra_info("is_readable")
    stream.close()
    thread.join()


class _Raw:
    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def read(self) -> bytes:
        return self._sock.recv(65536)

    def write(self, data: bytes) -> None:
        self._sock.sendall(data)


class _ServerLayer:
    """The server's side of one layer of TLS."""

    def __init__(self, inner: Any, context: ssl.SSLContext) -> None:
        self._inner, self._in, self._out = inner, ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._perform(self._tls.do_handshake)

    def _perform(self, step: Callable[[], Any]) -> Any:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush()
                data = self._inner.read()
                self._in.write(data) if data else self._in.write_eof()
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        if self._out.pending:
            self._inner.write(self._out.read())

    def read(self) -> bytes:
        try:
            return bytes(self._perform(lambda: self._tls.read(65536)))
        except ssl.SSLError:
            return b""

    def write(self, data: bytes) -> None:
        self._perform(lambda: self._tls.write(data))


class _Scripted(httpcore.NetworkStream):
    """A stream whose reads and writes do as they are told, one after the other."""

    def __init__(self, *outcomes: bytes | Exception) -> None:
        self._outcomes = list(outcomes)
        self.closed = False

    def _next(self) -> bytes:
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._next()

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._next()

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("outcomes", "kind"),
    [
        ([b"", b"no TLS at all, not at all"], httpcore.ConnectError),
        ([b"", b""], httpcore.ConnectError),
        ([httpcore.WriteError("x")], httpcore.ConnectError),
        ([httpcore.WriteTimeout("x")], httpcore.ConnectTimeout),
        ([b"", httpcore.ReadError("x")], httpcore.ConnectError),
        ([b"", httpcore.ReadTimeout("x")], httpcore.ConnectTimeout),
    ],
)
def test_a_nested_handshake_that_fails(outcomes: list[bytes | Exception], kind: type[Exception]) -> None:
    from trivet.transports.network.nested_tls import NestedTLSStream

    context = ssl.create_default_context()
    with pytest.raises(kind):
        NestedTLSStream.connect(_Scripted(*outcomes), context, "localhost", 10)


@pytest.mark.parametrize(
    ("outcomes", "kind"),
    [
        ([httpcore.ReadError("x")], httpcore.ReadError),
        ([httpcore.ReadTimeout("x")], httpcore.ReadTimeout),
        ([b"no TLS at all, not at all"], httpcore.ReadError),
    ],
)
def test_a_nested_read_that_fails(outcomes: list[bytes | Exception], kind: type[Exception]) -> None:
    stream, inner = _nested()
    inner._outcomes = outcomes
    with pytest.raises(kind):
        stream.read(100, 10)


def test_a_nested_stream_that_ends() -> None:
    stream, inner = _nested()
    inner._outcomes = [b""]
    assert stream.read(100, 10) == b""
    stream.close()
    assert inner.closed


@pytest.mark.parametrize("error", [httpcore.WriteError, httpcore.WriteTimeout])
def test_a_nested_write_that_fails(error: type[Exception]) -> None:
    stream, inner = _nested()
    inner._outcomes = [error("x")]
    with pytest.raises(error):
        stream.write(b"data", 10)


@pytest.mark.parametrize(
    ("error", "kind"),
    [(httpcore.WriteError, httpcore.ReadError), (httpcore.WriteTimeout, httpcore.ReadTimeout)],
)
def test_a_nested_read_that_has_to_write(error: type[Exception], kind: type[Exception]) -> None:
    stream, inner = _nested()
    stream._engine._outgoing.write(b"an answer that TLS owes the peer")  # type: ignore[attr-defined]  # a NestedTLSStream
    inner._outcomes = [error("x")]
    with pytest.raises(kind):
        stream.read(100, 10)


class _Renegotiating:
    def write(self, data: bytes) -> int:
        raise ssl.SSLWantReadError


@pytest.mark.parametrize(
    ("error", "timeout", "kind"),
    [
        (httpcore.ReadError, 10, httpcore.WriteError),
        (httpcore.ReadTimeout, 10, httpcore.WriteTimeout),
        (httpcore.ReadError, 0, httpcore.WriteTimeout),
    ],
)
def test_a_nested_write_that_has_to_read(error: type[Exception], timeout: float, kind: type[Exception]) -> None:
    stream, inner = _nested()
    stream._engine.tls = _Renegotiating()  # type: ignore[attr-defined]  # a NestedTLSStream
    inner._outcomes = [error("x")]
    with pytest.raises(kind):
        stream.write(b"data", timeout)


def test_a_third_layer_that_fails_closes_the_stream() -> None:
    stream, inner = _nested()
    inner._outcomes = [b"", b""]
    with pytest.raises(httpcore.ConnectError):
        stream.start_tls(ssl.create_default_context(), "localhost", 10)
    assert inner.closed


def _nested() -> tuple[httpcore.NetworkStream, _Scripted]:
    """A nested stream that has its handshake behind it, over a scripted one."""
    from trivet.transports.network.nested_tls import NestedTLSStream

    inner = _Scripted()
    authority = trustme.CA()
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(server_context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    stream = NestedTLSStream(inner, client_context, "localhost")
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(incoming, outgoing, server_side=True)
    for _ in range(3):
        for side, take, give in (
            (stream._engine.tls, stream._engine._outgoing, incoming),
            (server, outgoing, stream._engine._incoming),
        ):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
            give.write(take.read())
    return stream, inner


# The clamps, without and with an operation.


def test_a_clamped_backend_without_an_operation_adds_nothing(hostile: MakeHostile, tls: Authority) -> None:
    server = hostile([start_tls(tls.server_context()), echo])
    backend = ClampedBackend(SocketBackend())
    stream = connect(server.port, backend)
    stream = stream.start_tls(tls.client_context(), "localhost", timeout=10)
    stream.write(b"hello", 10)
    assert stream.read(5, 10) == b"hello"
    assert stream.get_extra_info("ssl_object") is not None
    stream.close()
    backend.sleep(0)


class _Slept(Exception):
    pass


class _Sleeper(httpcore.NetworkBackend):
    def sleep(self, seconds: float) -> None:
        raise _Slept(seconds)


def test_sleep_is_clamped_too() -> None:
    backend = ClampedBackend(_Sleeper())
    SocketBackend().sleep(0)
    for deadline, seconds in ((inf, 5.0), (103.0, 3.0)):
        token = current_operation.set(Operation(deadline, lambda: 100.0))
        with pytest.raises(_Slept) as caught:
            backend.sleep(5.0)
        current_operation.reset(token)
        assert caught.value.args == (seconds,)
    token = current_operation.set(Operation(99.0, lambda: 100.0))
    backend.sleep(5.0)
    current_operation.reset(token)


def test_too_late(hostile: MakeHostile, tls: Authority, tmp_path: Path) -> None:
    server = hostile([read_to_end])
    backend = ClampedBackend(SocketBackend())
    stream = connect(server.port, backend)
    token = current_operation.set(Operation(99.0, lambda: 100.0))
    with pytest.raises(httpcore.ConnectTimeout):
        connect(server.port, backend)
    with pytest.raises(httpcore.ConnectTimeout):
        backend.connect_unix_socket(str(tmp_path / "nothing.sock"))
    with pytest.raises(httpcore.ReadTimeout):
        stream.read(1, 10)
    with pytest.raises(httpcore.WriteTimeout):
        stream.write(b"x", 10)
    stream.write(b"", 10)
    with pytest.raises(httpcore.ConnectTimeout):
        stream.start_tls(tls.client_context(), "localhost", 10)
    current_operation.reset(token)
    server.wait_until(lambda: server.connections == 1 and not server.open)


def test_the_asynchronous_clamps(runtime: Runtime, hostile: MakeHostile, tls: Authority, tmp_path: Path) -> None:
    server = hostile([start_tls(tls.server_context()), echo], [read_to_end])

    async def scenario() -> None:
        inner = httpcore.TrioBackend() if runtime.name == "trio" else httpcore.AnyIOBackend()
        backend = AsyncClampedBackend(inner)
        stream = await backend.connect_tcp("127.0.0.1", server.port, timeout=10)
        stream = await stream.start_tls(tls.client_context(), "localhost", timeout=10)
        await stream.write(b"hello", 10)
        assert await stream.read(5, 10) == b"hello"
        await stream.aclose()
        await backend.sleep(0)
        stream = await backend.connect_tcp("127.0.0.1", server.port, timeout=10)
        token = current_operation.set(Operation(99.0, lambda: 100.0))
        await backend.sleep(5.0)
        with pytest.raises(httpcore.ConnectTimeout):
            await backend.connect_tcp("127.0.0.1", server.port, timeout=10)
        with pytest.raises(httpcore.ReadTimeout):
            await stream.read(1, 10)
        with pytest.raises(httpcore.WriteTimeout):
            await stream.write(b"x", 10)
        await stream.write(b"", 10)
        with pytest.raises(httpcore.ConnectTimeout):
            await stream.start_tls(tls.client_context(), "localhost", 10)
        current_operation.reset(token)
        server.wait_until(lambda: not server.open)

    if runtime.name != "sync":
        runtime.run(scenario)
    else:
        assert isinstance(ClampedStream(_Scripted()), httpcore.NetworkStream)


def test_closing_does_not_wait_for_ever(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    import trio

    monkeypatch.setattr("trivet.transports.network.clamped_async.CLOSE_GRACE", 0.05)

    class Stubborn(httpcore.AsyncNetworkStream):
        async def aclose(self) -> None:
            if runtime.name == "trio":
                await trio.sleep_forever()
            else:
                await asyncio.Event().wait()

    async def scenario() -> None:
        await AsyncClampedStream(Stubborn()).aclose()

    if runtime.name != "sync":
        runtime.run(scenario)
