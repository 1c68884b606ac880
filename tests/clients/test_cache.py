"""The cache of a client: how it is asked for, what it answers, what is forgotten."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

import trivet
from clients.caching import BASE, Late, Origin, told
from runtimes import Runtime
from trivet.core.errors import LocalProtocolError
from trivet.testing import ScriptedTransport, VirtualClock

# How it is asked for.


@pytest.mark.parametrize(
    ("cache", "ttl"),
    [
        (lambda: True, 60),
        (lambda: trivet.Cache(), 60),
        (lambda: trivet.Cache(trivet.MemoryStore(max_entries=1)), 60),
        (lambda: trivet.Cache(shared=True), 60),
        (lambda: 300, 300),
        (lambda: 0.5, 0),  # in whole seconds
        (lambda: trivet.Cache(ttl=300), 300),
    ],
    ids=["True", "Cache", "store", "shared", "seconds", "half a second", "ttl"],
)
def test_what_was_fetched_answers_again(runtime: Runtime, cache: Callable[[], Any], ttl: int) -> None:
    origin = Origin(Cache_Control="max-age=60", Content_Type="application/json")
    # It stands still, at a time at which nothing is long past for a store with a clock of its own.
    clock = VirtualClock(wall=time.time())

    async def scenario() -> None:
        async with runtime.client(BASE, transport=origin, cache=cache(), clock=clock) as client:
            first, second = await client.raw.get("/users"), await client.raw.get("/users")
            assert await client.get("/users") == 1
        assert (first.content, second.content) == (b"1", b"1")
        assert (first.from_cache, second.from_cache) == (False, True)
        assert (first.cache_status, str(second.cache_status)) == (
            "trivet; fwd=uri-miss; stored",
            f"trivet; hit; ttl={ttl}",
        )
        assert second.headers["Content-Type"] == "application/json"
        assert second.request.url == f"{BASE}/users"

    runtime.run(scenario)
    assert len(origin.requests) == 1


@pytest.mark.parametrize("cache", [None, False, 0, 0.0])
def test_no_cache(runtime: Runtime, cache: Any) -> None:
    origin = Origin()

    async def scenario() -> None:
        async with runtime.client(BASE, transport=origin, cache=cache) as client:
            assert [await client.get("/"), await client.get("/")] == [1, 2]
            response = await client.raw.get("/")
            assert (response.from_cache, response.cache_status) == (False, None)

    runtime.run(scenario)


def test_true_goes_by_what_responses_say(runtime: Runtime) -> None:
    late, origin = Late(), Origin(Cache_Control="max-age=60", Age="10")

    async def scenario() -> None:
        async with late.client(runtime, origin) as client:
            assert await client.get("/") == 1
            late.clock.advance(49)
            hit = await client.raw.get("/")
            assert (hit.content, hit.headers["Age"], hit.cache_status) == (b"1", "59", "trivet; hit; ttl=1")
            late.clock.advance(1)
            assert await client.get("/") == 2
            assert await client.get("/", headers={"Cache-Control": "no-cache"}) == 3

    runtime.run(scenario)


def test_a_number_of_seconds_whatever_responses_say(runtime: Runtime) -> None:
    late, origin = Late(ttl=300), Origin(Cache_Control="no-store, max-age=0", Pragma="no-cache")

    async def scenario() -> None:
        async with late.client(runtime, origin) as client:
            assert await client.get("/", params={"a": 1, "b": 2}) == 1
            late.clock.advance(299)
            assert await client.get("/?b=2", params={"a": 1}) == 1
            assert await client.get("/", params={"a": 2, "b": 1}) == 2
            late.clock.advance(1)
            assert await client.get("/", params={"a": 1, "b": 2}) == 3

    runtime.run(scenario)


def test_named_fields_tell_requests_apart(runtime: Runtime) -> None:
    late, origin = Late(ttl=300, fields=("Accept-Language",)), Origin()

    async def scenario() -> None:
        async with late.client(runtime, origin) as client:
            for language, number in [("de", 1), ("en", 2), ("de", 1), ("EN", 2)]:
                assert await client.get("/", headers={"Accept-Language": language}) == number
            assert await client.get("/", headers={"X-Other": "1", "Accept-Language": "de"}) == 1

    runtime.run(scenario)


def test_the_time_is_that_of_the_client(runtime: Runtime) -> None:
    """With a clock of the client's own, what is stored is not long past for its store."""
    clock, origin = VirtualClock(), Origin()

    async def scenario() -> None:
        for cache in (True, 60):
            async with runtime.client(BASE, transport=origin, cache=cache, clock=clock) as client:
                first = await client.get("/")
                assert await client.get("/") == first
                clock.advance(60)
                assert await client.get("/") == first + 1

    runtime.run(scenario)


