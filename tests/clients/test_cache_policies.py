"""The cache among everything else that a client does: retries, redirects, the breaker, deadlines, decoding, tracing."""

from __future__ import annotations

import pickle
import threading
from dataclasses import dataclass
from typing import Any

import pytest

import trivet
from clients.caching import BASE, FRESH, Late, Origin, Watch, told
from conftest import MakeHostile
from runtimes import Asyncio, Runtime, Trio
from servers.hostile import read_request, read_to_end, send, signal
from trivet.testing import After, ScriptedTransport, Streamed

REFUSED = trivet.ConnectError("connection refused", sent=False)
STALE = {"Cache-Control": "max-age=60, stale-if-error=600", "ETag": '"a"'}


@dataclass
class User:
    name: str


# Methods, statuses and conditions.


def test_head_is_answered_by_what_get_has_stored(runtime: Runtime) -> None:
    origin = Origin(Cache_Control="max-age=60", Content_Length="1", X_Own="1")

    async def scenario() -> None:
        async with runtime.client(BASE, transport=origin, cache=True) as client:
            assert (await client.raw.head("/")).from_cache is False
            assert await client.get("/") == 2
            response = await client.raw.head("/")
            assert (response.content, response.from_cache) == (b"", True)
            assert (response.headers["Content-Length"], response.headers["X-Own"]) == ("1", "1")
            assert response.request.method == "HEAD"

    runtime.run(scenario)
    assert len(origin.requests) == 2


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE"])
def test_other_safe_methods_pass_it_by(runtime: Runtime, method: str) -> None:
    async def scenario() -> None:
        async with runtime.client(BASE, transport=Origin(), cache=True) as client:
            assert await client.get("/") == 1
            assert [await client.request(method, "/"), await client.request(method, "/")] == [2, 3]
            response = await client.raw.request(method, "/")
            assert (response.cache_status, told(response)) == (
                "trivet; fwd=method",
                [f"cache miss: method {method}"],
            )
            assert await client.get("/") == 1

    runtime.run(scenario)


def test_get_with_content_passes_it_by(runtime: Runtime) -> None:
    async def scenario() -> None:
        async with runtime.client(BASE, transport=Origin(), cache=True) as client:
            assert await client.get("/") == 1
            assert [await client.request("GET", "/", {"q": n}) for n in (1, 2)] == [2, 3]
            assert await client.get("/") == 1

    runtime.run(scenario)


def test_a_stored_error_is_raised_again(runtime: Runtime) -> None:
    problem = b'{"title": "No such user", "status": 404}'
    origin = ScriptedTransport(
        trivet.Response(404, {**FRESH, "Content-Type": "application/problem+json"}, problem), trivet.Response(200)
    )

    async def scenario() -> None:
        async with runtime.client(BASE, transport=origin, cache=True) as client:
            for from_cache in (False, True):
                with pytest.raises(trivet.NotFoundError, match=f"GET {BASE}/users/7: 404.*No such user") as caught:
                    await client.get("/users/7")
                error = caught.value
                assert (error.response.from_cache, error.problem.title) == (from_cache, "No such user")
                assert error.response.content == problem
            assert error.trace is not None
            assert str(error.trace[0]).startswith("cache hit")
            response = await client.raw.get("/users/7", raise_for_status=False)
            assert (response.status, response.from_cache) == (404, True)

    runtime.run(scenario)
    assert len(origin.requests) == 1


def test_only_if_cached(runtime: Runtime) -> None:
    only = {"Cache-Control": "only-if-cached"}

    async def scenario() -> None:
        async with runtime.client(BASE, transport=Origin(), cache=True) as client:
            with pytest.raises(trivet.ServerError) as caught:
                await client.get("/", headers=only)
            assert (caught.value.status, len(caught.value.trace.attempts)) == (504, 0)
            assert await client.get("/") == 1
            assert await client.get("/", headers=only) == 1

    runtime.run(scenario)


