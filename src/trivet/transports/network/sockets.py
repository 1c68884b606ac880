"""A synchronous backend whose timeouts bound whole operations, on the sockets of the standard library.

``httpcore.SyncBackend`` applies a timeout to each address of a host and to each part of a write, so that a
connect timeout of half a second takes a second and a half over three addresses, and a write to a peer that
reads slowly has no end. Here a timeout is the time that the call may take. One thing cannot be cut off:
resolving a name, for which ``getaddrinfo`` offers no timeout; what it used up is missing to the rest.
"""

from __future__ import annotations

import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, cast

from httpcore import (
    SOCKET_OPTION,
    ConnectError,
    NetworkBackend,
    NetworkStream,
    ReadError,
    ReadTimeout,
    WriteError,
    WriteTimeout,
)

from trivet.transports.network.addresses import AddressInfo, connect_failure, set_options, timed_out
from trivet.transports.network.happy_eyeballs import connect_any
from trivet.transports.network.nested_tls import NestedTLSStream
from trivet.transports.network.polling import await_either, has_data, readable_check
from trivet.transports.network.tls_engine import CHUNK, time_left

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
        try:
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            return SocketStream(
                connect_any(
                    cast("list[AddressInfo]", addresses),
                    deadline,
                    local_address,
                    None if socket_options is None else tuple(socket_options),
                )
            )
        except (OSError, UnicodeError) as exc:  # a label of the name may be too long for IDNA
            raise connect_failure(exc) from exc

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> NetworkStream:
        """Connect to a Unix socket."""
        if sys.platform == "win32":  # pragma: no cover: not on the systems that tests run on
            raise ConnectError("Windows has no Unix sockets in Python")
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            set_options(sock, socket_options)
            sock.settimeout(timeout)
            sock.connect(path)
        except OSError as exc:
            sock.close()
            raise connect_failure(exc) from exc
        except BaseException:
            sock.close()
            raise
        return SocketStream(sock)

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)


class SocketStream(NetworkStream):
    """A connected blocking socket, with or without TLS."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._timeout = sock.gettimeout()
        self._poll: Callable[[], bool] | None = None
        self._unsent = b""  # what an upload has left
        self._early = b""  # what was decrypted before anybody wanted to read it
        self._interrupted = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there; ``b""`` when the peer has closed."""
        if self._early:
            return self._take_early(max_bytes)
        if self._interrupted:
            raise ReadError("the stream is closed")
        try:
            self._limit(timeout)
            return self._sock.recv(max_bytes)
        except OSError as exc:
            raise (ReadTimeout if timed_out(exc) else ReadError)(exc) from exc

    def read_ready(self, max_bytes: int) -> bytes | None:
        """Read what is there without waiting; None if nothing is."""
        if self._early:
            return self._take_early(max_bytes)
        try:
            self._limit(0.0)
            return self._sock.recv(max_bytes)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except OSError as exc:
            raise ReadError(exc) from exc

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it within ``timeout``, after what an upload has left."""
        if self._unsent:
            buffer, self._unsent = self._unsent + buffer, b""
        try:
            if isinstance(self._sock, ssl.SSLSocket):
                self._write_tls(buffer, timeout)
            else:
                self._limit(timeout)
                # Its timeout is that of the whole call, however many parts the peer takes it in.
                self._sock.sendall(buffer)
        except OSError as exc:
            raise (WriteTimeout if timed_out(exc) else WriteError)(exc) from exc

    def _write_tls(self, buffer: bytes, timeout: float | None) -> None:
        deadline = _deadline(timeout)
        unsent = memoryview(buffer)
        while unsent:
            self._limit(time_left(deadline, TimeoutError))
            unsent = unsent[self._sock.send(unsent) :]

    def upload(self, buffer: bytes, timeout: float | None = None) -> bool:
        """Write all of it, unless the peer sends something, or closes, before the system has taken it: then False.

        What is left is written by the next call, which may have nothing to add: ``upload(b"")``.
        """
        unsent = memoryview(self._unsent + buffer if self._unsent else bytes(buffer))
        deadline = _deadline(timeout)
        try:
            while not self._stirred():
                self._limit(0.0)
                wants_to_write = True
                try:
                    unsent = unsent[self._sock.send(unsent[:CHUNK]) :]
                    if not unsent:
                        return True
                    continue
                except ssl.SSLWantReadError:
                    wants_to_write = False
                except (BlockingIOError, ssl.SSLWantWriteError):
                    pass
                await_either(self._sock.fileno(), wants_to_write, time_left(deadline, TimeoutError))
            return False
        except OSError as exc:
            if not timed_out(exc) and self._has_data():
                return False
            raise (WriteTimeout if timed_out(exc) else WriteError)(exc) from exc
        finally:
            self._unsent = bytes(unsent)

    def _stirred(self) -> bool:
        """Whether there is something to be read, or the end; what TLS sends on its own account is nothing to be read.

        Raises `OSError` if there is nothing but a reset.
        """
        if self._early:
            return True
        if not self._is_readable():
            return False
        self._limit(0.0)
        try:
            if isinstance(self._sock, ssl.SSLSocket):
                self._early = self._sock.recv(CHUNK)
            else:
                self._sock.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        return True

    def _has_data(self) -> bool:
        """Whether something that the peer sent before it reset the connection can still be read."""
        if not isinstance(self._sock, ssl.SSLSocket):
            return has_data(self._sock)
        with suppress(OSError):
            self._stirred()
        return bool(self._early)

    def _is_readable(self) -> bool:
        """Whether a read would return at once: with data, or because the peer or we have closed."""
        sock = self._sock
        number = sock.fileno()
        if number < 0 or self._early or (isinstance(sock, ssl.SSLSocket) and sock.pending()):
            return True
        if self._poll is None:
            self._poll = readable_check(number)
        return self._poll()

    def _take_early(self, max_bytes: int) -> bytes:
        data, self._early = self._early[:max_bytes], self._early[max_bytes:]
        return data

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

    def abort(self) -> None:
        """Close the socket at once, from any state."""
        self.interrupt()
        self.close()

    def interrupt(self) -> None:
        """End the connection from another thread, and leave the socket to the one that uses it.

        That one is woken if it waits. Were the socket closed, its number could be another connection's by the time
        that the thread reads.
        """
        self._interrupted = True
        with suppress(OSError):  # nothing may be connected any more
            # SSLSocket's own method would pull the TLS from under the thread.
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

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
            if server_hostname is not None:
                # When wrap_socket fails at this it leaves a socket behind that nobody can close.
                server_hostname.encode("idna")
            return SocketStream(ssl_context.wrap_socket(self._sock, server_hostname=server_hostname))
        except (OSError, ValueError) as exc:  # ValueError: a name that cannot be in a certificate
            self.close()
            raise connect_failure(exc) from exc
        except BaseException:
            self.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        """One of the facts that httpcore asks for."""
        sock = self._sock
        if info == "is_readable":
            return self._is_readable()
        if info == "ssl_object":
            return sock if isinstance(sock, ssl.SSLSocket) else None
        if info == "socket":
            return sock
        if info == "client_addr":
            return sock.getsockname()
        if info == "server_addr":
            return sock.getpeername()
        return None


def _deadline(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout
