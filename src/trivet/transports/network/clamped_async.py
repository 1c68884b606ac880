"""`trivet.transports.network.clamped` for asyncio and trio."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any

from httpcore import (
    SOCKET_OPTION,
    AsyncNetworkBackend,
    AsyncNetworkStream,
    ConnectTimeout,
    ReadTimeout,
    WriteTimeout,
)

from trivet.transports.network.clamped import TOO_LATE, begin_connect, name_peer, negotiated_http2
from trivet.transports.network.interruption import interruptible
from trivet.transports.network.operation import Operation, StreamHistory, current_operation
from trivet.transports.runtime import give_up_after

CLOSE_GRACE = 1.0
"""Seconds that closing a connection may take, whatever deadline has passed."""


class AsyncClampedBackend(AsyncNetworkBackend):
    """Clamp the operations of another backend, such as ``httpcore.AnyIOBackend()`` or ``httpcore.TrioBackend()``.

    See `ClampedBackend`. Hand one to a pool of your own, and Trivet's deadlines hold there too::

        httpcore.AsyncConnectionPool(network_backend=AsyncClampedBackend(httpcore.TrioBackend()))
    """

    def __init__(
        self,
        inner: AsyncNetworkBackend,
        *,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> None:
        self._inner = inner
        self._local_address = local_address
        self._socket_options = None if socket_options is None else tuple(socket_options)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """Connect. Raises ``httpcore.ConnectTimeout`` when time is up, else what the inner backend raises."""
        operation = current_operation.get()
        timeout = begin_connect(operation, name_peer(host, port), timeout)
        connecting = self._inner.connect_tcp(
            host,
            port,
            timeout,
            local_address if local_address is not None else self._local_address,
            socket_options if socket_options is not None else self._socket_options,
        )
        stream = await interruptible(connecting, ConnectTimeout(TOO_LATE))
        return _opened(operation, AsyncClampedStream(stream))

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """Connect to a Unix socket, like `connect_tcp`."""
        operation = current_operation.get()
        timeout = begin_connect(operation, path, timeout)
        connecting = self._inner.connect_unix_socket(
            path, timeout, socket_options if socket_options is not None else self._socket_options
        )
        stream = await interruptible(connecting, ConnectTimeout(TOO_LATE))
        return _opened(operation, AsyncClampedStream(stream))

    async def sleep(self, seconds: float) -> None:
        """Sleep, at most until the deadline. A pool sleeps between attempts to connect."""
        operation = current_operation.get()
        left = seconds if operation is None else operation.clamp(seconds)
        if left is not None and left > 0:
            await self._inner.sleep(left)


class AsyncClampedStream(AsyncNetworkStream):
    """A stream of `AsyncClampedBackend`."""

    def __init__(self, inner: AsyncNetworkStream) -> None:
        self._inner = inner
        self._history = StreamHistory()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there. Raises ``httpcore.ReadTimeout`` when time is up."""
        operation = current_operation.get()
        if operation is None:
            return await self._inner.read(max_bytes, timeout)
        timeout = operation.clamp(timeout)
        if timeout is not None and timeout <= 0:
            raise ReadTimeout(TOO_LATE)
        try:
            data = await interruptible(self._inner.read(max_bytes, timeout), ReadTimeout(TOO_LATE))
        except Exception:
            self._history.broke(operation)
            raise
        self._history.received(operation, data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write it all. Raises ``httpcore.WriteTimeout`` when time is up."""
        operation = current_operation.get()
        if operation is None:
            await self._inner.write(buffer, timeout)
            return
        if not buffer:
            return
        timeout = operation.clamp(timeout)
        if timeout is not None and timeout <= 0:
            raise WriteTimeout(TOO_LATE)
        if not operation.sent:
            self._history.writing(operation, buffer)
        try:
            await interruptible(self._inner.write(buffer, timeout), WriteTimeout(TOO_LATE))
        except Exception:
            self._history.broke(operation)
            raise

    async def aclose(self) -> None:
        """Close the socket, within `CLOSE_GRACE` seconds even if the peer would make it wait."""
        # The bound stands here, innermost, because httpcore shields its clean-up from every scope around it.
        await give_up_after(CLOSE_GRACE, self._inner.aclose)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> AsyncNetworkStream:
        """Negotiate TLS. A failure closes the stream; it is ``httpcore.ConnectTimeout`` when time is up."""
        operation = current_operation.get()
        if operation is None:
            return AsyncClampedStream(await self._inner.start_tls(ssl_context, server_hostname, timeout))
        operation.begin_handshake()
        timeout = operation.clamp(timeout)
        if timeout is not None and timeout <= 0:
            await self.aclose()
            raise ConnectTimeout(TOO_LATE)
        inner = self._inner.start_tls(ssl_context, server_hostname, timeout)
        stream = AsyncClampedStream(await interruptible(inner, ConnectTimeout(TOO_LATE)))
        operation.opened = stream
        if negotiated_http2(stream.get_extra_info("ssl_object")):
            operation.share_connection()
        return stream

    def get_extra_info(self, info: str) -> Any:
        """What the inner stream knows."""
        return self._inner.get_extra_info(info)


def _opened(operation: Operation | None, stream: AsyncClampedStream) -> AsyncClampedStream:
    if operation is not None:
        operation.opened = stream
    return stream