def test_the_callers_own_conditions(runtime: Runtime) -> None:
    async def scenario() -> None:
        async with runtime.client(BASE, transport=Origin(Cache_Control="max-age=60", ETag='"a"'), cache=True) as client:
            assert await client.get("/") == 1
            response = await client.raw.get("/", headers={"If-None-Match": '"a"'})
            assert (response.status, response.content, response.from_cache) == (304, b"", True)
            assert await client.get("/", headers={"If-None-Match": '"b"'}) == 1
            assert await client.get("/", headers={"If-None-Match": '"a"'}) is None
            async with client.stream("GET", "/", headers={"If-None-Match": '"a"'}) as streamed:
                assert (streamed.status, await streamed.read()) == (304, b"")

    runtime.run(scenario)


def test_a_hit_is_decoded_into_types(runtime: Runtime) -> None:
    origin = ScriptedTransport(trivet.Response(200, FRESH, b'{"name": "Ada"}'))

    async def scenario() -> None:
        async with runtime.client(BASE, transport=origin, cache=True) as client:
            users = [await client.get("/", into=User) for _ in range(2)]
            assert users == [User("Ada")] * 2
            # What the caller does to one answer is not seen in the next.
            decoded = await client.get("/")
            decoded["name"] = "Bob"
            assert await client.get("/") == {"name": "Ada"}
            with pytest.raises(trivet.DecodingError) as caught:
                await client.get("/", into=list[int])
            assert caught.value.trace is not None

    runtime.run(scenario)


# Redirects.


def moved(status: int = 301, location: str = "/new", **fields: str) -> trivet.Response:
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    return trivet.Response(status, {"Location": location, **headers}, b"moved")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_stored(runtime: Runtime, status: int) -> None:
    origin = ScriptedTransport(
        moved(status, Cache_Control="max-age=60"), trivet.Response(200, FRESH, b"true"), trivet.Response(200)
    )

    async def scenario() -> None:
        async with runtime.client(BASE, transport=origin, cache=True) as client:
            for from_cache in (False, True):
                response = await client.raw.get("/old")
                assert (response.content, response.url, response.from_cache) == (b"true", f"{BASE}/new", from_cache)
                assert [(each.status, each.from_cache) for each in response.history] == [(status, from_cache)]
            assert await client.get("/new") is True
            async with client.stream("GET", "/old") as streamed:
                assert (await streamed.read(), streamed.from_cache) == (b"true", True)
            unfollowed = await client.with_options(redirects=0).raw.get("/old")
            assert (unfollowed.status, unfollowed.content, unfollowed.from_cache) == (status, b"moved", True)

    runtime.run(scenario)
    assert [request.url.path for request in origin.requests] == ["/old", "/new"]


def test_a_redirect_whose_content_nobody_reads_is_stored_all_the_same(runtime: Runtime) -> None:
    """Its content is drained, and goes into the store by that."""
    headers = {"Location": "/new", "Cache-Control": "max-age=60", "Content-Length": "5"}
    origin = ScriptedTransport(
        Streamed(301, headers, [b"mov", b"ed"]), trivet.Response(200, FRESH, b"true"), trivet.Response(200)
    )

    async def scenario() -> None:
        async with runtime.client(BASE, transport=origin, cache=True) as client:
            assert [await client.get("/old"), await client.get("/old")] == [True, True]

    runtime.run(scenario)
    assert (len(origin.requests), origin.open) == (2, {})


def test_what_is_stored_at_the_end_of_a_redirect_to_another_origin_is_nobodys(runtime: Runtime) -> None:
    away = "https://away.example/x"
    origin = ScriptedTransport(moved(302, away), trivet.Response(200, FRESH, b"1"), trivet.Response(200, FRESH, b"2"))
    cache = trivet.Cache()

    async def scenario() -> None:
        async with runtime.client(BASE, transport=origin, cache=cache, auth=trivet.BearerAuth("ada")) as client:
            assert await client.get("/") == 1
        async with runtime.client(transport=origin, cache=cache) as client:
            assert await client.get(away) == 1
        async with runtime.client(transport=origin, cache=cache, auth=trivet.BearerAuth("ada")) as client:
            assert await client.get(away) == 2

    runtime.run(scenario)


