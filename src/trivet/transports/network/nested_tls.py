"""TLS over any blocking stream, for TLS to an origin inside TLS to its proxy."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from typing import Any, TypeVar

from httpcore import (
    ConnectError,
    ConnectTimeout,
    NetworkStream,
    ReadError,
    ReadTimeout,
    WriteError,
    WriteTimeout,
)

T = TypeVar("T")

_RECORD_SIZE = 16_384 + 256  # the longest record of TLS 1.3 (RFC 8446 §5.2)


class NestedTLSStream(NetworkStream):
    """A client's side of a TLS connection over ``inner``. Timeouts bound whole operations."""

    def __init__(self, inner: NetworkStream, context: ssl.SSLContext, server_hostname: str | None) -> None:
        self._inner = inner
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)

    @classmethod
    def connect(
        cls, inner: NetworkStream, context: ssl.SSLContext, server_hostname: str | None, timeout: float | None
    ) -> NestedTLSStream:
        """Negotiate TLS. The caller closes ``inner`` if that fails."""
        try:
            stream = cls(inner, context, server_hostname)
            stream._perform(stream._tls.do_handshake, timeout)
        except (ReadTimeout, WriteTimeout) as exc:
            raise ConnectTimeout(exc) from exc
        except (ReadError, WriteError, ssl.SSLError) as exc:
            raise ConnectError(exc) from exc
        return stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there; ``b""`` when the peer has closed."""
        try:
            return self._perform(lambda: self._tls.read(max_bytes), timeout)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""
        except WriteTimeout as exc:
            raise ReadTimeout(exc) from exc
        except (WriteError, ssl.SSLError) as exc:
            raise ReadError(exc) from exc

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it within ``timeout``."""
        try:
            if buffer:
                self._perform(lambda: self._tls.write(buffer), timeout)
        except ReadTimeout as exc:
            raise WriteTimeout(exc) from exc
        except (ReadError, ssl.SSLError) as exc:
            raise WriteError(exc) from exc

    def close(self) -> None:
        """Close the connection, without TLS's own farewell: HTTP knows where its messages end."""
        self._inner.close()

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
            return self._tls
        if info == "is_readable" and (self._tls.pending() or self._incoming.pending):
            return True
        return self._inner.get_extra_info(info)

    def _perform(self, step: Callable[[], T], timeout: float | None) -> T:
        """Move records until the step is done."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush(deadline)
                data = self._inner.read(_RECORD_SIZE, _time_left(deadline, ReadTimeout))
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            else:
                self._flush(deadline)
                return result

    def _flush(self, deadline: float | None) -> None:
        if self._outgoing.pending:
            self._inner.write(self._outgoing.read(), _time_left(deadline, WriteTimeout))


def _time_left(deadline: float | None, error: type[Exception]) -> float | None:
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise error("timed out")
    return left
