"""The cache in front of a real origin: nginx, on the three runtimes and with the three stores.

Each answer of nginx has an id of its own in the field Served. One that comes again was not asked for again.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import tracemalloc
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import trivet
from clients.caching import told
from runtimes import Runtime
from servers.nginx import Nginx
from servers.redis import Redis
from servers.tls import Authority

STORES = ["memory", "sqlite", "redis"]
TEN = b"0123456789"
MANY = [{"id": number} for number in range(200)]
BIG = 6 * 1024 * 1024
HOUR = 3600.0


@pytest.fixture(params=STORES)
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Any]:
    """Opens a store of each kind, which is empty at first; again, those that last."""
    if request.param == "memory":
        return trivet.MemoryStore
    if request.param == "sqlite":
        return lambda: trivet.SQLiteStore(tmp_path / "cache.sqlite")
    redis: Redis = request.getfixturevalue("redis")
    prefix = f"{uuid.uuid4().hex}:"
    return lambda: trivet.RedisStore(redis.url, prefix=prefix)


@pytest.fixture
def store(open_store: Callable[[], Any]) -> Iterator[Any]:
    """One of each kind, empty."""
    found = open_store()
    yield found
    found.clear()
    found.close()


@pytest.fixture
def cache(store: Any) -> trivet.Cache:
    return trivet.Cache(store)


class Files:
    """A folder of files on nginx that is this test's alone."""

    def __init__(self, nginx: Nginx, kind: str = "") -> None:
        name = uuid.uuid4().hex
        self.folder = nginx.files / "cached" / kind / name
        self.folder.mkdir(parents=True)
        self.url = "/".join([nginx.url, "cached", *filter(None, [kind]), name])

    def write(self, name: str, content: bytes, *, age: float = 0.0) -> None:
        """Write a file that was last modified at a time of its own, which is ``age`` seconds earlier than ever."""
        path = self.folder / name
        path.write_bytes(content)
        os.utime(path, (1_700_000_000.0 - age,) * 2)


@pytest.fixture
def files(nginx: Nginx) -> Files:
    return Files(nginx)


def test_a_hit_asks_nobody(runtime: Runtime, cache: trivet.Cache, files: Files) -> None:
    files.write("ten.txt", TEN)

    async def scenario() -> None:
        async with runtime.client(files.url, cache=cache) as client:
            first = await client.raw.get("/ten.txt?cc=max-age=60")
            (files.folder / "ten.txt").unlink()
            second = await client.raw.get("/ten.txt?cc=max-age=60")
            assert (first.content, second.content) == (TEN, TEN)
            assert first.headers["Served"] == second.headers["Served"]
            assert (second.from_cache, second.cache_status.hit, second.trace.attempts) == (True, True, ())
            for name in ("ETag", "Last-Modified", "Content-Type", "Content-Length", "Date"):
                assert second.headers[name] == first.headers[name]
            async with client.stream("GET", "/ten.txt?cc=max-age=60") as streamed:
                assert await streamed.read() == TEN
            with pytest.raises(trivet.NotFoundError):
                await client.get("/ten.txt?cc=max-age=60", cache="refresh")

    runtime.run(scenario)


def test_what_must_not_be_stored_is_not(runtime: Runtime, cache: trivet.Cache, files: Files) -> None:
    files.write("ten.txt", TEN)

    async def scenario() -> None:
        async with runtime.client(files.url, cache=cache) as client:
            served = {(await client.raw.get("/ten.txt?cc=no-store")).headers["Served"] for _ in range(2)}
            assert len(served) == 2

    runtime.run(scenario)


def test_a_heuristic_lifetime(runtime: Runtime, cache: trivet.Cache, files: Files) -> None:
    """Where nothing says how long it is fresh, a tenth of its age is (RFC 9111 §4.2.2)."""
    files.write("ten.txt", TEN, age=100 * HOUR)

    async def scenario() -> None:
        async with runtime.client(files.url, cache=cache) as client:
            served = {(await client.raw.get("/ten.txt")).headers["Served"] for _ in range(2)}
            assert len(served) == 1

    runtime.run(scenario)