# Failures.


def test_what_a_retry_brought_is_stored(runtime: Runtime) -> None:
    late = Late()
    origin = ScriptedTransport(trivet.Response(503, FRESH), REFUSED, trivet.Response(200, FRESH, b"true"))

    async def scenario() -> None:
        async with late.client(runtime, origin) as client:
            response = await client.raw.get("/")
            assert [attempt.outcome for attempt in response.trace.attempts] == ["503", "ConnectError", "200"]
            assert told(response) == ["cache miss: nothing is stored", "stored: max-age=60"]
            late.clock.advance(1)
            assert await client.get("/") is True

    runtime.run(scenario)
    assert len(origin.requests) == 3


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        (REFUSED, "stale-if-error=600"),
        (trivet.Response(503), "stale-if-error=600"),
        (After(1000, trivet.Response(200)), "stale-if-error=600"),
    ],
    ids=["refused", "503", "silent"],
)
def test_when_the_server_fails_what_is_stale_is_served(runtime: Runtime, failure: Any, why: str) -> None:
    late = Late()
    origin = ScriptedTransport(trivet.Response(200, STALE, b"1"), failure, clock=late.clock, forever=True)

    async def scenario() -> None:
        async with late.client(runtime, origin, timeout=trivet.Timeout(100, 10), retry=2) as client:
            assert await client.get("/") == 1
            late.clock.advance(90)
            response = await client.raw.get("/")
            assert (response.content, response.from_cache) == (b"1", True)
            assert len(response.trace.attempts) == 3
            assert told(response)[0] == "cache: stale by 30 s (max-age=60), validated now"
            assert told(response)[-1].startswith("cache: stale response served: stale by ")
            assert told(response)[-1].endswith(why)
            status = response.cache_status
            assert (status.hit, status.fwd, status.detail) == (False, "stale", "the server failed")
            assert status.ttl <= -30
            # A stream has it too.
            async with client.stream("GET", "/") as streamed:
                assert (await streamed.read(), streamed.from_cache) == (b"1", True)
            late.clock.advance(600)
            with pytest.raises((trivet.TransportError, trivet.ServerError, trivet.AttemptTimeout)):
                await client.get("/")

    runtime.run(scenario)


@pytest.mark.parametrize("failure", [REFUSED, trivet.Response(503)], ids=["refused", "503"])
@pytest.mark.parametrize("directive", ["must-revalidate", "no-cache"])
def test_nothing_stale_is_served_against_the_servers_will(runtime: Runtime, failure: Any, directive: str) -> None:
    late = Late()
    headers = {"Cache-Control": f"max-age=60, stale-if-error=600, {directive}", "ETag": '"a"'}
    origin = ScriptedTransport(trivet.Response(200, headers, b"1"), failure, forever=True)

    async def scenario() -> None:
        async with late.client(runtime, origin, retry=0) as client:
            assert await client.get("/") == 1
            late.clock.advance(61)
            with pytest.raises((trivet.TransportError, trivet.ServerError)):
                await client.get("/")

    runtime.run(scenario)


def test_an_open_circuit_leaves_what_is_stale(runtime: Runtime) -> None:
    late = Late()
    origin = ScriptedTransport(trivet.Response(200, STALE, b"1"), trivet.Response(503), forever=True)

    async def scenario() -> None:
        breaker = trivet.Breaker(failure_threshold=1, recovery_time=300)
        async with late.client(runtime, origin, breaker=breaker, retry=0) as client:
            assert await client.get("/") == 1
            late.clock.advance(61)
            assert await client.get("/") == 1
            assert len(origin.requests) == 2
            response = await client.raw.get("/")
            assert (response.content, len(origin.requests)) == (b"1", 2)
            assert response.trace.attempts == ()
            with pytest.raises(trivet.CircuitOpen):
                await client.get("/other")

    runtime.run(scenario)


