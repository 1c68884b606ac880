"""Streams and the cache: stored while they are read, and answered from what is stored."""

from __future__ import annotations

import asyncio
import gzip
import random
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

import trivet
from clients.caching import BASE, FRESH, Late, Origin, told
from conftest import MakeHostile
from runtimes import Asyncio, Runtime, Trio
from servers.hostile import hang, read_request, send
from trivet.core.caching.stored_body import IN_MEMORY
from trivet.testing import ScriptedTransport, Streamed

TEXT = "".join(f"line {number}: {'é' * (number % 7)}\n" for number in range(500)).encode()
# Random, so that its compressed form is large too.
LARGE = random.Random(1).randbytes(IN_MEMORY + 200_000)

Way = Callable[[Any], Awaitable[bytes]]


async def fetched(client: Any) -> bytes:
    content: bytes = (await client.raw.get("/export")).content
    return content


async def read(client: Any) -> bytes:
    async with client.stream("GET", "/export") as response:
        content: bytes = await response.read()
        assert response.content == content
        return content


async def iterated(client: Any) -> bytes:
    async with client.stream("GET", "/export") as response:
        pieces = [piece async for piece in response.iter_bytes()]
    assert max(map(len, pieces)) <= 65536 or not response.from_cache
    return b"".join(pieces)


async def by_lines(client: Any) -> bytes:
    async with client.stream("GET", "/export") as response:
        return "".join([f"{line}\n" async for line in response.iter_lines()]).encode()


WAYS: list[Way] = [fetched, read, iterated, by_lines]


def exports(content: bytes, size: int = 10_000, **fields: str) -> ScriptedTransport:
    """An origin whose content comes in pieces, once."""
    headers = {**FRESH, **{name.replace("_", "-"): value for name, value in fields.items()}}
    return ScriptedTransport(Streamed(200, headers, [content[at : at + size] for at in range(0, len(content), size)]))


@pytest.mark.parametrize("coding", ["", "gzip"])
@pytest.mark.parametrize("again", WAYS)
@pytest.mark.parametrize("first", WAYS)
def test_whichever_way_it_is_read_it_is_the_same(runtime: Runtime, first: Way, again: Way, coding: str) -> None:
    fields = {"Content_Encoding": "gzip"} if coding else {}
    origin = exports(gzip.compress(TEXT) if coding else TEXT, 1000, Content_Type="text/plain", **fields)

    async def scenario() -> None:
        async with runtime.client(BASE, transport=origin, cache=True) as client:
            assert await first(client) == TEXT
            assert await again(client) == TEXT
            response = await client.raw.get("/export")
            assert (response.content, response.from_cache) == (TEXT, True)
            assert response.headers.get("Content-Encoding") == (coding or None)

    runtime.run(scenario)
    assert (len(origin.requests), origin.open) == (1, {})


@pytest.mark.parametrize("ttl", [None, 60])
@pytest.mark.parametrize("coding", ["", "gzip"])
def test_large_content_goes_to_the_store_in_pieces(runtime: Runtime, coding: str, ttl: float | None) -> None:
    fields = {"Content_Encoding": "gzip"} if coding else {}
    origin = exports(gzip.compress(LARGE) if coding else LARGE, 50_000, **fields)

    async def scenario() -> None:
        async with runtime.client(BASE, transport=origin, cache=trivet.Cache(ttl=ttl)) as client:
            assert await iterated(client) == LARGE
            assert await iterated(client) == LARGE
            assert await fetched(client) == LARGE

    runtime.run(scenario)
    assert (len(origin.requests), origin.open) == (1, {})


def test_what_the_response_says_of_itself(runtime: Runtime) -> None:
    async def scenario() -> None:
        async with Late().client(runtime, exports(TEXT)) as client:
            async with client.stream("GET", "/export") as response:
                assert (response.from_cache, response.cache_status) == (False, "trivet; fwd=uri-miss")
                assert told(response) == ["cache miss: nothing is stored"]
                await response.read()
                assert response.cache_status == "trivet; fwd=uri-miss; stored"
                assert told(response)[1:] == ["stored: max-age=60"]
            async with client.stream("GET", "/export") as response:
                assert (response.from_cache, response.cache_status.hit) == (True, True)
                assert told(response) == ["cache hit: GET https://api.example.com/export (fresh: max-age=60, 0 s old)"]

    runtime.run(scenario)


