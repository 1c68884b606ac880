"""TLS over any asynchronous stream, also over one that is TLS already."""

from __future__ import annotations

import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from httpcore import AsyncNetworkStream, ReadError, ReadTimeout, WriteError, WriteTimeout

from trivet.transports.network.tls_engine import (
    CHUNK,
    FAILURES,
    Moves,
    TLSEngine,
    handshake_failure,
    read_failure,
    time_left,
    write_failure,
)

T = TypeVar("T")


class AsyncTLSStream(AsyncNetworkStream):
    """A client's side of a TLS connection over ``inner``. Timeouts bound whole operations.

    What the streams of this package promise about operations that are cancelled and about several tasks holds here
    too, over such a stream. `upload`, `abort`, `read_ready` and `on_lost` need an inner stream that has them.
    """

    def __init__(self, inner: AsyncNetworkStream, context: ssl.SSLContext, server_hostname: str | None) -> None:
        self._inner: Any = inner
        self._engine = TLSEngine(context, server_hostname)
        self._on_lost: Callable[[], None] | None = None

    @classmethod
    async def connect(
        cls, inner: Any, context: ssl.SSLContext, server_hostname: str | None, timeout: float | None
    ) -> AsyncTLSStream:
        """Negotiate TLS. A failure closes ``inner``."""
        try:
            stream = cls(inner, context, server_hostname)
            await stream._perform(stream._engine.handshake(), timeout, inner.write)
        except (*FAILURES, ValueError) as exc:  # ValueError: a name that cannot be in a certificate
            inner.abort()
            raise handshake_failure(exc) from exc
        except BaseException:
            inner.abort()
            raise
        return stream

    @property
    def on_lost(self) -> Callable[[], None] | None:
        """Called once, in the event loop, when something comes while no read is waiting: bytes, the end, a failure.

        What TLS sends on its own account, such as session tickets, does not count. Over a stream that has no such
        attribute there is none here either.
        """
        return None if self._inner.on_lost is None else self._on_lost

    @on_lost.setter
    def on_lost(self, callback: Callable[[], None] | None) -> None:
        self._on_lost = callback
        self._inner.on_lost = None if callback is None else self._inner_stirred

    def _inner_stirred(self) -> None:
        try:
            if not self._engine.stirred(self._arrived):
                self._inner.on_lost = self._inner_stirred
                return
        except (ReadError, ssl.SSLError):
            pass  # Whoever reads will see it.
        callback, self._on_lost = self._on_lost, None
        if callback is not None:
            callback()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there; ``b""`` when the peer has closed."""
        try:
            return await self._perform(self._engine.read(max_bytes), timeout, self._inner.write)
        except (WriteError, WriteTimeout, ssl.SSLError) as exc:
            raise read_failure(exc) from exc

    def read_ready(self, max_bytes: int) -> bytes | None:
        """Read what is there without waiting; None if nothing is."""
        try:
            return self._engine.take(max_bytes, self._arrived)
        except ssl.SSLError as exc:
            raise ReadError(exc) from exc

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it, after what earlier writes have left."""
        try:
            await self._perform(self._engine.write(buffer), timeout, self._inner.write)
        except (ReadError, ReadTimeout, ssl.SSLError) as exc:
            raise write_failure(exc) from exc

    async def upload(self, buffer: bytes, timeout: float | None = None) -> bool:
        """Write all of it, unless the peer sends something, or closes, before that is done: then False.

        What is left is written by the next call, which may have nothing to add: ``upload(b"")``.
        """
        try:
            return await self._perform(self._engine.upload(buffer, self._arrived), timeout, self._inner.upload)
        except (ReadError, ReadTimeout, ssl.SSLError) as exc:
            raise write_failure(exc) from exc

    async def aclose(self) -> None:
        """Close the connection, without TLS's own farewell: HTTP knows where its messages end."""
        await self._inner.aclose()

    def abort(self) -> None:
        """Close the connection at once, from any state."""
        self._inner.abort()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> AsyncTLSStream:
        """Negotiate yet another layer of TLS within ``timeout``. A failure closes the stream."""
        return await AsyncTLSStream.connect(self, ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        """One of the facts that httpcore asks for."""
        if info == "ssl_object":
            return self._engine.tls
        if info == "is_readable" and self._engine.readable:
            return True
        return self._inner.get_extra_info(info)

    def _arrived(self) -> bytes | None:
        data: bytes | None = self._inner.read_ready(CHUNK)
        return data

    async def _perform(
        self, moves: Moves[T], timeout: float | None, send: Callable[[bytes, float | None], Awaitable[Any]]
    ) -> T:
        """Move bytes until the operation is done."""
        deadline = None if timeout is None else time.monotonic() + timeout
        reply: Any = None
        while True:
            try:
                data = moves.send(reply)
            except StopIteration as stop:
                result: T = stop.value
                return result
            if data is None:
                reply = await self._inner.read(CHUNK, time_left(deadline, ReadTimeout))
            else:
                # The bytes that were taken from the engine are the stream's at once, even if it is too late to wait
                # until they are sent: a record that got lost, or out of order, would break the connection.
                left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
                reply = await send(data, left)
