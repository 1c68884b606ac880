"""TLS over any blocking stream, for TLS to an origin inside TLS to its proxy."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from typing import Any, TypeVar

from httpcore import NetworkStream, ReadError, ReadTimeout, WriteError, WriteTimeout

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


class NestedTLSStream(NetworkStream):
    """A client's side of a TLS connection over ``inner``. Timeouts bound whole operations.

    `upload`, `abort` and `read_ready` need an inner stream that has them, as those of this package do.
    """

    def __init__(self, inner: NetworkStream, context: ssl.SSLContext, server_hostname: str | None) -> None:
        self._inner: Any = inner
        self._engine = TLSEngine(context, server_hostname)

    @classmethod
    def connect(
        cls, inner: NetworkStream, context: ssl.SSLContext, server_hostname: str | None, timeout: float | None
    ) -> NestedTLSStream:
        """Negotiate TLS. The caller closes ``inner`` if that fails."""
        try:
            stream = cls(inner, context, server_hostname)
            stream._perform(stream._engine.handshake(), timeout, inner.write)
        except FAILURES as exc:
            raise handshake_failure(exc) from exc
        return stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there; ``b""`` when the peer has closed."""
        try:
            return self._perform(self._engine.read(max_bytes), timeout, self._inner.write)
        except (WriteError, WriteTimeout, ssl.SSLError) as exc:
            raise read_failure(exc) from exc

    def read_ready(self, max_bytes: int) -> bytes | None:
        """Read what is there without waiting; None if nothing is."""
        try:
            return self._engine.take(max_bytes, self._arrived)
        except ssl.SSLError as exc:
            raise ReadError(exc) from exc

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it within ``timeout``."""
        try:
            if buffer:
                self._perform(self._engine.write(buffer), timeout, self._inner.write)
        except (ReadError, ReadTimeout, ssl.SSLError) as exc:
            raise write_failure(exc) from exc

    def upload(self, buffer: bytes, timeout: float | None = None) -> bool:
        """Write all of it, unless the peer sends something, or closes, before that is done: then False.

        What is left is written by the next call, which may have nothing to add: ``upload(b"")``.
        """
        try:
            return self._perform(self._engine.upload(buffer, self._arrived), timeout, self._inner.upload)
        except (ReadError, ReadTimeout, ssl.SSLError) as exc:
            raise write_failure(exc) from exc

    def close(self) -> None:
        """Close the connection, without TLS's own farewell: HTTP knows where its messages end."""
        self._inner.close()

    def abort(self) -> None:
        """Close the connection at once, from any state."""
        self._inner.abort()

    def interrupt(self) -> None:
        """See `SocketStream.interrupt`."""
        self._inner.interrupt()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> NetworkStream:
        """Negotiate yet another layer of TLS."""
        try:
            return self.connect(self, ssl_context, server_hostname, timeout)
        except BaseException:
            self.close()
            raise

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

    def _perform(self, moves: Moves[T], timeout: float | None, send: Callable[[bytes, float | None], Any]) -> T:
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
                reply = self._inner.read(CHUNK, time_left(deadline, ReadTimeout))
            else:
                reply = send(data, time_left(deadline, WriteTimeout))
