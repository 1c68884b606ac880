"""Making pools of httpcore when they are first needed, and keeping each where it may be used."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from trivet.core.errors import ConfigError
from trivet.transports.httpcore_pool.messages import engine_of
from trivet.transports.options import ConnectionOptions, require_package
from trivet.transports.proxies import Proxy
from trivet.transports.runtime import current_run, in_trio

if TYPE_CHECKING:
    import httpcore

    from trivet.core.http.url import URL


class SyncPools:
    """The pools of all threads: one, or one for each proxy. ``engine``: the library that they are from."""

    __slots__ = ("_lock", "_options", "_pools", "engine")

    def __init__(self, options: ConnectionOptions) -> None:
        self.engine: Any = None
        self._options = options
        self._pools: dict[Proxy | None, httpcore.ConnectionPool] = {}
        self._lock = Lock()

    def get(self, url: URL) -> httpcore.ConnectionPool:
        """The pool for a request."""
        proxy = self._options.proxy_for(url)
        pool = self._pools.get(proxy)
        if pool is None:
            with self._lock:
                pool = self._pools.get(proxy)
                if pool is None:
                    import httpcore

                    self.engine = httpcore
                    pool = self._pools[proxy] = _make_pool(self._options, proxy)
        return pool

    def close(self) -> None:
        """Close the pools. The next request makes new ones."""
        with self._lock:
            pools = list(self._pools.values())
            self._pools.clear()
        for pool in pools:
            pool.close()


class _Run(NamedTuple):
    """An event loop, or a trio run, in which the transport has connections."""

    pools: dict[Proxy | None, httpcore.AsyncConnectionPool]
    guard: AsyncGenerator[None, None]


class AsyncPools:
    """The pools of each event loop and trio run, since a connection works only where it was opened.

    A pool is closed with its loop: each has a guard, an asynchronous generator that waits in the middle, and a
    loop that ends in order closes the asynchronous generators that are left. The pool of a loop that ended
    without that is dropped when another one is made.
    """

    __slots__ = ("_options", "_runs", "engine")

    def __init__(self, options: ConnectionOptions) -> None:
        self.engine: Any = None
        self._options = options
        self._runs: dict[Any, _Run] = {}

    async def get(self, url: URL) -> httpcore.AsyncConnectionPool:
        """The pool for a request."""
        key = current_run()
        run = self._runs.get(key)
        if run is None:
            run = await self._enter(key)
        proxy = self._options.proxy_for(url)
        pool = run.pools.get(proxy)
        if pool is None:
            import httpcore

            self.engine = httpcore
            pool = run.pools[proxy] = _make_async_pool(self._options, proxy)
        return pool

    async def aclose(self) -> None:
        """Close the pools of the loop that is running. The next request makes new ones."""
        run = self._runs.pop(current_run(), None)
        if run is not None:
            await run.guard.aclose()

    async def _enter(self, key: Any) -> _Run:
        for other in list(self._runs):
            # The token of a trio run cannot be asked, and need not: trio always closes what is left.
            is_closed = getattr(other, "is_closed", None)
            if is_closed is not None and is_closed():
                self._runs.pop(other, None)
        pools: dict[Proxy | None, httpcore.AsyncConnectionPool] = {}
        run = self._runs[key] = _Run(pools, _close_at_the_end(self._runs, key, pools))
        await anext(run.guard)  # does not suspend, so that no other task comes in between
        return run


async def _close_at_the_end(
    runs: dict[Any, _Run], key: Any, pools: dict[Proxy | None, httpcore.AsyncConnectionPool]
) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        run = runs.get(key)
        if run is not None and run.pools is pools:
            del runs[key]
        for pool in pools.values():
            await pool.aclose()


class GivenPool:
    """A synchronous pool of the user's own. It serves every request, and nobody here closes it."""

    __slots__ = ("_pool", "engine")

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self.engine = engine_of(pool)

    def get(self, url: URL) -> Any:
        """The pool. Raises `ConfigError` if it is only good for asynchronous calls."""
        if not hasattr(self._pool, "handle_request"):
            raise ConfigError(f"{type(self._pool).__name__} has no handle_request: it is a pool for AsyncClient")
        return self._pool

    def close(self) -> None:
        """Leave it open."""


class AsyncGivenPool:
    """An asynchronous pool of the user's own, bound to the event loop that the user has in mind."""

    __slots__ = ("_pool", "engine")

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self.engine = engine_of(pool)

    async def get(self, url: URL) -> Any:
        """The pool. Raises `ConfigError` if it is only good for synchronous calls."""
        if not hasattr(self._pool, "handle_async_request"):
            raise ConfigError(f"{type(self._pool).__name__} has no handle_async_request: it is a pool for Client")
        return self._pool

    async def aclose(self) -> None:
        """Leave it open."""


def _make_pool(options: ConnectionOptions, proxy: Proxy | None) -> httpcore.ConnectionPool:
    import httpcore

    from trivet.transports.network.clamped import ClampedBackend
    from trivet.transports.network.sockets import SocketBackend

    backend = ClampedBackend(
        SocketBackend(), local_address=options.local_address, socket_options=options.socket_options
    )
    return httpcore.ConnectionPool(network_backend=backend, **_arguments(options, proxy))


def _make_async_pool(options: ConnectionOptions, proxy: Proxy | None) -> httpcore.AsyncConnectionPool:
    import httpcore

    from trivet.transports.network.clamped_async import AsyncClampedBackend

    if in_trio():
        inner: Any = httpcore.TrioBackend()
    else:
        require_package("anyio", "HTTPCoreTransport under asyncio", "anyio")
        inner = httpcore.AnyIOBackend()
    backend = AsyncClampedBackend(
        inner,
        local_address=options.local_address,
        socket_options=options.socket_options,
    )
    return httpcore.AsyncConnectionPool(network_backend=backend, **_arguments(options, proxy))


def _arguments(options: ConnectionOptions, proxy: Proxy | None) -> dict[str, Any]:
    if options.http2:
        require_package("h2", "http2=True", "http2")
    limits = options.limits
    return {
        "ssl_context": options.context(),
        "proxy": None if proxy is None else _proxy(options, proxy),
        "max_connections": limits.max_connections,
        "max_keepalive_connections": limits.max_idle,
        "keepalive_expiry": limits.idle_timeout,
        "http2": options.http2,
        "uds": options.uds,
    }


def _proxy(options: ConnectionOptions, proxy: Proxy) -> httpcore.Proxy:
    import httpcore

    if proxy.scheme.startswith("socks"):
        require_package("socksio", "a SOCKS proxy", "socks")
    return httpcore.Proxy(
        httpcore.URL(scheme=proxy.scheme, host=proxy.host, port=proxy.port, target="/"),
        auth=proxy.credentials,
        # A context of its own: httpcore sets the protocols to negotiate on the context, and they differ.
        ssl_context=options.new_context() if proxy.scheme == "https" else None,
    )