def test_hits_are_not_held_back_by_the_rate_limit(runtime: Runtime) -> None:
    late = Late()

    async def scenario() -> None:
        async with late.client(runtime, Origin(), rate_limit=trivet.RateLimit(1)) as client:
            assert [await client.get("/") for _ in range(50)] == [1] * 50
        assert late.clock.sleeps == []

    runtime.run(scenario)


def test_a_failed_unsafe_call_makes_nobody_forget(runtime: Runtime) -> None:
    origin = ScriptedTransport(
        trivet.Response(200, FRESH, b"1"), trivet.Response(409), REFUSED, trivet.Response(200, FRESH, b"2")
    )

    async def scenario() -> None:
        async with runtime.client(BASE, transport=origin, cache=True, retry=0) as client:
            assert await client.get("/") == 1
            with pytest.raises(trivet.ConflictError):
                await client.put("/", {})
            with pytest.raises(trivet.ConnectError):
                await client.put("/", {})
            assert await client.get("/") == 1

    runtime.run(scenario)


# Interim responses.


def test_interim_responses_are_handed_out_and_not_stored(runtime: Runtime, hostile: MakeHostile) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\nCache-Control: max-age=60\r\n\r\n"
    final = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\ntrue"
    server = hostile([read_request, send(hints + final), read_request])
    seen: list[int] = []

    async def scenario() -> None:
        async with runtime.client(server.url, cache=True) as client:
            for _ in range(2):
                assert await client.get("/", on_interim=lambda response: seen.append(response.status)) is True
            response = await client.raw.get("/")
            assert (response.status, response.from_cache, "Link" in response.headers) == (200, True, False)

    runtime.run(scenario)
    assert (seen, len(server.requests)) == ([103], 1)


# In the background.


@pytest.mark.parametrize("fresh", [trivet.Response(200, FRESH, b"2"), trivet.Response(304, FRESH)], ids=["200", "304"])
def test_stale_while_revalidate(runtime: Runtime, fresh: trivet.Response) -> None:
    late, stored = Late(), Watch("ResponseStored", "ResponseValidated", times=2)
    headers = {"Cache-Control": "max-age=60, stale-while-revalidate=60", "ETag": '"a"'}
    origin = ScriptedTransport(trivet.Response(200, headers, b"1"), fresh)

    async def scenario() -> None:
        async with late.client(runtime, origin, log=stored.log) as client:
            assert await client.get("/") == 1
            late.clock.advance(70)
            stale = await client.raw.get("/")
            assert (stale.content, stale.headers["Age"], stale.cache_status) == (b"1", "70", "trivet; hit; ttl=-10")
            assert told(stale) == [
                f"cache hit: GET {BASE}/ (stale by 10 s (max-age=60), stale-while-revalidate=60)",
            ]
            await runtime.wait_for(stored.seen)
            response = await client.raw.get("/")
            assert (response.content, response.headers["Age"]) == (b"2" if fresh.status == 200 else b"1", "0")
            assert told(response) == [f"cache hit: GET {BASE}/ (fresh: max-age=60, 0 s old)"]
        assert not any(thread.name.startswith("trivet-background") for thread in threading.enumerate())

    runtime.run(scenario)
    assert len(origin.requests) == 2
    assert origin.requests[1].headers["If-None-Match"] == '"a"'


@pytest.mark.parametrize("runtime", [Asyncio(), Trio()], ids=repr)
def test_a_closed_client_validates_nothing_in_the_background(runtime: Runtime, hostile: MakeHostile) -> None:
    """Threads cannot be interrupted while they wait for a server, so here are only tasks."""
    headers = b"Cache-Control: max-age=0, stale-while-revalidate=60\r\nContent-Length: 1\r\n\r\n"
    begun, ok = threading.Event(), b"HTTP/1.1 200 OK\r\n" + headers + b"1"
    server = hostile([read_request, send(ok), read_request, signal(begun), read_to_end])

    async def scenario() -> None:
        async with runtime.client(server.url, cache=True) as client:
            assert await client.get("/") == 1
            async with client.stream("GET", "/") as response:
                assert await response.read() == b"1"
            assert await client.get("/") == 1
            await runtime.wait_for(begun)
            assert server.open == 1
        # While the event loop is still running.
        server.wait_until(lambda: server.open == 0)

    runtime.run(scenario)
    assert (len(server.requests), server.connections) == (2, 1)


