"""The asynchronous clients, as `sync_clients` has the others. They are made within the event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from transport.sync_clients import CONNECT, CONNECTIONS, IDLE, READ, TOTAL, httpx_options

from cache.sync_clients import new_file, trivet_options


def trivet_get(url: str, words: set[str]) -> Callable[[str], Awaitable[Any]]:
    import trivet

    return trivet.AsyncClient(url, **trivet_options(words)).get


def hishel_get(url: str, words: set[str]) -> Callable[[str], Awaitable[Any]]:
    import hishel
    import httpx
    from hishel.httpx import AsyncCacheClient

    storage = hishel.AsyncSqliteStorage(database_path=new_file())
    client = AsyncCacheClient(storage=storage, rfc="fixed" not in words, **httpx_options(httpx))

    async def get(target: str) -> Any:
        return (await client.get(url + target)).json()

    return get


def aiohttp_client_cache_get(url: str, words: set[str]) -> Callable[[str], Awaitable[Any]]:
    import aiohttp
    import aiohttp_client_cache

    session = aiohttp_client_cache.CachedSession(
        cache=aiohttp_client_cache.CacheBackend(cache_control="fixed" not in words),
        connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=IDLE),
        timeout=aiohttp.ClientTimeout(total=TOTAL, sock_connect=CONNECT, sock_read=READ),
    )

    async def get(target: str) -> Any:
        async with session.get(url + target) as response:
            return await response.json()

    return get


CLIENTS = {
    "trivet": trivet_get,
    "hishel": hishel_get,
    "aiohttp_client_cache": aiohttp_client_cache_get,
}