@pytest.mark.parametrize(
    ("kind", "validator"), [("", "ETag"), ("tagged", "ETag"), ("dated", "Last-Modified")], ids=["both", "ETag", "date"]
)
def test_validation(runtime: Runtime, cache: trivet.Cache, nginx: Nginx, kind: str, validator: str) -> None:
    files = Files(nginx, kind)
    files.write("text.txt", b"old", age=HOUR)

    async def scenario() -> None:
        async with runtime.client(files.url, cache=cache) as client:
            target = "/text.txt?cc=max-age=0"
            first = await client.raw.get(target)
            present = {name for name in ("ETag", "Last-Modified") if name in first.headers}
            assert present == {"": {"ETag", "Last-Modified"}}.get(kind, {validator})
            second = await client.raw.get(target)
            assert [attempt.status for attempt in second.trace.attempts] == [304]
            assert (second.status, second.content, second.from_cache) == (200, b"old", True)
            assert second.cache_status.fwd_status == 304
            assert told(second)[-1].endswith(f"validated with {validator} → 304")
            assert second.headers["Served"] != first.headers["Served"]
            async with client.stream("GET", target) as streamed:
                assert (await streamed.read(), streamed.from_cache) == (b"old", True)
            files.write("text.txt", b"new!")
            third = await client.raw.get(target)
            assert [attempt.status for attempt in third.trace.attempts] == [200]
            assert (third.content, third.from_cache) == (b"new!", False)
            fourth = await client.raw.get(target)
            assert (fourth.content, fourth.from_cache) == (b"new!", True)

    runtime.run(scenario)


def test_a_validated_response_is_fresh_again(runtime: Runtime, cache: trivet.Cache, files: Files) -> None:
    files.write("ten.txt", TEN)

    async def scenario() -> None:
        async with runtime.client(files.url, cache=cache) as client:
            first = await client.raw.get("/ten.txt?cc=max-age=60")
            validated = await client.raw.get("/ten.txt?cc=max-age=60", headers={"Cache-Control": "no-cache"})
            hit = await client.raw.get("/ten.txt?cc=max-age=60")
            assert validated.cache_status.fwd_status == 304
            assert first.headers["Served"] != validated.headers["Served"] == hit.headers["Served"]
            assert hit.content == TEN

    runtime.run(scenario)


def test_variants(runtime: Runtime, cache: trivet.Cache, nginx: Nginx) -> None:
    folder = nginx.files / "cached"
    folder.mkdir(exist_ok=True)
    (folder / "de.txt").write_bytes(b"Guten Tag\n")
    (folder / "en.txt").write_bytes(b"Hello\n")
    asked = ["de", "en", "de", "fr", "EN", "de-AT, de"]
    expected = [b"Guten Tag\n", b"Hello\n", b"Guten Tag\n", b"Hello\n", b"Hello\n", b"Guten Tag\n"]

    async def scenario() -> None:
        async with runtime.client(nginx.url, cache=cache) as client:

            async def get(language: str) -> trivet.Response:
                headers = {"Accept-Language": language}
                response: trivet.Response = await client.raw.get("/cached/greeting?cc=max-age=60", headers=headers)
                return response

            responses = [await get(language) for language in asked]
            assert [response.content for response in responses] == expected
            # The one for "fr" is new to the cache, but nginx confirms one of those that are there.
            assert [len(response.trace.attempts) for response in responses] == [1, 1, 0, 1, 0, 1]
            assert [attempt.status for attempt in responses[3].trace.attempts] == [304]
            assert responses[3].cache_status.fwd == "vary-miss"
            (folder / "de.txt").write_bytes(b"Servus\n")
            assert (await get("de")).content == b"Guten Tag\n"
            assert (await get("de-CH, de")).content == b"Servus\n"

    runtime.run(scenario)


def test_what_is_compressed(runtime: Runtime, cache: trivet.Cache, files: Files) -> None:
    """It is compressed while it is sent, has a weak ETag for it, and another variant for those who want it plain."""
    files.write("many.json", json.dumps(MANY).encode())

    async def scenario() -> None:
        async with runtime.client(files.url, cache=cache) as client:
            target, plain = "/many.json?cc=max-age=60", {"Accept-Encoding": "identity"}
            async with client.stream("GET", target) as streamed:
                assert (streamed.headers["Content-Encoding"], streamed.headers["Vary"]) == ("gzip", "Accept-Encoding")
                await streamed.read()
            hit = await client.raw.get(target)
            assert (hit.from_cache, hit.json(), hit.headers["Content-Encoding"]) == (True, MANY, "gzip")
            validated = await client.raw.get(target, headers={"Cache-Control": "no-cache"})
            assert (validated.cache_status.fwd_status, validated.json()) == (304, MANY)
            uncompressed = await client.raw.get(target, headers=plain)
            assert (uncompressed.json(), "Content-Encoding" in uncompressed.headers) == (MANY, False)
            for headers in ({}, plain):
                async with client.stream("GET", target, headers=headers) as streamed:
                    assert json.loads("".join([line async for line in streamed.iter_lines()])) == MANY
                    assert (streamed.from_cache, "Content-Encoding" in streamed.headers) == (True, headers is not plain)

    runtime.run(scenario)