# What a response tells.


def test_a_stored_response_pickles(runtime: Runtime) -> None:
    async def scenario() -> None:
        async with runtime.client(BASE, transport=Origin(), cache=True) as client:
            await client.get("/")
            response = await client.raw.get("/")
            again = pickle.loads(pickle.dumps(response))
            for name in ("status", "content", "from_cache", "cache_status", "elapsed", "url", "reason"):
                assert getattr(again, name) == getattr(response, name)
            assert (again.from_cache, again.cache_status.hit) == (True, True)
            assert list(again.headers.items()) == list(response.headers.items())
            assert told(again) == told(response) != []
            async with client.stream("GET", "/") as streamed:
                await streamed.read()
            with pytest.raises(trivet.NotFoundError) as caught:
                async with runtime.client(BASE, transport=Origin(404), cache=True) as failing:
                    await failing.get("/")
            assert pickle.loads(pickle.dumps(caught.value)).response.cache_status == "trivet; fwd=uri-miss; stored"

    runtime.run(scenario)


@pytest.mark.parametrize(
    ("first", "later", "second", "asked", "words"),
    [
        (
            trivet.Response(200, FRESH),
            12,
            trivet.Response(200, FRESH),
            {},
            [f"cache hit: GET {BASE}/?key=[redacted] (fresh: max-age=60, 12 s old)"],
        ),
        (
            trivet.Response(200, {**FRESH, "ETag": '"a"'}),
            72,
            trivet.Response(304),
            {},
            [
                "cache: stale by 12 s (max-age=60), validated now",
                "cache: stale by 12 s (max-age=60), validated with ETag → 304",
            ],
        ),
        (
            trivet.Response(200, {**FRESH, "Last-Modified": "Mon, 13 Nov 2023 00:00:00 GMT"}),
            72,
            trivet.Response(200, {"Cache-Control": "no-store"}),
            {},
            [
                "cache: stale by 12 s (max-age=60), validated now",
                "not stored: no-store",
                "cache: 1 stored invalidated by GET",
            ],
        ),
        (
            trivet.Response(200, FRESH),
            72,
            trivet.Response(200, {"Cache-Control": "max-age=9"}),
            {},
            ["cache miss: stale by 12 s (max-age=60)", "stored: max-age=9"],
        ),
        (
            trivet.Response(200, FRESH),
            0,
            trivet.Response(200, {"Cache-Control": "max-age=9"}),
            {"Cache-Control": "no-store"},
            [f"cache hit: GET {BASE}/?key=[redacted] (fresh: max-age=60, 0 s old)"],
        ),
        (
            trivet.Response(200, {**FRESH, "Vary": "Accept"}),
            0,
            trivet.Response(200, FRESH),
            {"Accept": "text/html"},
            ["cache miss: what is stored was selected by other fields", "stored: max-age=60"],
        ),
        (
            trivet.Response(200, {"Cache-Control": "private, no-cache"}),
            0,
            trivet.Response(500),
            {},
            ["cache miss: nothing is stored", "not stored: status 500 and no freshness"],
        ),
    ],
    ids=["hit", "304", "replaced by nothing", "replaced", "no-store in the request", "vary", "error"],
)
def test_the_trace_says_why(
    runtime: Runtime,
    first: trivet.Response,
    later: float,
    second: trivet.Response,
    asked: dict[str, str],
    words: list[str],
) -> None:
    late = Late()

    async def scenario() -> None:
        transport = ScriptedTransport(first, second)
        async with late.client(runtime, transport, params={"key": "s3cret"}, retry=0) as client:
            await client.raw.get("/")
            late.clock.advance(later)
            response = await client.raw.get("/", headers=asked, raise_for_status=False)
        assert told(response) == words
        assert "s3cret" not in str(response.trace)

    runtime.run(scenario)
