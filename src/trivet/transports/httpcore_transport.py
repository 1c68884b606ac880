"""The transport over a pool of httpcore."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from trivet.core.errors import ConfigError
from trivet.core.limits import DEFAULT_LIMITS, Limits
from trivet.transports.httpcore_pool.async_calls import AsyncCalls
from trivet.transports.httpcore_pool.calls import SyncCalls
from trivet.transports.httpcore_pool.pools import AsyncGivenPool, AsyncPools, GivenPool, SyncPools
from trivet.transports.options import ConnectionOptions
from trivet.transports.runtime import in_trio

if TYPE_CHECKING:
    import ssl

    import httpcore

    from trivet.core.exchange.actions import ReadBody, SendRequest
    from trivet.core.http.response import Response
    from trivet.transports.protocol import Monotonic
    from trivet.transports.tls import ClientCertificate, Path

T = TypeVar("T")


class SyncPool(Protocol):
    """A pool such as ``httpcore.ConnectionPool``."""

    def handle_request(self, request: Any) -> Any:
        """Send a request, return the head of its response."""
        ...


class AsyncPool(Protocol):
    """A pool such as ``httpcore.AsyncConnectionPool``."""

    async def handle_async_request(self, request: Any) -> Any:
        """Send a request, return the head of its response."""
        ...


class HTTPCoreTransport:
    """Send requests over a ``pool`` of httpcore, or of a library with the same interface such as httpcore2.

    Without a pool the transport makes its own when they are needed: one for all threads, and one for each event
    loop and trio run. A pool that you hand in stays yours: `close` does not close it. The other settings belong to
    the transport's own pools, and are a `ConfigError` together with yours; only ``limits`` goes with both.

    - ``verify``: True; False for no verification; a file or directory of CA certificates; or an ``ssl.SSLContext``
    - ``cert``: a client certificate, as the path of a PEM file, or ``(certificate, key)``, or with a password third
    - ``http2``: offer HTTP/2 in the TLS handshake
    - ``proxy``: the URL of an HTTP, HTTPS or SOCKS5 proxy; a user and a password in it go to the proxy alone
    - ``local_address``: the address to connect from; ``socket_options``: arguments of ``setsockopt``
    - ``uds``: the path of a Unix socket to connect to, whatever the URL says
    - ``trust_env``: heed HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR

    It keeps the deadlines of every socket operation, and knows whether a request was sent, by way of the network
    backends in `trivet.transports.network`. In a pool of yours they do so if you hand it one, such as
    ``httpcore.ConnectionPool(network_backend=ClampedBackend(SocketBackend()))``; else httpcore's timeouts start
    afresh with every read, and a request counts as sent unless connecting failed.

    What stays beyond a thin adapter, as measured on httpcore 1.0.9:

    - A request costs time in proportion to the connections and to the requests that wait: 170 requests/s with 100
      asyncio tasks.
    - A native cancellation of an asyncio task would leave its place in the pool taken for good. So each call runs in
      a task of its own there, which is stopped but never cancelled; in a pool of yours without our backends it goes
      on until its deadline.
    - Idle connections are closed when there are more than ``max_idle`` connections altogether, not idle ones;
      ``max_per_origin`` has no effect.
    - Bytes that a server sends after the end of a response answer the next request on that connection.
    - Interim (1xx) responses cannot be reported, and only the deadline bounds their number.
    - An answer that a server sends while it refuses to read a large upload is seen by threads and under trio; under
      asyncio, and by threads over httpcore2, the connection usually breaks instead.
    - Over HTTP/2, waiting for one's turn to read is not bounded by one's own deadline, and a read that times out
      ends the other requests on its connection.
    - Resolving a name cannot be interrupted in a thread.

    >>> HTTPCoreTransport(limits=Limits(max_connections=4))
    <HTTPCoreTransport>
    """

    def __init__(
        self,
        pool: SyncPool | AsyncPool | None = None,
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
    ) -> None:
        limits = limits or DEFAULT_LIMITS
        self._given = pool
        if pool is not None:
            if verify is not True or cert or http2 or proxy or local_address or socket_options or uds or trust_env:
                raise ConfigError("a pool of your own brings its settings along; only limits goes with it")
            if not (hasattr(pool, "handle_request") or hasattr(pool, "handle_async_request")):
                raise ConfigError(
                    f"a pool has handle_request or handle_async_request; {type(pool).__name__} has neither"
                )
            self._calls = SyncCalls(GivenPool(pool), limits)
            self._async_calls = AsyncCalls(AsyncGivenPool(pool), limits)
            return
        options = ConnectionOptions(
            limits=limits,
            verify=verify,
            cert=cert,
            http2=http2,
            proxy=proxy,
            local_address=local_address,
            socket_options=socket_options,
            uds=uds,
            environment=os.environ if trust_env else None,
        )
        self._calls = SyncCalls(SyncPools(options), limits)
        self._async_calls = AsyncCalls(AsyncPools(options), limits)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}{'' if self._given is None else f' over {type(self._given).__name__}'}>"

    def send(self, action: SendRequest, monotonic: Monotonic) -> Response:
        """Send the request in this thread; see `Transport.send`."""
        return self._calls.send(action, monotonic)

    def read(self, action: ReadBody, monotonic: Monotonic) -> bytes:
        """Read the next piece of a body in this thread; see `Transport.read`."""
        return self._calls.read(action, monotonic)

    def close_body(self, body: object) -> None:
        """Release a body; see `Transport.close_body`."""
        self._calls.close_body(body)

    def close(self) -> None:
        """Close the connections of all threads, if they are the transport's own. Another call opens new ones."""
        self._calls.pools.close()

    async def asend(self, action: SendRequest, monotonic: Monotonic) -> Response:
        """Send the request in this task; see `AsyncTransport.asend`."""
        call = self._async_calls.send(action, monotonic)
        return await (call if in_trio() else _detached(call, self._let_go))

    async def aread(self, action: ReadBody, monotonic: Monotonic) -> bytes:
        """Read the next piece of a body in this task; see `AsyncTransport.aread`."""
        call = self._async_calls.read(action, monotonic)
        return await (call if in_trio() else _detached(call))

    async def aclose_body(self, body: object) -> None:
        """Release a body; see `AsyncTransport.aclose_body`."""
        call = self._async_calls.close_body(body)
        await (call if in_trio() else _detached(call))

    async def aclose(self) -> None:
        """Close the connections of the running event loop, if they are the transport's own.

        Another call opens new ones. The connections of other loops are closed when those loops end.
        """
        await self._async_calls.pools.aclose()

    async def _let_go(self, response: Response) -> None:
        if response.body is not None:
            await self._async_calls.close_body(response.body)


def _detached(
    call: Coroutine[Any, Any, T], discard: Callable[[T], Coroutine[Any, Any, None]] | None = None
) -> Coroutine[Any, Any, T]:
    # asyncio is imported by whoever runs it, not by a program that only makes a transport.
    from trivet.transports.httpcore_pool.detached import detached

    return detached(call, discard)
