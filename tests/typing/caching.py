"""What type checkers see of the cache. This file is never run."""

from __future__ import annotations

from typing import assert_type

import trivet
from trivet import core
from trivet.core.http.cache_status import CacheStatus


def stores(path: str) -> None:
    stores: list[core.Store] = [trivet.MemoryStore(), trivet.SQLiteStore(path), trivet.RedisStore("redis://localhost")]
    for store in stores:
        trivet.Cache(store=store, ttl=None, shared=True)
    trivet.Cache(ttl=300, fields=["Accept-Language"])


def clients() -> None:
    for cache in (True, 300, None, trivet.Cache()):
        trivet.Client("https://api.example.com", cache=cache, coalesce=False)
    with trivet.Client("https://api.example.com", cache=trivet.Cache()) as client:
        client.get("/users", cache=False)
        client.get("/users", cache="refresh")
        client.get("/users", cache="reload")  # type: ignore[call-overload]  # there is no such word
        response = client.raw.get("/users")
        assert_type(response.cache_status, CacheStatus | None)
        assert_type(response.from_cache, bool)
        assert_type(client.cache.invalidate("/users/{id}", path={"id": 7}), int)
        client.clear_cache()


async def async_clients() -> None:
    async with trivet.AsyncClient("https://api.example.com", cache=300) as client:
        assert_type(await client.cache.invalidate("/users/*"), int)
        await client.cache.clear()
        await client.clear_cache()
