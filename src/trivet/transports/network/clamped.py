"""A synchronous backend whose every socket operation is clamped to the deadline of the request it serves."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any

from httpcore import (
    SOCKET_OPTION,
    ConnectTimeout,
    NetworkBackend,
    NetworkStream,
    ReadTimeout,
    WriteTimeout,
)

from trivet.transports.network.operation import Operation, StreamHistory, current_operation

TOO_LATE = "no time is left for this request"


class ClampedBackend(NetworkBackend):
    """Clamp the operations of another backend, and note on the `Operation` under way what becomes of it.

    The timeouts of ``inner`` must each bound a whole operation, as those of `SocketBackend` do: those of
    ``httpcore.SyncBackend`` begin anew with each address it tries and each part of the data it sends.
    ``local_address`` and ``socket_options`` apply to connections whose opener asks for none, which the
    connections to proxies of httpcore never do.

    Hand one to a pool of your own, and Trivet's deadlines hold there too::

        httpcore.ConnectionPool(network_backend=ClampedBackend(SocketBackend()))
    """

    def __init__(
        self,
        inner: NetworkBackend,
        *,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> None:
        self._inner = inner
        self._local_address = local_address
        self._socket_options = None if socket_options is None else tuple(socket_options)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> NetworkStream:
        """Connect. Raises ``httpcore.ConnectTimeout`` when time is up, else what the inner backend raises."""
        operation = current_operation.get()
        timeout = begin_connect(operation, name_peer(host, port), timeout)
        stream = self._inner.connect_tcp(
            host,
            port,
            timeout,
            local_address if local_address is not None else self._local_address,
            socket_options if socket_options is not None else self._socket_options,
        )
        return _opened(operation, ClampedStream(stream))

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> NetworkStream:
        """Connect to a Unix socket, like `connect_tcp`."""
        operation = current_operation.get()
        timeout = begin_connect(operation, path, timeout)
        stream = self._inner.connect_unix_socket(
            path, timeout, socket_options if socket_options is not None else self._socket_options
        )
        return _opened(operation, ClampedStream(stream))

    def sleep(self, seconds: float) -> None:
        """Sleep, at most until the deadline. A pool sleeps between attempts to connect."""
        operation = current_operation.get()
        left = seconds if operation is None else operation.clamp(seconds)
        if left is not None and left > 0:
            self._inner.sleep(left)


class ClampedStream(NetworkStream):
    """A stream of `ClampedBackend`."""

    def __init__(self, inner: NetworkStream) -> None:
        self._inner = inner
        self._history = StreamHistory()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there. Raises ``httpcore.ReadTimeout`` when time is up."""
        operation = current_operation.get()
        if operation is None:
            return self._inner.read(max_bytes, timeout)
        timeout = operation.clamp(timeout)
        if timeout is not None and timeout <= 0:
            raise ReadTimeout(TOO_LATE)
        try:
            data = self._inner.read(max_bytes, timeout)
        except Exception:
            self._history.broke(operation)
            raise
        self._history.received(operation, data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write it all. Raises ``httpcore.WriteTimeout`` when time is up."""
        operation = current_operation.get()
        if operation is None:
            self._inner.write(buffer, timeout)
            return
        if not buffer:
            return
        timeout = operation.clamp(timeout)
        if timeout is not None and timeout <= 0:
            raise WriteTimeout(TOO_LATE)
        if not operation.sent:
            self._history.writing(operation, buffer)
        try:
            self._inner.write(buffer, timeout)
        except Exception:
            self._history.broke(operation)
            raise

    def close(self) -> None:
        """Close the socket."""
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> NetworkStream:
        """Negotiate TLS. A failure closes the stream; it is ``httpcore.ConnectTimeout`` when time is up."""
        operation = current_operation.get()
        if operation is None:
            return ClampedStream(self._inner.start_tls(ssl_context, server_hostname, timeout))
        operation.begin_handshake()
        timeout = operation.clamp(timeout)
        if timeout is not None and timeout <= 0:
            self.close()
            raise ConnectTimeout(TOO_LATE)
        stream = ClampedStream(self._inner.start_tls(ssl_context, server_hostname, timeout))
        operation.opened = stream
        if negotiated_http2(stream.get_extra_info("ssl_object")):
            operation.share_connection()
        return stream

    def get_extra_info(self, info: str) -> Any:
        """What the inner stream knows."""
        return self._inner.get_extra_info(info)


def name_peer(host: str, port: int) -> str:
    """The address of a peer as people write it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def begin_connect(operation: Operation | None, peer: str, timeout: float | None) -> float | None:
    """Note that a connection is being opened; the seconds it may take."""
    if operation is None:
        return timeout
    operation.begin_connect(peer)
    timeout = operation.clamp(timeout)
    if timeout is not None and timeout <= 0:
        raise ConnectTimeout(TOO_LATE)
    return timeout


def negotiated_http2(ssl_object: Any) -> bool:
    """Whether the peers agreed on HTTP/2 in the handshake (RFC 9113 §3.2)."""
    return ssl_object is not None and ssl_object.selected_alpn_protocol() == "h2"


def _opened(operation: Operation | None, stream: ClampedStream) -> ClampedStream:
    if operation is not None:
        operation.opened = stream
    return stream
