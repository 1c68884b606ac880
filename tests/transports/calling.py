"""Calling a transport without a client, in the same way under threads, asyncio and trio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from math import inf
from typing import Any

import trio

from runtimes import Runtime
from trivet.core.exchange.actions import ReadBody, SendRequest
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.limits import DEFAULT_LIMITS, Limits
from trivet.transports.http_transport import HTTPTransport
from trivet.transports.httpcore_transport import HTTPCoreTransport
from trivet.transports.network.clamped import ClampedBackend
from trivet.transports.network.clamped_async import AsyncClampedBackend
from trivet.transports.network.sockets import SocketBackend

PATIENCE = 20.0

ENGINES = ("trivet", "httpcore", "httpcore2")
"""What moves the bytes: Trivet's own connections, or the pool of a library."""

current_engine = "trivet"

# Imported with the first call otherwise, at the expense of the short deadlines that tests set.
for name in (
    "halves.sync",
    "halves.asynchronous",
    "http1.h11_codec",
    "httpcore_pool.detached",
    "network.asyncio_backend",
    "network.clamped_async",
    "network.trio_backend",
    "runners.asyncio",
    "runners.trio",
    "tls",
):
    import_module(f"trivet.transports.{name}")
for name in ("h2.connection", "httpcore", "httpcore2", "socksio"):
    import_module(name)


def make_transport(runtime: Runtime, **settings: Any) -> Any:
    """A transport over the engine that the tests of a module are run on, one after the other."""
    if current_engine == "trivet":
        return HTTPTransport(**settings)
    if current_engine == "httpcore" or settings.keys() - {"limits"}:
        return HTTPCoreTransport(**settings)  # which makes pools of httpcore, but takes pools of httpcore2
    return pooled(import_module(current_engine), runtime, **settings)


def pooled(library: Any, runtime: Runtime, *, clamped: bool = True, limits: Limits = DEFAULT_LIMITS) -> Any:
    """The adapter over a pool of a library's, with the backends of Trivet or with those of its own."""
    return HTTPCoreTransport(
        pool_of(library, runtime, clamped=clamped, max_connections=limits.max_connections), limits=limits
    )


def pool_of(library: Any, runtime: Runtime, *, clamped: bool = False, **settings: Any) -> Any:
    """A pool of a library's."""
    if runtime.name == "sync":
        backend = ClampedBackend(SocketBackend()) if clamped else None
        return library.ConnectionPool(network_backend=backend, **settings)
    inner = library.TrioBackend() if runtime.name == "trio" else library.AnyIOBackend()
    return library.AsyncConnectionPool(network_backend=AsyncClampedBackend(inner) if clamped else None, **settings)


class Caller:
    """A transport in the shape of its asynchronous half; deadlines are given in seconds from now."""

    def __init__(self, runtime: Runtime, transport: Any) -> None:
        self.runtime = runtime.name
        self.transport = transport
        self.monotonic = _clock(runtime.name)
        self._complete: dict[int, Response] = {}

    async def send(self, request: Request | str, *, within: float = PATIENCE, connect: float | None = None) -> Response:
        """Send a request, or GET a URL; the response has its body open."""
        if isinstance(request, str):
            request = Request("GET", request)
        action = SendRequest(request, self.monotonic() + within, connect)
        if self.runtime == "sync":
            response: Response = self.transport.send(action, self.monotonic)
        else:
            response = await self.transport.asend(action, self.monotonic)
        return response

    async def read(self, response: Response, *, within: float = PATIENCE) -> bytes:
        """The next piece of the content, which a transport may have read along with the head."""
        if response.body is None:
            # By identity, and with the response kept alive, so that no other takes its place.
            if id(response) in self._complete:
                return b""
            self._complete[id(response)] = response
            return response.content
        action = ReadBody(response.body, inf if within == inf else self.monotonic() + within)
        if self.runtime == "sync":
            piece = self.transport.read(action, self.monotonic)
        else:
            piece = await self.transport.aread(action, self.monotonic)
        return piece

    async def read_all(self, response: Response, *, within: float = PATIENCE) -> bytes:
        """All of the content, within so many seconds."""
        deadline = self.monotonic() + within
        pieces = []
        while piece := await self.read(response, within=deadline - self.monotonic()):
            pieces.append(piece)
        return b"".join(pieces)

    async def fetch(self, request: Request | str, **options: Any) -> bytes:
        """Send a request and read its content."""
        return await self.read_all(await self.send(request, **options))

    async def close_body(self, response: Response) -> None:
        if self.runtime == "sync":
            self.transport.close_body(response.body)
        else:
            await self.transport.aclose_body(response.body)

    async def close(self) -> None:
        if self.runtime == "sync":
            self.transport.close()
        else:
            await self.transport.aclose()


@asynccontextmanager
async def calling(runtime: Runtime, transport: Any = None, **settings: Any) -> AsyncIterator[Caller]:
    """A caller whose transport, by default one of its own, is closed at the end."""
    caller = Caller(runtime, make_transport(runtime, **settings) if transport is None else transport)
    try:
        yield caller
    finally:
        await caller.close()
        given = getattr(caller.transport, "_given", None)
        if transport is None and given is not None:
            await close_pool(given)


async def close_pool(pool: Any) -> None:
    """Close a pool of a library's."""
    if hasattr(pool, "aclose"):
        await pool.aclose()
    else:
        pool.close()


def _clock(runtime: str) -> Callable[[], float]:
    if runtime == "trio":
        return trio.current_time
    return time.monotonic if runtime == "sync" else lambda: asyncio.get_running_loop().time()