def part_of(first: int, last: int) -> dict[str, str]:
    return {"Range": f"bytes={first}-{last}"}


def test_parts_of_what_is_stored_whole(runtime: Runtime, cache: trivet.Cache, files: Files) -> None:
    files.write("ten.txt", TEN)

    async def scenario() -> None:
        async with runtime.client(files.url, cache=cache) as client:
            target = "/ten.txt?cc=max-age=60"
            whole = await client.raw.get(target)
            for asked, field, content in [
                ("bytes=2-4", "bytes 2-4/10", b"234"),
                ("bytes=7-", "bytes 7-9/10", b"789"),
                ("bytes=-1", "bytes 9-9/10", b"9"),
                ("bytes=0-99", "bytes 0-9/10", TEN),
            ]:
                response = await client.raw.get(target, headers={"Range": asked})
                assert (response.status, response.content, response.from_cache) == (206, content, True)
                assert response.headers["Content-Range"] == field
                assert response.headers["Content-Length"] == str(len(content))
                assert response.headers["Served"] == whole.headers["Served"]
                async with client.stream("GET", target, headers={"Range": asked}) as streamed:
                    assert (await streamed.read(), streamed.from_cache) == (content, True)
            changed = await client.raw.get(target, headers={"Range": "bytes=0-1", "If-Range": '"other"'})
            assert (changed.status, changed.content) == (200, TEN)

    runtime.run(scenario)


def test_parts_are_combined(runtime: Runtime, cache: trivet.Cache, files: Files) -> None:
    files.write("ten.txt", TEN)

    async def scenario() -> None:
        async with runtime.client(files.url, cache=cache) as client:
            target = "/ten.txt?cc=max-age=60"
            for first, last in [(0, 3), (4, 5)]:
                response = await client.raw.get(target, headers=part_of(first, last))
                assert (response.content, response.from_cache) == (TEN[first : last + 1], False)
            # Of two parts that came one after the other.
            both = await client.raw.get(target, headers=part_of(2, 5))
            assert (both.status, both.content, both.trace.attempts) == (206, b"2345", ())
            beyond = await client.raw.get(target, headers=part_of(8, 8))
            assert (beyond.content, beyond.from_cache) == (b"8", False)
            # That one stands apart, so it took the place of the others: begin again.
            await client.raw.get(target, headers=part_of(0, 5))
            rest = await client.raw.get(target)
            assert (rest.status, rest.content, rest.headers["Content-Length"]) == (200, TEN, "10")
            assert [attempt.status for attempt in rest.trace.attempts] == [206]
            assert rest.cache_status == "trivet; fwd=partial; fwd-status=206; stored"
            whole = await client.raw.get(target)
            assert (whole.content, whole.trace.attempts) == (TEN, ())

    runtime.run(scenario)


def test_a_part_of_something_else_is_not_combined(runtime: Runtime, cache: trivet.Cache, files: Files) -> None:
    files.write("ten.txt", TEN, age=HOUR)

    async def scenario() -> None:
        async with runtime.client(files.url, cache=cache) as client:
            target = "/ten.txt?cc=max-age=60"
            await client.raw.get(target, headers=part_of(0, 4))
            files.write("ten.txt", b"abcdefghij")
            response = await client.raw.get(target)
            assert (response.status, response.content) == (200, b"abcdefghij")
            assert (await client.raw.get(target, headers=part_of(0, 4))).content == b"abcde"

    runtime.run(scenario)


def test_unsafe_requests_make_it_forget(runtime: Runtime, cache: trivet.Cache, files: Files) -> None:
    async def scenario() -> None:
        async with runtime.client(files.url, cache=cache) as client:
            target = "/text.txt?cc=max-age=60"
            created = await client.raw.put(target, content=b"one")
            assert (created.status, told(created)) == (201, [])
            assert [(await client.raw.get(target)).content for _ in range(2)] == [b"one"] * 2
            replaced = await client.raw.put(target, content=b"two")
            assert told(replaced) == ["cache: 1 stored invalidated by PUT"]
            assert (await client.raw.get(target)).content == b"two"
            with pytest.raises(trivet.APIError):
                await client.post(target, {})
            assert (await client.raw.get(target)).from_cache
            await client.delete(target)
            with pytest.raises(trivet.NotFoundError):
                await client.raw.get(target)

    runtime.run(scenario)


