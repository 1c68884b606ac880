"""A synchronous backend whose timeouts bound whole operations, on the sockets of the standard library.

``httpcore.SyncBackend`` applies a timeout to each address of a host and to each part of a write, so that a
connect timeout of half a second takes a second and a half over three addresses, and a write to a peer that
reads slowly has no end. Here a timeout is the time that the call may take. One thing cannot be cut off:
resolving a name, for which ``getaddrinfo`` offers no timeout; what it used up is missing to the rest.
"""

from __future__ import annotations

import select
import socket
import ssl
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, cast

from httpcore import (
    SOCKET_OPTION,
    ConnectError,
    ConnectTimeout,
    NetworkBackend,
    NetworkStream,
    ReadError,
    ReadTimeout,
    WriteError,
    WriteTimeout,
)

from trivet.transports.network.nested_tls import NestedTLSStream

# A socket timeout that is left in place when it is this much too long saves a system call for nearly every read.
_SLACK = 1.01


class SocketBackend(NetworkBackend):
    """Blocking sockets."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> NetworkStream:
        """Connect to the first address of the host that accepts, all of them within ``timeout``."""
        deadline = _deadline(timeout)
        source = None if local_address is None else (local_address, 0)
        try:
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            sock = _connect_any(addresses, deadline, source)
        except (OSError, UnicodeError) as exc:  # a label of the name may be too long for IDNA
            raise _connect_failure(exc) from exc
        return _with_options(sock, ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), *(socket_options or ())))

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> NetworkStream:
        """Connect to a Unix socket."""
        if sys.platform == "win32":  # pragma: no cover: not on the systems that tests run on
            raise ConnectError("Windows has no Unix sockets in Python")
        try:
            sock = _connect(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), path, timeout)
        except OSError as exc:
            raise _connect_failure(exc) from exc
        return _with_options(sock, socket_options)

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)


class SocketStream(NetworkStream):
    """A connected blocking socket, with or without TLS."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._timeout = sock.gettimeout()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there; ``b""`` when the peer has closed."""
        try:
            self._limit(timeout)
            return self._sock.recv(max_bytes)
        except OSError as exc:
            raise (ReadTimeout if _timed_out(exc) else ReadError)(exc) from exc

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it within ``timeout``."""
        try:
            if isinstance(self._sock, ssl.SSLSocket):
                self._write_tls(buffer, timeout)
            else:
                self._limit(timeout)
                # Its timeout is that of the whole call, however many parts the peer takes it in.
                self._sock.sendall(buffer)
        except OSError as exc:
            raise (WriteTimeout if _timed_out(exc) else WriteError)(exc) from exc

    def _write_tls(self, buffer: bytes, timeout: float | None) -> None:
        deadline = _deadline(timeout)
        unsent = memoryview(buffer)
        while unsent:
            self._limit(_time_left(deadline))
            unsent = unsent[self._sock.send(unsent) :]

    def _limit(self, timeout: float | None) -> None:
        current = self._timeout
        if timeout is None or current is None:
            if timeout is not current:
                self._sock.settimeout(timeout)
                self._timeout = timeout
        elif not timeout <= current <= timeout * _SLACK:
            self._sock.settimeout(timeout)
            self._timeout = timeout

    def close(self) -> None:
        """Close the socket."""
        with suppress(OSError):  # a connection that the peer has reset may say so once more
            self._sock.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> NetworkStream:
        """Negotiate TLS within ``timeout``, also inside the TLS of a proxy. A failure closes the stream."""
        try:
            if isinstance(self._sock, ssl.SSLSocket):
                # The standard library wraps no TLS socket in a second layer of TLS.
                return NestedTLSStream.connect(self, ssl_context, server_hostname, timeout)
            self._sock.settimeout(timeout)
            return SocketStream(ssl_context.wrap_socket(self._sock, server_hostname=server_hostname))
        except (OSError, ValueError) as exc:  # ValueError: a name that cannot be in a certificate
            self.close()
            raise _connect_failure(exc) from exc
        except BaseException:
            self.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        """One of the facts that httpcore asks for."""
        sock = self._sock
        if info == "is_readable":
            return _is_readable(sock)
        if info == "ssl_object":
            return sock if isinstance(sock, ssl.SSLSocket) else None
        if info == "socket":
            return sock
        if info == "client_addr":
            return sock.getsockname()
        if info == "server_addr":
            return sock.getpeername()
        return None


def _connect_any(addresses: list[Any], deadline: float | None, source: tuple[str, int] | None) -> socket.socket:
    failure: OSError = OSError("the name has no address")
    try:
        for index, (family, kind, protocol, _, address) in enumerate(addresses):
            left = _time_left(deadline)
            # A share of the time for each, so that one that never answers leaves some to the others.
            share = left if left is None else left / (len(addresses) - index)
            try:
                return _connect(socket.socket(family, kind, protocol), address, share, source)
            except OSError as exc:
                failure = exc
        raise failure
    finally:
        # Its traceback refers to this frame: without this line the error would keep itself alive.
        del failure


def _connect(
    sock: socket.socket, address: Any, timeout: float | None, source: tuple[str, int] | None = None
) -> socket.socket:
    try:
        sock.settimeout(timeout)
        if source is not None:
            sock.bind(source)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def _connect_failure(exc: Exception) -> Exception:
    return (ConnectTimeout if _timed_out(exc) else ConnectError)(exc)


def _timed_out(exc: Exception) -> bool:
    # With an errno it is the kernel that gave the peer up, which is a broken connection, not our timeout.
    return isinstance(exc, TimeoutError) and exc.errno is None


def _deadline(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout


def _time_left(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _with_options(sock: socket.socket, options: Iterable[SOCKET_OPTION] | None) -> SocketStream:
    try:
        for option in options or ():
            # No overload of setsockopt takes the union of the shapes that an option may have.
            cast(Any, sock).setsockopt(*option)
    except OSError as exc:
        sock.close()
        raise ConnectError(exc) from exc
    return SocketStream(sock)


def _is_readable(sock: socket.socket) -> bool:
    """Whether a read would return at once: with data, or because the peer or we have closed."""
    number = sock.fileno()
    if number < 0:
        return True
    if isinstance(sock, ssl.SSLSocket) and sock.pending():
        return True
    if sys.platform == "win32":  # pragma: no cover: not on the systems that tests run on
        return bool(select.select([number], [], [], 0)[0])
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))
