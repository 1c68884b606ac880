"""A backend on the sockets of the standard library, which trio says are ready."""

from __future__ import annotations

import socket
import ssl
import sys
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from math import inf
from typing import Any, cast

import trio
from httpcore import (
    SOCKET_OPTION,
    AsyncNetworkBackend,
    AsyncNetworkStream,
    ConnectError,
    ConnectTimeout,
    ReadError,
    ReadTimeout,
    WriteError,
    WriteTimeout,
)
from trio.lowlevel import notify_closing, wait_readable, wait_writable

from trivet.transports.network.addresses import STAGGER, connect_failure, set_options
from trivet.transports.network.async_tls import AsyncTLSStream
from trivet.transports.network.polling import has_data, readable_check


class TrioBackend(AsyncNetworkBackend):
    """Sockets under trio. Each timeout bounds a whole operation."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> TrioStream:
        """Connect to the address of the host that accepts first, all of them within ``timeout``."""
        try:
            with trio.fail_after(_at_least_nothing(timeout)):
                opened = await trio.open_tcp_stream(
                    host, port, happy_eyeballs_delay=STAGGER, local_address=local_address
                )
            return _detached(opened.socket, socket_options)
        except trio.TooSlowError:
            raise ConnectTimeout("timed out") from None
        except (OSError, UnicodeError) as exc:  # a label of the name may be too long for IDNA
            raise connect_failure(_of_one_address(exc)) from exc

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[SOCKET_OPTION] | None = None
    ) -> TrioStream:
        """Connect to a Unix socket."""
        if sys.platform == "win32":  # pragma: no cover: not on the systems that tests run on
            raise ConnectError("Windows has no Unix sockets in Python")
        try:
            with trio.fail_after(_at_least_nothing(timeout)):
                opened = await trio.open_unix_socket(path)
            return _detached(opened.socket, socket_options)
        except trio.TooSlowError:
            raise ConnectTimeout("timed out") from None
        except OSError as exc:
            raise connect_failure(exc) from exc

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await trio.sleep(seconds)


class TrioStream(AsyncNetworkStream):
    """A connected socket.

    An operation that is cancelled, or times out, loses nothing: the next read returns what has come meanwhile, and
    what is left of a write goes out before anything that is written later. Tasks may write at the same time, while
    one task reads.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._number = sock.fileno()
        self._poll = readable_check(self._number)
        self._closed = False
        # What was given to write and not sent, oldest first, and the count of all bytes given and sent so far.
        self._unsent: deque[memoryview] = deque()
        self._given = self._sent = 0
        self._flushing = trio.Lock()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there; ``b""`` when the peer has closed."""
        if timeout is None:
            return await self._read(max_bytes)
        with trio.move_on_after(max(timeout, 0.0)):
            return await self._read(max_bytes)
        raise ReadTimeout("timed out")

    async def _read(self, max_bytes: int) -> bytes:
        while not self._closed:
            try:
                await wait_readable(self._number)
                return self._sock.recv(max_bytes)
            except BlockingIOError:
                pass
            except trio.ClosedResourceError:
                break
            except OSError as exc:
                raise ReadError(exc) from exc
        raise ReadError("the stream is closed")

    def read_ready(self, max_bytes: int) -> bytes | None:
        """Read what is there without waiting; None if nothing is."""
        try:
            return self._sock.recv(max_bytes)
        except BlockingIOError:
            return None
        except OSError as exc:
            raise ReadError(exc) from exc

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it, after what earlier writes have left."""
        self._give(buffer)
        if not self._unsent:
            return
        if timeout is None:
            await self._flush()
            return
        with trio.move_on_after(max(timeout, 0.0)):
            await self._flush()
            return
        raise WriteTimeout("timed out")

    async def upload(self, buffer: bytes, timeout: float | None = None) -> bool:
        """Write all of it, unless the peer sends something, or closes, before the system has taken it: then False.

        What is left is written by the next call, which may have nothing to add: ``upload(b"")``.
        """
        try:
            if self._stirred():
                self._keep(memoryview(bytes(buffer)))
                return False
            self._give(buffer)
            if not self._unsent:
                return True
            with trio.move_on_after(_at_least_nothing(timeout)):
                return await self._flush(watch=True)
        except WriteError:
            if has_data(self._sock):
                return False
            raise
        raise WriteTimeout("timed out")

    def _stirred(self) -> bool:
        """Whether there is something to be read, or the end. Raises `WriteError` if there is nothing but a reset."""
        if self._closed or not self._poll():
            return False
        try:
            self._sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError as exc:
            raise WriteError(exc) from exc
        return True

    def _give(self, buffer: bytes) -> None:
        """Send what can be sent at once and keep the rest, behind what is kept already."""
        if self._closed:
            raise WriteError("the stream is closed")
        if self._unsent or not buffer:
            # bytes() copies what is no bytes: the rest of it is needed when the caller has changed it.
            self._keep(memoryview(bytes(buffer)))
            return
        sent = self._send(buffer)
        if sent < len(buffer):
            self._keep(memoryview(bytes(buffer))[sent:])

    def _keep(self, rest: memoryview) -> None:
        if rest:
            self._unsent.append(rest)
            self._given += len(rest)

    def _send(self, data: bytes | memoryview) -> int:
        try:
            return self._sock.send(data)
        except BlockingIOError:
            return 0
        except OSError as exc:
            raise WriteError(exc) from exc

    async def _flush(self, *, watch: bool = False) -> bool:
        """Send all that has been given so far; with ``watch``, False once there is something to be read."""
        goal = self._given
        async with self._flushing:
            while self._sent < goal:
                if self._closed:
                    raise WriteError("the stream is closed")
                piece = self._unsent[0]
                sent = self._send(piece)
                self._sent += sent
                if sent == len(piece):
                    self._unsent.popleft()
                    continue
                self._unsent[0] = piece[sent:]
                if watch:
                    await _wait_either(self._number)
                    if self._stirred():
                        return False
                else:
                    with suppress(trio.ClosedResourceError):
                        await wait_writable(self._number)
        return True

    async def aclose(self) -> None:
        """Close the connection."""
        self.abort()
        await trio.lowlevel.checkpoint()

    def abort(self) -> None:
        """Close the connection at once, from any state, even when the run of trio is over."""
        if self._closed:
            return
        self._closed = True
        self._unsent.clear()
        with suppress(RuntimeError):  # outside of a run
            notify_closing(self._number)
        with suppress(OSError):  # a connection that the peer has reset may say so once more
            self._sock.close()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> AsyncTLSStream:
        """Negotiate TLS within ``timeout``. A failure closes the stream."""
        return await AsyncTLSStream.connect(self, ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        """One of the facts that httpcore asks for."""
        if info == "is_readable":
            return self._closed or self._poll()
        if info == "socket":
            return self._sock
        if info == "client_addr":
            return self._sock.getsockname()
        if info == "server_addr":
            return self._sock.getpeername()
        return None


async def _wait_either(number: int) -> None:
    """Wait until the socket can be read from or written to, or is closed."""
    async with trio.open_nursery() as nursery:

        async def wait(ready: Any) -> None:
            with suppress(trio.ClosedResourceError):
                await ready(number)
            nursery.cancel_scope.cancel()

        nursery.start_soon(wait, wait_readable)
        nursery.start_soon(wait, wait_writable)


def _detached(opened: trio.socket.SocketType, options: Iterable[SOCKET_OPTION] | None) -> TrioStream:
    """The stream on the socket that trio has connected, without trio's own layers over it."""
    sock = socket.socket(opened.family, opened.type, opened.proto, fileno=opened.detach())
    try:
        sock.setblocking(False)
        if sock.family != getattr(socket, "AF_UNIX", None):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        set_options(sock, options)
    except BaseException:
        sock.close()
        raise
    return TrioStream(sock)


def _of_one_address(exc: Exception) -> Exception:
    """What went wrong with the last address, instead of "all attempts failed"."""
    cause = exc.__cause__
    if isinstance(cause, ExceptionGroup):
        return cast("ExceptionGroup[Exception]", cause).exceptions[-1]
    return exc


def _at_least_nothing(timeout: float | None) -> float:
    return inf if timeout is None else max(timeout, 0.0)
