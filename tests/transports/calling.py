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
from trivet.transports.httpcore_transport import HTTPCoreTransport

PATIENCE = 20.0

# Imported with the first call otherwise, at the expense of the short deadlines that tests set.
for name in ("httpcore", "network.clamped_async", "network.sockets", "httpcore_pool.detached", "tls"):
    import_module(name if name == "httpcore" else f"trivet.transports.{name}")


class Caller:
    """A transport in the shape of its asynchronous half; deadlines are given in seconds from now."""

    def __init__(self, runtime: Runtime, transport: Any) -> None:
        self.runtime = runtime.name
        self.transport = transport
        self.monotonic = _clock(runtime.name)

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
        """The next piece of the content."""
        action = ReadBody(response.body, inf if within == inf else self.monotonic() + within)
        if self.runtime == "sync":
            piece: bytes = self.transport.read(action, self.monotonic)
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
    caller = Caller(runtime, HTTPCoreTransport(**settings) if transport is None else transport)
    try:
        yield caller
    finally:
        await caller.close()


def _clock(runtime: str) -> Callable[[], float]:
    if runtime == "trio":
        return trio.current_time
    return time.monotonic if runtime == "sync" else lambda: asyncio.get_running_loop().time()