def test_one_cache_for_several_clients(runtime: Runtime) -> None:
    cache, origin, other = trivet.Cache(), Origin(), ScriptedTransport()

    async def scenario() -> None:
        async with runtime.client(BASE, transport=origin, cache=cache) as client:
            assert await client.get("/users") == 1
        async with runtime.client(f"{BASE}/users", transport=other, cache=cache) as client:
            assert await client.get("") == 1
        with trivet.Client(transport=other, cache=cache) as client:
            assert client.get(f"{BASE}/users") == 1

    runtime.run(scenario)
    assert (len(origin.requests), len(other.requests)) == (1, 0)


def test_siblings_share_the_cache_unless_they_have_another(runtime: Runtime) -> None:
    origin = Origin()

    async def scenario() -> None:
        async with runtime.client(BASE, transport=origin, cache=True) as client:
            assert await client.get("/") == 1
            assert await client.with_options(timeout=5, retry=0).get("/") == 1
            assert await client.with_options(cache=None).get("/") == 2
            for cache, number in [(True, 3), (60, 4), (trivet.Cache(), 5)]:
                other = client.with_options(cache=cache)
                assert [await other.get("/"), await other.get("/")] == [number, number]
            assert await client.get("/") == 1

    runtime.run(scenario)


def test_the_cache_ttl_of_the_environment(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_BASE_URL", BASE)
    monkeypatch.setenv("API_CACHE_TTL", "60")
    origin = Origin(Cache_Control="no-store")
    clock = VirtualClock()

    async def scenario() -> None:
        config = trivet.Config.from_env()
        async with runtime.client(config, transport=origin, clock=clock) as client:
            assert [await client.get("/"), await client.get("/")] == [1, 1]
            clock.advance(60)
            assert await client.get("/") == 2
        async with runtime.client(config, transport=origin, cache=None) as client:
            assert [await client.get("/"), await client.get("/")] == [3, 4]

    runtime.run(scenario)


# What one call may say.


@pytest.mark.parametrize("ttl", [None, 60])
def test_a_call_passes_the_cache_by(runtime: Runtime, ttl: float | None) -> None:
    origin = Origin()

    async def scenario() -> None:
        async with runtime.client(BASE, transport=origin, cache=trivet.Cache(ttl=ttl)) as client:
            assert await client.get("/", cache=False) == 1
            assert await client.get("/") == 2
            response = await client.raw.get("/", cache=False)
            assert (response.content, response.cache_status) == (b"3", "trivet; fwd=bypass")
            assert told(response) == ["cache miss: the call passes by the cache"]
            assert await client.get("/", cache=None) == 2

    runtime.run(scenario)


@pytest.mark.parametrize("ttl", [None, 60])
def test_a_call_refreshes_what_is_stored(runtime: Runtime, ttl: float | None) -> None:
    origin = Origin()

    async def scenario() -> None:
        async with runtime.client(BASE, transport=origin, cache=trivet.Cache(ttl=ttl)) as client:
            assert await client.get("/") == 1
            fresh = await client.raw.get("/", cache="refresh")
            assert (fresh.content, fresh.cache_status) == (b"2", "trivet; fwd=request; stored")
            assert told(fresh)[0] == "cache miss: a refresh was asked for"
            assert await client.get("/") == 2
            async with client.stream("GET", "/", cache="refresh") as response:
                assert await response.read() == b"3"
            assert await client.get("/") == 3
            await client.put("/", cache="refresh")
            assert await client.get("/") == 5

    runtime.run(scenario)


def test_options_of_a_call_leave_the_cache_alone(runtime: Runtime) -> None:
    origin = Origin()

    async def scenario() -> None:
        async with runtime.client(BASE, transport=origin, cache=True) as client:
            assert await client.get("/", timeout=5, retry=1, raise_for_status=False) == 1
            assert await client.get("/", timeout=7) == 1
            assert await client.get("/") == 1

    runtime.run(scenario)


# What is forgotten.


@pytest.mark.parametrize("ttl", [None, 60])
def test_all_is_forgotten(runtime: Runtime, ttl: float | None) -> None:
    origin, cache = Origin(), trivet.Cache(ttl=ttl)

    async def scenario() -> None:
        async with runtime.client(BASE, transport=origin, cache=cache) as client:
            assert [await client.get("/a"), await client.get("/b")] == [1, 2]
            await client.clear_cache()
            assert [await client.get("/a"), await client.get("/b")] == [3, 4]
            await client.with_options(timeout=5).cache.clear()
            assert [await client.get("/a"), await client.get("/b")] == [5, 6]

    runtime.run(scenario)


@pytest.mark.parametrize("ttl", [None, 60])
@pytest.mark.parametrize(
    ("target", "options", "forgotten"),
    [
        ("/users", {}, {"users"}),
        ("/users", {"params": {"page": 2}}, {"page 2"}),
        ("/users/{id}", {"path": {"id": 7}}, {"7"}),
        ("/users/7", {}, {"7"}),
        (f"{BASE}/v1/users/7#name", {}, {"7"}),
        ("/users/8", {}, set()),
        ("/users/", {}, set()),
        ("/users/*", {}, {"7", "7's posts"}),
        ("/users*", {}, {"users", "page 2", "7", "7's posts"}),
        ("users/*/posts", {}, set()),
        ("users/*/posts*", {}, {"7's posts"}),
        ("users/*/posts?v=*", {}, {"7's posts"}),
        ("/users?*", {}, {"page 2", "users"}),
        ("*", {}, {"users", "page 2", "7", "7's posts"}),
        (f"{BASE}/*/7?*", {}, {"7"}),
        ("https://*", {}, {"users", "page 2", "7", "7's posts"}),
        ("https://api.example.org/*", {}, set()),
    ],
)
def test_a_target_is_forgotten(
    runtime: Runtime, ttl: float | None, target: str, options: dict[str, Any], forgotten: set[str]
) -> None:
    calls: dict[str, dict[str, Any]] = {
        "users": {},
        "page 2": {"params": {"page": 2}},
        "7": {"path": {"id": 7}},
        "7's posts": {"path": {"id": 7}},
    }
    targets = {"users": "/users", "page 2": "/users", "7": "/users/{id}", "7's posts": "/users/{id}/posts"}

    async def scenario() -> None:
        async with runtime.client(
            f"{BASE}/v1", transport=Origin(), cache=trivet.Cache(ttl=ttl), params={"v": 1}
        ) as client:
            before = {name: await client.get(targets[name], **calls[name]) for name in targets}
            assert await client.cache.invalidate(target, **options) == len(forgotten)
            after = {name: await client.get(targets[name], **calls[name]) for name in targets}
        assert {name for name in targets if before[name] != after[name]} == forgotten

    runtime.run(scenario)


def test_a_target_is_forgotten_for_everybody(runtime: Runtime) -> None:
    origin, cache = Origin(), trivet.Cache()

    async def scenario() -> None:
        async with runtime.client(BASE, transport=origin, cache=cache) as client:
            ada = client.with_options(auth=trivet.BearerAuth("ada"))
            assert [await client.get("/"), await ada.get("/")] == [1, 2]
            assert await client.cache.invalidate("/") == 2
            assert [await client.get("/"), await ada.get("/")] == [3, 4]

    runtime.run(scenario)


def test_without_a_base_url_whole_urls_are_forgotten(runtime: Runtime) -> None:
    async def scenario() -> None:
        async with runtime.client(transport=Origin(), cache=True) as client:
            assert await client.get(f"{BASE}/users") == 1
            for target in ("/users", "/users*", "*"):
                with pytest.raises(trivet.InvalidRequest, match="base_url"):
                    await client.cache.invalidate(target)
            assert await client.get(f"{BASE}/users") == 1
            assert await client.cache.invalidate(f"{BASE}/users") == 1
            assert await client.get(f"{BASE}/users") == 2
            assert await client.cache.invalidate("*://*/users") == 1
            assert await client.get(f"{BASE}/users") == 3

    runtime.run(scenario)


@pytest.mark.parametrize("target", ["http://[", "/users/{id}", "https://elsewhere.example/", "/../x"])
def test_a_target_that_no_call_takes_is_refused(runtime: Runtime, target: str) -> None:
    async def scenario() -> None:
        async with runtime.client(BASE, transport=Origin(), cache=True) as client:
            with pytest.raises(trivet.InvalidRequest):
                await client.get(target)
            with pytest.raises(trivet.InvalidRequest):
                await client.cache.invalidate(target)

    runtime.run(scenario)


@pytest.mark.parametrize("options", [{"params": {"page": 2}}, {"path": {"id": 7}}])
def test_a_pattern_has_all_in_it(runtime: Runtime, options: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with runtime.client(BASE, transport=Origin(), cache=True) as client:
            with pytest.raises(trivet.InvalidRequest, match="neither params nor path"):
                await client.cache.invalidate("/users/{id}/*", **options)

    runtime.run(scenario)


def test_a_closed_client_forgets_nothing(runtime: Runtime) -> None:
    async def scenario() -> None:
        async with runtime.client(BASE, transport=Origin(), cache=True) as client:
            await client.get("/")
        for forget in (client.clear_cache, lambda: client.cache.invalidate("/")):
            with pytest.raises(LocalProtocolError, match="closed"):
                await forget()

    runtime.run(scenario)


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE", "PURGE"])
def test_an_unsafe_call_makes_the_client_forget(runtime: Runtime, method: str) -> None:
    async def scenario() -> None:
        async with runtime.client(BASE, transport=Origin(), cache=True) as client:
            assert [await client.get("/users"), await client.get("/teams")] == [1, 2]
            response = await client.raw.request(method, "/users")
            assert told(response) == [f"cache: 1 stored invalidated by {method}"]
            assert response.cache_status == "trivet; fwd=method"
            assert [await client.get("/users"), await client.get("/teams")] == [4, 2]

    runtime.run(scenario)


def test_closing_the_client_closes_the_store_once_it_was_used(runtime: Runtime) -> None:
    class Counting(trivet.MemoryStore):
        instant = False
        closed = 0

        def close(self) -> None:
            self.closed += 1

    store, unused = Counting(), Counting()

    async def scenario() -> None:
        async with runtime.client(BASE, transport=Origin(), cache=trivet.Cache(store)) as client:
            await client.get("/")
            async with client.with_options(timeout=5) as sibling:
                await sibling.get("/")
            assert store.closed == 0
        async with runtime.client(BASE, transport=Origin(), cache=trivet.Cache(unused)):
            pass

    runtime.run(scenario)
    assert (store.closed, unused.closed) == (1, 0)
