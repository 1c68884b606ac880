"""The transport that clients use unless they are given another one."""

from __future__ import annotations

import os
from collections.abc import Iterable
from threading import Lock
from typing import TYPE_CHECKING

from trivet.core.limits import DEFAULT_LIMITS, Limits
from trivet.transports.options import ConnectionOptions

if TYPE_CHECKING:
    import ssl

    import httpcore

    from trivet.core.exchange.actions import ReadBody, SendRequest
    from trivet.core.http.response import Response
    from trivet.transports.halves.asynchronous import AsyncHalf
    from trivet.transports.halves.sync import SyncHalf
    from trivet.transports.protocol import Monotonic
    from trivet.transports.tls import ClientCertificate, Path


class HTTPTransport:
    """Send requests over connections of Trivet's own, in threads, under asyncio and under trio.

    - ``limits``: a `Limits`
    - ``verify``: True; False for no verification; a file or directory of CA certificates; or an ``ssl.SSLContext``
    - ``cert``: a client certificate, as the path of a PEM file, or ``(certificate, key)``, or with a password third
    - ``http2``: offer HTTP/2 in the TLS handshake
    - ``proxy``: the URL of an HTTP, HTTPS or SOCKS5 proxy; a user and a password in it go to the proxy alone
    - ``local_address``: the address to connect from; ``socket_options``: arguments of ``setsockopt``
    - ``uds``: the path of a Unix socket to connect to, whatever the URL says
    - ``trust_env``: heed HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR
    - ``network_backend``: an ``httpcore.NetworkBackend`` (for `Client`) or ``AsyncNetworkBackend`` (for
      `AsyncClient`) of your own, over which all connections are opened

    Threads share their connections, and so do the tasks of one event loop or trio run; connections are closed with
    their loop. A connection serves another request only if the last response was complete and unambiguous and nothing
    came behind it. In a forked child everybody opens connections of their own.

    Raises `ConfigError` for settings that make no sense, or none together.

    >>> HTTPTransport(limits=Limits(max_connections=4))
    <HTTPTransport>
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        verify: bool | Path | ssl.SSLContext = True,
        cert: ClientCertificate | None = None,
        http2: bool = False,
        proxy: str | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
        uds: str | None = None,
        trust_env: bool = False,
        network_backend: httpcore.NetworkBackend | httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._options = ConnectionOptions(
            limits=limits or DEFAULT_LIMITS,
            verify=verify,
            cert=cert,
            http2=http2,
            proxy=proxy,
            local_address=local_address,
            socket_options=socket_options,
            uds=uds,
            environment=os.environ if trust_env else None,
        )
        self._backend = network_backend
        self._lock = Lock()
        # Made by the first call: a program does not load what it does not use.
        self._half: SyncHalf | None = None
        self._async_half: AsyncHalf | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def send(self, action: SendRequest, monotonic: Monotonic) -> Response:
        """Send the request in this thread; see `Transport.send`."""
        half = self._half
        if half is None:
            half = self._make_half()
        return half.send(action, monotonic)

    def read(self, action: ReadBody, monotonic: Monotonic) -> bytes:
        """Read the next piece of a body in this thread; see `Transport.read`."""
        return (self._half or self._make_half()).read(action, monotonic)

    def close_body(self, body: object) -> None:
        """Release a body; see `Transport.close_body`."""
        (self._half or self._make_half()).close_body(body)

    def close(self) -> None:
        """Close the connections of all threads. Another call opens new ones."""
        if self._half is not None:
            self._half.close()

    async def asend(self, action: SendRequest, monotonic: Monotonic) -> Response:
        """Send the request in this task; see `AsyncTransport.asend`."""
        half = self._async_half
        if half is None:
            half = self._make_async_half()
        return await half.send(action, monotonic)

    async def aread(self, action: ReadBody, monotonic: Monotonic) -> bytes:
        """Read the next piece of a body in this task; see `AsyncTransport.aread`."""
        return await (self._async_half or self._make_async_half()).read(action, monotonic)

    async def aclose_body(self, body: object) -> None:
        """Release a body; see `AsyncTransport.aclose_body`."""
        await (self._async_half or self._make_async_half()).close_body(body)

    async def aclose(self) -> None:
        """Close the connections of the running event loop. Another call opens new ones.

        The connections of other loops are closed when those loops end.
        """
        if self._async_half is not None:
            await self._async_half.close()

    def _make_half(self) -> SyncHalf:
        with self._lock:
            if self._half is None:
                from trivet.transports.halves.sync import SyncHalf

                self._half = SyncHalf(self._options, self._backend)
            return self._half

    def _make_async_half(self) -> AsyncHalf:
        with self._lock:
            if self._async_half is None:
                from trivet.transports.halves.asynchronous import AsyncHalf

                self._async_half = AsyncHalf(self._options, self._backend)
            return self._async_half
