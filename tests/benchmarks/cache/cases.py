"""What is measured, and what is asked of Trivet's cache.

A cache is named by words: where it keeps what it has, and how it is set up.

- `none`: no cache at all
- `memory`, `sqlite`: in memory, or in an SQLite file
- `small`: in memory, so little that each response displaces another
- `fixed`: kept for a fixed time or for ever, whatever the fields of the response say; otherwise they decide (RFC 9111)
- `httpx2`: hishel's client for httpx2, in the place of that for httpx
"""

from __future__ import annotations

from transport.cases import Bar, Case

# CPU time of a hit, as a share of that of each peer, in whichever of its forms.
SHARES = {
    "memory": {"hishel": 0.25, "requests_cache": 0.1, "aiohttp_client_cache": 0.5},
    "sqlite": {"hishel": 0.4},
}
# CPU µs that a miss may cost more than no cache.
EXTRA = 40


def hits(name: str, title: str, runtime: str, store: str, *clients: str) -> Case:
    """Hits beside other caches, with what is asked."""
    bars = [
        Bar("cpu", client, at_most=share)
        for client in clients
        for peer, share in SHARES[store].items()
        if client.startswith(f"{peer}@")
    ]
    return Case(name, title, runtime, "hit", 1, (f"trivet@{store}", *clients), tuple(bars))


def misses(name: str, title: str, runtime: str, cache: str, *peers: str, at_most: float | None = EXTRA) -> Case:
    """Misses beside no cache, and for orientation beside other caches."""
    bars = (Bar("plain"), Bar("extra", at_most=at_most))
    return Case(name, title, runtime, "miss", 1, (f"trivet@{cache}", *peers), bars)


CASES = (
    hits(
        "sync-memory",
        "sync, a hit in memory",
        "sync",
        "memory",
        "hishel@memory",
        "hishel@memory-fixed",
        "hishel@memory-httpx2",
        "hishel@memory-fixed-httpx2",
        "requests_cache@memory",
        "requests_cache@memory-fixed",
        "cachecontrol@memory",
    ),
    hits(
        "asyncio-memory",
        "asyncio, a hit in memory",
        "asyncio",
        "memory",
        "aiohttp_client_cache@memory",
        "aiohttp_client_cache@memory-fixed",
    ),
    hits(
        "sync-sqlite",
        "sync, a hit in an SQLite file",
        "sync",
        "sqlite",
        "hishel@sqlite",
        "hishel@sqlite-fixed",
        "hishel@sqlite-httpx2",
        "hishel@sqlite-fixed-httpx2",
        "requests_cache@sqlite",
    ),
    hits(
        "asyncio-sqlite",
        "asyncio, a hit in an SQLite file",
        "asyncio",
        "sqlite",
        "hishel@sqlite",
        "hishel@sqlite-fixed",
    ),
    Case(
        "sync-fixed",
        "sync, a hit in memory, fixed time",
        "sync",
        "hit",
        1,
        ("trivet@memory-fixed", "hishel@memory-fixed", "requests_cache@memory-fixed"),
    ),
    Case(
        "asyncio-fixed",
        "asyncio, a hit in memory, fixed time",
        "asyncio",
        "hit",
        1,
        ("trivet@memory-fixed", "aiohttp_client_cache@memory-fixed"),
    ),
    Case(
        "sync-many",
        "sync, hits of 1,000 URLs in turn, in memory",
        "sync",
        "many",
        1,
        ("trivet@memory", "hishel@memory", "requests_cache@memory"),
    ),
    Case(
        "sync-many-sqlite",
        "sync, hits of 1,000 URLs in turn, in an SQLite file",
        "sync",
        "many",
        1,
        ("trivet@sqlite", "hishel@sqlite"),
    ),
    Case(
        "sync-varying",
        "sync, a hit in memory, of a response with Vary",
        "sync",
        "varying",
        1,
        ("trivet@memory", "hishel@memory", "requests_cache@memory", "cachecontrol@memory"),
    ),
    misses("sync-miss", "sync, a miss, kept in memory", "sync", "memory", "hishel@memory", "requests_cache@memory"),
    misses("sync-miss-small", "sync, a miss, kept in memory that is full", "sync", "small"),
    misses("sync-miss-sqlite", "sync, a miss, kept in an SQLite file", "sync", "sqlite", "hishel@sqlite", at_most=None),
    misses("asyncio-miss", "asyncio, a miss, kept in memory", "asyncio", "memory", "aiohttp_client_cache@memory"),
    misses("asyncio-miss-sqlite", "asyncio, a miss, kept in an SQLite file", "asyncio", "sqlite", at_most=None),
)
