"""A backend on asyncio's own transports, for every event loop that has sockets: asyncio's and uvloop's."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, cast

from httpcore import SOCKET_OPTION, AsyncNetworkBackend, AsyncNetworkStream, ConnectError

from trivet.transports.network.addresses import (
    AddressInfo,
    connect_failure,
    numeric_addresses,
    set_options,
    stagger,
    timed_out,
)
from trivet.transports.network.async_tls import AsyncTLSStream
from trivet.transports.network.asyncio_connecting import connect_any
from trivet.transports.network.asyncio_protocol import SocketProtocol


class AsyncioBackend(AsyncNetworkBackend):
    """Sockets under asyncio. Each timeout bounds a whole operation."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncioStream:
        """Connect to the address of the host that accepts first, all of them within ``timeout``."""
        loop = asyncio.get_running_loop()
        options = None if socket_options is None else tuple(socket_options)
        try:
            async with asyncio.timeout(timeout):
                addresses = numeric_addresses(host, port)
                if addresses is None:
                    addresses = cast("list[AddressInfo]", await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
                sock = await connect_any(loop, addresses, stagger(timeout, len(addresses) or 1), local_address, options)
                return await _attach(loop, sock)
        except (OSError, UnicodeError) as exc:  # a label of the name may be too long for IDNA
            raise connect_failure(exc) from (None if timed_out(exc) else exc)

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[SOCKET_OPTION] | None = None
    ) -> AsyncioStream:
        """Connect to a Unix socket."""
        if sys.platform == "win32":  # pragma: no cover: not on the systems that tests run on
            raise ConnectError("Windows has no Unix sockets in Python")
        loop = asyncio.get_running_loop()
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            set_options(sock, socket_options)
            async with asyncio.timeout(timeout):
                await loop.sock_connect(sock, path)
                return await _attach(loop, sock)
        except OSError as exc:
            sock.close()
            raise connect_failure(exc) from (None if timed_out(exc) else exc)
        except BaseException:
            sock.close()
            raise

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await asyncio.sleep(seconds)


class AsyncioStream(AsyncNetworkStream):
    """A connected socket.

    An operation that is cancelled, or times out, loses nothing: the next read returns what has come meanwhile, and
    what is left of a write goes out before anything that is written later. Tasks may write at the same time, while
    one task reads.
    """

    def __init__(self, protocol: SocketProtocol, sock: socket.socket) -> None:
        self._protocol = protocol
        self._transport = protocol.transport
        self._sock = sock

    @property
    def on_lost(self) -> Callable[[], None] | None:
        """Called once, in the event loop, when something comes while no read is waiting: bytes, the end, a failure.

        What came before it was set calls nothing: look at ``is_readable``.
        """
        return self._protocol.on_lost

    @on_lost.setter
    def on_lost(self, callback: Callable[[], None] | None) -> None:
        self._protocol.on_lost = callback

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there; ``b""`` when the peer has closed."""
        protocol = self._protocol
        if not protocol.pieces and not protocol.ended and not protocol.closed:
            await protocol.arrival(timeout)
        return protocol.take(max_bytes)

    def read_ready(self, max_bytes: int) -> bytes | None:
        """Read what is there without waiting; None if nothing is."""
        protocol = self._protocol
        if not protocol.pieces and not protocol.ended and not protocol.closed:
            return None
        return protocol.take(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it, after what earlier writes have left."""
        protocol, transport = self._protocol, self._transport
        if protocol.lost or protocol.closed:
            raise protocol.write_error()
        transport.write(buffer)
        # A transport that failed to send says why in the next round of the loop.
        if protocol.writing_paused or transport.is_closing():
            await protocol.flushed(timeout)

    async def upload(self, buffer: bytes, timeout: float | None = None) -> bool:
        """Write all of it, unless the peer sends something, or closes, before the system has taken it: then False.

        What is left is written by the next call, which may have nothing to add: ``upload(b"")``.
        """
        protocol, transport = self._protocol, self._transport
        if protocol.closed:
            raise protocol.write_error()
        readable = protocol.is_readable()
        if not protocol.lost:
            transport.write(buffer)
        if readable:
            if not protocol.pieces and not protocol.ended:
                # The system has it, and the loop is about to receive it.
                await protocol.arrival(None)
            if protocol.stirred():
                return False
        while protocol.writing_paused or transport.is_closing():
            await protocol.flushed(timeout, watch=True)
            if not protocol.writing_paused and not transport.is_closing():
                break
            if protocol.stirred():
                return False
        return True

    async def aclose(self) -> None:
        """Close the connection."""
        self.abort()
        # The transport closes its socket in the next round of the loop.
        await asyncio.sleep(0)

    def abort(self) -> None:
        """Close the connection at once, from any state, even when the event loop has been closed already."""
        protocol = self._protocol
        if protocol.closed:
            return
        protocol.close()
        # The loop closes the socket in its next round only; the peer is to know now.
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        try:
            self._transport.abort()
        except RuntimeError:
            self._finish_closing()

    def _finish_closing(self) -> None:
        # The event loop is closed: what the transport wanted it to call, it never will. No public function does this,
        # and without it the transport complains when it is thrown away. uvloop has closed its transports itself.
        finish: Callable[[None], None] | None = getattr(self._transport, "_call_connection_lost", None)
        if finish is not None:
            finish(None)
        self._sock.close()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> AsyncTLSStream:
        """Negotiate TLS within ``timeout``. A failure closes the stream."""
        return await AsyncTLSStream.connect(self, ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        """One of the facts that httpcore asks for."""
        if info == "is_readable":
            return self._protocol.is_readable()
        if info == "socket":
            return self._transport.get_extra_info("socket")
        if info == "client_addr":
            return self._transport.get_extra_info("sockname")
        if info == "server_addr":
            return self._transport.get_extra_info("peername")
        return None


async def _attach(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> AsyncioStream:
    try:
        _, protocol = await loop.create_connection(lambda: SocketProtocol(loop), sock=sock)
    except BaseException:
        sock.close()
        raise
    return AsyncioStream(protocol, sock)
