"""The asynchronous clients, as `sync_clients` has the others. They are made within the event loop."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from transport.sync_clients import CONNECT, CONNECTIONS, HTTPCORE_TIMEOUTS, IDLE, READ, TOTAL, httpx_options


def trivet_get(url: str) -> Callable[[], Awaitable[Any]]:
    import trivet

    client = trivet.AsyncClient(url)
    return lambda: client.get("/item")


def httpcore_get(url: str) -> Callable[[], Awaitable[Any]]:
    import httpcore

    pool = httpcore.AsyncConnectionPool(
        max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=IDLE
    )
    target = f"{url}/item"

    async def get() -> Any:
        return json.loads((await pool.request("GET", target, extensions=HTTPCORE_TIMEOUTS)).content)

    return get


def httpx_get(url: str) -> Callable[[], Awaitable[Any]]:
    import httpx

    client = httpx.AsyncClient(base_url=url, **httpx_options(httpx))

    async def get() -> Any:
        return (await client.get("/item")).json()

    return get


def httpx2_get(url: str) -> Callable[[], Awaitable[Any]]:
    import httpx2

    client = httpx2.AsyncClient(base_url=url, **httpx_options(httpx2))

    async def get() -> Any:
        return (await client.get("/item")).json()

    return get


def aiohttp_get(url: str) -> Callable[[], Awaitable[Any]]:
    import aiohttp

    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=IDLE),
        timeout=aiohttp.ClientTimeout(total=TOTAL, sock_connect=CONNECT, sock_read=READ),
    )
    # The quicker of its two ways: with a base URL it joins the two for each request.
    target = f"{url}/item"

    async def get() -> Any:
        async with session.get(target) as response:
            return await response.json()

    return get


def trivet_stream(url: str) -> Callable[[int], Awaitable[int]]:
    import trivet

    client = trivet.AsyncClient(url)

    async def stream(size: int) -> int:
        received = 0
        async with client.stream("GET", f"/stream/{size}") as response:
            async for piece in response.iter_bytes():
                received += len(piece)
        return received

    return stream


def httpcore_stream(url: str) -> Callable[[int], Awaitable[int]]:
    import httpcore

    pool = httpcore.AsyncConnectionPool(keepalive_expiry=IDLE)

    async def stream(size: int) -> int:
        received = 0
        async with pool.stream("GET", f"{url}/stream/{size}", extensions=HTTPCORE_TIMEOUTS) as response:
            async for piece in response.aiter_stream():
                received += len(piece)
        return received

    return stream


GETS = {
    "trivet": trivet_get,
    "httpcore": httpcore_get,
    "httpx": httpx_get,
    "httpx2": httpx2_get,
    "aiohttp": aiohttp_get,
}
STREAMS = {"trivet": trivet_stream, "httpcore": httpcore_stream}