def test_it_is_forgotten_on_demand(runtime: Runtime, cache: trivet.Cache, files: Files) -> None:
    for name in ("a.txt", "b.txt"):
        files.write(name, TEN)

    async def scenario() -> None:
        async with runtime.client(files.url, cache=cache, params={"cc": "max-age=60"}) as client:

            async def from_cache() -> list[bool]:
                return [(await client.raw.get(f"/{name}.txt")).from_cache for name in "ab"]

            assert [await from_cache(), await from_cache()] == [[False, False], [True, True]]
            assert await client.cache.invalidate("/a.txt") == 1
            assert [await from_cache(), await from_cache()] == [[False, True], [True, True]]
            assert await client.cache.invalidate("/b.*") == 1
            assert [await from_cache(), await from_cache()] == [[True, False], [True, True]]
            await client.clear_cache()
            assert await from_cache() == [False, False]

    runtime.run(scenario)


def test_a_fixed_time(runtime: Runtime, store: Any, files: Files) -> None:
    files.write("ten.txt", TEN)

    async def scenario() -> None:
        async with runtime.client(files.url, cache=trivet.Cache(store, ttl=60)) as client:
            responses = [await client.raw.get("/ten.txt", params=[("cc", "no-store"), ("x", n)]) for n in "112"]
            responses.append(await client.raw.get("/ten.txt?x=2&cc=no-store"))
            served = [response.headers["Served"] for response in responses]
            assert served[0] == served[1] != served[2] == served[3]

    runtime.run(scenario)


def test_the_server_is_gone(runtime: Runtime, store: Any, tmp_path: Path, tls: Authority) -> None:
    folder = tmp_path / "nginx"
    folder.mkdir()
    nginx = Nginx(folder, tls)
    files = Files(nginx)
    files.write("ten.txt", TEN)
    calls = {cc: f"/ten.txt?cc={cc}" for cc in ("max-age=60", "max-age=0", "max-age=0,must-revalidate", "no-cache")}

    async def scenario() -> None:
        async with runtime.client(files.url, cache=trivet.Cache(store), retry=0) as client:
            for target in calls.values():
                assert (await client.raw.get(target)).content == TEN
            nginx.stop()
            fresh = await client.raw.get(calls["max-age=60"])
            assert (fresh.content, fresh.cache_status.hit) == (TEN, True)
            stale = await client.raw.get(calls["max-age=0"])
            assert (stale.content, stale.from_cache) == (TEN, True)
            assert told(stale)[-1].startswith("cache: stale response served: stale by ")
            assert told(stale)[-1].endswith(" s (max-age=0), but there is no answer")
            assert len(stale.trace.attempts) == 1
            for cc in ("max-age=0,must-revalidate", "no-cache"):
                with pytest.raises(trivet.TransportError):
                    await client.raw.get(calls[cc])
            with pytest.raises(trivet.TransportError):
                await client.raw.get("/never-asked-for")

    try:
        runtime.run(scenario)
    finally:
        nginx.stop()


@pytest.mark.parametrize("open_store", STORES[1:], indirect=True)
def test_what_is_stored_outlives_the_store(
    runtime: Runtime, open_store: Callable[[], Any], store: Any, files: Files
) -> None:
    files.write("ten.txt", TEN)
    again = open_store()
    target = f"{files.url}/ten.txt?cc=max-age=60"

    async def scenario() -> None:
        async with runtime.client(cache=trivet.Cache(store)) as client:
            first = await client.raw.get(target)
        store.close()
        async with runtime.client(cache=trivet.Cache(again)) as client:
            second = await client.raw.get(target)
        assert (second.from_cache, second.content) == (True, TEN)
        assert second.headers["Served"] == first.headers["Served"]

    runtime.run(scenario)
    again.close()


def test_what_is_large_goes_in_and_out_in_pieces(runtime: Runtime, cache: trivet.Cache, files: Files) -> None:
    content = random.Random(2).randbytes(BIG)
    files.write("big.bin", content)
    digest = hashlib.sha256(content).hexdigest()
    del content

    async def scenario() -> tuple[list[bool], set[str], int]:
        found, from_cache = set[str](), list[bool]()
        async with runtime.client(files.url, cache=cache) as client:
            tracemalloc.start()
            try:
                for _ in range(2):
                    seen = hashlib.sha256()
                    async with client.stream("GET", "/big.bin?cc=max-age=60") as response:
                        from_cache.append(response.from_cache)
                        async for piece in response.iter_bytes():
                            seen.update(piece)
                    found.add(seen.hexdigest())
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            part = await client.raw.get("/big.bin?cc=max-age=60", headers={"Range": "bytes=-1000"})
            assert (len(part.content), part.from_cache) == (1000, True)
        return from_cache, found, peak

    from_cache, found, peak = runtime.run(scenario)
    assert (from_cache, found) == ([False, True], {digest})
    # A store in memory has it twice for a moment, when it is whole.
    assert peak < (3 * BIG if isinstance(cache.store, trivet.MemoryStore) else BIG // 2)