async def leave_at_once(client: Any) -> None:
    async with client.stream("GET", "/export"):
        pass


async def leave_early(client: Any) -> None:
    async with client.stream("GET", "/export") as response:
        async for _ in response.iter_bytes():
            break


async def fail_inside(client: Any) -> None:
    with pytest.raises(KeyError):
        async with client.stream("GET", "/export") as response:
            async for _ in response.iter_lines():
                raise KeyError


@pytest.mark.parametrize("content", [TEXT, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("abandon", [leave_at_once, leave_early, fail_inside])
def test_a_stream_that_is_left_is_not_stored(
    runtime: Runtime, abandon: Callable[[Any], Awaitable[None]], content: bytes
) -> None:
    replies = [Streamed(200, FRESH, [content[:300_000], content[300_000:]]) for _ in range(2)]
    origin, cache = ScriptedTransport(*replies), trivet.Cache()

    async def scenario() -> None:
        async with runtime.client(BASE, transport=origin, cache=cache) as client:
            await abandon(client)
            assert (len(cache.store), origin.open) == (0, {})
            assert await iterated(client) == content
            # What is stored may be left too.
            await abandon(client)
            assert await iterated(client) == content

    runtime.run(scenario)
    assert (len(origin.requests), origin.open) == (2, {})


def test_a_stream_that_is_left_says_why_it_was_not_stored(runtime: Runtime) -> None:
    async def scenario() -> None:
        async with runtime.client(BASE, transport=exports(TEXT), cache=True) as client:
            async with client.stream("GET", "/export") as response:
                pass
            assert told(response)[1:] == ["not stored: its content was not read to the end"]
            assert response.cache_status == "trivet; fwd=uri-miss"

    runtime.run(scenario)


@pytest.mark.parametrize("content", [TEXT, LARGE], ids=["small", "large"])
def test_a_stream_that_breaks_off_is_not_stored(runtime: Runtime, content: bytes) -> None:
    broken = trivet.ReadError("connection reset", sent=True)
    origin = ScriptedTransport(Streamed(200, FRESH, [content[:300_000], broken]), Streamed(200, FRESH, [content]))
    cache = trivet.Cache()

    async def scenario() -> None:
        async with runtime.client(BASE, transport=origin, cache=cache) as client:
            with pytest.raises(trivet.ReadError):
                await iterated(client)
            assert len(cache.store) == 0
            assert b"".join([await fetched(client), await fetched(client)]) == content * 2

    runtime.run(scenario)


async def cancel_inside(runtime: Runtime, read: Callable[[], Awaitable[None]], begun: threading.Event) -> None:
    """Cancel what reads, once it has begun."""
    if runtime.name == "asyncio":
        task = asyncio.ensure_future(read())
        await runtime.wait_for(begun)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await runtime.wait_for(begun)
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("runtime", [Asyncio(), Trio()], ids=repr)
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_reader_that_is_cancelled_stores_nothing(
    runtime: Runtime, kind: str, hostile: MakeHostile, tmp_path: Path
) -> None:
    head = f"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: {len(LARGE)}\r\n\r\n".encode()
    server = hostile([read_request, send(head + LARGE[:-1]), hang], [read_request, send(head + LARGE)])
    store: Any = trivet.SQLiteStore(tmp_path / "cache.sqlite") if kind == "sqlite" else trivet.MemoryStore()
    begun = threading.Event()

    async def scenario() -> None:
        async with runtime.client(server.url, cache=trivet.Cache(store)) as client:

            async def read() -> None:
                size = 0
                async with client.stream("GET", "/export") as response:
                    async for piece in response.iter_bytes():
                        size += len(piece)
                        if size == len(LARGE) - 1:
                            begun.set()

            await cancel_inside(runtime, read, begun)
            for from_cache in (False, True):
                async with client.stream("GET", "/export") as response:
                    assert response.from_cache is from_cache
                    assert await response.read() == LARGE

    runtime.run(scenario)
    store.close()


def test_content_that_cannot_be_decoded_is_not_stored_and_answers_nobody(runtime: Runtime) -> None:
    broken = Streamed(200, {**FRESH, "Content-Encoding": "gzip"}, [gzip.compress(TEXT)[:-9]])
    origin = ScriptedTransport(broken, broken, exports(TEXT)._script[0])

    async def scenario() -> None:
        async with runtime.client(BASE, transport=origin, cache=True) as client:
            for way in (fetched, iterated):
                with pytest.raises(trivet.DecodingError):
                    await way(client)
            assert await fetched(client) == TEXT

    runtime.run(scenario)
    assert origin.open == {}


def test_what_is_too_large_for_the_store_is_read_all_the_same(runtime: Runtime) -> None:
    cache = trivet.Cache(trivet.MemoryStore(max_bytes=1_000_000))
    origin = ScriptedTransport(*[Streamed(200, FRESH, [LARGE[:200_000], LARGE[200_000:]]) for _ in range(3)])

    async def scenario() -> None:
        async with runtime.client(BASE, transport=origin, cache=cache) as client:
            async with client.stream("GET", "/export") as response:
                assert await response.read() == LARGE
            assert told(response)[1:] == ["not stored: it is too large for the store"]
            response = await client.raw.get("/export")
            assert response.content == LARGE
            assert told(response)[1:] == ["not stored: the store did not take it"]
            assert await iterated(client) == LARGE

    runtime.run(scenario)


def test_limits_hold_for_what_is_stored(runtime: Runtime) -> None:
    """What one client may hold in memory does not depend on what another one has stored."""
    bomb = gzip.compress(b"0" * 1_000_000)
    origin = ScriptedTransport(
        Streamed(200, {**FRESH, "Content-Encoding": "gzip"}, [bomb]), Streamed(200, FRESH, [LARGE])
    )
    cache = trivet.Cache()

    async def scenario() -> None:
        async with runtime.client(BASE, transport=origin, cache=cache) as client:
            assert len(await iterated(client)) == 1_000_000
            async with client.stream("GET", "/large") as response:
                await response.read()
        async with runtime.client(
            BASE, transport=Origin(), cache=cache, limits=trivet.Limits(max_content=10_000)
        ) as client:
            for target in ("/export", "/large"):
                with pytest.raises(trivet.ResponseTooLarge):
                    await client.raw.get(target)
                async with client.stream("GET", target) as response:
                    with pytest.raises(trivet.ResponseTooLarge):
                        await response.read()
                async with client.stream("GET", target) as response:
                    assert sum([len(piece) async for piece in response.iter_bytes()]) > 10_000

    runtime.run(scenario)


def test_a_stored_error_raises_before_the_block(runtime: Runtime) -> None:
    gone = Streamed(410, {**FRESH, "Content-Type": "application/json"}, [b'{"message": "no ', b'such export"}'])
    origin = ScriptedTransport(gone)

    async def scenario() -> None:
        async with runtime.client(BASE, transport=origin, cache=True) as client:
            for from_cache in (False, True):
                with pytest.raises(trivet.APIError, match="no such export") as caught:
                    async with client.stream("GET", "/export"):
                        pytest.fail("the block is not entered")
                assert (caught.value.status, caught.value.response.from_cache) == (410, from_cache)

    runtime.run(scenario)
    assert origin.open == {}


def test_a_stream_is_read_once_wherever_it_is_from(runtime: Runtime) -> None:
    """What would fail with an answer of the server fails with a stored one too."""

    async def scenario() -> None:
        async with runtime.client(BASE, transport=exports(TEXT), cache=True) as client:
            for from_cache in (False, True):
                async with client.stream("GET", "/export") as response:
                    assert response.from_cache is from_cache
                    with pytest.raises(trivet.LocalProtocolError, match=r"call response\.read\(\) first"):
                        response.json()
                    assert b"".join([piece async for piece in response.iter_bytes()]) == TEXT
                    with pytest.raises(trivet.LocalProtocolError, match="once"):
                        await response.read()

    runtime.run(scenario)


def test_what_is_forgotten_while_it_is_read_is_read_to_its_end(runtime: Runtime) -> None:
    cache, origin = trivet.Cache(), ScriptedTransport(*[Streamed(200, FRESH, [LARGE]) for _ in range(2)])

    async def scenario() -> None:
        async with runtime.client(BASE, transport=origin, cache=cache) as client:
            assert await iterated(client) == LARGE
            async with client.stream("GET", "/export") as response:
                assert response.from_cache
                seen = 0
                async for piece in response.iter_bytes():
                    seen += len(piece)
                    await client.clear_cache()
                assert seen == len(LARGE)
            assert await iterated(client) == LARGE

    runtime.run(scenario)
